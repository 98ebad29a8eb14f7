"""The pages of the shop. They know nothing of DFINERY; orders change in ``services`` only."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from . import access, services
from .cart import Cart
from .forms import CheckoutForm, PaymentForm, QuantityForm
from .models import Category, Product
from .signals import product_viewed


def catalogue(request, slug=None):
    category = get_object_or_404(Category, slug=slug) if slug else None
    products = Product.objects.select_related("category")
    if category:
        products = products.filter(category=category)
    return render(request, "shop/catalogue.html", {"category": category, "products": products})


def product(request, sku):
    shown = get_object_or_404(Product.objects.select_related("category"), sku=sku)
    product_viewed.send(sender=Product, product=shown, user=request.user)
    return render(request, "shop/product.html", {"product": shown})


@require_POST
@login_required
def wish(request, sku):
    wished = get_object_or_404(Product, sku=sku)
    services.wish_for(request.user, wished)
    messages.success(request, _("It is on your wish list."))
    return redirect(wished)


@require_POST
@login_required
def subscribe(request, sku):
    chosen = get_object_or_404(Product, sku=sku)
    services.subscribe(request.user, chosen)
    messages.success(request, _("You get it every month from now on."))
    return redirect(chosen)


def cart(request):
    current = Cart(request.session)
    return render(request, "shop/cart.html", {"rows": current.rows(), "total": current.total()})


@require_POST
def add_to_cart(request, sku):
    chosen = get_object_or_404(Product, sku=sku)
    form = QuantityForm(request.POST)
    if form.is_valid():
        current = Cart(request.session)
        current.add(chosen, form.cleaned_data["quantity"])
        _keep(request, current)
        messages.success(request, _("%(product)s is in your cart.") % {"product": translation.gettext(chosen.name)})
    return redirect("shop:cart")


@require_POST
def change_cart(request, sku):
    form = QuantityForm(request.POST)
    if form.is_valid() and Product.objects.filter(sku=sku).exists():
        current = Cart(request.session)
        current.put(sku, form.cleaned_data["quantity"])
        _keep(request, current)
    return redirect("shop:cart")


def checkout(request):
    current = Cart(request.session)
    if not len(current):
        return redirect("shop:cart")
    form = CheckoutForm(_posted(request), is_member=request.user.is_authenticated)
    if form.is_valid():
        order = _place(request, current, form.cleaned_data)
        if order:
            return redirect("shop:payment", order.number)
    total = current.total()
    charge = services.delivery_charge_for(total)
    context = {"form": form, "rows": current.rows(), "charge": charge, "total": total + charge}
    return render(request, "shop/checkout.html", context)


def payment(request, number):
    order = access.get_order(request, number)
    if not order.is_payable:
        return redirect(order)
    form = PaymentForm(_posted(request))
    if form.is_valid():
        _attempt(request, services.pay, order, form.cleaned_data["method"])
        return redirect(order)
    return render(request, "shop/payment.html", {"order": order, "form": form})


def order(request, number):
    return render(request, "shop/order.html", {"order": access.get_order(request, number)})


@require_POST
def cancel(request, number):
    found = access.get_order(request, number)
    _attempt(request, services.cancel, found)
    return redirect(found)


@require_POST
def cancel_line(request, number, pk):
    found = access.get_order(request, number)
    _attempt(request, services.cancel_line, get_object_or_404(found.lines, pk=pk))
    return redirect(found)


@require_POST
def give_back(request, number, pk):
    found = access.get_order(request, number)
    line, form = get_object_or_404(found.lines, pk=pk), QuantityForm(request.POST)
    if form.is_valid() and _attempt(request, services.refund, line, form.cleaned_data["quantity"]):
        messages.success(request, _("You get your money back."))
    return redirect(found)


def orders(request):
    return render(request, "shop/orders.html", {"orders": access.orders_of(request)})


def _posted(request):
    """What was posted, which may be nothing; ``None`` where nothing was posted."""
    return request.POST if request.method == "POST" else None


def _keep(request, current):
    if request.user.is_authenticated:
        services.save_cart(request.user, current.lines())


def _place(request, current, wishes):
    customer = request.user if request.user.is_authenticated else None
    placed = _attempt(
        request,
        services.place_order,
        current.lines(),
        customer=customer,
        guest_email=wishes.get("guest_email", ""),
        coupon=wishes["coupon"],
    )
    if placed:
        current.clear()
        _keep(request, current)
        access.remember(request, placed)
    return placed


def _attempt(request, step, *args, **kwargs):
    """Return the step's result; if it is refused, show the customer why."""
    try:
        return step(*args, **kwargs)
    except services.ShopError as error:
        messages.error(request, str(error))
        return None
