"""What the shop promises: to its customers, and to DFINERY."""
# ruff: noqa: PT009, PT027 - the assertions of Django's own test classes

from unittest import mock

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import F
from django.test import TestCase, TransactionTestCase
from django.urls import reverse

from dfinery_django import preview
from dfinery_django.models import Event
from dfinery_django.sandbox import Sandbox

from . import past, services, stocking
from .models import Coupon, Order, Product


class ShopTestCase(TestCase):
    @classmethod
    def setUpTestData(cls):
        stocking.fill_shelves()
        cls.tea = Product.objects.get(sku="TEA-GREEN")
        cls.laptop = Product.objects.get(sku="LAPTOP-14")
        cls.member = get_user_model().objects.create_user("mina@example.com", "pw", name="Mina Kim", membership="gold")

    def order(self, **given):
        given = {"guest_email": "guest@example.com", **given}
        return services.place_order([(self.laptop, 1), (self.tea, 2)], **given)


class ServicesTests(ShopTestCase):
    def test_totals_are_lines_minus_coupon_plus_delivery(self):
        order = self.order(coupon=Coupon.objects.get(code="WELCOME10"))
        self.assertEqual([line.discount for line in order.lines.all()], [190_000, 3_180])
        self.assertEqual((order.discount_total, order.delivery_charge, order.total), (193_180, 0, 1_738_620))

    def test_a_small_order_pays_for_delivery(self):
        order = services.place_order([(self.tea, 1)], guest_email="guest@example.com")
        self.assertEqual((order.delivery_charge, order.total), (3_000, 18_900))

    def test_what_is_not_in_stock_is_not_sold_and_leaves_nothing_behind(self):
        with self.assertRaises(services.OutOfStock):
            services.place_order([(self.laptop, 1), (self.tea, stocking.STOCK + 1)])
        self.assertFalse(Order.objects.exists())
        self.laptop.refresh_from_db()
        self.assertEqual(self.laptop.stock, stocking.STOCK)

    def test_an_order_is_paid_once_and_only_a_paid_one_is_cancelled(self):
        order = self.order()
        with self.assertRaises(services.NotPossible):
            services.cancel(order)
        services.pay(order, "card")
        with self.assertRaises(services.NotPossible):
            services.pay(order, "card")
        self.assertEqual(services.cancel(order).status, Order.Status.CANCELLED)


class EventsTests(ShopTestCase):
    def names(self, source):
        events = Event.objects.filter(source=source._meta.label, source_pk=str(source.pk)).order_by("pk")
        return list(events.values_list("event_name", flat=True))

    def test_a_member_signs_up_once(self):
        self.assertEqual(self.names(self.member), ["sign_up"])

    def test_an_order_is_an_event_when_it_is_paid_and_another_when_it_is_cancelled(self):
        order = self.order()
        self.assertEqual(self.names(order), [])
        order = services.pay(order, "card")
        self.assertEqual(self.names(order), ["purchase"])
        services.cancel(order)
        self.assertEqual(self.names(order), ["purchase", "cancel_order"])

    def test_the_purchase_says_what_was_bought(self):
        order = services.pay(self.order(customer=self.member, coupon=Coupon.objects.get(code="WELCOME10")), "card")
        payload = preview("purchase", order)
        self.assertEqual(payload.event_attributes["order_sales"], 1_738_620.0)
        self.assertEqual(payload.event_attributes["payment_method"], "Credit card")
        self.assertEqual(payload.event_attributes["coupon_code"], "WELCOME10")
        self.assertEqual(payload.user_attributes["user_id"], str(self.member.pk))
        self.assertEqual(payload.user_attributes["membership"], "gold")
        self.assertEqual([item["product_id"] for item in payload.items], ["LAPTOP-14", "TEA-GREEN"])

    def test_a_guest_is_known_by_a_hash_and_not_by_the_address(self):
        order = services.pay(self.order(), "card")
        user = preview("purchase", order).user_attributes
        self.assertRegex(user["user_id"], r"^[0-9a-f]{64}$")
        self.assertNotIn("user_name", user)


