
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
DROP TABLE IF EXISTS `auth_group`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_group` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(150) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `name` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_group` DISABLE KEYS */;
/*!40000 ALTER TABLE `auth_group` ENABLE KEYS */;
DROP TABLE IF EXISTS `auth_group_permissions`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_group_permissions` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `group_id` int(11) NOT NULL,
  `permission_id` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `auth_group_permissions_group_id_permission_id_0cd325b0_uniq` (`group_id`,`permission_id`),
  KEY `auth_group_permissio_permission_id_84c5c92e_fk_auth_perm` (`permission_id`),
  CONSTRAINT `auth_group_permissio_permission_id_84c5c92e_fk_auth_perm` FOREIGN KEY (`permission_id`) REFERENCES `auth_permission` (`id`),
  CONSTRAINT `auth_group_permissions_group_id_b120cbf9_fk_auth_group_id` FOREIGN KEY (`group_id`) REFERENCES `auth_group` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_group_permissions` DISABLE KEYS */;
/*!40000 ALTER TABLE `auth_group_permissions` ENABLE KEYS */;
DROP TABLE IF EXISTS `auth_permission`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_permission` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(255) NOT NULL,
  `content_type_id` int(11) NOT NULL,
  `codename` varchar(100) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `auth_permission_content_type_id_codename_01ab375a_uniq` (`content_type_id`,`codename`),
  CONSTRAINT `auth_permission_content_type_id_2f476e4b_fk_django_co` FOREIGN KEY (`content_type_id`) REFERENCES `django_content_type` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=76 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_permission` DISABLE KEYS */;
INSERT INTO `auth_permission` VALUES
(1,'Can add log entry',1,'add_logentry'),
(2,'Can change log entry',1,'change_logentry'),
(3,'Can delete log entry',1,'delete_logentry'),
(4,'Can view log entry',1,'view_logentry'),
(5,'Can add permission',2,'add_permission'),
(6,'Can change permission',2,'change_permission'),
(7,'Can delete permission',2,'delete_permission'),
(8,'Can view permission',2,'view_permission'),
(9,'Can add group',3,'add_group'),
(10,'Can change group',3,'change_group'),
(11,'Can delete group',3,'delete_group'),
(12,'Can view group',3,'view_group'),
(13,'Can add user',4,'add_user'),
(14,'Can change user',4,'change_user'),
(15,'Can delete user',4,'delete_user'),
(16,'Can view user',4,'view_user'),
(17,'Can add content type',5,'add_contenttype'),
(18,'Can change content type',5,'change_contenttype'),
(19,'Can delete content type',5,'delete_contenttype'),
(20,'Can view content type',5,'view_contenttype'),
(21,'Can add session',6,'add_session'),
(22,'Can change session',6,'change_session'),
(23,'Can delete session',6,'delete_session'),
(24,'Can view session',6,'view_session'),
(25,'Can add Scheduled task',7,'add_schedule'),
(26,'Can change Scheduled task',7,'change_schedule'),
(27,'Can delete Scheduled task',7,'delete_schedule'),
(28,'Can view Scheduled task',7,'view_schedule'),
(29,'Can add Task',8,'add_task'),
(30,'Can change Task',8,'change_task'),
(31,'Can delete Task',8,'delete_task'),
(32,'Can view Task',8,'view_task'),
(33,'Can add Failed task',9,'add_failure'),
(34,'Can change Failed task',9,'change_failure'),
(35,'Can delete Failed task',9,'delete_failure'),
(36,'Can view Failed task',9,'view_failure'),
(37,'Can add Successful task',10,'add_success'),
(38,'Can change Successful task',10,'change_success'),
(39,'Can delete Successful task',10,'delete_success'),
(40,'Can view Successful task',10,'view_success'),
(41,'Can add Queued task',11,'add_ormq'),
(42,'Can change Queued task',11,'change_ormq'),
(43,'Can delete Queued task',11,'delete_ormq'),
(44,'Can view Queued task',11,'view_ormq'),
(45,'Can add custom field',12,'add_customfield'),
(46,'Can change custom field',12,'change_customfield'),
(47,'Can delete custom field',12,'delete_customfield'),
(48,'Can view custom field',12,'view_customfield'),
(49,'Can add destination',13,'add_destination'),
(50,'Can change destination',13,'change_destination'),
(51,'Can delete destination',13,'delete_destination'),
(52,'Can view destination',13,'view_destination'),
(53,'Can pause and resume destinations',13,'pause_destination'),
(54,'Can send test events',13,'send_test_event'),
(55,'Can add event',17,'add_event'),
(56,'Can change event',17,'change_event'),
(57,'Can delete event',17,'delete_event'),
(58,'Can view event',17,'view_event'),
(59,'Can resend events',17,'resend_event'),
(60,'Can rebuild and resend events',17,'rebuild_event'),
(61,'Can cancel events',17,'cancel_event'),
(62,'Can erase the events of users',17,'forget_user'),
(63,'Can see payloads',17,'view_payload'),
(64,'Can add delivery attempt',18,'add_deliveryattempt'),
(65,'Can change delivery attempt',18,'change_deliveryattempt'),
(66,'Can delete delivery attempt',18,'delete_deliveryattempt'),
(67,'Can view delivery attempt',18,'view_deliveryattempt'),
(68,'Can add order',20,'add_order'),
(69,'Can change order',20,'change_order'),
(70,'Can delete order',20,'delete_order'),
(71,'Can view order',20,'view_order'),
(72,'Can add line',21,'add_line'),
(73,'Can change line',21,'change_line'),
(74,'Can delete line',21,'delete_line'),
(75,'Can view line',21,'view_line');
/*!40000 ALTER TABLE `auth_permission` ENABLE KEYS */;
DROP TABLE IF EXISTS `auth_user`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_user` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `password` varchar(128) NOT NULL,
  `last_login` datetime(6) DEFAULT NULL,
  `is_superuser` tinyint(1) NOT NULL,
  `username` varchar(150) NOT NULL,
  `first_name` varchar(150) NOT NULL,
  `last_name` varchar(150) NOT NULL,
  `email` varchar(254) NOT NULL,
  `is_staff` tinyint(1) NOT NULL,
  `is_active` tinyint(1) NOT NULL,
  `date_joined` datetime(6) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `username` (`username`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_user` DISABLE KEYS */;
