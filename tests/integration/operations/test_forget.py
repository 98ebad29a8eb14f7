"""A person is erased: rows, contents, attempts, ledgers; and is not captured again by what comes later."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection, transaction
from django.test import modify_settings
from django.utils import timezone

from dfinery_django import Forgotten, Hashed, capture, forget, tasks, track
from dfinery_django.definitions import registry
from dfinery_django.delivery.exchange import Exchange, store_attempts
from dfinery_django.delivery.lane_store import DELIVERED_FIELDS
from dfinery_django.delivery.worker import drain
from dfinery_django.diagnostics.explain import explain
from dfinery_django.enums import Action, EventStatus, Outcome, Reason
from dfinery_django.models import DeliveryAttempt, Event, Repair
from dfinery_django.operations import bulk_action
from dfinery_django.operations.forget import forget_all
from dfinery_django.operations.selection import Selection
from dfinery_django.outbox import reconcile
from dfinery_django.protocols.base import Result
from tests.shop.models import Order
from tests.support.doubles import PURCHASE, FarSide, accepted, answer
from tests.support.staff import make

pytestmark = pytest.mark.django_db(transaction=True)

DATED = {**PURCHASE, "event_datetime": "paid_at"}


def everything() -> str:
    """All that our tables hold, as one text."""
    tables = [Event, DeliveryAttempt, Repair]
    return repr([list(table._base_manager.values()) for table in tables])


def test_everything_of_a_person_is_erased(configured: Any, far_side: FarSide) -> None:
    """Delivered, failed and waiting events with their attempts; those of others stay."""
    configured()
    for user in ("u-secret", "somebody"):
        track("purchase", user_id=user, event_attributes={"order_id": f"order-of-{user}"})
    far_side.answers = [answer(400, 4002, "Who is u-secret?"), accepted()]
    drain("default", send=far_side)
    track("purchase", user_id="u-secret")
    assert forget("u-secret", dry_run=True) == Forgotten({"failed": 1, "pending": 1}, attempts=1)
    assert Event.objects.count() == 3
    assert forget("u-secret") == Forgotten({"failed": 1, "pending": 1}, attempts=1)
    assert "u-secret" not in everything()
    assert Event.objects.get().user_id == "somebody"
    assert DeliveryAttempt.objects.get().outcome == "accepted"
    assert forget("u-secret") == Forgotten()


def test_nobody_is_forgotten_for_another(configured: Any) -> None:
    """Exactly this id: no other case, nor one that begins alike beyond what the column holds, nor one without NUL."""
    configured()
    long = "x" * 200
    ids = ["hong", "Hong", "hong ", "ho\x00ng", long + "1", long + "2"]
    for user in ids:
        track("coupon", user_id=user)
    for number, user in enumerate(ids, start=1):
        assert forget(user).total == 1, user
        assert Event.objects.count() == len(ids) - number
    for empty in ("", "  ", None):
        with pytest.raises(ValueError, match="user_id is empty"):
            forget(empty)


def test_a_content_that_was_dropped_is_judged_by_its_column(configured: Any) -> None:
    """What can't be told apart any more, ids beyond 191 characters, is erased together."""
    configured()
    make("delivered", user_id="hong", payload="")
    make("delivered", user_id="x" * 191, payload="")
    make("delivered", user_id="u1", payload="damaged")
    assert [forget(user).total for user in ("Hong", "hong", "x" * 300, "u1")] == [0, 1, 1, 1]


def test_what_was_not_built_yet_is_found_by_its_source(configured: Any, shop: Any) -> None:
    """A captured event whose user takes a query says nothing of them: its source is asked, as building would."""
    named = {"user_id": "username"}
    sign_up = {"model": "shop.User", "when": "created", "user_attributes": {"user_id": lambda user: user.username}}
    configured(EVENTS={"purchase": {**PURCHASE, "user_attributes": named}, "sign_up": sign_up})
    kim, lee = shop.customer("kim"), shop.customer("lee")
    for who in (kim, lee):
        shop.pay(shop.place(customer=who))
    assert set(Event.objects.values_list("user_id", "status")) == {("", "captured")}
    found = forget(kim.username)
    assert (found.events, found.unread) == ({"captured": 2}, 0)
    drain("default", send=lambda request: accepted())
    assert {each.user_id for each in Event.objects.filter(status="delivered")} == {lee.username}


