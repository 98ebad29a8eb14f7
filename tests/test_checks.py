"""System checks over definitions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from dfinery_django import Coalesce, Hashed, Value, checks
from tests.conftest import PURCHASE


def found(tags: Any = ("dfinery",)) -> list[Any]:
    return run_checks(tags=list(tags))


def test_a_good_setting_is_silent(configured: Any) -> None:
    """No message for the purchase of the documentation, guests included."""
    user = {"user_id": Coalesce("customer.pk", Hashed("guest_email")), "grade": "customer.get_grade_display"}
    attributes = {**PURCHASE["event_attributes"], "first_sku": "lines.first.product.sku", "source_type": Value("WEB")}
    configured(
        EVENTS={
            "purchase": PURCHASE,
            "guest": {**PURCHASE, "user": None, "user_attributes": user, "event_attributes": attributes},
            "sign_up": {"model": "shop.User", "when": "created"},
        }
    )
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "number", "words"),
    [
        ({"model": "shop.Oder"}, "E007", "shop.Oder"),
        ({"model": None}, "E007", "no installed model"),
        ({"whne": "created"}, "E007", "'when'"),
        ({"when": "creatd"}, "E007", "'created'"),
        ({"event_attributes": ["number"]}, "E007", "not a dict"),
        ({"event_attributes": {"x": 5}}, "E007", "Value(5)"),
        ({"event_attributes": {"x": "a..b"}}, "E007", "empty part"),
        ({"event_attributes": {"order_id": "numbr"}}, "E008", "'number'"),
        ({"item_attributes": {"product_id": "product.skuu"}}, "E008", "'sku'"),
        ({"user_attributes": {"user_id": "pkk"}}, "E008", "'pkk'"),
        ({"event_datetime": "payed_at"}, "E008", "'paid_at'"),
        ({"once_per": "payed_at"}, "E008", "'paid_at'"),
        ({"event_name": "x" * 300}, "E007", "255 characters"),
        ({"items": "line"}, "E008", "'lines'"),
        ({"user": "custmer"}, "E008", "'customer'"),
        ({"event_attributes": {"x": "customer"}}, "E008", "customer.pk"),
        ({"event_attributes": {"x": "lines.product.sku"}}, "E008", ".first.product"),
        ({"event_attributes": {"x": "lines.nope"}}, "E008", "'nope'"),
        ({"user": None, "user_attributes": {"user_id": "customer.order.number"}}, "E008", "'order_set'"),
        ({"when": {"statuss": "paid"}}, "E009", "statuss"),
        ({"event_attributes": {"event_id": "pk"}}, "E010", "event_id"),
        ({"event_attributes": {"items": Value(1)}}, "E010", "item_attributes"),
        ({"destination": "brand_b"}, "E011", "default"),
        ({"guests": "ignore"}, "E013", "guests"),
        ({"build": "later"}, "E013", "build"),
        ({"signal": ("no.such.signal", "order")}, "E014", "No module"),
        ({"user": None}, "W001", "user"),
    ],
)
def test_every_mistake_of_a_definition(configured: Any, changes: Any, number: str, words: str) -> None:
    """An id, the definition's name, what is wrong, and what to write."""
    configured(EVENTS={"purchase": {**PURCHASE, **changes}})
    messages = found()
    assert messages, "no message"
    assert {message.id for message in messages} == {f"dfinery.{number}"}
    assert all("purchase" in message.msg for message in messages)
    assert words in f"{messages[0].msg} {messages[0].hint}"


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"PROTOCOL": "dfinery_django.protocols.nope.API"}, "E012"),
        ({"WAKE": "nowhere.wake"}, "E012"),
        ({"DRAIN_SECONDS": 3600}, "W002"),
        ({"BASE_URL": "http://example.com"}, "E005"),
        ({"EVENTS": {"purchase": "nowhere.Purchase"}}, "E007"),
        ({"EVENTS": {"purchase": 7}}, "E007"),
    ],
)
def test_every_mistake_of_the_setting(configured: Any, changes: Any, number: str) -> None:
    """What conf can't see by itself: imports, the queue, definitions by path."""
    configured(**changes)
    assert [message.id for message in found()] == [f"dfinery.{number}"]


def test_one_bad_definition_leaves_the_others_in_force(configured: Any) -> None:
    """A mistake costs its own event only."""
    from dfinery_django import registry

    configured(EVENTS={"bad": {"model": "no.Model"}, "purchase": PURCHASE})
    assert [each.name for each in registry.definitions()] == ["purchase"]


def test_every_id_is_listed() -> None:
    """The table in the module's docstring has each id that the code gives."""
    from dfinery_django import conf

    source = "".join(Path(str(module.__file__)).read_text() for module in (checks, conf))
    given = set(re.findall(r'"([EW]\d{3})"', source))
    listed = set(re.findall(r"^([EW]\d{3})", str(checks.__doc__), re.MULTILINE))
    assert given == listed
