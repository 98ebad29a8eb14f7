"""Django's expressions taken apart: other parts put in, and written as a text."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet, Subquery

_COMBINED = re.compile(r"<CombinedExpression: ([^<>]*)>")
_ADDRESS = re.compile(r"<(?:\w+\.)*(\w+) object at 0x[0-9A-Fa-f]+>")


def rewritten(node: Any, change: Callable[[Any], Any]) -> Any:
    """Return an expression with each part for which ``change`` returns another; subqueries are left alone."""
    if (changed := change(node)) is not None:
        return changed
    if isinstance(node, Q):
        return _with_children(node, [_child(child, change) for child in node.children])
    if isinstance(node, Subquery) or not hasattr(node, "get_source_expressions"):
        return node
    parts = node.get_source_expressions()
    new_parts = [rewritten(part, change) for part in parts]
    if all(new is old for new, old in zip(new_parts, parts, strict=True)):
        return node
    node = node.copy()
    node.set_source_expressions(new_parts)
    return node


def _child(child: Any, change: Callable[[Any], Any]) -> Any:
    if not isinstance(child, tuple):
        return rewritten(child, change)
    name, value = child
    if isinstance(value, (list, tuple)):
        new_values = [_rewritten_value(each, change) for each in value]
        is_same = all(new is old for new, old in zip(new_values, value, strict=True))
        return child if is_same else (name, new_values)
    new = _rewritten_value(value, change)
    return child if new is value else (name, new)


def _rewritten_value(value: Any, change: Callable[[Any], Any]) -> Any:
    return rewritten(value, change) if hasattr(value, "resolve_expression") else value


def _with_children(node: Q, children: list[Any]) -> Q:
    if all(new is old for new, old in zip(children, node.children, strict=True)):
        return node
    node = copy.copy(node)
    node.children = children
    return node


def shown(source: Any) -> str:
    """Return an expression as a text that is the same in each process, without reading the rows of a queryset in it."""
    source = rewritten(source, lambda node: _Shown(node) if isinstance(node, QuerySet) else None)
    text = _ADDRESS.sub(r"\1(…)", f"Q{source}" if isinstance(source, Q) else repr(source))
    return _COMBINED.sub(r"(\1)", text)


class _Shown:
    """Stands for a queryset in a ``repr``, which would read its rows."""

    resolve_expression = None

    def __init__(self, queryset: QuerySet[Any]) -> None:
        self._label = queryset.model._meta.label

    def __repr__(self) -> str:
        return f"QuerySet({self._label})"