INSERT INTO `auth_user` VALUES
(1,'!NHRBQWQHOxcLyqoY8SkTNJdXjXJoxMLwudhHuKsH','2026-11-20 03:04:05.678901',1,'root','','','',1,1,'2026-11-20 03:04:05.678901'),
(2,'',NULL,0,'kim','','','',0,1,'2026-11-29 02:02:45.858006');
/*!40000 ALTER TABLE `auth_user` ENABLE KEYS */;
DROP TABLE IF EXISTS `auth_user_groups`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_user_groups` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `user_id` int(11) NOT NULL,
  `group_id` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `auth_user_groups_user_id_group_id_94350c0c_uniq` (`user_id`,`group_id`),
  KEY `auth_user_groups_group_id_97559544_fk_auth_group_id` (`group_id`),
  CONSTRAINT `auth_user_groups_group_id_97559544_fk_auth_group_id` FOREIGN KEY (`group_id`) REFERENCES `auth_group` (`id`),
  CONSTRAINT `auth_user_groups_user_id_6a12ed8b_fk_auth_user_id` FOREIGN KEY (`user_id`) REFERENCES `auth_user` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_user_groups` DISABLE KEYS */;
/*!40000 ALTER TABLE `auth_user_groups` ENABLE KEYS */;
DROP TABLE IF EXISTS `auth_user_user_permissions`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `auth_user_user_permissions` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `user_id` int(11) NOT NULL,
  `permission_id` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `auth_user_user_permissions_user_id_permission_id_14a6b632_uniq` (`user_id`,`permission_id`),
  KEY `auth_user_user_permi_permission_id_1fbb5f2c_fk_auth_perm` (`permission_id`),
  CONSTRAINT `auth_user_user_permi_permission_id_1fbb5f2c_fk_auth_perm` FOREIGN KEY (`permission_id`) REFERENCES `auth_permission` (`id`),
  CONSTRAINT `auth_user_user_permissions_user_id_a95ead1b_fk_auth_user_id` FOREIGN KEY (`user_id`) REFERENCES `auth_user` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `auth_user_user_permissions` DISABLE KEYS */;
