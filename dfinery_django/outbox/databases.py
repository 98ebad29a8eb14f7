"""The databases that have an outbox, and those that lack its tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, router

from ..definitions import registry
from ..models import Event


def outbox_databases() -> list[str]:
    """Return the databases that have an outbox: those of the sources, since events are stored in their transactions."""
    found = {router.db_for_write(Event)}
    sources = {router.db_for_write(each.model_class) for each in registry.definitions()}
    # Where the router allows us no tables there are no events, and no drain must fail for it; E018 reports it.
    found.update(alias for alias in sources if router.allow_migrate_model(alias, Event))
    return sorted(found)


def lacking_tables(outboxes: Iterable[str], *, among: Collection[str] | None = None) -> Iterator[tuple[str, str]]:
    """Yield app and database where tables are missing: ours in these databases, django-q2's in its own.

    :param among: the databases that may be asked; ``None``: each
    :raises DatabaseError, InterfaceError: if a database can't be used
    """
    wanted = [("dfinery_django", using) for using in outboxes]
    if apps.is_installed("django_q"):
        wanted.append(("django_q", router.db_for_write(next(apps.get_app_config("django_q").get_models()))))
    asked = ((app, using) for app, using in wanted if among is None or using in among)
    yield from ((app, using) for app, using in asked if not _has_tables(app, using))


def migrate_command(using: str) -> str:
    """Return the command that makes the tables of a database."""
    return "manage.py migrate" + ("" if using == DEFAULT_DB_ALIAS else f" --database {using}")


def _has_tables(app: str, using: str) -> bool:
    connection = connections[using]
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    tables = {model._meta.db_table for model in apps.get_app_config(app).get_models() if not model._meta.proxy}
    return tables <= set(connection.introspection.table_names())
