"""The words by which a model, a field or a status is judged, with points: English, Korean, Japanese.

Each table maps points to patterns. To teach the proposal a new word, write it into its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .words import Table, learn

# ── models ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ORDER_MODEL: Table = {
    45: "order | purchase | 주문 | 注文 | 구매",
    38: "booking | reservation | sale | 예약 | 예매 | 予約",
    30: "order placed | rental | checkout | 판매",
    22: "donation | enrollment | enrolment | invoice | transaction | bill | 결제",
    14: "subscription | registration | contract | cart | basket | bag | 장바구니",
}
#: Words of what only belongs to an order.
PART_MODEL: Table = {
    45: (
        "item | line | position | payment | status | note | history | historical | log | address | discount | coupon | voucher"
        " | product | refunded | return | canceled | comment | message | document | file | option | type | category"
        " | setting | template | fee | change | tax | attachment | event | detail | entry | transition | request | report"
        " | review | rating | source | config | reason | attribute | surcharge | image | plan | quote | wishlist | draft"
        " | archive | snapshot | tracking | counter | sequence | status code | method | rule | group | token"
        " | 상품 | 내역 | 상세 | 결제수단 | 쿠폰 | 취소 | 환불 | 반품 | 배송 | 이력 | 明細 | 履歴"
    ),
    25: "sub | vendor | seller | child | parcel | shipping | fulfillment | supplier | shipment | split | recurring",
}
LINE_MODEL: Table = {
    30: "item | line | 주문상품 | 주문항목 | 품목 | 상품 | 明細 | 商品",
    24: "position | detail | entry | ticket | product | 상세 | 항목 | 좌석 | 티켓",
    12: "row | seat | room | unit | part | night | guest | participant | booking | content",
}
LINE_AGAINST: Table = {
    40: (
        "payment | refunded | note | history | historical | log | address | status | discount | coupon | voucher | message"
        " | tax | invoice | surcharge | review | transaction | return | canceled | file | fee | email | document | comment"
        " | rating | shipping | shipment | fulfillment | tracking | event log | attribute | notification | point"
        " | 결제 | 쿠폰 | 배송 | 취소 | 환불 | 이력 | 메모"
    ),
}
PRODUCT_MODEL: Table = {
    40: "product | 상품 | 商品 | 제품",
    32: "item | sku | course | book | dish | menu item | plan | 강의 | 도서 | 메뉴",
    28: "variant | variation | room | ticket | ticket type | ticket category | service | package | offer | option"
    " | 객실 | 티켓 | 좌석",
    22: "event | show | meal | food | menu | movie | game | album | track | tour | listing | artwork | merchandise"
    " | equipment | vehicle | car | asset | file | license | pizza | 공연 | 클래스",
}
PRODUCT_AGAINST: Table = {
    40: "cart | basket | user | customer | coupon | voucher | currency | warehouse | partner | seller | supplier"
    " | stock | record | tax | address | status | discount | image | review | content type | category | slot",
}
PAYMENT_MODEL: Table = {40: "payment | 결제 | 支払 | 決済 | 입금", 25: "transaction | charge"}
PAYMENT_AGAINST: Table = {40: "method | type | event | log | history | option | gateway | notification | card | source"}
REFUND_MODEL: Table = {40: "refunded | 환불 | 返金", 25: "return | 반품 | 返品"}
REFUND_AGAINST: Table = {40: "line | item | reason | policy | log | history | historical | shipping | request"}
CATEGORY_LINK: Table = {
    60: "category | 카테고리 | 분류 | カテゴリ",
    45: "type | product type | collection | section | genre | department | product class | family | 종류",
    30: "brand | group | kind",
}
BUYER_LINK: Table = {
    80: "customer | buyer | user | member | 구매자 | 주문자 | 고객 | 회원 | 顧客 | 購入者 | 会員 | 예약자",
    60: "account | owner | person | guest | contact | profile | student | patient | donor | attendee | booked by"
    " | ordered by | created by customer | placed by | user profile | booker | passenger | reader | subscriber",
}
BUYER_AGAINST: Table = {
    70: "creator | staff | seller | vendor | admin | driver | courier | approved | updated | modified | assigned | host"
    " | manager | operator | agent | employee | cashier | waiter | processed | handled | supplier | recipient | salesman"
    " | referrer | merchant | author | editor | shipped | canceled | partner | 담당자 | 판매자 | 관리자 | 작성자",
    25: "created | added | by",
}

# ── fields ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class Role:
    """What is looked for: its words, and the kinds of fields that it may be, with what a kind adds."""

    noun: str
    words: Table
    kinds: Mapping[str, int]
    against: Table = field(default_factory=dict)
    least: int = 40  # points below which nothing is proposed
    is_amount: bool = False


MONEY = {"money": 0, "count": -4, "method": -9}
TEXT = {"text": 0, "method": -9}

ORDER_ID = Role(
    "an order number",
    {
        100: "order number | 주문번호 | 注文番号 | 예약번호 | 予約番号 | booking number | reservation number",
        95: "number | order id | order code | booking code | booking ref | order ref | order key | reservation code",
        88: "ref | ref code | ref number | code | booking id | merchant uid | 번호",
        70: "invoice number | invoice id | identifier | receipt number | uid | pnr",
        58: "uuid | slug | order uuid | public id",
        42: "transaction id | tracking number | order token",
    },
    {"text": 0, "uuid": 0, "count": 0, "key": 0, "method": -20},
    {
        80: "phone | card | tax | house | street | postal | zip | account | bank | coupon | voucher | promo | discount | country"
        " | currency | room | user | customer | buyer | shipping | language | locale | approval | secret | registration"
        " | vehicle | people | guest | child | adult | session | payment | stripe | charge | pin | item | ip | item count",
    },
)  # fmt: skip
TOTAL = Role(
    "an order's total",
    {
        100: "grand total | total incl tax | total incl | 총결제금액 | 결제금액 | 최종결제금액 | 支払金額 | 支払合計 | total incl amount",
        98: "order total | total order | final total | total final | 총주문금액 | 합계금액 | 총금액 | 合計金額 | total payable",
        96: "total price | total amount | total cost | total sum | final price | final amount | final cost | 총액 | 총합계"
        " | total charge | total due | amount total | sum total | total paid",
        95: "total | 합계 | 合計 | order amount | 주문금액",
        90: "payment amount | paid amount | amount paid | payable amount | amount payable | payable | charged amount",
        80: "order price | price | amount | sum | incl amount | 금액 | 가격 | 金額",
        66: "cost | order cost | charge | value | revenue | fare | cart total | bill",
        52: "subtotal | sub total",
    },
    MONEY,
    {
        45: "tax | shipping | discount | refunded | weight | count | quantity | item | line | point | coupon | fee | deposit"
        " | commission | before | original | saving | margin | balance | handling | transaction | outstanding | profit"
        " | product | words | night | day | guest | hour | unit | due date | 할인 | 배송 | 세금 | 쿠폰 | 포인트 | 적립 | 税 | 送料",
        20: "excl | undiscounted | base | per | minimum | initial | authorized",
        5: "cart",
    },
    least=50,
    is_amount=True,
)  # fmt: skip
DISCOUNT = Role(
    "a discount",
    {
        96: "discount amount | discount total | discount price | total discount | 할인금액 | 할인액 | 割引額 | 총할인금액",
        90: "discount | 할인 | 割引 | coupon discount | voucher discount | discount incl tax | reduction | rebate",
        60: "coupon amount | promotion amount | saving",
    },
    {"money": 0, "count": -3, "method": -40},
    {60: "percent | percentage | rate | code | type | id | before | after | name | excl | 율 | 률 | shipping | price after"},
    is_amount=True,
)  # fmt: skip
DELIVERY = Role(
    "a delivery charge",
    {
        100: "shipping cost | shipping price | shipping charge | shipping fee | shipping total | shipping amount | 배송비 | 배송료"
        " | 送料 | 배달료 | shipping incl tax | shipping price incl | shipping cost incl",
        75: "shipping",
        60: "shipping rate",
    },
    {"money": 0, "count": -3, "method": -40},
    {60: "id | status | date | day | weight | tax rate | excl | discount | method | address | undiscounted | base | 할인"},
    is_amount=True,
)  # fmt: skip
PAYMENT_METHOD = Role(
    "a payment method",
    {
        100: "payment method | method payment | 결제수단 | 결제방법 | 支払方法 | 결제방식",
        90: "payment type | payment option | payment mode | payment gateway | payment provider | 지불방법 | 결제타입",
        70: "provider | gateway | payment source | payment code | method payment name | payment plan",
        62: "method | payment",
    },
    {"text": 0, "choice": 0},
    {60: "id | status | date | address | token | secret | ref | intent | key | charge | stripe | info | note | session | url"
    " | amount | currency | error | shipping"},
)  # fmt: skip
EMAIL = Role(
    "an e-mail address",
    {90: "email | 이메일 | 메일 | メール", 95: "guest email | customer email | buyer email | user email | contact email"},
    {"email": 10, "text": 0, "method": -20},
    {60: "recipient | receiver | sent | subject | staff | seller | vendor | partner | host | supplier | manager | 수신자"
    " | is | body | template | verified"},
)  # fmt: skip
PHONE = Role(
    "a phone number",
    {80: "phone | phone number | contact number | cell | 전화번호 | 휴대폰 | 연락처 | 電話"},
    {"text": 0, "count": -10},
    {60: "recipient | receiver | staff | seller | vendor | partner | supplier | 수령인 | 받는 | verified"},
)  # fmt: skip
PERSON_NAME = Role(
    "a person's name",
    {
        95: "full name | buyer name | customer name | user name | guest name | 주문자명 | 구매자명 | 성함 | 고객명 | member name",
        85: "name | display name | 이름 | 성명 | 氏名 | real name | contact name | 名前",
        60: "nickname | nick name",
    },
    {"text": 0, "method": 2},
    {60: "first | last | product | item | shop | store | company | file | plan | flat | recipient | receiver | bank | coupon"
    " | method | payment | shipping | type | category | gateway | provider | note | channel | event | username | short | street | city | natural | country | state | status | hotel | room | host | 받는 | 수령인"},
)  # fmt: skip
GENDER = Role("a gender", {90: "gender | sex | 성별 | 性別"}, {"text": 0})
CURRENCY = Role("a currency", {90: "currency | currency code | 통화 | 通貨"}, {"text": 0}, {40: "rate | symbol | name"})

PRODUCT_ID = Role(
    "a product's key",
    {
        100: "product sku | sku | product code | product number | product id | 상품코드 | 상품번호 | 품번 | 商品コード | 商品番号",
        94: "item code | item number | item id | partner sku | stock code | item sku | variant sku | article number",
        78: "isbn | barcode | upc | ean | gtin | model number | part number | variant id | identifier",
        70: "code",
    },
    {"text": 0, "uuid": -5, "count": -3, "method": -12},
    {60: "coupon | voucher | discount | order | line | tax | currency | tracking | promo | secret | language | country"
    " | position | qr | html | embed | color"},
)  # fmt: skip
PRODUCT_NAME = Role(
    "a product's name",
    {
        100: "product name | product title | item name | 상품명 | 제품명 | 商品名 | item title | 강의명 | 도서명",
        90: "name | title | 이름 | 제목 | 名称 | タイトル | course name | book name | ticket name | room name | variant name",
        50: "label | description | product | summary | 설명",
        45: "number | room number | code",
    },
    TEXT,
    {60: "attendee | guest | customer | user | first | last | seller | vendor | short | file | meta | seo | slug | option"
    " | image | coupon | html | internal | translated | buyer | full path | owner | recipient | tax | currency | type"
    " | manager | supplier | author | unit"},
)  # fmt: skip
CATEGORY = Role(
    "a category",
    {90: "category | category name | 카테고리 | 분류 | カテゴリー | カテゴリ", 60: "type | genre | collection | section | 종류"},
    {"text": 0, "choice": 0},
    {60: "id | tax | code | order | line"},
    least=58,
)  # fmt: skip
CATEGORY_NAME = Role(
    "a name",
    {90: "name | title | category name | 카테고리명 | 분류명 | 이름 | 名称 | カテゴリ名", 60: "label | code | slug | type"},
    {"text": 0},
    {60: "meta | seo | short | id | user | image"},
)  # fmt: skip
QUANTITY = Role(
    "a quantity",
    {
        100: "quantity | 수량 | 数量 | 개수 | 個数 | order quantity | 주문수량 | product quantity | ordered quantity | item quantity",
        90: "count | number item | number unit | unit count | item count | number ticket | number seat | number room | piece"
        " | ticket count | ticket quantity | number people | number person | number guest | 인원 | 매수",
        75: "product amount | number | unit | nights | night | seats | pax | copies | participant | ticket | guest | adult",
        58: "amount | total quantity | product count",
    },
    {"count": 6, "money": -20},
    {60: "stock | id | order number | line number | position | price | cost | total | tax | shipped | refunded | canceled"
    " | returned | fulfilled | room number | allocated | discount | weight | minimum | maximum | available | remaining"
    " | phone | sku | code | price amount | returned | seat number | ticket number | day | sold | decimal | fee"},
)  # fmt: skip
UNIT_PRICE = Role(
    "a unit price",
    {
        100: "unit price | price unit | unit price incl tax | 단가 | 単価 | unit amount | unit cost | price per unit",
        94: "product price | item price | price each | price item | per price | 상품단가 | 판매단가 | unit price incl amount"
        " | product price incl | price at purchase | price per night | price per ticket | price night",
        88: "sale price | selling price | 판매가 | 판매가격 | price incl tax | price incl | final price | discounted price",
        84: "price | 가격 | 価格 | purchase price | ordered price | price paid",
        60: "rate | fee | price amount | fare",
        50: "cost | amount | 금액 | charge",
    },
    {"money": 0, "count": -4, "method": -25},
    {
        20: "base",
        40: "total | line | subtotal | sub | sum | tax | original | list | old | before | discount amount | supply | wholesale"
        " | compare | shipping | discount rate | excl | undiscounted | minimum | buying | refunded | commission | retail"
        " | id | type | code | regular | stripe | saving | item sum | 합계 | 원가 | 매입 | 정가 | 총 | 할인",
    },
    is_amount=True,
)  # fmt: skip
LINE_TOTAL = Role(
    "a line's total",
    {
        100: "line total | line price | total price | total amount | item total | row total | line price incl tax | 합계금액"
        " | line amount | 小計 | total price incl tax | line total incl | total price incl amount | total incl",
        92: "total | 합계 | 총액 | 소계 | total cost | final price | subtotal | sub total | total incl tax",
        60: "amount | price | cost | 금액 | 金額",
    },
    MONEY,
    {40: "tax | shipping | discount | excl | before | undiscounted | refunded | quantity | unit | saving | count"},
    is_amount=True,
)  # fmt: skip

PAID_MOMENT = Role(
    "the moment of payment",
    {
        100: "paid date | payment date | date payment | date paid | 결제일시 | 결제일 | 결제시각 | 支払日時 | 決済日時 | 입금일시",
        90: "captured date | payment completed date | payment confirmed date | purchased date | purchase date | paid | 구매일시",
        72: "completed date | confirmed date | placed date | ordered date | order date | booked date | date placed"
        " | date ordered | completed | approved date | 주문일시 | 注文日時 | accepted date | booking date | charged date",
    },
    {"moment": 0},
    {70: "expire | expiry | due | until | deadline | canceled | refunded | shipping | shipped | updated | modified | reminder"
    " | next | last | from | start | end | check | sent | event date | pickup | return | 만료 | 취소 | 환불"},
    least=60,
)  # fmt: skip
CREATED_MOMENT = Role(
    "the moment of creation",
    {
        95: "placed date | date placed | ordered date | date ordered | order date | purchase date | purchased date | 주문일시"
        " | booked date | booking date | date purchased | 주문일 | 注文日時 | 예약일시 | order placed date | sold date",
        90: "created | created date | date created | creation date | 생성일 | 생성일시 | 등록일 | 등록일시 | 作成日時 | 접수일시",
        70: "date | submitted date | added date | date added | inserted date | insert date | order",
    },
    {"moment": 0},
    {70: "expire | expiry | due | until | deadline | canceled | refunded | shipping | shipped | updated | modified | reminder"
    " | next | last | from | start | end | check | sent | paid | payment | pickup | return | completed | event"},
    least=55,
)  # fmt: skip
CANCELED_MOMENT = Role(
    "the moment of the cancellation", {95: "canceled date | date canceled | canceled | 취소일시 | 취소일 | キャンセル日時"}, {"moment": 0},
    {60: "request | deadline | until | 요청"},
)  # fmt: skip
REFUNDED_MOMENT = Role(
    "the moment of the refund", {95: "refunded date | date refunded | refunded | 환불일시 | 환불일 | 返金日時", 80: "returned date"},
    {"moment": 0}, {60: "request | deadline | until | 요청"},
)  # fmt: skip
JOINED_MOMENT = Role(
    "the moment of joining",
    {100: "joined | date joined | joined date | 가입일 | 가입일시 | 登録日時", 90: "registered date | created | created date | sign up date"
     " | registration date | date created"},
    {"moment": 0}, {60: "updated | last"},
)  # fmt: skip

# ── states ─────────────────────────────────────────────────────────────────────────────────────────────────────────

#: Words of a status' value, its label, and of the constant with its name.
PHASES: Mapping[str, Table] = {
    "unpaid": {
        130: "not paid | waiting payment | pending payment | payment pending | un paid | partially paid | partly paid"
        " | payment waiting | payment due | not charged | partially charged | to payment | not ordered | payment required"
        " | authorized | payment authorized | unconfirmed | not confirmed | partial payment | payment initiated | not completed"
        " | to be paid | before payment | payment processing | payment created",
        100: "unpaid | pending | new | draft | created | open | hold | on hold | waiting | initiated | cart | basket | started"
        " | in progress cart | unfulfilled | requested | 미결제 | 결제대기 | 입금대기 | 결제전 | 미입금 | 입금전 | 결제중"
        " | 支払待ち | 入金待ち | 未払い | 未入金 | 未決済 | none | no | checkout | 대기 | 대기중 | 예약대기 | 주문대기 | 임시저장"
        " | 보류 | 保留 | 申込 | 仮予約 | quote | inquiry | initial | in cart | not started",
    },
    "paid": {
        110: "paid | fully paid | payment completed | payment confirmed | payment received | payment succeeded | purchased"
        " | 결제완료 | 입금완료 | 결제됨 | 결제확인 | 입금확인 | 구매완료 | 支払済 | 支払済み | 支払い済み | 入金済 | 入金済み | 決済完了"
        " | 決済済 | payment accepted | payment approved",
        100: "charged | fully charged | captured | settled | overcharged | overpaid | 支払完了 | 결제성공 | full charged | sold",
    },
    "bought": {
        80: "confirmed | ordered | completed | placed | processing | accepted | approved | succeeded | booked | reserved"
        " | in progress | active | processed | received | submitted | ok | valid | fulfilled | 주문완료 | 예약완료 | 예약확정 | 확정"
        " | 주문확인 | 주문확정 | 완료 | 승인 | 접수 | 주문접수 | 처리중 | 상품준비중 | 注文確定 | 予約確定 | 確定 | 完了 | 受付 | 受注"
        " | preparing | confirmed order | ready to ship | enrolled | issued | working | 준비중 | 예매완료 | 발권",
    },
    "later": {
        90: "shipping | shipped | shipping completed | delivered | out for shipping | sent | dispatched | packed | ready"
        " | on the way | partially shipped | partially fulfilled | in transit | picked up | checked in | checked out | used"
        " | closed | 배송중 | 배송완료 | 배송준비중 | 구매확정 | 발송완료 | 출고 | 이용완료 | 수령 | 発送済 | 発送済み | 配達完了"
        " | 配送中 | arrived | collected | picked | served | returned to shipping | handed over | 체크인 | 체크아웃 | 출고완료"
        " | packing | on way | cooking | baking",
    },
    "canceled": {
        120: "canceled | payment canceled | 취소 | 주문취소 | 취소완료 | 결제취소 | 예약취소 | キャンセル | キャンセル済 | キャンセル済み"
        " | order canceled | 取消 | revoked | withdrawn",
        60: "rejected | declined",
    },
    "refunded": {
        130: "refunded | fully refunded | refunded completed | 환불 | 환불완료 | 반품완료 | 返金 | 返金済 | 返金済み | charged back",
        110: "returned | return | 반품 | 返品",
    },
    "other": {
        140: "failed | payment failed | error | expired | not valid | invalid | removed | deleted | partially refunded | abandoned"
        " | refunded requested | canceled requested | refunded request | canceled request | 실패 | 결제실패 | 만료 | 오류 | 失敗"
        " | 환불요청 | 취소요청 | 반품요청 | 취소신청 | 환불신청 | 期限切れ | partially returned | refunded pending | pending refunded"
        " | refunded failed | return requested | pending canceled | flagged | fraud | deferred | no show | disputed | payment error"
        " | payment rejected | payment declined | payment expired | partially canceled | timeout | 부분환불 | 부분취소 | denied",
    },
}
#: Of a payment or a refund: it is done.
SETTLED: Table = {
    100: "settled | paid | captured | completed | succeeded | confirmed | approved | accepted | processed | refunded"
    " | fully refunded | fully charged | fully paid | 완료 | 결제완료 | 환불완료 | 승인 | 승인완료 | 성공 | 支払済み | 返金済み | 完了"
    " | granted | executed | received",
}
#: Names of columns that hold a status, for each phase that is looked for.
STATUS_FIELD: Table = {
    30: "payment status | payment state | paid status | charge status | 결제상태 | 支払状況",
    25: "status | state | order status | order state | 상태 | 주문상태 | 状態 | ステータス | 예약상태 | 注文状況",
    10: "stage | phase | step | progress | 진행",
}
STATUS_AGAINST: Table = {50: "shipping | fulfillment | product | delivered | kind | type | method | country | address | email"
                         " | note | message | comment | reason | modified | date | changed | authorize | authorized | refunded | return | user | gender | sync | print | 배송"}  # fmt: skip
FLAGS: Mapping[str, Table] = {
    "paid": {
        100: "paid | payment completed | payment received | payment succeeded | payment status | payment confirmed | 결제여부"
        " | 결제완료여부 | 결제완료 | 입금확인 | 支払済み | payment done | payment",
        82: "ordered | purchased | placed | booked | sold",
        72: "completed | confirmed | checked out | approved | accepted | succeeded | processed | status | 확정 | checkout"
        " | finalized | 완료 | submitted | closed",
    },
    "settled": {90: "completed | processed | accepted | approved | confirmed | settled | succeeded | captured | paid"},
    "canceled": {95: "canceled | 취소 | 취소여부 | キャンセル"},
    "refunded": {95: "refunded | refunded granted | 환불여부 | 환불 | 返金済み", 80: "returned"},
}
FLAG_AGAINST: Table = {60: "request | requested | sent | email | notified | reminder | shipped | shipping | allow | can | active"
                       " | gift | test | needs | requires | partially | valid | 요청 | receipt | invoice | terms | reviewed"}  # fmt: skip
MOMENTS: Mapping[str, Role] = {"paid": PAID_MOMENT, "settled": PAID_MOMENT, "canceled": CANCELED_MOMENT, "refunded": REFUNDED_MOMENT}

_ROLES = [each for each in list(globals().values()) if isinstance(each, Role)]
learn(
    [
        *(each for each in list(globals().values()) if isinstance(each, dict) and all(isinstance(k, int) for k in each)),
        *(table for role in _ROLES for table in (role.words, role.against)),
        *(table for tables in (PHASES, FLAGS) for table in tables.values()),
    ]
)
