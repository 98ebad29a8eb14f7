"""System checks over definitions."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import messages, run_checks
from django.db import connection, models
from django.db.models import Case, Count, Exists, F, OuterRef, Q, Sum, When, Window
from django.db.models.functions import Coalesce as DBCoalesce, Lower, Now, Upper
from django.test.utils import isolate_apps

from dfinery_django import Coalesce, Every, Hashed, Joined, Phone, Rows, Value, checks
from dfinery_django.checks.definitions import check_definition
from dfinery_django.definitions.registry import from_dict
from dfinery_django.outbox.wake_setting import Wake
from tests.shop.models import Line
from tests.support.doubles import PURCHASE

#: MariaDB has to be asked for its version before SQL is written, and these tests have no database.
COMPILED = pytest.mark.skipif(connection.vendor == "mysql", reason="no SQL is written without a connection")


def found() -> list[Any]:
    """What is wrong; I001 is no mistake."""
    return [message for message in run_checks(tags=["dfinery"]) if message.level > messages.INFO]


def without_manager() -> Iterator[None]:
    yield


async def in_async() -> None:
    pass


@asynccontextmanager
async def in_async_manager() -> AsyncIterator[None]:
    yield


def good(destination: str, *, tries: int = 1) -> None: ...


def without_alias() -> None: ...


def of_two(destination: str, queue: str) -> None: ...


def by_keyword(*, destination: str) -> None: ...


async def wake_in_async(destination: str) -> None: ...


class Callable:
    def __call__(self, destination: str) -> None: ...


class AsyncCallable:
    async def __call__(self, destination: str) -> None: ...


an_object, an_async_object, a_text = Callable(), AsyncCallable(), "text"
a_partial, a_wake, a_bad_wake = partial(of_two, queue="q"), Wake(good), Wake(without_alias)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((name, "") for name in ("good", "an_object", "a_partial", "a_wake")),
        ("without_alias", "is called with an alias of TOKENS, and takes ()."),
        ("of_two", "and takes (destination"),
        ("by_keyword", "and takes (*, destination"),
        ("Callable", "and takes ()."),
        ("a_bad_wake", "and takes ()."),
        ("wake_in_async", "is async"),
        ("an_async_object", "is async"),
        ("a_text", "is 'text', which is not callable."),
    ],
)
def test_a_wake_that_can_not_be_called(configured: Any, name: str, words: str) -> None:
    """It would fail after each checkout; whatever can be called with an alias is fine."""
    configured(WAKE=f"{__name__}.{name}")
    messages = found()
    assert [message.id for message in messages] == ["dfinery.E012"] * bool(words)
    assert all(words in message.msg and "def wake(destination)" in message.hint for message in messages)


def test_a_good_setting_is_silent(configured: Any) -> None:
    """No message for the purchase of the documentation, guests included."""
    user = {"user_id": Coalesce("customer.pk", Hashed("guest_email")), "grade": "customer.get_grade_display"}
    attributes = {**PURCHASE["event_attributes"], "first_sku": "lines.first.product.sku", "source_type": Value("WEB")}
    attributes["coupons"] = Joined("lines", "coupon")
    attributes |= {
        "saved": Sum("lines__discount"),
        "rest": F("total") - Sum("lines__discount"),
        "is_paid": Q(status="paid"),
    }
    attributes["first_coupons"] = Joined(Rows("lines", ~Q(coupon=""), quantity=1, order_by="-pk"), Lower("coupon"))
    configured(
        EVENTS={
            "purchase": PURCHASE,
            "guest": {**PURCHASE, "user": None, "user_attributes": user, "event_attributes": attributes},
            "sign_up": {"model": "shop.User", "when": "created", "scope": nullcontext},
            "q": {**PURCHASE, "when": ~Q(status="paid") | Q(lines__quantity__gt=1)},
            "exists": {**PURCHASE, "when": Q(Exists(Line.objects.filter(order=OuterRef("pk"))))},
            "far": {**PURCHASE, "reconcile_by": "customer.date_joined", "scope": "contextlib.nullcontext"},
        }
    )
    assert found() == []


def test_an_event_that_is_its_own_item_is_silent(configured: Any) -> None:
    """The paths of the item start at the instance; a slot of the clock needs no path."""
    event = {**PURCHASE, "items": "self", "item_attributes": {"product_id": "number"}, "once_per": Every(minutes=10)}
    configured(EVENTS={"saved": event})
    assert found() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"event_attributes": {"phone": Phone("note", "KR")}},
        {"item_attributes": {"phone": Joined("order.lines", Coalesce(Value(""), Phone("coupon", "KR")))}},
        {"user_attributes": {"user_id": Coalesce("pk", Hashed(Phone("username", "KR")))}},
        {"once_per": ("pk", Phone("note", "KR"))},
    ],
)
def test_a_phone_without_its_package(configured: Any, monkeypatch: Any, changes: Any) -> None:
    """One message for a definition, wherever its numbers are; none once the package is there."""
    configured(EVENTS={"purchase": {**PURCHASE, **changes}})
    assert found() == []
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    (message,) = found()
    assert message.id == "dfinery.E022"
    assert "'purchase' has Phone(" in message.msg
    assert message.hint == 'Run: pip install "dfinery-django[phone]"'


@pytest.mark.parametrize(
    ("changes", "number", "words"),
    [
        ({"model": "shop.Oder"}, "E007", "Did you mean 'shop.Order'?"),
        ({"model": "sales.Receipt"}, "E007", "of an app in INSTALLED_APPS"),
        (
            {"model": "company.platform.trading.Order"},
            "E007",
            "Did you mean 'shop.Order'? The first part is an app's label",
        ),
        ({"model": None}, "E007", "not an installed model"),
        ({"whne": "created"}, "E007", "'when'"),
        ({"when": "creatd"}, "E007", "'created'"),
        ({"event_attributes": ["number"]}, "E007", "not a dict"),
        ({"event_attributes": {"x": 5}}, "E007", "Value(5)"),
        ({"event_attributes": {"x": "a..b"}}, "E007", "empty part"),
        ({"event_attributes": {"order_id": "numbr"}}, "E008", "'number'"),
        ({"item_attributes": {"product_id": "product.skuu"}}, "E008", "'sku'"),
        ({"user_attributes": {"user_id": "pkk"}}, "E008", "'pkk'"),
        ({"event_datetime": "payed_at"}, "E008", "'paid_at'"),
        ({"once_per": "payed_at"}, "E008", "'paid_at'"),
        ({"event_name": "x" * 300}, "E007", "255 characters"),
        ({"items": "line"}, "E008", "'lines'"),
        ({"user": "custmer"}, "E008", "'customer'"),
        ({"event_attributes": {"x": "customer"}}, "E008", "customer.pk"),
        ({"event_attributes": {"x": "lines.product.sku"}}, "E008", ".first.product"),
        ({"event_attributes": {"x": "lines.nope"}}, "E008", "'nope'"),
        ({"event_attributes": {"x": "lines.0.quantity"}}, "E008", "write '.first', or '.all.0' for the row"),
        ({"items": "lines.first"}, "E008", "'lines.first' ends in one object, not in rows. Write 'lines' for all rows"),
        ({"items": "lines.all.0"}, "E008", "ends in one object, not in rows. Write 'lines' for all rows"),
        ({"event_attributes": {"x": "customer.0"}}, "E008", "Known: "),
        ({"event_attributes": {"x": Phone("customer.phonenumber", "KR")}}, "E008", "'phonenumber'"),
        ({"items": "self", "item_attributes": {"product_id": "numbr"}}, "E008", "'number'"),
        ({"user": "self"}, "E008", "'self'"),
        ({"user": None, "user_attributes": {"user_id": "customer.order.number"}}, "E008", "'order_set'"),
        ({"event_attributes": {"x": "totl"}}, "E008", "'total'"),
        ({"event_attributes": {"x": "customer__grade"}}, "E008", "A path has dots: 'customer.grade'."),
        ({"event_attributes": {"x": "get_status_dsplay"}}, "E008", "'get_status_display'"),
        ({"event_attributes": {"x": "brokn"}}, "E008", "'broken'"),
        ({"event_attributes": {"x": "lines.first.quantty"}}, "E008", "'quantity'"),
        ({"items": None, "item_attributes": {}, "event_attributes": {"x": "customer.number"}}, "E008", "Known: "),
        ({"event_datetime": "payed_at"}, "E008", "leave event_datetime out"),
        ({"user": "note"}, "E008", "'user' leads to a CharField (shop.Order.note), not to a user. Write the path of"),
        ({"user": "customer_id"}, "E008", 'Write "user": "customer".'),
        ({"when": {"statuss": "paid"}}, "E009", "Did you mean 'status'?"),
        ({"when": {"customer__grad": "gold"}}, "E009", "Did you mean 'grade'?"),
        ({"when": {"customer.grade": "gold"}}, "E009", "'customer__grade'"),
        ({"when": {"broken": True}}, "E009", "no column of shop.Order"),
        ({"when": {"status__exct": "paid"}}, "E009", "Did you mean 'exact'?"),
        ({"when": {"lines__quantity": "two"}}, "E009", "shop.Line.quantity is an IntegerField."),
        ({"when": {"status": "paid", "paid_at": "yesterday"}}, "E009", "shop.Order.paid_at is a DateTimeField."),
        ({"when": {"customer": "gold"}}, "E009", "'customer__…'"),
        ({"when": {"status__in": 5}}, "E009", "Write a list"),
        pytest.param(
            {"when": {"note__in": {F("number")}}}, "E009", "Write a list", marks=COMPILED
        ),  # no set: no SQL can be written of it
        (
            {"when": {"status": "PAYED"}},
            "W020",
            "shop.Order.status: 'pending', 'paid', 'cancelled'. Did you mean 'paid'?",
        ),
        ({"when": {"customer__grade__in": ["gold", "Gold member"]}}, "W020", "not its label: 'gold'."),
        ({"when": Q(total__gt=1) | ~Q(status="PAYED")}, "W020", "Did you mean 'paid'?"),
        ({"when": Q(total__gt=1) & ~(Q(note="x") | Q(statuss="paid"))}, "E009", "'status'"),
        ({"when": Q(status__inn=["paid"])}, "E009", "'in'"),
        ({"when": Q(total="many")}, "E009", "shop.Order.total is a DecimalField."),
        ({"when": ~Q(F("total"))}, "E009", "non-conditional"),
        ({"when": Q("status", "paid")}, "E009", "unpack"),
        ({"when": Q(total__gt=F("discoun"))}, "E009", "Did you mean 'discount'?"),
        ({"when": [("status", "paid")]}, "E007", "a Q or a callable"),
        ({"reconcile_by": "payed_at"}, "E020", "shop.Order has no 'payed_at'"),
        ({"reconcile_by": "payed_at"}, "E020", "Those of shop.Order: 'paid_at'."),
        ({"reconcile_by": "total"}, "E020", "shop.Order.total is a DecimalField"),
        ({"reconcile_by": "broken"}, "E020", "it is no column"),
        ({"reconcile_by": "customer"}, "E020", "it ends in an object"),
        ({"reconcile_by": "lines.first.order.paid_at"}, "E020", "'lines' leads to several rows"),
        ({"reconcile_by": len}, "E020", "a builtin_function_or_method is no path"),
        ({"reconcile_by": "a..b"}, "E020", "no 'a'"),
        ({"scope": "shop.scopes.nowhere"}, "E021", "can't be imported"),
        ({"scope": "nowhere"}, "E021", "can't be imported"),
        ({"scope": 5}, "E021", "is not callable"),
        ({"scope": f"{__name__}.without_manager"}, "E021", "without @contextmanager"),
        ({"scope": f"{__name__}.in_async"}, "E021", "is async"),
        ({"scope": f"{__name__}.in_async_manager"}, "E021", "is async"),
        ({"scope": lambda tenant: nullcontext()}, "E021", "needs arguments"),
        ({"scope": nullcontext()}, "E021", "made once"),
        ({"when": {"status": "x"}}, "W020", "Write the stored value, not its label."),
        ({"event_attributes": {"orderid": "number"}}, "W022", "custom field c:orderid. Did you mean 'order_id'?"),
        ({"item_attributes": {"category": "product.name"}}, "W022", "'category1'"),
        ({"event_attributes": {"event_id": "pk"}}, "E010", "event_id"),
        ({"event_attributes": {"items": Value(1)}}, "E010", "item_attributes"),
        ({"destination": "brand_b"}, "E011", "default"),
        ({"event_attributes": {"x": Joined("lines", "product.skuu")}}, "E008", "'sku'"),
        ({"event_attributes": {"x": Joined("line", "product.sku")}}, "E008", "'lines'"),
        ({"event_attributes": {"x": Joined("lines", "product")}}, "E008", "product.pk"),
        ({"event_attributes": {"x": F("ttal")}}, "E019", "Did you mean 'total'?"),
        ({"event_attributes": {"x": F("customer__grad")}}, "E019", "Did you mean 'grade'?"),
        ({"event_attributes": {"x": F("customer.grade")}}, "E019", "Lookups have two underscores: 'customer__grade'."),
        (
            {"event_attributes": {"order_sales": F("zzz")}},
            "E019",
            "'purchase': order_sales: Cannot resolve keyword 'zzz'",
        ),
        ({"event_attributes": {"x": F("total") * F("number")}}, "E019", "output_field=DecimalField("),
        ({"event_attributes": {"x": F("lines__quantity")}}, "E019", "Make one value of them: Sum(…)"),
        ({"event_attributes": {"x": Case(When(lines__coupon="A", then=1))}}, "E019", "gives several values"),
        ({"event_attributes": {"x": Sum(Count("lines"))}}, "E019", "Order.objects.annotate(x=…)"),
        ({"event_attributes": {"x": Window(Sum("total"))}}, "E019", "over the rows of a batch"),
        (
            {"event_attributes": {"x": DBCoalesce(Sum("lines__discount"), Value(0))}},
            "E019",
            "x: Value(0) is one of dfinery_django's, which Django can't compute Within Django's expressions write",
        ),
        ({"event_attributes": {"x": Q(statuss="paid")}}, "E019", "Did you mean 'status'?"),
        (
            {"event_attributes": {"x": Sum("total", distinct=True, filter=Q(nope=1))}},
            "E019",
            "Cannot resolve keyword 'nope'",
        ),
        ({"event_attributes": {"x": Coalesce("number", Hashed(Lower("guest_emial")))}}, "E019", "'guest_email'"),
        ({"event_attributes": {"x": Joined("lines", Upper("coupn"))}}, "E019", "'coupon'"),
        ({"item_attributes": {"x": F("unit_pric")}}, "E019", "'unit_price'"),
        ({"user_attributes": {"user_id": "pk", "x": Upper("usrname")}}, "E019", "'username'"),
        (
            {"event_datetime": DBCoalesce("payed_at", Now())},
            "E019",
            "event_datetime: Cannot resolve keyword 'payed_at'",
        ),
        ({"once_per": F("payed_at")}, "E019", "once_per: Cannot resolve keyword 'payed_at'"),
        ({"event_attributes": {"x": F("paid_at") - F("paid_at")}}, "W010", "gives a DurationField"),
        ({"user": F("customer")}, "E007", "user=F(customer)"),
        ({"items": Rows("lines", copon="A")}, "E019", "'coupon'"),
        ({"items": Rows("lines", order_by="-quantty")}, "E019", "'quantity'"),
        ({"items": Rows("lines", quantity="two")}, "E019", "expected a number"),
        pytest.param(
            {"items": Rows("lines", order_by="order__lines__pk")}, "E019", "over a to-many relation", marks=COMPILED
        ),
        ({"items": Rows("line")}, "E008", "'lines'"),
        ({"items": Rows("customer"), "item_attributes": {}}, "E008", "'customer' leads to no rows"),
        ({"user": Rows("lines")}, "E007", "user=Rows('lines')"),
        ({"event_attributes": {"x": Joined(Rows("lines", Q(copon="A")), "coupon")}}, "E019", "'coupon'"),
        ({"event_attributes": {"x": Joined(Rows("lines"), "coupn")}}, "E008", "'coupon'"),
        ({"event_attributes": {"x": Rows("lines")}}, "E008", "ends in an object"),
        ({"settle_seconds": "5"}, "E007", "from 0 to 600"),
        ({"settle_seconds": 601}, "E007", "settle_seconds=601"),
        ({"settle_seconds": -1}, "E007", "settle_seconds=-1"),
        ({"guests": "ignore"}, "E013", "guests"),
        ({"build": "later"}, "E013", "build"),
        ({"build": "commit", "settle_seconds": 20}, "W016", "waits for 20 s"),
        ({"signal": ("no.such.signal", "order")}, "E014", "No module"),
        ({"user": None}, "W001", "user"),
    ],
)
def test_every_mistake_of_a_definition(configured: Any, changes: Any, number: str, words: str) -> None:
    """An id, the definition's name, what is wrong, and what to write."""
    configured(EVENTS={"purchase": {**PURCHASE, **changes}})
    messages = found()
    assert messages, "no message"
    assert {message.id for message in messages} == {f"dfinery.{number}"}
    assert all("purchase" in message.msg for message in messages)
    assert words in f"{messages[0].msg} {messages[0].hint}"


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"PROTOCOL": "dfinery_django.protocols.nope.API"}, "E012"),
        ({"WAKE": "nowhere.wake"}, "E012"),
        ({"DRAIN_SECONDS": 3600}, "W002"),
        ({"READ_TIMEOUT": 60, "LEASE_SECONDS": 200}, "W002"),
        ({"WATCH_SECONDS": 33}, "W002"),
        ({"LEASE_SECONDS": 20}, "W005"),
        ({"BASE_URL": "http://example.com"}, "E005"),
        ({"EVENTS": {"purchase": "nowhere.Purchase"}}, "E007"),
        ({"EVENTS": {"purchase": 7}}, "E007"),
    ],
)
def test_every_mistake_of_the_setting(configured: Any, changes: Any, number: str) -> None:
    """What conf can't see by itself: imports, the queue, definitions by path."""
    configured(**changes)
    assert [message.id for message in found()] == [f"dfinery.{number}"]


