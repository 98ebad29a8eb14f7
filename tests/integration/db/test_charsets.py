"""Databases that were made in an older charset: every text is stored as it is, or its event says why not."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection

from dfinery_django import clock, track
from dfinery_django.delivery.worker import drain
from dfinery_django.models import CustomField, DeliveryAttempt, Event
from dfinery_django.outbox.reconcile import sweep_all
from dfinery_django.protocols.base import Response
from tests.shop.models import Order
from tests.support.doubles import PURCHASE, FarSide, driver_options

pytestmark = pytest.mark.django_db(transaction=True)
on_mysql = pytest.mark.skipif("connection.vendor != 'mysql'", reason="only there has a table a charset")
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="an encoding of PostgreSQL")

GIFT, HONG, KIM = "선물 🎁", "홍길동", "김철수"


@contextmanager
def database_in(charset: str) -> Iterator[None]:
    """All tables anew, in a database whose default is this charset or encoding."""
    usual = connection.settings_dict["NAME"]
    name, quote = f"{usual}_{charset}".lower(), connection.ops.quote_name
    how = f"CHARACTER SET {charset}"
    if connection.vendor == "postgresql":
        how = f"ENCODING '{charset}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {quote(name)}")
        cursor.execute(f"CREATE DATABASE {quote(name)} {how}")
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = usual
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {quote(name)}")


def found(*databases: str) -> list[Any]:
    return [each for each in run_checks(databases=databases) if each.id == "dfinery.W009"]


@on_mysql
@pytest.mark.parametrize("charset", ["utf8mb3", "latin1"])
def test_every_text_is_stored_as_it_is(charset: str, configured: Any, shop: Any) -> None:
    """Emoji and Korean from track() to the wire and back, whatever charset the database gives to new tables."""
    with database_in(charset):
        assert found("default") == []
        for user in (HONG, KIM):
            assert track(GIFT, user_id=user, event_attributes={GIFT: GIFT, "order_id": user})
        assert sorted(Event.objects.values_list("user_id", "order_id", "event_name")) == sorted(
            (user, user, GIFT) for user in (HONG, KIM)
        )
        far_side = FarSide()
        body = json.dumps({"result_code": 4007, "result_msg": GIFT}, ensure_ascii=False).encode()
        far_side.always = Response(400, {}, body)
        drain("default", send=far_side)
        assert {body["user_attributes"]["user_id"] for body in far_side.bodies} == {HONG, KIM}
        assert {body["event_attributes"][GIFT] for body in far_side.bodies} == {GIFT}
        assert all(GIFT in event.reason for event in Event.objects.all())
        assert all(GIFT in each.response_body for each in DeliveryAttempt.objects.all())
        assert set(CustomField.objects.values_list("scope", "name")) == {("", GIFT), ("event", GIFT)}
        _orders_keep_their_texts(configured, shop)


def _orders_keep_their_texts(configured: Any, shop: Any) -> None:
    """Captured by a save or by reconcile."""
    mapping = {**PURCHASE["event_attributes"], "note": lambda order: GIFT}
    user = {"user_id": lambda order: f"{HONG}{order.pk}"}
    definition = {**PURCHASE, "user": None, "user_attributes": user, "event_attributes": mapping}
    configured(EVENTS={"purchase": {**definition, "event_datetime": "paid_at"}}, SETTLE_SECONDS=0, READY_SECONDS=0)
    shop.pay(shop.place(paid_at=clock.now()))
    Order.objects.create(number="2", total=Decimal(1), status="pending")
    Order.objects.filter(number="2").update(status="paid", paid_at=clock.now() - dt.timedelta(minutes=30))
    assert sum(sweep_all().values()) == 1
    drain("default", send=FarSide())
    events = list(Event.objects.filter(definition="purchase"))
    assert [json.loads(each.payload)["event_attributes"]["note"] for each in events] == [GIFT, GIFT]
    assert all(each.user_id == f"{HONG}{each.source_pk}" for each in events)


@on_mysql
def test_tables_of_before_are_told(configured: Any) -> None:
    """A table that can't hold every text is named, with the statement that mends it; its events fail with words."""
    with database_in("utf8mb4"):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE dfinery_django_event CONVERT TO CHARACTER SET latin1")
        (message,) = found("default")
        assert "dfinery_django_event" in message.msg
        event = track("visit", user_id=HONG, event_attributes={"note": "plain"})
        assert (event.status, event.reason_code, event.payload) == ("failed", "payload", "")
        assert "Incorrect string value" in event.reason
        with connection.cursor() as cursor:
            cursor.execute(message.hint.removeprefix("Once: ").rstrip(";"))
        assert found("default") == []
        assert track("visit", user_id=HONG).user_id == HONG


@on_mysql
@pytest.mark.parametrize("charset", ["utf8mb3", "latin1"])
def test_a_connection_that_can_not_carry_every_text(charset: str, configured: Any) -> None:
    """It is told, and the event of such a text ends alone, in words, never changed."""
    with driver_options(charset=charset):
        (message,) = found("default")
        assert f"charset {charset}" in message.msg
        event = track(GIFT, user_id=HONG, event_attributes={"note": GIFT})
        assert (event.status, event.reason_code) == ("failed", "payload")
        assert "?" not in event.event_name
        assert event.reason
        assert track("visit", user_id="hong").status == "pending"


@on_postgresql
@pytest.mark.parametrize("encoding", ["EUC_KR", "LATIN1", "SQL_ASCII"])
def test_an_encoding_that_can_not_hold_every_text(encoding: str, configured: Any) -> None:
    """It is told, and the event of such a text ends alone, in the database's own words."""
    with database_in(encoding):
        (message,) = found("default")
        assert encoding in message.msg
        assert track("visit", user_id="hong").status == "pending"
        event = track(GIFT, user_id="u1", event_attributes={"note": GIFT})
        if encoding == "SQL_ASCII":  # keeps bytes, and counts them instead of characters
            assert event.event_name == GIFT
        else:
            assert (event.status, event.reason_code) == ("failed", "payload")
            assert "no equivalent in encoding" in event.reason


def test_a_database_of_today_is_silent(configured: Any) -> None:
    """And nothing is asked where Django asks no database."""
    assert found("default") == []
    assert found() == []
