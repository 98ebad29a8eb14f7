"""Whom an order belongs to, and what users themselves do: guests, deletion, anonymising, login, withdrawal."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.db import transaction
from django.utils.functional import SimpleLazyObject

from dfinery_django import Coalesce, Hashed, capture, forget
from dfinery_django.models import Event
from tests.integration.ways import about_to_leave, built, keys
from tests.shop.models import Order, User
from tests.support.doubles import PURCHASE

pytestmark = pytest.mark.django_db(transaction=True)

USER = {"model": "shop.User"}
WITHDRAWAL = {**USER, "when": "deleted", "event_attributes": {"grade": "grade"}}
LOGIN = {**USER, "signal": ("django.contrib.auth.signals.user_logged_in", "user")}
GUESTS = {
    **PURCHASE,
    "user": None,
    "user_attributes": {"user_id": Coalesce("customer.pk", Hashed("guest_email")), "grade": "customer.grade"},
}


def user_ids() -> list[str]:
    built()
    return list(Event.objects.order_by("pk").values_list("user_id", flat=True))


def test_guests_and_members(configured: Any, shop: Any) -> None:
    """A member by key, a guest by a hash of the e-mail address; one with neither fails visibly, never as "None"."""
    configured(EVENTS={"purchase": GUESTS})
    member = shop.customer(grade="gold")
    shop.place(status="paid", customer=member, guest_email="hong@example.com")
    shop.place(status="paid", guest_email=" Hong@Example.com")
    shop.place(status="paid")
    assert user_ids() == [str(member.pk), hashlib.sha256(b"hong@example.com").hexdigest(), ""]
    assert list(Event.objects.order_by("pk").values_list("reason_code", flat=True)) == ["", "", "no_user"]


def test_a_guest_order_that_gets_its_user_later(configured: Any, shop: Any) -> None:
    """By update(), as shops match them, or by save(): the purchase is not sent again."""
    configured(EVENTS={"purchase": GUESTS})
    order = shop.place(status="paid", guest_email="hong@example.com")
    built()
    Order.objects.filter(pk=order.pk).update(customer=shop.customer())
    Order.objects.get(pk=order.pk).save()
    assert len(keys()) == 1


def test_a_user_deleted_before_building(shop: Any) -> None:
    """The order's user is nulled by an UPDATE: the event is still theirs, by the key that the order held."""
    customer = shop.customer()
    key = str(customer.pk)
    shop.place(status="paid", customer=customer)
    customer.delete()
    (payload,) = built()
    assert payload["user_attributes"] == {"user_id": key}


def test_a_member_deleted_before_building_is_no_guest(configured: Any, shop: Any) -> None:
    """With a fallback for guests the order of a deleted member is not told as a guest's, at first or at a rebuild."""
    configured(EVENTS={"purchase": GUESTS})
    customer = shop.customer(grade="gold")
    key = str(customer.pk)
    shop.place(status="paid", customer=customer, guest_email="hong@example.com")
    customer.delete()
    assert user_ids() == [key]
    Event.objects.update(status="failed", due_at=None, finished_at=Event.objects.get().created_at)
    assert Event.objects.rebuild(Event.objects.get().created_at, destination="default") == 1
    assert user_ids() == [key]


def test_an_order_given_to_another_user_before_building(configured: Any, shop: Any) -> None:
    """It stays with whom it was captured for, and says nothing of the other one."""
    configured(EVENTS={"purchase": GUESTS})
    first, second = shop.customer("a", grade="gold"), shop.customer("b", grade="silver")
    key = str(first.pk)
    order = shop.place(status="paid", customer=first)
    Order.objects.filter(pk=order.pk).update(customer=second)
    (payload,) = built()
    assert payload["user_attributes"] == {"user_id": key}


def test_a_guest_who_is_known_before_building(configured: Any, shop: Any) -> None:
    """What comes first in the mapping says it better: the order is the member's."""
    configured(EVENTS={"purchase": GUESTS})
    order = shop.place(status="paid", guest_email="hong@example.com")
    customer = shop.customer()
    Order.objects.filter(pk=order.pk).update(customer=customer)
    assert user_ids() == [str(customer.pk)]


