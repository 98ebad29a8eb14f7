"""``python -m tests.system.oscar --orders 60 --seed 1``: exit code 1 for a difference. ``DATABASE`` is the server."""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import time
import warnings
from collections import Counter

import django
from django.conf import settings
from django.test.utils import override_settings, setup_databases, setup_test_environment, teardown_databases

#: How often a worker comes along, in visits.
DRAIN_EVERY = 7


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.system.oscar", description=__doc__)
    parser.add_argument("--orders", type=int, default=60, help="how many orders shall stand (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats all that is drawn")
    given = parser.parse_args()
    if given.orders < 1:
        parser.error("--orders must be at least 1")
    return given


def main() -> int:
    given, began_at = arguments(), time.monotonic()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.system.oscar.settings"
    warnings.simplefilter("ignore")  # oscar's; the tests look at ours
    django.setup()
    logging.disable(logging.CRITICAL)  # what goes wrong on purpose is logged at length
    setup_test_environment()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        found = run(given.orders, given.seed)
    finally:
        teardown_databases(databases, verbosity=0)
    print(f"seed {given.seed}, {time.monotonic() - began_at:.0f} s")
    for line in found:
        print(f"DIFFERENCE {line}")
    print(f"{len(found) or 'No'} difference{'' if len(found) == 1 else 's'}.")
    return 1 if found else 0


def run(orders: int, seed: int) -> list[str]:
    """Place orders, deliver their events, compare.

    :returns: a line for each difference
    """
    from dfinery_django.delivery.worker import drain
    from dfinery_django.models import Event
    from dfinery_django.outbox.reconcile import sweep_all
    from dfinery_django.sandbox import Sandbox
    from dfinery_django.tasks import LINGER_SECONDS
    from tests.system.oscar import judge
    from tests.system.oscar.plan import drawn
    from tests.system.oscar.report import table
    from tests.system.oscar.run import Run

    with Sandbox(tokens=["shop"]) as sandbox:
        with override_settings(DFINERY={**settings.DFINERY, "BASE_URL": sandbox.url}):
            shop = Run()
            visits = drawn(orders, seed, len(shop.catalogue.products))
            for number, visit in enumerate(visits):
                shop.visit(number, visit)
                if number % DRAIN_EVERY == 0:
                    drain()
            drain(linger_seconds=LINGER_SECONDS)
            swept = sum(sweep_all().values())
        bodies = [arrival.body for arrival in sandbox.arrivals]
        refused = sandbox.requests_seen - len(bodies)
    told = Counter(body["event_attributes"]["event_name"] for body in bodies)
    print(table(visits, told))
    found = [*shop.surprises, *judge.differences(bodies)]
    for name in ("sign_up", "login"):  # who registers is logged in
        if told[name] != shop.members:
            found.append(f"{shop.members} members signed up, DFINERY was told of {told[name]} {name} events")
    if refused or swept:
        found.append(f"DFINERY refused {refused} requests, reconcile found {swept} orders")
    left = Counter(Event.objects.exclude(status="delivered").values_list("definition", "status", "reason"))
    return found + [f"{count} events are not delivered: {' '.join(each)}" for each, count in left.items()]


if __name__ == "__main__":
    sys.exit(main())
