"""The event list and an event's page as their reader sees them."""

from __future__ import annotations

import datetime as dt
import json
import re
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.growth.filling import fill_finished
from dfinery_django import clock, track
from dfinery_django.admin.filters import DestinationFilter, destinations_in_use
from dfinery_django.delivery.worker import drain
from dfinery_django.enums import Reason
from dfinery_django.models import DeliveryAttempt, Destination, Event
from dfinery_django.text.reasons import ReasonText, to_json
from tests.support.doubles import PURCHASE, FarSide, answer
from tests.support.staff import LIST, client_of, make, page_of, text_of

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def refused(configured: Any, far_side: FarSide) -> Event:
    """An event that DFINERY has refused, of a user with an ugly name."""
    configured()
    track("purchase", user_id=f"{EVIL}u1", event_attributes={"order_id": "A-1", "order_sales": 4000000, "gift": EVIL})
    far_side.answers = [answer(400, 4002, f"Invalid {EVIL}")]
    drain("default", send=far_side)
    return Event.objects.get()


def rows(client: Any, query: str) -> list[str]:
    """The order ids that a list shows."""
    page = client.get(LIST + query)
    assert page.status_code == 200, query
    return [event.order_id for event in page.context["cl"].result_list]


def test_search_finds_an_event_by_its_ids(configured: Any, admin_client: Any) -> None:
    """Event id, order id and user id, whole; where nothing is called so, what begins like it."""
    configured()
    one = make(order_id="A-1", user_id="kim")
    make(order_id="A-10", user_id="kimberly")
    for term in (str(one.event_id), one.event_id.hex, "A-1", "kim", " kim "):
        assert rows(admin_client, f"?q={term}") == ["A-1"], term
    assert rows(admin_client, "?q=A-") == ["A-10", "A-1"]
    assert rows(admin_client, "?q=A-1*") == ["A-10", "A-1"]
    assert rows(admin_client, "?q=kimb") == ["A-10"]
    for term in ("B", "%25", "_-1", "-", "' OR 1=1 --", "\\", "a" * 500):
        assert rows(admin_client, f"?q={term}") in ([], ["A-1"]), term


def test_the_list_is_filtered(configured: Any, admin_client: Any) -> None:
    """By status, event, destination, reason and time; together they narrow it further."""
    configured(TOKENS={"default": "a", "brand": "b"})
    make("failed", order_id="1", reason_code="rejected", destination="brand")
    make("failed", order_id="2", reason_code="mapping", hours=3)
    make("delivered", order_id="3", event_name="sign_up", hours=60)
    make("pending", order_id="4", reason_code="transient")
    assert rows(admin_client, "?status__exact=failed") == ["2", "1"]
    assert rows(admin_client, "?event_name=sign_up") == ["3"]
    assert rows(admin_client, "?destination=brand") == ["1"]
    assert rows(admin_client, "?reason_code__exact=transient") == ["4"]
    assert rows(admin_client, "?reason_code__exact=rejected&status__exact=failed") == ["1"]
    assert rows(admin_client, "?hours=2") == ["4", "1"]
    assert rows(admin_client, "?status__exact=failed&hours=48&q=2") == ["2"]
    since = timezone.localtime() - dt.timedelta(hours=4)
    until = timezone.localtime() - dt.timedelta(hours=2)
    assert rows(admin_client, f"?occurred_at__gte={since:%Y-%m-%dT%H:%M}&occurred_at__lt={until:%Y-%m-%dT%H:%M}") == [
        "2"
    ]
    page = admin_client.get(LIST).content.decode()
    assert "?destination=brand" in page
    assert "?event_name=sign_up" in page


def test_filters_offer_what_occurs(configured: Any, admin_client: Any) -> None:
    """Statuses, events and reasons that some event has, and the chosen one; with many events every reason."""
    configured()
    make("failed", reason_code="rejected")
    make("delivered", event_name="sign_up")
    assert offered(admin_client, "") == {
        "status__exact": ["delivered", "failed"],
        "event_name": ["purchase", "sign_up"],
        "reason_code__exact": ["rejected"],
    }
    chosen = offered(admin_client, "?status__exact=expired&reason_code__exact=guest")
    assert chosen["status__exact"] == ["delivered", "failed", "expired"]
    assert chosen["reason_code__exact"] == ["guest", "rejected"]
    more = [_copy(number, status="cancelled", reason_code="by_hand") for number in range(2001)]
    Event.objects.bulk_create(more)
    assert len(offered(admin_client, "")["reason_code__exact"]) == len(Reason) - 1
    Event.objects.all().delete()
    assert offered(admin_client, "") == {}


