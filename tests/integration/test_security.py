"""Threats that no other file's tests hold; docs/contributing/threats.md names the test of each."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest
from django.db import ProgrammingError, connection
from django.test import RequestFactory
from django.views.debug import ExceptionReporter
from django_q.models import OrmQ, Schedule

from dfinery_django import django_q2, track
from dfinery_django.delivery import worker
from dfinery_django.delivery.worker import drain
from dfinery_django.exceptions import TransportError
from dfinery_django.models import Event
from dfinery_django.outbox.wakeup import request_wake
from tests.support.doubles import PURCHASE, FarSide, answer

SECRET = "s3cret-token"

pytestmark = pytest.mark.django_db


def plain(value: Any) -> bool:
    """Whether it is text, a number, truth or nothing, or a tuple, list or dict of those."""
    if isinstance(value, dict):
        return all(plain(each) for pair in value.items() for each in pair)
    if isinstance(value, (list, tuple, set)):
        return all(plain(each) for each in value)
    return value is None or type(value) in (str, int, float, bool)


def test_the_queue_holds_plain_values(configured: Any) -> None:
    """django-q2 pickles a task: of ours it has a path and texts, never an object that unpickling would run."""
    configured(TOKENS={"default": SECRET}, WAKE="dfinery_django.tasks.wake")
    request_wake("default", "default")
    django_q2.ensure_schedules()
    (queued,) = OrmQ.objects.all()
    task = queued.task
    assert task["func"] == "dfinery_django.tasks.drain"
    assert plain([task["args"], task["kwargs"]])
    assert SECRET not in repr(task)
    for schedule in Schedule.objects.all():
        assert schedule.func.startswith("dfinery_django.tasks.")
        assert SECRET not in f"{schedule.args} {schedule.kwargs}"


def test_no_log_record_has_the_token_or_what_was_sent(configured: Any, shop: Any, caplog: Any) -> None:
    """Over a story of acceptance, refusal, faults and a refused token, at the most talkative level."""
    configured(TOKENS={"default": SECRET}, EVENTS={"purchase": PURCHASE})
    caplog.set_level(logging.DEBUG)
    far_side = FarSide()
    far_side.answers = [
        answer(200, 2000), answer(400, 4007, "Contains unsupported property value."), answer(500, 5001),
        TransportError("the answer came too slowly"), answer(401, 4001, "Invalid token."),
    ]  # fmt: skip
    for number in range(5):
        track("visit", user_id=f"hidden-user-{number}", event_attributes={"note": f"hidden-note-{number}"})
        drain("default", send=far_side)
    assert len(far_side.requests) >= 3
    assert caplog.records
    for record in caplog.records:
        told = f"{record.getMessage()} {record.__dict__}"
        assert SECRET not in told
        assert "hidden-" not in told, told


def test_an_error_page_shows_no_token(configured: Any) -> None:
    """Even Django's own, with DEBUG, with each frame's variables and all settings."""
    configured(TOKENS={"default": SECRET})
    track("visit", user_id="u1")

    def broken(execute: Any, sql: str, *others: Any) -> Any:
        if sql.startswith("UPDATE") and "dfinery_django_event" in sql:
            raise ProgrammingError("broken for the test")
        return execute(sql, *others)

    page = ""
    with connection.execute_wrapper(broken):
        try:
            drain("default", send=FarSide())
        except ProgrammingError:
            page = ExceptionReporter(RequestFactory().get("/"), *sys.exc_info()).get_traceback_html()
    assert worker.__file__ in page
    assert SECRET not in page


def test_a_payload_from_elsewhere_is_data() -> None:
    """Markup, template tags and SQL in an event's own values are stored and sent as they are."""
    evil = "'; DROP TABLE dfinery_django_event; -- {{ settings.SECRET_KEY }} <script>%s</script>"
    track("visit", user_id=evil, event_attributes={"note": evil})
    far_side = FarSide()
    drain("default", send=far_side)
    (body,) = far_side.bodies
    assert body["user_attributes"]["user_id"] == evil
    assert body["event_attributes"]["note"] == evil
    assert Event.objects.count() == 1
