"""Separate connection pools for forked processes.

django-q2 forks its processes, gunicorn its workers. The threads of psycopg's pool are not copied. A process forked
after the pool was opened would wait for a connection until a time-out, and share its parent's sockets.
"""

from __future__ import annotations

import os
from typing import Any

from django.db import connections

#: Pools and connections that the parent still uses. The references keep the child from closing them.
_parents: list[Any] = []


def use_own_pools() -> None:
    """Let each forked process open its own pool, if one is configured (``OPTIONS["pool"]``)."""
    has_pool = any(each["OPTIONS"].get("pool") for each in connections.settings.values())
    if has_pool and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_leave_pools)


def _leave_pools() -> None:
    for connection in connections.all(initialized_only=True):
        pools = getattr(connection, "_connection_pools", {})
        if connection.settings_dict["OPTIONS"].get("pool") and connection.alias in pools:
            _parents.extend((pools.pop(connection.alias), connection.connection))
            connection.connection = None