def offered(client: Any, query: str) -> dict[str, list[str]]:
    """The values that each filter of a list offers."""
    filters = client.get(LIST + query).context["cl"].filter_specs
    return {
        each.parameter_name: [value for value, _ in each.lookup_choices]
        for each in filters
        if each.parameter_name != "hours"
    }


def test_other_lookups_are_refused(configured: Any, admin_client: Any) -> None:
    """An action on all that is shown must not take more; what is no time leads back to the list."""
    configured()
    assert admin_client.get(f"{LIST}?payload__contains=x").status_code == 400
    assert admin_client.get(f"{LIST}?attempt_count__gt=1").status_code == 400
    for query in ("hours=soon", "hours=1e999", "occurred_at__gte=yesterday", "occurred_at__lt=0001-01-01"):
        assert admin_client.get(f"{LIST}?{query}", follow=True).status_code == 200, query


def test_the_list_is_ordered_by_indexed_columns_only(configured: Any, admin_client: Any) -> None:
    """When it happened and when it arrived can be clicked, and nothing else."""
    configured()
    make(order_id="1", hours=1)
    make(order_id="2", hours=5)
    page = admin_client.get(LIST).content.decode()
    assert set(re.findall(r"sortable column-(\w+)", page)) == {"happened", "arrived"}
    assert rows(admin_client, "?o=5") == ["2", "1"]
    assert rows(admin_client, "?o=-5") == ["1", "2"]


ALL_AT_ONCE = "?q=A-1&status__exact=failed&reason_code__exact=rejected&hours=48&event_name=purchase"


def test_the_list_asks_the_same_few_questions_however_many_rows(configured: Any) -> None:
    """At most 13 queries, none of them a count of the whole table, and no payload is read."""
    configured(WAKE="dfinery_django.tasks.wake")
    viewer = client_of("viewer", "view_event")
    viewer.get(LIST)
    counts = []
    for total in (3, 60):
        Event.objects.bulk_create([_copy(number) for number in range(total)])
        for query in ("", "?status__exact=failed&hours=48", "?q=A-1", "?reason_code__exact=rejected", ALL_AT_ONCE):
            with CaptureQueriesContext(connection) as captured:
                assert viewer.get(LIST + query).status_code == 200
            statements = [each["sql"] for each in captured]
            assert len(statements) <= 13, statements
            asked = [each for each in statements if "dfinery_django_event" in each and "COUNT(" in each]
            # The strip above the list counts what waits and what finished within 48 hours.
            assert all("LIMIT 10001" in each or "GROUP BY" in each for each in asked), asked
            assert not any('"payload"' in each or "`payload`" in each for each in statements)
            counts.append(len(statements))
    assert counts[:5] == counts[5:]


def test_what_one_filter_has_looked_up_serves_the_list_of_its_own_database(configured: Any, rf: Any) -> None:
    """A site's subclass may show the events of another one."""
    configured()
    _copy(1).save()
    request = rf.get(LIST)
    DestinationFilter(request, {}, Event, admin.site.get_model_admin(Event))
    assert destinations_in_use(request, "default") == ["default"]
    assert destinations_in_use(request, "other") is None


def _copy(number: int, **fields: str) -> Event:
    now = timezone.now()
    values = {"event_name": "purchase", "destination": "default", "status": "delivered", **fields}
    event = Event(order_id=f"A-{number}", **values)
    event.set_occurred_at(now)
    event.finished_at = now
    return event


def test_more_rows_than_are_listed_are_told_in_words(configured: Any, admin_client: Any) -> None:
    """A page far back is not offered, and the choice of all says that there are more."""
    configured()
    fill_finished(0, 10_100, timezone.now(), 10_100)
    page = admin_client.get(LIST)
    assert "There are more: the first 10,000 are listed" in text_of(page)
    assert "Select all that match, which are more than 10,000" in text_of(page)
    assert admin_client.get(f"{LIST}?p=200").status_code == 200
    assert admin_client.get(f"{LIST}?p=201", follow=True).context["cl"].page_num == 1


