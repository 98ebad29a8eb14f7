"""Who may see an order: its member, or the browser session in which a guest placed it."""

from django.shortcuts import get_object_or_404

from .models import Order

_KEY = "guest_orders"


def remember(request, order):
    if order.customer_id is None:
        request.session[_KEY] = [*request.session.get(_KEY, []), order.number]


def orders_of(request):
    """A member's orders, or those that a guest placed in this session."""
    orders = Order.objects.select_related("coupon", "customer").prefetch_related("lines__product__category")
    if request.user.is_authenticated:
        return orders.filter(customer=request.user)
    return orders.filter(customer=None, number__in=request.session.get(_KEY, []))


def get_order(request, number):
    return get_object_or_404(orders_of(request), number=number)
