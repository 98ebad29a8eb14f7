"""The roles of the fields of people, and of an order about its buyer."""

from __future__ import annotations

from .roles import role

# fmt: off
EMAIL = role("an e-mail address", "email+10 text method-20", """
    90: email | 이메일 | 메일 | メール | 邮箱 | 郵箱 | 电子邮件 | 電子郵件
    95: guest email | customer email | buyer email | user email | contact email
    -60: recipient | receiver | sent | subject | staff | seller | vendor | partner | host | supplier | manager
        | 수신자 | is | body | template | verified
""")
PHONE = role("a phone number", "text count-10", """
    80: phone | phone number | contact number | cell | 전화번호 | 휴대폰 | 연락처 | 電話 | 电话 | 手机 | 手机号
        | 手機 | 联系电话
    -60: recipient | 收货人 | 收件人 | receiver | staff | seller | vendor | partner | supplier | 수령인 | 받는
        | verified
""")
PERSON_NAME = role("a person's name", "text method+2", """
    95: full name | buyer name | customer name | user name | guest name | 주문자명 | 구매자명 | 성함 | 고객명
        | member name
    85: name | display name | 이름 | 성명 | 氏名 | real name | contact name | 名前 | 姓名 | 名字
    60: nickname | nick name
    -60: first | last | product | item | shop | store | company | file | plan | flat | recipient | receiver | bank
        | coupon | method | payment | shipping | type | category | gateway | provider | note | channel | event
        | username | short | street | city | natural | country | state | status | hotel | room | host | 받는
        | 수령인 | 收货 | 收件 | 签收 | 收貨
""")
GENDER = role("a gender", "text", """
    90: gender | sex | 성별 | 性別
""")
JOINED_MOMENT = role("the moment of joining", "moment", """
    100: joined | date joined | joined date | 가입일 | 가입일시 | 登録日時 | 注册时间 | 註冊時間
    90: registered date | created | created date | sign up date | registration date | date created
    -60: updated | last
""")
BUYER_KEY = role("a customer's key", "count uuid text", """
    95: user id | customer id | member id | buyer id | user pk | user uuid | 회원번호 | 고객번호 | 会員番号
    -60: staff | seller | vendor | admin | driver | recipient | card | stripe | payment | shipping
""", least=80)
