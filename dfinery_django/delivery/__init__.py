"""From a pending row to DFINERY's answer: the worker, its lanes, the HTTP client, the circuit of a destination.

The network never waits in a transaction, and the threads never touch the ORM. Only the doors import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .worker import drain

__all__ = ["drain"]


def __getattr__(name: str) -> Any:
    # The worker imports ``requests``; who imports a sibling need not.
    if name != "drain":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .worker import drain

    return drain
