"""Django's own expressions as values, computed by the database for many rows at once.

An expression is annotated under a name of its own, and read from the row by that name. Each aggregate is computed by a
subquery over its row alone, so that joins over several relations don't multiply each other.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

from django.core.exceptions import EmptyResultSet, FieldError
from django.db import NotSupportedError, connections, models, router
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Value, Window
from django.db.transaction import TransactionManagementError

from ..db.retry import DATABASE_ERRORS, is_transient
from ..db.savepoints import guarded_query
from ..exceptions import PayloadError
from ..schema.model_fields import column_value
from ..text.reasons import ReasonText
from .rewriting import rewritten, shown

#: Digits that a Double holds of any decimal number.
_DOUBLE_DIGITS = Context(prec=15)


def own_name(kind: str) -> str:
    """Return a new name for an attribute of the shop's instances.

    No other process has it: one may read an instance that another has put into a cache with its attributes.
    """
    return f"_dfinery_{kind}_{secrets.token_hex(8)}"


def is_djangos(spec: Any) -> bool:
    """Return whether a value of a mapping is an expression of Django, such as ``F``, ``Sum``, ``Case`` or ``Q``."""
    return hasattr(spec, "resolve_expression") and not isinstance(spec, type)


class ManyValuesError(FieldError):
    """An expression that gives several values for one row."""


class NotDjangosError(FieldError):
    """An expression of Django with one of this app in it, such as the ``Value`` of the wrong import."""


@dataclass(frozen=True)
class Failed:
    """The error of an expression for one row, in place of its value."""

    error: Exception


@dataclass(frozen=True)
class Prepared:
    """An expression for the rows of one model; ``fault`` is Django's error if it can't be used there."""

    expression: Any = None
    output_field: Any = None
    fault: Exception | None = None


class Annotation:
    """An expression of Django under the name by which rows are annotated with it."""

    def __init__(self, source: Any) -> None:
        self.source = Subquery(source) if isinstance(source, QuerySet) else source
        self.name = own_name("value")

    def value_of(self, instance: Any) -> Any:
        """Return its value for an instance: the one that was fetched with it, else by a query.

        :raises PayloadError: if the instance is not stored
        :raises Exception: Django's or the database's, if it can't be computed
        """
        if not isinstance(instance, models.Model):
            problem = ReasonText("no_row", kind=type(instance).__name__)
            raise PayloadError(repr(self), problem, ReasonText("map_python"))
        with loaded([instance], [self]):
            found = vars(instance)[self.name]
        if isinstance(found, Failed):
            raise found.error.with_traceback(None)  # it is kept: each raise would add to its traceback
        if found is None:
            return None
        field = prepare(self, type(instance)).output_field
        return _without_excess(found, field) if isinstance(found, Decimal) else column_value(field, found)

    def __repr__(self) -> str:
        return shown(self.source)


def _without_excess(number: Decimal, field: Any) -> Decimal:
    """Return a number without the digits that only a division has made: PostgreSQL gives 20 places of a mean.

    Those that a column of this type has are kept, however many there are.
    """
    rounded, kept_exponent = _DOUBLE_DIGITS.plus(number), -(getattr(field, "decimal_places", None) or 0)
    exponent = rounded.as_tuple().exponent
    return rounded if isinstance(exponent, int) and exponent <= kept_exponent else number


@lru_cache(maxsize=2000)
def prepare(annotation: Annotation, model: type[models.Model]) -> Prepared:
    """Return the expression for a model's rows, its output field, or the fault for which Django refuses it.

    :raises DatabaseError: if the database had to be asked, for a content type, and can't be reached
    """
    try:
        expression = _for_each_row(annotation.source, model)
        query = QuerySet(model).annotate(**{annotation.name: expression}).query
        if multiplies_rows(query):
            raise ManyValuesError(f"{annotation!r} gives several values for one {model._meta.label}")
        return Prepared(expression, query.annotations[annotation.name].output_field)
    except Exception as error:  # noqa: BLE001 - the fault of this expression alone
        raise_if_from_database(error)
        return Prepared(fault=error.with_traceback(None))  # it is kept, without the objects of its frames


def compile_fault(annotation: Annotation, model: type[models.Model], using: str) -> Exception | None:
    """Return Django's error for an expression that can't be used with a model, or not with a database.

    :raises DatabaseError: if the database had to be asked for its version, and can't be reached
    """
    prepared = prepare(annotation, model)
    if prepared.fault:
        return prepared.fault
    return compiling_fault(QuerySet(model).annotate(**{annotation.name: prepared.expression}).query, using)


def compiling_fault(query: Any, using: str) -> Exception | None:
    """Return the error for which a query can't be written as SQL.

    :raises DatabaseError: if the database had to be asked for its version, and does not answer
    """
    connection = connections[using]
    if connection.vendor == "mysql" and connection.connection is None:
        return None  # it would be asked for its version, and a check needs no database
    try:
        query.get_compiler(using).as_sql()
    except EmptyResultSet:
        return None
    except Exception as error:  # noqa: BLE001 - the fault of this expression alone
        raise_if_from_database(error)
        return error
    return None


def raise_if_from_database(error: Exception) -> None:
    """Raise an error of the database, which may pass; an expression that it does not support is the site's mistake."""
    if isinstance(error, DATABASE_ERRORS) and not isinstance(error, NotSupportedError):
        raise error


def multiplies_rows(query: Any) -> bool:
    """Return whether a query joins a to-many relation, so that one row may become several, or none."""
    return any(map(_leads_to_many, query.alias_map.values()))


