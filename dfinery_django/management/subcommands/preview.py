"""``manage.py dfinery preview``: what an object would become, and why."""

from __future__ import annotations

import datetime as dt
import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connections, models, router

from ...definitions import registry
from ...definitions.definition import EventDefinition
from ...definitions.scope import ScopeError, in_scopes
from ...enums import EventStatus
from ...exceptions import ConfigurationError, NotRegistered
from ...mapping.model_paths import model_hint
from ..arguments import choose, count_type
from ..exit_codes import wrong_use
from ..terminal import INDENT, printable, text_columns, text_width, wrap
from .base import Subcommand

if TYPE_CHECKING:
    from ...diagnostics.explain import Explanation
    from ...diagnostics.fields import FieldReading, PayloadPart

NARROWEST_COLUMN = 9
#: The length to which a Python value and a wire value are cut. The JSON has the wire value in full.
VALUE_LENGTH, WIRE_LENGTH = 36, 60
_PREVIEW_COLUMNS = ("source", "Python value", "wire value", "type", "console")
#: So many of the first columns shrink to fit the terminal.
SHRINKING_COLUMNS = 3
#: Types that the text of a value shows. '4.00' could also be a Decimal, or one of Django's lazy or safe texts.
_OBVIOUS_TYPES = ("str", "int", "float", "bool", "NoneType", "datetime", "date", "time")
#: By the values of ``FiringVerdict``.
_VERDICT_TEXTS = {
    "fires": "fires",
    "captured": "was captured already",
    "missed": "matches, but has no event",
    "silent": "does not fire",
}
_VERDICT_SUBJECTS = {"captured": "Rebuilt now, it", "silent": "If it fired as it is, its event"}
_OUTCOME_TEXTS = {
    EventStatus.PENDING: "would be sent to {destination}.",
    EventStatus.FAILED: "would fail. {reason}",
    EventStatus.CANCELLED: "would be skipped. {reason}",
    EventStatus.EXPIRED: "would be expired. {reason}",
}
_WAITING_TEXT = "would wait until the token of {destination} can be used."

Cells = tuple[str, ...]


class PreviewCommand(Subcommand):
    help = "show what an object would become, and why; stores nothing"
    examples = ("preview shop.Order 42", "preview shop.Order --last", "preview shop.Order number=2026-17 --json")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help="app.Model")
        parser.add_argument("key", nargs="*", help="primary key of the object, or field=value of any unique field")
        parser.add_argument(
            "--last",
            action="store_true",
            help="the newest object, by primary key; by event_datetime if the key is no number",
        )
        parser.add_argument("--definition", help="default: all that watch the model")
        parser.add_argument(
            "--items", type=count_type, default=3, help="show the fields of so many items (%(default)s)"
        )
        parser.add_argument("--database", help="alias of DATABASES; default: the one that the model is written to")
        parser.add_argument("--json", action="store_true", help="machine-readable output")

    def handle(
        self, *, model: str, key: list[str], definition: str | None, items: int, database: str | None, **options: Any
    ) -> None:
        from ...diagnostics.explain import explain
        from ..lookup import find_object, newest_by

        model_class = _model_named(model)
        definitions = _definitions_watching(model_class, definition)
        for name, fault in registry.definition_faults().items():
            self.stderr.write(f"{name} is skipped: {fault}")
        using = database or router.db_for_write(model_class)
        choose(database, connections, f"{database!r} is no database.")
        if not key and not options["last"]:
            raise wrong_use("Name an object: its key, field=value of a unique field, or --last for the newest.")
        order = newest_by(model_class, definitions) if options["last"] else None
        try:
            with in_scopes(definitions):
                instance = find_object(model_class, key, using, newest_by=order)
            explanations = [explain(each, instance, using=using, items=items) for each in definitions]
        except (LookupError, ScopeError) as error:
            raise wrong_use(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(list(map(asdict, explanations)), indent=2, default=dt.datetime.isoformat))
            return
        texts = ["\n".join(explanation_lines(each, self.style)) for each in explanations]
        # In one write: a reader that takes only the first lines would break the pipe.
        title = f"{model_class._meta.label} {instance.pk} in database {using!r}"
        self.stdout.write("\n\n".join([title + (f", the newest by {order}" if order else ""), *texts]))


def _model_named(label: str) -> type[models.Model]:
    try:
        return apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise wrong_use(f"{label!r} is no installed model. {model_hint(label)}") from error


def _definitions_watching(model: type[models.Model], name: str | None) -> list[EventDefinition]:
    try:
        watching = list(registry.definitions_watching(model))
        chosen = [each for each in watching if each is registry.get(name)] if name else watching
    except (ConfigurationError, NotRegistered) as error:
        raise wrong_use(str(error)) from error
    if not chosen:
        subject = f"{name!r} does not watch" if name else "No definition watches"
        raise wrong_use(f"{subject} {model._meta.label}. {_watched_models()}")
    return chosen


def _watched_models() -> str:
    by_model: dict[str, list[str]] = {}
    for each in registry.definitions():
        by_model.setdefault(each.source_label, []).append(each.name)
    watched = "; ".join(f"{label} ({', '.join(names)})" for label, names in sorted(by_model.items()))
    faults = registry.definition_faults()
    skipped = f" Skipped for mistakes, see manage.py check: {', '.join(faults)}." if faults else ""
    return f"Watched: {watched or 'none'}.{skipped}"