def test_a_drain_may_watch_for_as_long_as_it_begins_requests(configured: Any, settings: Any) -> None:
    """The rest of ``DRAIN_SECONDS`` is for the last request; the message has both numbers to choose from."""
    configured(WATCH_SECONDS=32)
    assert found() == []
    settings.Q_CLUSTER = {"orm": "default", "timeout": 70, "retry": 100}
    configured(WATCH_SECONDS=50)
    (message,) = found()
    assert message.id == "dfinery.W002"
    assert "watches for 32 s at most" in message.msg
    assert message.hint == '"WATCH_SECONDS": 32, or "DRAIN_SECONDS": 63.'
    configured(WATCH_SECONDS=50, DRAIN_SECONDS=63)
    assert found() == []


def test_the_timeout_is_that_of_the_cluster_which_delivers(configured: Any, settings: Any) -> None:
    """A cluster of its own, or a timeout of the task, is what W002 judges."""
    settings.Q_CLUSTER = {"timeout": 60, "ALT_CLUSTERS": {"dfinery": {"timeout": 30}, "late": {"workers": 2}}}
    configured(Q_OPTIONS={"cluster": "dfinery"})
    (message,) = found()
    assert (message.id, "ALT_CLUSTERS" in message.msg, "30 s" in message.msg) == ("dfinery.W002", True, True)
    configured(Q_OPTIONS={"cluster": "late"})
    assert found() == []
    configured(Q_OPTIONS={"cluster": "dfinery", "timeout": 90})
    assert found() == []


