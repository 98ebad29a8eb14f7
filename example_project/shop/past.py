"""Two days of business behind us, so that the pages about events have something to tell. For demonstrations only.

Real: the orders, their events, what the mapping makes of them, each request and its answer. Not real: the clock. What
happens here within seconds is moved, afterwards, to where it would have been. Nobody else must deliver meanwhile.
"""

import datetime as dt
import random
from collections import Counter, defaultdict
from contextlib import contextmanager

import requests
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F
from django.test.utils import override_settings
from django.utils import timezone

from dfinery_django.delivery import worker
from dfinery_django.models import DeliveryAttempt, Destination, Event

from . import services
from .models import Coupon, Order, Product

MEMBERS = [("Seoyeon Han", "gold"), ("Minjun Oh", "basic"), ("Jiwoo Shin", "silver"), ("Hyunwoo Seo", "basic")]
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)
#: Orders in an hour of the day, from midnight on: people sleep, and buy in the evening.
BY_HOUR = [2, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 4, 6, 5, 4, 4, 5, 5, 6, 7, 9, 8, 6, 4]
NOWHERE = "http://127.0.0.1:9"  # the port of "discard": nobody listens there
ROUNDS_IN_VAIN = 9
ONE_IN_IS_CANCELLED = 30
NOBODY = {"customer": None, "guest_email": ""}