def test_a_guest_anonymised_before_building(configured: Any, shop: Any) -> None:
    """The hash of the address that the order was placed with stands, and is searched and forgotten by."""
    configured(EVENTS={"purchase": GUESTS})
    shop.place(status="paid", guest_email="hong@example.com")
    identity = hashlib.sha256(b"hong@example.com").hexdigest()
    assert Event.objects.get().user_id == identity
    Order.objects.update(guest_email="")
    assert user_ids() == [identity]
    assert forget(identity).total == 1


@pytest.mark.parametrize("path", ["customer.username", Coalesce("customer.username", Hashed("guest_email"))])
def test_a_user_id_that_takes_a_query_is_read_at_build(configured: Any, shop: Any, path: Any) -> None:
    """What the order itself does not hold is read when the event is built, and costs a checkout no query."""
    configured(EVENTS={"purchase": {**GUESTS, "user_attributes": {"user_id": path}}})
    customer = shop.customer("before")
    shop.place(status="paid", customer=customer, guest_email="hong@example.com")
    assert Event.objects.get().user_id == ""
    User.objects.filter(pk=customer.pk).update(username="after")
    assert user_ids() == ["after"]


def test_a_mapping_that_was_mended_is_rebuilt_with_its_new_user_id(configured: Any, shop: Any) -> None:
    """What was kept of the old mapping is of no use to a new one."""
    configured(EVENTS={"purchase": GUESTS})
    shop.place(status="paid", customer=shop.customer("hong"), guest_email="hong@example.com")
    configured(EVENTS={"purchase": {**GUESTS, "user_attributes": {"user_id": "customer.username"}}})
    assert user_ids() == ["hong"]


def test_a_user_deleted_after_building(shop: Any) -> None:
    """What was built is sent as it was built; nobody looks at the user again."""
    customer = shop.customer()
    key = str(customer.pk)
    shop.place(status="paid", customer=customer)
    built()
    customer.delete()
    assert user_ids() == [key]


def test_a_user_anonymised_before_building(configured: Any, shop: Any) -> None:
    """By update(), without a signal: what was overwritten is in no payload."""
    configured(USER_ATTRIBUTES={"user_id": "pk", "user_name": "first_name"})
    customer = shop.customer(first_name="Gildong")
    shop.place(status="paid", customer=customer)
    User.objects.filter(pk=customer.pk).update(first_name="", email="")
    (payload,) = built()
    assert payload["user_attributes"] == {"user_id": str(customer.pk), "user_name": ""}


def test_an_order_deleted_before_building(shop: Any) -> None:
    """Its event fails, and says so."""
    shop.place(status="paid", customer=shop.customer()).delete()
    (reason,) = built()
    assert "it was deleted before the event was built" in reason


def test_sign_up(configured: Any) -> None:
    """create_user() and a second save are one sign-up; a login's save of last_login is none, nor is a rollback."""
    configured(EVENTS={"sign_up": {**USER, "when": "created"}})
    user = User.objects.create_user("a")
    user.first_name = "A"
    user.save()
    user.save(update_fields=["last_login"])
    with pytest.raises(RuntimeError), transaction.atomic():
        User.objects.create_user("b")
        raise RuntimeError
    assert keys("sign_up") == [str(user.pk)]


def test_users_that_did_not_sign_up(configured: Any) -> None:
    """Visitors without a login, staff: ``when`` and a later confirmation decide, not the INSERT."""
    configured(EVENTS={"sign_up": {**USER, "when": {"is_active": True, "is_staff": False}}})
    visitor = User.objects.create(username="visitor", is_active=False)
    User.objects.create_superuser("admin")
    assert keys("sign_up") == []
    visitor.is_active = True
    visitor.save()
    assert keys("sign_up") == [str(visitor.pk)]


@pytest.mark.parametrize("once_per", [None, "last_login"])
def test_logins(configured: Any, client: Any, once_per: Any) -> None:
    """Django's own signal, an event for each login."""
    configured(EVENTS={"login": {**LOGIN, "once_per": once_per}})
    user = User.objects.create_user("a", password="x")
    for _ in range(2):
        assert client.login(username="a", password="x")
    client.logout()
    assert keys("login") == [str(user.pk)] * 2
    assert user_ids() == [str(user.pk)] * 2