def test_a_cluster_that_is_misspelt(configured: Any, settings: Any) -> None:
    """What is queued for a cluster that nobody runs would wait for ever."""
    settings.Q_CLUSTER = {"name": "shop", "timeout": 60, "ALT_CLUSTERS": {"dfinery": {"workers": 2}}}
    configured(Q_OPTIONS={"cluster": "dfinerry"})
    (message,) = found()
    assert (message.id, message.hint) == ("dfinery.W004", "Did you mean 'dfinery'?")
    configured(Q_OPTIONS={"cluster": "shop"})
    assert found() == []


def test_what_reconcile_can_not_cover_is_told_once(configured: Any, settings: Any) -> None:
    """One message for all definitions, with the reason of each, and how to silence it; none where all is covered."""
    settings.USE_TZ = True
    covered = {**PURCHASE, "event_datetime": "paid_at"}
    configured(
        EVENTS={
            "covered": covered,
            "no_moment": PURCHASE,
            "callable": {**covered, "when": lambda order, created: True},
            "login": {"model": "shop.User", "signal": ("django.contrib.auth.signals.user_logged_in", "user")},
        }
    )
    (message,) = run_checks(tags=["dfinery"])
    assert (message.id, message.level) == ("dfinery.I001", messages.INFO)
    assert [name in message.msg for name in ("'covered'", "'no_moment'", "'callable'", "'login'")] == [
        *(False, True, True, True)
    ]
    assert 'SILENCED_SYSTEM_CHECKS = ["dfinery.I001"]' in message.hint
    configured(EVENTS={"covered": covered})
    assert run_checks(tags=["dfinery"]) == []
    configured(RECONCILE_MINUTES=0)
    assert run_checks(tags=["dfinery"]) == []


