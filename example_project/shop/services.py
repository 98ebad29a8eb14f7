"""What happens to an order. Each step is one transaction; the event for DFINERY is captured inside it.

The order is saved first, then its lines, then the order again with its totals: the way most shops do it.
"""

from decimal import Decimal

from django.db import transaction
from django.db.models import F
from django.utils import timezone, translation
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from .models import Order, OrderLine, Product

FREE_DELIVERY_FROM = Decimal(50_000)
DELIVERY_CHARGE = Decimal(3_000)


class ShopError(Exception):
    """A message for the customer."""


class OutOfStock(ShopError):
    pass


class NotPossible(ShopError):
    pass


def new_number():
    # Without letters and digits that people mix up when they read a number out on the phone.
    return f"{timezone.localdate():%y%m%d}-{get_random_string(6, 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789')}"


@transaction.atomic
def place_order(lines, *, customer=None, guest_email="", coupon=None):
    """An order that waits for its payment.

    :param lines: pairs of product and quantity
    :raises OutOfStock: if there are not enough pieces of a product
    """
    lines = list(lines)
    if not lines:
        raise NotPossible(_("The cart is empty."))
    order = Order.objects.create(number=new_number(), customer=customer, guest_email=guest_email, coupon=coupon)
    for product, quantity in lines:
        _take_from_stock(product, quantity)
        _add_line(order, product, quantity)
    _sum_up(order)
    return order


@transaction.atomic
def pay(order, method):
    """The payment went through."""
    order = _locked(order)
    if not order.is_payable:
        raise NotPossible(_("This order is paid or cancelled already."))
    order.status = Order.Status.PAID
    order.payment_method = method
    order.paid_at = timezone.now()
    order.save()
    return order


@transaction.atomic
def cancel(order):
    """The customer wants the money back."""
    order = _locked(order)
    if not order.is_cancellable:
        raise NotPossible(_("Only a paid order can be cancelled."))
    order.status = Order.Status.CANCELLED
    order.cancelled_at = timezone.now()
    order.save()
    for line in order.lines.exclude(product=None):
        Product.objects.filter(pk=line.product_id).update(stock=F("stock") + line.quantity)
    return order


def discount_of(product, quantity, coupon):
    """What a coupon takes off a line, in whole won, rounded down."""
    return product.price * quantity * coupon.percent // 100 if coupon else Decimal(0)


def delivery_charge_for(goods_total):
    return Decimal(0) if goods_total >= FREE_DELIVERY_FROM else DELIVERY_CHARGE


def _locked(order):
    return Order.objects.select_for_update().get(pk=order.pk)


def _take_from_stock(product, quantity):
    in_stock = Product.objects.filter(pk=product.pk, stock__gte=quantity)
    if not in_stock.update(stock=F("stock") - quantity):
        raise OutOfStock(
            _("There are not enough pieces of %(product)s left.") % {"product": translation.gettext(product.name)}
        )


def _add_line(order, product, quantity):
    return OrderLine.objects.create(
        order=order,
        product=product,
        sku=product.sku,
        name=product.name,
        quantity=quantity,
        unit_price=product.price,
        discount=discount_of(product, quantity, order.coupon),
    )


def _sum_up(order):
    lines = list(order.lines.all())
    goods_total = sum(line.gross for line in lines)
    order.discount_total = sum(line.discount for line in lines)
    order.delivery_charge = delivery_charge_for(goods_total - order.discount_total)
    order.total = goods_total - order.discount_total + order.delivery_charge
    order.save()
