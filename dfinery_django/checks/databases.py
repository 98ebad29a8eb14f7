"""Checks of the databases: SQLite's transactions, what routers say, tables, texts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage
from django.db import DEFAULT_DB_ALIAS, connections, router

from ..conf import get_settings
from ..db import charsets, tenants
from ..db.retry import DATABASE_ERRORS
from ..definitions import registry
from ..exceptions import ConfigurationError
from ..models import Event
from ..outbox.databases import lacking_tables, migrate_command, outbox_databases
from ..outbox.reconcile import database_of_sources
from . import message_of


def check_sqlite() -> Iterator[CheckMessage]:
    """Find SQLite databases whose transactions begin as readers."""
    for using in outbox_databases() if get_settings().ENABLED else ():
        connection: Any = connections[using]
        if connection.vendor != "sqlite" or connection.is_in_memory_db():
            continue
        options = connection.settings_dict.get("OPTIONS") or {}
        if str(options.get("transaction_mode") or "DEFERRED").upper() == "DEFERRED":
            wanted = {**options, "transaction_mode": "IMMEDIATE", "timeout": options.get("timeout", 20)}
            yield message_of(
                "W008",
                f"The database {using!r} is SQLite, whose transactions begin as readers: a save that follows a read, "
                'and a worker, may fail at once with "database is locked", instead of waiting for the other writer.',
                f'DATABASES[{using!r}]["OPTIONS"] = {wanted!r}'.replace("'", '"'),
            )


def check_routers() -> Iterator[CheckMessage]:
    """Find routers that put our tables into another database than the rows that events are made of."""
    if tenants.is_per_tenant("dfinery_django"):
        return  # the router of tenants answers for the current schema only
    by_database: dict[str, list[str]] = {}
    for each in registry.definitions():
        by_database.setdefault(database_of_sources(each), []).append(f"{each.name!r} ({each.source_label})")
    ours = router.db_for_write(Event)
    # Where a shop is beside the default database, all but the shop may well be in that one.
    is_elsewhere = ours != DEFAULT_DB_ALIAS and ours not in by_database
    for alias, sources in by_database.items():
        named, rules = ", ".join(sources), []
        if not router.allow_migrate_model(alias, Event):
            fault = f"let dfinery_django have no tables in the database {alias!r}, where the rows of {named} are"
            loss, rules = "none of these events could be stored", [f"allow_migrate() return True for {alias!r}"]
        elif is_elsewhere:
            fault = f"send dfinery_django to the database {ours!r}, but the rows of {named} are in {alias!r}"
            loss = f"their events are stored there, and the admin and the REST API would look for them in {ours!r}"
        else:
            continue
        rules += [f"db_for_read() and db_for_write() return {alias!r}"] if is_elsewhere else []
        yield message_of(
            "E018",
            f"DATABASE_ROUTERS {fault}: {loss}.",
            "An event is stored in the transaction of its row, which can't hold two databases. In your router, for "
            f"the app label 'dfinery_django', let {' and '.join(rules)}. Then run {migrate_command(alias)}.",
        )


def check_tables(aliases: Sequence[str]) -> Iterator[CheckMessage]:
    """Find databases without our tables, or without django-q2's. A warning: an error would stop ``migrate`` itself."""
    if sys.argv[1:2] == ["migrate"] or tenants.is_per_tenant("dfinery_django"):
        return
    try:
        lacking: dict[str, list[str]] = {}
        for app, alias in lacking_tables(outbox_databases(), among=aliases):
            lacking.setdefault(alias, []).append(app)
    except (*DATABASE_ERRORS, ConfigurationError):
        return  # the command reports a database that can't be used, and other checks the setting
    for alias in lacking:
        loss = "no event can be stored" if "dfinery_django" in lacking[alias] else "no drain can be queued"
        message = f"Tables of {' and '.join(lacking[alias])} are missing in the database {alias!r}: {loss}."
        yield message_of("W017", message, f"Run {migrate_command(alias)}.")


def check_texts(alias: str) -> Iterator[CheckMessage]:
    """Find columns that can't store every text."""
    if not router.allow_migrate_model(alias, Event):
        return
    tables = charsets.tables_of(apps.get_app_config("dfinery_django").get_models())
    try:
        found = list(charsets.charset_faults(connections[alias], tables))
    except DATABASE_ERRORS:
        return  # the command reports it if it needs that database
    for fault, hint in found:
        message = f"The database {alias!r} {fault}: an event with a text that it can't store fails."
        yield message_of("W009", message, hint)
