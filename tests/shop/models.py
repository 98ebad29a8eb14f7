"""A shop in few words, with what real shops have: guests, lines after the order, a product that may go."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    grade = models.CharField(max_length=10, default="basic", choices=[("basic", "Basic"), ("gold", "Gold member")])


class Category(models.Model):
    name = models.CharField(max_length=50)


class Product(models.Model):
    sku = models.CharField(max_length=50)
    name = models.CharField(max_length=200)
    category = models.ForeignKey(Category, models.PROTECT)
    specification = models.JSONField(default=dict, blank=True)


class Order(models.Model):
    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        PAID = "paid", "Paid"
        CANCELLED = "cancelled", "Cancelled"

    number = models.CharField(max_length=20, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    customer = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)
    guest_email = models.EmailField(blank=True)
    total = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    discount = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    payment_method = models.CharField(
        max_length=20, default="mobile", choices=[("mobile", "MobilePayment"), ("card", "CreditCard")]
    )
    uses_applepay = models.BooleanField(default=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=50, blank=True)

    @property
    def broken(self) -> str:
        raise ZeroDivisionError("division by zero")


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.SET_NULL, null=True)
    quantity = models.IntegerField(default=1)
    unit_price = models.DecimalField(max_digits=14, decimal_places=2)
    discount = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    coupon = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["pk"]


# ── the kinds of models that real shops have besides ───────────────────────────────────────────────────────────────


class OrderReport(Order):
    """What an admin page of orders works with."""

    class Meta:
        proxy = True


class GiftOrder(Order):
    """A child with a table of its own."""

    greeting = models.CharField(max_length=50, blank=True)


class Money:
    """An amount with its currency, as several packages have it."""

    def __init__(self, amount: Decimal, currency: str) -> None:
        self.amount, self.currency = amount, currency


class Priced(models.Model):
    """An abstract base, as shops derive their orders from."""

    amount = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    rebate = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    net = models.GeneratedField(
        expression=models.F("amount") - models.F("rebate"),
        output_field=models.DecimalField(max_digits=14, decimal_places=2),
        db_persist=True,
    )

    class Meta:
        abstract = True

    @property
    def price(self) -> Money:
        return Money(self.amount, "KRW")


class AnyCaseField(models.CharField):  # type: ignore[type-arg]
    """A text that the database compares in its own way, like citext and encrypted columns."""


@AnyCaseField.register_lookup
class AnyCaseExact(models.Lookup):
    lookup_name = "exact"

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        (left, left_values), (right, right_values) = (
            side(compiler, connection) for side in (self.process_lhs, self.process_rhs)
        )
        return f"LOWER({left}) = LOWER({right})", [*left_values, *right_values]


class Stage(models.Model):
    """An order's status as a row."""

    identifier = models.CharField(max_length=20, unique=True)


class Booking(Priced):
    """A UUID as key, a status that is a row, a JSON column."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    stage = models.ForeignKey(Stage, models.PROTECT, null=True)
    grade = models.IntegerField(default=0)
    content = models.JSONField(default=dict, null=True)
    channel = AnyCaseField(max_length=10, blank=True)
    customer = models.ForeignKey(User, models.SET_NULL, null=True)


class NoScopeError(RuntimeError):
    pass


_are_scopes_disabled: ContextVar[bool] = ContextVar("_are_scopes_disabled", default=False)


@contextmanager
def scopes_disabled() -> Iterator[None]:
    """As django-scopes has it: the scoped managers return the rows of all tenants."""
    token = _are_scopes_disabled.set(True)
    try:
        yield
    finally:
        _are_scopes_disabled.reset(token)


class Scoped(models.Manager["Ticket"]):
    """A manager that refuses to work outside of a request, as multi-tenant shops have it."""

    def get_queryset(self) -> models.QuerySet[Ticket]:
        if not _are_scopes_disabled.get():
            raise NoScopeError("no tenant")
        return super().get_queryset()


class Ticket(models.Model):
    booking = models.ForeignKey(Booking, models.CASCADE, related_name="tickets")
    title = models.CharField(max_length=50)
    is_cancelled = models.BooleanField(default=False)
    seat = models.ForeignKey(Stage, models.DO_NOTHING, default=404, db_constraint=False)  # may lead nowhere

    objects = Scoped()


class Voucher(Priced):
    """A text as key; an owner of any model."""

    code = models.CharField(max_length=30, primary_key=True)
    is_used = models.BooleanField(default=False)
    owner_type = models.ForeignKey(ContentType, models.CASCADE, null=True)
    owner_id = models.CharField(max_length=40, blank=True)
    owner = GenericForeignKey("owner_type", "owner_id")


class BranchOrder(models.Model):
    """Numbers that are unique in a branch only."""

    pk = models.CompositePrimaryKey("branch", "number")
    branch = models.CharField(max_length=10)
    number = models.IntegerField()
    status = models.CharField(max_length=10, default="pending")
    customer = models.ForeignKey(User, models.SET_NULL, null=True)
    paid_at = models.DateTimeField(null=True)


# ── what django-salesman, pretix and saleor have instead of columns ────────────────────────────────────────────────


class Course(models.Model):
    """A second kind of goods, whose name is a property."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(max_length=50)
    category = models.ForeignKey(Category, models.PROTECT)

    @property
    def name(self) -> str:
        return f"Course: {self.title}"


class Sale(models.Model):
    """Discounts as JSON with negative amounts; cancelled by its state, or by a moment alone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=20)
    state = models.CharField(max_length=1, default="n", choices=[("n", "New"), ("p", "Paid"), ("c", "Cancelled")])
    placed_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)
    buyer = models.ForeignKey(User, models.SET_NULL, null=True)
    email = models.EmailField(blank=True)
    total = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    fee = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    extra_rows = models.JSONField(default=list)


class Position(models.Model):
    """Of a product of any model; what it was called when it was bought is JSON."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sale = models.ForeignKey(Sale, models.CASCADE, related_name="positions")
    place = models.PositiveIntegerField()
    product_type = models.ForeignKey(ContentType, models.CASCADE, null=True)
    product_id = models.CharField(max_length=40, blank=True)
    product = GenericForeignKey("product_type", "product_id")
    product_data = models.JSONField(default=dict)
    quantity = models.IntegerField(default=1)
    price = models.DecimalField(max_digits=14, decimal_places=2)
    deposit = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    is_cancelled = models.BooleanField(default=False)

    @property
    def code(self) -> Any:
        return self.product_data.get("code")

    @property
    def name(self) -> Any:
        return self.product_data.get("name")
