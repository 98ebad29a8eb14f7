"""A Korean mall: short names, and what they mean in verbose names."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Goods(models.Model):
    gd_cd = models.CharField("상품코드", max_length=20, unique=True)
    gd_nm = models.CharField("상품명", max_length=100)
    sell_prc = models.IntegerField("판매가")
    cate = models.ForeignKey("Cate", on_delete=models.CASCADE, verbose_name="카테고리")

    class Meta:
        verbose_name = "상품"


class Cate(models.Model):
    cate_nm = models.CharField("카테고리명", max_length=20)

    class Meta:
        verbose_name = "카테고리"


class Ord(models.Model):
    ord_no = models.CharField("주문번호", max_length=20, unique=True)
    mem = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, verbose_name="회원")
    ord_nm = models.CharField("주문자명", max_length=20)
    ord_email = models.CharField("주문자 이메일", max_length=20)
    rcv_nm = models.CharField("수령인", max_length=20)
    stat = models.IntegerField(
        "주문상태",
        choices=[
            (10, "결제대기"),
            (20, "결제완료"),
            (30, "배송중"),
            (40, "배송완료"),
            (90, "주문취소"),
            (95, "환불완료"),
        ],
    )
    pay_way = models.CharField("결제수단", max_length=10, choices=[("C", "카드"), ("B", "무통장")])
    tot_amt = models.IntegerField("총 결제금액")
    dc_amt = models.IntegerField("할인금액")
    dlv_amt = models.IntegerField("배송비")
    reg_dt = models.DateTimeField("주문일시", auto_now_add=True)
    pay_dt = models.DateTimeField("결제일시", null=True)
    cancel_dt = models.DateTimeField("취소일시", null=True)

    class Meta:
        verbose_name = "주문"


class OrdGoods(models.Model):
    o = models.ForeignKey(Ord, on_delete=models.CASCADE)
    g = models.ForeignKey(Goods, on_delete=models.PROTECT, verbose_name="상품")
    cnt = models.IntegerField("수량")
    prc = models.IntegerField("단가")
    sum_amt = models.IntegerField("합계금액")

    class Meta:
        verbose_name = "주문상품"
