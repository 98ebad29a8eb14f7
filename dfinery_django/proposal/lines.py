"""The lines of an order, and the product of a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey
from django.db import models

from .candidates import has_role, links_of, model_points, names_of, rows_of
from .people import is_person_model, is_user_model
from .samples import SampleRows
from .vocabulary.item_roles import LINE_TOTAL, PRODUCT_ID, PRODUCT_NAME, QUANTITY, UNIT_PRICE
from .vocabulary.model_words import (
    CART_LINK,
    LINE_AGAINST,
    LINE_MODEL,
    ORDER_PART,
    PARENT,
    PARENT_AGAINST,
    PRODUCT_AGAINST,
    PRODUCT_MODEL,
    VARIANT,
)
from .vocabulary.order_roles import TOTAL
from .vocabulary.words import points_of, words_of

#: Points below which rows are no lines, and a related model is no product.
_LEAST_LINE, _LEAST_PRODUCT = 45, 24


@dataclass(frozen=True)
class Product:
    """The relation from a line to what was bought."""

    path: str
    model: type[models.Model] | None  # None behind a generic relation
    points: int


@dataclass(frozen=True)
class Lines:
    """The rows of which an order's items are made.

    :ivar path: from the order; "" where the order is its own line
    :ivar part: the model of the parts of the order that have the lines, such as the parcels of each seller
    """

    path: str
    model: type[models.Model]
    points: int
    product: Product | None
    part: type[models.Model] | None = None
    is_product: bool = False  # rows of products, of which an order has one piece each

    @property
    def is_order(self) -> bool:
        return not self.path


def lines_of(order: type[models.Model]) -> list[Lines]:
    """Return what may be an order's lines, the best first."""
    found = [*_own_lines(order, ""), *_lines_behind(order), *_nested_lines(order), *_order_itself(order)]
    return sorted(found, key=lambda each: (-each.points, each.path))


def _own_lines(order: type[models.Model], prefix: str, cost: int = 0) -> Iterator[Lines]:
    for name, related, relation in rows_of(order):
        if related is order or is_user_model(related) or _is_joining(related):
            continue
        points, product = _line_points(related, order, name)
        is_product = relation.many_to_many and not has_role(related, QUANTITY) and product is None
        if is_product:  # without a number of pieces
            points = _product_points(related, name)
        if points - cost >= _LEAST_LINE:
            yield Lines(f"{prefix}{name}", related, points - cost, product, is_product=is_product)


def _is_joining(model: type[models.Model]) -> bool:
    return bool(model._meta.auto_created)


def _lines_behind(order: type[models.Model]) -> Iterator[Lines]:
    """Yield lines of a related row: those of the cart that an order was made from."""
    for name, related, field in links_of(order):
        is_behind = related is not order and not is_user_model(related) and field.concrete
        if is_behind and points_of([name], CART_LINK):
            yield from (each for each in _own_lines(related, f"{name}.", cost=12) if each.model is not order)


def _nested_lines(order: type[models.Model]) -> Iterator[Lines]:
    """Yield lines of the parts of an order, such as those of each seller."""
    for name, related, relation in rows_of(order):
        names = [related.__name__]
        is_part = points_of(names, ORDER_PART) > 0 or not points_of(names, LINE_AGAINST)
        if is_part and relation.one_to_many and related is not order and not is_user_model(related):
            for each in _own_lines(related, f"{name}.", cost=18):
                if each.model is not order and has_role(each.model, QUANTITY):
                    yield replace(each, part=related)


def _order_itself(order: type[models.Model]) -> Iterator[Lines]:
    product = product_of(order) or _product_behind(order)
    if product and product.points >= 32:
        yield Lines("", order, _LEAST_LINE + (10 if has_role(order, QUANTITY) else 0), product)


def _product_behind(order: type[models.Model]) -> Product | None:
    """Return the product of what an order with a total points to: a day of a room, a showing of a film."""
    found = []
    for name, related, field in links_of(order) if has_role(order, TOTAL) else ():
        is_way = field.concrete and related is not order and not is_person_model(related) and not is_user_model(related)
        if is_way and (product := product_of(related, but=order)):
            found.append(replace(product, path=f"{name}.{product.path}"))
    return max(found, key=_as_product, default=None)


def _line_points(model: type[models.Model], order: type[models.Model], name: str) -> tuple[int, Product | None]:
    product = product_of(model, but=order)
    names = (*names_of(model.__name__, model._meta.verbose_name), name)
    points = points_of(names, LINE_MODEL, LINE_AGAINST, words_of(order.__name__)) or -points_of(names, LINE_AGAINST)
    has_quantity, has_price = has_role(model, QUANTITY), has_role(model, UNIT_PRICE, LINE_TOTAL)
    points += 20 if has_quantity else 0
    points += 15 if has_price else 0
    points += 22 if product else 8 if has_role(model, PRODUCT_NAME, PRODUCT_ID) else 0
    points += 10 if product and has_quantity else 0
    return (points if product or has_price or has_quantity else 0), product


@lru_cache(maxsize=2000)
def product_of(line: type[models.Model], but: type[models.Model] | None = None) -> Product | None:
    """Return the relation from a line to its product."""
    found = [
        Product(name, related, _product_points(related, name))
        for name, related, field in links_of(line)
        if related not in (line, but) and not is_user_model(related) and field.concrete
    ]
    found += [
        Product(each.name, None, points_of([each.name], PRODUCT_MODEL, PRODUCT_AGAINST))
        for each in line._meta.private_fields
        if isinstance(each, GenericForeignKey)
    ]
    best: Any = max(found, key=_as_product, default=None)
    return best if best is not None and best.points >= _LEAST_PRODUCT else None


def _as_product(product: Product) -> tuple[int, int, int]:
    return product.points, points_of([product.path], PRODUCT_MODEL, PRODUCT_AGAINST), -len(product.path)


def _product_points(model: type[models.Model], name: str) -> int:
    against = PRODUCT_AGAINST
    app = words_of(model._meta.app_label)  # the models of an app "shop" may all be named so
    points = max(points_of([name], PRODUCT_MODEL, against), model_points(model, PRODUCT_MODEL, against, *app))
    if points <= 0 and (points_of([name], PRODUCT_AGAINST) or not has_role(model, PRODUCT_NAME)):
        return 0
    return (
        points + 10 * has_role(model, PRODUCT_NAME) + 14 * has_role(model, UNIT_PRICE) + 6 * has_role(model, PRODUCT_ID)
    )


def is_product(model: type[models.Model], name: str) -> bool:
    """Return whether a relation of that name leads to products."""
    return _product_points(model, name) >= _LEAST_PRODUCT


def is_variant(model: type[models.Model]) -> bool:
    """Return whether a model is named like variants of a product."""
    return points_of([model.__name__], VARIANT) >= 40


def parent_of(product: type[models.Model]) -> tuple[str, type[models.Model]] | None:
    """Return the relation from a variant to its product."""
    for name, related, field in links_of(product):
        is_named = field.concrete and points_of([name], PARENT, PARENT_AGAINST) >= 34
        is_nameless = is_variant(product) or not has_role(product, PRODUCT_NAME)
        is_other = is_nameless and related is not product and field.concrete and is_product(related, name)
        if is_named or is_other:
            return name, related
    return None


def samples_of(lines: Lines, orders: SampleRows) -> SampleRows:
    """Return the lines of rows of orders."""
    return orders if lines.is_order else orders.behind(lines.path)