def test_the_event_page_is_read_only_and_tells_why(refused: Event, admin_client: Any) -> None:
    """Sentence, next step, reason and attempts are there; nothing can be saved, added or deleted."""
    page = text_of(admin_client.get(page_of(refused)))
    assert "DFINERY refuses this event, and would refuse it again as it is." in page
    assert "Next step: Fix the code that calls track() or the REST API" in page
    assert f"HTTP 400, 4002: Invalid {EVIL}" in page
    assert re.search(r"attempt 1, \d+ ms, HTTP 400, result_code 4002", page)
    for url in (page_of(refused), f"{LIST}{refused.pk}/delete/", f"{LIST}add/"):
        assert admin_client.post(url, {"_save": "1", "post": "yes"}).status_code == 403, url
    assert "delete_selected" not in admin_client.get(LIST).content.decode()
    assert Event.objects.get().status == "failed"


def test_the_payload_is_shown_twice(refused: Event, admin_client: Any) -> None:
    """With console names and types, and exactly as it is sent."""
    answer = admin_client.get(page_of(refused))
    page = text_of(answer)
    assert "abx:order_sales Double 4000000.0" in page
    assert f"c:gift String {EVIL}" in page
    assert "abx:user_id String" in page
    assert refused.payload in page
    assert "data-dfinery-copy" in answer.content.decode()
    exact = re.search(r"<textarea[^>]*>(.*?)</textarea>", answer.content.decode(), re.DOTALL)
    assert exact
    assert json.loads(unescape(exact[1])) == json.loads(refused.payload)


def test_everything_is_escaped(refused: Event, admin_client: Any) -> None:
    """A name with markup in it stays a name, wherever it is shown."""
    Event.objects.update(
        order_id=f"{EVIL}2", source=EVIL, source_pk=EVIL, definition=EVIL, event_name=EVIL, destination=EVIL
    )
    DeliveryAttempt.objects.update(error=EVIL, response_body=EVIL, result_code="<b>")
    pages = [LIST, page_of(refused), f"{LIST}?q={EVIL}", f"{LIST}?event_name={EVIL}", f"{LIST}{refused.pk}/ask/resend/"]
    for url in pages:
        answer = admin_client.get(url)
        assert answer.status_code == 200, url
        assert EVIL not in answer.content.decode(), url
        assert "<b>" not in answer.content.decode(), url


@pytest.mark.parametrize("char", ["\u202e", "\u2066", "\u200b", "\x1b", "\x7f"])
def test_characters_that_deceive_the_eye_are_shown_as_their_code(configured: Any, admin_client: Any, char: str) -> None:
    """A product named with U+202E turns nothing around; what is copied is the text as it is."""
    configured()
    payload = json.dumps(
        {"event_attributes": {"n": f"a{char}b"}, "user_attributes": {"user_id": "u"}}, ensure_ascii=False
    )
    event = make(payload=payload, order_id=f"o{char}1", event_name=f"e{char}")
    code = f"\\u{ord(char):04x}"
    for url in (LIST, page_of(event)):
        page = admin_client.get(url).content.decode()
        copied = "".join(re.findall(r"<textarea.*?</textarea>", page, re.DOTALL))
        assert char not in page.replace(copied or "-", ""), url
        assert f">{code}</span>" in page
    assert payload in unescape(copied)


def test_what_payload_needs_a_permission(refused: Event) -> None:
    """Who may only view sees the event with its ids, and nothing of its payload or of what was answered."""
    DeliveryAttempt.objects.update(response_body="echo of a secret")
    page = client_of("viewer", "view_event").get(page_of(refused)).content.decode()
    assert "A-1" in page
    assert "permission" in page
    for hidden in ("order_sales", "4000000", "c:gift", "echo of a secret", "What a rebuild would change"):
        assert hidden not in page, hidden
    page = client_of("clerk", "view_event", "view_payload").get(page_of(refused)).content.decode()
    assert "echo of a secret" in page


def test_no_token_is_shown(configured: Any, admin_client: Any, refused: Event) -> None:
    """Whatever page it is."""
    configured(TOKENS={"default": "s3cret-token"})
    for url in (LIST, page_of(refused), f"{LIST}{refused.pk}/ask/resend/", "/admin/dfinery_django/repair/"):
        assert "s3cret-token" not in admin_client.get(url).content.decode()


