"""Shops of other shapes than ``tests.shop``, installed for one test each, with rows in their tables.

Their classes stay imported, and with them the accessors that their foreign keys give to the models of others, such as
``order_set`` of a user. So these are taken off after each test.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, models
from django.test import override_settings
from django.utils import timezone

SHOPS = (
    "hotel", "tickets", "mall", "market", "cart", "wholesale", "legacy", "cinema", "fair", "consign", "stall", "dianpu",
    "courses",
)  # fmt: skip


@pytest.fixture
def install(transactional_db: None) -> Iterator[Callable[..., Any]]:
    """Installs one of the shops: ``install("hotel")`` returns its app, with tables; ``rows=3`` fills them."""
    undo: list[Callable[[], None]] = []

    def install_shop(name: str, rows: int = 0) -> Any:
        before = attributes()
        changed = override_settings(
            INSTALLED_APPS=[*settings.INSTALLED_APPS, f"tests.integration.proposal.shops.{name}"]
        )
        changed.enable()
        undo.append(changed.disable)
        added = ACCESSORS.setdefault(name, differences(before, attributes()))
        put(added)
        undo.append(lambda: put({key: before.get(key) for key in added}))
        app = apps.get_app_config(name)
        tables = in_order(list(app.get_models()))
        with connection.schema_editor() as editor:
            for model in tables:
                editor.create_model(model)
        undo.append(lambda: drop(tables))
        if rows:
            fill(tables, rows)
        return app

    yield install_shop
    for each in reversed(undo):
        each()


#: Shop -> what its import has changed of the classes of other apps.
ACCESSORS: dict[str, dict[tuple[Any, str], Any]] = {}


def attributes() -> dict[tuple[Any, str], Any]:
    return {(model, name): value for model in apps.get_models() for name, value in vars(model).items()}


def differences(before: dict[tuple[Any, str], Any], after: dict[tuple[Any, str], Any]) -> dict[tuple[Any, str], Any]:
    known = {model for model, _ in before}
    return {key: value for key, value in after.items() if key[0] in known and before.get(key) is not value}


def put(values: dict[tuple[Any, str], Any]) -> None:
    for (model, name), value in values.items():
        if value is not None:
            setattr(model, name, value)
        elif name in vars(model):
            delattr(model, name)


def drop(tables: list[Any]) -> None:
    for model in reversed(tables):
        model._base_manager.all().delete()
    with connection.schema_editor() as editor:
        for model in reversed(tables):
            editor.delete_model(model)


def fill(tables: list[Any], count: int) -> None:
    """Rows of all models: each points to the rows before it, and goes through the choices of its fields."""
    people = [get_user_model().objects.create_user(f"user{i}", f"user{i}@example.com") for i in range(count)]
    stored: dict[Any, list[Any]] = {get_user_model(): people}
    for model in tables:
        stored[model] = []
        for i in range(count):
            stored[model].append(model._base_manager.create(**values(model, i, stored)))
            for field in model._meta.local_many_to_many:
                getattr(stored[model][-1], field.name).set(stored[field.related_model][:2])


def in_order(tables: list[Any]) -> list[Any]:
    """Each model after those that it points to."""
    ordered: list[Any] = []
    while waiting := [each for each in tables if each not in ordered]:
        ordered.append(next(each for each in waiting if not needs(each) & {*waiting} - {each}))
    return ordered


def needs(model: Any) -> set[Any]:
    fields = (*model._meta.concrete_fields, *model._meta.local_many_to_many)
    return {each.related_model for each in fields if each.is_relation}


def values(model: Any, i: int, stored: dict[Any, list[Any]]) -> dict[str, Any]:
    found = {}
    for field in model._meta.concrete_fields:
        if field.is_relation:
            rows = stored.get(field.related_model) or [None]
            found[field.name] = rows[i % len(rows)]
        elif not field.primary_key:
            found[field.name] = value(field, i)
    return found


def value(field: Any, i: int) -> Any:
    if field.choices:
        return field.flatchoices[i % len(field.flatchoices)][0]
    if field.has_default() and not isinstance(field, models.BooleanField):
        return field.get_default()
    kinds: tuple[tuple[Any, Any], ...] = (
        (models.BooleanField, True),
        (models.DateTimeField, timezone.now() - dt.timedelta(hours=1)),  # DFINERY takes what is younger than 48 h
        (models.DateField, timezone.now().date()),
        (models.DecimalField, Decimal(10 * (i + 1))),
        (models.FloatField, 10.0 * (i + 1)),
        (models.IntegerField, i + 1),
        (models.EmailField, f"guest{i}@example.com"),
    )
    return next((each for kind, each in kinds if isinstance(field, kind)), f"{i}-{field.name}"[: field.max_length])
