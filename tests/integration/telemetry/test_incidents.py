"""The log: one ERROR per incident, a record for each event, and nothing of what an event says."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from django.utils.log import AdminEmailHandler

from dfinery_django import event_failed, track
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Destination, Event, Incident
from dfinery_django.sandbox import FAULTS, Sandbox
from dfinery_django.telemetry.incidents import QUIET, begins
from tests.shop.models import Order
from tests.support.doubles import PURCHASE, FarSide, answer
from tests.support.log_fields import LOG_FIELDS
from tests.support.processes import Workers, ended

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 200


@pytest.fixture
def mails(settings: Any, configured: Any) -> Any:
    """Django's own mail_admins on our logger, as docs/run/monitoring.md configures it."""
    # Django 6 takes addresses where earlier ones take pairs.
    settings.ADMINS = ["ops@example.com"] if _takes_addresses() else [("Ops", "ops@example.com")]
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}  # Django 6.1
    settings.DEBUG = False
    configured(CONCURRENCY=4)
    handler = AdminEmailHandler()
    handler.setLevel(logging.ERROR)
    logger = logging.getLogger("dfinery_django")
    logger.addHandler(handler)
    yield lambda: [each.subject for each in mail.outbox]
    logger.removeHandler(handler)


def _takes_addresses() -> bool:
    import django

    return django.VERSION >= (6, 0)


def errors(caplog: Any) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]


def many(event_name: str = "coupon", count: int = MANY, **fields: Any) -> None:
    track(event_name, user_id="template")
    template = Event.objects.get()
    rows = []
    for _ in range(count - 1):
        row = Event(**{each.attname: getattr(template, each.attname) for each in Event._meta.concrete_fields[2:]})
        rows.append(row)
    Event.objects.bulk_create(rows)
    Event.objects.update(**fields)


def test_a_refused_token_is_one_error(mails: Any, caplog: Any, far_side: FarSide) -> None:
    """However many events wait, and however often it is tried again."""
    many()
    far_side.always = answer(401, 4001)
    for _ in range(3):
        drain(send=far_side)
        Destination.objects.update(closed_until=timezone.now())
    assert len(errors(caplog)) == len(mails()) == 1
    assert "refuses us" in errors(caplog)[0]


def test_events_that_expire_are_one_error(mails: Any, caplog: Any, far_side: FarSide) -> None:
    """Over several drains, as they expire one after another."""
    many(expires_at=timezone.now() + dt.timedelta(hours=1))
    keys = list(Event.objects.values_list("pk", flat=True))
    Destination.objects.update(warned_at=timezone.now(), paused_by="Kim")
    for part in (keys[:50], keys[50:120], keys[120:]):
        Event.objects.filter(pk__in=part).update(expires_at=timezone.now())
        drain(send=far_side)
    assert Event.objects.filter(status="expired").count() == MANY
    (error,) = errors(caplog)
    assert error.startswith("Events for default expire")
    assert len(mails()) == 1


def test_events_that_dfinery_refuses_are_one_error(mails: Any, caplog: Any, far_side: FarSide) -> None:
    """4002 for all of them; DFINERY's words are in the admin, not in the log."""
    many()
    far_side.always = answer(400, 4002, "value hong@example.com is not valid")
    drain(send=far_side)
    assert Event.objects.filter(status="failed").count() == MANY
    (error,) = errors(caplog)
    assert error.startswith("Events of coupon fail, rejected. The first: ")
    assert "hong" not in caplog.text
    assert len(mails()) == 1


