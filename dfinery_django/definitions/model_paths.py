"""Dotted paths followed over models: the relations to fetch, the type of the last field, a missing name.

Following a path reads ``_meta`` only; ``get_rows`` reads rows.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import DatabaseError, connections, models
from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from ..conf import did_you_mean, nearest
from ..db.retry import is_transient
from ..exceptions import error_text
from ..schema.model_fields import wire_type_of
from ..schema.types import WireType
from .expressions import is_index

logger = logging.getLogger("dfinery_django")

#: Manager methods that return related objects: one of them, or each (``Joined``).
_ROW_METHODS = frozenset({"first", "last", "all"})


@dataclass(frozen=True)
class Hop:
    """One relation of a path."""

    name: str  # the attribute on the instance
    relation: Any  # a relational field, a reverse relation or a GenericForeignKey
    model: type[models.Model] | None  # the related model; None for a generic relation
    holder: type[models.Model]  # the model that has the attribute

    @property
    def is_many(self) -> bool:
        return bool(self.relation.one_to_many or self.relation.many_to_many)

    @property
    def uses_django_descriptor(self) -> bool:
        """True if Django's own descriptor reads it: those of tags and the like don't accept our queryset."""
        return type(inspect.getattr_static(self.holder, self.name, None)).__module__.startswith("django.")

    def manager_has(self, part: str) -> bool:
        """Return whether the manager of a to-many relation has that name."""
        assert self.model is not None  # noqa: S101 - only called for to-many relations
        attribute: Any = getattr(self.holder, self.name, None)
        own = (attribute, getattr(attribute, "related_manager_cls", None))
        return any(hasattr(each, part) for each in (*own, self.model._default_manager, self.model._base_manager))

    @property
    def is_joinable(self) -> bool:
        """True if a join loses no row: an inner join over a dangling key would drop the holder."""
        if self.is_many or self.model is None or not self.uses_django_descriptor or not _has_plain_manager(self.model):
            return False
        if not self.relation.concrete or self.relation.null:
            return True  # left join
        return bool(self.relation.db_constraint) and self.relation.remote_field.on_delete is not models.DO_NOTHING


@dataclass(frozen=True)
class Trace:
    """A path followed over a model.

    :ivar field: the concrete field at its end, if there is one
    :ivar ends_in_relation: whether its end is a related object or manager
    :ivar missing: ``(model, part)`` if the model has no such ``part``
    """

    hops: tuple[Hop, ...] = ()
    field: models.Field[Any, Any] | None = None
    ends_in_relation: bool = False
    missing: tuple[type[models.Model], str] | None = None


def trace(model: type[models.Model], path: str, *, through_many: bool = False) -> Trace:
    """Follow a dotted path as far as ``_meta`` knows; methods, properties and generic relations end it.

    :param through_many: go on behind a to-many relation as if behind each of its rows
    """
    hops: list[Hop] = []
    current: type[models.Model] | None = model
    parts = path.split(".")
    found: Any = None
    at_manager = False
    for index, part in enumerate(parts):
        if current is None:
            return Trace(tuple(hops))
        if at_manager and part in _ROW_METHODS:
            at_manager = False
            continue
        if index and parts[index - 1] == "all" and is_index(part):
            continue
        if at_manager and not through_many:
            return Trace(tuple(hops), missing=None if hops[-1].manager_has(part) else (current, part))
        found = _attribute(current, part)
        if isinstance(found, Hop):
            hops.append(found)
            current, at_manager = found.model, found.is_many
        elif isinstance(found, models.Field):
            return Trace(tuple(hops), found if index == len(parts) - 1 else None)
        elif _has_attribute(current, part):
            return Trace(tuple(hops))
        else:
            return Trace(tuple(hops), missing=(current, part))
    return Trace(tuple(hops), ends_in_relation=isinstance(found, Hop))


def _attribute(model: type[models.Model], part: str) -> Hop | models.Field[Any, Any] | None:
    if part == "pk":
        pk = model._meta.pk
        return pk if isinstance(pk, models.Field) and not pk.is_relation else None
    for reverse in model._meta.related_objects:
        if reverse.get_accessor_name() == part:
            return Hop(part, reverse, reverse.related_model, model)
    try:
        field: Any = model._meta.get_field(part)
    except FieldDoesNotExist:
        return None
    if field.is_relation and field.related_model is None:
        return Hop(part, field, None, model)  # a GenericForeignKey
    if not field.is_relation:
        return field if isinstance(field, models.Field) else None
    if part == field.name and field.related_model and (field.concrete or hasattr(model, part)):
        return Hop(part, field, field.related_model, model)
    # The field whose value an attribute like customer_id has, or a name that only queries use for a reverse relation.
    target = getattr(field, "target_field", None) if field.concrete else None
    return target if isinstance(target, models.Field) else None


def _has_attribute(model: type[models.Model], part: str) -> bool:
    # pk of a child model or a composite key; attributes that only __getattr__ knows can't be judged.
    return part == "pk" or any(hasattr(each, part) or hasattr(each, "__getattr__") for each in _classes(model))


def _classes(model: type[models.Model]) -> Iterator[type[models.Model]]:
    """Yield the classes of a model's rows: its children's too, where its manager is not Django's own."""
    yield model
    if not _has_plain_manager(model):
        for child in model.__subclasses__():
            yield from _classes(child)


def _has_plain_manager(model: type[models.Model]) -> bool:
    """Return whether the base manager is Django's: others hide rows, or return children (polymorphic)."""
    return type(model._base_manager) is models.Manager


