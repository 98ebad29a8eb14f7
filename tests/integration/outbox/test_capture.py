"""What a save costs and captures."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, models, transaction
from django.db.models import F, Value
from django.db.models.functions import Lower
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfinery_django import EventDefinition, capture, track
from dfinery_django.models import Destination, Event
from tests.settings import DATABASE, SHOP_TZ
from tests.shop.models import Line, Order
from tests.support.doubles import PURCHASE, driver_options

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sql("fast", "plain")]

asked: list[str] = []


def note_wake(destination: str) -> None:
    asked.append(destination)


def broken_wake(destination: str) -> None:
    raise RuntimeError("no queue")


def only_big(order: Any, created: bool) -> bool:
    return bool(order.total > 100)


def querying(*args: Any, **kwargs: Any) -> Any:
    """Code of the site whose query fails."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM no_such_table")


def failing(*args: Any, **kwargs: Any) -> bool:
    raise ZeroDivisionError("a bug of the shop")


@pytest.fixture(autouse=True)
def _forget_wakes() -> None:
    asked.clear()


def names() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("event_name", flat=True))


#: Statements, and trips to the server: on PostgreSQL the INSERT takes its savepoint along, and SQLite needs none.
INSERT_IN_A_SAVEPOINT = {
    "postgresql": (["SAVEPOINT", "INSERT", "SELECT", "RELEASE"], 1),  # the SELECT looks whether a drain is asked for
    "mariadb": (["SAVEPOINT", "INSERT", "RELEASE"], 3),
    "sqlite": (["INSERT"], 1),
}[DATABASE]


def heads(queries: Any) -> list[str]:
    return [sql.split()[0] for query in queries.captured_queries for sql in query["sql"].split("; ")]


def test_the_look_at_the_state_before_is_right_for_each_row(shop: Any) -> None:
    """However many were looked at before: its statement is written once, for whatever key."""
    orders = [shop.place(number=f"N{number}") for number in range(6)]
    Order.objects.filter(number__in=["N1", "N3", "N5"]).update(status="paid")
    for order in orders:
        Order(pk=order.pk, number=order.number, status="paid").save()
    captured = Event.objects.order_by("pk").values_list("source_pk", flat=True)
    assert list(captured) == [str(orders[number].pk) for number in (0, 2, 4)]


@pytest.mark.sql("fast")
def test_a_matching_save_costs_one_insert_in_a_savepoint(shop: Any, django_assert_num_queries: Any) -> None:
    """SELECT of the state before, the shop's UPDATE, and our INSERT in its savepoint."""
    order = shop.place()
    order.status = "paid"
    statements, trips = INSERT_IN_A_SAVEPOINT
    with transaction.atomic(), django_assert_num_queries(2 + trips) as queries:
        order.save()
    assert heads(queries) == ["SELECT", "UPDATE", *statements]


@pytest.mark.sql("fast")
def test_a_matching_save_in_autocommit_costs_the_insert_alone(configured: Any) -> None:
    """Without a transaction to keep whole no savepoint; a look whether a drain is asked for goes along, or follows."""
    configured(WAKE="tests.integration.outbox.test_capture.note_wake")
    Destination.objects.create(alias="default", wake_requested_at=timezone.now())
    with CaptureQueriesContext(connection) as queries:
        Order.objects.create(status="paid")
    assert [head for head in heads(queries) if head not in ("BEGIN", "COMMIT")] == ["INSERT", "INSERT", "SELECT"]
    assert len([query for query in queries if "dfinery" in query["sql"]]) == (1 if DATABASE == "postgresql" else 2)
    assert asked == []


@pytest.mark.skipif(DATABASE != "postgresql", reason="an option of PostgreSQL's driver")
def test_a_driver_that_takes_one_statement_at_a_time(shop: Any) -> None:
    """With server-side binding no statement takes another along, and an event is captured all the same."""
    with driver_options(server_side_binding=True):
        with transaction.atomic():
            Order.objects.create(status="paid")
        Order.objects.create(status="paid")
    assert names() == ["purchase"] * 2


def test_a_default_that_the_site_has_patched_is_asked(shop: Any, monkeypatch: Any) -> None:
    """``should_capture`` of all definitions at once."""
    monkeypatch.setattr(EventDefinition, "should_capture", lambda self, order, *, created: False)
    Order.objects.create(status="paid")
    assert names() == []