def _leads_to_many(join: Any) -> bool:
    field = getattr(join, "join_field", None)
    if field is None:
        return False
    if isinstance(field, models.ForeignObjectRel):  # the last: of a GenericRelation, which says so on its own side only
        return bool(field.one_to_many or field.many_to_many or field.field.one_to_many)
    # From a row back to the object of its GenericRelation there is only one.
    return bool(field.many_to_many or (field.one_to_many and join.table_name != field.model._meta.db_table))


def the_row(model: type[models.Model]) -> QuerySet[Any]:
    """Return a query for the row of the query around it."""
    return QuerySet(model).filter(pk=OuterRef("pk")).order_by()


def _for_each_row(source: Any, model: type[models.Model]) -> Any:
    """Return an expression whose value depends on nothing but its row."""
    expression = rewritten(source, lambda node: _alone(node, model))
    return Exists(the_row(model).filter(expression)) if isinstance(expression, Q) else expression


def _alone(node: Any, model: type[models.Model]) -> Any:
    """Return a subquery for an aggregate; ``None`` for what needs none."""
    if isinstance(node, Window):
        raise FieldError("A window function would run over the rows of a batch, and each batch has others")
    if isinstance(node, Value) and callable(getattr(node.value, "reads", None)):
        raise NotDjangosError(f"{node.value!r} is one of dfinery_django's, which Django can't compute")
    if getattr(type(node), "contains_aggregate", None) is not True:
        return None
    return Subquery(the_row(model).values("pk").annotate(_dfinery_value=node).values("_dfinery_value"))


@contextmanager
def loaded(
    instances: Iterable[Any], annotations: Collection[Annotation], *, using: str | None = None
) -> Iterator[None]:
    """Have the values of expressions on instances while the block runs: those that are missing by one query.

    They are taken off again, since the rows may change.

    :param using: read all of them there, as they are now. Default: where the instances come from, which may be a
        replica, and only those that no earlier query has put there
    """
    rows = [each for each in instances if isinstance(each, models.Model)] if annotations else []
    names = [each.name for each in annotations] if using else []
    former = [(row, name, vars(row).pop(name)) for row in rows for name in names if name in vars(row)]
    missing = [(row, each.name) for row in rows for each in annotations if each.name not in vars(row)]
    try:
        if missing:
            load(rows, annotations, using=using)
        yield
    finally:
        for row, name in missing:
            vars(row).pop(name, None)
        for row, name, value in former:
            vars(row)[name] = value


def load(rows: Iterable[models.Model], annotations: Collection[Annotation], *, using: str | None = None) -> None:
    """Put values of expressions on rows that miss them; for a row whose value can't be computed, its error.

    :param using: as in ``loaded``
    :raises DatabaseError: if it is transient
    """
    groups: dict[tuple[type[models.Model], str, tuple[Annotation, ...]], dict[int, models.Model]] = defaultdict(dict)
    for row in rows:
        missing = tuple(each for each in dict.fromkeys(annotations) if each.name not in vars(row))
        alias = using or row._state.db or router.db_for_read(type(row), instance=row)
        groups[type(row), alias, missing][id(row)] = row
    for (model, alias, missing), group in groups.items():
        for each in missing:
            if fault := prepare(each, model).fault:
                _fail(group.values(), each, fault)
        sound = [each for each in missing if not prepare(each, model).fault]
        _load_sound(model, alias, list(group.values()), sound)


def _load_sound(
    model: type[models.Model], using: str, rows: Sequence[models.Model], annotations: Sequence[Annotation]
) -> None:
    """Compute by one query; if it fails, each expression alone, in halves of the rows down to those that fail."""
    batches = [(rows, annotations)] if annotations else []
    while batches:
        rows, annotations = batches.pop()
        try:
            with guarded_query(using):
                _load_once(model, using, rows, annotations)
        except TransactionManagementError:
            raise  # the transaction around it failed before
        except Exception as error:
            if is_transient(error):
                raise
            if len(annotations) > 1:
                batches += [(rows, [each]) for each in annotations]
            elif len(rows) > 1:
                half = len(rows) // 2
                batches += [(rows[:half], annotations), (rows[half:], annotations)]
            else:
                _fail(rows, annotations[0], error)


def _load_once(
    model: type[models.Model], using: str, rows: Sequence[models.Model], annotations: Sequence[Annotation]
) -> None:
    keys = {id(row): _key(row) for row in rows}
    wanted = [row.pk for row in rows if None not in keys[id(row)]]
    names, fields = [each.name for each in annotations], [field.attname for field in model._meta.pk_fields]
    expressions = {each.name: prepare(each, model).expression for each in annotations}
    query = QuerySet(model).using(using).order_by().filter(pk__in=wanted).annotate(**expressions)
    found = {each[: len(fields)]: each[len(fields) :] for each in query.values_list(*fields, *names)} if wanted else {}
    for row in rows:
        values = found.get(keys[id(row)])
        if values is not None:
            vars(row).update(zip(names, values, strict=True))
            continue
        for each in annotations:
            problem = ReasonText("not_stored", kind=type(row).__name__)
            _fail([row], each, PayloadError(repr(each), problem, ReasonText("save_first")))


def _key(row: models.Model) -> tuple[Any, ...]:
    return tuple(field.to_python(getattr(row, field.attname)) for field in row._meta.pk_fields)


def _fail(rows: Iterable[models.Model], annotation: Annotation, error: Exception) -> None:
    for row in rows:
        vars(row)[annotation.name] = Failed(error.with_traceback(None))