def test_the_logout_of_nobody(configured: Any, client: Any, caplog: Any) -> None:
    """user_logged_out carries None where nobody was logged in: no event, and no error in the log."""
    configured(EVENTS={"logout": {**USER, "signal": ("django.contrib.auth.signals.user_logged_out", "user")}})
    client.logout()
    User.objects.create_user("a", password="x")
    client.login(username="a", password="x")
    client.logout()
    assert len(keys("logout")) == 1
    assert caplog.text == ""


def test_a_lazy_user(configured: Any) -> None:
    """``request.user`` is a lazy object: a user like any other."""
    from django.contrib.auth.signals import user_logged_in

    configured(EVENTS={"login": LOGIN})
    user = User.objects.create(username="a")
    lazy: Any = SimpleLazyObject(lambda: User.objects.get(pk=user.pk))
    user_logged_in.send(sender=User, request=None, user=lazy)
    assert capture("login", lazy) is None, "it was captured before"
    assert keys("login") == [str(user.pk)]


def test_a_profile_that_changes(configured: Any) -> None:
    """Becoming something: a dict. Each new value: ``"saved"`` with ``once_per``."""
    configured(
        EVENTS={
            "became_gold": {**USER, "when": {"grade": "gold"}},
            "grade_changed": {**USER, "when": "saved", "once_per": "grade"},
        }
    )
    user = User.objects.create(username="a")
    for grade in ("basic", "gold", "gold"):
        user.grade = grade
        user.save()
    user.save(update_fields=["last_login"])
    assert (len(keys("became_gold")), len(keys("grade_changed"))) == (1, 2)


def delete(user: User) -> None:
    user.delete()


def delete_by_queryset(user: User) -> None:
    User.objects.filter(pk=user.pk).delete()


def delete_in_a_transaction(user: User) -> None:
    with transaction.atomic():
        user.delete()
        assert user.pk is None
        user.pk = "put back by hand"  # type: ignore[assignment]


def delete_behind_the_signals(user: User) -> None:
    with transaction.atomic():
        capture("withdrawal", user)
        User.objects.filter(pk=user.pk)._raw_delete("default")


WAYS_TO_LEAVE = [delete, delete_by_queryset, delete_in_a_transaction, delete_behind_the_signals]


@pytest.mark.parametrize("way", WAYS_TO_LEAVE, ids=lambda way: way.__name__)
def test_a_withdrawal(configured: Any, way: Any) -> None:
    """Built at once, in the shop's transaction, since the row is about to go."""
    configured(EVENTS={"withdrawal": WITHDRAWAL})
    user = User.objects.create(username="a", grade="gold")
    key = str(user.pk)
    way(user)
    event = Event.objects.get()
    assert (event.status, event.user_id, '"grade":"gold"' in event.payload) == ("pending", key, True)


def test_a_withdrawal_that_is_rolled_back(configured: Any) -> None:
    """The user stays, and no event."""
    configured(EVENTS={"withdrawal": WITHDRAWAL})
    user = User.objects.create(username="a")
    with pytest.raises(RuntimeError), transaction.atomic():
        user.delete()
        raise RuntimeError
    assert User.objects.count() == 1
    assert keys("withdrawal") == []


def test_a_withdrawal_that_anonymises(configured: Any) -> None:
    """A signal of the site's own, sent before the row is overwritten: ``"deleted"`` builds at once there, too."""
    signal = ("tests.integration.ways.about_to_leave", "user")
    configured(EVENTS={"withdrawal": {**WITHDRAWAL, "signal": signal, "user_attributes": {"user_id": "username"}}})

    user = User.objects.create(username="hong", grade="gold")
    with transaction.atomic():
        about_to_leave.send(sender=None, user=user)
        User.objects.filter(pk=user.pk).update(username="anonymous", grade="basic")
    event = Event.objects.get()
    assert (event.status, event.user_id, '"grade":"gold"' in event.payload) == ("pending", "hong", True)