def explanation_lines(explanation: Explanation, style: Any) -> Iterator[str]:
    width = text_width(narrowest=80)
    yield from _verdict_lines(explanation, style, width)
    yield ""
    name_width = max(len(step.name) for step in explanation.steps)
    marks = {None: style.NOTICE("-  "), True: style.SUCCESS("yes"), False: style.WARNING("no ")}
    for step in explanation.steps:
        head = f"{INDENT}{step.name:{name_width}}{INDENT}"
        first, *rest = wrap(step.words, width - len(head) - 5)
        yield f"{head}{marks[step.holds]}{INDENT}{first}"
        yield from (" " * (len(head) + 5) + line for line in rest)
    yield ""
    yield from _table_lines(explanation, style, width - len(INDENT))


def _verdict_lines(explanation: Explanation, style: Any, width: int) -> Iterator[str]:
    name, verdict = explanation.definition, explanation.verdict
    if explanation.event_name != name:
        name += f" (event {explanation.event_name})"
    paint = style.SUCCESS if verdict in ("fires", "captured") else style.WARNING
    yield f"{style.MIGRATE_HEADING(name)} {paint(_VERDICT_TEXTS[verdict])}"
    yield from _indented_lines(explanation.why, 1, width)
    readings = [reading for part in explanation.parts for reading in part.readings]
    subject = _VERDICT_SUBJECTS.get(verdict, "Its event")
    if awaited := next((each.source for each in readings if each.is_awaited), ""):
        subject = f"If it fired with a time in {awaited!r}, its event"
    text, paint = _OUTCOME_TEXTS[EventStatus(explanation.ending)], style.ERROR
    if explanation.ending == EventStatus.PENDING:
        is_sent = all(step.holds for step in explanation.steps if step.name == "destination")
        text, paint = (text, style.SUCCESS) if is_sent else (_WAITING_TEXT, style.WARNING)
    outcome = text.format(**vars(explanation))
    yield from _indented_lines(f"{subject} {outcome}", 1, width, paint)


def _indented_lines(text: str, depth: int, width: int, paint: Callable[[str], str] = str) -> Iterator[str]:
    return (INDENT * depth + paint(line) for line in wrap(text, width - len(INDENT) * depth))


def _table_lines(explanation: Explanation, style: Any, width: int) -> Iterator[str]:
    rows = [_reading_cells(reading) for part in explanation.parts for reading in part.readings]
    widths = _column_widths([_PREVIEW_COLUMNS, *rows], width - 2 * len(INDENT))
    yield from _cell_lines(_PREVIEW_COLUMNS, widths, [style.MIGRATE_LABEL] * len(_PREVIEW_COLUMNS))
    for part in explanation.parts:
        start = f", from {part.start}" if part.start else ""
        yield INDENT + style.MIGRATE_LABEL(part.path + start)
        yield from _part_lines(part, widths, style, width)
    shown = sum(part.path.startswith("items[") for part in explanation.parts)
    if explanation.item_count is not None and explanation.item_count > shown:
        yield f"{INDENT}and {explanation.item_count - shown} more items (--items)"


def _part_lines(part: PayloadPart, widths: Sequence[int], style: Any, width: int) -> Iterator[str]:
    for reading in part.readings:
        paint = style.ERROR if reading.fault else str
        yield from _cell_lines(_reading_cells(reading), widths, [str, str, paint, str, str])
        if reading.fault:
            yield from _indented_lines(str(reading.fault), 3, width, style.ERROR)
    if part.fault:
        yield from _indented_lines(str(part.fault), 2, width, style.ERROR)
    elif not part.readings:
        yield f"{INDENT * 2}nothing is read"


def _reading_cells(reading: FieldReading) -> Cells:
    value, kind = reading.value, reading.value_type
    if kind and kind not in _OBVIOUS_TYPES and kind not in value:
        value = f"{kind} {value}"
    label = reading.wire_type.label if reading.wire_type else ""
    by = "" if reading.type_from in ("predefined", "") else f" ({reading.type_from})"
    values = _shortened(value, VALUE_LENGTH), _shortened(_wire_text(reading), WIRE_LENGTH)
    return printable(reading.source), *values, label, printable(reading.console_name + by)


def _wire_text(reading: FieldReading) -> str:
    if reading.fault:
        return "fails"
    if reading.is_awaited:
        return "not set yet"
    if reading.wire is None:
        return "left out" if reading.value_type else ""
    return json.dumps(reading.wire, ensure_ascii=False)


def _shortened(text: str, length: int) -> str:
    text = printable(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _column_widths(rows: Sequence[Cells], width: int) -> list[int]:
    """Return the widths of the columns; while they are too wide, the widest of the first columns shrinks."""
    widths = [max(text_columns(cell) for cell in column) for column in zip(*rows, strict=True)]
    while sum(widths) + len(INDENT) * (len(widths) - 1) > width and max(widths[:SHRINKING_COLUMNS]) > NARROWEST_COLUMN:
        widths[widths.index(max(widths[:SHRINKING_COLUMNS]))] -= 1
    return widths


def _cell_lines(row: Cells, widths: Sequence[int], paints: Sequence[Callable[[str], str]]) -> Iterator[str]:
    wrapped = [wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
    for texts in zip_longest(*wrapped, fillvalue=""):
        padded = [
            (paint(text) if text else "") + " " * (width - text_columns(text))
            for text, width, paint in zip(texts, widths, paints, strict=True)
        ]
        yield INDENT * 2 + INDENT.join(padded).rstrip(" ")