def test_the_zone_of_naive_moments_is_named(configured: Any, settings: Any) -> None:
    """A shop whose rows have another zone's time sees it at once: no later check could."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_datetime": "paid_at"}})
    settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Tokyo"
    (message,) = run_checks(tags=["dfinery"])
    assert (message.id, message.level) == ("dfinery.I002", messages.INFO)
    assert message.msg == "USE_TZ is False: event_datetime of 'purchase' is read as the time of Asia/Tokyo."
    settings.USE_TZ = True
    assert run_checks(tags=["dfinery"]) == []


def test_one_bad_definition_leaves_the_others_in_force(configured: Any) -> None:
    """A mistake costs its own event only."""
    from dfinery_django.definitions import registry

    configured(EVENTS={"bad": {"model": "no.Model"}, "purchase": PURCHASE})
    assert [each.name for each in registry.definitions()] == ["purchase"]


def test_every_id_is_listed() -> None:
    """The table in the module's docstring has each id that the code gives."""
    from dfinery_django import conf

    package = Path(str(conf.__file__)).parent
    paths = [*package.glob("checks/*.py"), *package.glob("queues/*.py"), package / "conf.py"]
    source = "".join(path.read_text() for path in paths)
    given = set(re.findall(r'"([EWI]\d{3})"', source))
    listed = set(re.findall(r"^([EWI]\d{3})", str(checks.__doc__), re.MULTILINE))
    assert given == listed


