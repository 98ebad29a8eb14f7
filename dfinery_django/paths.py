"""What a dotted path meets on a model: relations to fetch, the type of the field it ends in, a name that isn't there.

To follow a path reads ``_meta`` only; ``fetched`` reads rows.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import DatabaseError, connections, models
from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from .exceptions import error_text
from .modelfields import wire_type_of
from .patience import is_transient
from .values import WireType

logger = logging.getLogger("dfinery_django")

#: Manager methods that lead on to related objects: one of them, or each (``Joined``).
_TO_ROWS = frozenset({"first", "last", "all"})


@dataclass(frozen=True)
class Hop:
    """One relation on the way."""

    name: str  # the attribute on the instance
    relation: Any  # a relational field, a reverse relation or a GenericForeignKey
    model: type[models.Model] | None  # where it leads; None for a generic relation
    holder: type[models.Model]  # where it starts

    @property
    def is_many(self) -> bool:
        return bool(self.relation.one_to_many or self.relation.many_to_many)

    @property
    def is_ours(self) -> bool:
        """Whether Django itself reads it: tags and the like do so in their own way, and take no queryset of ours."""
        return type(inspect.getattr_static(self.holder, self.name, None)).__module__.startswith("django.")

    def leads_on_to(self, part: str) -> bool:
        """Whether the manager of a to-many relation has that name."""
        assert self.model is not None  # noqa: S101 - it is asked of to-many relations
        attribute: Any = getattr(self.holder, self.name, None)
        own = (attribute, getattr(attribute, "related_manager_cls", None))
        return any(hasattr(each, part) for each in (*own, self.model._default_manager, self.model._base_manager))

    @property
    def is_joinable(self) -> bool:
        """Whether a join loses no row: an inner join over a key that dangles would drop the holder."""
        if self.is_many or self.model is None or not self.is_ours or not _is_plain(self.model):
            return False
        if not self.relation.concrete or self.relation.null:
            return True  # left join
        return bool(self.relation.db_constraint) and self.relation.remote_field.on_delete is not models.DO_NOTHING


@dataclass(frozen=True)
class Trace:
    """A path followed over a model.

    :ivar hops: the relations passed
    :ivar field: the concrete field it ends in, if it does
    :ivar ends_in_relation: whether it ends in a related object or manager
    :ivar missing: ``(model, part)`` if ``part`` does not exist there
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
        if at_manager and part in _TO_ROWS:
            at_manager = False
            continue
        if at_manager and not through_many:
            exists = hops[-1].leads_on_to(part)
            return Trace(tuple(hops), missing=None if exists else (current, part))
        found = _attribute(current, part)
        if isinstance(found, Hop):
            hops.append(found)
            current, at_manager = found.model, found.is_many
        elif isinstance(found, models.Field):
            return Trace(tuple(hops), found if index == len(parts) - 1 else None)
        elif _has(current, part):
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
    return _target_field(field) if field.concrete else None  # else the name that queries use for a reverse relation


def _target_field(field: Any) -> models.Field[Any, Any] | None:
    """The field whose value a ``customer_id`` holds."""
    target = getattr(field, "target_field", None)
    return target if isinstance(target, models.Field) else None


def _has(model: type[models.Model], part: str) -> bool:
    # pk of a child model or a composite key; attributes that only __getattr__ knows can't be judged.
    return part == "pk" or any(hasattr(each, part) or hasattr(each, "__getattr__") for each in _classes(model))


def _classes(model: type[models.Model]) -> Iterator[type[models.Model]]:
    """Whose objects a model's rows may be: its children's too, where its manager is not Django's own."""
    yield model
    if not _is_plain(model):
        for child in model.__subclasses__():
            yield from _classes(child)


def _is_plain(model: type[models.Model]) -> bool:
    """Whether rows are read as Django does: others' base managers hide rows, or hand out children (polymorphic)."""
    return type(model._base_manager) is models.Manager


