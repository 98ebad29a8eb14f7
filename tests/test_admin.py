"""The admin as its reader sees it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from dfinery_django import track
from dfinery_django.delivery import drain
from dfinery_django.models import Event
from tests.conftest import PURCHASE, FarSide, answer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def delivered(configured: Any, far_side: FarSide) -> Event:
    configured()
    track("purchase", user_id="<script>u1</script>", event_attributes={"order_id": "A-1"})
    far_side.answers = [answer(400, 4002, "Invalid request format.")]
    drain("default", send=far_side)
    return Event.objects.get()


def test_search_finds_an_order(delivered: Event, admin_client: Any) -> None:
    """By event id, order id or user id; everything escaped."""
    for term in (str(delivered.event_id), "A-1", "<script>u1</script>"):
        page = admin_client.get(reverse("admin:dfinery_django_event_changelist"), {"q": term}).content.decode()
        assert "A-1" in page, term
        assert "<script>u1" not in page
    page = admin_client.get(reverse("admin:dfinery_django_event_changelist"), {"q": "B-2"}).content.decode()
    assert "A-1" not in page


def test_the_event_page_is_read_only_and_tells_why(delivered: Event, admin_client: Any) -> None:
    """Reason, payload and attempts are there; nothing can be saved or deleted."""
    url = reverse("admin:dfinery_django_event_change", args=[delivered.pk])
    page = admin_client.get(url).content.decode()
    assert "Invalid request format." in page
    assert "&quot;order_id&quot;: &quot;A-1&quot;" in page
    assert 'name="_save"' not in page
    assert admin_client.post(url, {}).status_code == 403
    assert admin_client.get(reverse("admin:dfinery_django_event_add")).status_code == 403


def test_payloads_need_a_permission_of_their_own(delivered: Event, client: Any, django_user_model: Any) -> None:
    """They hold personal data."""
    viewer = django_user_model.objects.create_user("viewer", password="x", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_event"))
    client.force_login(viewer)
    page = client.get(reverse("admin:dfinery_django_event_change", args=[delivered.pk])).content.decode()
    assert "A-1" in page
    assert "event_attributes" not in page


def act(client: Any, action: str) -> str:
    data = {"action": action, "_selected_action": list(Event.objects.values_list("pk", flat=True))}
    page = client.post(reverse("admin:dfinery_django_event_changelist"), data, follow=True)
    return str(page.content.decode())


def test_resend_sends_the_same_bytes_again(delivered: Event, admin_client: Any, far_side: FarSide) -> None:
    """Same id, same payload, on its way at once."""
    assert "Sent on their way again: 1." in act(admin_client, "resend")
    assert drain("default", send=far_side) == {"delivered": 1}
    assert far_side.requests[0].body == far_side.requests[1].body


def test_rebuild_after_the_mapping_was_mended(configured: Any, shop: Any, admin_client: Any, far_side: FarSide) -> None:
    """The payload is made anew and keeps its event_id; a lost destination is found again."""
    broken = {**PURCHASE, "event_attributes": {"order_id": "broken"}}
    configured(EVENTS={"purchase": broken, "astray": {**PURCHASE, "destination": lambda order: "nowhere"}})
    shop.place(status="paid", customer=shop.customer())
    drain("default", send=far_side)
    ids = set(Event.objects.values_list("event_id", flat=True))
    assert set(Event.objects.values_list("reason_code", flat=True)) == {"payload", "no_destination"}
    configured(EVENTS={"purchase": PURCHASE, "astray": PURCHASE})
    assert "Sent on their way again: 2." in act(admin_client, "rebuild")
    assert drain("default", send=far_side)["delivered"] == 2
    assert {json.loads(request.body)["event_attributes"]["event_id"] for request in far_side.requests} == set(
        map(str, ids)
    )


def test_what_is_too_old_is_left_alone(delivered: Event, admin_client: Any) -> None:
    """Its 48 hours are over: nothing is promised."""
    Event.objects.update(expires_at=delivered.occurred_at)
    page = act(admin_client, "resend")
    assert "Left alone" in page
    assert Event.objects.get().status == "failed"


def test_actions_need_permissions_of_their_own(delivered: Event, client: Any, django_user_model: Any) -> None:
    """Who may only view sends nothing."""
    viewer = django_user_model.objects.create_user("viewer", password="x", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_event"))
    client.force_login(viewer)
    act(client, "resend")
    assert Event.objects.get().status == "failed"
