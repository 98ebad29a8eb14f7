"""The ``scope`` of a definition: the context manager in which the site's code is called outside of the shop's requests.

A multi-tenant shop's managers refuse to work, or hide rows, where no request has chosen a tenant. Workers, reconcile
and the commands enter the scope before they read rows or call the site's code. Capture does not: it runs in a request.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ..db.retry import is_transient
from ..exceptions import DfineryError, error_text
from ..text.reasons import ReasonText
from .definition import EventDefinition


class ScopeError(DfineryError):
    """A scope that can't be entered or left. Its cause is the site's own error."""

    def __init__(self, definition: EventDefinition, error: Exception) -> None:
        scope, words = scope_name(definition.scope), error_text(error).rstrip(".")
        self.reason = ReasonText("scope_raised", name=definition.name, scope=scope, error=words)
        super().__init__(f"{definition.name}: its scope {scope} raised {words}")


class in_scope:  # noqa: N801 - used as a function
    """A context in a definition's scope; without a scope it does nothing. It hides no error of what runs in it.

    :raises ScopeError: if the scope fails; a transient error of the database is raised as it is
    """

    def __init__(self, definition: EventDefinition) -> None:
        self._definition = definition
        self._entered = ExitStack()

    def __enter__(self) -> None:
        if self._definition.scope is None:
            return
        try:
            function: Any = self._definition.scope_callable()
            manager = function()
            if inspect.iscoroutine(manager):
                manager.close()
            self._entered.enter_context(manager)
        except Exception as error:  # noqa: BLE001 - raised as another
            self._raise(error)

    def __exit__(self, *exc_info: Any) -> None:
        try:
            self._entered.__exit__(*exc_info)
        except Exception as error:
            if error is exc_info[1]:
                raise
            self._raise(error)

    def _raise(self, error: Exception) -> None:
        if is_transient(error):
            raise error
        raise ScopeError(self._definition, error) from error


@contextmanager
def in_scopes(definitions: Iterable[EventDefinition]) -> Iterator[None]:
    """Enter the scopes of several definitions, which read the same rows."""
    with ExitStack() as stack:
        for definition in definitions:
            stack.enter_context(in_scope(definition))
        yield


def scope_name(scope: Any) -> str:
    """Return a scope as a reason or a message names it."""
    return repr(scope) if isinstance(scope, str) else getattr(scope, "__qualname__", None) or repr(scope)


def scope_fault(definition: EventDefinition) -> str:
    """Return why a ``scope`` can't be used, as far as that can be seen without calling it, or ""."""
    try:
        function: Any = definition.scope_callable()
    except (ImportError, ValueError) as error:
        return f"can't be imported: {error}"
    if function is None:
        return ""
    if hasattr(function, "__enter__") and not isinstance(function, type):
        return "is a context manager that was made once; each use needs a new one"
    if not callable(function):
        return "is not callable"
    wrapped = inspect.unwrap(function)
    if inspect.iscoroutinefunction(wrapped) or inspect.isasyncgenfunction(wrapped):
        return "is async, and workers enter it without an event loop"
    if inspect.isgeneratorfunction(function):
        return "is a generator function without @contextmanager"
    return _signature_fault(function)


def _signature_fault(function: Any) -> str:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return "needs arguments"
    except ValueError:  # of C, without a signature
        pass
    return ""
