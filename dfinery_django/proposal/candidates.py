"""The values that a model can give: paths to its own columns, methods and properties, and those one relation away.

``rank`` sorts them for a role by their names, and by what rows have in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import translation

from ..definitions.readable import method_names
from .samples import SampleRows
from .vocabulary.roles import Role
from .vocabulary.words import Table, points_of, words_of

#: What a relation on the way costs.
_HOP = 6
#: Methods that begin so say yes or no, or may write.
_NO_VALUES = frozenset({
    "is", "has", "can", "set", "update", "save", "calculate", "recalculate", "compute", "recompute", "add", "create",
    "make", "mark", "apply", "send", "generate", "refresh", "delete", "remove", "process", "pay", "cancel", "refund",
    "confirm", "complete", "finalize", "clear", "assign", "sync", "charge", "capture", "mail", "populate", "reset",
    "accept", "reject", "approve", "ship", "validate",
})  # fmt: skip
_KINDS: tuple[tuple[tuple[type[Any], ...], str], ...] = (
    ((models.BooleanField,), "flag"),
    ((models.DateTimeField,), "moment"),
    ((models.DateField, models.TimeField, models.DurationField), "time"),
    ((models.DecimalField, models.FloatField), "money"),
    ((models.AutoField, models.IntegerField), "count"),
    ((models.EmailField,), "email"),
    ((models.UUIDField,), "uuid"),
    (
        (models.FileField, models.FilePathField, models.URLField, models.JSONField, models.GenericIPAddressField),
        "other",
    ),
    ((models.CharField, models.TextField), "text"),
)


@dataclass(frozen=True)
class Candidate:
    """A path that can be read from a model.

    :ivar column: the column at its end; ``None`` for a method or a property
    :ivar cost: what the way to it costs
    :ivar points: how well it fits a role, for a reason
    """

    path: str
    holder: type[models.Model]
    name: str
    column: models.Field[Any, Any] | None = None
    cost: int = 0
    points: int = 0
    reason: str = ""

    @property
    def kind(self) -> str:
        if self.column is None:
            return "method"
        return "key" if self.column.primary_key and "." not in self.path else kind_of(self.column)

    @property
    def is_optional(self) -> bool:
        return self.column is None or "." in self.path or self.column.null or bool(self.column.blank)

    @property
    def is_unique(self) -> bool:
        return self.column is not None and self.column.unique and not self.column.primary_key

    @property
    def is_changed(self) -> bool:
        """True if every save changes it."""
        return bool(getattr(self.column, "auto_now", False))

    @property
    def is_at_creation(self) -> bool:
        """True if it is set when the row is inserted, and never again."""
        return bool(getattr(self.column, "auto_now_add", False))

    def plus(self, points: int) -> Candidate:
        return replace(self, points=self.points + points)

    def with_label(self) -> Candidate:
        """Return the label of a column with choices, as people read it."""
        if self.kind != "choice":
            return self
        start, name = self.path[: -len(self.name)], f"get_{self.name}_display"
        return replace(self, path=f"{start}{name}", reason=f"{self.reason}; the label of its choice")


def best_first(found: Iterable[Candidate]) -> list[Candidate]:
    return sorted(found, key=lambda each: (-each.points, each.path.count("."), each.path))


def kind_of(field: Any) -> str:
    """Return the kind of a column in the words of ``Role.kinds``."""
    output = getattr(field, "output_field", field)
    kind = next((kind for classes, kind in _KINDS if isinstance(output, classes)), "other")
    return "choice" if field.choices and kind in ("count", "text") else kind


@lru_cache(maxsize=5000)
def names_of(name: str, verbose: Any = "") -> tuple[str, ...]:
    """Return the name of a thing and its names for people, in English and in the site's language."""
    return tuple(dict.fromkeys([name, *texts_of(verbose)]))


def field_points(model: type[models.Model], field: Any, words: Table, against: Table | None = None) -> int:
    """Return the points of a column's or a relation's names; the words of its model say nothing."""
    names = names_of(field.name, getattr(field, "verbose_name", ""))
    return points_of(names, words, against, neutral=(model._meta.model_name or "",))


def model_points(model: type[models.Model], words: Table, against: Table | None = None, *more: str) -> int:
    """Return the points of a model's names.

    :param more: words that say nothing
    """
    return points_of(names_of(model.__name__, model._meta.verbose_name), words, against, neutral=more)


def has_role(model: type[models.Model], *roles: Role) -> bool:
    """Return whether a column of a model fits one of some roles."""
    return any(fits(each, *roles) for each in columns_of(model))


def fits(column: Any, *roles: Role) -> bool:
    """Return whether a column fits one of some roles."""
    return not column.primary_key and any(_column_fits(column, each) for each in roles)


@lru_cache(maxsize=5000)
def _column_fits(column: Any, role: Role) -> bool:
    names = names_of(column.name, column.verbose_name)
    return kind_of(column) in role.kinds and points_of(names, role.words, role.against) >= role.least


def texts_of(text: Any) -> list[str]:
    """Return a text in English and in the site's language."""
    found = []
    for language in ("en", settings.LANGUAGE_CODE):
        with translation.override(language):
            found.append(str(text or ""))
    return [each for each in dict.fromkeys(found) if each]


