"""What happens to an order. Each step is one transaction; the event for DFINERY is captured inside it.

The order is saved first, then its lines, then the order again with its totals: the way most shops do it.
"""

import datetime as dt
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone, translation
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from .models import Order, OrderLine, Product, Refund, RefundLine, SavedCart, SavedCartLine, Subscription, Wish

FREE_DELIVERY_FROM = Decimal(50_000)
DELIVERY_CHARGE = Decimal(3_000)
SUBSCRIPTION = dt.timedelta(days=30)


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
    for line in order.lines.filter(status=OrderLine.Status.ORDERED):
        _put_back(line, line.quantity)
    return order


@transaction.atomic
def cancel_line(line):
    """The customer does not want this product of a paid order."""
    line = OrderLine.objects.select_related("order").select_for_update(of=("self",)).get(pk=line.pk)
    if not line.is_cancellable:
        raise NotPossible(_("Only a paid order can be cancelled."))
    line.status = OrderLine.Status.CANCELLED
    line.cancelled_at = timezone.now()
    line.save()
    _put_back(line, line.quantity)
    return line


@transaction.atomic
def refund(line, quantity):
    """Pieces of a product came back."""
    order = _locked(line.order)
    refunded = RefundLine.objects.filter(line=line).aggregate(pieces=Sum("quantity"))["pieces"] or 0
    if not (order.is_cancellable and 0 < quantity <= line.quantity - refunded):
        raise NotPossible(_("These pieces can not be returned."))
    amount = (line.gross - line.discount) * quantity // line.quantity
    made = Refund.objects.create(order=order, amount=amount)
    RefundLine.objects.create(refund=made, line=line, quantity=quantity)
    _put_back(line, quantity)
    return made


@transaction.atomic
def save_cart(customer, lines):
    """Keep a member's cart for the next visit: its lines first, then the cart."""
    cart, _created = SavedCart.objects.get_or_create(customer=customer)
    cart.lines.all().delete()
    SavedCartLine.objects.bulk_create(
        SavedCartLine(cart=cart, product=product, quantity=quantity) for product, quantity in lines
    )
    cart.save()
    return cart


def wish_for(customer, product):
    return Wish.objects.get_or_create(customer=customer, product=product)


def subscribe(customer, product):
    """The first month is paid."""
    return Subscription.objects.create(customer=customer, product=product, paid_until=timezone.now() + SUBSCRIPTION)


def renew_subscriptions(now=None):
    """What a nightly job does: each subscription whose month is over is paid for another one.

    :returns: how many there were
    """
    now = now or timezone.now()
    due = Subscription.objects.filter(paid_until__lte=now)
    for subscription in due:
        subscription.paid_until += SUBSCRIPTION
        subscription.renewed_at = now
        subscription.save()
    return len(due)


def discount_of(product, quantity, coupon):
    """What a coupon takes off a line, in whole won, rounded down."""
    return product.price * quantity * coupon.percent // 100 if coupon else Decimal(0)


def delivery_charge_for(goods_total):
    return Decimal(0) if goods_total >= FREE_DELIVERY_FROM else DELIVERY_CHARGE


def _locked(order):
    return Order.objects.select_for_update().get(pk=order.pk)


def _put_back(line, quantity):
    Product.objects.filter(pk=line.product_id).update(stock=F("stock") + quantity)


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