def test_a_save_that_does_not_match_costs_nothing(shop: Any, django_assert_num_queries: Any) -> None:
    """No statement of ours where the instance tells that nothing fires."""
    order = shop.place()
    with django_assert_num_queries(1):
        order.save()
    order.status = "paid"
    order.save()
    with django_assert_num_queries(1):
        order.save(update_fields=["note"])


@pytest.mark.sql("fast")
def test_creating_in_the_final_status_needs_no_look_back(shop: Any, django_assert_num_queries: Any) -> None:
    """A new row has no state before: INSERT of the order, then ours in its savepoint."""
    statements, trips = INSERT_IN_A_SAVEPOINT
    with transaction.atomic(), django_assert_num_queries(1 + trips) as queries:
        Order.objects.create(status="paid")
    assert heads(queries) == ["INSERT", *statements]
    assert names() == ["purchase"]


def test_a_rolled_back_order_leaves_no_event(shop: Any) -> None:
    """The event is written in the order's own transaction."""
    with pytest.raises(RuntimeError), transaction.atomic():
        Order.objects.create(status="paid")
        raise RuntimeError("the second browser tab")
    assert not Event.objects.exists()


def test_one_event_however_often_the_order_is_saved(shop: Any) -> None:
    """Saved five times, paid, set back and paid again: one purchase."""
    order = shop.place()
    for status in ("paid", "paid", "pending", "paid", "paid"):
        order.status = status
        order.save()
    stale = Order.objects.get(pk=order.pk)
    stale.save()
    assert names() == ["purchase"]


def test_an_old_paid_order_that_is_edited_fires_nothing(shop: Any) -> None:
    """What was true before the save does not become true."""
    Order.objects.bulk_create([Order(number="old", status="paid")])
    order = Order.objects.get(number="old")
    order.note = "called the customer"
    order.save()
    assert names() == []


