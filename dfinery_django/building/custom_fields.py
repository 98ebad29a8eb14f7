"""The ledger of custom fields: the type of each so far, and the fields to register in DFINERY's console.

DFINERY stores the same field with another JSON type as another field. So a field without a declared type keeps that of
its first value. Only ``TYPE_DRIFT = "fail"`` fails an event here, and in the steady state each process runs one SELECT
a minute.
"""

from __future__ import annotations

import csv
import datetime as dt
import logging
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from functools import lru_cache
from typing import Any

from django.db.models import F

from .. import clock
from ..conf import get_settings
from ..db import savepoints, sql, tenants
from ..definitions import registry
from ..definitions.definition import EventDefinition
from ..exceptions import PayloadError
from ..models import CustomField
from ..schema import properties
from ..schema.properties import Scope
from ..schema.types import Wire, WireType, convert, infer
from ..text.reasons import ReasonText

logger = logging.getLogger("dfinery_django")

RELOAD_SECONDS = 60
LAST_SEEN_PRECISION = dt.timedelta(hours=1)  # the precision of ``last_seen_at``
MOST_FIELDS = 5000  # a limit for sites that generate names, which would fill the memory of every process

FieldKey = tuple[str, str]  # (scope, name); the scope of an event's name is empty


class _LedgerSnapshot:
    def __init__(self, using: str) -> None:
        self.read_at = clock.monotonic()
        self.types: dict[FieldKey, WireType | None] = {}
        self.seen_at: dict[FieldKey, dt.datetime] = {}
        rows = CustomField.objects.using(using).values_list("scope", "name", "type", "last_seen_at")
        for scope, name, type_name, seen_at in rows[:MOST_FIELDS]:
            self.types[scope, name] = WireType(type_name) if type_name else None
            self.seen_at[scope, name] = seen_at


_snapshots: dict[tuple[str, str | None], _LedgerSnapshot] = {}  # keyed by database and tenant


def clear_known_fields(**kwargs: Any) -> None:
    """Drop the snapshots, so that the ledger is read again before its next use."""
    _snapshots.clear()


class SeenFields:
    """The custom fields of a batch of payloads, beside the outbox of a database; a ``TypeMemory``."""

    def __init__(self, using: str) -> None:
        self.using = using
        self._new: dict[FieldKey, WireType | None] = {}
        self._drifted: Counter[tuple[FieldKey, WireType]] = Counter()
        self._declared_types: dict[FieldKey, WireType] = {}
        self._seen_again: set[FieldKey] = set()

    def fit(self, scope: Scope, name: str, value: Any, wire_type: WireType | None, path: str) -> Wire:
        """Return the value in the field's type: the given one, else the remembered one, else its own.

        :raises PayloadError: if it can't be converted; with ``TYPE_DRIFT = "fail"`` also for another type than so far
        """
        remembered = self._type((scope, name))
        if wire_type is None and remembered is not None:
            wire = _fit_remembered(scope, name, value, remembered, path)
        else:
            wire = convert(value, wire_type, path)
        self._observe((scope, name), infer(wire))
        return wire

    def remembered(self, scope: Scope, name: str) -> WireType | None:
        """Return the type that a field had before this batch."""
        known = self._snapshot()
        return known.types.get((scope, name)) if known else None

    def event(self, name: str) -> None:
        """Record that an event of this name was built."""
        if name not in properties.PREDEFINED_EVENTS:
            self._observe(("", name), None)

    def save(self) -> None:
        """Write the news to the ledger: after commit, since a checkout must not wait for another one's ledger rows."""
        if self._new or self._drifted or self._declared_types or self._seen_again:
            savepoints.after_commit(self._flush, self.using)

    def _snapshot(self) -> _LedgerSnapshot | None:
        place = tenants.database_and_schema(self.using)
        known = _snapshots.get(place)
        if known is None or clock.monotonic() - known.read_at > RELOAD_SECONDS:
            try:
                with savepoints.savepoint_guard(self.using):
                    known = _snapshots[place] = _LedgerSnapshot(self.using)
            except Exception as error:  # noqa: BLE001 - logged
                words = "The custom fields seen so far can't be read: types come from the values"
                savepoints.swallow(error, self.using, words)
        return known

    def _type(self, key: FieldKey) -> WireType | None:
        return self._new[key] if key in self._new else self.remembered(*key)  # type: ignore[arg-type]

    def _observe(self, key: FieldKey, found: WireType | None) -> None:
        known = self._snapshot()
        if known is None:
            return
        if key not in known.types and key not in self._new:
            if len(known.types) + len(self._new) < MOST_FIELDS:
                self._new[key] = found
        elif found is not None and found != self._type(key):
            if properties.declared_type(*key):  # type: ignore[arg-type]
                self._declared_types[key] = found
            else:
                self._drifted[key, found] += 1
        elif key in known.seen_at and clock.now() - known.seen_at[key] > LAST_SEEN_PRECISION:
            self._seen_again.add(key)

    def _flush(self) -> None:
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 - logged
            savepoints.swallow(error, self.using, "Custom fields were not recorded")

    def _write(self) -> None:
        now, ledger = clock.now(), CustomField.objects.using(self.using)
        if self._new:
            # In one order, so that two processes can't deadlock.
            rows = [
                CustomField(
                    key=CustomField.key_of(scope, name), scope=scope, name=name, type=found.value if found else "",
                    first_seen_at=now, last_seen_at=now,
                )
                for (scope, name), found in self._new.items()
            ]  # fmt: skip
            rows.sort(key=lambda row: row.key)
            sql.insert_missing(rows, using=self.using)
        for key, found in self._declared_types.items():
            ledger.filter(key=CustomField.key_of(*key)).update(type=found.value, last_seen_at=now)
        for (key, found), count in self._drifted.items():
            ledger.filter(key=CustomField.key_of(*key)).update(
                drift_count=F("drift_count") + count, drift_type=found.value, drifted_at=now, last_seen_at=now
            )
            _log_drift(*key, found)
        if self._seen_again:
            ledger.filter(key__in=[CustomField.key_of(*key) for key in self._seen_again]).update(last_seen_at=now)
        clear_known_fields()