def test_the_event_page_asks_a_bounded_number_of_questions(refused: Event, admin_client: Any) -> None:
    """However many attempts there are; the latest are shown, and it says so."""
    admin_client.get(page_of(refused))
    now = timezone.now()
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(event=refused, number=n, started_at=now, duration_ms=1, outcome="transient") for n in range(80)
    )
    with CaptureQueriesContext(connection) as captured:
        page = admin_client.get(page_of(refused))
    assert len(captured) <= 8
    assert [len(group.attempts) for group, *_ in page.context["attempt_groups"]] == [50]
    assert "earlier ones are not shown" in text_of(page)


def test_equal_attempts_are_one_line(refused: Event, admin_client: Any) -> None:
    """How often, since when and why; each attempt and the library's words are behind a fold, in the reader's zone."""
    refused.attempts.all().delete()
    reason = ReasonText("connection_refused", place="127.0.0.1:9")
    began = timezone.localtime(clock.now()).replace(hour=13, minute=45, second=0, microsecond=0)
    same = {"event": refused, "duration_ms": 1, "outcome": "transient", "error": "NewConnectionError: Max retries"}
    for number in range(9):
        moment = began + dt.timedelta(minutes=2 * number)
        refusal = {"reason": str(reason), "reason_data": to_json(reason)}
        DeliveryAttempt.objects.create(number=number + 1, started_at=moment, **refusal, **same)
    rest = {**same, "outcome": "rejected", "error": "", "status_code": 400}
    DeliveryAttempt.objects.create(number=10, started_at=began + dt.timedelta(hours=1), reason="No.", **rest)
    answer = admin_client.get(page_of(refused))
    page = re.sub(r"<details>.*?</details>", "", answer.content.decode(), flags=re.DOTALL)
    day = f"{began:%Y-%m-%d}"
    assert (
        f"9 times since {day} 13:45, most recently {day} 14:01: Connection refused by 127.0.0.1:9: nothing was sent."
        in unescape(page)
    )
    assert "The event did not arrive." in page
    assert "may have arrived" not in page
    assert "Max retries" not in page
    assert text_of(answer).count("Max retries") == 9
    assert [group.is_single for group, *_ in answer.context["attempt_groups"]] == [False, True]


def test_a_pause_is_told(configured: Any, admin_client: Any) -> None:
    """A waiting event says who stopped its destination."""
    configured()
    Destination.objects.create(alias="default", paused_by="Kim")
    assert "paused by Kim" in text_of(admin_client.get(page_of(make("pending"))))


def test_the_source_is_linked(configured: Any, shop: Any, admin_client: Any, far_side: FarSide) -> None:
    """To its page in the admin, for those who may see it."""
    configured(EVENTS={"purchase": PURCHASE})
    order = shop.place(status="paid", customer=shop.customer())
    drain("default", send=far_side)
    page = admin_client.get(page_of(Event.objects.get())).content.decode()
    assert f'href="/admin/shop/order/{order.pk}/change/"' in page
    page = client_of("viewer", "view_event").get(page_of(Event.objects.get())).content.decode()
    assert f"shop.Order</bdi> <bdi>{order.pk}" in page
    assert "/admin/shop/order/" not in page


def test_what_is_not_there_is_told(configured: Any, admin_client: Any) -> None:
    """A link to an event that was pruned leads to the list, with a word."""
    configured()
    for key in ("999", "x", "9" * 30, "-1"):
        page = admin_client.get(f"{LIST}{key}/change/", follow=True)
        assert "does not exist" in text_of(page)
    assert admin_client.get(f"{LIST}999/ask/resend/").status_code == 404


def test_a_damaged_payload_is_shown_as_it_is(configured: Any, admin_client: Any) -> None:
    """Nobody's page breaks on a row that was written by hand."""
    configured()
    for payload in (
        "{",
        "[]",
        '{"event_attributes":[]}',
        '{"event_attributes":{"a":[1,{"b":null}]},"user_attributes":{}}',
    ):
        page = admin_client.get(page_of(make(payload=payload)))
        assert page.status_code == 200
        assert payload in text_of(page)
