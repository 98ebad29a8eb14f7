"""Dotted paths followed over models: the relations to fetch, the type of the last field, a missing name.

Reads ``_meta`` only, no row: ``fetching`` does.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from ..conf import did_you_mean, nearest
from ..schema.model_fields import wire_type_of
from ..schema.types import WireType
from .expressions import is_index
from .reading import RowSelection

#: Manager methods that return related objects: one of them, or each (``Joined``).
_ROW_METHODS = frozenset({"first", "last", "all"})


@dataclass(frozen=True)
class Hop:
    """One relation of a path."""

    name: str  # the attribute on the instance
    relation: Any  # a relational field, a reverse relation or a GenericForeignKey
    model: type[models.Model] | None  # the related model; None for a generic relation
    holder: type[models.Model]  # the model that has the attribute
    selection: RowSelection | None = None  # the rows of it that are read, if not all

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
        if self.relation.name != self.name:
            return False  # a related_query_name, by which a join is named, but no attribute
        if not self.relation.concrete or self.relation.null:
            return True  # left join
        return bool(self.relation.db_constraint) and self.relation.remote_field.on_delete is not models.DO_NOTHING


@dataclass(frozen=True)
class Trace:
    """A path followed over a model.

    :ivar field: the concrete field at its end, if there is one
    :ivar ends_in_relation: whether its end is a related object or manager
    :ivar missing: ``(model, part)`` if the model has no such ``part``
    :ivar behind: the rest of the path, behind a generic relation: each row says which model it goes on from
    """

    hops: tuple[Hop, ...] = ()
    field: models.Field[Any, Any] | None = None
    ends_in_relation: bool = False
    missing: tuple[type[models.Model], str] | None = None
    behind: str = ""


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
            return Trace(tuple(hops), behind=".".join(parts[index:]))
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


def model_behind(model: type[models.Model], steps: Iterable[str | RowSelection]) -> type[models.Model] | None:
    """Return the model of the objects at the end of steps; ``None`` where ``_meta`` does not know it."""
    return follow(model, steps)[1]


def follow(
    model: type[models.Model], steps: Iterable[str | RowSelection]
) -> tuple[tuple[Hop, ...], type[models.Model] | None]:
    """Return the relations on the way of steps, and the model of the objects at their end, if it is known."""
    hops: tuple[Hop, ...] = ()
    current: type[models.Model] | None = model
    for step in steps:
        if current is None:
            break
        found = trace(current, step if isinstance(step, str) else step.path, through_many=True)
        hops += found.hops
        current = hops[-1].model if found.ends_in_relation else None
        if isinstance(step, RowSelection) and hops:
            if not hops[-1].is_many or current is None:
                return hops[:-1], None
            hops = (*hops[:-1], replace(hops[-1], selection=step))
    return hops, current


def steps_behind_generic(
    model: type[models.Model], steps: Sequence[str | RowSelection]
) -> tuple[str | RowSelection, ...] | None:
    """Return the steps behind the first generic relation of steps; ``None`` if they run through none."""
    current: type[models.Model] | None = model
    for index, step in enumerate(steps):
        if current is None:
            break
        found = trace(current, step if isinstance(step, str) else step.path, through_many=True)
        if found.hops and found.hops[-1].model is None:
            return (*([found.behind] if found.behind else []), *steps[index + 1 :])
        current = found.hops[-1].model if found.ends_in_relation else None
    return None
