"""The conditions under which an order was bought, cancelled or refunded: statuses, flags, moments."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import models, router
from django.utils.functional import Promise

from ..db.savepoints import savepoint_guard
from .candidates import columns_of, field_points, kind_of, links_of, texts_of
from .samples import newest
from .vocabulary.order_roles import CANCELED_MOMENT, PAID_MOMENT, REFUNDED_MOMENT
from .vocabulary.roles import Role
from .vocabulary.state_words import FLAG_AGAINST, FLAGS, PHASES, SETTLED, STATUS_AGAINST, STATUS_FIELD
from .vocabulary.words import Table, points_of

_MOST_VALUES = 60
#: Columns that are empty before.
_EMPTY_BEFORE: Mapping[str, Role] = {
    "paid": PAID_MOMENT, "settled": PAID_MOMENT, "canceled": CANCELED_MOMENT, "refunded": REFUNDED_MOMENT,
}  # fmt: skip
#: Points from which a condition says by itself that an order was bought.
STRONG = 60


@dataclass(frozen=True)
class Condition:
    """A ``when``: lookups that must become true, or the word "created"."""

    points: int
    when: Mapping[str, Any] | str
    reason: str


@dataclass(frozen=True)
class _Value:
    """A value that a status may have, with the names that it has anywhere."""

    stored: Any
    texts: tuple[str, ...]

    @property
    def label(self) -> str:
        return self.texts[-1]

    @property
    def phase(self) -> str:
        points = {phase: points_of(self.texts, table) for phase, table in PHASES.items()}
        best = max(points, key=points.__getitem__)
        return best if points[best] >= 40 else ""

    def points(self, phase: str) -> int:
        return points_of(self.texts, PHASES[phase])


def conditions_of(model: type[models.Model], phase: str) -> list[Condition]:
    """Return what may make an order "paid", "canceled" or "refunded", the best first."""
    statuses = [*_by_status(model, phase)]
    found = [*statuses, *_by_flag(model, phase)]
    moments = [*_by_moment(model, phase)]
    if phase in ("paid", "settled"):
        moments = [_less_if_empty(model, each, statuses) for each in moments]
    return sorted([*found, *moments], key=lambda each: (-each.points, str(each.when)))


# ── statuses ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _by_status(model: type[models.Model], phase: str) -> Iterator[Condition]:
    for lookup, named, values, words in _statuses(model):
        if phase in ("paid", "settled") and (named < 0 or not values):
            continue
        chosen, points, reason = _values_of_phase(values, phase)
        if chosen:
            when = {lookup: chosen[0]} if len(chosen) == 1 else {f"{lookup}__in": chosen}
            yield Condition(points + named, when, f"{reason}{words}")


def _statuses(model: type[models.Model]) -> Iterator[tuple[str, int, list[_Value], str]]:
    """Yield lookup, points of its name, values and words for each column and each table that holds a status."""
    for each in columns_of(model):
        named = _named_like_status(model, each)
        if kind_of(each) == "choice" or (named > 0 and kind_of(each) in ("text", "count")):
            values, source = _values_of(model, each)
            if named or each.choices:
                yield each.name, named - (0 if named else 25), values, source
    for name, related, field in links_of(model):
        if field.concrete and _named_like_status(model, field) > 0 and related is not model:
            yield from _by_table(name, related)


def _named_like_status(model: type[models.Model], field: Any) -> int:
    return field_points(model, field, STATUS_FIELD, STATUS_AGAINST)


def _by_table(name: str, related: type[models.Model]) -> Iterator[tuple[str, int, list[_Value], str]]:
    for column in columns_of(related):
        if kind_of(column) in ("text", "choice") and column.name not in ("color", "description"):
            values = _choices(related, column) or _stored_values(related, column)
            if any(each.phase for each in values):
                yield f"{name}__{column.name}", 18, values, f" ({related._meta.label} has such a row)"


def _values_of_phase(values: Sequence[_Value], phase: str) -> tuple[list[Any], int, str]:
    """Return the values that make the phase true, with points and a reason."""
    phases = [each.phase for each in values]
    if phase == "settled":
        settled = [each for each in values if each.phase != "other" and points_of(each.texts, SETTLED) >= 80]
        return [each.stored for each in settled], 60, _labels(settled)
    if phase in phases:
        best = max(each.points(phase) for each in values if each.phase == phase)
        exact = [each for each in values if each.phase == phase and each.points(phase) >= best - 12]
        return [each.stored for each in exact], best - 20, _labels(exact)
    after = [each for each in values if each.phase in ("to ship", "bought", "later")] if phase == "paid" else []
    if "to ship" in phases and after:
        words = "who waits for the goods has paid: "
        return [each.stored for each in after], STRONG + 10, words + _labels(after)
    if "bought" in phases and "unpaid" in phases and after:
        words = "no value is called paid: these come after those that wait, "
        return [each.stored for each in after], STRONG - 11, words + _labels(after)
    return [], 0, ""


def _labels(values: Sequence[_Value]) -> str:
    return "a status of its own: " + ", ".join(each.label for each in values[:6])


def _values_of(model: type[models.Model], field: Any) -> tuple[list[_Value], str]:
    if found := _choices(model, field):
        return found, ""
    if found := _stored_values(model, field):
        return found, " (found in its rows)"
    return _constants(model), " (a constant of the class)"


def _choices(model: type[models.Model], field: Any) -> list[_Value]:
    try:
        pairs = list(field.flatchoices) if field.choices else []
    except Exception:  # noqa: BLE001 - the site's own callable
        return []
    constants = {each.stored: each.texts for each in _constants(model)}
    found = _values_in(pairs[:_MOST_VALUES])
    return [_Value(stored, (*constants.get(stored, ()), *texts)) for stored, texts in found.items()]


def _constants(model: type[models.Model]) -> list[_Value]:
    """Return constants of the class, ``STATUS_PAID = 2``, its lists of choices, and members of its enums."""
    found: dict[Any, tuple[str, ...]] = {}
    for cls in model.__mro__:
        for name, value in vars(cls).items() if cls is not models.Model and issubclass(cls, models.Model) else ():
            if name.isupper() and isinstance(value, (str, int)) and not isinstance(value, bool):
                found.setdefault(value, (*_code_text(value), name.removeprefix("STATUS_").removeprefix("STATE_")))
            elif name[:1].isupper():
                found.update(_values_in(_pairs(value if name.isupper() else _class_attribute(model, name))))
    return [_Value(stored, texts) for stored, texts in found.items()]


def _pairs(constant: Any) -> list[tuple[Any, Any]]:
    """Return value and label of a dict, of pairs, and of an enum; of anything else none."""
    if isinstance(constant, type) and issubclass(constant, enum.Enum):
        return [(each, getattr(each, "label", "")) for each in constant]
    pairs = list(constant.items()) if isinstance(constant, dict) else constant
    is_pairs = isinstance(pairs, (list, tuple)) and all(isinstance(each, tuple) and len(each) == 2 for each in pairs)
    return list(pairs) if is_pairs else []


def _values_in(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, tuple[str, ...]]:
    """Return the stored values, each with the texts that name it: its code, its member of an enum, its label."""
    found = {}
    for value, label in pairs:
        stored = getattr(value, "value", value)
        if isinstance(stored, (str, int)) and stored != "" and isinstance(label, (str, Promise)):
            member = (value.name,) if isinstance(value, enum.Enum) else ()
            found[stored] = (*_code_text(stored), *member, *texts_of(label))
    return found


def _code_text(stored: Any) -> tuple[str, ...]:
    return (stored,) if isinstance(stored, str) and len(stored) > 2 else ()


def _class_attribute(model: type[models.Model], name: str) -> Any:
    """Return an attribute, also an enum behind a descriptor."""
    try:
        return getattr(model, name, None)
    except Exception:  # noqa: BLE001 - the site's own descriptor
        return None


def _stored_values(model: type[models.Model], field: Any) -> list[_Value]:
    using = router.db_for_read(model)
    try:
        with savepoint_guard(using):
            rows = model._base_manager.using(using).order_by().values_list(field.name, flat=True).distinct()
            values = list(rows[:_MOST_VALUES])
    except Exception:  # noqa: BLE001 - no table, or values that the field can't read
        return []
    kept = [each for each in values if isinstance(each, str) and each]
    return [_Value(each, (each,)) for each in sorted(kept)]


def unread_status(model: type[models.Model]) -> str:
    """Return the name of a column that is named like a status, and of whose values nothing is known; "" if none is."""
    for each in columns_of(model):
        is_status = _named_like_status(model, each) >= 20 and kind_of(each) in ("text", "count")
        if is_status and not _values_of(model, each)[0]:
            return each.name
    return ""


def values_named(model: type[models.Model], table: Table) -> list[tuple[str, Any]]:
    """Return column and value of each choice that a table names."""
    return [
        (column.name, value.stored)
        for column in columns_of(model)
        if _named_like_status(model, column) <= 0
        for value in _choices(model, column)
        if points_of(value.texts, table) >= 90
    ]


def flags_named(model: type[models.Model], table: Table, against: Table | None = None) -> list[str]:
    """Return the columns of true and false that a table names; one that may be neither is left out."""
    return [each.name for each, points in _flags(model, table, against) if points >= 90 and not each.null]


# ── flags and moments ──────────────────────────────────────────────────────────────────────────────────────────────


def _flags(model: type[models.Model], table: Table, against: Table | None = None) -> list[tuple[Any, int]]:
    flags = (each for each in columns_of(model) if kind_of(each) == "flag")
    return [(each, field_points(model, each, table, against)) for each in flags]


def _by_flag(model: type[models.Model], phase: str) -> Iterator[Condition]:
    for each, points in _flags(model, FLAGS[phase], FLAG_AGAINST):
        if points >= 40:
            yield Condition(points, {each.name: True}, "a yes-or-no column that is named so")


def _less_if_empty(model: type[models.Model], moment: Condition, statuses: Sequence[Condition]) -> Condition:
    """Take points off a moment that bought rows lack: some way of paying does not set it."""
    best = max((each.points for each in statuses), default=0)
    for lookup, _, values, _ in _statuses(model) if best else ():
        bought = [each.stored for each in values if each.phase in ("paid", "to ship", "later")]
        if bought and newest(model, {f"{lookup}__in": bought, **dict.fromkeys(moment.when, True)}).rows:
            reason = f"{moment.reason}; some bought rows lack it"
            return replace(moment, points=min(moment.points, best - 1), reason=reason)
    return moment


def _by_moment(model: type[models.Model], phase: str) -> Iterator[Condition]:
    role = _EMPTY_BEFORE[phase]
    for each in columns_of(model):
        if kind_of(each) in ("moment", "time") and each.null and isinstance(each, models.DateField):
            points = field_points(model, each, role.words, role.against)
            if points >= role.least:
                yield Condition(points - 4, {f"{each.name}__isnull": False}, "a moment that is empty before")
