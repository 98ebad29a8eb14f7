"""Tenants with a schema each: an event lies with its tenant's order, and each tenant's outbox is drained."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection, transaction
from django_q.models import OrmQ, Schedule
from django_tenants.utils import schema_context

from dfinery_django.models import CustomField, Event
from dfinery_django.outbox import reconcile
from dfinery_django.sandbox import Sandbox
from tests.shop.models import Line, Order, User
from tests.support.doubles import dfinery
from tests.system.neighbours.tenants.settings import DFINERY, SHARED_APPS, TENANT_APPS


@pytest.fixture
def sandbox(settings: Any) -> Any:
    with Sandbox() as running:
        settings.DFINERY = {**DFINERY, "BASE_URL": running.url}
        yield running


def pay(schema: str, **fields: Any) -> Order:
    """A paid order of a tenant, with the number of its tenant."""
    with schema_context(schema), transaction.atomic():
        customer = User.objects.create(username=f"user of {schema}")
        order = Order.objects.create(number=f"of {schema}", status="paid", customer=customer, **fields)
        Line.objects.create(order=order, unit_price=1)
    return order


def arrived(sandbox: Sandbox) -> list[str]:
    return sorted(each.body["event_attributes"]["order_id"] for each in sandbox.arrivals)


def work_off() -> None:
    """Run what is queued as a worker does: in the public schema."""
    connection.set_schema_to_public()
    for queued in OrmQ.objects.all():
        task = queued.task
        queued.delete()
        module, _, name = task["func"].rpartition(".")
        getattr(__import__(module, fromlist=[name]), name)(*task["args"])


def test_each_tenant_s_orders_arrive(tenants: list[str], sandbox: Any) -> None:
    """Orders with the same key in two schemas are two events, each built from its own order."""
    first, second = (pay(schema) for schema in tenants)
    assert first.pk == second.pk
    work_off()
    assert arrived(sandbox) == ["of kim", "of lee"]
    for schema in tenants:
        with schema_context(schema):
            assert [(each.status, each.order_id) for each in Event.objects.all()] == [("delivered", f"of {schema}")]


def test_schedules_serve_every_tenant(tenants: list[str], sandbox: Any, recipe: ModuleType) -> None:
    """Migrating makes none of ours, which would work in no tenant; those of the page drain and reconcile all."""
    assert not Schedule.objects.exists()
    recipe.schedule()
    recipe.schedule()
    assert Schedule.objects.count() == 3
    for schema in tenants:
        pay(schema)
    OrmQ.objects.all().delete()
    recipe.run_for_all("drain")
    work_off()
    assert arrived(sandbox) == ["of kim", "of lee"]
    for task in ("reconcile", "prune"):
        recipe.run_for_all(task)
        work_off()


def test_cron_serves_every_tenant(tenants: list[str], sandbox: Any, capsys: Any) -> None:
    """The page's command drains each tenant's outbox, and one for a tenant speaks of that tenant."""
    for schema in tenants:
        pay(schema)
    connection.set_schema_to_public()
    call_command("all_tenants_command", "dfinery", "drain")
    assert arrived(sandbox) == ["of kim", "of lee"]
    capsys.readouterr()
    call_command("tenant_command", "dfinery", "fields", schema_name="kim")
    assert "remark" in capsys.readouterr().out


def test_types_are_remembered_for_each_tenant(tenants: list[str], sandbox: Any, settings: Any) -> None:
    """What a custom field was in one tenant says nothing of another."""
    values = {"kim": 1, "lee": "one"}
    events = {"purchase": {**DFINERY["EVENTS"]["purchase"], "event_attributes": {"x": lambda o: values[o.number[3:]]}}}
    settings.DFINERY = {**settings.DFINERY, "EVENTS": events}
    for schema in tenants:
        pay(schema)
    work_off()
    types = {}
    for schema in tenants:
        with schema_context(schema):
            types[schema] = CustomField.objects.get(name="x").type
    assert types == {"kim": "long", "lee": "string"}
    assert {each.body["event_attributes"]["x"] for each in sandbox.arrivals} == {1, "one"}


def test_what_can_not_work_is_refused(settings: Any) -> None:
    """The outbox among the shared apps, and a WAKE that names no tenant, are errors; the page's settings are not."""

    def found() -> list[str]:
        return [each.id for each in run_checks(tags=["dfinery"]) if each.level > 20]

    assert found() == []
    settings.DFINERY = {**DFINERY, "WAKE": "dfinery_django.tasks.wake"}
    assert found() == ["dfinery.E017"]
    settings.SHARED_APPS = [*SHARED_APPS, "dfinery_django.apps.DfineryConfig"]
    settings.TENANT_APPS = [app for app in TENANT_APPS if app != "dfinery_django"]
    assert found() == ["dfinery.E017"]
    settings.DFINERY = dfinery(EVENTS={"sign_up": {"model": "customers.Tenant", "when": "created"}})
    assert "dfinery.E017" not in found()


def test_shared_by_mistake_no_order_is_swallowed(tenants: list[str]) -> None:
    """Even so, keys of two schemas are told apart."""
    from dfinery_django.definitions import registry
    from dfinery_django.definitions.source import firing_key

    keys = set()
    for schema in tenants:
        with schema_context(schema):
            keys.add(firing_key(registry.get("purchase"), "1", "default"))
    assert len(keys) == 2


def test_reconcile_finds_a_tenant_s_own(tenants: list[str], sandbox: Any, settings: Any) -> None:
    """An update() in one tenant is found there, though the other has an event of the same key."""
    from django.utils import timezone

    events = {"purchase": {**DFINERY["EVENTS"]["purchase"], "event_datetime": "paid_at"}}
    settings.DFINERY = {**settings.DFINERY, "EVENTS": events}
    paid_at = timezone.now() - timezone.timedelta(minutes=5)
    pay("kim", paid_at=paid_at)
    with schema_context("lee"):
        Order.objects.bulk_create([Order(number="of lee", status="paid", paid_at=paid_at)])
        assert reconcile.sweep_all() == {"purchase": 1}
        assert Event.objects.count() == 1
