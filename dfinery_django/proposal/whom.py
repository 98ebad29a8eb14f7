"""The buyer: the fields of the user of an event, the sign-up, and the setting ``USER_ATTRIBUTES``."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db import models

from ..mapping.expressions import Coalesce, Hashed
from .candidates import Candidate, columns_of, kind_of, model_points, rank
from .guesses import Guess, ProposedEvent, confidence_of
from .items import guess_of
from .moments import put_moment
from .orders import OrderModel
from .people import Buyer, is_person_model, is_user_model, name_path
from .samples import SampleRows
from .vocabulary.model_words import ADDRESS_AGAINST, ADDRESS_MODEL
from .vocabulary.people_roles import BUYER_KEY, EMAIL, GENDER, JOINED_MOMENT, PERSON_NAME, PHONE


def buyer_attributes(order: OrderModel, prefix: str = "") -> dict[str, Guess]:
    guests = _guest_keys(order)
    buyer = next(iter(order.buyers), None)
    sources: list[Any] = [f"{prefix}{buyer.path}.pk"] if buyer else []
    if not buyer or buyer.is_optional:
        sources += [Hashed(f"{prefix}{each.path}") for each in _enough_of(guests)]
    sources = [*_plain_keys(order, prefix), *sources] if not buyer else sources
    if not sources:
        return {}
    value = sources[0] if len(sources) == 1 else Coalesce(*sources)
    reason = buyer.reason if buyer else "no way to a user: what is named like its key, or like an address"
    reason += "; guests by a hash of their address" if len(sources) > 1 else ""
    near = [each for each in order.buyers[1:3] if each.points >= order.buyers[0].points - 45]
    further = [each for each in guests[1:2] if each not in _enough_of(guests)]
    others = tuple(Guess(f"{prefix}{each.path}.pk", each.reason, "low") for each in near)
    others += tuple(Guess(Hashed(f"{prefix}{each.path}"), each.reason, "low") for each in further)
    found = {"user_id": Guess(value, reason, confidence_of(buyer.points if buyer else 60), others)}
    name = _buyer_name(order, buyer, prefix)
    return {**found, "user_name": name} if name else found


def _enough_of(guests: list[Candidate]) -> list[Candidate]:
    """Return the first address, and where it may be empty, a phone number that every order has."""
    more = guests[1:] if guests and guests[0].is_optional else []
    return [*guests[:1], *(each for each in more if not each.is_optional)][:2]


def _plain_keys(order: OrderModel, prefix: str) -> list[str]:
    """Return the column of a user's key that is no relation; one whose default is 0 has it for guests."""
    found = [each for each in rank(order.model, BUYER_KEY, order.samples) if each.column is not None]
    return [f"{prefix}{each.path}" for each in found if each.column.default not in (0, "0")][:1]  # type: ignore[union-attr]


def _guest_keys(order: OrderModel) -> list[Candidate]:
    """Return the e-mail addresses, then the phone numbers of an order and of what it points to."""
    found = []
    for role in (EMAIL, PHONE):
        ranked = rank(order.model, role, SampleRows(), hops=2, but=(get_user_model(),))
        found += [each for each in ranked if each.column is not None and not _is_others(each)]
    return found


def _is_others(each: Candidate) -> bool:
    """Return whether an address is that of a model of others: a shop, a product."""
    is_address = model_points(each.holder, ADDRESS_MODEL, ADDRESS_AGAINST) > 0
    return "." in each.path and not is_person_model(each.holder) and not is_address


def _buyer_name(order: OrderModel, buyer: Buyer | None, prefix: str) -> Guess | None:
    sources = [f"{buyer.path}.{name}"] if buyer and (name := name_path(buyer.model)) else []
    own = [each for each in rank(order.model, PERSON_NAME, SampleRows()) if each.column is not None]
    further = rank(order.model, PERSON_NAME, SampleRows(), hops=1, but=(get_user_model(),))
    own += [each for each in further if "." in each.path and not _is_others(each) and each.column is not None]
    if not buyer or buyer.is_optional:
        sources += [each.path for each in own[:1] if each.path not in sources]
    paths = [f"{prefix}{each}" for each in sources]
    return Guess(paths[0] if len(paths) == 1 else Coalesce(*paths), "the buyer's name", "medium") if paths else None


def sign_up(people: type[models.Model]) -> tuple[ProposedEvent, dict[str, Guess]]:
    """Return the event, and the setting ``USER_ATTRIBUTES``."""
    event = ProposedEvent("sign_up", people._meta.label)
    flags = {each.name: each.name == "is_active" for each in columns_of(people) if kind_of(each) == "flag"}
    wanted = {name: flags[name] for name in ("is_active", "is_staff") if name in flags}
    reason = "administrators are users, too" if "is_staff" in wanted else "each row is a sign-up"
    event.keys["when"] = Guess(wanted or "created", reason, "medium", (Guess("created"),) if wanted else ())
    moment = guess_of([each for each in rank(people, JOINED_MOMENT, SampleRows()) if not each.is_changed])
    put_moment(event, people, moment)
    attributes = {"user_id": Guess("pk", "as in the orders, and as the SDK in your app or web pages calls it")}
    if name := name_path(people):
        attributes["user_name"] = Guess(name)
    if gender := guess_of([each.with_label() for each in rank(people, GENDER, SampleRows())]):
        attributes["gender"] = Guess(gender.value)
    if not is_user_model(people):
        event.keys["user_attributes"] = attributes
    return event, attributes
