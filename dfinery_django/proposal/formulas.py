"""Values that are computed: by an expression of Django from columns, by a function from properties and methods."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import F, FloatField, Sum
from django.db.models.constants import LOOKUP_SEP
from django.db.models.functions import Cast, NullIf

from .candidates import kind_of
from .guesses import Function, column_named


def whole_units(model: type[models.Model], path: str) -> Any:
    """Return an amount of cents, divided by 100."""
    if column := column_at(model, path):
        return F(_name(path)) / 100.0 if kind_of(column) == "count" else _as_float(path) / 100.0
    column, _, key = path.partition(".")
    if isinstance(column_at(model, column), models.JSONField):
        code, read = _json_reader(column, key)
        function = f"lambda row: cents / 100 if (cents := {code}) else cents"
        return Function(function, lambda row: cents / 100 if (cents := read(row)) else cents)
    code = f"lambda row: (cents := row.{_python_code(model, path)}) and cents / 100"
    return Function(code, lambda row: (cents := read_at(row, path)) and cents / 100)


def number_in(path: str) -> Any:
    """Return a number that a JSON column has as a text; ``None`` where it has none."""
    code, read = _json_reader(*path.split("."))
    function = f"lambda row: float(number) if (number := {code}) else None"
    return Function(function, lambda row: float(number) if (number := read(row)) else None)


def _json_reader(column: str, key: str) -> tuple[str, Callable[[Any], Any]]:
    return f'(row.{column} or {{}}).get("{key}")', lambda row: (getattr(row, column) or {}).get(key)


def _python_code(model: Any, path: str) -> str:
    """Return a path as Python reads it: methods are called."""
    parts = []
    for name in path.split("."):
        is_method = callable(getattr(model, name, None)) or (model is None and name in ("first", "last"))
        parts.append(f"{name}()" if is_method else name)
        field = next((each for each in model._meta.get_fields() if each.name == name), None) if model else None
        model = getattr(field, "related_model", None)
    return ".".join(parts)


def piece_price(model: type[models.Model], total: str, quantity: str) -> Any:
    """Return the total of a line, divided by its quantity, and no value where it is 0; ``None`` without columns."""
    column = column_at(model, quantity)
    if not column or not column_at(model, total):
        return None
    pieces = NullIf(_name(quantity), 0) if kind_of(column) == "count" else NullIf(_as_float(quantity), 0.0)
    return _as_float(total) / pieces


def sum_of_lines(model: type[models.Model], lines: str, price: str, quantity: str) -> Any:
    """Return the sum of price times quantity over the lines of an order; ``None`` without columns.

    :param model: of the lines
    :param quantity: its path; "" if each line is one piece
    """
    if not column_at(model, price) or (quantity and not column_at(model, quantity)):
        return None
    start = f"{_name(lines)}{LOOKUP_SEP}"
    prices = f"{start}{_name(price)}"
    return Sum(F(prices) * F(f"{start}{_name(quantity)}") if quantity else prices)


def column_at(model: type[models.Model], path: str) -> Any:
    """Return the column at the end of a path; ``None`` if something on its way is none."""
    field: Any = None
    for name in path.split("."):
        try:
            field = model._meta.get_field(name)
        except (AttributeError, FieldDoesNotExist):
            return None
        model = field.related_model
    return None if field.is_relation or not field.concrete else field


def _as_float(path: str) -> Any:
    return Cast(_name(path), FloatField())


def _name(path: str) -> str:
    return path.replace(".", LOOKUP_SEP)


def seen_from(value: Any, prefix: str) -> Any:
    """Return a path, an expression or a function about an order, as a row that leads to the order says it."""
    if isinstance(value, str):
        return f"{prefix}{value}"
    if name := column_named(value):
        return F(_name(prefix) + name)
    if isinstance(value, Function):
        way = prefix.rstrip(".")
        code = re.sub(r"\brow\.", f"row.{prefix}", value.code)
        return Function(code, lambda row: value.function(read_at(row, way)))
    if hasattr(value, "get_source_expressions"):
        found = value.copy()
        found.set_source_expressions([each and seen_from(each, prefix) for each in value.get_source_expressions()])
        return found
    return value


def read_at(row: Any, path: str) -> Any:
    """Return what attributes and methods give, as a function of the site would read them."""
    for part in filter(None, path.split(".")):
        row = getattr(row, part)
        row = row() if callable(row) and not hasattr(row, "all") else row
    return row
