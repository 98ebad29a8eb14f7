"""Events that others send: stored all or none, once, in the right types, with few statements."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfinery_django.delivery.worker import drain
from dfinery_django.exceptions import PayloadError
from dfinery_django.models import CustomField, Destination, Event
from dfinery_django.outbox.ingest import Conflict, IngestResult, SwitchedOff, UnknownDestination, ingest
from dfinery_django.protocols.s2s_inbound import Refused
from dfinery_django.sandbox.rules import Arrival, judge
from tests.settings import DATABASE
from tests.support.doubles import FarSide
from tests.support.events import at_once, body, milliseconds
from tests.support.staff import make

pytestmark = pytest.mark.django_db(transaction=True)


def problems(found: IngestResult) -> list[tuple[int, str]]:
    return [(each.index, each.error.problem) for each in found.rejected]


def test_what_is_taken_arrives(configured: Any, far_side: FarSide) -> None:
    """As it is to be sent, under the sender's id, found by order and user; DFINERY would take it."""
    configured()
    sent = body(order_id="A-1", order_sales=4000000, items=[{"product_id": 1, "quantity": 2.0, "size": "L"}], pos=3)
    found = ingest([sent])
    event = Event.objects.get()
    assert [(each.event_id, each.is_new, each.notes) for each in found.accepted] == [(event.event_id, True, ())]
    assert str(event.event_id) == sent["event_attributes"]["event_id"]
    assert (event.status, event.user_id, event.order_id, event.definition) == ("pending", "u1", "A-1", "")
    assert event.expires_at - event.occurred_at == dt.timedelta(hours=48)
    assert drain("default", send=far_side) == {"delivered": 1}
    arrival = judge(far_side.requests[0].body, timezone.now().timestamp())
    assert isinstance(arrival, Arrival)
    assert (arrival.processed, arrival.warnings) == (True, ())
    assert (
        b'"order_sales":4000000.0,"items":[{"product_id":"1","quantity":2,"size":"L"}],"pos":3'
        in far_side.requests[0].body
    )


def test_a_drain_is_asked_for_after_the_commit(configured: Any, monkeypatch: Any) -> None:
    """Once for all of them, and not at all where nothing is stored."""
    configured(WAKE="tests.integration.outbox.test_ingest.note_wake")
    woken.clear()
    with transaction.atomic():
        ingest([body(), body()])
        assert woken == []
    assert woken == ["default"]
    Destination.objects.update(wake_requested_at=None)
    ingest([body("not an id")])
    assert woken == ["default"]


woken: list[str] = []


def note_wake(destination: str) -> None:
    woken.append(destination)


def test_it_joins_the_caller_s_transaction(configured: Any) -> None:
    """A rollback takes it along."""
    configured()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert ingest([body()]).accepted
        1 / 0  # noqa: B018
    assert not Event.objects.exists()


def test_the_same_again_changes_nothing(configured: Any, far_side: FarSide) -> None:
    """Also when it was delivered meanwhile, and with its names in another order."""
    configured()
    sent = body(order_sales=5, points=1)
    ingest([sent])
    drain("default", send=far_side)
    before = Event.objects.values().get()
    again = ingest([sent, json.loads(json.dumps(sent, sort_keys=True))])
    assert [each.is_new for each in again.accepted] == [False, False]
    assert Event.objects.values().get() == before


def test_the_same_again_after_its_content_was_dropped(configured: Any, far_side: FarSide) -> None:
    """``KEEP_PAYLOADS``: the id alone tells that it was delivered; whoever sends it again is told so, not refused."""
    configured(KEEP_PAYLOADS=False)
    sent = [body(uuid.uuid4())]
    assert [each.is_new for each in ingest(sent).accepted] == [True]
    drain("default", send=far_side)
    assert Event.objects.get().payload == ""
    assert [each.is_new for each in ingest(sent).accepted] == [False]
    assert Event.objects.get().status == "delivered"


def test_another_event_with_the_same_id_is_a_conflict(configured: Any) -> None:
    """Also with the id of an event that a definition made, and within one list."""
    configured()
    mine, event = uuid.uuid4(), make("captured", payload="")
    ingest([body(mine, order_sales=5)])
    for each in (body(mine, order_sales=6), body(event.event_id)):
        [left] = ingest([each]).rejected
        assert isinstance(left.error, Conflict)
    twice = uuid.uuid4()
    found = ingest([body(twice, x=1), body(twice, x=2)], partial=True)
    assert [each.index for each in found.accepted] == [0]
    assert [type(each.error) for each in found.rejected] == [Conflict]
    assert Event.objects.count() == 3


