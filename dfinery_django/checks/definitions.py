"""Checks of one definition against the models: those of paths.py and when.py, names, deletions, user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage
from django.db import models

from ..conf import did_you_mean, get_settings
from ..definitions import consent
from ..definitions.definition import EventDefinition
from ..definitions.scope import scope_fault, scope_name
from ..mapping.expressions import Expression
from ..mapping.phone import INSTALL, Phone, phone_library
from ..schema import properties
from . import message_of
from .computed import check_computed
from .paths import check_moment, check_paths, check_reconcile_by, check_user_path
from .when import check_when


def check_definition(definition: EventDefinition) -> Iterable[CheckMessage]:
    """Check one definition against its model."""
    for check in (
        *(check_computed, check_paths, check_user_path, check_moment, check_reconcile_by, check_when),
        *(_check_scope, _check_names, _check_deletions, _check_choices, _check_grace, _check_phones),
    ):
        yield from check(definition)
    if definition.consent is not None:
        yield from check_consent(definition.consent, f"Event {definition.name!r}: consent")
    yield from _check_user(definition)


def _check_deletions(definition: EventDefinition) -> Iterator[CheckMessage]:
    in_database = getattr(models, "DB_CASCADE", None)  # Django 6.1
    if in_database is None or not _waits_for_deletions(definition):
        return
    field: Any
    for field in definition.model_class._meta.concrete_fields:
        if field.is_relation and field.remote_field.on_delete is in_database:
            owner = field.related_model._meta.label
            yield message_of(
                "W013",
                f"Event {definition.name!r} waits for deletions of {definition.source_label}, but {field} has "
                f"on_delete=DB_CASCADE: where a {owner} is deleted, the database deletes these rows, Django sends no "
                "signal, and the event is lost.",
                f"Write on_delete=CASCADE, or delete the rows of {definition.source_label} before their {owner}.",
            )


def _waits_for_deletions(definition: EventDefinition) -> bool:
    signal = definition.signal[0].rpartition(".") if definition.signal else ("", "", "")
    is_djangos = signal[0].startswith("django.db.models") and signal[2] in ("pre_delete", "post_delete")
    return is_djangos or (not definition.signal and definition.condition == "deleted")


def _check_names(definition: EventDefinition) -> Iterator[CheckMessage]:
    for scope, _, expressions in definition.mappings():
        for name in expressions:
            if reserved := properties.RESERVED.get((scope, name)):
                yield message_of("E010", f"Event {definition.name!r} maps {name!r}.", f"Leave it out: {reserved}.")


def _check_choices(definition: EventDefinition) -> Iterator[CheckMessage]:
    aliases = tuple(get_settings().TOKENS)
    if not callable(definition.destination) and definition.fixed_destination not in aliases and get_settings().ENABLED:
        message = f"Event {definition.name!r} goes to {definition.fixed_destination!r}, which has no token."
        yield message_of("E011", message, did_you_mean(definition.fixed_destination, aliases))
    for attribute, choices in (("guests", ("fail", "skip")), ("build", (None, "worker", "commit"))):
        chosen = getattr(definition, attribute)
        if chosen not in choices:
            message = f"Event {definition.name!r}: {attribute}={chosen!r}."
            yield message_of("E013", message, did_you_mean(chosen, tuple(filter(None, choices))))


def _check_grace(definition: EventDefinition) -> Iterator[CheckMessage]:
    if definition.build == "commit" and definition.settle_seconds:
        yield message_of(
            "W016",
            f"Event {definition.name!r} is built on commit, but waits for {definition.settle_seconds:g} s first.",
            'The drain builds what waits: leave out "build": "commit", or "settle_seconds".',
        )


def _check_phones(definition: EventDefinition) -> Iterator[CheckMessage]:
    mapped = [each for _, _, expressions in definition.mappings() for each in expressions.values()]
    for phone in _parts([*mapped, *(definition.identity or ())]) if phone_library() is None else ():
        if isinstance(phone, Phone):
            message = f"Event {definition.name!r} has {phone!r}, and the package phonenumbers is not installed."
            yield message_of("E022", message, f"Run: {INSTALL}")
            return


def _parts(value: Any) -> Iterator[Expression]:
    """Yield the expressions among these, and those that they are made of."""
    if isinstance(value, Expression):
        yield value
        value = vars(value)
    for each in value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ():
        yield from _parts(each)


def _check_scope(definition: EventDefinition) -> Iterator[CheckMessage]:
    if fault := scope_fault(definition):
        yield message_of(
            "E021",
            f"Event {definition.name!r}: scope {scope_name(definition.scope)} {fault}.",
            'The dotted path of a callable without arguments that returns a context manager: "scope": '
            '"django_scopes.scopes_disabled". Until then its events fail.',
        )


def check_consent(spec: Any, place: str) -> Iterator[CheckMessage]:
    """Check a ``consent``; ``place`` is where it is set."""
    if fault := consent.consent_fault(spec):
        hint = "The dotted path of a function (instance, user) -> bool. Until then nothing is captured."
        yield message_of("E015", f"{place} {fault}", hint)


def _check_user(definition: EventDefinition) -> Iterator[CheckMessage]:
    is_mapped = definition.user is not None or definition.user_attributes is not None
    is_user = issubclass(definition.model_class, get_user_model())
    if not (is_mapped or is_user or definition.overrides("get_user_attributes")):
        yield message_of(
            "W001",
            f"Event {definition.name!r} names no user: USER_ATTRIBUTES would be read from {definition.source_label}.",
            'Write "user": "customer" (the path of its user), or user_attributes with paths from it. '
            f'If its buyers have no account: "user_attributes": {{"user_id": Hashed("{_email_field(definition)}")}}.',
        )


def _email_field(definition: EventDefinition) -> str:
    """Return the name of the field that most likely has a guest's address; else "email"."""
    fields = definition.model_class._meta.concrete_fields
    found = [each.name for each in fields if isinstance(each, models.EmailField)]
    found += [
        each.name for each in fields if "mail" in each.name and isinstance(each, (models.CharField, models.TextField))
    ]
    return found[0] if found else "email"
