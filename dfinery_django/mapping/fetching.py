"""Rows with all that a definition reads of them: joins, prefetched relations, selected rows, computed values.

The shop's rows are read in as few queries as possible. Whatever can't be read so is read for each object separately.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, connections, models
from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from ..db.retry import is_transient
from ..db.savepoints import guarded_query
from ..exceptions import error_text
from .annotations import Annotation, load, prepare
from .model_paths import Hop, follow, steps_behind_generic
from .reading import Read, RowSelection, default_order, selection_fault

logger = logging.getLogger("dfinery_django")


@dataclass(frozen=True)
class _Chain:
    """The relations to follow, and what the database computes for the rows at their end."""

    hops: tuple[Hop, ...]
    annotation: Annotation | None = None

    def keys(self, length: int | None = None) -> tuple[tuple[str, RowSelection | None], ...]:
        return tuple((hop.name, hop.selection) for hop in self.hops[:length])

    def behind(self, length: int) -> _Chain:
        return replace(self, hops=self.hops[length:])


def _chain(model: type[models.Model], read: Read) -> _Chain:
    hops, end = follow(model, read.steps)
    return _Chain(hops, read.annotation if end else None)


def get_rows(
    model: type[models.Model], reads: Sequence[str | Read], keys: Iterable[Any], *, using: str
) -> list[models.Model]:
    """Return the rows of these keys with all that is read of them and of related rows.

    A relation that can't be prefetched is read lazily. Where a value can't be computed for some row, the row has the
    error in its place.
    """
    all_reads = [Read((each,)) if isinstance(each, str) else each for each in reads]
    rows = _get_rows(model, all_reads, list(keys), using)
    _fetch_behind_generic(rows, model, all_reads, using)
    return rows


def _get_rows(
    model: type[models.Model], all_reads: Sequence[Read], wanted: Sequence[Any], using: str
) -> list[models.Model]:
    if not any(map(_is_computed, all_reads)):
        return _get_plain_rows(model, all_reads, wanted, using)
    if (rows := _try_rows(model, all_reads, wanted, using)) is not None:
        return rows
    chains = [_chain(model, each) for each in all_reads]
    rows = _try_rows(model, [replace(each, annotation=None) for each in all_reads], wanted, using)
    if rows is None:  # selections of rows may be to blame as well: each object reads its own
        related = [Read(tuple(hop.name for hop in _unselected(chain))) for chain in chains]
        rows = _get_plain_rows(model, [each for each in related if each.steps], wanted, using)
    _load_computed(rows, chains)
    return rows


def _try_rows(
    model: type[models.Model], reads: Sequence[Read], keys: Sequence[Any], using: str
) -> list[models.Model] | None:
    """Return the rows; ``None`` if they can't be read so. An open transaction stays usable."""
    try:
        with guarded_query(using):
            return list(queryset_with_related(model, reads, using=using).filter(pk__in=keys))
    except Exception as error:
        if is_transient(error):
            raise
        return None


def _is_computed(read: Read) -> bool:
    return read.annotation is not None or not all(isinstance(step, str) for step in read.steps)


def _unselected(chain: _Chain) -> tuple[Hop, ...]:
    return tuple(takewhile(lambda hop: hop.selection is None, chain.hops))


def _load_computed(rows: Sequence[models.Model], chains: Iterable[_Chain]) -> None:
    groups: dict[tuple[Any, ...], list[_Chain]] = defaultdict(list)
    for chain in chains:
        if chain.annotation and all(hop.uses_django_descriptor for hop in chain.hops):
            groups[chain.keys()].append(chain)
    for group in groups.values():
        ends = [end for row in rows for end in _objects_behind(row, group[0].hops)]
        load(ends, [chain.annotation for chain in group if chain.annotation])


def _objects_behind(row: Any, hops: Sequence[Hop]) -> Iterator[Any]:
    if not hops:
        yield row
        return
    for each in _related(row, hops[0]):
        yield from _objects_behind(each, hops[1:])


def _related(row: Any, hop: Hop) -> Iterable[Any]:
    if hop.selection is not None:
        selected: Iterable[Any] = vars(row).get(hop.selection.attribute, ())
        return selected
    try:
        found = getattr(row, hop.name)
    except ObjectDoesNotExist:
        return ()
    return list(found.all()) if hop.is_many else [] if found is None else [found]


def _fetch_behind_generic(
    rows: Sequence[models.Model], model: type[models.Model], reads: Sequence[Read], using: str
) -> None:
    """Fetch what lies behind generic relations: for the objects of each model that they lead to."""
    groups: dict[tuple[Hop, ...], list[Read]] = defaultdict(list)
    for read in reads:
        rest = steps_behind_generic(model, read.steps)
        if rest or (rest is not None and read.annotation):
            groups[_chain(model, read).hops].append(replace(read, steps=rest))
    for hops, further in groups.items():
        by_model: dict[type[models.Model], dict[int, models.Model]] = defaultdict(dict)
        for end in _ends_behind(rows, hops, using):
            by_model[type(end)][id(end)] = end
        for each, ends in by_model.items():
            _fetch_further(list(ends.values()), each, further, using)


