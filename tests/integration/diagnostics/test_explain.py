"""What would become of an object, and why: the way of capture and building, without leaving a trace."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from dfinery_django import Coalesce, EventDefinition, Hashed, Value, capture, register
from dfinery_django.building.build import build
from dfinery_django.building.custom_fields import clear_known_fields
from dfinery_django.definitions.registry import definitions_watching, get, unregister
from dfinery_django.diagnostics.explain import Explanation, FiringVerdict, explain
from dfinery_django.diagnostics.fields import FieldReading, PayloadPart
from dfinery_django.models import CustomField, Event
from dfinery_django.signals import event_expired, event_failed
from tests.shop.models import Line, Order
from tests.support.doubles import PURCHASE

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)


def explained(instance: Any, name: str = "purchase", **options: Any) -> Explanation:
    return explain(get(name), instance, using="default", **options)


def unseen(order: Any, **fields: Any) -> Any:
    """The order with other values, of which no signal told."""
    Order.objects.filter(pk=order.pk).update(**fields)
    return order


def words(explanation: Explanation, name: str) -> list[tuple[bool | None, str]]:
    return [(step.holds, step.words) for step in explanation.steps if step.name == name]


def part(explanation: Explanation, path: str) -> PayloadPart:
    return next(each for each in explanation.parts if each.path == path)


def reading(explanation: Explanation, path: str) -> FieldReading:
    """The field at ``items[0].price``."""
    holder, _, name = path.rpartition(".")
    return next(each for each in part(explanation, holder).readings if each.name == name)


def on_note(order: Any, created: bool) -> bool:
    if order.note == "broken":
        raise KeyError("tax")
    return bool({"": False, "always": True, "insertion": created}[order.note])


# ── would it fire ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_that_is_not_paid_yet(shop: Any) -> None:
    """Each condition says what the row has and what is wanted; what it would say is told all the same."""
    explanation = explained(shop.place(customer=shop.customer()))
    assert (explanation.verdict, explanation.why) == (FiringVerdict.SILENT, "status is 'pending', wanted 'paid'.")
    assert words(explanation, "when") == [(False, "status is 'pending', wanted 'paid'.")]
    assert (explanation.ending, explanation.captured) == ("pending", None)
    assert reading(explanation, "event_attributes.order_sales").wire == 4000000.0


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"status__in": ["paid", "x"]}, (False, "status is 'pending', wanted in ['paid', 'x'].")),
        ({"status": Order.Status.PENDING}, (True, "status is 'pending', wanted Order.Status.PENDING.")),
        ({"paid_at__isnull": False}, (False, "paid_at is None, wanted isnull False.")),
        ({"total__gte": 1}, (True, "total is Decimal('4000000.00'), wanted gte 1.")),
        ({"customer__grade": "gold"}, (False, "customer__grade is 'basic', wanted 'gold'.")),
        ({"customer__date_joined__year": 2020}, (False, "date_joined__year is ")),
        ({"lines__quantity": 1}, (True, "lines__quantity is 1, 1, 1, …, wanted 1.")),
        (
            {"status": "PAID"},
            (False, "status is 'pending', wanted 'PAID' (none of its choices: 'pending', 'paid', 'cancelled')."),
        ),
        ({"status__in": ["PAID", "paid"]}, (False, "wanted in ['PAID', 'paid'].")),
        ({"customer__grade": "GOLD"}, (False, "wanted 'GOLD' (none of its choices: 'basic', 'gold').")),
        ({"nothing": 1}, (False, "nothing can't be evaluated: it raised FieldError: Cannot resolve")),
        ({"pk": "x"}, (False, "pk can't be evaluated: it raised ValueError")),
    ],
)
def test_each_lookup_says_what_the_row_has(configured: Any, shop: Any, when: Any, expected: Any) -> None:
    """Any lookup that filter() takes, through relations too; a wrong one is told."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": when}})
    explanation = explained(shop.place(customer=shop.customer(), lines=4))
    ((holds, said),) = words(explanation, "when")
    assert holds == expected[0]
    assert expected[1] in said