@pytest.mark.parametrize(
    ("when", "fields"),
    [
        ({"status__in": ["paid", Order.Status.CANCELLED]}, {"status": "cancelled"}),
        ({"paid_at__isnull": False}, {"paid_at": dt.datetime(2026, 1, 1, tzinfo=SHOP_TZ)}),
        ({"total": Decimal("10")}, {"total": 10}),
        ({"status": "paid", "customer": None}, {"status": "paid"}),
        ({"uses_applepay": True, "note__in": {"b"}}, {"note": "b"}),
    ],
    ids=str,
)
def test_plain_conditions_know_the_state_before(configured: Any, when: Any, fields: Any) -> None:
    """An order that matched before fires nothing, one that did not fires once; time and again."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": when}})
    for number in ("1", "2"):
        Order.objects.bulk_create([Order(number=number, **fields), Order(number=f"new {number}", uses_applepay=False)])
        Order.objects.get(number=number).save()
        assert names() == ["purchase"] * (int(number) - 1)
        order = Order.objects.get(number=f"new {number}")
        for name, value in {"uses_applepay": True, **fields}.items():
            setattr(order, name, value)
        order.save()
        order.save()
        assert names() == ["purchase"] * int(number)


def test_a_condition_that_nothing_can_match(configured: Any, caplog: Any) -> None:
    """An empty list is a condition, too, even where only the database could judge."""
    configured(EVENTS={"purchase": {**PURCHASE, "when": {"status__in": []}}})
    order = Order.objects.create(status="paid")
    order.status = Lower(Value("PAID"))
    order.save()
    assert names() == []
    assert not caplog.text


@pytest.mark.sql("fast")
def test_a_manager_of_the_site_is_asked_each_time(configured: Any) -> None:
    """Its rows may be other ones with each request."""
    numbers = ["a"]

    class OfThisRequest(models.Manager[Any]):
        def get_queryset(self) -> Any:
            return super().get_queryset().filter(number=numbers[-1])

    class OrderOfThisRequest(Order):
        objects = OfThisRequest()

        class Meta:
            proxy = True
            app_label = "shop"
            base_manager_name = "objects"

    configured(EVENTS={"purchase": {**PURCHASE, "model": OrderOfThisRequest}})
    Order.objects.bulk_create([Order(number="a", status="paid"), Order(number="b", status="paid")])
    for number in ("a", "b"):
        numbers.append(number)
        Order.objects.get(number=number).save()
    assert names() == []


def test_an_expression_on_the_instance_is_judged_by_the_database(configured: Any) -> None:
    """F() and the like are not values: the stored row decides."""
    configured(EVENTS={"big": {**PURCHASE, "when": {"total": 5}}})
    order = Order.objects.create(total=3)
    order.total = F("total") + 2
    order.save()
    assert names() == ["big"]


def test_lookups_over_relations_are_judged_by_the_database(configured: Any, shop: Any) -> None:
    """``when`` takes any lookup that filter() takes."""
    configured(EVENTS={"gold": {**PURCHASE, "when": {"customer__grade": "gold", "total__gte": 10}}})
    shop.place(customer=shop.customer("a", grade="basic"))
    shop.place(customer=shop.customer("b", grade="gold"), total=9)
    shop.place(customer=shop.customer("c", grade="gold"), total=10)
    assert names() == ["gold"]


def test_when_created_and_callable(configured: Any) -> None:
    """``"created"`` fires on the insert only, a callable decides for itself."""
    configured(EVENTS={"new": {**PURCHASE, "when": "created"}, "big": {**PURCHASE, "when": only_big, "once_per": None}})
    order = Order.objects.create(total=1)
    order.total = 1000
    order.save()
    order.save()
    assert names() == ["new", "big", "big"]


def test_a_deleted_source_is_built_before_it_goes(configured: Any, shop: Any) -> None:
    """``"deleted"``: what it says is read while it is there."""
    configured(EVENTS={"gone": {**PURCHASE, "when": "deleted", "items": None, "item_attributes": {}}})
    order = shop.place(customer=shop.customer())
    order.delete()
    event = Event.objects.get()
    assert (event.status, event.order_id) == ("pending", "2026-00001")


def test_a_signal_with_the_instance_as_keyword(configured: Any, shop: Any) -> None:
    """A definition may listen to a site's own signal instead of saves."""
    from django.contrib.auth.signals import user_logged_in

    from dfinery_django.outbox.receivers import connect_signals

    login = {"model": "shop.User", "signal": ("django.contrib.auth.signals.user_logged_in", "user"), "once_per": None}
    configured(EVENTS={"login": login})
    assert connect_signals() == {}
    user = shop.customer()
    for _ in range(2):
        user_logged_in.send(sender=type(user), request=None, user=user)
    assert names() == ["login", "login"]


def test_built_on_commit_if_the_definition_says_so(configured: Any, shop: Any) -> None:
    """``build="commit"``: the payload is there when the request ends."""
    configured(EVENTS={"purchase": {**PURCHASE, "build": "commit"}})
    shop.place(status="paid", customer=shop.customer())
    assert Event.objects.get().status == "pending"


@pytest.mark.sql("fast")
def test_proxies_and_children_count(configured: Any) -> None:
    """Receivers look at the concrete model, not at the sender."""

    class Report(Order):
        class Meta:
            proxy = True
            app_label = "shop"

    configured()
    Report.objects.create(status="paid")
    assert Event.objects.get().source == "shop.Order"


def test_fixtures_fire_nothing(shop: Any) -> None:
    """raw=True comes from loaddata."""
    from django.core import serializers

    order = shop.place()
    text = serializers.serialize("json", [order]).replace("pending", "paid")
    for each in serializers.deserialize("json", text):
        each.save()
    assert names() == []


def test_disabled_captures_nothing(configured: Any) -> None:
    """ENABLED=False: nothing of ours runs."""
    configured(ENABLED=False)
    order = Order.objects.create(status="paid")
    assert capture("purchase", order) is None
    assert track("x", user_id="u") is None
    assert not Event.objects.exists()


def test_one_wake_up_per_transaction(configured: Any) -> None:
    """However many events a transaction captures, one drain is asked for, and only when it commits."""
    configured(WAKE="tests.integration.outbox.test_capture.note_wake")
    with transaction.atomic():
        for _ in range(3):
            Order.objects.create(status="paid")
        assert asked == []
    assert asked == ["default"]
    Order.objects.create(status="paid")
    assert asked == ["default"], "a wake-up is waiting already"