def _ends_behind(rows: Sequence[models.Model], hops: Sequence[Hop], using: str) -> list[models.Model]:
    try:
        return [end for row in rows for end in _objects_behind(row, hops) if isinstance(end, models.Model)]
    except Exception as error:
        if not _can_fall_back(error, using):
            raise
        return []  # a row whose relation can't be followed: its event alone fails


def _fetch_further(rows: list[models.Model], model: type[models.Model], reads: Sequence[Read], using: str) -> None:
    for read in reads:
        _prefetch_path(rows, model, read, using)
    _load_computed(rows, [_chain(model, each) for each in reads])
    _fetch_behind_generic(rows, model, reads, using)


def _get_plain_rows(
    model: type[models.Model], reads: Sequence[Read], keys: Sequence[Any], using: str
) -> list[models.Model]:
    try:
        return list(queryset_with_related(model, reads, using=using).filter(pk__in=keys))
    except Exception as error:
        if not _can_fall_back(error, using):
            raise
        # Raises again where the rows themselves, and not their relations, are to blame.
        rows = list(queryset_with_related(model, (), using=using).filter(pk__in=keys))
    for read in reads:
        _prefetch_path(rows, model, read, using)
    return rows


def _prefetch_path(rows: list[models.Model], model: type[models.Model], read: Read, using: str) -> None:
    try:
        joins, lookups = _plan([_chain(model, read)], using)
        prefetch_related_objects(rows, *joins, *lookups)
    except Exception as error:
        if not _can_fall_back(error, using):
            raise
        _log_not_fetched(f"{model._meta.label}: {'.'.join(map(str, read.steps))}", error_text(error))


def _can_fall_back(error: Exception, using: str) -> bool:
    """Return whether to go on: managers of others are to blame, and the transaction is not aborted by the database."""
    return not is_transient(error) and not (isinstance(error, DatabaseError) and connections[using].in_atomic_block)


@lru_cache(maxsize=1000)
def _log_not_fetched(what: str, words: str) -> None:
    """Log it once per process: it is the same for every batch."""
    logger.warning("%s can't be prefetched, so it is read for each object separately: %s", what, words)


def queryset_with_related(
    model: type[models.Model], reads: Iterable[str | Read], *, using: str, ordering: Sequence[str] = ()
) -> QuerySet[models.Model]:
    """Return a queryset with all that is read: joins where safe, one more query for each further table.

    Uses ``_base_manager``: default managers may be scoped, filtered or raise. Paths run through to-many relations.
    """
    chains = [_chain(model, Read((each,)) if isinstance(each, str) else each) for each in reads]
    return _with_related(model, chains, using).order_by(*ordering)


def _with_related(model: type[models.Model], chains: Sequence[_Chain], using: str) -> QuerySet[models.Model]:
    joins, lookups = _plan(chains, using)
    rows = model._base_manager.using(using).all()
    rows = rows.select_related(*joins) if joins else rows
    return _annotated(rows, [each.annotation for each in chains if each.annotation and not each.hops], lookups)


def _annotated(
    rows: QuerySet[models.Model], annotations: Iterable[Annotation], lookups: Sequence[Prefetch[Any] | str]
) -> QuerySet[models.Model]:
    prepared = {each.name: prepare(each, rows.model) for each in annotations}
    sound = {name: each.expression for name, each in prepared.items() if not each.fault}
    rows = rows.annotate(**sound) if sound else rows
    return rows.prefetch_related(*lookups)


def _plan(chains: Sequence[_Chain], using: str) -> tuple[list[str], list[Prefetch[Any] | str]]:
    annotated = {chain.keys() for chain in chains if chain.annotation}
    joins: set[str] = set()
    further: dict[tuple[str, RowSelection | None], tuple[Hop, list[_Chain]]] = {}
    for chain in chains:
        count = _joined_count(chain, annotated)
        if count:
            joins.add("__".join(hop.name for hop in chain.hops[:count]))
        for hop in chain.hops[count : count + 1]:
            lookup = "__".join(step.name for step in chain.hops[: count + 1])
            further.setdefault((lookup, hop.selection), (hop, []))[1].append(chain.behind(count + 1))
    lookups = [each for (lookup, _), (hop, rest) in further.items() for each in _prefetches(lookup, hop, rest, using)]
    return sorted(joins), lookups


def _joined_count(chain: _Chain, annotated: Collection[Any]) -> int:
    """Return how many of the first relations are joined: rows that something is computed for are read by a query."""
    for index, hop in enumerate(chain.hops):
        if not hop.is_joinable or chain.keys(index + 1) in annotated:
            return index
    return len(chain.hops)


def _prefetches(lookup: str, hop: Hop, chains: list[_Chain], using: str) -> Iterator[Prefetch[Any] | str]:
    if hop.model is None or not hop.uses_django_descriptor:
        if hop.selection is None:
            yield lookup  # without our queryset, and so for the relations behind it
            further = [chain for chain in chains if chain.hops]
            yield from dict.fromkeys("__".join((lookup, *(step.name for step in each.hops))) for each in further)
        return
    rows = _with_related(hop.model, chains, using)
    if hop.selection is None:
        yield Prefetch(lookup, rows.order_by(*default_order(hop.model)))
    elif not selection_fault(hop.selection, hop.model):  # else each object that reads them raises it
        yield Prefetch(lookup, hop.selection.of(rows), to_attr=hop.selection.attribute)
