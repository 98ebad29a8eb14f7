"""Many checkouts at once, each in a thread with a connection of its own, while the outbox is nearly empty."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from dfinery_django import capture, track
from dfinery_django.models import Event
from tests.settings import DATABASE
from tests.shop.models import Order, User
from tests.support.doubles import PURCHASE

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.sql("fast", "plain"),
    pytest.mark.skipif(DATABASE == "sqlite", reason="an in-memory database has one connection"),
]
THREADS, CHECKOUTS = 8, 15
DEFINITIONS = {
    "purchase": {**PURCHASE, "when": "created"},
    "profile": {"model": "shop.User", "when": "saved"},
    "seen": {"model": "shop.User", "when": lambda user, created: True},
}


def by_signal(user: Any) -> None:
    user.save()


def by_hand(user: Any) -> None:
    user.save()
    capture("purchase", Order.objects.create(customer=user, status="pending"))
    capture("purchase", Order.objects.filter(customer=user).first())


def by_track(user: Any) -> None:
    track("visit", user_id=user.pk, dedup_key=user.pk)


@pytest.mark.parametrize("tell_again", [by_signal, by_hand, by_track], ids=lambda each: each.__name__)
def test_no_checkout_is_rolled_back(configured: Any, tell_again: Callable[[Any], None]) -> None:
    """What is told again, and was captured before, locks nothing that another checkout waits for."""
    configured(EVENTS=DEFINITIONS)
    users = [User.objects.create(username=f"user-{number}") for number in range(THREADS)]
    for user in users:
        tell_again(user)
    before = Order.objects.count()
    faults: list[Exception] = []

    def check_out(user: Any) -> None:
        try:
            for _ in range(CHECKOUTS):
                with transaction.atomic():
                    tell_again(user)
                    Order.objects.create(customer=user, status="paid")
                    tell_again(user)
                    Order.objects.create(customer=user, status="paid")
        except DatabaseError as error:
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=check_out, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    made = Order.objects.count() - before
    assert made >= 2 * THREADS * CHECKOUTS
    assert Event.objects.filter(definition="profile").count() == THREADS
