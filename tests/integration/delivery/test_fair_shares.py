"""Each kind of work has its share of every round: however much of one there is, the others go on."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from dfinery_django import event_delivered, event_expired, track
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import Action
from dfinery_django.models import Event
from dfinery_django.operations import bulk_action
from dfinery_django.operations.selection import Selection
from tests.support.doubles import PURCHASE, FarSide
from tests.support.events import event

pytestmark = pytest.mark.django_db(transaction=True)

SAME = ("event_name", "destination", "status", "payload", "occurred_at", "expires_at", "due_at", "definition", "source")


def copies(of: Event, count: int, **changes: Any) -> None:
    """Rows like this one."""
    values = {name: getattr(of, name) for name in SAME} | changes
    Event.objects.bulk_create([Event(**values) for _ in range(count)], batch_size=500)


@pytest.fixture
def endings() -> Any:
    """How events ended, in order."""
    names: list[str] = []

    def hear(event: Event, **kwargs: Any) -> None:
        names.append(event.status)

    for signal in (event_delivered, event_expired):
        signal.connect(hear)
    yield names
    for signal in (event_delivered, event_expired):
        signal.disconnect(hear)


@pytest.mark.parametrize("status", ["pending", "captured"])
def test_expiry_starves_nobody(configured: Any, far_side: FarSide, endings: list[str], status: str) -> None:
    """Five fresh events arrive while thousands of a long weekend are still being expired; these end as well."""
    configured(DRAIN_SECONDS=300)
    ago = timezone.now() - dt.timedelta(hours=60)
    for number in range(5):
        event(number)
    changes = {"payload": "", "definition": "purchase"} if status == "captured" else {}
    copies(
        event(5), 3000, status=status, occurred_at=ago, expires_at=ago + dt.timedelta(hours=48), due_at=ago, **changes
    )
    assert drain("default", send=far_side) == {"delivered": 6, "expired": 3000}
    assert endings.index("delivered") <= 500, "no more than a batch goes before"
    assert endings[:2000].count("delivered") == 6


def test_the_fresh_ones_arrive_in_a_drain_that_can_t_expire_all(configured: Any, far_side: FarSide) -> None:
    """Time is up long before all is expired: the five are delivered, the rest is left for the next drain."""
    configured(DRAIN_SECONDS=300)
    ago = timezone.now() - dt.timedelta(hours=60)
    for number in range(5):
        event(number)
    copies(event(5), 3000, occurred_at=ago, expires_at=ago, due_at=ago)

    def enough() -> bool:
        return Event.objects.filter(status="delivered").count() == 6

    assert drain("default", send=far_side, should_stop=enough)["delivered"] == 6
    assert Event.objects.filter(status="pending").exists()
    drain("default", send=far_side)
    assert not Event.objects.filter(finished_at=None).exists()


def test_strays_starve_nobody(configured: Any, far_side: FarSide, endings: list[str]) -> None:
    """Thousands of a destination that was removed are expired batch by batch, beside the deliveries of the others."""
    configured(TOKENS={"default": "t", "old_brand": "t"})
    first = track("coupon", user_id="u", destination="old_brand")
    assert first is not None
    ago = timezone.now() - dt.timedelta(hours=60)
    copies(first, 2000, occurred_at=ago, expires_at=ago, due_at=ago)
    Event.objects.filter(pk=first.pk).delete()
    configured(DRAIN_SECONDS=300)
    for number in range(5):
        event(number)
    drain("default", send=far_side)
    assert endings.index("delivered") <= 1000
    assert (endings.count("delivered"), endings.count("expired")) == (5, 2000)


def test_building_starves_nobody(configured: Any, far_side: FarSide, shop: Any) -> None:
    """What is built goes out while a backlog of captured events is still being built."""
    configured(
        DRAIN_SECONDS=300,
        EVENTS={"purchase": {**PURCHASE, "event_attributes": {"order_id": "number"}, "once_per": None}},
    )
    shop.place(status="paid", customer=shop.customer())
    first = Event.objects.get()
    copies(first, 1000, source_pk=first.source_pk)
    left: list[int] = []

    def send(request: Any) -> Any:
        left.append(len(far_side.requests))
        return far_side(request)

    captured: list[int] = []

    def look() -> bool:
        if left and not captured:
            captured.append(Event.objects.filter(status="captured").count())
        return False

    assert drain("default", send=send, should_stop=look)["delivered"] == 1001
    assert captured[0] > 500


def test_a_large_repair_starves_nobody(configured: Any, far_side: FarSide) -> None:
    """What an operator wants done to thousands of events is done chunk by chunk, beside the deliveries."""
    configured(DRAIN_SECONDS=300)
    first = event(0)
    copies(first, 1500, status="cancelled", due_at=None)
    Event.objects.filter(status="cancelled").update(finished_at=timezone.now() - dt.timedelta(minutes=1))
    wish = bulk_action.new_bulk_action(Action.RESEND, Selection(status="cancelled"), by="kim", using="default")
    wish.save()
    event(1)
    finished: list[Any] = []

    def look() -> bool:
        if far_side.requests and not finished:
            wish.refresh_from_db()
            finished.append(wish.finished_at)
        return False

    assert drain("default", send=far_side, should_stop=look)["delivered"] == 1502
    assert finished == [None]