def model_hint(label: object) -> str:
    """Return a sentence with the nearest installed model, or with the form of a model's label."""
    known = tuple(each._meta.label for each in apps.get_models())
    if nearest(label, known):
        return did_you_mean(str(label), known)
    name = str(label).rpartition(".")[2].lower()
    if namesakes := [each for each in known if each.rpartition(".")[2].lower() == name]:
        return f"Did you mean {namesakes[0]!r}? The first part is an app's label, the last part of the app's name."
    return "Write app.Model, of an app in INSTALLED_APPS."


def installed_model(model: Any) -> type[models.Model]:
    """Return the class of ``"app.Model"`` or of a model class.

    :raises LookupError: with the end of a sentence, if there is no such model, or it has no table
    """
    found: Any = model
    if not (isinstance(found, type) and issubclass(found, models.Model)):
        try:
            found = apps.get_model(model)
        except (LookupError, ValueError, AttributeError, TypeError) as error:
            raise LookupError(f"{model!r}, which is not an installed model. {model_hint(model)}") from error
    if found._meta.abstract:
        raise LookupError(f"{found.__name__}, which is abstract. Write a definition for each model that is made of it.")
    if found._meta.swapped:
        words = f'which the site has replaced. Write "model": "{found._meta.swapped}".'
        raise LookupError(f"{found._meta.label}, {words}")
    return found  # type: ignore[no-any-return]


def wire_type(model: type[models.Model], path: str, *, through_many: bool = False) -> WireType | None:
    """Return the type of the model field at a path's end, or ``None`` where the end is something else."""
    field = trace(model, path, through_many=through_many).field
    return wire_type_of(field) if field else None


def get_rows(model: type[models.Model], paths: Sequence[str], keys: Iterable[Any], *, using: str) -> list[models.Model]:
    """Return the rows of these keys with their related rows. A relation that can't be prefetched is read lazily."""
    try:
        return list(queryset_with_related(model, paths, using=using).filter(pk__in=keys))
    except Exception as error:
        if not _can_fall_back(error, using):
            raise
        # Raises again where the rows themselves, and not their relations, are to blame.
        rows = list(queryset_with_related(model, (), using=using).filter(pk__in=keys))
    for path in paths:
        _prefetch_path(rows, model, path, using)
    return rows


def _prefetch_path(rows: list[models.Model], model: type[models.Model], path: str, using: str) -> None:
    try:
        joins, lookups = _plan([trace(model, path, through_many=True).hops], using)
        prefetch_related_objects(rows, *joins, *lookups)
    except Exception as error:
        if not _can_fall_back(error, using):
            raise
        _log_not_fetched(f"{model._meta.label}: {path}", error_text(error))


def _can_fall_back(error: Exception, using: str) -> bool:
    """Return whether to go on: managers of others are to blame, and the transaction is not aborted by the database."""
    return not is_transient(error) and not (isinstance(error, DatabaseError) and connections[using].in_atomic_block)


@lru_cache(maxsize=1000)
def _log_not_fetched(what: str, words: str) -> None:
    """Log it once per process: it is the same for every batch."""
    logger.warning("%s can't be prefetched, so it is read for each object separately: %s", what, words)


def queryset_with_related(
    model: type[models.Model], paths: Iterable[str], *, using: str, ordering: Sequence[str] = ()
) -> QuerySet[models.Model]:
    """Return a queryset with all that the paths read: joins where safe, one more query for each further table.

    Uses ``_base_manager``: default managers may be scoped, filtered or raise. Paths run through to-many relations.
    """
    chains = [trace(model, path, through_many=True).hops for path in paths]
    return _with_related(model, chains, using).order_by(*ordering)


def _with_related(model: type[models.Model], chains: Iterable[Sequence[Hop]], using: str) -> QuerySet[models.Model]:
    joins, lookups = _plan(chains, using)
    rows = model._base_manager.using(using).all()
    rows = rows.select_related(*joins) if joins else rows
    return rows.prefetch_related(*lookups)


def _plan(chains: Iterable[Sequence[Hop]], using: str) -> tuple[list[str], list[Prefetch[Any] | str]]:
    joins: set[str] = set()
    further: dict[str, tuple[Hop, list[Sequence[Hop]]]] = {}
    for chain in chains:
        joined = list(takewhile(lambda hop: hop.is_joinable, chain))
        if joined:
            joins.add("__".join(hop.name for hop in joined))
        for hop in chain[len(joined) : len(joined) + 1]:
            lookup = "__".join(step.name for step in (*joined, hop))
            further.setdefault(lookup, (hop, []))[1].append(chain[len(joined) + 1 :])
    lookups = [each for lookup, (hop, rest) in further.items() for each in _prefetches(lookup, hop, rest, using)]
    return sorted(joins), lookups


def _prefetches(lookup: str, hop: Hop, chains: list[Sequence[Hop]], using: str) -> Iterator[Prefetch[Any] | str]:
    if hop.model is None or not hop.uses_django_descriptor:
        yield lookup  # without our queryset, and so for the relations behind it
        yield from dict.fromkeys("__".join((lookup, *(step.name for step in chain))) for chain in chains if chain)
        return
    rows = _with_related(hop.model, chains, using)
    # Always ordered, so that lines keep their order and .first() is answered from what was prefetched.
    yield Prefetch(lookup, rows.order_by(*(hop.model._meta.ordering or ["pk"])))
