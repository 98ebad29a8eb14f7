"""An event that expires says why nothing was sent in time."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from django.utils import timezone, translation

from dfinery_django import track
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import Reason
from dfinery_django.models import Destination, Event
from dfinery_django.text.reasons import ReasonText, to_json
from tests.support.doubles import FarSide, answer
from tests.support.events import event, soon

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = dt.timedelta(hours=1)


def expired(far_side: FarSide, **changes: Any) -> Event:
    """An event whose time is over when the next drain begins."""
    stored = event()
    Event.objects.filter(pk=stored.pk).update(expires_at=timezone.now(), **changes)
    drain("default", send=far_side)
    stored.refresh_from_db()
    assert (stored.status, stored.reason_code) == ("expired", "too_old")
    assert far_side.requests == []
    return stored


def code_of(stored: Event) -> str:
    return str(json.loads(stored.reason_data)[0])


def drained(hours: float) -> None:
    Destination.objects.update_or_create(alias="default", defaults={"drained_at": timezone.now() - hours * HOUR})


def test_no_worker_ran(far_side: FarSide) -> None:
    """The drain that expires it is the first for a long time, or ever."""
    assert expired(far_side).reason == "It was not sent in time: no worker had ever looked for events."
    drained(hours=30)
    since = timezone.now() - 30 * HOUR
    assert f"no worker had looked for events since {since:%Y-%m-%d}" in expired(far_side).reason


def test_others_were_before_it(far_side: FarSide) -> None:
    """Drains ran all the time."""
    drained(hours=0.01)
    assert code_of(expired(far_side)) == "expired_in_queue"
    assert code_of(expired(far_side, attempt_count=1)) == "expired_in_queue"  # its attempt left no result


def test_a_paused_destination(far_side: FarSide) -> None:
    """Who paused it, and what had become of the event before."""
    Destination.objects.create(alias="default", paused_by="Kim", paused_at=timezone.now() - 3 * HOUR)
    assert "delivery to default is paused by Kim since" in expired(far_side).reason
    tried = expired(far_side, attempt_count=2, reason="HTTP 503.")
    assert tried.reason.endswith("Attempts: 2. The last result: HTTP 503.")
    assert "paused by Kim" in tried.reason


def test_a_stopped_destination(far_side: FarSide) -> None:
    """Since when, and why, in the reader's language, too."""
    why = ReasonText("blocked", cause=ReasonText("token_invalid"), answer="HTTP 401, 4001")
    now = timezone.now()
    closed = {"closed_until": now + HOUR, "closed_at": now - 40 * HOUR, "closed_code": Reason.TOKEN}
    Destination.objects.create(alias="default", closed_reason=str(why), closed_data=to_json(why), **closed)
    stored = expired(far_side)
    assert stored.reason.endswith(f"UTC. {why}")
    with translation.override("ko"):
        assert "API 토큰이 유효하지 않음" in stored.translated_reason


def test_it_was_tried(far_side: FarSide) -> None:
    """How often, and the last result."""
    stored = event()
    far_side.always = answer(503)
    drain("default", send=far_side)
    soon(10)
    drain("default", send=far_side)
    Event.objects.update(expires_at=timezone.now(), due_at=timezone.now())
    drain("default", send=far_side)
    stored.refresh_from_db()
    said = "DFINERY gave no proper answer; the event is retried. It said: HTTP 503"
    assert stored.reason.startswith(f"It was not delivered in time. Attempts: 2. The last result: {said}")
    with translation.override("ko"):
        assert stored.translated_reason.startswith(
            "제때 전송하지 못했습니다. 시도 횟수: 2. 마지막 결과: DFINERY가 정상적"
        )


def test_it_came_too_late(far_side: FarSide) -> None:
    """It happened more than 48 hours before it was captured."""
    stored = track("coupon", user_id="u1", occurred_at=timezone.now() - 50 * HOUR)
    assert stored is not None
    drain("default", send=far_side)
    stored.refresh_from_db()
    assert code_of(stored) == "expired_at_capture"
    assert "more than 48 hours after it happened" in stored.reason


def test_its_destination_is_not_configured_any_more(configured: Any, far_side: FarSide) -> None:
    """No lane ever takes it."""
    configured(TOKENS={"default": "token", "old": "token"})
    stored = track("coupon", user_id="u1", destination="old")
    assert stored is not None
    Destination.objects.get_or_create(alias="old")  # it had events before
    configured(TOKENS={"default": "token"})
    Event.objects.update(expires_at=timezone.now())
    drain("default", send=far_side)
    stored.refresh_from_db()
    assert stored.reason == ("It was not sent in time: its destination old has no token in DFINERY['TOKENS'].")
