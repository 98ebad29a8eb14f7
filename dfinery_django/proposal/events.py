"""The proposed definitions of a shop: purchase, cancellation, refund, sign-up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models

from ..definitions.expressions import Coalesce, Hashed
from .candidates import Candidate, Ranked, columns_of, kind_of, names_of, rank
from .guesses import Function, Guess, ProposedEvent, Proposal, code_of, confidence_of
from .items import Items, guess_of, in_whole_units
from .orders import OrderModel, RowModel, order_models, paid_conditions, payments_of, refunds_of
from .people import Buyer, is_person_model, is_user_model, name_path
from .samples import Samples
from .states import STRONG, Condition, conditions_of, unread_status
from .vocabulary import (
    CANCELED_MOMENT, CREATED_MOMENT, DELIVERY, DISCOUNT, EMAIL, GENDER, JOINED_MOMENT, ORDER_ID, PAID_MOMENT,
    PAYMENT_METHOD, PERSON_NAME, PHONE, REFUNDED_MOMENT, TOTAL, Role,
)  # fmt: skip
from .words import points_of

_KEY_POINTS = 50


def propose(order: OrderModel, others: list[OrderModel] | None = None) -> Proposal:
    """Return the proposal for a shop with this model of orders."""
    events = [_purchase(order), *_cancellation(order), *_refund(order)]
    user = next((each.model for each in order.buyers if not each.is_user), None) if order.buyers else None
    is_customer = order.buyers and not order.buyers[0].is_user
    people = user if is_customer and user else get_user_model()
    sign_up, attributes = _sign_up(people)
    parts = {order.model, order.lines and order.lines.model}
    hints = [(each.label, each.reason) for each in others or [] if each.is_named and each.model not in parts]
    return Proposal(order.label, order.reason, [*events, sign_up], attributes, hints[:5], _notes(order))


def _notes(order: OrderModel) -> list[str]:
    if order.samples.fault:
        return [f"No row of {order.label} can be read ({order.samples.fault}): names alone decided."]
    return [] if order.samples.rows else [f"There is no row of {order.label} yet: names alone decided."]


# ── purchase ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _purchase(order: OrderModel) -> ProposedEvent:
    (condition, row), *rest = paid_conditions(order)
    prefix = f"{row.order_path}." if row else ""
    event = ProposedEvent("purchase", row.model._meta.label if row else order.label)
    when = Guess(condition.when, condition.reason, confidence_of(condition.points), _other_conditions(row, rest))
    event.keys["when"] = when
    _add(event, "event_datetime", _moment_of_purchase(order, condition, row), _created_words(order, row))
    if condition.when == "created" and not row and (name := unread_status(order.model)):
        event.todo.append(f'"when": the values of {name!r} are unknown (no choices, no rows): {{"{name}": "paid"}}, perhaps')
    event.keys["event_attributes"] = _event_attributes(order, row)
    if order.lines:
        items = Items(order, order.lines, prefix)
        event.keys["items"] = items.source()
        event.keys["item_attributes"] = items.attributes()
    else:
        event.todo.append('"items": no rows were found that look like the lines of an order')
    event.keys["user_attributes"] = _user_attributes(order, prefix)
    if not event.keys["user_attributes"]:
        event.todo.append('"user_attributes": nothing leads to a user, an e-mail address or a phone number')
        event.keys["guests"] = Guess("skip", "an event without a user_id is not sent")
    return event


def _add(event: ProposedEvent, key: str, guess: Guess | None, without: str) -> None:
    if guess:
        event.keys[key] = guess
    else:
        event.todo.append(f'"{key}": {without}')


def _other_conditions(row: RowModel | None, rest: list[tuple[Condition, RowModel | None]]) -> tuple[Guess, ...]:
    same = [each for each, other in rest if (other and other.model) is (row and row.model)]
    return tuple(Guess(each.when, each.reason, "low") for each in same[:3])


def _moment_of_purchase(order: OrderModel, condition: Condition, row: RowModel | None) -> Guess | None:
    samples = Samples() if row else order.samples
    model = row.model if row else order.model
    created = [each for each in rank(model, CREATED_MOMENT, samples) if not _is_changed(each)]
    if condition.when == "created":
        return guess_of(_without_empty([*created, *rank(model, PAID_MOMENT, samples)]))
    paid = [each for each in rank(model, PAID_MOMENT, Samples()) if not _is_changed(each) and not _is_at_creation(each)]
    own = [each for each in paid if f"{each.path}__isnull" in condition.when]
    if found := (own or paid):
        paths = {each.path for each in found}
        return guess_of([*found, *(each for each in created if each.path not in paths)])
    return None


def _created_words(order: OrderModel, row: RowModel | None) -> str:
    """Return what is said where nothing tells the moment of payment."""
    created = rank(row.model if row else order.model, CREATED_MOMENT, Samples())
    names = [each.path for each in created if not _is_changed(each)]
    words = f". {names[0]!r} is set earlier: an order that is paid days later would be too old" if names else ""
    return f"no column is set when it is paid, so the moment of the save counts{words}"


def _without_empty(found: list[Ranked]) -> list[Ranked]:
    return [each for each in found if not each.candidate.is_optional or _is_at_creation(each)] or found


def _is_changed(each: Ranked) -> bool:
    return bool(getattr(each.candidate.column, "auto_now", False))


def _is_at_creation(each: Ranked) -> bool:
    return bool(getattr(each.candidate.column, "auto_now_add", False))


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
    found = [*rank(order.model, ORDER_ID, order.samples), Ranked(_KEY_POINTS, key, "the primary key: no number was found")]
    found = [each for each in found if not (each.candidate.column and each.candidate.column.primary_key)]
    if len(order.model._meta.pk_fields) > 1:  # a composite key is no text
        found = found[:-1]
    return guess_of(sorted(found, key=lambda each: (-each.points, each.path)))


def _total(order: OrderModel) -> Guess | None:
    found = rank(order.model, TOTAL, order.samples)
    if found:
        return in_whole_units(guess_of(found), "order")
    if computed := _sum_of_lines(order):
        return Guess(computed, "no column or method is named like a total: the sum of the lines", "low")
    further = [each for each in rank(order.model, TOTAL, order.samples, hops=1, but=_users()) if "." in each.path]
    return guess_of(further)


def _users() -> tuple[type, ...]:
    return (get_user_model(),)


def _sum_of_lines(order: OrderModel) -> Function | None:
    if not order.lines or order.lines.is_order or order.lines.inner:
        return None
    attributes = Items(order, order.lines).attributes()
    price, quantity = attributes.get("price"), attributes["quantity"].value
    if not price or not isinstance(price.value, str):
        return None
    lines = order.lines.path
    product = f" * line.{quantity}" if isinstance(quantity, str) else ""
    code = f"lambda order: sum(line.{price.value}{product} for line in order.{lines}.all())"
    return Function(code, lambda row: sum(_amounts(row, lines, price.value, quantity)))


def _amounts(row: Any, lines: str, price: str, quantity: Any) -> Iterator[Any]:
    from .items import _called, _read

    for line in _read(row, lines).all():
        yield _read(line, price) * (_called(_read(line, quantity)) if isinstance(quantity, str) else 1)


def _payment_method(order: OrderModel, row: RowModel | None) -> Guess | None:
    if row:
        return guess_of(_method_names(rank(row.model, PAYMENT_METHOD, Samples())))
    found = rank(order.model, PAYMENT_METHOD, order.samples, hops=1, but=_users())
    for each in payments_of(order.model)[:1]:
        further = rank(each.model, PAYMENT_METHOD, order.samples, prefix=f"{each.path}.")
        found += [Ranked(one.points - 8, one.candidate, one.reason) for one in further]
    return guess_of(_method_names(sorted(found, key=lambda each: (-each.points, each.path))))


def _method_names(found: list[Ranked]) -> list[Ranked]:
    """Return the same, with the labels of choices that are numbers."""
    return [_with_label(each) if each.candidate.kind == "choice" else each for each in found]


def _with_label(each: Ranked) -> Ranked:
    before, _, name = each.path.rpartition(".")
    path = f"{before}.get_{name}_display" if before else f"get_{name}_display"
    candidate = Candidate(path, each.candidate.holder, name, each.candidate.column)
    return Ranked(each.points, candidate, f"{each.reason}; the label of its choice")


# ── whom ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _user_attributes(order: OrderModel, prefix: str = "") -> dict[str, Guess]:
    guests = _guest_keys(order)
    buyer = next(iter(order.buyers), None)
    sources: list[Any] = [f"{prefix}{buyer.path}.pk"] if buyer else []
    if not buyer or buyer.is_optional:
        sources += [Hashed(f"{prefix}{each.path}") for each in guests[:1]]
    if not sources:
        return {}
    value = sources[0] if len(sources) == 1 else Coalesce(*sources)
    reason = buyer.reason if buyer else "no way to a user: " + guests[0].reason
    reason += "; guests by a hash of their address" if len(sources) > 1 else ""
    others = tuple(Guess(f"{prefix}{each.path}.pk", each.reason, "low") for each in order.buyers[1:3] if each.points >= order.buyers[0].points - 45)
    others += tuple(Guess(Hashed(f"{prefix}{each.path}"), each.reason, "low") for each in guests[1:2])
    found = {"user_id": Guess(value, reason, confidence_of(buyer.points if buyer else 60), others)}
    name = _buyer_name(order, buyer, prefix)
    return {**found, "user_name": name} if name else found


def _guest_keys(order: OrderModel) -> list[Ranked]:
    """Return the e-mail addresses, then the phone numbers of an order and of what it points to."""
    found = []
    for role in (EMAIL, PHONE):
        ranked = rank(order.model, role, Samples(), hops=2, but=_users())
        found += [each for each in ranked if each.candidate.column is not None and not _is_others(each)]
    return found


def _is_others(each: Ranked) -> bool:
    """Return whether an address is that of a model of others: a shop, a product."""
    return "." in each.path and not is_person_model(each.candidate.holder) and not _is_address(each.candidate.holder)


def _is_address(model: type[models.Model]) -> bool:
    words = {40: "address | shipping | billing | invoice | contact | buyer | customer | guest | info | detail | 주소 | 배송지"}
    return points_of(names_of(model, model.__name__, model._meta.verbose_name), words, {60: "shop | store | vendor"}) > 0


def _buyer_name(order: OrderModel, buyer: Buyer | None, prefix: str) -> Guess | None:
    sources = [f"{buyer.path}.{name}"] if buyer and (name := name_path(buyer.model)) else []
    own = [each for each in rank(order.model, PERSON_NAME, Samples()) if each.candidate.column is not None]
    further = rank(order.model, PERSON_NAME, Samples(), hops=1, but=_users())
    own += [each for each in further if "." in each.path and not _is_others(each) and each.candidate.column is not None]
    if not buyer or buyer.is_optional:
        sources += [each.path for each in own[:1] if each.path not in sources]
    paths = [f"{prefix}{each}" for each in sources]
    return Guess(paths[0] if len(paths) == 1 else Coalesce(*paths), "the buyer's name", "medium") if paths else None


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
    moment = guess_of([each for each in rank(order.model, role, Samples()) if not _is_changed(each)])
    _add(event, "event_datetime", moment, "no moment was found, so the moment of the save counts, and reconcile can't find update()")
    _order_keys(event, order, "")
    return event


def _order_keys(event: ProposedEvent, order: OrderModel, prefix: str) -> None:
    keys = {"order_id": _order_id(order), "order_sales": _total(order)}
    event.keys["event_attributes"] = {
        name: _prefixed(_plain(guess), prefix) for name, guess in keys.items() if guess
    }
    attributes = _user_attributes(order, prefix)
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
    moments = [*rank(row.model, REFUNDED_MOMENT, Samples()), *rank(row.model, CREATED_MOMENT, Samples())]
    if best:
        moments = [each for each in moments if not _is_at_creation(each)]
    moment = guess_of([each for each in moments if not _is_changed(each)])
    _add(event, "event_datetime", moment, "no moment was found, so the moment of the save counts, and reconcile can't find update()")
    _order_keys(event, order, f"{row.order_path}.")
    attributes: Any = event.keys["event_attributes"]
    attributes.pop("order_sales", None)
    if amount := guess_of(rank(row.model, TOTAL, Samples())):
        attributes["refund_amount"] = amount
    return event


# ── people ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sign_up(people: type[models.Model]) -> tuple[ProposedEvent, dict[str, Guess]]:
    """Return the event, and the setting ``USER_ATTRIBUTES``."""
    event = ProposedEvent("sign_up", people._meta.label)
    flags = {each.name: each.name == "is_active" for each in columns_of(people) if kind_of(each) == "flag"}
    wanted = {name: flags[name] for name in ("is_active", "is_staff") if name in flags}
    reason = "administrators are users, too" if "is_staff" in wanted else "each row is a sign-up"
    event.keys["when"] = Guess(wanted or "created", reason, "medium", (Guess("created"),) if wanted else ())
    moment = guess_of([each for each in rank(people, JOINED_MOMENT, Samples()) if not _is_changed(each)])
    _add(event, "event_datetime", moment, "no moment was found, so the moment of the save counts")
    attributes = {"user_id": Guess("pk", "as in the orders, and as the SDK in your app or web pages calls it")}
    if name := name_path(people):
        attributes["user_name"] = Guess(name)
    if gender := guess_of(_method_names(rank(people, GENDER, Samples()))):
        attributes["gender"] = Guess(gender.value)
    if not is_user_model(people):
        event.keys["user_attributes"] = attributes
    return event, attributes


def search() -> tuple[Proposal | None, list[OrderModel]]:
    """Return the proposal for the best model of orders, or ``None``; and all that may be one."""
    found = order_models()
    best = found[0] if found and found[0].points >= 55 else None
    return (propose(best, found[1:]) if best else None), found


__all__ = ["code_of", "propose", "search"]