def test_a_broken_queue_harms_no_checkout(configured: Any, caplog: Any) -> None:
    """An error of WAKE is logged; the order and the event stand."""
    configured(WAKE="tests.integration.outbox.test_capture.broken_wake")
    Order.objects.create(status="paid")
    assert names() == ["purchase"]
    assert "No drain could be requested" in caplog.text


@pytest.mark.parametrize("in_transaction", [True, False])
def test_a_missing_table_harms_no_checkout(shop: Any, in_transaction: bool, caplog: Any) -> None:
    """migrate forgotten: checkouts succeed, on PostgreSQL too, and one line for all of them names the command."""
    from dfinery_django.models import DeliveryAttempt

    with connection.schema_editor() as editor:
        editor.delete_model(DeliveryAttempt)
        editor.delete_model(Event)
    try:
        if in_transaction:
            with transaction.atomic():
                Order.objects.create(status="paid", number="kept")
                Line.objects.create(order=Order.objects.get(), unit_price=1)
        else:
            Order.objects.create(status="paid", number="kept")
        assert Order.objects.get().number == "kept"
        Order.objects.create(status="paid")
        (line,) = caplog.messages
        assert line.startswith("purchase was not captured; a table or column is missing, run manage.py migrate: ")
        assert caplog.records[0].exc_info is None
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(Event)
            editor.create_model(DeliveryAttempt)


@pytest.mark.parametrize("attribute", ["when", "destination"])
def test_a_bug_in_a_callable_harms_no_checkout(configured: Any, attribute: str, caplog: Any) -> None:
    """The order stands; what could be told of the event stands in the log or on its row."""
    configured(EVENTS={"purchase": {**PURCHASE, attribute: failing}})
    Order.objects.create(status="paid")
    assert Order.objects.count() == 1
    assert "ZeroDivisionError" in caplog.text
    assert [event.reason_code for event in Event.objects.all()] in ([], ["mapping"])


def test_a_wrong_setting_harms_no_checkout(settings: Any, caplog: Any) -> None:
    """A DFINERY that can't be read is told in the log, not to the customer."""
    settings.DFINERY = {"TOKENS": {"default": "t"}, "NO": 1}
    Order.objects.create(status="paid")
    assert "captures nothing" in caplog.text


def test_nested_saves_of_one_instance(shop: Any) -> None:
    """A receiver that saves the order again, before ours has seen the outer save, loses no event."""
    from django.db.models.signals import post_save

    from dfinery_django.outbox import receivers

    def save_again(sender: Any, instance: Any, **kwargs: Any) -> None:
        if instance.note != "again":
            instance.note = "again"
            instance.save()

    order = shop.place()
    uid = "dfinery_django.after_save"
    post_save.disconnect(dispatch_uid=uid)
    post_save.connect(save_again, sender=Order)
    post_save.connect(receivers.after_save, dispatch_uid=uid, weak=False)
    try:
        order.status = "paid"
        order.save()
    finally:
        post_save.disconnect(save_again, sender=Order)
    assert names() == ["purchase"]
    assert "_dfinery_saves" not in order.__dict__


def test_capture_by_hand_keeps_the_once_only_rule(shop: Any) -> None:
    """For code that bypasses signals; the second call stores nothing."""
    order = shop.place()
    Order.objects.filter(pk=order.pk).update(status="paid")
    first = capture("purchase", order)
    assert first is not None
    assert first.source_pk == str(order.pk)
    assert capture("purchase", order) is None


def test_track_joins_the_transaction_and_keeps_its_key(configured: Any) -> None:
    """An event without a model: built at once, dropped with the transaction, stored once per key."""
    configured()
    event = track("coupon", user_id="u1", event_attributes={"coupon_id": "W15", "order_sales": 3}, dedup_key="k")
    assert event is not None
    assert '"order_sales":3.0' in event.payload
    assert (event.status, event.user_id) == ("pending", "u1")
    assert track("coupon", user_id="u1", dedup_key="k") is None
    with pytest.raises(RuntimeError), transaction.atomic():
        track("coupon", user_id="u2")
        raise RuntimeError
    assert Event.objects.count() == 1