@pytest.mark.parametrize(
    ("cluster", "options", "ids"),
    [
        ({"timeout": 60, "retry": 90}, {}, []),
        ({}, {}, []),  # django-q2's own: a retry of 60 s
        ({"timeout": 60, "retry": 30}, {}, ["dfinery.W014"]),
        ({"retry": 30}, {}, ["dfinery.W014"]),
        ({"retry": 90, "ALT_CLUSTERS": {"slow": {"retry": 10}}}, {"cluster": "slow"}, ["dfinery.W014"]),
        ({"retry": 10, "ALT_CLUSTERS": {"slow": {"retry": 90}}}, {"cluster": "slow"}, []),
        ({"sync": True, "retry": 90}, {}, ["dfinery.W015"]),
        ({"retry": 90}, {"sync": True}, ["dfinery.W015"]),
    ],
)
def test_a_queue_that_gives_a_drain_twice_or_runs_it_in_requests(
    configured: Any, settings: Any, cluster: Any, options: Any, ids: Any
) -> None:
    """``retry`` below a drain's time, and ``sync``, are told."""
    settings.Q_CLUSTER = cluster
    configured(Q_OPTIONS=options)
    assert [each.id for each in found()] == ids


@pytest.mark.parametrize(
    ("cluster", "number", "words"),
    [
        ({"orm": "default"}, "", ""),
        ({"redis": "redis://127.0.0.1:6379/0"}, "", ""),  # its client is there for other tests
        ({"broker_class": "django_q.brokers.orm.ORM"}, "", ""),
        ({"name": "shop"}, "W018", '"orm": "default"'),
        ({"orm": "defalt"}, "W018", "Did you mean 'default'"),
        ({"mongo": {"host": "x"}}, "W019", "pip install pymongo"),
        ({"sqs": {"aws_region": "x"}}, "W019", "pip install boto3"),
        ({"iron_mq": {"host": "x"}, "orm": "default"}, "W019", "pip install iron-mq"),
        ({"broker_class": "nowhere.brokers.Mine"}, "W019", "nowhere.brokers"),
    ],
    ids=str,
)
def test_a_queue_that_no_task_can_get_into(
    configured: Any, settings: Any, cluster: Any, number: str, words: str
) -> None:
    """A broker that is not named, is no database of the site, or lacks its client, with what to write or to install."""
    settings.Q_CLUSTER = {"timeout": 60, "retry": 90, **cluster}
    configured(WAKE="dfinery_django.tasks.wake")
    assert [each.id for each in found()] == [f"dfinery.{number}"] * bool(number)
    assert all(words in f"{each.msg} {each.hint}" for each in found())
    configured()  # a WAKE of the site's own may use any queue
    assert found() == []
    configured(WAKE="dfinery_django.tasks.wake", Q_OPTIONS={"broker": object()})
    assert found() == []


def test_no_token_hides_no_other_mistake(configured: Any) -> None:
    """All are told in one round, and a site that is to send nothing learns how to say so."""
    configured(TOKENS={"default": None}, EVENTS={"purchase": {**PURCHASE, "event_datetime": "payed_at"}})
    token, path = found()
    assert (token.id, path.id) == ("dfinery.E003", "dfinery.E008")
    assert '"ENABLED": False' in token.hint


def test_one_custom_field_two_types(configured: Any) -> None:
    """Two definitions that would split a field in DFINERY's reports are told, until the site decides."""
    events = {
        name: {**PURCHASE, "event_attributes": {"order_id": "number", "grade": path}}
        for name, path in (("purchase", "pk"), ("cancelled", "status"))
    }
    configured(EVENTS=events)
    assert [(each.id, "long in 'purchase', string in 'cancelled'" in each.msg) for each in found()] == [
        ("dfinery.W006", True)
    ]
    configured(EVENTS=events, CUSTOM_FIELDS={"event": {"grade": "string"}})
    assert found() == []


