"""State of one database connection: a named home, so that nothing is hung on Django's objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class PerConnection(Generic[T]):
    """A value per connection, made when it is first asked for. It ends with its connection."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[Any, T] = WeakKeyDictionary()

    def of(self, connection: Any) -> T:
        try:
            return self._values[connection]
        except KeyError:
            return self._values.setdefault(connection, self._make())

    def discard(self, connection: Any) -> None:
        self._values.pop(connection, None)
