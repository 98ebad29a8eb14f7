"""``manage.py dfinery init`` in an oscar shop: the mapping of docs/map/oscar.md, and one that structure alone gives."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management import call_command

from dfinery_django.checks import check_settings
from dfinery_django.checks.definitions import check_definition
from dfinery_django.proposal.events import propose
from dfinery_django.proposal.orders import order_models
from dfinery_django.proposal.shop import whole_proposal


def test_the_proven_mapping_is_proposed(capsys: Any, monkeypatch: Any) -> None:
    """It is that of the page, word by word, and passes the checks."""
    proposal: Any = whole_proposal(None, check_definition)
    assert repr(proposal.setting()["EVENTS"]) == repr(settings.DFINERY["EVENTS"])
    call_command("dfinery", "init")
    monkeypatch.setenv("DFINERY_API_TOKEN", "test-token")
    names: dict[str, Any] = {"os": os}
    exec(capsys.readouterr().out.partition("\n}\n")[0] + "\n}\n", names)
    monkeypatch.setattr(settings, "DFINERY", names["DFINERY"])
    assert [each.id for each in check_settings() if each.id != "dfinery.I001"] == []


def test_structure_alone_finds_the_same_fields() -> None:
    """Without knowing oscar, the fields that DFINERY knows get the same paths."""
    found = order_models()
    assert found[0].label == "order.Order"
    purchase = propose(found[0]).events[0]
    proven = settings.DFINERY["EVENTS"]["purchase"]
    content = purchase.content()
    same = {
        "event_attributes": ("order_id", "order_sales", "delivery_charge"),
        "item_attributes": ("product_id", "product_name", "quantity", "price", "currency"),
        "user_attributes": ("user_id",),
    }
    for place, names in same.items():
        assert {name: repr(content[place][name]) for name in names} == {
            name: repr(proven[place][name]) for name in names
        }
    assert (content["items"], content["event_datetime"]) == ("lines", "date_placed")