def family(on_delete: Any = models.CASCADE) -> tuple[Any, Any]:
    """A parcel with a duration, and its trips, which go with it."""
    meta, base = type("Meta", (), {"app_label": "shop"}), {"__module__": __name__}
    parcel: Any = type("Parcel", (models.Model,), {**base, "Meta": meta, "span": models.DurationField()})
    key = models.ForeignKey(parcel, on_delete, related_name="trips")
    trip: Any = type("Trip", (models.Model,), {**base, "Meta": meta, "parcel": key})
    return parcel, trip


def checked(model: Any, **attributes: Any) -> list[Any]:
    given = {"model": model, "user": None, "user_attributes": {"user_id": "pk"}, **attributes}
    return list(check_definition(from_dict("moved", given)))


@isolate_apps("tests.shop")
@pytest.mark.parametrize(
    "attributes",
    [
        {"event_attributes": {"x": "parcel.span"}},
        {"event_attributes": {"x": Coalesce("pk", Hashed("parcel.span"))}},
        {"user": "parcel", "user_attributes": {"user_id": "pk", "x": "span"}},
        {"items": "parcel.trips", "item_attributes": {"x": "parcel.span"}},
    ],
)
def test_a_column_whose_values_can_not_be_sent(attributes: Any) -> None:
    """Its events would fail one after the other: the check tells before."""
    _, trip = family()
    (message,) = checked(trip, **attributes)
    assert message.id == "dfinery.W010"
    assert "span' ends in a DurationField (shop.Parcel.span), and a timedelta can't be sent" in message.msg


@isolate_apps("tests.shop")
def test_a_duration_may_tell_events_apart() -> None:
    """What is not sent need not be sendable."""
    parcel, _ = family()
    assert checked(parcel, once_per="span", when="saved") == []


def parcel_with(**fields: Any) -> Any:
    """A model with these fields."""
    meta = type("Meta", (), {"app_label": "shop"})
    return type("Parcel", (models.Model,), {"__module__": __name__, "Meta": meta, **fields})


@isolate_apps("tests.shop")
@pytest.mark.parametrize(
    ("when", "is_told"),
    [("created", True), ({"pk": 1}, True), (lambda parcel, created: True, True), ("saved", False)],
)
@pytest.mark.parametrize("moment", ["updated_at", F("updated_at")])
def test_a_moment_that_every_save_changes(when: Any, is_told: bool, moment: Any) -> None:
    """An edited row would have a new time; with "saved", the time of the save is meant."""
    parcel = parcel_with(updated_at=models.DateTimeField(auto_now=True))
    found = checked(parcel, event_datetime=moment, when=when)
    assert [each.id for each in found] == ["dfinery.W021"] * is_told
    assert all("auto_now=True (shop.Parcel.updated_at)" in each.msg for each in found)


@isolate_apps("tests.shop")
def test_no_changing_time_is_advised() -> None:
    """The nearest field of a misspelt event_datetime is none that every save changes."""
    parcel = parcel_with(paid=models.BooleanField(), updated_at=models.DateTimeField(auto_now=True))
    (message,) = checked(parcel, event_datetime="updated")
    assert message.hint == "Known: id, paid. Or leave event_datetime out: the moment of the save counts."


@isolate_apps("tests.shop")
def test_a_value_of_the_wrong_type_is_told_with_the_stored_ones() -> None:
    """A label on a field of numbers: the hint says the field's type and its choices."""
    parcel = parcel_with(stage=models.IntegerField(choices=[(1, "new"), (2, "completed")]))
    (message,) = checked(parcel, when={"stage": "completed"})
    assert (message.id, message.hint) == (
        "dfinery.E009",
        "shop.Parcel.stage is an IntegerField. Its choices: 1 (new), 2 (completed).",
    )
    (message,) = checked(parcel, when={"stage": 3})
    assert (message.id, "Parcel.stage: 1 (new), 2 (completed)." in message.msg) == ("dfinery.W020", True)


class Stage(models.TextChoices):
    NEW = "NEW", "New"


class Grade(models.IntegerChoices):
    LOW = 1, "Low"


def unasked() -> list[Any]:
    raise AssertionError("a check calls no callable of the site")


@isolate_apps("tests.shop")
@pytest.mark.parametrize(
    "when",
    [
        {"stage": Stage.NEW},
        {"stage__in": {Stage.NEW, "NEW"}},
        {"stage": ""},
        {"stage": None},
        {"stage__gt": "A"},
        {"stage": models.F("free")},
        {"grade": Grade.LOW},
        {"grade": "1"},
        {"grouped__in": ("a", "b")},
        {"free": "any"},
        {"content": "any"},
        {"asked": "any"},
        {"any_case": "NEW"},
    ],
    ids=str,
)
def test_values_that_a_field_may_have(when: Any) -> None:
    """Members of enums, groups, emptiness, other lookups, and fields that can't be judged raise no alarm."""
    from tests.shop.models import AnyCaseField

    parcel = parcel_with(
        stage=models.CharField(choices=Stage.choices, null=True, max_length=9),
        grade=models.IntegerField(choices=Grade.choices),
        grouped=models.CharField(choices=[("A", [("a", "An a")]), ("b", "A b")], max_length=9),
        free=models.CharField(max_length=9),
        content=models.JSONField(choices=[({"a": 1}, "A")]),
        asked=models.CharField(max_length=9, choices=unasked),
        any_case=AnyCaseField(max_length=9, choices=[("new", "New")]),
    )
    assert checked(parcel, when=when) == []