def test_lookups_that_hold_for_different_lines(configured: Any, shop: Any) -> None:
    """filter() wants them of the same line, and so does capture."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": {"lines__quantity": 2, "lines__coupon": "W15"}}})
    order = shop.place(customer=shop.customer(), lines=2)
    first, second = order.lines.all()
    Line.objects.filter(pk=first.pk).update(quantity=2)
    Line.objects.filter(pk=second.pk).update(coupon="W15")
    explanation = explained(order)
    assert [holds for holds, _ in words(explanation, "when")] == [True, True, False]
    assert explanation.verdict == FiringVerdict.SILENT
    Line.objects.filter(pk=first.pk).update(coupon="W15")
    assert explained(order).verdict == FiringVerdict.MISSED


@pytest.mark.parametrize(
    ("note", "verdict", "said"),
    [
        ("", FiringVerdict.SILENT, "on_note says no."),
        ("always", FiringVerdict.FIRES, "on_note says yes."),
        ("insertion", FiringVerdict.FIRES, "on_note says no to a save, yes to an insertion."),
        (
            "broken",
            FiringVerdict.SILENT,
            "on_note: it raised KeyError: 'tax'. Nothing is captured, and the log says so.",
        ),
    ],
)
def test_a_callable_is_asked(configured: Any, shop: Any, note: str, verdict: FiringVerdict, said: str) -> None:
    """As a save would and as an insertion would; its errors are told, not raised."""
    configured(EVENTS={})
    order = shop.place(note=note)
    configured(EVENTS={"purchase": {**PURCHASE, "when": on_note}})
    explanation = explained(order)
    assert explanation.verdict == verdict
    assert words(explanation, "when") == [(verdict == FiringVerdict.FIRES, said)]


@pytest.mark.parametrize(
    ("changes", "verdict", "why"),
    [
        ({"when": "created"}, FiringVerdict.MISSED, "captures nothing"),
        ({"when": "saved"}, FiringVerdict.FIRES, "Its next save fires it."),
        ({"when": "deleted"}, FiringVerdict.FIRES, "Its deletion fires it."),
        (
            {"signal": ("django.dispatch.Signal", "order"), "when": None},
            FiringVerdict.FIRES,
            "django.dispatch.Signal fires it",
        ),
        ({"signal": ("django.dispatch.Signal", "order")}, FiringVerdict.SILENT, "wanted 'paid'"),
    ],
)
def test_what_fires_it(configured: Any, shop: Any, changes: Any, verdict: FiringVerdict, why: str) -> None:
    """Words and signals: told, with when that happens."""
    configured(EVENTS={})
    order = shop.place(customer=shop.customer())
    configured(EVENTS={"purchase": {**PURCHASE, **changes}})
    explanation = explained(order)
    assert explanation.verdict == verdict
    assert why in explanation.why


def test_what_should_capture_turns_down(configured: Any, shop: Any) -> None:
    """The hook's word counts, and its error is told."""
    configured(EVENTS={})

    @register("shop.Order")
    class Purchase(EventDefinition):
        event_name = "purchase"
        when = {"status": "paid"}
        user_attributes = {"user_id": Value("u1")}

        def should_capture(self, instance: Any, *, created: bool) -> bool:
            return bool(1 / len(instance.note) > 0.1)

    try:
        order = unseen(shop.place(), status="paid", note="a test order")
        assert words(explained(order), "should_capture") == [(False, "It says no.")]
        assert explained(order).verdict == FiringVerdict.SILENT
        assert "ZeroDivisionError" in words(explained(unseen(order, note="")), "should_capture")[0][1]
        assert explained(unseen(order, note="x")).verdict == FiringVerdict.MISSED
    finally:
        unregister("purchase")


# ── is there an event already ──────────────────────────────────────────────────────────────────────────────────────


def test_what_was_captured_is_not_captured_again(shop: Any) -> None:
    """The event that is there: its status, its id, when, and what it failed of."""
    order = shop.place(status="paid")
    event = Event.objects.get()
    explanation = explained(order)
    assert (explanation.verdict, explanation.why) == (
        FiringVerdict.CAPTURED,
        "Status of its event: captured. It waits for a worker: see manage.py dfinery status.",
    )
    ((holds, said),) = words(explanation, "once_per")
    assert holds is False
    assert f"Event {event.event_id} of {timezone.localtime(event.created_at):%Y-%m-%d %H:%M}" in said
    Event.objects.update(status="pending")
    assert explained(order).why.endswith(
        "pending. It waits for a worker, or for its destination: see manage.py dfinery status."
    )
    Event.objects.update(status="failed", due_at=None, reason="No user.", finished_at=timezone.now())
    explanation = explained(order)
    assert explanation.captured is not None
    assert (explanation.captured.event_id, explanation.captured.status) == (str(event.event_id), "failed")
    assert explanation.why == "Status of its event: failed. No user."


