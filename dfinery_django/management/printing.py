"""Explanations as text for a terminal, and as what ``json`` takes. Decides nothing."""

from __future__ import annotations

import datetime as dt
import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from ..explain import Explanation, FiringVerdict
from ..fieldwise import FieldReading, PayloadPart
from ..states import EventStatus

#: Lines are as wide as the terminal, within these.
NARROWEST, WIDEST = 80, 120
NARROWEST_COLUMN = 9
#: Longest texts of a Python value and of a wire value. The JSON has the latter whole.
LONGEST_VALUE, LONGEST_WIRE = 36, 60
GAP = "  "
HEADINGS = ("source", "Python value", "wire value", "type", "console")
#: The first columns give way to the width of the terminal.
FLEXIBLE = 3

#: Types that are seen from the text of a value. '4.00' may be a text, or one of Django's lazy or marked texts.
_PLAIN = ("str", "int", "float", "bool", "NoneType", "datetime", "date", "time")

Row = tuple[str, ...]


def as_json(explanation: Explanation) -> dict[str, Any]:
    """The explanation as ``json`` takes it; datetimes as ISO 8601 text."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(explanation), default=dt.datetime.isoformat))
    return plain


def lines(explanation: Explanation, style: Any, columns: int) -> Iterator[str]:
    """The explanation for a terminal of so many columns.

    :param style: a management command's ``self.style``
    """
    width = max(NARROWEST, min(columns - 1, WIDEST))
    yield from _answer(explanation, style, width)
    yield ""
    name_width = max(len(step.name) for step in explanation.steps)
    for step in explanation.steps:
        mark, paint = _mark(step.holds, style)
        head = f"{GAP}{step.name:{name_width}}{GAP}"
        first, *rest = wrap(step.words, width - len(head) - 5)
        yield f"{head}{paint(f'{mark:3}')}{GAP}{first}"
        yield from (" " * (len(head) + 5) + line for line in rest)
    yield ""
    yield from _table(explanation, style, width - len(GAP))


_VERDICTS = {
    FiringVerdict.FIRES: "fires",
    FiringVerdict.CAPTURED: "was captured already",
    FiringVerdict.MISSED: "matches, but has no event",
    FiringVerdict.SILENT: "does not fire",
}
_ENDINGS = {
    EventStatus.PENDING: "would be sent to {destination}.",
    EventStatus.FAILED: "would fail. {reason}",
    EventStatus.CANCELLED: "would be skipped. {reason}",
    EventStatus.EXPIRED: "would be expired. {reason}",
}


def _answer(explanation: Explanation, style: Any, width: int) -> Iterator[str]:
    name, verdict = explanation.definition, explanation.verdict
    if explanation.event_name != name:
        name += f" (event {explanation.event_name})"
    paint = style.SUCCESS if verdict in (FiringVerdict.FIRES, FiringVerdict.CAPTURED) else style.WARNING
    yield f"{style.MIGRATE_HEADING(name)} {paint(_VERDICTS[verdict])}"
    yield from _indented(explanation.why, 1, width)
    subject = {FiringVerdict.CAPTURED: "Rebuilt now, it", FiringVerdict.SILENT: "If it fired as it is, its event"}
    ending = _ENDINGS[EventStatus(explanation.ending)].format(**vars(explanation))
    paint = style.SUCCESS if explanation.ending == EventStatus.PENDING else style.ERROR
    yield from _indented(f"{subject.get(verdict, 'Its event')} {ending}", 1, width, paint)


def _indented(text: str, depth: int, width: int, paint: Callable[[str], str] = str) -> Iterator[str]:
    return (GAP * depth + paint(line) for line in wrap(text, width - len(GAP) * depth))


def _mark(holds: bool | None, style: Any) -> tuple[str, Callable[[str], str]]:
    if holds is None:
        return "-", style.NOTICE
    return ("yes", style.SUCCESS) if holds else ("no", style.WARNING)


def _table(explanation: Explanation, style: Any, width: int) -> Iterator[str]:
    """All parts in the same columns."""
    rows = [_row(reading) for part in explanation.parts for reading in part.readings]
    widths = _widths([HEADINGS, *rows], width - 2 * len(GAP))
    yield from _cells(HEADINGS, widths, [style.MIGRATE_LABEL] * len(HEADINGS))
    for part in explanation.parts:
        start = f", from {part.start}" if part.start else ""
        yield GAP + style.MIGRATE_LABEL(part.path + start)
        yield from _part(part, widths, style, width)
    shown = sum(part.path.startswith("items[") for part in explanation.parts)
    if explanation.item_count is not None and explanation.item_count > shown:
        yield f"{GAP}and {explanation.item_count - shown} more items (--items)"


def _part(part: PayloadPart, widths: Sequence[int], style: Any, width: int) -> Iterator[str]:
    for reading in part.readings:
        paint = style.ERROR if reading.fault else str
        yield from _cells(_row(reading), widths, [str, str, paint, str, str])
        if reading.fault:
            yield from _indented(str(reading.fault), 3, width, style.ERROR)
    if part.fault:
        yield from _indented(str(part.fault), 2, width, style.ERROR)
    elif not part.readings:
        yield f"{GAP * 2}nothing is read"


def _row(reading: FieldReading) -> Row:
    value, kind = reading.value, reading.value_type
    if kind and kind not in _PLAIN and kind not in value:
        value = f"{kind} {value}"
    label = reading.wire_type.label if reading.wire_type else ""
    by = "" if reading.type_from in ("predefined", "") else f" ({reading.type_from})"
    values = _cut(value, LONGEST_VALUE), _cut(_wire(reading), LONGEST_WIRE)
    return _printable(reading.source), *values, label, _printable(reading.console_name + by)


def _wire(reading: FieldReading) -> str:
    if reading.fault:
        return "fails"
    if reading.wire is None:
        return "left out" if reading.value_type else ""
    return json.dumps(reading.wire, ensure_ascii=False)


def _cut(text: str, length: int) -> str:
    text = _printable(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _printable(text: str) -> str:
    """Without what moves a terminal's cursor or turns its writing round: a customer may be called anything."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _widths(rows: Sequence[Row], width: int) -> list[int]:
    """As wide as needed; if that is too much, the widest of the flexible columns give way."""
    widths = [max(_columns(cell) for cell in column) for column in zip(*rows, strict=True)]
    while sum(widths) + len(GAP) * (len(widths) - 1) > width and max(widths[:FLEXIBLE]) > NARROWEST_COLUMN:
        widths[widths.index(max(widths[:FLEXIBLE]))] -= 1
    return widths


def _cells(row: Row, widths: Sequence[int], paints: Sequence[Callable[[str], str]]) -> Iterator[str]:
    wrapped = [wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
    for index in range(max(map(len, wrapped))):
        line = ""
        gap = 0
        for cell, width, paint in zip(wrapped, widths, paints, strict=True):
            text = cell[index] if index < len(cell) else ""
            if text:
                line += " " * gap + paint(text)
                gap = 0
            gap += width - _columns(text) + len(GAP)
        yield GAP * 2 + line


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most so many columns, broken at blanks or behind signs of a path; anywhere if it has none."""
    text, found = _printable(text), []
    while _columns(text) > width:
        end = next(i for i in range(len(text), 0, -1) if _columns(text[:i]) <= width)
        blank = text.rfind(" ", 1, end + 1)
        sign = max(text.rfind(each, 1, end) for each in "._,(-") + 1
        end = blank if blank > end // 3 else sign if sign > end // 3 else end
        found.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return [*found, text]


def _columns(text: str) -> int:
    """How wide a terminal shows it: East Asian characters take two columns."""
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)
