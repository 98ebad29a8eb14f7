"""Checks of what the database computes: Django's expressions, and the conditions and order of ``Rows``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage
from django.db import models, router

from ..db.retry import DATABASE_ERRORS
from ..definitions.definition import EventDefinition
from ..definitions.needs import Steps, named_reads
from ..exceptions import error_line
from ..mapping.annotations import Annotation, ManyValuesError, NotDjangosError, compile_fault, prepare
from ..mapping.model_paths import follow, trace
from ..mapping.reading import RowSelection, selection_fault
from ..schema.model_fields import field_fault
from . import message_of
from .hints import near_hint, with_article

_UNKNOWN_NAME = re.compile(r"Cannot resolve keyword '(.+?)' into field(?:.*Choices are: (.*))?", re.DOTALL)


def check_computed(definition: EventDefinition) -> Iterator[CheckMessage]:
    """Check that Django can compute each expression, and select each ``Rows``, for the model where it starts."""
    told: set[Any] = set()
    for place, read in named_reads(definition):
        model, steps = definition.model_class, read.steps
        for index, step in enumerate(steps):
            if isinstance(step, RowSelection) and step not in told:
                told.add(step)
                yield from _check_selection(definition, place, steps[: index + 1])
        end = follow(model, steps)[1]
        if read.annotation and end and read.annotation not in told:
            told.add(read.annotation)
            yield from _check_annotation(definition, place, read.annotation, end)


def _check_annotation(
    definition: EventDefinition, place: str, annotation: Annotation, model: type[models.Model]
) -> Iterator[CheckMessage]:
    try:
        fault = compile_fault(annotation, model, router.db_for_write(definition.model_class))
    except DATABASE_ERRORS:
        return  # the database had to be asked for its version, and can't be reached
    if fault:
        yield message_of("E019", f"Event {definition.name!r}: {place}: {_words(fault)}", _hint(fault, model))
        return
    field = prepare(annotation, model).output_field
    if place not in ("once_per", "event_datetime") and (unfit := field_fault(field)):
        kind = with_article(type(field).__name__)
        message = f"Event {definition.name!r}: {place}: {annotation!r} gives {kind}, and {unfit.problem}: "
        yield message_of("W010", f"{message}its events would fail.", unfit.remedy)


def _words(error: Exception) -> str:
    """Return Django's words in one line, with the error's class where they alone would say little."""
    words = " ".join(str(error).split())
    return words if " " in words else error_line(error)


def _hint(error: Exception, model: type[models.Model]) -> str:
    words = str(error)
    if isinstance(error, ManyValuesError):
        return "Make one value of them: Sum(…), Max(…), Count(…); or take one row by Subquery(…), ask by Exists(…)."
    if isinstance(error, NotDjangosError):
        return "Within Django's expressions write Django's: from django.db.models import Value as DBValue."
    if unknown := _UNKNOWN_NAME.match(words):
        name, known = unknown[1], (unknown[2] or "").split(", ")
        if "." in name:
            return f"Lookups have two underscores: {name.replace('.', '__')!r}."
        return near_hint(name, known) or "Write a name that Django lists there."
    if "output_field" in words:
        return "Give it a type: ExpressionWrapper(…, output_field=DecimalField(max_digits=14, decimal_places=2))."
    return f"Try it in manage.py shell: {model.__name__}.objects.annotate(x=…)."


def _check_selection(definition: EventDefinition, place: str, steps: Steps) -> Iterator[CheckMessage]:
    selection = steps[-1]
    assert isinstance(selection, RowSelection)  # noqa: S101 - the caller's condition
    holder = follow(definition.model_class, steps[:-1])[1]
    if holder is None:
        return
    hops, model = follow(holder, (selection,))
    if model is None or not hops or hops[-1].selection is None:
        if not trace(holder, selection.path, through_many=True).missing:  # check_paths tells a missing name
            message = f"Event {definition.name!r}: {place}: {selection.path!r} leads to no rows."
            yield message_of("E008", message, "Rows() takes the path of a to-many relation.")
        return
    try:
        fault = selection_fault(selection, model)
    except DATABASE_ERRORS:
        return
    if fault:
        yield message_of("E019", f"Event {definition.name!r}: {place}: {_words(fault)}", _row_hint(fault, model))


def _row_hint(error: Exception, model: type[models.Model]) -> str:
    return _hint(error, model).replace("annotate(x=…)", "filter(…).order_by(…)")
