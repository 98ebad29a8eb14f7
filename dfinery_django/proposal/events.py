"""The proposed definitions of a shop: purchase, cancellation, refund, sign-up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.constants import LOOKUP_SEP

from .candidates import Candidate, Ranked, rank
from .guesses import Function, Guess, Proposal, ProposedEvent, confidence_of
from .items import Items, guess_of, in_whole_units, sum_of_lines
from .labels import with_labels
from .orders import OrderModel, RowModel, paid_conditions, payments_of, refunds_of
from .samples import SampleRows
from .states import STRONG, Condition, conditions_of, flags_named, unread_status
from .vocabulary.model_words import TEST_FLAG
from .vocabulary.order_roles import (
    CANCELED_MOMENT,
    CREATED_MOMENT,
    DELIVERY,
    DISCOUNT,
    ORDER_NUMBER,
    PAID_MOMENT,
    PAYMENT_METHOD,
    REFUNDED_MOMENT,
    TOTAL,
)
from .vocabulary.roles import Role
from .whom import buyer_attributes, sign_up

#: Points of an order's primary key as its number.
PRIMARY_KEY = 50
#: Fields that a purchase should have.
_EXPECTED = {
    "event_attributes": ("order_id", "order_sales"),
    "item_attributes": ("product_id", "product_name", "quantity", "price"),
}
_UNKNOWN_MOMENT = "no moment was found, so the moment of the save counts, and reconcile can't find update()"


def propose(order: OrderModel, others: list[OrderModel] | None = None) -> Proposal:
    """Return the proposal for a shop with this model of orders."""
    events = [_purchase(order), *_cancellation(order), *_refund(order)]
    user = next((each.model for each in order.buyers if not each.is_user), None) if order.buyers else None
    is_customer = order.buyers and not order.buyers[0].is_user
    people = user if is_customer and user else get_user_model()
    event, attributes = sign_up(people)
    parts = {order.model, order.lines and order.lines.model}
    hints = [(each.label, each.reason) for each in others or [] if each.is_named and each.model not in parts]
    return Proposal(order.label, order.reason, [*events, event], attributes, hints[:5], _notes(order))


def _notes(order: OrderModel) -> list[str]:
    if order.samples.fault:
        return [f"No row of {order.label} can be read ({order.samples.fault}): names alone decided."]
    return [] if order.samples.rows else [f"There is no row of {order.label} yet: names alone decided."]


# ── purchase ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _purchase(order: OrderModel) -> ProposedEvent:
    (condition, row), *rest = paid_conditions(order)
    prefix = f"{row.order_path}." if row else ""
    event = ProposedEvent("purchase", row.model._meta.label if row else order.label)
    others = (*_without_tests(order, condition, row), *_other_conditions(row, rest))
    when = Guess(condition.when, condition.reason, confidence_of(condition.points), others[:3])
    event.keys["when"] = when
    _put(event, "event_datetime", _moment_of_purchase(order, condition, row), _created_words(order, row))
    if condition.when == "created" and not row and (name := unread_status(order.model)):
        event.todo.append(
            f'"when": the values of {name!r} are unknown (no choices, no rows): {{"{name}": "paid"}}, perhaps'
        )
    event.keys["event_attributes"] = _event_attributes(order, row)
    if order.lines:
        items = Items(order, order.lines, prefix)
        event.keys["items"] = items.source()
        event.keys["item_attributes"] = items.attributes()
    else:
        event.todo.append('"items": no rows were found that look like the lines of an order')
    _name_what_is_missing(event)
    event.keys["user_attributes"] = buyer_attributes(order, prefix)
    if not event.keys["user_attributes"]:
        event.todo.append('"user_attributes": nothing leads to a user, an e-mail address or a phone number')
        event.keys["guests"] = Guess("skip", "an event without a user_id is not sent")
    return event


def _name_what_is_missing(event: ProposedEvent) -> None:
    for key, names in _EXPECTED.items():
        found = event.keys.get(key)
        if isinstance(found, dict):
            event.todo += [f'"{name}" of {key}: nothing was found' for name in names if name not in found]


def _put(event: ProposedEvent, key: str, guess: Guess | None, without: str) -> None:
    if guess:
        event.keys[key] = guess
    else:
        event.todo.append(f'"{key}": {without}')


def _other_conditions(row: RowModel | None, rest: list[tuple[Condition, RowModel | None]]) -> tuple[Guess, ...]:
    same = [each for each, other in rest if (other and other.model) is (row and row.model)]
    return tuple(Guess(each.when, each.reason, "low") for each in same[:3])


def _without_tests(order: OrderModel, condition: Condition, row: RowModel | None) -> tuple[Guess, ...]:
    start = f"{row.order_path.replace('.first', '').replace('.', LOOKUP_SEP)}{LOOKUP_SEP}" if row else ""
    if isinstance(condition.when, str):
        return ()
    flags = {f"{start}{name}": False for name in flags_named(order.model, TEST_FLAG)}
    return (Guess({**condition.when, **flags}, "without orders of a test", "low"),) if flags else ()


def _moment_of_purchase(order: OrderModel, condition: Condition, row: RowModel | None) -> Guess | None:
    samples = SampleRows() if row else order.samples
    model = row.model if row else order.model
    created = [each for each in rank(model, CREATED_MOMENT, samples) if not each.is_changed]
    if condition.when == "created":
        return guess_of(_without_empty([*created, *rank(model, PAID_MOMENT, samples)]))
    paid = [each for each in rank(model, PAID_MOMENT, SampleRows()) if not each.is_changed and not each.is_at_creation]
    own = [each for each in paid if f"{each.path}__isnull" in condition.when]
    if found := (own or paid):
        paths = {each.path for each in found}
        return guess_of([*found, *(each for each in created if each.path not in paths)])
    return None


def _created_words(order: OrderModel, row: RowModel | None) -> str:
    """Return what is said where nothing tells the moment of payment."""
    created = rank(row.model if row else order.model, CREATED_MOMENT, SampleRows())
    names = [each.path for each in created if not each.is_changed]
    words = f". {names[0]!r} is set earlier: an order that is paid days later would be too old" if names else ""
    return f"no column is set when it is paid, so the moment of the save counts{words}"


def _without_empty(found: list[Ranked]) -> list[Ranked]:
    return [each for each in found if not each.candidate.is_optional or each.is_at_creation] or found


def _event_attributes(order: OrderModel, row: RowModel | None) -> dict[str, Guess]:
    prefix = f"{row.order_path}." if row else ""
    found = {
        "order_id": _order_id(order),
        "order_sales": _total(order),
        "payment_method": None,
        "discount": in_whole_units(guess_of(rank(order.model, DISCOUNT, order.samples)), "order"),
        "delivery_charge": in_whole_units(guess_of(rank(order.model, DELIVERY, order.samples)), "order"),
    }
    attributes = {name: _prefixed(guess, prefix) for name, guess in found.items() if guess}
    method = _payment_method(order, row)
    return {**attributes, "payment_method": method} if method else attributes


def _prefixed(guess: Guess, prefix: str) -> Guess:
    """Return a guess about the order, seen from a row that leads to it."""
    if not prefix:
        return guess
    value = guess.value
    if isinstance(value, str):
        value = f"{prefix}{value}"
    elif isinstance(value, Function):
        way, inner = prefix.rstrip("."), value
        code = inner.code.replace("lambda order:", "lambda row:").replace("order.", f"row.{prefix}", 1)
        value = Function(code, lambda row: inner.function(getattr(row, way)))
    others = tuple(_prefixed(each, prefix) for each in guess.alternatives)
    return Guess(value, guess.reason, guess.confidence, others)


def _order_id(order: OrderModel) -> Guess | None:
    key = Candidate("pk", order.model, "pk", None)
    found = [
        *rank(order.model, ORDER_NUMBER, order.samples),
        Ranked(PRIMARY_KEY, key, "the primary key: no number was found"),
    ]
    found = [each for each in found if not (each.candidate.column and each.candidate.column.primary_key)]
    if len(order.model._meta.pk_fields) > 1:  # a composite key is no text
        found = found[:-1]
    return guess_of(sorted(found, key=lambda each: (-each.points, each.path)))


def _total(order: OrderModel) -> Guess | None:
    found = rank(order.model, TOTAL, order.samples)
    if found:
        return in_whole_units(guess_of(found), "order")
    if computed := sum_of_lines(order):
        return Guess(computed, "no column or method is named like a total: the sum of the lines", "low")
    further = [
        each for each in rank(order.model, TOTAL, order.samples, hops=1, but=(get_user_model(),)) if "." in each.path
    ]
    return guess_of(further)


def _payment_method(order: OrderModel, row: RowModel | None) -> Guess | None:
    if row:
        return guess_of(with_labels(rank(row.model, PAYMENT_METHOD, SampleRows())))
    found = rank(order.model, PAYMENT_METHOD, order.samples, hops=1, but=(get_user_model(),))
    for each in payments_of(order.model)[:1]:
        further = rank(each.model, PAYMENT_METHOD, order.samples, prefix=f"{each.path}.")
        found += [Ranked(one.points - 8, one.candidate, one.reason) for one in further]
    return guess_of(with_labels(sorted(found, key=lambda each: (-each.points, each.path))))


# ── after the purchase ─────────────────────────────────────────────────────────────────────────────────────────────


def _cancellation(order: OrderModel) -> Iterator[ProposedEvent]:
    found = conditions_of(order.model, "canceled")
    if found:
        yield _later_event("cancel_order", order, found, CANCELED_MOMENT)


def _refund(order: OrderModel) -> Iterator[ProposedEvent]:
    rows, found = refunds_of(order.model), conditions_of(order.model, "refunded")
    if rows:
        yield _refund_row(order, rows[0])
    elif found:
        yield _later_event("refund", order, found, REFUNDED_MOMENT)


def _later_event(name: str, order: OrderModel, found: list[Condition], role: Role) -> ProposedEvent:
    event = ProposedEvent(name, order.label)
    others = tuple(Guess(each.when, each.reason, "low") for each in found[1:3])
    event.keys["when"] = Guess(found[0].when, found[0].reason, confidence_of(found[0].points), others)
    moment = guess_of([each for each in rank(order.model, role, SampleRows()) if not each.is_changed])
    _put(
        event,
        "event_datetime",
        moment,
        _UNKNOWN_MOMENT,
    )
    _order_keys(event, order, "")
    return event


def _order_keys(event: ProposedEvent, order: OrderModel, prefix: str) -> None:
    keys = {"order_id": _order_id(order), "order_sales": _total(order)}
    event.keys["event_attributes"] = {name: _prefixed(_plain(guess), prefix) for name, guess in keys.items() if guess}
    attributes = buyer_attributes(order, prefix)
    event.keys["user_attributes"] = {name: _plain(guess) for name, guess in attributes.items() if name == "user_id"}


def _plain(guess: Guess) -> Guess:
    """Return a guess that was explained before."""
    return Guess(guess.value, "", guess.confidence)


def _refund_row(order: OrderModel, row: RowModel) -> ProposedEvent:
    event = ProposedEvent("refund", row.model._meta.label)
    found = [*conditions_of(row.model, "refunded"), *conditions_of(row.model, "settled")]
    best = next((each for each in found if each.points >= STRONG), None)
    reason = best.reason if best else "a row for each refund"
    event.keys["when"] = Guess(best.when if best else "created", reason, "medium")
    moments = [*rank(row.model, REFUNDED_MOMENT, SampleRows()), *rank(row.model, CREATED_MOMENT, SampleRows())]
    if best:
        moments = [each for each in moments if not each.is_at_creation]
    moment = guess_of([each for each in moments if not each.is_changed])
    _put(
        event,
        "event_datetime",
        moment,
        _UNKNOWN_MOMENT,
    )
    _order_keys(event, order, f"{row.order_path}.")
    attributes: Any = event.keys["event_attributes"]
    attributes.pop("order_sales", None)
    if amount := guess_of(rank(row.model, TOTAL, SampleRows())):
        attributes["refund_amount"] = amount
    return event
