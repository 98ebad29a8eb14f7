"""The items of a purchase: where its lines are, and the fields of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.db import models

from ..mapping.expressions import Coalesce, Value
from ..mapping.rows import Rows
from .candidates import (
    Candidate,
    best_first,
    columns_of,
    field_points,
    is_content_type,
    json_values,
    links_of,
    names_of,
    rank,
    rows_of,
)
from .cents import computed, in_whole_units, why_cents
from .formulas import number_in, piece_price, seen_from, sum_of_lines
from .guesses import Guess, confidence_of
from .lines import Lines, is_variant, lines_of, parent_of, samples_of
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
from .vocabulary.model_words import (
    CATEGORY_AGAINST,
    CATEGORY_LINK,
    LINE_OFF,
    LINE_OFF_AGAINST,
    OTHER_KINDS,
    PRODUCT_KIND,
)
from .vocabulary.order_roles import DISCOUNT, TOTAL
from .vocabulary.roles import Role
from .vocabulary.words import points_of

#: Points of a product's primary key, and of its text as Python shows it.
_KEY, _OWN_TEXT = 66, 41
#: What a value of the product costs: the line's own copy is what the customer bought.
_NOT_COPIED = 6
#: Points below the best from which a candidate is not worth a line.
_FAR = 45


def guess_of(found: list[Candidate]) -> Guess | None:
    """Return the best candidate as a guess, with the next ones as alternatives; ``None`` if there is none."""
    if not found:
        return None
    best, *rest = [Guess(each.path, each.reason, confidence_of(each.points)) for each in found]
    near: dict[Any, Guess] = {best.value: best}
    for each, one in zip(rest, found[1:], strict=True):
        if one.points >= found[0].points - _FAR:
            near.setdefault(each.value, each)
    del near[best.value]
    return replace(best, alternatives=tuple(near.values())[:3])


def prefixed(guess: Guess, prefix: str) -> Guess:
    """Return a guess about the order, seen from a row that leads to it."""
    others = tuple(prefixed(each, prefix) for each in guess.alternatives)
    return replace(guess, value=seen_from(guess.value, prefix), alternatives=others) if prefix else guess


def total_of_lines(order: OrderModel) -> Guess | None:
    """Return the sum of price times quantity, where nothing is named like a total."""
    lines = order.lines
    if not lines or lines.is_order or lines.part:
        return None
    items = Items(order, lines)
    price, quantity = items.unit_price(), items.quantity().value
    if not price or not isinstance(price.value, str):
        return None
    value = sum_of_lines(lines.model, lines.path, price.value, quantity if isinstance(quantity, str) else "")
    reason = "no column or method is named like a total: the sum of the lines"
    why = why_cents(price.value, lines.model, order.cents, items.samples)
    return None if value is None else computed(value, reason, "low", why)


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
        lookups = self._only_bought()
        words = f"{reason}; only those that were bought"
        return Guess(Rows(path, **lookups), words, "medium", (guess,)) if lookups else guess

    def _only_bought(self) -> dict[str, Any]:
        """Return lookups that leave out lines of delivery, discounts and fees, and those that were cancelled."""
        found: dict[str, Any] = dict.fromkeys(flags_named(self.lines.model, LINE_OFF, LINE_OFF_AGAINST), False)
        kinds, others = (values_named(self.lines.model, table) for table in (PRODUCT_KIND, OTHER_KINDS))
        for column in dict(kinds).keys() & dict(others).keys():
            values = [value for name, value in kinds if name == column]
            found.update({f"{column}__in": values} if len(values) > 1 else {column: values[0]})
        return found

    def attributes(self) -> dict[str, Guess]:
        """Return the guesses of ``item_attributes``."""
        found = {
            "product_id": self._product_id(),
            "product_name": self._product_name(),
            "category1": self._category(),
            "quantity": self.quantity(),
            "price": self._in_whole_units(self.unit_price()),
            "discount": None if self.lines.is_order else self._in_whole_units(guess_of(self._rank(DISCOUNT))),
            "currency": self._currency(),
        }
        start = self.prefix if self.lines.is_order else ""
        return {name: prefixed(guess, start) for name, guess in found.items() if guess}

    def _in_whole_units(self, guess: Guess | None) -> Guess | None:
        return in_whole_units(guess, self.lines.model, self.order.cents, self.samples)

    def _rank(self, role: Role) -> list[Candidate]:
        found = rank(self.lines.model, role, self.samples, more=json_values(self.lines.model, self.samples))
        # What an order says by itself speaks of the order, unless a name tells otherwise.
        return [each for each in found if each.points >= 94] if self.lines.is_order else found

    def _products(self) -> list[tuple[str, type[models.Model]]]:
        """Return path and model of the product, and of what it is a variant of."""
        product = self.lines.product
        if self.lines.is_product or product is None or product.model is None:
            return [("", self.lines.model)] if self.lines.is_product else []
        start, parent = f"{product.path}.", parent_of(product.model)
        return [(start, product.model), *([(f"{start}{parent[0]}.", parent[1])] if parent else [])]

    def _of_product(self, role: Role) -> list[Candidate]:
        found: list[Candidate] = []
        for prefix, model in self._products() if not self.lines.is_product else ():
            # A variant's own name is "black": its product says what it is.
            is_vague = role is PRODUCT_NAME and is_variant(model)
            less = _NOT_COPIED + 8 * (bool(found) or is_vague) + 8 * is_vague
            found += [each.plus(-less) for each in rank(model, role, self.samples, prefix=prefix)]
        return found

    def _both(self, role: Role) -> list[Candidate]:
        return best_first([*self._rank(role), *self._of_product(role)])

    def _product_name(self) -> Guess | None:
        product, found = self.lines.product, [each for each in self._both(PRODUCT_NAME) if not _is_code(each)]
        if product and not found:
            reason = "the product's text, as the admin shows it"
            path = f"{product.path}.__str__"
            return guess_of([Candidate(path, self.lines.model, "__str__", points=_OWN_TEXT, reason=reason)])
        return guess_of(found)

    def _product_id(self) -> Guess | None:
        product = self.lines.product
        # What is unique among the lines, or just a code beside a product, is the line's own.
        found = [each for each in self._both(PRODUCT_ID) if not self._is_lines_own(each)]
        path = "pk" if self.lines.is_product else f"{product.path}.pk" if product else ""
        if path:
            found.append(Candidate(path, self.lines.model, "pk", points=_KEY, reason="the product's primary key"))
        guess = guess_of(found := best_first(found))
        second = next((each for each in found[1:] if "." in each.path), None)
        is_filled = not found or not found[0].is_optional or "." in found[0].path
        if guess is None or is_filled or second is None or (second.kind == "method" and not path):
            return guess
        words = f"{guess.reason}; where it is empty, {second.path}"
        return replace(guess, value=Coalesce(found[0].path, second.path), reason=words)

    def _is_lines_own(self, each: Candidate) -> bool:
        if "." in each.path or self.lines.is_product:
            return False
        is_unique = each.column is not None and each.column.unique
        return is_unique or (self.lines.product is not None and each.points < 75)

    def _category(self) -> Guess | None:
        found = [each for each in self._rank(CATEGORY) if each.points >= 80] + self._of_product(CATEGORY)
        links = [each for start, model in self._products() for each in _links(model, start, self.samples)]
        return guess_of(best_first([*(each.with_label() for each in found), *links]))

    def quantity(self) -> Guess:
        """Return the guess of ``quantity``."""
        if self.lines.is_product:
            return Guess(Value(1), "each product is one piece")
        found = rank(self.lines.model, QUANTITY, self.samples)
        if self.lines.is_order:
            totals = {each.path for each in rank(self.lines.model, TOTAL, self.samples)}
            found = [each for each in found if each.path not in totals]
        one = Guess(Value(1), "no column is named like a quantity: each row is one piece", "medium")
        return guess_of(found) or one

    def unit_price(self) -> Guess | None:
        """Return the guess of ``price``, as it is stored."""
        own, product = self._rank(UNIT_PRICE), self._of_product(UNIT_PRICE)
        total = self._rank(LINE_TOTAL)
        is_clear = own and (own[0].points >= 70 or not total or total[0].points < own[0].points)
        if is_clear or (own and not isinstance(self.quantity().value, str)):
            return guess_of(best_first([*own, *product]))
        if self.lines.is_order:
            own, total = [], rank(self.lines.model, TOTAL, self.samples)
        if total and total[0].points >= 60 and (total[0].column is not None or not product):
            return self._divided(total[0].path, [*own, *product])
        return self._price_text(guess_of(best_first([*own, *product])))

    def _price_text(self, otherwise: Guess | None) -> Guess | None:
        """Return the price that is a text in a JSON column of the line, before today's price of the product."""
        texts = [each for each in json_values(self.lines.model, self.samples) if each.kind == "text"]
        found = [each for each in texts if points_of([each.name], UNIT_PRICE.words, UNIT_PRICE.against) >= 80]
        for each in found:
            if _all_numbers(self.samples.values(each.path)):
                others = () if otherwise is None else (replace(otherwise, alternatives=()), *otherwise.alternatives)
                return Guess(number_in(each.path), "the line's own copy, a number as a text", "medium", others)
        return otherwise

    def _divided(self, total: str, others: list[Candidate]) -> Guess | None:
        quantity = self.quantity().value
        alternatives = tuple(Guess(each.path, each.reason, "low") for each in others[:2])
        if not isinstance(quantity, str):
            return Guess(total, "each row is one piece, so its total is the price", "medium", alternatives)
        value = piece_price(self.lines.model, total, quantity)
        if value is None:
            return guess_of(best_first(others))
        why = why_cents(total, self.lines.model, self.order.cents, self.samples)
        return computed(value, "only a total of the line is there", "medium", why, alternatives)

    def _currency(self) -> Guess | None:
        if found := self._rank(CURRENCY):
            return guess_of(found)
        columns = columns_of(self.order.model)
        best = [each.name for each in columns if points_of([each.name], CURRENCY.words, CURRENCY.against) >= 70]
        links = [f"{name}." for name, related, _ in links_of(self.lines.model) if related is self.order.model]
        ways = [""] if self.lines.is_order else links
        return Guess(f"{ways[0]}{best[0]}", "the order's currency") if best and ways else None