def test_a_broken_mapping_is_one_error_with_its_traceback(mails: Any, caplog: Any, configured: Any, shop: Any) -> None:
    """One for each definition and reason, not for each order; it names the first."""

    class Broken:
        def __call__(self, order: Any) -> Any:
            raise LookupError("no such thing")

    failing = {**PURCHASE, "items": Broken()}
    configured(EVENTS={"purchase": failing, "again": {**failing, "event_name": "again"}})
    customer = shop.customer()
    for number in range(MANY // 10):
        Order.objects.create(number=str(number), status="paid", customer=customer)
    Event.objects.update(due_at=timezone.now())
    drain(send=lambda request: answer(200, 2000))
    assert Counter(Event.objects.values_list("status", flat=True)) == {"failed": MANY // 5}
    said = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(said) == len(mails()) == 2
    assert {each.dfinery_definition for each in said} == {"purchase", "again"}
    for each in said:
        assert each.exc_info is None or each.exc_info[0] is LookupError
        assert f"of shop.Order {Order.objects.earliest('pk').pk}" in each.getMessage()


def test_a_bug_at_capture_is_one_error(mails: Any, caplog: Any, configured: Any, shop: Any) -> None:
    """In the shop's requests, after their commit, with the traceback of the definition's own error."""

    def broken(order: Any) -> str:
        raise LookupError("no such thing")

    configured(EVENTS={"purchase": {**PURCHASE, "destination": broken}})
    for number in range(10):
        Order.objects.create(number=str(number), status="paid")
    assert Event.objects.filter(status="failed").count() == 10
    (error,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert error.exc_info[0] is LookupError
    assert len(mails()) == 1


def test_values_that_can_t_be_sent_are_one_error(mails: Any, caplog: Any) -> None:
    """track() with a wrong value, again and again: the field is named, the value is not."""
    for _ in range(10):
        track("coupon", user_id="u", event_attributes={"order_sales": Decimal("NaN"), "order_id": "secret-7"})
    (error,) = errors(caplog)
    assert "fail, payload at event_attributes.order_sales. The first: " in error
    assert "secret-7" not in caplog.text
    assert "NaN" not in caplog.text
    assert len(mails()) == 1


@pytest.mark.parametrize("trouble", ["refused", "expired", "rejected"])
def test_several_workers_tell_once(configured: Any, trouble: str) -> None:
    """Three processes that meet the same trouble at the same time: one ERROR among them."""
    with Sandbox(tokens=["another" if trouble == "refused" else "test-token"]) as sandbox:
        configured(CONCURRENCY=2, BASE_URL=sandbox.url)
        if trouble == "rejected":
            sandbox.answer_next(*[FAULTS["4007"]] * MANY)
        many(**({"expires_at": timezone.now()} if trouble == "expired" else {}))
        with Workers() as workers:
            said = [ended(process, 60) for process in [workers.start() for _ in range(3)]]
    status = {"refused": "pending", "expired": "expired", "rejected": "failed"}[trouble]
    assert Counter(Event.objects.values_list("status", flat=True)) == {status: MANY}
    text = "".join(said)
    words = {"refused": "is stopped. DFINERY refuses us", "expired": "expire:", "rejected": "fail, rejected"}[trouble]
    assert text.count(words) == 1, text


def test_an_incident_ends_when_it_is_quiet() -> None:
    """While its like keeps happening it is one; after a pause of QUIET it is another. Subjects are their own."""
    now = timezone.now()
    assert begins("failed purchase", using="default", now=now)
    for hours in range(1, 30):
        assert not begins("failed purchase", using="default", now=now + dt.timedelta(hours=hours))
    assert begins("failed Purchase", using="default", now=now)
    assert begins("failed purchase", using="default", now=now + dt.timedelta(hours=29) + QUIET)
    assert Incident.objects.count() == 2


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_exactly_one_of_many_begins_it() -> None:
    """Eight threads at once, for one that is new and for one that was quiet."""
    for now in (timezone.now(), timezone.now() + 2 * QUIET):
        told: list[bool] = []

        def ask(now: dt.datetime = now, told: list[bool] = told) -> None:
            told.append(begins("failed", using="default", now=now))
            connection.close()

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(told) == [False] * 7 + [True]


def test_without_its_table_it_is_said_all_the_same(mails: Any, caplog: Any, far_side: FarSide) -> None:
    """A fault of the bookkeeping hides no error, and stops no drain."""
    track("x", user_id="u")
    far_side.always = answer(400, 4002)
    with connection.schema_editor() as editor:
        editor.delete_model(Incident)
    try:
        drain(send=far_side)
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(Incident)
    assert Event.objects.get().status == "failed"
    assert len(errors(caplog)) == 1


# ── records ────────────────────────────────────────────────────────────────────────────────────────────────────────


def facts(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name.startswith("dfinery_")}


def test_each_attempt_has_a_record(configured: Any, far_side: FarSide, caplog: Any) -> None:
    """Event, definition, outcome and duration as attributes, and in words."""
    configured()
    caplog.set_level(logging.INFO, "dfinery_django")
    event = track("coupon", user_id="u")
    far_side.answers = [answer(503)]
    drain(send=far_side)
    Event.objects.update(due_at=timezone.now())
    drain(send=far_side)
    first, second = (facts(each) for each in caplog.records if each.name == "dfinery_django.events")
    assert first == {
        "dfinery_event_id": str(event.event_id),
        "dfinery_event_name": "coupon",
        "dfinery_definition": "",
        "dfinery_destination": "default",
        "dfinery_outcome": "transient",
        "dfinery_attempt": 1,
        "dfinery_duration_ms": first["dfinery_duration_ms"],
        "dfinery_status_code": 503,
        "dfinery_result_code": "",
    }
    assert isinstance(first["dfinery_duration_ms"], int)
    assert (second["dfinery_outcome"], second["dfinery_attempt"], second["dfinery_result_code"]) == (
        "accepted",
        2,
        "2000",
    )
    assert "Drained: 1 delivered" in caplog.text


def test_what_ends_without_an_attempt_has_a_record(configured: Any, shop: Any, caplog: Any) -> None:
    """Failed at build, skipped as a guest."""
    caplog.set_level(logging.INFO, "dfinery_django")
    configured(EVENTS={"purchase": PURCHASE, "skipped": {**PURCHASE, "guests": "skip"}})
    shop.place(status="paid")
    drain(send=lambda request: answer(200, 2000))
    told = [facts(each) for each in caplog.records if each.name == "dfinery_django.events"]
    assert {(each["dfinery_definition"], each["dfinery_status"], each["dfinery_reason_code"]) for each in told} == {
        ("purchase", "failed", "no_user"),
        ("skipped", "cancelled", "guest"),
    }


def test_records_of_events_can_be_silenced_alone(configured: Any, far_side: FarSide, caplog: Any) -> None:
    """The child logger at WARNING: no record for each event, the others as before."""
    configured()
    caplog.set_level(logging.WARNING, "dfinery_django.events")
    caplog.set_level(logging.INFO, "dfinery_django")
    track("coupon", user_id="u")
    drain(send=far_side)
    assert [each.name for each in caplog.records] == ["dfinery_django"]


SECRETS = ("token-s3cr3t", "customer-4711", "Hong Gildong", "2026-A-900001", "7654321", "W15-COUPON", "Sesame 13")


def test_a_whole_story_says_no_token_and_no_content(configured: Any, shop: Any, caplog: Any) -> None:
    """Captured, built, refused, throttled, timed out, rejected with the value in DFINERY's words, failed, expired,
    delivered, at every level: no message, attribute or traceback holds the token or what an event says.
    """
    caplog.set_level(logging.DEBUG)
    heard: list[str] = []
    event_failed.connect(lambda event, **kwargs: heard.append(event.event_name), weak=False, dispatch_uid="story")
    attributes = {**PURCHASE["event_attributes"], "seller": "customer.first_name"}
    no_number = {**PURCHASE, "event_attributes": {"order_sales": "number"}}
    setting = {"TOKENS": {"default": SECRETS[0]}, "METRICS": True, "SETTLE_SECONDS": 0}
    events = {"purchase": {**PURCHASE, "event_attributes": attributes, "user_attributes": {"user_id": "username"}}}
    configured(**setting, EVENTS={**events, "no_number": no_number})
    customer = shop.customer(SECRETS[1], first_name=SECRETS[2])
    product = shop.product(name=SECRETS[6])
    far_side = FarSide()
    echo = f"bad value {SECRETS[4]} of {SECRETS[2]}"
    far_side.answers = [answer(401, 4001, "no"), answer(429, 4006, "slow"), TimeoutError(), answer(503, 5001, "x")]
    for step in range(8):
        number = f"{SECRETS[3]}{step}"
        order = shop.place(status="paid", customer=customer, number=number, total=SECRETS[4])
        order.lines.create(product=product, unit_price=1)
        track("coupon", user_id=SECRETS[1], event_attributes={"coupon_id": SECRETS[5], "order_sales": 1})
        track("wrong", user_id=SECRETS[1], event_attributes={"order_sales": SECRETS[5]})
        drain(send=far_side)
        far_side.answers += [answer(400, 4002, echo)]
        Event.objects.exclude(due_at=None).update(due_at=timezone.now())
        Destination.objects.update(closed_until=None, quota_left=None)
        if step == 6:
            Event.objects.exclude(due_at=None).update(expires_at=timezone.now())
    event_failed.disconnect(dispatch_uid="story")
    statuses = set(Event.objects.values_list("status", flat=True))
    assert {"delivered", "failed"} <= statuses
    assert heard
    own = [each for each in caplog.records if each.name.startswith("dfinery_django")]
    assert len(own) > 20
    for record in own:
        text = logging.Formatter().format(record) + repr(facts(record)) + repr(record.args)
        assert [secret for secret in SECRETS if secret in text] == []
    assert {name for record in own for name in facts(record)} <= LOG_FIELDS


def test_sentry_gets_one_event_per_incident(configured: Any, far_side: FarSide, caplog: Any) -> None:
    """With its real SDK, as a site has it: a refused token, many events that fail, many that expire: three in all."""
    import sentry_sdk
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.transport import Transport

    sent: list[Any] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            sent.extend(item.get_event() for item in envelope.items if item.get_event())

    configured()
    caplog.set_level(logging.INFO, "dfinery_django")
    # Other integrations change Django and the standard library for all tests that follow.
    integrations = [LoggingIntegration(), DedupeIntegration()]
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1", transport=Kept, default_integrations=False, integrations=integrations
    )
    try:
        many(count=50)
        far_side.always = answer(401, 4001)
        for _ in range(3):
            drain(send=far_side)
            Destination.objects.update(closed_until=timezone.now())
        far_side.always, far_side.answers = answer(400, 4002), [answer(200, 2000)]
        Destination.objects.update(closed_until=None, closed_code="", failure_count=0)
        Event.objects.filter(pk__in=list(Event.objects.values_list("pk", flat=True)[:20])).update(
            expires_at=timezone.now()
        )
        drain(send=far_side)
    finally:
        sentry_sdk.get_client().close()
        sentry_sdk.init(default_integrations=False)
    assert Counter(Event.objects.values_list("status", flat=True)) == {"expired": 20, "failed": 29, "delivered": 1}
    told = [event["logentry"]["message"] for event in sent]
    assert [words.split(" ")[0] for words in told] == ["Delivery", "Events", "Events"], told
    assert sent[2]["extra"]["dfinery_definition"] == ""
    assert "test-token" not in repr(sent)