def test_track_with_a_value_that_cannot_be_sent(configured: Any) -> None:
    """The caller is not disturbed; the row says field and remedy."""
    configured()
    event = track("coupon", user_id="u1", items=[{"price": float("nan")}])
    assert event is not None
    assert event.status == "failed"
    assert "items[0].price" in event.reason


def test_an_unknown_destination_is_visible(configured: Any) -> None:
    """An alias without a token ends on the row, not in the shop."""
    configured(EVENTS={"purchase": {**PURCHASE, "destination": lambda order: "brand_b"}})
    Order.objects.create(status="paid")
    event = Event.objects.get()
    assert (event.status, event.reason_code) == ("failed", "no_destination")


def test_a_user_model_with_sign_up(configured: Any) -> None:
    """Sign-up is a definition like any other; a login is not a sign-up."""
    configured(EVENTS={"sign_up": {"model": "shop.User", "when": "created"}})
    user = get_user_model().objects.create(username="a")
    user.save(update_fields=["last_login"])
    assert names() == ["sign_up"]


@pytest.mark.parametrize(
    "changes",
    [
        {"when": querying},
        {"destination": querying},
        {"once_per": lambda order: querying()},
        {"when": "deleted", "event_attributes": {"x": querying}},
        {"when": {"status": F("no_such_field")}},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_failing_query_of_the_site_leaves_the_transaction_usable(configured: Any, shop: Any, changes: Any) -> None:
    """On PostgreSQL an error without a savepoint would take the whole checkout with it."""
    configured(EVENTS={"purchase": {**PURCHASE, **changes}})
    with transaction.atomic():
        order = Order.objects.create(status="paid", number="kept")
        Order.objects.create(status="pending")
        if changes.get("when") == "deleted":
            order.delete()
    assert Order.objects.exists()


def test_keys_in_another_form_are_the_same_key(configured: Any) -> None:
    """A UUID given as text, a Decimal before and after reload: one event, and its source is found."""
    import uuid

    from dfinery_django.building.build import build_due

    configured(EVENTS={"sign_up": {"model": "shop.User", "when": "created"}})
    user = get_user_model().objects.create(id=uuid.uuid4().hex, username="a")
    assert Event.objects.get().source_pk == str(uuid.UUID(str(user.pk)))
    build_due(Event.objects.all(), now=Event.objects.get().due_at)
    assert Event.objects.get().status == "pending"
    configured(EVENTS={"amount": {**PURCHASE, "when": "saved", "once_per": "total"}})
    order = Order.objects.create(total=Decimal("10"))
    Order.objects.get(pk=order.pk).save()
    assert names().count("amount") == 1


def test_deletes_stay_fast(shop: Any) -> None:
    """Models without a "deleted" definition keep Django's single DELETE."""
    shop.place(lines=3)
    with CaptureQueriesContext(connection) as queries:
        Line.objects.all().delete()
    heads = [query["sql"].split()[0] for query in queries.captured_queries]
    assert [head for head in heads if head not in ("BEGIN", "COMMIT")] == ["DELETE"]


def test_an_unsaved_instance_is_refused(shop: Any, caplog: Any) -> None:
    """It has no key: nothing is stored, and the log says why."""
    assert capture("purchase", Order(status="paid")) is None
    assert "save it first" in caplog.text
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        {"items": [1]},
        {"items": 5},
        {"event_attributes": ["x"]},
        {"event_attributes": {"a\ud800": 1}},
        {"event_attributes": {"a\x00": float("nan")}},
        {"user_attributes": ["x"]},
        {"event_name": "x" * 300},
        {"occurred_at": "yesterday"},
    ],
    ids=str,
)
def test_track_never_raises_into_a_checkout(configured: Any, arguments: Any) -> None:
    """Whatever it is given ends on a failed row with a reason."""
    configured()
    event = track(**{"event_name": "coupon", "user_id": "u1", **arguments})
    assert event is not None
    assert event.status == "failed"
    assert event.reason


def test_track_with_a_wrong_setting(settings: Any, caplog: Any) -> None:
    """A mistake in the setting breaks no checkout."""
    settings.DFINERY = {"TOKENS": {"default": "t"}, "NO": 1}
    assert track("coupon", user_id="u1") is None
    assert capture("purchase", Order(pk=1)) is None
    assert "unknown key 'NO'" in caplog.text