def columns_of(model: type[models.Model]) -> Iterator[models.Field[Any, Any]]:
    """Yield the columns that hold a value of their own, and no link to another row."""
    for field in model._meta.concrete_fields:
        if not field.is_relation:
            yield field


def links_of(model: type[models.Model]) -> Iterator[tuple[str, type[models.Model], Any]]:
    """Yield name, model and field of each relation to one row: forward, and of a one-to-one backward."""
    for field in model._meta.get_fields():
        related: Any = getattr(field, "related_model", None)
        if not isinstance(related, type) or not (field.many_to_one or field.one_to_one):
            continue
        if getattr(field, "parent_link", False) or getattr(getattr(field, "field", None), "parent_link", False):
            continue  # a parent's or a child's part of the same row
        name = field.name if field.concrete else getattr(field, "get_accessor_name", lambda: None)()
        if name and hasattr(model, name):
            yield name, related, field


def rows_of(model: type[models.Model]) -> Iterator[tuple[str, type[models.Model], Any]]:
    """Yield name, model and relation of each relation to many rows, forward and backward."""
    for field in model._meta.get_fields():
        related: Any = getattr(field, "related_model", None)
        if not isinstance(related, type) or not (field.one_to_many or field.many_to_many):
            continue
        is_own = field.concrete or not hasattr(field, "get_accessor_name")
        name = field.name if is_own else field.get_accessor_name()  # type: ignore[union-attr]
        if name and hasattr(model, name) and hasattr(related, "_meta"):
            yield name, related, field


def values_of(
    model: type[models.Model], hops: int = 0, *, prefix: str = "", cost: int = 0, but: Iterable[type] = ()
) -> Iterator[Candidate]:
    """Yield what can be read from a model, and over so many relations to one row, but to none of some models."""
    for field in columns_of(model):
        yield Candidate(prefix + field.name, model, field.name, field, cost)
    for name in _own_methods(model):
        yield Candidate(prefix + name, model, name, None, cost)
    for name, related, _ in links_of(model) if hops else ():
        if related is not model and not issubclass(related, tuple(but)) and not is_content_type(related):
            yield from values_of(related, hops - 1, prefix=f"{prefix}{name}.", cost=cost + _HOP, but=(*but, model))


def json_values(model: type[models.Model], samples: SampleRows) -> Iterator[Candidate]:
    """Yield the texts and numbers in the JSON columns of rows, such as a copy of the product."""
    kinds = {str: models.CharField, int: models.IntegerField, float: models.FloatField}
    for column in columns_of(model):
        if isinstance(column, models.JSONField):
            rows = [each for each in samples.values(column.name) if isinstance(each, dict) and each]
            for name, value in (rows[0] if rows else {}).items():
                if type(value) in kinds and name.isidentifier():
                    yield Candidate(f"{column.name}.{name}", model, name, kinds[type(value)]())


def is_content_type(model: type[models.Model]) -> bool:
    """Return whether a model is one of content types."""
    return model._meta.app_config is not None and model._meta.app_config.name.startswith("django.contrib.contenttypes")


@lru_cache(maxsize=1000)
def _own_methods(model: type[models.Model]) -> tuple[str, ...]:
    columns = {each.name for each in model._meta.get_fields()} | {each.attname for each in model._meta.concrete_fields}
    names = (each for each in method_names(model) if each not in columns and not each.endswith("_display"))
    return tuple(each for each in names if each.split("_")[0] not in _NO_VALUES)


def rank(
    model: type[models.Model],
    role: Role,
    samples: SampleRows,
    *,
    hops: int = 0,
    prefix: str = "",
    but: Iterable[type] = (),
    more: Iterable[Candidate] = (),
) -> list[Candidate]:
    """Return what fits a role, best first.

    :param samples: rows that the paths are tried on; the prefix leads from them to the model
    :param more: values besides those of the model
    """
    found = []
    for each in (*values_of(model, hops, prefix=prefix, but=but), *more):
        base = _points(each, role, prefix)
        evidence = samples.evidence(each.path, is_amount=role.is_amount) if base >= role.least else None
        if evidence is not None and base + evidence[0] >= min(role.least, base) - 10:
            kind = "a method or property" if each.column is None else "unique" if each.is_unique else ""
            reason = ", ".join(filter(None, (kind, f"named like {role.noun}", evidence[1])))
            found.append(replace(each, points=base + evidence[0], reason=reason))
    return best_first(found)


def _points(each: Candidate, role: Role, prefix: str) -> int:
    is_no_amount = is_percentage(each.column) or (each.column is None and each.name.endswith("s"))  # rows, no number
    if each.kind not in role.kinds or (role.is_amount and is_no_amount):
        return 0
    texts = [*names_of(each.name, getattr(each.column, "verbose_name", ""))]
    way = each.path.removeprefix(prefix).replace(".", " ")
    texts += [way] if each.cost else []
    points = points_of(texts, role.words, role.against, neutral=words_of(each.holder._meta.model_name or ""))
    bonus = 8 if each.is_unique and "." not in each.path else 0
    return points + role.kinds[each.kind] + bonus - each.cost if points > 0 else 0


def is_percentage(field: Any) -> bool:
    """Return whether a column's values end at 100, as those of percentages do."""
    limits = [each.limit_value for each in getattr(field, "validators", ()) if isinstance(each, MaxValueValidator)]
    return any(not callable(each) and each <= 100 for each in limits)