def test_the_once_only_rule_of_the_definition(configured: Any, shop: Any) -> None:
    """A path in once_per makes another event; without the rule each firing is one."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": "saved", "once_per": "note"}})
    order = shop.place(customer=shop.customer(), note="a")
    assert explained(order).verdict == FiringVerdict.CAPTURED
    assert explained(unseen(order, note="b")).verdict == FiringVerdict.FIRES
    configured(EVENTS={"purchase": {**PURCHASE, "once_per": None}})
    explanation = explained(unseen(order, status="paid"))
    assert explanation.verdict == FiringVerdict.CAPTURED
    ((holds, said),) = words(explanation, "once_per")
    assert holds
    assert said.startswith("It is None: every firing is an event of its own. The last: Event")


def test_what_no_signal_told_of(configured: Any, shop: Any) -> None:
    """It matches and has no event: saving it again would not help, and it is said what would."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    order = unseen(shop.place(customer=shop.customer()), status="paid", paid_at=timezone.now() - HOUR)
    explanation = explained(order)
    assert explanation.verdict == FiringVerdict.MISSED
    assert explanation.why.endswith("Saving it again captures nothing. Reconcile does.")
    assert words(explanation, "reconcile") == [(True, "It captures it; it runs every 10 min.")]
    order.refresh_from_db()
    order.save()
    assert not Event.objects.exists()
    capture("purchase", order)
    assert words(explained(order), "reconcile") == [(False, "It captures only what has no event.")]


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (10, "It captures it once it is 60 s old; it runs every 10 min."),
        (0, "It captures it once it is 60 s old and it is run: manage.py dfinery reconcile."),
    ],
)
def test_what_reconcile_captures_in_a_minute(configured: Any, shop: Any, minutes: int, said: str) -> None:
    """An order of this minute is skipped for now only: nobody has to call capture()."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}}, RECONCILE_MINUTES=minutes)
    order = unseen(shop.place(customer=shop.customer()), status="paid", paid_at=timezone.now())
    explanation = explained(order)
    assert explanation.verdict == FiringVerdict.MISSED
    assert explanation.why.endswith("Saving it again captures nothing. Reconcile captures it once it is 60 s old.")
    assert words(explanation, "reconcile") == [(True, said)]


def test_an_order_from_last_year(configured: Any, shop: Any) -> None:
    """It would be expired, reconcile passes over it, and it is said how old it is."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    paid_at = timezone.now() - 365 * 24 * HOUR
    explanation = explained(unseen(shop.place(customer=shop.customer()), status="paid", paid_at=paid_at))
    assert (explanation.verdict, explanation.ending) == (FiringVerdict.MISSED, "expired")
    assert explanation.why.endswith("Only capture() would.")
    ((holds, said),) = words(explanation, "event_datetime")
    assert (holds, said.split(": ")[1]) == (False, "365 d ago. DFINERY processes nothing older than 48 h.")
    assert "skips it" in words(explanation, "reconcile")[0][1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"RECONCILE_MINUTES": 0}, "It captures it when it is run: manage.py dfinery reconcile."),
        ({"EVENTS": {"purchase": PURCHASE}}, "It can't find it: it has no 'event_datetime'"),
        ({"ENABLED": False}, "It skips it"),
    ],
)
def test_whether_reconcile_finds_it(configured: Any, shop: Any, changes: Any, said: str) -> None:
    """What stands in its way is said."""
    configured(**{"EVENTS": {"purchase": {**PURCHASE, "event_datetime": "paid_at"}}, **changes})
    order = unseen(shop.place(customer=shop.customer()), status="paid", paid_at=timezone.now() - HOUR)
    explanation = explained(order)
    assert said in words(explanation, "reconcile")[0][1]
    assert bool(words(explanation, "ENABLED")) == ("ENABLED" in changes)
    assert (explanation.verdict == FiringVerdict.SILENT) == ("ENABLED" in changes)


