"""The roles of an order's fields: its number, amounts and moments."""

from __future__ import annotations

from .roles import role

# fmt: off
ORDER_NUMBER = role("an order number", "text uuid count key method-20", """
    100: order number | 주문번호 | 注文番号 | 예약번호 | 予約番号 | booking number | reservation number
        | 订单号 | 订单编号 | 訂單號 | 訂單編號
    95: number | order sn | order id | order code | booking code | booking ref | order ref | order key
        | reservation code
    88: ref | ref code | ref number | code | booking id | merchant uid | 번호 | 单号 | 單號 | 编号
    70: invoice number | invoice id | identifier | receipt number | uid | pnr
    58: uuid | slug | order uuid | public id
    42: transaction id | order token
    -45: tracking | 快递 | 物流 | 运单 | 交易 | 流水
    -80: phone | card | tax | house | street | postal | zip | account | bank | coupon | voucher | promo | discount
        | country | currency | room | user | customer | buyer | shipping | language | locale | approval | secret
        | registration | vehicle | people | guest | child | adult | session | payment | stripe | charge | pin | item
        | ip | item count
""")
TOTAL = role("an order's total", "money count-4 method-9", """
    100: grand total | total incl tax | total incl | 총결제금액 | 결제금액 | 최종결제금액 | 支払金額 | 支払合計
        | total incl amount | 实付 | 实付款 | 实付金额 | 應付金額 | 应付金额 | 支付金额 | 付款金额 | 實付金額 | 付款金額
    98: order total | total order | final total | total final | 총주문금액 | 합계금액 | 총금액 | 合計金額
        | total payable | 订单总价 | 订单总额 | 订单金额 | 訂單金額 | 总金额 | 總金額
    96: total price | total amount | total cost | total sum | final price | final amount | final cost | 총액
        | 총합계 | total charge | total due | amount total | sum total | total paid
        | 总价 | 總價 | 总额 | 總額
    95: total | 합계 | 合計 | 合计 | order amount | 주문금액
    90: payment amount | paid amount | amount paid | payable amount | amount payable | payable | charged amount
    80: order price | price | amount | sum | incl amount | 금액 | 가격 | 金額 | 金额
    66: cost | order cost | charge | value | revenue | fare | cart total | bill
    52: subtotal | sub total
    -45: tax | shipping | discount | refunded | weight | count | quantity | item | line | point | coupon | fee
        | deposit | commission | before | original | saving | margin | balance | handling | transaction
        | outstanding | profit | product | words | night | day | guest | hour | unit | due date | 할인 | 배송 | 세금
        | 쿠폰 | 포인트 | 적립 | 税 | 送料 | 优惠 | 優惠 | 折扣 | 运费 | 運費 | 退款 | 积分 | 余额
    -20: excl | undiscounted | base | per | minimum | initial | authorized
    -5: cart
""", least=50, is_amount=True)
DISCOUNT = role("a discount", "money count-3 method-40", """
    96: discount amount | discount total | discount price | total discount | 할인금액 | 할인액 | 割引額 | 총할인금액
        | 优惠金额 | 折扣金额 | 優惠金額 | 折扣金額
    90: discount | 할인 | 割引 | 优惠 | 優惠 | 折扣 | coupon discount | voucher discount | discount incl tax
        | reduction | rebate
    60: coupon amount | voucher amount | promotion amount | saving
    -60: percent | percentage | rate | code | type | id | before | after | name | excl | 율 | 률 | shipping | 率
        | 码 | 名称 | 后 | 前
        | price after
""", is_amount=True)
DELIVERY = role("a delivery charge", "money count-3 method-40", """
    100: shipping cost | shipping price | shipping charge | shipping fee | shipping total | shipping amount | 배송비
        | 배송료 | 送料 | 运费 | 運費 | 配送费 | 邮费 | 배달료 | shipping incl tax | shipping price incl
        | shipping cost incl
    75: shipping
    60: shipping rate
    -60: id | status | date | day | weight | tax rate | excl | discount | method | address | undiscounted | base
        | 할인
""", is_amount=True)
PAYMENT_METHOD = role("a payment method", "text choice", """
    100: payment method | method payment | 결제수단 | 결제방법 | 支払方法 | 결제방식 | 支付方式 | 付款方式
    90: payment type | payment option | payment mode | payment gateway | payment provider | 지불방법 | 결제타입
    70: provider | gateway | payment source | payment code | method payment name | payment plan
    62: method | payment
    -60: id | status | date | address | token | secret | ref | intent | key | charge | stripe | info | note
        | session | url | amount | currency | error | shipping
""")
PAID_MOMENT = role("the moment of payment", "moment", """
    100: paid date | payment date | date payment | date paid | 결제일시 | 결제일 | 결제시각 | 支払日時 | 決済日時
        | 입금일시 | 승인일시 | 결제승인일시 | 支付时间 | 付款时间 | 支付時間 | 付款時間 | 支付日期 | 付款日期
    90: captured date | payment completed date | payment confirmed date | purchased date | purchase date | paid
        | 구매일시
    72: completed date | confirmed date | placed date | ordered date | order date | booked date | date placed
        | date ordered | completed | approved date | 주문일시 | 注文日時 | accepted date | booking date
        | charged date
    -70: expire | expiry | due | until | deadline | canceled | refunded | shipping | shipped | updated | modified
        | reminder | next | last | from | start | end | check | sent | event date | pickup | return | 만료 | 취소
        | 환불
""", least=60)
CREATED_MOMENT = role("the moment of creation", "moment", """
    95: placed date | date placed | ordered date | date ordered | order date | purchase date | purchased date
        | 주문일시 | booked date | booking date | date purchased | 주문일 | 注文日時 | 예약일시 | order placed date
        | sold date | 下单时间 | 下單時間
    90: created | created date | date created | creation date | 생성일 | 생성일시 | 등록일 | 등록일시 | 作成日時
        | 접수일시 | 创建时间 | 建立時間 | 添加时间 | 创建日期
    70: date | submitted date | added date | date added | inserted date | insert date | order
    -70: expire | expiry | due | until | deadline | canceled | refunded | shipping | shipped | updated | modified
        | reminder | next | last | from | start | end | check | sent | paid | payment | pickup | return | completed
        | event
""", least=55)
CANCELED_MOMENT = role("the moment of the cancellation", "moment", """
    95: canceled date | date canceled | canceled | 취소일시 | 취소일 | キャンセル日時 | 取消时间 | 取消時間
    -60: request | deadline | until | 요청
""")
REFUNDED_MOMENT = role("the moment of the refund", "moment", """
    95: refunded date | date refunded | refunded | 환불일시 | 환불일 | 返金日時 | 退款时间 | 退款時間
    80: returned date
    -60: request | deadline | until | 요청
""")
