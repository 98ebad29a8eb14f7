"""The proposed definitions of a shop: purchase, cancellation, refund, sign-up."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Sum
from django.db.models.constants import LOOKUP_SEP

from .candidates import Candidate, best_first, rank
from .cents import computed, in_whole_units, why_cents
from .guesses import Guess, Proposal, ProposedEvent, confidence_of
from .items import Items, guess_of, prefixed, total_of_lines
from .moments import put_moment, recent_by, set_then
from .orders import OrderModel, RowModel, paid_conditions, payments_of, refunds_of
from .samples import SampleRows, newest
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
#: What an order number costs that is unique only together with something, such as a seller.
_SHARED = 36


def propose(order: OrderModel, others: list[OrderModel] | None = None) -> Proposal:
    """Return the proposal for a shop with this model of orders."""
    events = [_purchase(order), *_later_event("cancel_order", order, "canceled", CANCELED_MOMENT)]
    events += _refund(order)
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
    event.keys["when"] = _when(order, condition, row, rest)
    put_moment(event, row.model if row else order.model, _moment_of_purchase(order, condition, row))
    if row and not {"event_datetime", "reconcile_by"} & event.keys.keys() and (by := recent_by(order.model)):
        event.keys["reconcile_by"] = prefixed(by, prefix)
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


def _when(
    order: OrderModel, condition: Condition, row: RowModel | None, rest: list[tuple[Condition, RowModel | None]]
) -> Guess:
    same = [each for each, other in rest if (other and other.model) is (row and row.model)]
    if condition.points >= STRONG:
        same = [each for each in same if each.when != "created"]
    others = tuple(Guess(each.when, each.reason, "low") for each in same[:3])
    guess = Guess(condition.when, condition.reason, confidence_of(condition.points), others)
    start = f"{row.order_path.replace('.first', '').replace('.', LOOKUP_SEP)}{LOOKUP_SEP}" if row else ""
    flags = {f"{start}{name}": False for name in flags_named(order.model, TEST_FLAG)}
    if isinstance(condition.when, str) or not flags or "__" in start[:-2]:
        return guess
    words = f"{condition.reason}; without orders of a test"
    return Guess({**condition.when, **flags}, words, guess.confidence, (Guess(condition.when), *others[:2]))


def _moment_of_purchase(order: OrderModel, condition: Condition, row: RowModel | None) -> Guess | None:
    model = row.model if row else order.model
    if condition.when == "created":
        created = [each for each in rank(model, CREATED_MOMENT, newest(model)) if not each.is_changed]
        return guess_of(_without_empty([*created, *rank(model, PAID_MOMENT, newest(model))]))
    paid = set_then(model, condition.when, PAID_MOMENT)
    found = [each for each in paid if f"{each.path}__isnull" in condition.when] or paid
    return guess_of(found)


def _without_empty(found: list[Candidate]) -> list[Candidate]:
    return [each for each in found if not each.is_optional or each.is_at_creation] or found


def _event_attributes(order: OrderModel, row: RowModel | None) -> dict[str, Guess]:
    prefix = f"{row.order_path}." if row else ""
    found = {
        "order_id": _order_id(order),
        "order_sales": _total(order),
        "payment_method": None,
        "discount": _amount(order, DISCOUNT),
        "delivery_charge": _amount(order, DELIVERY),
    }
    attributes = {name: prefixed(guess, prefix) for name, guess in found.items() if guess}
    method = _payment_method(order, row)
    return {**attributes, "payment_method": method} if method else attributes


def _amount(order: OrderModel, role: Role) -> Guess | None:
    """Return an amount of the order, or the sum of those of its parts."""
    if found := rank(order.model, role, order.samples):
        return in_whole_units(guess_of(found), order.model, order.cents, order.samples)
    part = order.lines.part if order.lines else None
    columns = [each for each in rank(part, role, SampleRows()) if each.column] if part else []
    if not order.lines or not columns:
        return None
    name = f"{order.lines.path.partition('.')[0]}{LOOKUP_SEP}{columns[0].path}"
    why = why_cents(columns[0].path, columns[0].holder, order.cents, SampleRows())
    return computed(Sum(name), f"{columns[0].reason}; of all parts of the order", "medium", why)


def _order_id(order: OrderModel) -> Guess | None:
    found = [each for each in rank(order.model, ORDER_NUMBER, order.samples) if each.kind != "key"]
    shared = _unique_with_others(order.model)
    found = [each.plus(-_SHARED if each.path in shared else 0) for each in found]
    if len(order.model._meta.pk_fields) == 1:  # a composite key is no text
        found.append(Candidate("pk", order.model, "pk", points=PRIMARY_KEY, reason="the primary key"))
    return guess_of(best_first(found))


def _unique_with_others(model: type[models.Model]) -> set[str]:
    """Return the columns that are unique only together with others, such as a number that each seller begins at 1."""
    together: list[Any] = [*model._meta.unique_together]
    together += [each.fields for each in model._meta.constraints if isinstance(each, models.UniqueConstraint)]
    return {name for names in together if len(names) > 1 for name in names}


def _total(order: OrderModel) -> Guess | None:
    found = guess_of(rank(order.model, TOTAL, order.samples))
    if not found and (total := total_of_lines(order)):
        return total
    found = found or guess_of(rank(order.model, TOTAL, order.samples, hops=1, but=(get_user_model(),)))
    return in_whole_units(found, order.model, order.cents, order.samples)


def _payment_method(order: OrderModel, row: RowModel | None) -> Guess | None:
    if row:
        return guess_of([one.with_label() for one in rank(row.model, PAYMENT_METHOD, SampleRows())])
    found = rank(order.model, PAYMENT_METHOD, order.samples, hops=1, but=(get_user_model(),))
    for each in payments_of(order.model)[:1]:
        found += [one.plus(-8) for one in rank(each.model, PAYMENT_METHOD, order.samples, prefix=f"{each.path}.")]
    return guess_of([one.with_label() for one in best_first(found)])


# ── after the purchase ─────────────────────────────────────────────────────────────────────────────────────────────


def _refund(order: OrderModel) -> list[ProposedEvent]:
    rows = refunds_of(order.model)
    return [_refund_row(order, rows[0])] if rows else _later_event("refund", order, "refunded", REFUNDED_MOMENT)


def _later_event(name: str, order: OrderModel, phase: str, role: Role) -> list[ProposedEvent]:
    """Return the event of what the order, or the payment that says that it was bought, becomes later."""
    row = paid_conditions(order)[0][1]
    places = [(order.model, ""), *([(row.model, f"{row.order_path}.")] if row else [])]
    for model, prefix in places:
        if found := conditions_of(model, phase):
            event = ProposedEvent(name, model._meta.label)
            others = tuple(Guess(each.when, each.reason, "low") for each in found[1:3])
            event.keys["when"] = Guess(found[0].when, found[0].reason, confidence_of(found[0].points), others)
            put_moment(event, model, guess_of(set_then(model, found[0].when, role)))
            _order_keys(event, order, prefix)
            return [event]
    return []


def _order_keys(event: ProposedEvent, order: OrderModel, prefix: str) -> None:
    keys = {"order_id": _order_id(order), "order_sales": _total(order)}
    event.keys["event_attributes"] = {name: prefixed(_plain(guess), prefix) for name, guess in keys.items() if guess}
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
    if best:
        moments = set_then(row.model, best.when, REFUNDED_MOMENT, CREATED_MOMENT)
    else:
        moments = [each for role in (REFUNDED_MOMENT, CREATED_MOMENT) for each in rank(row.model, role, SampleRows())]
    moment = guess_of([each for each in moments if not each.is_changed])
    put_moment(event, row.model, moment)
    _order_keys(event, order, f"{row.order_path}.")
    attributes: Any = event.keys["event_attributes"]
    attributes.pop("order_sales", None)
    amount = guess_of(rank(row.model, TOTAL, SampleRows()))
    if amount := in_whole_units(amount, row.model, order.cents, SampleRows()):
        attributes["refund_amount"] = amount
    return event
