"""The items of a purchase: where its lines are, and the fields of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db import models

from ..mapping.expressions import Coalesce, Value
from ..mapping.rows import Rows
from .candidates import Candidate, Ranked, columns_of, is_djangos, links_of, names_of, rank, rows_of
from .formulas import piece_price, seen_from, sum_of_lines, whole_units
from .guesses import Guess, confidence_of
from .labels import with_labels
from .lines import Lines, is_product, lines_of, samples_of
from .orders import OrderModel
from .samples import SampleRows
from .states import flags_named, values_named
from .vocabulary.item_roles import (
    CATEGORY,
    CATEGORY_NAME,
    CURRENCY,
    LINE_TOTAL,
    PRODUCT_ID,
    PRODUCT_NAME,
    QUANTITY,
    UNIT_PRICE,
)
from .vocabulary.model_words import CATEGORY_LINK, LINE_OFF, OTHER_KINDS, PRODUCT_KIND
from .vocabulary.order_roles import DISCOUNT, TOTAL
from .vocabulary.roles import Role
from .vocabulary.words import points_of, words_of

#: Points of a product's primary key, and of its text as Python shows it.
_KEY, _OWN_TEXT = 66, 41
#: What a value of the product costs: the line's own copy is what the customer bought.
_NOT_COPIED = 6
#: Points below the best from which a candidate is not worth a line.
_FAR = 45
_SMALL_UNITS = {"cent", "minor", "pence", "penny"}


def guess_of(found: list[Ranked], **more: Any) -> Guess | None:
    """Return the best candidate as a guess, with the next ones as alternatives; ``None`` if there is none."""
    if not found:
        return None
    best = found[0]
    further = list(
        {
            each.path: each for each in reversed(found) if each.path != best.path and each.points >= best.points - _FAR
        }.values()
    )[::-1]
    others = tuple(Guess(each.path, each.reason, confidence_of(each.points)) for each in further[:3])
    return Guess(best.path, best.reason, confidence_of(best.points), others)


def in_whole_units(guess: Guess | None, model: type[models.Model]) -> Guess | None:
    """Return an amount that its name says is in cents, divided by 100."""
    if guess is None or not isinstance(guess.value, str) or not {*words_of(guess.value)} & _SMALL_UNITS:
        return guess
    return Guess(whole_units(model, guess.value), f"{guess.reason}; in cents", "medium", guess.alternatives)


class Items:
    """The guesses about an order's lines.

    :ivar prefix: the path from the row that the event watches to the order
    """

    def __init__(self, order: OrderModel, lines: Lines, prefix: str = "") -> None:
        self.order, self.lines, self.prefix = order, lines, prefix
        self.samples = samples_of(lines, order.samples)

    def source(self) -> Guess:
        """Return the guess of ``items``."""
        lines, path = self.lines, f"{self.prefix}{self.lines.path}"
        if lines.is_order:
            return Guess("self", "the order is its only line", "medium")
        others = [each for each in lines_of(self.order.model)[1:] if not each.part and each.path][:2]
        further = tuple(Guess(f"{self.prefix}{each.path}", each.model._meta.label, "low") for each in others)
        reason = f"{lines.model._meta.label}{', of each part of the order' if lines.part else ''}"
        guess = Guess(path, reason, confidence_of(lines.points + 15), further)
        lookups, left_out = self._only_bought()
        return Guess(Rows(path, **lookups), f"{reason}; without {left_out}", "medium", (guess,)) if lookups else guess

    def _only_bought(self) -> tuple[dict[str, Any], str]:
        """Return lookups that leave out lines of delivery, discounts and fees, and those that were cancelled."""
        kinds = dict(values_named(self.lines.model, PRODUCT_KIND))
        column = next((each for each, _ in values_named(self.lines.model, OTHER_KINDS) if each in kinds), "")
        flags = flags_named(self.lines.model, LINE_OFF)
        lookups = {**({column: kinds[column]} if column else {}), **dict.fromkeys(flags[:1], False)}
        return lookups, " and ".join(
            ["lines that are no products"] * bool(column) + [f"{each} ones" for each in flags[:1]]
        )

    def attributes(self) -> dict[str, Guess]:
        """Return the guesses of ``item_attributes``."""
        found = {
            "product_id": self._product_id(),
            "product_name": self._named(PRODUCT_NAME, own_text=True),
            "category1": self._category(),
            "quantity": self._quantity(),
            "price": in_whole_units(self._price(), self.lines.model),
            "discount": None if self.lines.is_order else guess_of(self._rank(DISCOUNT)),
            "currency": self._currency(),
        }
        start = self.prefix if self.lines.is_order else ""
        return {name: prefixed(guess, start) for name, guess in found.items() if guess}

    def _rank(self, role: Role, *more: Candidate) -> list[Ranked]:
        found = rank(self.lines.model, role, self.samples, more=more)
        # What an order says by itself speaks of the order, unless a name tells otherwise.
        return [each for each in found if each.points >= 94] if self.lines.is_order else found

    def _of_product(self, role: Role) -> list[Ranked]:
        """Rank the values of the product, and of what it is a variant of."""
        product = self.lines.product
        if product is None or product.model is None:
            return []
        prefix = f"{product.path}."
        found = rank(product.model, role, self.samples, prefix=prefix)
        if parent := parent_of(product.model):
            further = rank(parent[1], role, self.samples, prefix=f"{prefix}{parent[0]}.")
            # A variant's own name is "black": its product says what it is.
            less = -8 if role is PRODUCT_NAME and _is_variant(product.model) else 8
            found += [Ranked(each.points - less, each.candidate, each.reason) for each in further]
        return [Ranked(each.points - _NOT_COPIED, each.candidate, each.reason) for each in found]

    def _named(self, role: Role, *, own_text: bool = False) -> Guess | None:
        found = self._both(role)
        product = self.lines.product
        if own_text and product and not found:
            text = Candidate(f"{product.path}.__str__", self.lines.model, "__str__", None)
            found.append(Ranked(_OWN_TEXT, text, "the product's text, as the admin shows it"))
        return guess_of(found)

    def _both(self, role: Role) -> list[Ranked]:
        return _sorted([*self._rank(role), *self._of_product(role)])

    def _product_id(self) -> Guess | None:
        found, product = self._both(PRODUCT_ID), self.lines.product
        # What is unique among the lines, or just a code beside a product, is the line's own.
        found = [each for each in found if not self._is_lines_own(each)]
        path = "pk" if self.lines.is_product else f"{product.path}.pk" if product else ""
        if path:
            key = Candidate(path, self.lines.model, "pk", None)
            found.append(Ranked(_KEY, key, "the product's primary key"))
        found = _sorted(found)
        guess = guess_of(found)
        if guess is None or len(found) < 2 or not found[0].candidate.is_optional or "." in found[0].path:
            return guess
        second = next((each for each in found[1:] if "." in each.path), None)
        if second is None or (second.candidate.kind == "method" and not path):
            return guess
        value = Coalesce(found[0].path, second.path)
        return Guess(
            value, f"{found[0].reason}; where it is empty, {second.path}", guess.confidence, guess.alternatives
        )

    def _is_lines_own(self, each: Ranked) -> bool:
        if "." in each.path or self.lines.is_product:
            return False
        is_unique = each.candidate.column is not None and each.candidate.column.unique
        return is_unique or (self.lines.product is not None and each.points < 75)

    def _category(self) -> Guess | None:
        own = [each for each in self._rank(CATEGORY) if each.points >= 80]
        found = _sorted(with_labels([*own, *self._of_product(CATEGORY)]) + self._category_links())
        return guess_of(found)

    def _category_links(self) -> list[Ranked]:
        product = self.lines.product
        if self.lines.is_product:
            return list(_links(self.lines.model, "", self.samples))
        if product is None or product.model is None:
            return []
        found = list(_links(product.model, f"{product.path}.", self.samples))
        if parent := parent_of(product.model):
            found += _links(parent[1], f"{product.path}.{parent[0]}.", self.samples)
        return found

    def _quantity(self) -> Guess:
        if self.lines.is_product:
            return Guess(Value(1), "each product is one piece")
        found = rank(self.lines.model, QUANTITY, self.samples)
        if self.lines.is_order:
            totals = {each.path for each in rank(self.lines.model, TOTAL, self.samples)}
            found = [each for each in found if each.path not in totals]
        one = Guess(Value(1), "no column is named like a quantity: each row is one piece", "medium")
        guess = guess_of(found)
        return guess or one

    def _price(self) -> Guess | None:
        own, product = self._rank(UNIT_PRICE), self._of_product(UNIT_PRICE)
        total = _sorted(self._rank(LINE_TOTAL))
        is_clear = own and (own[0].points >= 70 or not total or total[0].points < own[0].points)
        if is_clear or (own and not self._has_pieces()):
            return guess_of(_sorted([*own, *product]))
        is_stored = total and (total[0].candidate.column is not None or not product)
        if is_stored and total[0].points >= 60 and not self.lines.is_order:
            return self._divided(total[0].path, [*own, *product])
        whole = rank(self.lines.model, TOTAL, self.samples) if self.lines.is_order else []
        if whole and (whole[0].candidate.column is not None or not product):
            return self._divided(whole[0].path, product)
        return guess_of(_sorted([*own, *product]))

    def _has_pieces(self) -> bool:
        return isinstance(self._quantity().value, str)

    def _divided(self, total: str, others: list[Ranked]) -> Guess:
        quantity = self._quantity().value
        alternatives = tuple(Guess(each.path, each.reason, "low") for each in others[:2])
        if not isinstance(quantity, str):
            return Guess(total, "each row is one piece, so its total is the price", "medium", alternatives)
        value = piece_price(self.lines.model, total, quantity)
        others_of = (Guess(total, "the line's total itself", "low"), *alternatives)
        return Guess(value, "only a total of the line is there", "medium", others_of)

    def _currency(self) -> Guess | None:
        if found := self._rank(CURRENCY):
            return guess_of(found)
        field = next(
            (f for f in self.lines.model._meta.fields if f.is_relation and f.related_model is self.order.model), None
        )
        columns = columns_of(self.order.model)
        best = [each.name for each in columns if points_of([each.name], CURRENCY.words, CURRENCY.against) >= 70]
        if best and self.lines.is_order:
            return Guess(best[0], "the order's currency")
        return Guess(f"{field.name}.{best[0]}", "the order's currency") if field is not None and best else None


def total_of_lines(order: OrderModel) -> Guess | None:
    """Return the sum of price times quantity, where nothing is named like a total."""
    lines = order.lines
    attributes = Items(order, lines).attributes() if lines and not lines.is_order and not lines.part else {}
    price, quantity = attributes.get("price"), attributes.get("quantity")
    if not lines or not price or not quantity or not isinstance(price.value, str):
        return None
    value = sum_of_lines(
        lines.model, lines.path, price.value, quantity.value if isinstance(quantity.value, str) else ""
    )
    return Guess(value, "no column or method is named like a total: the sum of the lines", "low")


def prefixed(guess: Guess, prefix: str) -> Guess:
    """Return a guess about the order, seen from a row that leads to it."""
    others = tuple(prefixed(each, prefix) for each in guess.alternatives)
    return replace(guess, value=seen_from(guess.value, prefix), alternatives=others) if prefix else guess


def _is_variant(model: type[models.Model]) -> bool:
    return points_of(names_of(model, model.__name__), {60: "variant | variation | sku"}) >= 40


def parent_of(product: type[models.Model]) -> tuple[str, type[models.Model]] | None:
    """Return the relation from a variant to its product."""
    words = {40: "product | parent | item | event | course | book | 상품 | master"}
    found = [
        (name, related)
        for name, related, field in links_of(product)
        if field.concrete
        and (
            points_of(names_of(product, name), words, {40: "category | type | class"}) >= 34
            or (_is_variant(product) and related is not product and is_product(related, name))
        )
    ]
    return found[0] if found else None


def _links(model: type[models.Model], prefix: str, samples: SampleRows) -> list[Ranked]:
    """Return the names of a product's categories."""
    found = []
    single = [(name, related, "", field) for name, related, field in links_of(model) if field.concrete]
    several = [(name, related, ".first", field) for name, related, field in rows_of(model) if field.many_to_many]
    for name, related, first, field in (*single, *several):
        named = points_of(
            names_of(model, name, getattr(field, "verbose_name", "")), CATEGORY_LINK, {60: "tax | shipping"}
        )
        is_category = named > 0 and related is not model and not is_djangos(related)
        label = rank(related, CATEGORY_NAME, SampleRows()) if is_category else []
        if label:
            path = f"{prefix}{name}{first}.{label[0].path}"
            points = named + samples.evidence(path).points - (4 if first else 0)
            candidate = Candidate(path, related, label[0].path, None)
            found.append(Ranked(points + 25, candidate, f"the name of {related._meta.label}"))
    return found or _parent_in_tree(model, prefix, samples)


def _parent_in_tree(model: type[models.Model], prefix: str, samples: SampleRows) -> list[Ranked]:
    """Return the name of what holds a product in a tree of pages (django-treebeard): it is its category."""
    label = rank(model, CATEGORY_NAME, SampleRows()) if callable(getattr(model, "get_parent", None)) else []
    path = f"{prefix}get_parent.{label[0].path}" if label else ""
    if not path or samples.evidence(path).is_refuted:
        return []
    return [Ranked(60, Candidate(path, model, label[0].path, None), "the name of what it lies under")]


def _sorted(found: list[Ranked]) -> list[Ranked]:
    return sorted(found, key=lambda each: (-each.points, each.path.count("."), each.path))