class Past:
    """
    :param sandbox_url: where DFINERY_BASE_URL leads
    :param seed: the same one makes the same two days
    """

    def __init__(self, sandbox_url, *, seed=7):
        self.now = timezone.now()
        self._sandbox_url = sandbox_url
        self._dice = random.Random(seed)
        self._goods = list(Product.objects.all())
        self._coupons = [None, None, None, *Coupon.objects.all()]

    def fill(self):
        """Live through it; how many events there are of each status."""
        last = Event.objects.order_by("pk").values_list("pk", flat=True).last() or 0
        with transaction.atomic():
            groups = self._sell_everything()
            for pks in groups.values():
                Event.objects.filter(pk__in=pks).update(due_at=self.now + HOUR)  # each has its turn
        worker.drain()
        self._an_outage(_due(groups["outage"]))
        _due(groups["wrong"])
        self._a_wrong_mapping()
        self._refused(len(_due(groups["refused"])))  # an answer all the same: the destination counts as sound again
        lived = Event.objects.filter(pk__gt=last)
        _move_back(lived)
        return dict(Counter(lived.order_by("status").values_list("status", flat=True)))

    def _sell_everything(self):
        """In the order in which it happened; of those orders that have a story, the keys of their events by story."""
        groups = defaultdict(list)
        self._members = [self._sign_up(number, *member) for number, member in enumerate(MEMBERS)]
        for ago, story in sorted(self._plan(), key=lambda each: -each[0]):
            order = self._sell(self.now - ago, **(NOBODY if story == "phone" else {}))
            if not story:  # a story is about one event
                self._perhaps_cancel(order)
            if story in ("outage", "wrong", "refused"):
                groups[story] += _events_of(order).values_list("pk", flat=True)
        return groups

    def _plan(self):
        """How long ago an order was paid, and what became of it."""
        for hours in range(47, 0, -1):
            for _ in range(BY_HOUR[timezone.localtime(self.now - hours * HOUR).hour]):
                yield (hours - self._dice.random()) * HOUR, ""
        yield from (((hours * HOUR), "expired") for hours in (75, 72, 70, 66, 61, 60, 53))  # nothing went out that day
        yield from ((hours * HOUR - 20 * MINUTE, "phone") for hours in (39, 18, 6))  # without an address
        yield from ((5 * HOUR + minutes * MINUTE, "wrong") for minutes in (7, 19, 24, 41, 55))
        yield from ((hours * HOUR, "refused") for hours in (29, 11))
        yield from ((minutes * MINUTE, "outage") for minutes in (31, 28, 27, 24))

    def _an_outage(self, events):
        """DFINERY did not answer for the last half hour: some orders have been tried again and again."""
        with override_settings(DFINERY={**settings.DFINERY, "BASE_URL": NOWHERE}):
            for _ in range(ROUNDS_IN_VAIN):
                events.unfinished().update(due_at=timezone.now())
                worker.drain()
                # Several failures in a row have stopped it. In half an hour it would have been tried again and again.
                Destination.objects.update(closed_until=None, failure_count=0)
        for minutes, event in enumerate(events.unfinished(), start=9):
            event.created_at, event.due_at = event.occurred_at, self.now + minutes * MINUTE
            event.save(update_fields=["created_at", "due_at"])
            for attempt in event.attempts.all():
                attempt.started_at = event.occurred_at + dt.timedelta(seconds=2.5 * (2**attempt.number - 1))
                attempt.save(update_fields=["started_at"])

    def _a_wrong_mapping(self):
        """Somebody wrote the buyer's name where the sum belongs; after an hour somebody else saw it."""
        with mapped_wrongly():
            worker.drain()

    def _refused(self, count):
        wanted = {"fault": "4007", "times": count}
        with requests.Session() as session:
            session.trust_env = False
            session.post(f"{self._sandbox_url}/faults", json=wanted, timeout=10).raise_for_status()
        worker.drain()

    def _sign_up(self, number, name, membership):
        email = f"{name.lower().replace(' ', '.')}@example.com"
        joined = self.now - (40 - 9 * number) * HOUR
        return get_user_model().objects.create_user(email, name=name, membership=membership, date_joined=joined)

    def _sell(self, moment, **buyer):
        """An order, paid at that moment."""
        number = self._dice.randrange(30)
        if not buyer:
            buyer = {"customer": self._dice.choice(self._members)}
            if number % 2:
                buyer = {"guest_email": f"guest{number}@example.com"}
        basket = [(goods, self._dice.randint(1, 3)) for goods in self._dice.sample(self._goods, 1 + number % 3)]
        order = services.place_order(basket, coupon=self._dice.choice(self._coupons), **buyer)
        order.created_at, order.paid_at = moment - MINUTE, moment
        order.status, order.payment_method = Order.Status.PAID, self._dice.choice(Order.PaymentMethod.values)
        order.save()
        return order

    def _perhaps_cancel(self, order):
        cancellable = self.now - 47 * HOUR < order.paid_at < self.now - 12 * HOUR
        if self._dice.randrange(ONE_IN_IS_CANCELLED) == 0 and cancellable:
            order.status, order.cancelled_at = Order.Status.CANCELLED, order.paid_at + 20 * MINUTE
            order.save()


def _events_of(order):
    return Event.objects.filter(source="shop.Order", source_pk=str(order.pk))


def _due(pks):
    """Events whose turn it is."""
    events = Event.objects.filter(pk__in=pks)
    events.update(due_at=timezone.now())
    return events


@contextmanager
def mapped_wrongly():
    """The buyer's name where the sum belongs: a mistake that no check can see."""
    purchase = settings.DFINERY["EVENTS"]["purchase"]
    wrong = {**purchase, "event_attributes": {**purchase["event_attributes"], "order_sales": "buyer"}}
    events = {**settings.DFINERY["EVENTS"], "purchase": wrong}
    with override_settings(DFINERY={**settings.DFINERY, "EVENTS": events}):
        yield


@transaction.atomic
def _move_back(events):
    """As though each that is finished had been captured when it happened; what it took from then on stays as it was."""
    for event in events.exclude(finished_at=None):
        shift = event.created_at - event.occurred_at
        event.created_at -= shift
        event.finished_at = event.expires_at if event.status == "expired" else event.finished_at - shift
        event.save(update_fields=["created_at", "finished_at"])
        DeliveryAttempt.objects.filter(event=event).update(started_at=F("started_at") - shift)
