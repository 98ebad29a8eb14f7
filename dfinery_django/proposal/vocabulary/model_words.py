"""The words by which models and relations are judged, with points: English, Korean, Japanese, Chinese.

To teach the proposal a new word, write it into its table.
"""

from __future__ import annotations

from .words import table

# fmt: off
ORDER_MODEL = table("""
    45: order | purchase | 주문 | 注文 | 구매 | 订单 | 訂單
    38: booking | reservation | sale | 예약 | 예매 | 予約
    30: order placed | rental | checkout | 판매
    22: donation | enrollment | enrolment | invoice | transaction | bill | 결제
    14: subscription | registration | contract | cart | basket | bag | 장바구니 | 购物车 | 購物車
""")
#: Words of what only belongs to an order.
PART_MODEL = table("""
    45: item | line | position | payment | status | note | history | historical | log | address | discount | coupon
        | voucher | product | refunded | return | canceled | comment | message | document | file | option | type
        | category | setting | template | fee | change | tax | attachment | event | detail | entry | transition
        | request | report | review | rating | source | config | reason | attribute | surcharge | image | plan
        | quote | wishlist | draft | archive | snapshot | tracking | counter | sequence | status code | method
        | rule | group | token | 상품 | 내역 | 상세 | 결제수단 | 쿠폰 | 취소 | 환불 | 반품 | 배송 | 이력 | 明細
        | 履歴 | 明细 | 订单商品 | 订单项 | 日志 | 记录 | 退款 | 售后 | 评价 | 发票 | 优惠券 | 地址
    25: sub | vendor | seller | child | parcel | shipping | fulfillment | supplier | shipment | split | recurring
""")
LINE_MODEL = table("""
    30: item | line | 주문상품 | 주문항목 | 품목 | 상품 | 明細 | 商品 | 明细 | 订单项
    24: position | detail | entry | ticket | product | 상세 | 항목 | 좌석 | 티켓
    12: row | seat | room | unit | part | night | guest | participant | booking | content
""")
LINE_AGAINST = table("""
    40: payment | refunded | note | history | historical | log | address | status | discount | coupon | voucher
        | message | tax | invoice | surcharge | review | transaction | return | canceled | file | fee | email
        | document | comment | rating | shipping | shipment | fulfillment | tracking | event log | attribute
        | notification | point | 결제 | 쿠폰 | 배송 | 취소 | 환불 | 이력 | 메모 | 支付 | 退款
        | 优惠券 | 日志 | 评价 | 发票
""")
PRODUCT_MODEL = table("""
    40: product | 상품 | 商品 | 제품 | 产品 | 產品 | spu
    32: item | sku | course | book | dish | menu item | plan | 강의 | 도서 | 메뉴
    28: variant | variation | room | ticket | ticket type | ticket category | service | package | offer | option
        | 객실 | 티켓 | 좌석
    22: event | show | meal | food | menu | movie | game | album | track | tour | listing | artwork | merchandise
        | equipment | vehicle | car | asset | file | license | pizza | 공연 | 클래스 | campaign | cause | project
        | fund | flight | trip | seat | lesson | session | treatment | class | workshop | property | house
        | apartment | membership | video | song | ebook | photo | theme | plugin | domain | pass | program | bundle
        | good | lecture | exhibition | screening | voucher type | gift card | toy | drink | dessert | medicine
        | test | procedure
""")
PRODUCT_AGAINST = table("""
    40: cart | basket | user | customer | coupon | voucher | currency | warehouse | partner | seller | supplier
        | stock | record | tax | address | status | discount | image | review | content type | category | slot
        | method | gateway | carrier | restaurant | store | shop | branch | vendor | merchant | driver | courier
        | location | city | country | region | company | organization | payment | invoice | shipping | order
        | creator | staff | site | channel | brand | manufacturer | hotel
""")
PAYMENT_MODEL = table("""
    40: payment | 결제 | 支払 | 決済 | 입금 | 支付 | 付款
    25: transaction | charge
""")
PAYMENT_AGAINST = table("""
    40: method | type | event | log | history | option | gateway | notification | card | source
""")
REFUND_MODEL = table("""
    40: refunded | 환불 | 返金 | 退款
    25: return | 반품 | 返品 | 退货 | 退貨
""")
REFUND_AGAINST = table("""
    40: line | item | reason | policy | log | history | historical | shipping | request
""")
#: Kinds of lines: of a product, and of what else a line may be.
PRODUCT_KIND = table("100: product | item | ticket | 상품 | 商品")
OTHER_KINDS = table("""
    100: shipping | discount | fee | payment | refunded | coupon | voucher | 배송비 | 할인 | 送料 | 割引
""")
#: A column that tells an order of a test apart.
TEST_FLAG = table("100: test | testmode | test mode | test order | sandbox | 테스트")
#: A column that tells a line apart that was not bought after all.
LINE_OFF = table("100: canceled | removed | deleted | excluded | 취소여부 | 삭제여부")
#: What of a line may be cancelled while the line itself is not.
LINE_OFF_AGAINST = table("100: allocation | stock | reservation | mail | notification | reminder | renewal | shipment")
CATEGORY_LINK = table("""
    60: category | taxon | taxonomy | 카테고리 | 분류 | カテゴリ | 分类 | 分類 | 类别
    45: type | product type | collection | section | genre | department | product class | family | 종류
    30: brand | group | kind | hotel | venue | restaurant | publisher | artist | topic
""")
BUYER_LINK = table("""
    80: customer | buyer | user | member | 구매자 | 주문자 | 고객 | 회원 | 顧客 | 購入者 | 会員 | 예약자 | 用户
        | 會員 | 会员 | 客户 | 客戶 | 买家 | 買家
    60: account | owner | person | guest | contact | profile | student | patient | donor | attendee | booked by
        | ordered by | created by customer | placed by | user profile | booker | passenger | reader | subscriber
""")
BUYER_AGAINST = table("""
    70: creator | staff | seller | vendor | admin | driver | courier | approved | updated | modified | assigned
        | host | manager | operator | agent | employee | cashier | waiter | processed | handled | supplier
        | recipient | salesman | referrer | merchant | author | editor | shipped | canceled | partner | 담당자
        | 판매자 | 관리자 | 작성자
    25: created | added | by
""")
CATEGORY_AGAINST = table("60: tax | shipping")
#: Of a variant, and of the relation from one to its product.
VARIANT = table("60: variant | variation | sku | 规格 | 規格")
PARENT = table("40: product | spu | parent | item | event | course | book | 상품 | master")
PARENT_AGAINST = table("40: category | type | class")
#: Of what an order was made from, and of what it is split into.
CART_LINK = table("30: cart | basket | bag | order | purchase | 장바구니 | 주문")
ORDER_PART = table("30: order | suborder | shipment | parcel | booking | 주문")
#: Models of an address, and of what else says who bought.
ADDRESS_MODEL = table("""
    40: address | shipping | billing | invoice | contact | buyer | customer | guest | info | detail | 주소 | 배송지
""")
ADDRESS_AGAINST = table("60: shop | store | vendor")