def installed_model(model: Any) -> type[models.Model]:
    """``"app.Model"`` or a model class as the class.

    :raises LookupError: with the words, if there is no such model, or it has no table
    """
    found: Any = model
    if not (isinstance(found, type) and issubclass(found, models.Model)):
        try:
            found = apps.get_model(model)
        except (LookupError, ValueError, AttributeError, TypeError) as error:
            raise LookupError(f'{model!r}, which is no installed model. Write "model": "app.Model".') from error
    if found._meta.abstract:
        raise LookupError(f"{found.__name__}, which is abstract. Write a definition for each model that is made of it.")
    if found._meta.swapped:
        words = f'which the site has replaced. Write "model": "{found._meta.swapped}".'
        raise LookupError(f"{found._meta.label}, {words}")
    return found  # type: ignore[no-any-return]


def wire_type(model: type[models.Model], path: str, *, through_many: bool = False) -> WireType | None:
    """The type of the model field that a path ends in, or ``None`` where it ends in something else."""
    field = trace(model, path, through_many=through_many).field
    return wire_type_of(field) if field else None


def fetched(model: type[models.Model], paths: Sequence[str], keys: Iterable[Any], *, using: str) -> list[models.Model]:
    """The rows of these keys. What can't be fetched for all at once is left to be read where a path meets it."""
    try:
        return list(fetching(model, paths, using=using).filter(pk__in=keys))
    except Exception as error:
        if not _may_go_on(error, using):
            raise
        rows = list(fetching(model, (), using=using).filter(pk__in=keys))  # where they are to blame, it raises again
    for path in paths:
        _fetch_along(rows, model, path, using)
    return rows


def _fetch_along(rows: list[models.Model], model: type[models.Model], path: str, using: str) -> None:
    try:
        joins, lookups = _plan([trace(model, path, through_many=True).hops], using)
        prefetch_related_objects(rows, *joins, *lookups)
    except Exception as error:
        if not _may_go_on(error, using):
            raise
        _say_not_fetched(f"{model._meta.label}: {path}", error_text(error))


def _may_go_on(error: Exception, using: str) -> bool:
    """Whether managers and querysets of others are to blame; a transaction that the database ended is over."""
    if is_transient(error):
        return False
    return not (isinstance(error, DatabaseError) and connections[using].in_atomic_block)


@lru_cache(maxsize=1000)
def _say_not_fetched(what: str, words: str) -> None:
    """Once per process: it is so for every batch."""
    logger.warning("%s can't be fetched for all objects at once, so each is read by itself: %s", what, words)


def fetching(
    model: type[models.Model], paths: Iterable[str], *, using: str, ordering: Sequence[str] = ()
) -> QuerySet[models.Model]:
    """Rows of a model with all that the paths read: joins where safe, one more query for each further table.

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
    """What to join, and what to fetch by further queries."""
    joins: set[str] = set()
    further: dict[str, tuple[Hop, list[Sequence[Hop]]]] = {}
    for chain in chains:
        joined = _leading_joins(chain)
        if joined:
            joins.add("__".join(hop.name for hop in joined))
        for hop in chain[len(joined) : len(joined) + 1]:
            lookup = "__".join(step.name for step in (*joined, hop))
            further.setdefault(lookup, (hop, []))[1].append(chain[len(joined) + 1 :])
    lookups = [each for lookup, (hop, rest) in further.items() for each in _prefetches(lookup, hop, rest, using)]
    return sorted(joins), lookups


def _leading_joins(chain: Sequence[Hop]) -> Sequence[Hop]:
    for index, hop in enumerate(chain):
        if not hop.is_joinable:
            return chain[:index]
    return chain


def _prefetches(lookup: str, hop: Hop, chains: list[Sequence[Hop]], using: str) -> Iterator[Prefetch[Any] | str]:
    if hop.model is None or not hop.is_ours:
        yield lookup  # plainly, and what lies behind it, too
        yield from dict.fromkeys("__".join((lookup, *(step.name for step in chain))) for chain in chains if chain)
        return
    rows = _with_related(hop.model, chains, using)
    # Ordered in any case, so that lines keep their order and .first() is answered from what was fetched.
    yield Prefetch(lookup, rows.order_by(*(hop.model._meta.ordering or ["pk"])))
