"""A catalogue, and customers who walk through oscar's own pages with a browser: Django's test client."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

PASSWORD = "a-very-long-one"
FREE, TOMORROW = "free-shipping", "tomorrow"


class Catalogue:
    """What there is to buy: a laptop, a bag in two colours, stickers without a UPC, a gift card that is not shipped."""

    def __init__(self) -> None:
        from oscar.apps.address.models import Country
        from oscar.apps.catalogue.categories import create_from_breadcrumbs
        from oscar.apps.catalogue.models import ProductClass
        from oscar.apps.offer.models import Range
        from oscar.apps.partner.models import Partner

        Country.objects.create(
            iso_3166_1_a2="KR", iso_3166_1_a3="KOR", printable_name="Korea", is_shipping_country=True
        )
        self.partner = Partner.objects.create(name="Warehouse")
        self.goods = ProductClass.objects.create(name="Goods")
        self.digital = ProductClass.objects.create(name="Digital", requires_shipping=False, track_stock=False)
        self.everything = Range.objects.create(name="Everything", includes_all_products=True)
        laptops, bags = create_from_breadcrumbs("Computers > Laptops"), create_from_breadcrumbs("가방")

        self.laptop = self.product("노트북 13", "LAPTOP-13", "1900000", upc="8801", categories=[laptops])
        self.bag = self.product("Bag", None, None, categories=[bags], structure="parent")
        self.black_bag = self.product("", "BAG-BLACK", "49900.50", parent=self.bag)
        self.red_bag = self.product("Red bag", "BAG-RED", "52000", parent=self.bag)
        self.stickers = self.product("Stickers", "STICKERS", "1.99")
        self.gift_card = self.product("Gift card", "GIFT", "30000", product_class=self.digital)

    @property
    def products(self) -> list[Any]:
        """All that can be put into a basket."""
        return [self.laptop, self.black_bag, self.red_bag, self.stickers, self.gift_card]

    def product(
        self, title: str, sku: str | None, price: str | None, *, categories: Any = (), stock: int = 10**6, **fields: Any
    ) -> Any:
        from oscar.apps.catalogue.models import Product

        if "parent" in fields:
            fields["structure"] = Product.CHILD
        else:
            fields.setdefault("product_class", self.goods)
        product = Product.objects.create(title=title, **fields)
        for category in categories:
            product.categories.add(category)
        if sku:
            counted = product.get_product_class().track_stock
            product.stockrecords.create(
                partner=self.partner, partner_sku=sku, price=Decimal(str(price)), price_currency="KRW",
                num_in_stock=stock if counted else None,
            )  # fmt: skip
        return product

    def voucher(self, code: str, percent: str, *, usage: str = "Multi-use", kind: str = "Percentage") -> Any:
        """A voucher that takes so much off the basket or, with another kind of benefit, off the shipping charge."""
        from oscar.apps.voucher.models import Voucher

        now = timezone.now()
        voucher = Voucher.objects.create(
            name=code, code=code, usage=usage, start_datetime=now - dt.timedelta(days=1),
            end_datetime=now + dt.timedelta(days=1),
        )  # fmt: skip
        voucher.offers.add(self._offer(code, percent, kind, "Voucher"))
        return voucher

    def offer(self, name: str, percent: str) -> Any:
        """What everybody gets without a voucher."""
        return self._offer(name, percent, "Percentage", "Site")

    def _offer(self, name: str, percent: str, kind: str, offer_type: str) -> Any:
        from oscar.apps.offer.models import Benefit, Condition, ConditionalOffer

        reach = None if kind.startswith("Shipping") else self.everything
        condition = Condition.objects.create(range=self.everything, type="Count", value=1)
        benefit = Benefit.objects.create(range=reach, type=kind, value=Decimal(percent))
        return ConditionalOffer.objects.create(
            name=name, offer_type=offer_type, condition=condition, benefit=benefit, exclusive=False,
            max_basket_applications=1,
        )  # fmt: skip


class Customer:
    """Somebody with a browser, which asks for pages in one language."""

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self.client = Client(headers={"accept-language": language})

    def get(self, page: str, **kwargs: Any) -> HttpResponse:
        return self.client.get(self.url(page, **kwargs))

    def post(self, page: str, data: dict[str, Any] | None = None, **kwargs: Any) -> HttpResponse:
        return self.client.post(self.url(page, **kwargs), data or {})

    def send(self, page: str, data: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """A form that is accepted."""
        answer = self.post(page, data, **kwargs)
        assert answer.status_code == 302, f"{page} did not take {data}: {answer.status_code}"
        return answer

    def url(self, page: str, **kwargs: Any) -> str:
        with translation.override(self.language):
            return reverse(page, kwargs=kwargs)

    def register(self, email: str) -> Any:
        """Becomes a member, and is logged in by that.

        :returns: the user
        """
        from django.contrib.auth import get_user_model

        self.send("customer:register", {"email": email, "password1": PASSWORD, "password2": PASSWORD})
        return get_user_model().objects.get(email__iexact=email)

    def login(self, email: str) -> None:
        self.send("customer:login", {
            "login-username": email, "login-password": PASSWORD, "login_submit": "Log in",
        })  # fmt: skip

    def add(self, product: Any, quantity: int = 1) -> None:
        parent = product.parent or product
        self.send("basket:add", {"quantity": quantity, "child_id": product.pk}, pk=parent.pk)

    def use(self, voucher: Any) -> None:
        self.post("basket:vouchers-add", {"code": voucher.code})

    def go_to_checkout(self, *, guest: str = "", shipping: str = FREE) -> None:
        """All the pages before the last one."""
        if guest:
            self.send("checkout:index", {"username": guest, "options": "anonymous"})
        if self.get("checkout:shipping-address").status_code == 200:
            self.send("checkout:shipping-address", {
                "first_name": "길동", "last_name": "홍", "line1": "세종대로 110", "line4": "서울", "postcode": "04524",
            })  # fmt: skip
        if self.get("checkout:shipping-method").status_code == 200:
            self.send("checkout:shipping-method", {"method_code": shipping})
        assert self.get("checkout:preview").status_code == 200

    def place_order(self, **going_wrong: str) -> HttpResponse:
        return self.post("checkout:preview", {"action": "place_order", **going_wrong})

    def buy(self, *products: Any, guest: str = "", shipping: str = FREE, vouchers: Any = (), quantity: int = 1) -> Any:
        """A whole visit.

        :returns: the order, as the thank-you page shows it
        """
        for product in products:
            self.add(product, quantity)
        for voucher in vouchers:
            self.use(voucher)
        self.go_to_checkout(guest=guest, shipping=shipping)
        answer = self.place_order()
        assert answer.status_code == 302, "the order was not placed"
        return self.thank_you()

    def thank_you(self) -> Any:
        """The order that the thank-you page shows, read afresh."""
        from oscar.apps.order.models import Order

        answer = self.get("checkout:thank-you")
        return Order.objects.get(pk=answer.context["order"].pk)


class Clerk(Customer):
    """Somebody at the shop's own desk: oscar's dashboard."""

    def __init__(self) -> None:
        from django.contrib.auth import get_user_model

        super().__init__()
        clerk = get_user_model().objects.create_superuser("clerk", "clerk@example.com", PASSWORD)
        self.client.force_login(clerk, backend="django.contrib.auth.backends.ModelBackend")

    def act(self, order: Any, **form: Any) -> None:
        self.send("dashboard:order-detail", form, number=order.number)

    def set_status(self, order: Any, status: str) -> None:
        self.act(order, order_action="change_order_status", new_status=status)

    def refund(self, order: Any, amount: str) -> None:
        self.act(order, order_action="create_order_payment_event", payment_event_type="refunded", amount=amount)


def close_down() -> None:
    """All that customers, clerks and the outbox have written goes; the catalogue stays."""
    from django.contrib.auth import get_user_model
    from django_q.models import OrmQ
    from oscar.apps.basket.models import Basket
    from oscar.apps.offer.models import Benefit, Condition, ConditionalOffer
    from oscar.apps.order.models import Order, PaymentEventType
    from oscar.apps.voucher.models import Voucher

    from dfinery_django.models import Destination, Event

    for model in (
        *(Order, PaymentEventType, Basket, Voucher, ConditionalOffer, Condition, Benefit, get_user_model()),
        *(Event, Destination, OrmQ),
    ):
        model._base_manager.all().delete()