# ── what becomes of it ─────────────────────────────────────────────────────────────────────────────────────────────


def raising(instance: Any) -> Any:
    raise KeyError("tax")


@pytest.mark.parametrize(
    ("changes", "step", "said"),
    [
        ({"guests": "skip", "user": None, "user_attributes": {"user_id": "guest_email"}}, "user_id", "skips"),
        ({"user": None, "user_attributes": {"user_id": "guest_email"}}, "user_id", "accepts no event without"),
        ({"user": raising}, "user_id", "user: raising raised KeyError"),
        ({"destination": "brand_b"}, "destination", "'brand_b' has no token"),
        ({"destination": raising}, "destination", "destination: it raised KeyError: 'tax'"),
        ({"event_datetime": "paid_at", "when": "created"}, "event_datetime", "'paid_at' is empty"),
        ({"event_datetime": "number"}, "event_datetime", "a str is not a point in time"),
        ({"event_datetime": lambda order: dt.datetime(9999, 12, 31)}, "event_datetime", "9999-12-3"),  # noqa: DTZ001
        ({"items": raising}, "is_ready", "items: raising raised KeyError"),
    ],
)
def test_what_would_end_it(configured: Any, shop: Any, changes: Any, step: str, said: str) -> None:
    """The step that ends it says why, and its end is the one that building gives it."""
    configured(EVENTS={"purchase": {**PURCHASE, **changes}})
    explanation = explained(shop.place(customer=shop.customer()))
    assert said in words(explanation, step)[0][1]
    assert explanation.ending in ("failed", "cancelled")
    assert explanation.reason