def _fit_remembered(scope: Scope, name: str, value: Any, remembered: WireType, path: str) -> Wire:
    try:
        return convert(value, remembered, path)
    except PayloadError:
        wire = convert(value, None, path)  # raises for a value that can't be sent in any type
    if get_settings().TYPE_DRIFT == "warn":
        return wire
    found = infer(wire)
    line = f'DFINERY["CUSTOM_FIELDS"]["{scope}"]["{name}"] = "{found.value}"'
    problem = ReasonText("type_drift", found=found.label, name=repr(name), type=remembered.label)
    raise PayloadError(path, problem, ReasonText("declare_type", line=line))


@lru_cache(maxsize=1000)
def _log_drift(scope: str, name: str, found: WireType) -> None:
    """Log it once per process: a field that drifts does so with every other event."""
    logger.warning(
        "The custom field %r (%s) came as %s, another type than before: DFINERY stores it as another field. "
        "Declare it in DFINERY['CUSTOM_FIELDS'].", name, scope, found.label,
    )  # fmt: skip


@dataclass(frozen=True)
class ListedField:
    """A custom field or event to register in DFINERY's console."""

    scope: str  # event, item or user; "" for an event's name
    name: str
    console_name: str
    type: str  # string, long, double or boolean; "" for an event's name, and before the first value
    origin: str  # the source of its type: declared (CUSTOM_FIELDS), model (a model's field), seen (its first value)
    definitions: tuple[str, ...]  # those that map it
    first_seen_at: dt.datetime | None
    last_seen_at: dt.datetime | None  # exact to an hour
    drift_count: int
    drift_type: str


def list_fields(databases: Iterable[str]) -> list[ListedField]:
    """Return all custom fields and events that are declared, mapped or were ever in these outboxes; events first."""
    mapped: dict[FieldKey, list[EventDefinition]] = {}
    for definition in registry.definitions():
        for key in dict.fromkeys([("", definition.event_name), *definition.custom_names()]):
            if key[0] or key[1] not in properties.PREDEFINED_EVENTS:
                mapped.setdefault(key, []).append(definition)
    declared = {(scope, name) for scope, names in get_settings().CUSTOM_FIELDS.items() for name in names}
    rows: dict[FieldKey, list[CustomField]] = {key: [] for key in (*mapped, *declared)}
    for using in databases:
        for row in CustomField.objects.using(using).iterator():
            rows.setdefault((row.scope, row.name), []).append(row)
    order = ("", *properties.PREDEFINED)
    return [_listed(key, rows[key], mapped.get(key, [])) for key in sorted(rows, key=lambda k: (order.index(k[0]), k))]


@dataclass(frozen=True)
class _UnixLines:
    """A file that ends lines with LF. With ``lineterminator``, ``csv`` would not quote a CR within a cell."""

    file: Any

    def write(self, row: str) -> None:
        self.file.write(row.removesuffix("\r\n") + "\n")


def write_csv(listed: Iterable[ListedField], file: Any) -> None:
    """Write a row for each to anything with ``write(text)``; definitions are separated by blanks, formulas escaped."""
    writer = csv.writer(_UnixLines(file))
    writer.writerow([each.name for each in fields(ListedField)])
    for each in listed:
        cells = (" ".join(cell) if isinstance(cell, tuple) else cell for cell in astuple(each))
        writer.writerow([escape_formula(cell) if isinstance(cell, str) else cell for cell in cells])


def escape_formula(text: str) -> str:
    """Return a text with an apostrophe before it where a spreadsheet could take it for a formula.

    Leading blanks, invisible characters and quotation marks are ignored; full-width signs count like their ASCII ones.
    """
    first = next((each for each in text if each.isprintable() and each not in " '\""), "")
    is_formula = unicodedata.normalize("NFKC", first)[:1] in tuple("=+-@") or text[:1] in tuple("\t\r\n")
    return f"'{text}" if is_formula else text


def _listed(key: FieldKey, rows: list[CustomField], definitions: list[EventDefinition]) -> ListedField:
    type_name, origin = _type_and_origin(key, definitions)
    return ListedField(
        scope=key[0], name=key[1],
        console_name=properties.console_name(key[0], key[1]) if key[0] else properties.console_event_name(key[1]),  # type: ignore[arg-type]
        type=type_name or next((row.type for row in rows), ""), origin=origin,
        definitions=tuple(each.name for each in definitions),
        first_seen_at=min((row.first_seen_at for row in rows), default=None),
        last_seen_at=max((row.last_seen_at for row in rows), default=None),
        drift_count=sum(row.drift_count for row in rows),
        drift_type=next((row.drift_type for row in rows if row.drift_type), ""),
    )  # fmt: skip


def _type_and_origin(key: FieldKey, definitions: list[EventDefinition]) -> tuple[str, str]:
    scope, name = key
    if not scope:
        return "", "declared" if definitions else "seen"  # a definition's, or track()'s
    if declared := properties.declared_type(scope, name):  # type: ignore[arg-type]
        return declared.value, "declared"
    for each in definitions:
        if found := each.type_of(scope, name):  # type: ignore[arg-type]
            return found.value, "model"
    return "", "seen"
