"""The words of statuses, by what they say of an order, and of the columns that hold them."""

from __future__ import annotations

from .words import table

# fmt: off
#: Words of a status' value, its label, and of the constant with its name.
PHASES = {
    "unpaid": table("""
    130: not paid | 部分付款 | 部分支付 | waiting payment | pending payment | payment pending | un paid
        | partially paid | partly paid
        | payment waiting | payment due | not charged | partially charged | to payment | not ordered
        | payment required | authorized | payment authorized | unconfirmed | not confirmed | partial payment
        | payment initiated | not completed | to be paid | before payment | payment processing | payment created
    100: unpaid | pending | new | draft | created | open | hold | on hold | waiting | initiated | cart | basket
        | started | in progress cart | unfulfilled | requested | 미결제 | 결제대기 | 입금대기 | 결제전 | 미입금
        | 입금전 | 결제중 | 支払待ち | 入金待ち | 未払い | 未入金 | 未決済 | none | no | checkout | 대기 | 대기중
        | 예약대기 | 주문대기 | 임시저장 | 보류 | 保留 | 申込 | 仮予約 | quote | inquiry | initial | in cart
        | not started | 待付款 | 待支付 | 未付款 | 未支付 | 等待付款 | 等待支付 | 支付中 | 待确认 | 待確認 | 草稿
"""),
    "paid": table("""
    110: paid | fully paid | payment completed | payment confirmed | payment received | payment succeeded
        | purchased | 결제완료 | 입금완료 | 결제됨 | 결제확인 | 입금확인 | 구매완료 | 支払済 | 支払済み | 支払い済み
        | 入金済 | 入金済み | 決済完了 | 決済済 | payment accepted | payment approved | 已付款 | 已支付 | 支付成功
        | 付款成功
        | 付款完成 | 支付完成 | 已付
    100: charged | fully charged | captured | settled | overcharged | overpaid | 支払完了 | 결제성공 | full charged
        | sold
"""),
    # Paid, as nobody ships before.
    "to ship": table("""
    99: ready shipping | ready shipment | ready dispatch | waiting shipping | waiting shipment | waiting fulfillment
        | waiting dispatch | pending shipping | pending shipment | pending fulfillment | to shipping | to be shipped
        | to be shipping | to be delivered | to be sent | to be dispatched | preparing shipping | preparing shipment
        | 배송준비 | 배송준비중
        | 배송대기 | 발송대기 | 출고대기 | 발송준비 | 출고준비 | 상품준비중 | 出荷待ち | 発送待ち | 配送待ち | 出荷準備
        | 発送準備 | 出荷前 | 発送前 | 未発送 | 待发货 | 待發貨 | 未发货 | 未發貨 | 待出货 | 待出貨 | 待出库 | 待配送
        | 备货中
        | 備貨中
"""),
    "bought": table("""
    80: confirmed | ordered | completed | placed | processing | accepted | approved | succeeded | booked | reserved
        | in progress | active | processed | received | submitted | ok | valid | fulfilled | 주문완료 | 예약완료
        | 예약확정 | 확정 | 주문확인 | 주문확정 | 완료 | 승인 | 접수 | 주문접수 | 처리중 | 注文確定
        | 予約確定 | 確定 | 完了 | 受付 | 受注 | preparing | confirmed order | enrolled | issued
        | working | 준비중 | 예매완료 | 발권 | 已完成 | 交易成功 | 交易完成 | 已确认 | 已確認 | 处理中 | 處理中
"""),
    "later": table("""
    90: shipping | shipped | shipping completed | delivered | out for shipping | sent | dispatched | packed | ready
        | on the way | partially shipped | partially fulfilled | in transit | picked up | checked in | checked out
        | used | closed | 배송중 | 배송완료 | 구매확정 | 발송완료 | 출고 | 이용완료 | 수령 | 発送済
        | 発送済み | 配達完了 | 配送中 | arrived | collected | picked | served | handed over
        | 체크인 | 체크아웃 | 출고완료 | packing | on way | cooking | baking | to receive | 待收货 | 待收貨 | 已发货
        | 已發貨
        | 已出货 | 已出貨 | 配送中 | 运输中 | 運送中 | 派送中 | 已送达 | 已送達 | 已签收 | 已簽收 | 已收货 | 已收貨
        | 待评价
        | 待評價 | 已评价 | 已評價 | 待自提
    110: returned to shipping
"""),
    "canceled": table("""
    120: canceled | payment canceled | 취소 | 주문취소 | 취소완료 | 결제취소 | 예약취소 | キャンセル | キャンセル済
        | キャンセル済み | order canceled | 取消 | revoked | withdrawn
        | 已关闭 | 已關閉 | 交易关闭 | 交易關閉 | 已作废
    60: rejected | declined
"""),
    "refunded": table("""
    130: refunded | fully refunded | refunded completed | 환불 | 환불완료 | 반품완료 | 返金 | 返金済 | 返金済み
        | charged back | 已退款 | 退款成功 | 退款完成
    110: returned | return | 반품 | 返品 | 已退货 | 已退貨
    100: 退款中 | 退货中 | 退貨中
"""),
    "other": table("""
    140: failed | payment failed | error | expired | not valid | invalid | removed | deleted | partially refunded
        | abandoned | refunded requested | canceled requested | refunded request | canceled request | 실패
        | 결제실패 | 만료 | 오류 | 失敗 | 환불요청 | 취소요청 | 반품요청 | 취소신청 | 환불신청 | 期限切れ
        | partially returned | refunded pending | pending refunded | refunded failed | return requested
        | pending canceled | flagged | fraud | deferred | no show | disputed | payment error | payment rejected
        | payment declined | payment expired | partially canceled | timeout | 부분환불 | 부분취소 | denied
        | 失败 | 支付失败 | 付款失败 | 付款失敗 | 已过期 | 已過期 | 超时 | 部分退款 | 申请退款 | 退款申请 | 申請退款
        | 待退款
        | 退款失败 | 取消申请 | 申请取消 | 拒绝退款
"""),
}
#: Of a payment or a refund: it is done.
SETTLED = table("""
    100: settled | paid | captured | completed | succeeded | confirmed | approved | accepted | processed | refunded
        | fully refunded | fully charged | fully paid | 완료 | 결제완료 | 환불완료 | 승인 | 승인완료 | 성공
        | 支払済み | 返金済み | 完了 | granted | executed | received
        | 已支付 | 已付款 | 支付成功 | 付款成功 | 已完成 | 成功 | 已退款 | 退款成功
""")
#: Names of columns that hold a status.
STATUS_FIELD = table("""
    30: payment status | payment state | paid status | charge status | 결제상태 | 支払状況 | 支付状态 | 付款状态
        | 付款狀態
    25: status | state | order status | order state | 상태 | 주문상태 | 状態 | ステータス | 예약상태 | 注文状況 | 状态
        | 狀態 | 订单状态 | 訂單狀態
    10: stage | phase | step | progress | 진행
""")
STATUS_AGAINST = table("""
    50: shipping | fulfillment | product | delivered | kind | type | method | country | address | email | note
        | message | comment | reason | modified | date | changed | authorize | authorized | refunded | return | user
        | gender | sync | print | 배송 | 物流
        | 发货 | 發貨 | 售后 | 审核 | 退款
""")
#: Names of columns that are true or false.
FLAGS = {
    "paid": table("""
    100: paid | payment completed | payment received | payment succeeded | payment status | payment confirmed
        | 결제여부 | 결제완료여부 | 결제완료 | 입금확인 | 支払済み | payment done | payment
        | 是否支付 | 是否付款 | 已支付 | 已付款
    82: ordered | purchased | placed | booked | sold
    72: completed | confirmed | checked out | approved | accepted | succeeded | processed | status | 확정 | checkout
        | finalized | 완료 | submitted | closed
"""),
    "settled": table("""
    90: completed | processed | accepted | approved | confirmed | settled | succeeded | captured | paid
"""),
    "canceled": table("95: canceled | 취소 | 취소여부 | キャンセル | 是否取消 | 已取消"),
    "refunded": table("""
    95: refunded | refunded granted | 환불여부 | 환불 | 返金済み | 是否退款 | 已退款
    80: returned
"""),
}
FLAG_AGAINST = table("""
    60: request | requested | sent | email | notified | reminder | shipped | shipping | allow | can | active | gift
        | test | needs | requires | partially | valid | 요청 | receipt | invoice | terms | reviewed
""")
