"""A forked process leaves the connection pool of its parent alone.

django-q2 forks its processes, gunicorn its workers. The threads that serve psycopg's pool don't come along, so that a
process which was forked after the pool had been opened would wait for a connection until it times out, and share its
parent's sockets.
"""

from __future__ import annotations

import os
from typing import Any

from django.db import connections

#: What the parent goes on using. Kept, so that nothing here closes it.
_parents: list[Any] = []


def use_own_pools() -> None:
    """Let each forked process open a pool of its own, where one is asked for (``OPTIONS["pool"]``)."""
    has_pool = any(each["OPTIONS"].get("pool") for each in connections.settings.values())
    if has_pool and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_leave_pools)


def _leave_pools() -> None:
    for connection in connections.all(initialized_only=True):
        pools = getattr(connection, "_connection_pools", {})
        if connection.settings_dict["OPTIONS"].get("pool") and connection.alias in pools:
            _parents.extend((pools.pop(connection.alias), connection.connection))
            connection.connection = None