@isolate_apps("tests.shop")
@pytest.mark.parametrize("user", ["content", "holder"])
def test_a_user_that_is_an_object(user: str) -> None:
    """JSON, and an object of the site's own, may have what user_attributes read."""
    parcel = parcel_with(content=models.JSONField(), holder=property(lambda self: self))
    assert checked(parcel, user=user) == []


def test_one_mistake_is_one_message(configured: Any) -> None:
    """A name that several paths go through is told once, and not again as a reason why reconcile can't work."""
    users = {"user_id": "pk", "grade": "grade"}
    configured(EVENTS={"purchase": {**PURCHASE, "user": "buyer", "user_attributes": users, "event_datetime": "payed"}})
    assert [each.id for each in run_checks(tags=["dfinery"])] == ["dfinery.E008"] * 2


def test_a_custom_field_that_looks_misspelt(configured: Any) -> None:
    """It is told once for all definitions, until it is declared."""
    events = {each: {**PURCHASE, "event_attributes": {"order_sale": "total"}} for each in ("purchase", "paid")}
    configured(EVENTS=events)
    (message,) = found()
    assert message.msg.startswith("Event 'purchase', 'paid' maps 'order_sale'")
    configured(EVENTS=events, CUSTOM_FIELDS={"event": {"order_sale": "double"}})
    assert found() == []


#: Of orders, found by reconcile.
DATED: dict[str, Any] = {**PURCHASE, "event_datetime": "paid_at"}


def rows_of_others(configured: Any, definition: Any, **changes: Any) -> Any:
    configured(EVENTS={"purchase": definition}, **changes)
    (message,) = found()
    assert message.id == "dfinery.W024"
    return message


def test_a_when_about_lines_alone(configured: Any) -> None:
    """The message says which saves fire nothing and what finds it; the hint has the definition that would fire."""
    message = rows_of_others(configured, {**DATED, "when": {"lines__coupon": "A", "lines__quantity__gt": 1}})
    assert message.msg == (
        "Event 'purchase': its when asks for rows of shop.Line alone. A save of shop.Line does not fire it, and a save "
        "of shop.Order after that finds it true already. Only reconcile finds it."
    )
    assert message.hint == (
        'Watch these rows: "model": "shop.Line", "when": {"coupon": "A", "quantity__gt": 1}, with paths through '
        "\"order.…\", or call capture('purchase', …) where rows of shop.Line are saved. "
        'If 10 min later is soon enough, reconcile does: SILENCED_SYSTEM_CHECKS = ["dfinery.W024"].'
    )


@pytest.mark.parametrize(
    ("changes", "setting", "why"),
    [
        ({"event_datetime": None}, {}, "it has no 'event_datetime', so no column shows which rows are recent"),
        ({"once_per": "number"}, {}, "its 'once_per' allows several events per row"),
        ({}, {"RECONCILE_MINUTES": 0}, "RECONCILE_MINUTES is 0"),
    ],
)
def test_a_when_about_lines_alone_that_nothing_finds(configured: Any, changes: Any, setting: Any, why: str) -> None:
    """Where reconcile can't find it either, the message says so and why, and the hint does not promise it."""
    message = rows_of_others(configured, {**DATED, "when": {"lines__coupon": "A"}, **changes}, **setting)
    assert message.msg.endswith(f"finds it true already. Nothing finds it later: {why}.")
    assert message.hint.endswith("or call capture('purchase', …) where rows of shop.Line are saved.")


@pytest.mark.parametrize(
    ("when", "names", "hint"),
    [
        ({"lines__product__sku": "A"}, "shop.Line", '"when": {"product__sku": "A"}, with paths through "order.…"'),
        ({"lines__isnull": False}, "shop.Line", '"when": "created", with paths'),
        ({"lines": 5}, "shop.Line", '"when": {"pk": 5}, with paths'),
        ({"lines__coupon__in": ["A"]}, "shop.Line", '"when": {"coupon__in": [\'A\']}, with paths'),
        (Q(lines__coupon="A") | Q(lines__quantity=2), "shop.Line", '"when": …, with paths'),
        (~Q(lines__coupon="A"), "shop.Line", '"when": …, with paths'),
        (Q(Q(lines__coupon="A")), "shop.Line", '"when": …, with paths'),
    ],
    ids=str,
)
def test_a_when_about_lines_in_other_words(configured: Any, when: Any, names: str, hint: str) -> None:
    """However it is nested. Where the lookups can't be taken over word by word, the hint leaves them to the reader."""
    message = rows_of_others(configured, {**DATED, "when": when})
    assert f"its when asks for rows of {names} alone" in message.msg
    assert f'Watch these rows: "model": "shop.Line", {hint}' in message.hint


def test_a_when_about_rows_without_a_way_back(configured: Any) -> None:
    """Several models, and a relation without a foreign key: no other model would do. What is left is capture()."""
    user = {"model": "shop.User", "event_datetime": "date_joined"}
    message = rows_of_others(configured, {**user, "when": {"groups__name": "buyers", "order__status": "paid"}})
    assert (
        "its when asks for rows of auth.Group and shop.Order alone. A save of auth.Group or shop.Order does not fire it"
        in message.msg
    )
    assert message.hint.startswith(
        "Call capture('purchase', …) where rows of auth.Group or shop.Order are saved. If 10 min later"
    )
    message = rows_of_others(configured, {**user, "when": {"groups__name": "buyers"}})
    assert message.hint.startswith("Call capture('purchase', …) where rows of auth.Group are saved.")


