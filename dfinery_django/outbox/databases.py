"""The databases that have an outbox."""

from __future__ import annotations

from django.db import router

from ..definitions import registry
from ..models import Event


def outbox_databases() -> list[str]:
    """Return the databases that have an outbox: those of the sources, since events are stored in their transactions."""
    found = {router.db_for_write(Event)}
    sources = {router.db_for_write(each.model_class) for each in registry.definitions()}
    # Where the router allows us no tables there are no events, and no drain must fail for it; W007 reports it.
    found.update(alias for alias in sources if router.allow_migrate_model(alias, Event))
    return sorted(found)
