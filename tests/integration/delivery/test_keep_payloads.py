"""``KEEP_PAYLOADS = False``: what an event said is dropped when it arrives."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dfinery_django import track
from dfinery_django.admin.event_page import is_offered
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import Action
from dfinery_django.models import Event
from dfinery_django.operations import bulk_action
from dfinery_django.operations.selection import Selection
from tests.support.doubles import FarSide, accepted, answer
from tests.support.staff import ask, page_of, text_of

pytestmark = pytest.mark.django_db(transaction=True)


def forecast(action: Action) -> dict[str, int]:
    return dict(bulk_action.Forecast(bulk_action.new_bulk_action(action, Selection(), by="x", using="default")).tally)


@pytest.mark.parametrize("keeps", [True, False])
def test_what_arrived_is_dropped(configured: Any, far_side: FarSide, keeps: bool) -> None:
    """What failed or waits keeps its content; the ids stay, for search."""
    configured(KEEP_PAYLOADS=keeps)
    for number in range(3):
        track("purchase", user_id=f"u{number}", event_attributes={"order_id": f"A-{number}"})
    far_side.answers = [accepted(), answer(400, 4002, "no"), answer(500)]
    drain("default", send=far_side, budget_seconds=2)
    kept = {event.status: bool(event.payload) for event in Event.objects.order_by("pk")}
    assert kept == {"delivered": keeps, "failed": True, "pending": True}
    delivered = Event.objects.get(status="delivered")
    assert (delivered.user_id, delivered.order_id) != ("", "")
    assert forecast(Action.RESEND) == {"delivered" if keeps else "dropped": 1, "ready": 1, "unfinished": 1}


def test_it_costs_no_query(configured: Any) -> None:
    """The content goes with the UPDATE that records the result."""
    written = []
    for keeps in (True, False):
        configured(KEEP_PAYLOADS=keeps)
        for _ in range(5):
            track("coupon", user_id="u1")
        drain("default", send=lambda request: accepted())  # makes the destination's row
        for _ in range(5):
            track("coupon", user_id="u1")
        with CaptureQueriesContext(connection) as context:
            drain("default", send=lambda request: accepted())
        statements = [each["sql"] for each in context.captured_queries]
        written.append([each for each in statements if re.match(r"UPDATE .dfinery_django_event.", each)])
    assert ["payload" in "".join(each) for each in written] == [False, True]
    assert len(written[0]) == len(written[1])


def test_rebuild_still_works(configured: Any, shop: Any) -> None:
    """As long as the order is there: it says the same once more, and is dropped once more."""
    configured(KEEP_PAYLOADS=False)
    shop.pay(shop.place(customer=shop.customer()))
    sent: list[bytes] = []

    def send(request: Any) -> Any:
        sent.append(request.body)
        return accepted()

    drain("default", send=send)
    assert forecast(Action.REBUILD) == {"delivered": 1}
    wish = bulk_action.new_bulk_action(Action.REBUILD, Selection(), by="x", using="default")
    wish.save()
    bulk_action.advance("default")
    drain("default", send=send)
    assert sent[0] == sent[1]
    assert Event.objects.get().payload == ""


def test_the_admin_says_so(configured: Any, shop: Any, admin_client: Any) -> None:
    """No payload is shown, no resend offered; the question says why it is left alone."""
    configured(KEEP_PAYLOADS=False)
    shop.pay(shop.place(customer=shop.customer()))
    drain("default", send=lambda request: accepted())
    event = Event.objects.get()
    page = admin_client.get(page_of(event))
    assert "dropped on delivery (KEEP_PAYLOADS): the event can't be resent, but can be rebuilt" in text_of(page)
    assert "/ask/resend/" not in page.content.decode()
    assert "/ask/rebuild/" in page.content.decode()
    assert not is_offered(Action.RESEND, event, event.occurred_at)
    question = text_of(ask(admin_client, "resend", event))
    assert "1 left alone: the content was dropped on delivery (KEEP_PAYLOADS); rebuild instead." in question


def test_only_true_or_false(configured: Any) -> None:
    """A text such as "False" would else count as yes."""
    from dfinery_django.checks import check_settings

    configured(KEEP_PAYLOADS="False")
    assert [each.id for each in check_settings()] == ["dfinery.E004"]