@pytest.mark.parametrize(
    "changes",
    [
        {"when": {"lines__coupon": "A", "status": "paid"}},
        {"when": {"lines__coupon": "A", "customer__grade": "gold"}},
        {"when": Q(lines__coupon="A") | ~Q(total=0)},
        {"when": {"customer__grade": "gold"}},
        {"when": {"customer__order__status": "paid"}},
        {"when": {"pk__gt": 5}},
        {"when": Q()},
        {"when": {}},
        {"when": Q(lines__quantity__gt=F("total"))},
        {"when": Q(Exists(Line.objects.filter(order=OuterRef("pk"))))},
        {"when": {"giftorder__greeting": "Hi"}},
        {"when": {"lines__coupon": "A"}, "signal": ("tests.integration.ways.about_to_leave", "order")},
        {"model": "shop.GiftOrder", "when": {"order_ptr__status": "paid"}},
        {"model": "shop.OrderReport", "when": {"status": "paid"}},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_a_when_that_saves_of_the_row_make_true(configured: Any, changes: Any) -> None:
    """One column of the row's own is enough, a foreign key among them; rows of a child model are the row itself."""
    configured(EVENTS={"purchase": {**DATED, **changes}})
    assert found() == []


def test_a_when_that_can_not_be_asked_is_told_once(configured: Any) -> None:
    """A wrong lookup is the first thing to mend."""
    configured(EVENTS={"purchase": {**DATED, "when": {"lines__copon": "A"}}})
    assert [each.id for each in found()] == ["dfinery.E009"]


@pytest.mark.parametrize(
    ("model", "user_id"),
    [("shop.Order", "guest_email"), ("shop.Sale", "email"), ("shop.Voucher", "email")],
)
def test_buyers_without_an_account(configured: Any, model: str, user_id: str) -> None:
    """Whoever names no user gets both ways to do so, the second with the model's own e-mail."""
    configured(EVENTS={"purchase": {"model": model, "when": "created"}})
    (message,) = found()
    assert message.id == "dfinery.W001"
    assert message.hint == (
        'Write "user": "customer" (the path of its user), or user_attributes with paths from it. '
        f'If its buyers have no account: "user_attributes": {{"user_id": Hashed("{user_id}")}}.'
    )


@isolate_apps("tests.shop")
def test_an_e_mail_that_is_a_plain_text() -> None:
    """It is found by its name."""
    parcel = parcel_with(sent=models.DateTimeField(), mail=models.CharField(max_length=99), e_mails=models.JSONField())
    (message,) = checked(parcel, user_attributes=None)
    assert 'Hashed("mail")' in str(message.hint)


ITEMS_THROUGH_BOTH = ' Or map them as items, which may go through both: "items": "customer.order_set.lines".'


@pytest.mark.parametrize(
    ("path", "first", "rest"),
    [
        ("lines.product.sku", "product", "; or map them as items."),
        ("lines.quantity", "quantity", ', or one value of all: Sum("lines__quantity"); or map them as items.'),
        (
            "customer.order_set.lines.quantity",
            "lines",
            f', or one value of all: Sum("customer__order__lines__quantity").{ITEMS_THROUGH_BOTH}',
        ),
        ("customer.order_set.lines.product.sku", "lines", f".{ITEMS_THROUGH_BOTH}"),
        ("customer.order_set.first.lines.quantity", "quantity", "; or map them as items."),
    ],
)
def test_a_value_behind_several_rows(configured: Any, path: str, first: str, rest: str) -> None:
    """The hint drops no row unsaid: the first alone, an aggregate of all, or items through both relations."""
    configured(EVENTS={"purchase": {**PURCHASE, "event_attributes": {"x": path}}})
    (message,) = found()
    assert message.id == "dfinery.E008"
    assert message.hint == f"There may be several: write '.first.{first}' for the first alone{rest}"


@pytest.mark.skipif(not hasattr(models, "DB_CASCADE"), reason="Django 6.1 brings DB_CASCADE")
@isolate_apps("tests.shop")
@pytest.mark.parametrize(
    ("attributes", "is_told"),
    [
        ({"when": "deleted"}, True),
        ({"signal": ("django.db.models.signals.post_delete", "instance")}, True),
        ({"when": "created"}, False),
        ({"when": "deleted", "signal": ("shop.signals.left", "trip")}, False),
    ],
)
def test_deletions_of_the_database(attributes: Any, is_told: bool) -> None:
    """No signal tells of them: the check names the foreign key."""
    _, trip = family(getattr(models, "DB_CASCADE", None))
    found = checked(trip, **attributes)
    assert [each.id for each in found] == ["dfinery.W013"] * is_told
    assert all("shop.Trip.parcel has on_delete=DB_CASCADE: where a shop.Parcel" in each.msg for each in found)


@pytest.mark.parametrize("name", ["CASCADE", "DB_SET_NULL"])
@isolate_apps("tests.shop")
def test_deletions_that_signals_tell_of(name: str) -> None:
    """Django deletes such rows itself, or they stay."""
    if not hasattr(models, name):
        pytest.skip("Django 6.1 brings it")
    _, trip = family(getattr(models, name))
    assert checked(trip, when="deleted") == []
