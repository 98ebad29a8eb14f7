"""A Chinese shop: the products of variants, a copy of the product as JSON, statuses that say what is waited for."""

from __future__ import annotations

from django.conf import settings
from django.db import models

STATES = [(1, "待付款"), (2, "待发货"), (3, "待收货"), (4, "已完成"), (5, "已关闭"), (6, "已退款")]


class Category(models.Model):
    name = models.CharField("名称", max_length=20)

    class Meta:
        verbose_name = "分类"


class Spu(models.Model):
    title = models.CharField("标题", max_length=50)
    categories = models.ManyToManyField(Category, verbose_name="商品分类")

    class Meta:
        verbose_name = "商品"


class Sku(models.Model):
    spu = models.ForeignKey(Spu, on_delete=models.CASCADE)
    code = models.CharField("商品编码", max_length=20, blank=True)
    price = models.DecimalField("售价", max_digits=8, decimal_places=2)
    cost_price = models.DecimalField("成本价", max_digits=8, decimal_places=2)


class Order(models.Model):
    sn = models.CharField("订单号", max_length=20)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name="用户")
    state = models.PositiveSmallIntegerField("订单状态", choices=STATES)
    amount = models.DecimalField("实付金额", max_digits=10, decimal_places=2)
    reduced = models.DecimalField("优惠金额", max_digits=10, decimal_places=2)
    carriage = models.DecimalField("运费", max_digits=10, decimal_places=2)
    pay_time = models.DateTimeField("支付时间", null=True)
    added = models.DateTimeField("创建时间", auto_now_add=True)

    class Meta:
        verbose_name = "订单"


class OrderSku(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT)
    count = models.PositiveSmallIntegerField("数量", default=1)
    snapshot = models.JSONField("商品快照", default=dict)

    class Meta:
        verbose_name = "订单商品"