def test_the_same_twice_in_a_list_is_one_event(configured: Any) -> None:
    """A till that repeats itself."""
    configured()
    sent = body(x=1)
    assert [each.is_new for each in ingest([sent, sent]).accepted] == [True, False]
    assert Event.objects.count() == 1


def test_events_without_an_id_are_given_one(configured: Any) -> None:
    """Each its own: nobody could tell a repetition from a second event."""
    configured()
    sent = body()
    del sent["event_attributes"]["event_id"]
    found = ingest([sent, sent])
    assert len({each.event_id for each in found.accepted}) == Event.objects.count() == 2
    assert {json.loads(event.payload)["event_attributes"]["event_id"] for event in Event.objects.all()} == {
        str(each.event_id) for each in found.accepted
    }


def test_one_mistake_keeps_all_out_unless_asked_otherwise(configured: Any) -> None:
    """Each mistake is told with its place; with ``partial`` the others are stored."""
    configured()
    known = body()
    ingest([known])
    sent = [body(), body(order_sales="5"), known, body(note=None), body()]
    found = ingest(sent)
    assert found.accepted == ()
    assert [(each.index, each.error.path) for each in found.rejected] == [
        (1, "event_attributes.order_sales"), (3, "event_attributes.note"),
    ]  # fmt: skip
    assert (Event.objects.count(), CustomField.objects.count()) == (1, 0)
    found = ingest(sent, partial=True)
    assert [(each.index, each.is_new) for each in found.accepted] == [(0, True), (2, False), (4, True)]
    assert [each.index for each in found.rejected] == [1, 3]
    assert Event.objects.count() == 3


def test_the_time(configured: Any) -> None:
    """What DFINERY would drop is refused; what lies ahead is taken with a word; no time falls out of the calendar."""
    configured()
    times = {
        "48 hours old, and DFINERY": milliseconds(hours=48.01),
        "looks like seconds": milliseconds(hours=1) // 1000,
        "no calendar": 10**18,
        "": milliseconds(hours=47.9),
    }
    for words, time in times.items():
        found = ingest([body(event_datetime=time)])
        if words:
            error: PayloadError = found.rejected[0].error
            assert isinstance(error, Refused)
            assert (error.refusal.result_code, error.refusal.message) == (4002, "Invalid event datetime format.")
            assert words in str(error)
        else:
            assert found.accepted[0].notes == ()
    [taken] = ingest([body(event_datetime=milliseconds(minutes=-6))]).accepted
    assert "is in the future" in taken.notes[0]
    assert not ingest([body(event_datetime=253_402_300_799_000)]).accepted  # the last second of 9999
    assert ingest([body(event_datetime=milliseconds(days=-36500))]).accepted


def test_an_event_that_is_there_is_known_however_old(configured: Any) -> None:
    """A till that repeats what it sent last week learns that it was taken."""
    configured(MAX_AGE_HOURS=1000)
    sent = body(event_datetime=milliseconds(hours=100))
    assert ingest([sent]).accepted[0].is_new
    configured()
    assert not ingest([sent]).accepted[0].is_new


@pytest.mark.parametrize(("name", "words"), [("x" * 256, "more than 255"), ("a\x00b", "U+0000")])
def test_a_name_that_can_t_be_stored(configured: Any, name: str, words: str) -> None:
    """Is refused, whatever the database."""
    configured()
    assert words in problems(ingest([body(event_name=name)]))[0][1]


def test_texts_that_databases_stumble_over(configured: Any, far_side: FarSide) -> None:
    """U+0000, emoji, very long ids: sent as they came."""
    configured()
    ids = {"order_id": "a\x00" + "x" * 500, "user": {"user_id": "🛍️" * 300}}
    assert ingest([body(**ids, event_name="이름" * 100)]).accepted
    drain("default", send=far_side)
    [sent] = far_side.bodies
    assert sent["event_attributes"]["order_id"] == ids["order_id"]
    assert sent["user_attributes"] == ids["user"]


def test_custom_fields_keep_their_types(configured: Any) -> None:
    """Declared, remembered from the first value, and within one list; what is not taken leaves no trace."""
    configured(CUSTOM_FIELDS={"event": {"till": "string"}})
    ingest([body(note=None, never=1)])
    ingest([body(till=7, points=1), body(till="8", points=2.0)])
    ingest([body(till=9, points=3.0)])
    texts = Event.objects.order_by("pk").values_list("payload", flat=True)
    ends = sorted(text.partition('"till"')[2].partition("}")[0] for text in texts)
    assert ends == [':"7","points":1', ':"8","points":2', ':"9","points":3']
    assert set(CustomField.objects.values_list("name", flat=True)) == {"till", "points"}