def test_a_moment_that_is_set_later(configured: Any, shop: Any) -> None:
    """An unpaid order has no time of payment, and that fails nothing; a paid one without it does."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    order = shop.place(customer=shop.customer())
    explanation = explained(order)
    assert (explanation.verdict, explanation.ending, explanation.reason) == (FiringVerdict.SILENT, "pending", "")
    awaited = [(None, "'paid_at' is still empty; it has to be set when it fires.")]
    assert words(explanation, "event_datetime") == awaited
    moment = reading(explanation, "event_attributes.event_datetime")
    assert (moment.fault, moment.wire, moment.is_awaited) == (None, None, True)
    guest = explained(shop.place())
    assert (guest.ending, words(guest, "event_datetime")) == ("failed", awaited), "for want of a user only"
    assert "user_id" in guest.reason
    paid = explained(unseen(order, status="paid"))
    assert (paid.verdict, paid.ending) == (FiringVerdict.MISSED, "failed")
    assert words(paid, "event_datetime")[0][0] is False


@pytest.mark.parametrize(
    ("token", "holds", "said"),
    [
        ("", False, "default: its token is empty: set the environment variable or secret that it is read from."),
        ("a b", False, "default: its token is not usable in an HTTP header: "),
        (lambda: "", True, "default, which has a token."),
    ],
    ids=["empty", "unusable", "in a secret store"],
)
def test_a_token_that_can_not_be_used(configured: Any, shop: Any, token: Any, holds: bool, said: str) -> None:
    """Its fault is said, as far as it is known without a look into the secret store."""
    configured(EVENTS={"purchase": PURCHASE}, TOKENS={"default": token})
    ((found, words_of_it),) = words(explained(shop.place(customer=shop.customer())), "destination")
    assert found is holds
    assert words_of_it.startswith(said)


def test_items_that_are_not_there_yet(configured: Any, shop: Any) -> None:
    """Building would wait for them, and it is said how long."""
    explanation = explained(shop.place(customer=shop.customer(), lines=0))
    assert words(explanation, "is_ready") == [(False, "0 items. Building waits for 120 s at most, then goes on.")]
    assert (explanation.item_count, explanation.ending) == (0, "pending")
    configured(EVENTS={"purchase": {**PURCHASE, "items": None}})
    assert words(explained(shop.place(customer=shop.customer("b"))), "is_ready") == []


MAPPINGS: list[dict[str, Any]] = [
    {},
    {"event_attributes": {"x": "broken", "order_id": "number"}},
    {"event_attributes": {"event_id": "number"}},
    {"event_attributes": {"x": raising}},
    {"event_attributes": {"x": "nothing.here"}},
    {"event_attributes": {"order_sales": "number", "discount": "note"}},
    {"item_attributes": {"x": "product"}},
    {"item_attributes": {"x": "product.specification.colour", "quantity": "quantity"}},
    {"items": lambda order: (line for line in order.lines.all() if line.quantity)},
    {"items": None},
    {"user": None, "user_attributes": {"user_id": Coalesce("customer.pk", Hashed("guest_email"))}},
    {"user": None, "user_attributes": {"user_id": Hashed("guest_email"), "x": "note"}, "guests": "skip"},
    {"user": "customer", "user_attributes": {"user_id": "pk", "grade": "get_grade_display"}},
    {"event_datetime": "paid_at"},
    {"event_datetime": lambda order: dt.datetime(2020, 1, 1)},  # noqa: DTZ001
    {"destination": "brand_b"},
    {"destination": raising},
    {"once_per": raising},
]


@pytest.mark.parametrize("changes", MAPPINGS, ids=range(len(MAPPINGS)))
def test_it_agrees_with_building(configured: Any, shop: Any, changes: Any) -> None:
    """The end and its reason are those of the event that is built, the wire values those of its payload."""
    configured(EVENTS={})
    order = shop.place(status="paid", customer=shop.customer(), lines=2)
    configured(EVENTS={"purchase": {**PURCHASE, **changes}})
    explanation = explained(order, items=9)
    capture("purchase", order)
    event = Event.objects.get()
    if event.status == "captured":
        build([event], using="default", now=timezone.now())
    if "at capture" not in event.reason:  # later, building says it in its own words
        assert (explanation.ending, explanation.reason) == (event.status, event.reason)
    assert (explanation.ending, bool(explanation.reason)) == (event.status, event.status != "pending")
    if event.payload:
        content = json.loads(event.payload)
        sent = [content["event_attributes"], content["user_attributes"]]
        items = sent[0].pop("items", None)
        for name in ("event_id", *(["event_datetime"] if "event_datetime" not in changes else [])):
            sent[0].pop(name)
        told = [{each.name: each.wire for each in part.readings if each.wire is not None} for part in explanation.parts]
        if "event_datetime" not in changes:
            told[0].pop("event_datetime")
        assert told == [*sent, *(items or [])]
        assert explanation.item_count == (None if items is None else len(items))


# ── field by field ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_field_is_told_from_source_to_console(configured: Any, shop: Any) -> None:
    """Source, Python value, wire value with its type, what decides that type, console name."""
    mapped = {
        "order_sales": "total",
        "source_type": Value("WEB"),
        "uses_applepay": "uses_applepay",
        "count": lambda order: order.lines.count(),
        "coupon": "note",
        "paid": "paid_at",
    }
    configured(
        EVENTS={"purchase": {**PURCHASE, "event_attributes": mapped}},
        CUSTOM_FIELDS={"event": {"source_type": "string"}},
    )
    explanation = explained(shop.place(customer=shop.customer()))
    _, name, moment, *own = part(explanation, "event_attributes").readings
    rows = [(each.name, each.value, each.value_type, each.wire, each.wire_type, each.type_from) for each in own]
    assert rows == [
        ("order_sales", "Decimal('4000000.00')", "Decimal", 4000000.0, "double", "predefined"),
        ("source_type", "'WEB'", "str", "WEB", "string", "declared"),
        ("uses_applepay", "True", "bool", True, "boolean", "model field"),
        ("count", "1", "int", 1, "long", "value"),
        ("coupon", "''", "str", "", "string", "model field"),
        ("paid", "None", "NoneType", None, "string", "model field"),
    ]
    assert [each.console_name for each in own[:2]] == ["abx:order_sales", "c:source_type"]
    assert [each.source for each in own[:3]] == ["total", "Value('WEB')", "uses_applepay"]
    assert own[3].source.startswith("lambda in test_explain.py:")
    assert (name.source, name.wire) == ("event_name", "purchase")
    assert (moment.source, moment.wire_type) == ("the moment of the save", "long")


def test_a_remembered_type(configured: Any, shop: Any) -> None:
    """A custom field keeps the type of its first value; what no longer fits is told, and nothing is written down."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"points": lambda order: order.discount}}})
    order = shop.place(customer=shop.customer(), discount=12)

    def told() -> Any:
        found = reading(explained(order), "event_attributes.points")
        return found.wire, found.wire_type, found.type_from

    assert told() == (12.0, "double", "value")
    assert not CustomField.objects.exists()
    key = CustomField.key_of("event", "points")
    now = timezone.now()
    CustomField.objects.create(key=key, scope="event", name="points", type="long", first_seen_at=now, last_seen_at=now)
    clear_known_fields()
    assert told() == (12, "long", "remembered")
    unseen(order, discount="12.50")
    assert told() == (12.5, "double", "value; was Long so far")
    assert CustomField.objects.get().drift_count == 0
    configured(
        EVENTS={"purchase": {**PURCHASE, "event_attributes": {"points": lambda order: order.discount}}},
        TYPE_DRIFT="fail",
    )
    explanation = explained(order)
    assert "a Double where 'points' was a Long so far" in explanation.reason
    assert str(reading(explanation, "event_attributes.points").fault).startswith("event_attributes.points: a Double")


