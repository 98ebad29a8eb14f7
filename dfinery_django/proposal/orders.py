"""The model of the shop's orders, and the rows of payments and refunds beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.apps import apps
from django.db import models

from .candidates import columns_of, has_role, kind_of, links_of, model_points, rows_of
from .cents import AmountsOf, cents_reason
from .lines import Lines, lines_of, samples_of
from .people import Buyer, buyers_of, is_user_model
from .samples import SampleRows, newest
from .states import STRONG, Condition, conditions_of
from .vocabulary.model_words import (
    ORDER_MODEL,
    PART_MODEL,
    PAYMENT_AGAINST,
    PAYMENT_MODEL,
    REFUND_AGAINST,
    REFUND_MODEL,
)
from .vocabulary.order_roles import TOTAL
from .vocabulary.people_roles import EMAIL, PHONE
from .vocabulary.words import Table, points_of

#: Points that a model needs to be taken for the model of orders.
LEAST_ORDER = 55
#: Apps whose models are no shop's: Django's own and this package's.
_NOT_SHOPS = ("django.contrib.", "dfinery_django", "django_q")


@dataclass(frozen=True)
class OrderModel:
    """A model that may be the shop's orders, with what speaks for it."""

    model: type[models.Model]
    points: int
    reason: str

    @property
    def is_named(self) -> bool:
        """True if its name alone says that it may be one."""
        return _named(self.model) > 0

    @property
    def label(self) -> str:
        return self.model._meta.label

    @cached_property
    def lines(self) -> Lines | None:
        return next(iter(lines_of(self.model)), None)

    @cached_property
    def buyers(self) -> Sequence[Buyer]:
        return buyers_of(self.model)

    @cached_property
    def samples(self) -> SampleRows:
        return newest(self.model)

    @cached_property
    def cents(self) -> str:
        """Return why the integer amounts are in cents; "" if they are not."""
        places: list[AmountsOf] = [(self.model, self.samples, "")]
        if self.lines and not self.lines.is_order:
            places.append((self.lines.model, samples_of(self.lines, self.samples), ""))
        if self.lines and self.lines.product and self.lines.product.model:
            places.append((self.lines.product.model, places[-1][1], f"{self.lines.product.path}."))
        return cents_reason(places)


@dataclass(frozen=True)
class RowModel:
    """A model whose rows belong to an order: payments, refunds.

    :ivar order_path: from a row to its order
    :ivar path: from the order to the first row
    """

    model: type[models.Model]
    order_path: str
    path: str
    points: int


def order_models() -> list[OrderModel]:
    """Return what may be the model of orders, the best first."""
    found = [order_model(model) for model in apps.get_models() if _may_be_order(model)]
    chosen = {each.model: each for each in found if each.points >= LEAST_ORDER - 15}
    found = [_less_if_part(each, chosen) for each in chosen.values()]
    return sorted(found, key=lambda each: (-each.points, each.label))


def _may_be_order(model: type[models.Model]) -> bool:
    app = model._meta.app_config
    is_shops = app is not None and not app.name.startswith(_NOT_SHOPS)
    return is_shops and not model._meta.proxy and not is_user_model(model)


def order_model(model: type[models.Model]) -> OrderModel:
    """Return a model with what speaks for it as the model of orders."""
    found = list(_marks(model))
    reason = ", ".join(words for _, words in found if words)
    return OrderModel(model, sum(points for points, _ in found), reason)


def _marks(model: type[models.Model]) -> Iterator[tuple[int, str]]:
    """Yield points with the words for what speaks for a model, and for what speaks against it."""
    named = _named(model)
    yield named, "named like an order" if named > 0 else ""
    if buyers_of(model):
        yield 20, "a way to the user"
    elif has_role(model, EMAIL, PHONE):
        yield 14, "a buyer's address"
    lines = next(iter(lines_of(model)), None)
    if lines:
        yield (18, "it has a product") if lines.is_order else (28, f"lines ({lines.model._meta.label})")
    if has_role(model, TOTAL):
        yield 15, "an amount"
    if any(each.points >= STRONG for each in conditions_of(model, "paid")):
        yield 12, "it can be bought"
    if any(each.unique and not each.primary_key and kind_of(each) in ("text", "uuid") for each in columns_of(model)):
        yield 4, ""
    if any(parent for parent in model._meta.parents if not parent._meta.abstract):
        yield -15, ""


def _named(model: type[models.Model]) -> int:
    own = points_of([model.__name__], ORDER_MODEL, PART_MODEL)
    return max(own, model_points(model, ORDER_MODEL, PART_MODEL)) if own >= 0 else own


def _less_if_part(each: OrderModel, chosen: dict[type[models.Model], OrderModel]) -> OrderModel:
    """Take points off a model that points to a better one: it is a part of that one."""
    for _, related, field in links_of(each.model):
        better = chosen.get(related)
        if field.concrete and better and better.model is not each.model and better.points >= each.points - 25:
            return OrderModel(each.model, each.points - 30, each.reason)
    return each


def payments_of(order: type[models.Model]) -> list[RowModel]:
    """Return the models of payments of an order, the best first."""
    return _rows_beside(order, PAYMENT_MODEL, PAYMENT_AGAINST)


def refunds_of(order: type[models.Model]) -> list[RowModel]:
    """Return the models of refunds of an order or of its payments, the best first."""
    found = _rows_beside(order, REFUND_MODEL, REFUND_AGAINST)
    for payment in payments_of(order):
        for each in _rows_beside(payment.model, REFUND_MODEL, REFUND_AGAINST):
            path = f"{each.order_path}.{payment.order_path}"
            found.append(RowModel(each.model, path, f"{payment.path}.{each.path}", each.points - 5))
    return sorted(found, key=lambda each: (-each.points, each.model._meta.label))


def _rows_beside(order: type[models.Model], table: Table, against: Table) -> list[RowModel]:
    found = []
    neutral = ("order", order._meta.model_name or "")
    for name, related, relation in [*rows_of(order), *links_of(order)]:
        points = model_points(related, table, against, *neutral)
        back = _way_back(relation)
        if points > 0 and back and related is not order and not is_user_model(related):
            path = f"{name}.first" if relation.one_to_many or relation.many_to_many else name
            found.append(RowModel(related, back, path, points))
    return sorted(found, key=lambda each: (-each.points, each.model._meta.label))


def _way_back(relation: object) -> str:
    """Return the path from a related row to the order."""
    if getattr(relation, "concrete", False):
        remote = relation.remote_field  # type: ignore[attr-defined]
        name = remote.get_accessor_name()
        return "" if not name else name if relation.one_to_one else f"{name}.first"  # type: ignore[attr-defined]
    field = getattr(relation, "field", None)
    return field.name if field is not None and not getattr(relation, "many_to_many", False) else ""


def paid_conditions(order: OrderModel) -> list[tuple[Condition, RowModel | None]]:
    """Return what may say that an order was bought, the best first: on the order, or on a row of a payment."""
    found: list[tuple[Condition, RowModel | None]] = [(each, None) for each in conditions_of(order.model, "paid")]
    for row in payments_of(order.model)[:1]:
        for each in conditions_of(row.model, "settled"):
            reason = f"{each.reason}; a row of {row.model._meta.label}"
            found.append((Condition(min(each.points, 85) - 25, each.when, reason), row))
        words = f"nothing says that it was paid but a row of {row.model._meta.label}"
        found.append((Condition(46, "created", words), row))
    created = Condition(45, "created", "nothing says that it was paid: orders are stored when they are bought")
    return sorted([*found, (created, None)], key=lambda each: (-each[0].points, str(each[0].when)))