def test_a_type_that_drifts_is_refused_where_the_site_says_so(configured: Any) -> None:
    """With DFINERY's code for a value that does not fit; else sent, and counted."""
    configured(TYPE_DRIFT="fail")
    ingest([body(points=1)])
    [left] = ingest([body(points="many")]).rejected
    assert isinstance(left.error, Refused)
    assert left.error.refusal.result_code == 4007
    configured()
    assert ingest([body(points="many")]).accepted
    assert CustomField.objects.get(name="points").drift_count == 1


def test_the_destination(configured: Any) -> None:
    """The default one, or the one that is named, which makes it another event; none that has no token."""
    configured(TOKENS={"default": "a", "brand": "b"})
    sent = body()
    ingest([sent], destination="brand")
    assert Event.objects.get().destination == "brand"
    assert ingest([sent]).accepted
    assert ingest([sent], destination="brand").accepted
    assert isinstance(ingest([sent], destination="default").rejected[0].error, Conflict)
    with pytest.raises(UnknownDestination):
        ingest([sent], destination="nowhere")
    configured(TOKENS={"a": "a", "b": "b"})
    with pytest.raises(UnknownDestination):
        ingest([sent])


def test_switched_off(configured: Any) -> None:
    """Nothing is stored, and the sender is told."""
    configured(ENABLED=False)
    with pytest.raises(SwitchedOff):
        ingest([body()])
    assert not Event.objects.exists()


def test_statements_do_not_grow_with_the_events(configured: Any) -> None:
    """500 events, each with an id: one SELECT, INSERTs of many rows, the wake-up, the ledger."""
    configured()
    sent = [body(items=[{"product_id": "1"}], points=number) for number in range(500)]
    with CaptureQueriesContext(connection) as made:
        assert len(ingest(sent).accepted) == 500
    inserts = [each for each in made if "INTO" in each["sql"] and "dfinery_django_event" in each["sql"]]
    assert len(inserts) <= (12 if DATABASE == "sqlite" else 5)
    assert len(made) - len(inserts) <= 14, [each["sql"][:80] for each in made]
    with CaptureQueriesContext(connection) as made:
        assert not any(each.is_new for each in ingest(sent).accepted)
    assert len(made) == 1
    assert Event.objects.count() == 500


def test_a_batch_of_another_request_meanwhile(configured: Any) -> None:
    """What is stored between our look and our INSERT is seen by the second try: known, or a conflict."""
    configured()
    same, other, new = body(x=1), body(x=1), body(x=1)
    rivals = [[same, {**other, "user_attributes": {"user_id": "u2"}}]]

    def rival_after_our_look(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if rivals and sql.startswith("SELECT") and "payload" in sql:
            assert len(ingest(rivals.pop()).accepted) == 2
        return result

    with connection.execute_wrapper(rival_after_our_look):
        found = ingest([same, other, new], partial=True)
    assert rivals == []
    assert [(each.index, each.is_new) for each in found.accepted] == [(0, False), (2, True)]
    assert [type(each.error) for each in found.rejected] == [Conflict]
    assert Event.objects.count() == 3


@pytest.mark.skipif(DATABASE == "sqlite", reason="SQLite has one writer at a time")
def test_the_same_at_once(configured: Any) -> None:
    """Eight requests with the same events, each in an order of its own: each event is stored once, and nobody fails."""
    configured()
    sent = [body(x=number) for number in range(40)]
    results = at_once(8, lambda place: ingest(sent[place:] + sent[:place]))
    assert Event.objects.count() == 40
    assert all(len(found.accepted) == 40 for found in results)
    assert sum(each.is_new for found in results for each in found.accepted) == 40


@pytest.mark.skipif(DATABASE == "sqlite", reason="SQLite has one writer at a time")
def test_one_id_for_several_events_at_once(configured: Any) -> None:
    """One of them is stored; the others are told of the conflict, and nothing else of their lists is stored."""
    configured()
    mine = uuid.uuid4()
    results = at_once(8, lambda place: ingest([body(), body(mine, x=place)]))
    assert [len(found.accepted) for found in results].count(2) == 1
    assert [type(each.error) for found in results for each in found.rejected] == [Conflict] * 7
    assert Event.objects.count() == 2