/*!40000 ALTER TABLE `auth_user_user_permissions` ENABLE KEYS */;
DROP TABLE IF EXISTS `dfinery_django_customfield`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `dfinery_django_customfield` (
  `key` varchar(64) NOT NULL,
  `scope` varchar(20) NOT NULL,
  `name` longtext NOT NULL,
  `type` varchar(20) NOT NULL,
  `first_seen_at` datetime(6) NOT NULL,
  `last_seen_at` datetime(6) NOT NULL,
  `drift_count` int(10) unsigned NOT NULL CHECK (`drift_count` >= 0),
  `drift_type` varchar(20) NOT NULL,
  `drifted_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`key`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `dfinery_django_customfield` DISABLE KEYS */;
INSERT INTO `dfinery_django_customfield` VALUES
('2eda71f4418b7ac2103fbe99fddce2362a42eb145cc4f411674591cda0c55e59','event','빛깔','string','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901',0,'',NULL),
('5eeda07c6b73b91c86acfcfbe2fd973cf95e0cff6139f331067dc02c16fe1740','event','grade','string','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901',0,'',NULL),
('9305a680e2fb2dba515b70cc4813d4200058e00f8d4cf8f75b24a78694823460','event','memo','string','2026-11-29 02:02:45.937371','2026-11-29 02:02:45.937371',0,'',NULL),
('9deb9f890b1eccf6a42bd68014c521457e17efbbedb3e0e31a32d566c3b8cebe','event','it\'s','string','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901',0,'',NULL),
('d504b683682b5f7941c57a29f534c527e25678413ce8925033303eb6652e7904','event','Grade','string','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901',0,'',NULL);
/*!40000 ALTER TABLE `dfinery_django_customfield` ENABLE KEYS */;
DROP TABLE IF EXISTS `dfinery_django_deliveryattempt`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `dfinery_django_deliveryattempt` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `number` int(10) unsigned NOT NULL CHECK (`number` >= 0),
  `started_at` datetime(6) NOT NULL,
  `duration_ms` int(10) unsigned NOT NULL CHECK (`duration_ms` >= 0),
  `outcome` varchar(20) NOT NULL,
  `status_code` smallint(5) unsigned DEFAULT NULL CHECK (`status_code` >= 0),
  `result_code` varchar(20) NOT NULL,
  `response_body` longtext NOT NULL,
  `reason` longtext NOT NULL,
  `reason_data` longtext NOT NULL,
  `error` longtext NOT NULL,
  `may_have_arrived` tinyint(1) NOT NULL,
  `event_id` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `dfinery_django_deliv_event_id_fefbb328_fk_dfinery_d` (`event_id`),
  CONSTRAINT `dfinery_django_deliv_event_id_fefbb328_fk_dfinery_d` FOREIGN KEY (`event_id`) REFERENCES `dfinery_django_event` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=15 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `dfinery_django_deliveryattempt` DISABLE KEYS */;
INSERT INTO `dfinery_django_deliveryattempt` VALUES
(1,1,'2026-11-20 03:04:05.678901',12,'accepted',200,'2000','{\"result_code\": 2000, \"result_msg\": null, \"result_data\": {\"event_id\": \"d5879f54-85df-4488-82a3-01289933ee6a\"}}','','','',0,1),
(2,1,'2026-11-20 03:05:05.678901',31,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',1,3),
(3,2,'2026-11-20 03:06:05.678901',62,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',0,3),
(4,3,'2026-11-20 03:07:05.678901',93,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',1,3),
(5,1,'2026-11-20 03:05:05.678901',31,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',1,5),
(6,1,'2026-11-20 03:05:05.678901',31,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',1,7),
(7,2,'2026-11-20 03:06:05.678901',62,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',0,7),
(8,3,'2026-11-20 03:07:05.678901',93,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',1,7),
(9,4,'2026-11-20 03:08:05.678901',124,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',0,7),
(10,1,'2026-11-20 03:05:05.678901',31,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',1,8),
(11,1,'2026-11-20 03:05:05.678901',31,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',1,11),
(12,2,'2026-11-20 03:06:05.678901',62,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',0,11),
(13,1,'2026-11-20 03:05:05.678901',31,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',1,13),
(14,2,'2026-11-20 03:06:05.678901',62,'transient',503,'','<h1>503 \'잠시\' 🎁</h1>\r\n','no proper answer','','ReadTimeout: it\'s \\ slow',0,13);
/*!40000 ALTER TABLE `dfinery_django_deliveryattempt` ENABLE KEYS */;
DROP TABLE IF EXISTS `dfinery_django_destination`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `dfinery_django_destination` (
  `alias` varchar(64) NOT NULL,
  `closed_until` datetime(6) DEFAULT NULL,
  `closed_code` varchar(20) NOT NULL,
  `closed_reason` longtext NOT NULL,
  `closed_data` longtext NOT NULL,
  `closed_at` datetime(6) DEFAULT NULL,
  `failure_count` int(10) unsigned NOT NULL CHECK (`failure_count` >= 0),
  `closed_wire` varchar(16) NOT NULL,
  `quota_left` int(10) unsigned DEFAULT NULL CHECK (`quota_left` >= 0),
  `quota_resets_at` datetime(6) DEFAULT NULL,
  `rate` double DEFAULT NULL,
  `rate_ceiling` double DEFAULT NULL,
  `rate_at` datetime(6) DEFAULT NULL,
  `paced_until` datetime(6) DEFAULT NULL,
  `paused_by` varchar(255) NOT NULL,
  `paused_at` datetime(6) DEFAULT NULL,
  `wake_requested_at` datetime(6) DEFAULT NULL,
  `drained_at` datetime(6) DEFAULT NULL,
  `warned_at` datetime(6) DEFAULT NULL,
  `clock_ahead_seconds` double DEFAULT NULL,
  `clock_differed_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`alias`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `dfinery_django_destination` DISABLE KEYS */;
INSERT INTO `dfinery_django_destination` VALUES
('closed','2026-11-20 04:00:00.000000','token','4001: it\'s refused','','2026-11-20 03:04:05.678901',7,'0123456789abcdef',NULL,NULL,NULL,NULL,NULL,NULL,'',NULL,NULL,'2026-11-29 02:02:45.930314',NULL,NULL,NULL),
('default',NULL,'','','',NULL,0,'',NULL,NULL,12.5,1e22,'2026-11-20 03:04:05.678901',NULL,'',NULL,'2026-11-29 02:02:45.987263','2026-11-20 03:04:05.678901',NULL,NULL,NULL),
('paused',NULL,'','','',NULL,0,'',NULL,NULL,NULL,NULL,NULL,NULL,'kim 🎁','2026-11-20 03:04:05.678901',NULL,'2026-11-29 02:02:45.927909',NULL,NULL,NULL);
/*!40000 ALTER TABLE `dfinery_django_destination` ENABLE KEYS */;
DROP TABLE IF EXISTS `dfinery_django_event`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `dfinery_django_event` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `event_id` uuid NOT NULL,
  `definition` varchar(100) NOT NULL,
  `event_name` varchar(255) NOT NULL,
  `destination` varchar(64) NOT NULL,
  `source` varchar(120) NOT NULL,
  `source_pk` varchar(191) NOT NULL,
  `dedup_key` varchar(64) DEFAULT NULL,
  `status` varchar(10) NOT NULL,
  `payload` longtext NOT NULL,
  `user_id` varchar(191) NOT NULL,
  `user_source` varchar(255) NOT NULL,
  `order_id` varchar(191) NOT NULL,
  `occurred_at` datetime(6) NOT NULL,
  `expires_at` datetime(6) NOT NULL,
  `due_at` datetime(6) DEFAULT NULL,
  `attempt_count` int(10) unsigned NOT NULL CHECK (`attempt_count` >= 0),
  `lapse_count` int(10) unsigned NOT NULL CHECK (`lapse_count` >= 0),
  `reason_code` varchar(20) NOT NULL,
  `reason` longtext NOT NULL,
  `reason_data` longtext NOT NULL,
  `finished_at` datetime(6) DEFAULT NULL,
  `created_at` datetime(6) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `dfinery_event_id` (`event_id`,`destination`),
  UNIQUE KEY `dfinery_event_once` (`dedup_key`),
  KEY `dfinery_event_claim` (`destination`,`status`,`expires_at`,`id`),
  KEY `dfinery_event_source` (`definition`,`source_pk`),
  KEY `dfinery_event_user` (`user_id`),
  KEY `dfinery_event_order` (`order_id`),
  KEY `dfinery_event_finished` (`finished_at`),
  KEY `dfinery_event_occurred` (`occurred_at`),
  KEY `dfinery_event_name` (`event_name`,`id`),
  CONSTRAINT `dfinery_event_due_iff_unfinished` CHECK (`due_at` is not null and `status` in ('captured','pending','sending') or `due_at` is null and `status` in ('delivered','failed','expired','cancelled'))
) ENGINE=InnoDB AUTO_INCREMENT=21 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `dfinery_django_event` DISABLE KEYS */;
INSERT INTO `dfinery_django_event` VALUES
(1,'d5879f54-85df-4488-82a3-01289933ee6a','purchase','purchase','default','store.Order','1','c6bdf78059603847f1f2eb39a4ad2b3fc9812b982ab9ad06ad92646c187a94dc','delivered','{\"event_attributes\":{\"event_id\":\"d5879f54-85df-4488-82a3-01289933ee6a\",\"event_name\":\"purchase\",\"event_datetime\":1795914165859,\"order_id\":\"D-1\",\"order_sales\":39000.5,\"items\":[{\"product_id\":\"S1\",\"product_name\":\"머그컵\",\"quantity\":2,\"price\":19500.25}],\"memo\":\"선물 🎁\"},\"user_attributes\":{\"user_id\":\"2\"}}','2','customer.\'pk\'','D-1','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901',NULL,1,0,'','','','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901'),
(2,'4030f0c0-b99b-45e1-89b6-fe295448a8ca','coupon','coupon','default','store.Coupon','emoji','f73adb96bff83239616ba7a4251a739f388867d7a8c91a89b629e8f3a8743787','pending','{\"event_attributes\":{\"event_id\":\"4030f0c0-b99b-45e1-89b6-fe295448a8ca\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"선물 🎁👩‍👩‍👧\",\"빛깔\":\"Ünïcode ‮right to left\"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',0,0,'','','',NULL,'2026-11-20 03:04:05.678901'),
(3,'1ef1c47a-be16-448c-8e33-9379304b793c','coupon','coupon','default','store.Coupon','null byte','da4309cee4cc0985b0c4d599d42dcadc870891422d8b56613d1c6726f6c85f1b','pending','{\"event_attributes\":{\"event_id\":\"1ef1c47a-be16-448c-8e33-9379304b793c\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"a\\u0000b\",\"tab\":\"\\t\\\\ \\\" \\u2028/\"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',3,0,'transient','no answer','',NULL,'2026-11-20 03:04:05.678901'),
(4,'f3c7807d-4750-43ba-809b-f4801b2d934e','coupon','coupon','default','store.Coupon','numbers','38b076a150a8823ae9e47da0512b4a72a928f583573ceea0950041b75b93db33','pending','{\"event_attributes\":{\"event_id\":\"f3c7807d-4750-43ba-809b-f4801b2d934e\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"order_sales\":1e+22,\"rate\":0.1,\"big\":9007199254740993,\"minus\":-0.0,\"discount\":4000000.0},\"user_attributes\":{\"user_id\":\"1\"}}','1','','A-1','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',0,0,'','','',NULL,'2026-11-20 03:04:05.678901'),
(5,'fc66f021-c67d-464c-8490-a12b5a4d4d2f','coupon','coupon','default','store.Coupon','long','f7e8b7c2b419c26722f5eece7c01e8a4ef921143dc0f823716200bc504fbd7ce','sending','{\"event_attributes\":{\"event_id\":\"fc66f021-c67d-464c-8490-a12b5a4d4d2f\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 긴 글 🎁 \"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',1,1,'','','',NULL,'2026-11-20 03:04:05.678901'),
(6,'37a64828-6768-4ee3-8812-2b7132806c4d','coupon','coupon','default','store.Coupon','quotes','c03c707e65fb744b71dfda1e30a0feecee88f1ea98ff67f1e4a84644e1b6ea8c','pending','{\"event_attributes\":{\"event_id\":\"37a64828-6768-4ee3-8812-2b7132806c4d\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"it\'s 100% \\\\\' -- ; /* */ $$ %s {} ?\"},\"user_attributes\":{\"user_id\":\"1\"}}','O\'Neil\\','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',0,0,'','','',NULL,'2026-11-20 03:04:05.678901'),
(7,'7845bcea-692f-47c0-863d-203f5b8847a4','coupon','coupon','default','store.Coupon','blanks','b2da81b06995bd2cde38342fb62d2d1bce71c2988e2e6a9c27239a322ca05045','sending','{\"event_attributes\":{\"event_id\":\"7845bcea-692f-47c0-863d-203f5b8847a4\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\" \\n\\r end \",\"yes\":true},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',4,0,'','','',NULL,'2026-11-20 03:04:05.678901'),
(8,'1ef001c4-4773-4da3-8af4-534af34dfedf','coupon','coupon','default','store.Coupon','leased','da5257b09826593838711d1b825642ceef4c196821fd57955ee9af8445c5211b','sending','{\"event_attributes\":{\"event_id\":\"1ef001c4-4773-4da3-8af4-534af34dfedf\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"leased\"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',1,0,'','','',NULL,'2026-11-20 03:04:05.678901'),
(9,'a03f2386-ae06-4211-8957-7020844df367','coupon','coupon','default','store.Coupon','stale','f7f01e0feb0f71eb29f343d2d38d29f435308d6d5836245687f92eff5a15e58c','pending','{\"event_attributes\":{\"event_id\":\"a03f2386-ae06-4211-8957-7020844df367\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"stale\"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',0,0,'','','',NULL,'2026-11-20 03:04:05.678901'),
(10,'a7a9dc5b-cf71-4db2-8dc2-02814060a5ab','coupon','coupon','paused','store.Coupon','paused','bed973a0fb4e069ec32b778ee287663d5e76ee68ab2771c5f168df49dee0e50b','pending','{\"event_attributes\":{\"event_id\":\"a7a9dc5b-cf71-4db2-8dc2-02814060a5ab\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"paused\"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',0,0,'','','',NULL,'2026-11-20 03:04:05.678901'),
(11,'c3eefb58-d7c4-4440-89d4-abec51d62954','coupon','coupon','closed','store.Coupon','closed','6c0fadd6bab9f451bb9acfca86b036500205d95fc01c36a654eba118428691f6','pending','{\"event_attributes\":{\"event_id\":\"c3eefb58-d7c4-4440-89d4-abec51d62954\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"closed\"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',2,0,'blocked','HTTP 401','',NULL,'2026-11-20 03:04:05.678901'),
(12,'500ec0c2-e8e4-4a6b-820e-4efed2f0cbfc','coupon','coupon','gone','store.Coupon','of no destination','54986873278de3839c3d551f1821be086cc981fc4a19dd4b9eb54c30864593c8','pending','{\"event_attributes\":{\"event_id\":\"500ec0c2-e8e4-4a6b-820e-4efed2f0cbfc\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"of no destination\"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',0,0,'no_destination','','',NULL,'2026-11-20 03:04:05.678901'),
(13,'373e0712-c83c-4fe1-8ff4-27b60e788b54','coupon','coupon','default','store.Coupon','delivered','d573d4371a499dc94c18f5b3067c81eea2e95c3db54595a60b5d41e9e4265723','delivered','{\"event_attributes\":{\"event_id\":\"373e0712-c83c-4fe1-8ff4-27b60e788b54\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"delivered\"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901',NULL,2,0,'','','','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901'),
(14,'822942c1-e42a-4cd5-81d7-acf13e578d7c','coupon','coupon','default','store.Coupon','to resend','8aa4ee347a1797016f9fd63e4be9bb1c7c2d4219fca4f9945636f1c29d667a67','failed','{\"event_attributes\":{\"event_id\":\"822942c1-e42a-4cd5-81d7-acf13e578d7c\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"to resend\"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901',NULL,0,0,'rejected','4007: Contains unsupported value.','','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901'),
(15,'5d28a90f-4498-4814-81ef-baf6f628a19d','coupon','coupon','default','store.Coupon','failed','0205d8b04126e2e9b558c0d0efbb74f228c447121a5908c2dc09ba8970e2cc83','failed','','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901',NULL,0,0,'mapping','\'number\': ZeroDivisionError 🎁','','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901'),
(16,'fa64ea1e-82e1-406f-828a-b2a02917c7e9','coupon','coupon','default','store.Coupon','expired','e42ec3d495ffa6caf8c987293736d7766d1b8472718291e45f4222ba125f2287','expired','{\"event_attributes\":{\"event_id\":\"fa64ea1e-82e1-406f-828a-b2a02917c7e9\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"expired\"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901',NULL,0,0,'too_old','','','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901'),
(17,'8b47045e-b7b8-4a42-8a96-7f33ee1d014b','coupon','coupon','default','store.Coupon','cancelled','0ff09c3193ac76d38c228f28e9ee7c45f16540c54ca247c028f7b41260b8589f','cancelled','{\"event_attributes\":{\"event_id\":\"8b47045e-b7b8-4a42-8a96-7f33ee1d014b\",\"event_name\":\"coupon\",\"event_datetime\":1795143845678,\"memo\":\"cancelled\"},\"user_attributes\":{\"user_id\":\"1\"}}','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901',NULL,0,0,'by_hand','by kim','','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901'),
(18,'84983c60-f7da-4dc1-8b86-98621f802c0d','coupon','coupon','default','store.Coupon','guest','c752864568120fab77a5a4fc5149888e431a534eb71c8aad45cf93c410b860eb','cancelled','','1','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901',NULL,0,0,'guest','','','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901'),
(19,'9be4d820-aca9-40ba-877f-cfeeab2762af','coupon','','','','9be4d820aca910ba177fcfeeab2762afefa4b7888e4a92f25fec0032a5688078','e9f79ec0d00a3526a3906940b0d5d0178b12b0f7332ab30f3eb3f89a1dd4547c','cancelled','','','','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901',NULL,0,0,'forgotten','','','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901'),
(20,'92eb5c0d-6fe0-4ee6-9f73-0a50d99844eb','purchase','purchase','default','store.Order','2','d0a4473d87f0f7d8259fa2304c425253d8f1229dac4bc7316e1c0b36d5de3e6f','captured','','2','customer.\'pk\'','','2026-11-20 03:04:05.678901','2026-11-22 03:04:05.678901','2026-11-20 03:04:05.678901',0,0,'','','',NULL,'2026-11-20 03:04:05.678901');
/*!40000 ALTER TABLE `dfinery_django_event` ENABLE KEYS */;
DROP TABLE IF EXISTS `dfinery_django_incident`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `dfinery_django_incident` (
  `key` varchar(64) NOT NULL,
  `subject` longtext NOT NULL,
  `last_at` datetime(6) NOT NULL,
  PRIMARY KEY (`key`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `dfinery_django_incident` DISABLE KEYS */;
INSERT INTO `dfinery_django_incident` VALUES
('5b244d4685221aaf3d2d3e20c071ec7dfe084f05dadde8f62f0c3f1b97a5b87c','purchase 🎁','2026-11-20 03:04:05.678901');
/*!40000 ALTER TABLE `dfinery_django_incident` ENABLE KEYS */;
DROP TABLE IF EXISTS `dfinery_django_repair`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `dfinery_django_repair` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `action` varchar(10) NOT NULL,
  `selection` longtext NOT NULL,
  `asked_by` varchar(255) NOT NULL,
  `asked_at` datetime(6) NOT NULL,
  `seen_at` datetime(6) NOT NULL,
  `last_pk` bigint(20) NOT NULL,
  `last_attempt_pk` bigint(20) NOT NULL,
  `reached_pk` bigint(20) NOT NULL,
  `event_count` int(10) unsigned NOT NULL CHECK (`event_count` >= 0),
  `tally` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`tally`)),
  `changed_pks` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`changed_pks`)),
  `error` longtext NOT NULL,
  `finished_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `dfinery_django_repair_finished_at_830a3236` (`finished_at`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `dfinery_django_repair` DISABLE KEYS */;
INSERT INTO `dfinery_django_repair` VALUES
(1,'resend','{\"status\": \"failed\", \"reason_code\": \"rejected\"}','kim','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901',1000000,1000000,0,1,'{}','[]','',NULL),
(2,'cancel','{\"status\": \"failed\", \"reason_code\": \"rejected\"}','kim','2026-11-20 03:04:05.678901','2026-11-20 03:04:05.678901',5,1000000,0,3,'{\"ready\": 1, \"delivered\": 2}','[1, 2, 3]','it\'s 🎁','2026-11-20 03:04:05.678901');
/*!40000 ALTER TABLE `dfinery_django_repair` ENABLE KEYS */;
DROP TABLE IF EXISTS `dfinery_django_total`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `dfinery_django_total` (
  `key` varchar(64) NOT NULL,
  `metric` varchar(40) NOT NULL,
  `labels` longtext NOT NULL,
  `value` double NOT NULL,
  PRIMARY KEY (`key`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `dfinery_django_total` DISABLE KEYS */;
INSERT INTO `dfinery_django_total` VALUES
('dbe3c44133dd19793b9a3cd34834de47bffbe66e69f371b544d22d7d1a64c6da','delivered','[\"default\",\"쿠폰\"]',1e15);
/*!40000 ALTER TABLE `dfinery_django_total` ENABLE KEYS */;
DROP TABLE IF EXISTS `django_admin_log`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `django_admin_log` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `action_time` datetime(6) NOT NULL,
  `object_id` longtext DEFAULT NULL,
  `object_repr` varchar(200) NOT NULL,
  `action_flag` smallint(5) unsigned NOT NULL CHECK (`action_flag` >= 0),
  `change_message` longtext NOT NULL,
  `content_type_id` int(11) DEFAULT NULL,
  `user_id` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `django_admin_log_content_type_id_c4bce8eb_fk_django_co` (`content_type_id`),
  KEY `django_admin_log_user_id_c564eba6_fk_auth_user_id` (`user_id`),
  CONSTRAINT `django_admin_log_content_type_id_c4bce8eb_fk_django_co` FOREIGN KEY (`content_type_id`) REFERENCES `django_content_type` (`id`),
  CONSTRAINT `django_admin_log_user_id_c564eba6_fk_auth_user_id` FOREIGN KEY (`user_id`) REFERENCES `auth_user` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `django_admin_log` DISABLE KEYS */;
/*!40000 ALTER TABLE `django_admin_log` ENABLE KEYS */;
DROP TABLE IF EXISTS `django_content_type`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `django_content_type` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `app_label` varchar(100) NOT NULL,
  `model` varchar(100) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `django_content_type_app_label_model_76bd3d3b_uniq` (`app_label`,`model`)
) ENGINE=InnoDB AUTO_INCREMENT=22 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `django_content_type` DISABLE KEYS */;
INSERT INTO `django_content_type` VALUES
(1,'admin','logentry'),
(3,'auth','group'),
(2,'auth','permission'),
(4,'auth','user'),
(5,'contenttypes','contenttype'),
(12,'dfinery_django','customfield'),
(18,'dfinery_django','deliveryattempt'),
(13,'dfinery_django','destination'),
(17,'dfinery_django','event'),
(14,'dfinery_django','incident'),
(19,'dfinery_django','overview'),
(15,'dfinery_django','repair'),
(16,'dfinery_django','total'),
(9,'django_q','failure'),
(11,'django_q','ormq'),
(7,'django_q','schedule'),
(10,'django_q','success'),
(8,'django_q','task'),
(6,'sessions','session'),
(21,'store','line'),
(20,'store','order');
/*!40000 ALTER TABLE `django_content_type` ENABLE KEYS */;
DROP TABLE IF EXISTS `django_migrations`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `django_migrations` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `app` varchar(255) NOT NULL,
  `name` varchar(255) NOT NULL,
  `applied` datetime(6) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=40 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `django_migrations` DISABLE KEYS */;
INSERT INTO `django_migrations` VALUES
(1,'contenttypes','0001_initial','2026-11-20 03:04:05.678901'),
(2,'auth','0001_initial','2026-11-20 03:04:05.678901'),
(3,'admin','0001_initial','2026-11-20 03:04:05.678901'),
(4,'admin','0002_logentry_remove_auto_add','2026-11-20 03:04:05.678901'),
(5,'admin','0003_logentry_add_action_flag_choices','2026-11-20 03:04:05.678901'),
(6,'contenttypes','0002_remove_content_type_name','2026-11-20 03:04:05.678901'),
(7,'auth','0002_alter_permission_name_max_length','2026-11-20 03:04:05.678901'),
(8,'auth','0003_alter_user_email_max_length','2026-11-20 03:04:05.678901'),
(9,'auth','0004_alter_user_username_opts','2026-11-20 03:04:05.678901'),
(10,'auth','0005_alter_user_last_login_null','2026-11-20 03:04:05.678901'),
(11,'auth','0006_require_contenttypes_0002','2026-11-20 03:04:05.678901'),
(12,'auth','0007_alter_validators_add_error_messages','2026-11-20 03:04:05.678901'),
(13,'auth','0008_alter_user_username_max_length','2026-11-20 03:04:05.678901'),
(14,'auth','0009_alter_user_last_name_max_length','2026-11-20 03:04:05.678901'),
(15,'auth','0010_alter_group_name_max_length','2026-11-20 03:04:05.678901'),
(16,'auth','0011_update_proxy_permissions','2026-11-20 03:04:05.678901'),
(17,'auth','0012_alter_user_first_name_max_length','2026-11-20 03:04:05.678901'),
(18,'dfinery_django','0001_initial','2026-11-20 03:04:05.678901'),
(19,'django_q','0001_initial','2026-11-20 03:04:05.678901'),
(20,'django_q','0002_auto_20150630_1624','2026-11-20 03:04:05.678901'),
(21,'django_q','0003_auto_20150708_1326','2026-11-20 03:04:05.678901'),
(22,'django_q','0004_auto_20150710_1043','2026-11-20 03:04:05.678901'),
(23,'django_q','0005_auto_20150718_1506','2026-11-20 03:04:05.678901'),
(24,'django_q','0006_auto_20150805_1817','2026-11-20 03:04:05.678901'),
(25,'django_q','0007_ormq','2026-11-20 03:04:05.678901'),
(26,'django_q','0008_auto_20160224_1026','2026-11-20 03:04:05.678901'),
(27,'django_q','0009_auto_20171009_0915','2026-11-20 03:04:05.678901'),
(28,'django_q','0010_auto_20200610_0856','2026-11-20 03:04:05.678901'),
(29,'django_q','0011_auto_20200628_1055','2026-11-20 03:04:05.678901'),
(30,'django_q','0012_auto_20200702_1608','2026-11-20 03:04:05.678901'),
(31,'django_q','0013_task_attempt_count','2026-11-20 03:04:05.678901'),
(32,'django_q','0014_schedule_cluster','2026-11-20 03:04:05.678901'),
(33,'django_q','0015_alter_schedule_schedule_type','2026-11-20 03:04:05.678901'),
(34,'django_q','0016_schedule_intended_date_kwarg','2026-11-20 03:04:05.678901'),
(35,'django_q','0017_task_cluster_alter','2026-11-20 03:04:05.678901'),
(36,'django_q','0018_task_success_index','2026-11-20 03:04:05.678901'),
(37,'django_q','0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more','2026-11-20 03:04:05.678901'),
(38,'sessions','0001_initial','2026-11-20 03:04:05.678901'),
(39,'store','0001_initial','2026-11-20 03:04:05.678901');
/*!40000 ALTER TABLE `django_migrations` ENABLE KEYS */;
DROP TABLE IF EXISTS `django_q_ormq`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `django_q_ormq` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `key` varchar(100) NOT NULL,
  `payload` longtext NOT NULL,
  `lock` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `django_q_ormq` DISABLE KEYS */;
/*!40000 ALTER TABLE `django_q_ormq` ENABLE KEYS */;
DROP TABLE IF EXISTS `django_q_schedule`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `django_q_schedule` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `func` varchar(256) NOT NULL,
  `hook` varchar(256) DEFAULT NULL,
  `args` longtext DEFAULT NULL,
  `kwargs` longtext DEFAULT NULL,
  `schedule_type` varchar(2) NOT NULL,
  `repeats` int(11) NOT NULL,
  `next_run` datetime(6) DEFAULT NULL,
  `task` varchar(100) DEFAULT NULL,
  `name` varchar(100) DEFAULT NULL,
  `minutes` smallint(5) unsigned DEFAULT NULL CHECK (`minutes` >= 0),
  `cron` varchar(100) DEFAULT NULL,
  `cluster` varchar(100) DEFAULT NULL,
  `intended_date_kwarg` varchar(100) DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `django_q_schedule` DISABLE KEYS */;
INSERT INTO `django_q_schedule` VALUES
(1,'dfinery_django.tasks.drain',NULL,NULL,NULL,'I',-1,'2026-11-20 03:04:05.678901',NULL,'dfinery: drain',1,NULL,NULL,NULL),
(2,'dfinery_django.tasks.prune',NULL,NULL,NULL,'I',-1,'2026-11-20 03:04:05.678901',NULL,'dfinery: prune',1440,NULL,NULL,NULL),
(3,'dfinery_django.tasks.reconcile',NULL,NULL,NULL,'I',-1,'2026-11-20 03:04:05.678901',NULL,'dfinery: reconcile',10,NULL,NULL,NULL),
(4,'store.tasks.tidy',NULL,NULL,NULL,'H',-1,'2026-11-20 03:04:05.678901',NULL,'the shop\'s own',NULL,NULL,NULL,NULL);
/*!40000 ALTER TABLE `django_q_schedule` ENABLE KEYS */;
DROP TABLE IF EXISTS `django_q_task`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `django_q_task` (
  `name` varchar(100) NOT NULL,
  `func` varchar(256) NOT NULL,
  `hook` varchar(256) DEFAULT NULL,
  `args` longtext DEFAULT NULL,
  `kwargs` longtext DEFAULT NULL,
  `result` longtext DEFAULT NULL,
  `started` datetime(6) NOT NULL,
  `stopped` datetime(6) NOT NULL,
  `success` tinyint(1) NOT NULL,
  `id` varchar(32) NOT NULL,
  `group` varchar(100) DEFAULT NULL,
  `attempt_count` int(11) NOT NULL,
  `cluster` varchar(100) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `success_index` (`group`,`name`,`func`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `django_q_task` DISABLE KEYS */;
/*!40000 ALTER TABLE `django_q_task` ENABLE KEYS */;
DROP TABLE IF EXISTS `django_session`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `django_session` (
  `session_key` varchar(40) NOT NULL,
  `session_data` longtext NOT NULL,
  `expire_date` datetime(6) NOT NULL,
  PRIMARY KEY (`session_key`),
  KEY `django_session_expire_date_a5c62663` (`expire_date`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `django_session` DISABLE KEYS */;
/*!40000 ALTER TABLE `django_session` ENABLE KEYS */;
DROP TABLE IF EXISTS `store_line`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `store_line` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `sku` varchar(50) NOT NULL,
  `name` varchar(200) NOT NULL,
  `quantity` int(11) NOT NULL,
  `price` decimal(14,2) NOT NULL,
  `order_id` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `store_line_order_id_54967d4a_fk_store_order_id` (`order_id`),
  CONSTRAINT `store_line_order_id_54967d4a_fk_store_order_id` FOREIGN KEY (`order_id`) REFERENCES `store_order` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `store_line` DISABLE KEYS */;
INSERT INTO `store_line` VALUES
(1,'S1','머그컵',2,19500.25,1),
(2,'S1','머그컵',2,19500.25,2);
/*!40000 ALTER TABLE `store_line` ENABLE KEYS */;
DROP TABLE IF EXISTS `store_order`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `store_order` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `number` varchar(20) NOT NULL,
  `status` varchar(10) NOT NULL,
  `total` decimal(14,2) NOT NULL,
  `note` varchar(50) NOT NULL,
  `paid_at` datetime(6) DEFAULT NULL,
  `customer_id` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `store_order_customer_id_13d6d43e_fk_auth_user_id` (`customer_id`),
  CONSTRAINT `store_order_customer_id_13d6d43e_fk_auth_user_id` FOREIGN KEY (`customer_id`) REFERENCES `auth_user` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

/*!40000 ALTER TABLE `store_order` DISABLE KEYS */;
INSERT INTO `store_order` VALUES
(1,'D-1','paid',39000.50,'선물 🎁','2026-11-29 01:02:45.859421',2),
(2,'W-1','paid',39000.50,'선물 🎁','2026-11-29 01:02:45.985536',2);
/*!40000 ALTER TABLE `store_order` ENABLE KEYS */;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