def _is_code(each: Candidate) -> bool:
    """Return whether a product's name is its code."""
    names = names_of(each.name, getattr(each.column, "verbose_name", ""))
    of_id, of_name = (points_of(names, role.words, role.against) for role in (PRODUCT_ID, PRODUCT_NAME))
    return of_id > of_name


def _links(model: type[models.Model], prefix: str, samples: SampleRows) -> list[Candidate]:
    """Return the names of a product's categories."""
    found = []
    single = [(name, related, "", field) for name, related, field in links_of(model) if field.concrete]
    several = [(name, related, ".first", field) for name, related, field in rows_of(model) if field.many_to_many]
    for name, related, first, field in (*single, *several):
        named = field_points(model, field, CATEGORY_LINK, CATEGORY_AGAINST) if field.concrete else 0
        named = named or points_of([name], CATEGORY_LINK, CATEGORY_AGAINST)
        if named > 0 and related is not model and not is_content_type(related):
            reason = f"the name of {related._meta.label}"
            found += _by_label(related, f"{prefix}{name}{first}.", named + 25 - (4 if first else 0), reason, samples)
    if not found and callable(getattr(model, "get_parent", None)):  # a tree of pages, of django-treebeard
        return _by_label(model, f"{prefix}get_parent.", _KEY, "the name of what it lies under", samples)
    return found


def _by_label(model: type[models.Model], start: str, points: int, reason: str, samples: SampleRows) -> list[Candidate]:
    label = rank(model, CATEGORY_NAME, SampleRows())[:1]
    evidence = samples.evidence(f"{start}{label[0].path}") if label else None
    if evidence is None:
        return []
    name = label[0].path
    return [Candidate(f"{start}{name}", model, name, points=points + evidence[0], reason=reason)]


def _all_numbers(values: Sequence[Any]) -> bool:
    """Return whether all texts are numbers; what is missing counts as one."""
    try:
        return [float(each) for each in values if each] != []
    except (TypeError, ValueError):
        return False