class PagesTests(ShopTestCase):
    def buy(self, **form):
        self.client.post(reverse("shop:add_to_cart", args=["TEA-GREEN"]), {"quantity": 2})
        self.client.post(reverse("shop:checkout"), form)
        return Order.objects.get()

    def test_the_catalogue_can_be_narrowed_to_a_category(self):
        self.assertContains(self.client.get(reverse("shop:catalogue")), "₩1,900,000")
        books = self.client.get(reverse("shop:category", args=["books"]))
        self.assertContains(books, "The Kimchi Book")
        self.assertNotContains(books, "Laptop Air")

    def test_the_shop_speaks_its_visitor_s_language_and_dfinery_gets_one(self):
        self.client.post(reverse("set_language"), {"language": "ko"})
        self.assertContains(self.client.get(reverse("shop:catalogue")), "보성 녹차 80g")
        order = self.buy(guest_email="guest@example.com")
        page = self.client.post(reverse("shop:payment", args=[order.number]), {"method": "card"}, follow=True)
        self.assertContains(page, "결제 완료")
        payload = preview("purchase", Order.objects.get())
        self.assertEqual(payload.event_attributes["payment_method"], "Credit card")
        self.assertEqual(payload.items[0]["product_name"], "Green tea from Boseong, 80 g")

    def test_a_guest_buys_and_alone_sees_the_order(self):
        order = self.buy(guest_email="guest@example.com", coupon="welcome10")
        page = self.client.post(reverse("shop:payment", args=[order.number]), {"method": "card"}, follow=True)
        self.assertContains(page, "Paid")
        self.assertContains(page, "₩31,620")
        self.assertEqual(self.client_class().get(order.get_absolute_url()).status_code, 404)

    def test_an_order_of_a_member_is_hidden_from_others(self):
        self.client.force_login(self.member)
        order = self.buy()
        self.assertEqual(order.customer, self.member)
        self.assertEqual(self.client.get(order.get_absolute_url()).status_code, 200)
        self.client.logout()
        self.assertEqual(self.client.get(order.get_absolute_url()).status_code, 404)

    def test_an_unknown_coupon_is_told(self):
        self.client.post(reverse("shop:add_to_cart", args=["TEA-GREEN"]), {"quantity": 1})
        form = {"guest_email": "guest@example.com", "coupon": "NOPE"}
        self.assertContains(self.client.post(reverse("shop:checkout"), form), "We do not know this coupon.")
        self.assertFalse(Order.objects.exists())

    def test_signing_up_logs_in(self):
        form = {
            "name": "Jun Park",
            "email": "Jun@Example.com",
            "membership": "silver",
            "password1": "korrekt-horse-9",
            "password2": "korrekt-horse-9",
        }
        page = self.client.post(reverse("accounts:sign_up"), form, follow=True)
        self.assertContains(page, "Log out Jun")
        self.assertTrue(get_user_model().objects.filter(email="jun@example.com").exists())


class PastTests(TransactionTestCase):
    def test_two_days_have_events_of_every_kind_each_in_its_time(self):
        self.check_two_days()

    def test_they_have_them_however_many_orders_are_cancelled(self):
        """Which depends on the hour at which the demo begins."""
        with mock.patch.object(past, "ONE_IN_IS_CANCELLED", 1):
            self.check_two_days()

    def check_two_days(self):
        stocking.fill_shelves()
        with Sandbox() as sandbox:
            to_sandbox = {**settings.DFINERY, "BASE_URL": sandbox.url}
            with self.settings(DFINERY=to_sandbox), self.assertLogs("dfinery_django"):
                lived = past.Past(sandbox.url)
                counts = lived.fill()
        self.assertEqual(counts, {"delivered": counts["delivered"], "expired": 7, "failed": 10, "pending": 4})
        self.assertEqual(len(sandbox.arrivals), counts["delivered"])
        reasons = set(Event.objects.values_list("reason_code", flat=True))
        self.assertEqual(reasons, {"", "no_user", "payload", "rejected", "too_old", "transient"})
        self.assertFalse(Event.objects.exclude(created_at=F("occurred_at")).exists())
        self.assertFalse(Event.objects.filter(finished_at__lt=F("created_at")).exists())
        self.assertFalse(Event.objects.filter(finished_at__gt=lived.now).exists())