def test_what_was_not_built_yet_is_found_by_what_was_kept(shop: Any) -> None:
    """A captured event whose user the order itself names is found even when the order is gone."""
    kim, lee = shop.customer("kim"), shop.customer("lee")
    for who in (kim, lee):
        shop.pay(shop.place(customer=who))
    Order.objects.all().delete()
    assert forget(kim.pk).events == {"captured": 1}
    assert Event.objects.exclude(reason_code="forgotten").get().user_id == str(lee.pk)


def test_what_can_t_be_asked_is_told(configured: Any, shop: Any, caplog: Any) -> None:
    """Its source is gone, its mapping raises, its definition is gone: left alone and counted; no transaction breaks."""

    def divide(order: Any) -> Any:
        from tests.shop.models import User

        User.objects.filter(pk="no uuid").first()

    shop.customer()
    configured(
        EVENTS={
            "purchase": {**PURCHASE, "user": None, "user_attributes": {"user_id": divide}},
            "other": {**PURCHASE, "user_attributes": {"user_id": "username"}},
        }
    )
    shop.pay(shop.place(customer=shop.customer("kim")))
    Event.objects.filter(definition="other").update(definition="gone")
    track("coupon", user_id="u1")
    with transaction.atomic():
        found = forget("u1")
    assert (found.total, found.unread) == (1, 2)
    shop_order = Event.objects.filter(definition="purchase").get().source_pk
    configured()
    from tests.shop.models import Order

    Order.objects.filter(pk=shop_order).delete()
    assert forget("u1").unread == 2
    assert "u1" not in caplog.text


def test_reconcile_does_not_bring_anybody_back(configured: Any, shop: Any) -> None:
    """The orders are there, paid an hour ago: what was forgotten is not captured again, by nothing, for two days."""
    configured(EVENTS={"purchase": DATED})
    kim = shop.customer("kim")
    hour = timezone.now() - dt.timedelta(hours=1)
    sent, waiting = (shop.place(customer=kim, status="paid", paid_at=hour) for _ in range(2))
    drain("default", send=lambda request: accepted())
    Event.objects.filter(source_pk=str(waiting.pk)).delete()
    capture("purchase", waiting)
    found = forget(kim.pk)
    assert (found.events, found.traces) == ({"delivered": 1, "captured": 1}, 2)
    (definition,) = registry.definitions()
    assert list(reconcile.missed(definition)) == []
    assert reconcile.sweep(definition) == 0
    for order in (sent, waiting):
        assert capture("purchase", order) is None
        order.status = "pending"
        order.save()
        shop.pay(order)
    assert set(Event.objects.values_list("status", "reason_code")) == {("cancelled", "forgotten")}
    assert drain("default", send=lambda request: accepted()) == {}
    other = shop.place(customer=kim, status="paid", paid_at=hour)
    Event.objects.filter(source_pk=str(other.pk)).delete()
    assert reconcile.sweep(definition) == 1, "a page with traces in it hides no other row"


def test_a_trace_says_nothing(configured: Any, shop: Any) -> None:
    """No id, no content, no time of what happened: also where the source is the person."""
    configured(EVENTS={"sign_up": {"model": "shop.User", "when": "created", "event_datetime": "date_joined"}})
    kim = shop.customer("kim")
    drain("default", send=lambda request: accepted())
    before = Event.objects.get()
    forget(str(kim.pk))
    (trace,) = Event.objects.all()
    assert trace.pk != before.pk
    assert trace.event_id != before.event_id
    assert [trace.source_pk, trace.user_id, trace.order_id, trace.payload, trace.reason] == [""] * 5
    assert trace.occurred_at > before.occurred_at
    assert str(kim.pk) not in everything()
    assert str(before.event_id) not in everything()
    explained = explain(registry.get("sign_up"), kim, using="default")
    assert (explained.verdict.value, explained.why) == ("captured", "Status of its event: cancelled.")


def test_a_trace_is_pruned_when_it_has_done_its_work(configured: Any, shop: Any) -> None:
    """After the 48 hours, whatever RETENTION_DAYS says; what is too old for reconcile leaves none."""
    configured(EVENTS={"purchase": DATED}, RETENTION_DAYS=None)
    kim = shop.customer("kim")
    shop.place(customer=kim, status="paid", paid_at=timezone.now() - dt.timedelta(hours=1))
    old = shop.place(customer=kim, status="paid", paid_at=timezone.now() - dt.timedelta(hours=60))
    drain("default", send=lambda request: accepted())
    assert forget(kim.pk).traces == 1
    assert (tasks.prune(), Event.objects.count()) == (0, 1)
    left = Event.objects.get().expires_at - timezone.now()
    assert dt.timedelta(hours=48) < left <= dt.timedelta(hours=49)
    Event.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert (tasks.prune(), Event.objects.count()) == (0, 0)
    assert reconcile.candidate_keys(registry.get("purchase")).filter(pk=old.pk).count() == 0


