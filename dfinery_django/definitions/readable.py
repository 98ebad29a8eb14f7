"""The methods and properties of a model that a path can read."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from django.db import models
from django.utils import functional


def method_names(model: type[models.Model]) -> Iterator[str]:
    """Yield the model's own properties, and its methods that a path can call."""
    for name in dir(model):
        is_own = not name.startswith("_") and not hasattr(models.Model, name)
        if is_own and _is_readable(name, inspect.getattr_static(model, name, None)):
            yield name


def _is_readable(name: str, attribute: Any) -> bool:
    if isinstance(attribute, functools.partialmethod):  # Django's for a field: get_status_display, get_next_by_paid_at
        return name.endswith("_display")
    if inspect.isfunction(attribute):
        return _needs_nothing(attribute)
    return isinstance(attribute, (property, functools.cached_property, functional.cached_property))


def _needs_nothing(method: Callable[..., Any]) -> bool:
    parameters = list(inspect.signature(method).parameters.values())[1:]
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [each for each in parameters if each.default is each.empty and each.kind not in rest]
    return not needed and not getattr(method, "alters_data", False)