def test_a_field_that_fails_hides_no_other(configured: Any, shop: Any) -> None:
    """Its error stands beside it: where, what, and what to do."""
    mapped = {"order_sales": "number", "x": "broken", "order_id": "number", "event_name": "number"}
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": mapped, "item_attributes": {"price": "product"}}})
    explanation = explained(shop.place(customer=shop.customer()))
    faults = {each.name: each.fault for holder in explanation.parts for each in holder.readings if each.fault}
    assert {name: (fault.path, fault.problem.partition(" (from")[0]) for name, fault in faults.items()} == {
        "order_sales": ("event_attributes.order_sales", "a str is not a Double"),
        "x": ("event_attributes.x", "'broken' raised ZeroDivisionError: division by zero"),
        "event_name": ("event_attributes.event_name", "event_name can't be mapped"),
        "price": ("items[0].price", "a Product is not a Double"),
    }
    assert all(fault.remedy for fault in faults.values())
    assert reading(explanation, "event_attributes.order_id").wire == "2026-00001"
    assert explanation.reason == str(faults["x"]), (
        "what building meets first: all values are read before one is converted"
    )


def test_hooks_have_no_sources(configured: Any, shop: Any) -> None:
    """What a class's own hook returns is told with the hook's name; one that raises hides no other part."""
    configured(EVENTS={})

    @register("shop.Order")
    class Purchase(EventDefinition):
        event_name = "purchase"
        when = {"status": "paid"}

        def get_event_datetime(self, instance: Any) -> Any:
            return dt.datetime(2030, 1, 1, tzinfo=dt.timezone.utc)

        def get_event_attributes(self, instance: Any) -> Any:
            return {"order_id": instance.number, 5: "x"}

        def get_items(self, instance: Any) -> Iterator[Any]:
            yield {"price": 1}
            yield None

        def get_user_attributes(self, instance: Any) -> Any:
            raise KeyError("tax")

    try:
        explanation = explained(shop.place())
    finally:
        unregister("purchase")
    *_, moment, number, nameless = part(explanation, "event_attributes").readings
    assert (moment.source, moment.wire) == ("get_event_datetime()", 1893456000000)
    assert (number.source, number.wire) == ("get_event_attributes()", "2026-00001")
    assert nameless.fault is not None
    assert reading(explanation, "items[0].price").source == "get_items()"
    assert part(explanation, "items[1]").fault is not None
    fault = part(explanation, "user_attributes").fault
    assert fault is not None
    assert (fault.path, fault.problem) == ("user_attributes", "it raised KeyError: 'tax'")
    assert explanation.ending == "failed"


def test_the_first_items_are_told(shop: Any) -> None:
    """As many as wanted, where their paths start, and how many there are."""
    order = shop.place(customer=shop.customer(), lines=5)
    for limit in (0, 2, 9):
        explanation = explained(order, items=limit)
        items = [each for each in explanation.parts if each.path.startswith("items")]
        assert [each.path for each in items] == [f"items[{index}]" for index in range(min(limit, 5))]
        assert {each.start for each in items} <= {"lines"}
        assert explanation.item_count == 5