@pytest.mark.parametrize("action", [Action.RESEND, Action.REBUILD])
def test_a_trace_is_not_brought_back(configured: Any, shop: Any, action: Action) -> None:
    """Neither by resend nor by rebuild; the forecast says why."""
    configured()
    kim = shop.customer("kim")
    shop.pay(shop.place(customer=kim))
    forget(kim.pk)
    wish = bulk_action.new_bulk_action(action, Selection(), by="x", using="default")
    assert bulk_action.Forecast(wish).tally == {"forgotten": 1}
    now = timezone.now()
    assert Event.objects.rebuild(now, destination="default") == Event.objects.resend(now) == 0


def test_what_is_being_sent_is_erased_and_may_still_arrive(configured: Any) -> None:
    """Its answer finds no row, and records nothing."""
    configured()
    track("coupon", user_id="u1")

    [event] = Event.objects.claim(limit=1, now=timezone.now(), lease_seconds=60, into=EventStatus.SENDING)
    lease = event.due_at
    assert forget("u1").events == {"sending": 1}
    event.finish(EventStatus.DELIVERED, Reason.NONE, "", timezone.now())
    assert Event.objects.record_results([event], DELIVERED_FIELDS, status=EventStatus.SENDING, lease=lease) == []
    store_attempts([Exchange([event], timezone.now(), 5, Result(Outcome.ACCEPTED, ""), "u1 was told")], "default")
    assert (Event.objects.count(), DeliveryAttempt.objects.count()) == (0, 0)


def test_ledgers_are_blotted_out(configured: Any) -> None:
    """What an operator searched for and chose by ids of this person; what he did otherwise stays."""
    configured()
    event = make("failed", user_id="hong@example.com", order_id="A-1", definition="purchase", source_pk="7")
    asked = [
        Selection(search="hong@example.com"),
        Selection(search="hong@examp", is_prefix=True),
        Selection(search="A-1", status="failed"),
        Selection(search=str(event.event_id)),
        Selection(definitions=("purchase",), source_pk="7"),
    ]
    kept = [
        Selection(search="h", is_prefix=True),
        Selection(definitions=("sign_up",), source_pk="7"),
        Selection(status="failed"),
        Selection(),
    ]
    for selection in [*asked, *kept]:
        wish = bulk_action.new_bulk_action(Action.RESEND, selection, by="x", using="default")
        wish.finished_at = timezone.now()
        wish.save()
    assert forget("hong@example.com", dry_run=True).repairs == len(asked)
    assert forget("hong@example.com").repairs == len(asked)
    for trace in ("hong@example", "A-1", str(event.event_id)):
        assert trace not in everything()
    assert [each.selection for each in Repair.objects.order_by("pk")][len(asked) :] == [each.to_json() for each in kept]
    assert forget("hong@example.com") == Forgotten()


def test_a_repair_that_has_only_them_to_do_ends(configured: Any) -> None:
    """It would else mean whoever is called like the blot."""
    configured()
    make("failed", user_id="u1")
    bulk_action.new_bulk_action(Action.RESEND, Selection(search="u1"), by="x", using="default").save()
    assert forget("u1").repairs == 1
    assert Repair.objects.get().is_finished
    assert bulk_action.advance("default") is None


def test_all_or_nothing(configured: Any) -> None:
    """What fails in the midst has erased nothing."""
    configured()
    track("coupon", user_id="u1")
    Repair.objects.create(
        action="resend",
        selection='{"search": "u1"}',
        asked_by="x",
        seen_at=timezone.now(),
        last_pk=0,
        last_attempt_pk=0,
    )

    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE"):
            raise ValueError("no")
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse), pytest.raises(ValueError, match="no"):
        forget("u1")
    assert Event.objects.get().user_id == "u1"


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_several_databases(configured: Any) -> None:
    """All that hold events, or the one that is given."""
    configured()
    track("coupon", user_id="u1")
    track("coupon", user_id="u1", using="other")
    assert forget("u1", using="other").total == 1
    assert forget("u1").total == 1


