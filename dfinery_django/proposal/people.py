"""The person who bought: the way from an order to the user model, and to a guest's address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models

from .candidates import columns_of, has_role, kind_of, links_of, model_points, names_of
from .vocabulary.model_words import BUYER_AGAINST, BUYER_LINK
from .vocabulary.people_roles import EMAIL, PERSON_NAME, PHONE
from .vocabulary.words import points_of

_FURTHEST = 2


@dataclass(frozen=True)
class Buyer:
    """A way to a person.

    :ivar path: from the order
    :ivar is_user: whether it leads to the user model, and not to a model of the shop's customers
    :ivar is_optional: whether an order may have none
    """

    path: str
    model: type[models.Model]
    is_user: bool
    is_optional: bool
    points: int

    @property
    def reason(self) -> str:
        return "the user model" if self.is_user else "a model of people, named like a customer"


def buyers_of(model: type[models.Model]) -> list[Buyer]:
    """Return the ways from an order to whoever bought it, the best first."""
    found = sorted(_ways(model, "", False, 0, ()), key=lambda each: (-each.points, each.path))
    return [each for each in found if each.points >= 40]


def _ways(
    model: type[models.Model], prefix: str, is_optional: bool, start: int, seen: tuple[type, ...]
) -> Iterator[Buyer]:
    for name, related, field in links_of(model):
        if related is model or related in seen:
            continue
        optional = is_optional or not field.concrete or field.null
        named = points_of(names_of(name, getattr(field, "verbose_name", "")), BUYER_LINK, BUYER_AGAINST)
        if is_user_model(related):
            yield Buyer(f"{prefix}{name}", related, True, optional, 60 + max(named, -40) // 2 + start)
        elif field.concrete and is_person_model(related) and named >= 50:
            yield Buyer(f"{prefix}{name}", related, False, optional, 40 + named // 2 + start)
        is_way = is_person_model(related) or not prefix
        if is_way and field.concrete and prefix.count(".") + 1 < _FURTHEST and not is_user_model(related):
            nearer = 0 if is_person_model(related) and named >= 50 else -40
            yield from _ways(related, f"{prefix}{name}.", optional, start + nearer - 5, (*seen, model))


def is_user_model(model: type[models.Model]) -> bool:
    """Return whether a model is the site's user model, or its parent, child or proxy."""
    user = get_user_model()
    return issubclass(model, user) or (issubclass(user, model) and model is not models.Model)


def is_person_model(model: type[models.Model]) -> bool:
    """Return whether a model's rows are people: they have an address or a number, or a link to a user."""
    if model_points(model, BUYER_LINK, BUYER_AGAINST) < 30:
        return False
    has_user = any(is_user_model(related) for _, related, field in links_of(model) if field.concrete)
    return has_user or has_role(model, EMAIL, PHONE)


def name_path(model: type[models.Model]) -> str:
    """Return the path of a person's name; "" if nothing is named like one."""
    if callable(getattr(model, "get_full_name", None)):
        return "get_full_name"
    found: list[tuple[int, str]] = []
    for each in columns_of(model):
        if kind_of(each) == "text":
            names = names_of(each.name, each.verbose_name)
            found.append((points_of(names, PERSON_NAME.words, PERSON_NAME.against), each.name))
    best: Any = max(found, default=(0, ""))
    return best[1] if best[0] >= PERSON_NAME.least else ""
