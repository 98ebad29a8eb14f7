"""What a command line names: a model, an object, definitions, a database. A wrong name ends with one clear line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import DatabaseError, connections, models, router

from .. import registry
from ..conf import did_you_mean, get_settings
from ..definitions import EventDefinition
from ..destinations import outbox_databases
from ..exceptions import ConfigurationError, NotRegistered
from ..models import Event

#: Columns of events that are chosen by value -> the option's name.
COLUMNS = {"status": "status", "event_name": "event", "destination": "destination", "reason_code": "reason"}


def model(label: str) -> type[models.Model]:
    """The model of that label.

    :raises CommandError: if there is none, with the nearest or those that are watched
    """
    try:
        return apps.get_model(label)
    except (LookupError, ValueError) as error:
        known = tuple(each._meta.label for each in apps.get_models())
        is_near = difflib.get_close_matches(label, known, n=1)
        nearest = did_you_mean(label, known) if is_near else "Write app.Model, as in 'shop.Order'."
        raise CommandError(f"{label!r} is no installed model. {nearest}", returncode=2) from error


def watching(watched: type[models.Model], name: str | None) -> list[EventDefinition]:
    """The definitions to explain.

    :raises CommandError: if there are none
    """
    try:
        found = list(registry.definitions_watching(watched))
        chosen = [each for each in found if each is registry.get(name)] if name else found
    except (ConfigurationError, NotRegistered) as error:
        raise CommandError(str(error), returncode=2) from error
    if not chosen:
        who = f"{name!r}" if name else "No definition"
        does = "does not watch" if name else "watches"
        raise CommandError(f"{who} {does} {watched._meta.label}. {_watched()}", returncode=2)
    return chosen


def _watched() -> str:
    """Which models are watched, and by which definitions."""
    by_model: dict[str, list[str]] = {}
    for each in registry.definitions():
        by_model.setdefault(each.source_label, []).append(each.name)
    watched = "; ".join(f"{label} ({', '.join(names)})" for label, names in sorted(by_model.items()))
    faults = registry.definition_faults()
    left_out = f" Left out for mistakes, see manage.py check: {', '.join(faults)}." if faults else ""
    return f"Watched: {watched or 'none'}.{left_out}"


def instance(watched: type[models.Model], text: str, using: str) -> models.Model:
    """The object with that key, as the shop's own filters don't see it.

    :raises CommandError: if the text is no key, or there is no such object
    """
    pk = watched._meta.pk
    try:
        key = pk.to_python(text)
    except (ValidationError, ValueError, TypeError) as error:
        message = f"{text!r} is no key of {watched._meta.label}, whose {pk.name!r} is a {type(pk).__name__}."
        raise CommandError(message, returncode=2) from error
    try:
        found = watched._base_manager.using(using).filter(pk=key).first()
    except DatabaseError as error:
        raise CommandError(f"{watched._meta.label} can't be read: {str(error).strip()}") from error
    if found is None:
        raise CommandError(f"There is no {watched._meta.label} {text} in database {using!r}.", returncode=2)
    return found


def database(alias: str | None, watched: type[models.Model]) -> str:
    """The alias, or that of the database which the model is written to."""
    if alias is not None and alias not in connections:
        raise CommandError(f"{alias!r} is no database. {did_you_mean(alias, tuple(connections))}", returncode=2)
    return alias or router.db_for_write(watched)


def destinations(alias: str | None) -> list[str]:
    """That destination, or all.

    :raises CommandError: if it has no token
    """
    known = tuple(get_settings().TOKENS)
    if alias is not None and alias not in known:
        message = f"{alias!r} is no alias of DFINERY['TOKENS']. {did_you_mean(alias, known)}"
        raise CommandError(message, returncode=2)
    return [alias] if alias else list(known)


def outboxes(alias: str | None) -> list[str]:
    """The databases whose events are meant.

    :raises CommandError: if that one holds none
    """
    known = tuple(outbox_databases())
    if alias is not None and alias not in known:
        raise CommandError(f"Database {alias!r} holds no events. {did_you_mean(alias, known)}", returncode=2)
    return [alias] if alias else list(known)


def check_values(chosen: Mapping[str, str], databases: Iterable[str]) -> None:
    """
    :raises CommandError: if an event's name or a destination was never heard of
    """
    names, aliases = {each.event_name for each in registry.definitions()}, set(get_settings().TOKENS)
    for column, says, words in (("event_name", "is called", names), ("destination", "goes to", aliases)):
        wanted = chosen[column]
        if wanted and wanted not in words:
            words.update(*(Event.objects.using(using).in_use(column) for using in databases))
            if wanted not in words:
                nearest = did_you_mean(wanted, tuple(sorted(words)))
                raise CommandError(f"No event {says} {wanted!r}. {nearest}", returncode=2)