def test_values_are_read_in_the_site_s_language(configured: Any, shop: Any) -> None:
    """LANGUAGE_CODE is active, as in building."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"x": lambda order: translation.get_language()}}})
    order = shop.place(customer=shop.customer())
    with translation.override("ko"):
        assert reading(explained(order), "event_attributes.x").wire == "en"


def test_long_and_broken_values_stay_short(configured: Any, shop: Any) -> None:
    """A value's text is short and in one line, and a repr that raises is no error."""

    class Odd:
        def __repr__(self) -> str:
            raise ValueError("no")

    values = {"long": Value("x\n" * 5000), "odd": lambda order: Odd(), "rows": "lines.all"}
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": values}})
    explanation = explained(shop.place(customer=shop.customer()))
    texts = [each.value for each in part(explanation, "event_attributes").readings[3:]]
    assert all(0 < len(text) <= 130 and "\n" not in text for text in texts), texts
    assert "Odd instance" in texts[1]


# ── leaves no trace ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("changes", [{}, {"user": raising}, {"destination": raising}, {"event_datetime": "paid_at"}])
def test_it_leaves_no_trace(configured: Any, shop: Any, caplog: Any, changes: Any) -> None:
    """Only SELECTs, no event, no signal, no word in the log: neither for what is sent nor for what fails."""
    configured(EVENTS={"purchase": {**PURCHASE, **changes}})
    orders = [
        shop.place(customer=shop.customer()),
        unseen(shop.place(), status="paid", paid_at=timezone.now() - 99 * HOUR),
    ]
    told: list[Any] = []

    def hear(**kwargs: Any) -> None:
        told.append(kwargs)

    for signal in (event_failed, event_expired):
        signal.connect(hear)
    try:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            for order in orders:
                explained(order)
    finally:
        for signal in (event_failed, event_expired):
            signal.disconnect(hear)
    assert {query["sql"].split()[0].upper() for query in queries} == {"SELECT"}
    assert not Event.objects.exists()
    assert told == []
    assert caplog.records == []


def test_an_outbox_that_can_t_be_read(shop: Any) -> None:
    """Before ``migrate`` everything else is told all the same."""

    def refuse(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if "dfinery_django_event" in sql:
            raise DatabaseError("no such table")
        return execute(sql, parameters, many, context)

    order = shop.place(customer=shop.customer())
    with connection.execute_wrapper(refuse):
        explanation = explained(order)
    assert "run manage.py migrate" in words(explanation, "once_per")[0][1]
    assert explanation.ending == "pending"


def test_keys_of_any_kind(configured: Any, shop: Any) -> None:
    """UUIDs and texts are found again, and so is their event."""
    customer = shop.customer()
    assert str(customer.pk) == explained_sign_up(configured, "shop.User", "pk", customer)
    session = Session.objects.create(session_key="Ab c/1", expire_date=timezone.now())
    assert explained_sign_up(configured, "sessions.Session", "session_key", session) == "Ab c/1"


def explained_sign_up(configured: Any, model: str, path: str, instance: Any) -> Any:
    configured(EVENTS={"sign_up": {"model": model, "user_attributes": {"user_id": path}}})
    assert explained(instance, "sign_up").verdict == FiringVerdict.MISSED
    capture("sign_up", instance)
    explanation = explained(instance, "sign_up")
    assert explanation.verdict == FiringVerdict.CAPTURED
    return reading(explanation, "user_attributes.user_id").wire


def test_a_proxy_of_the_model(shop: Any) -> None:
    """The definitions that watch its model watch it, too, and the row is the model's."""

    class Gift(Order):
        class Meta:
            proxy = True
            app_label = "shop"

    order = shop.place(customer=shop.customer())
    gift = Gift.objects.get(pk=order.pk)
    (definition,) = definitions_watching(Gift)
    assert explain(definition, gift, using="default").source == "shop.Order"


def test_what_is_gone(shop: Any) -> None:
    """An object that is no longer there can't be explained."""
    order = shop.place()
    gone = Order(pk=order.pk + 1)
    with pytest.raises(LookupError, match=f"no shop.Order {gone.pk} in database 'default'"):
        explained(gone)