def test_a_hashed_guest(configured: Any, shop: Any) -> None:
    """Is forgotten by the hash that DFINERY knows."""
    configured(EVENTS={"purchase": {**PURCHASE, "user": None, "user_attributes": {"user_id": Hashed("guest_email")}}})
    shop.pay(shop.place(guest_email="Kim@Example.com "))
    drain("default", send=lambda request: accepted())
    assert forget("Kim@Example.com").total == 0
    assert forget(Hashed("email").resolve({"email": "kim@example.com"})).total == 1


def test_it_costs_few_queries(configured: Any, django_assert_max_num_queries: Any) -> None:
    """However many events a person has, up to a page."""
    configured()
    for _ in range(50):
        make("delivered", user_id="u1")
    with django_assert_max_num_queries(11):
        assert forget("u1").total == 50


def test_several_people_at_once(configured: Any) -> None:
    """In one transaction, with one look at what is not built yet."""
    configured()
    for user in ("u1", "u2", "u3"):
        track("coupon", user_id=user)
    assert forget_all(["u1", "u3"]).total == 2
    assert Event.objects.get().user_id == "u2"
    with pytest.raises(ValueError, match="user_id is empty"):
        forget_all(["u2", ""])
    assert Event.objects.count() == 1


def test_an_account_that_is_gone_is_known_by_its_key(configured: Any, shop: Any) -> None:
    """Where the user_id is the key of the source, an event that can't be built any more is found all the same."""
    configured(EVENTS={"sign_up": {"model": "shop.User", "when": "created"}, "purchase": PURCHASE}, SETTLE_SECONDS=0)
    kim, lee = shop.customer("kim"), shop.customer("lee")
    kim_key, lee_key = str(kim.pk), str(lee.pk)
    kim.delete()
    lee.delete()
    drain("default", send=lambda request: accepted())
    assert set(Event.objects.values_list("reason_code", flat=True)) == {"source_gone"}
    found = forget(kim_key)
    assert (found.total, found.unread) == (1, 0)
    assert Event.objects.get(source_pk=lee_key).reason_code == "source_gone"
    assert kim_key not in everything()


def test_the_log_of_the_admin_is_blotted_out(configured: Any, admin_user: Any) -> None:
    """Who did what and when stays; the event's id, which DFINERY knows, goes."""
    configured()
    events = [make("failed", user_id=user) for user in ("u1", "u2")]
    LogEntry.objects.log_actions(admin_user.pk, events, CHANGE, change_message="Resent.")
    assert forget("u1", dry_run=True).log_entries == 1
    assert forget("u1").log_entries == 1
    named = dict(LogEntry.objects.values_list("object_id", "object_repr"))
    assert named == {str(events[0].pk): "(forgotten)", str(events[1].pk): str(events[1])}
    assert set(LogEntry.objects.values_list("change_message", flat=True)) == {"Resent."}


def test_without_the_admin(configured: Any) -> None:
    """A site may leave it out: there is no log then."""
    configured()
    make("failed", user_id="u1")
    with modify_settings(INSTALLED_APPS={"remove": "django.contrib.admin"}):
        assert forget("u1") == Forgotten({"failed": 1})


def test_a_consent_that_is_gone_leaves_a_row_that_is_found(configured: Any, shop: Any) -> None:
    """Of an event without consent only the key of its source is stored, and its source says whose it is."""
    configured(EVENTS={"purchase": {**PURCHASE, "consent": lambda order, user: order.note != "no"}})
    kim = shop.customer("kim")
    shop.pay(order := shop.place(customer=kim))
    type(order).objects.update(note="no")
    drain("default", send=lambda request: accepted())
    assert Event.objects.get().reason_code == "no_consent"
    assert forget(kim.pk).events == {"cancelled": 1}


def test_traces_are_not_found_again(configured: Any, shop: Any) -> None:
    """To forget somebody twice finds nothing, and asks nobody about traces."""
    configured(EVENTS={"purchase": DATED})
    kim = shop.customer("kim")
    shop.place(customer=kim, status="paid", paid_at=timezone.now() - dt.timedelta(hours=1))
    assert forget(kim.pk).traces == 1
    assert forget(kim.pk) == Forgotten()
    assert Event.objects.get().reason_code == "forgotten"
