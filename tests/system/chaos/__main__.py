"""``python -m tests.system.chaos --events 5000 --seed 1``: exit code 1 for any violation, 2 for wrong use."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import django

SERVERS = ("postgresql", "mariadb", "sqlite")
QUEUES = ("django-q2", "django-tasks", "celery")
#: With thousands of violations the first tell enough.
SHOWN_VIOLATIONS = 50


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.system.chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=5000, help="how many events the shop brings about (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats all that is drawn")
    parser.add_argument("--database", choices=SERVERS, default=os.environ.get("DATABASE", "postgresql"))
    parser.add_argument("--queue", choices=QUEUES, default="django-q2", help="whose workers deliver (%(default)s)")
    given = parser.parse_args()
    if given.database not in SERVERS:
        parser.error(f"DATABASE is {given.database!r}, not one of {', '.join(SERVERS)}")
    if given.events < 1:
        parser.error("--events must be at least 1")
    return given


def end(number: int, frame: Any) -> None:
    sys.exit(f"ended by {signal.Signals(number).name}")


def forget_queue() -> None:
    """Delete what the run has left in Redis."""
    import redis
    from django.conf import settings

    client = redis.Redis.from_url(settings.CELERY_BROKER_URL)
    for key in client.scan_iter(f"{settings.KEY_PREFIX}*"):
        client.delete(key)


def main() -> int:
    given = arguments()
    signal.signal(signal.SIGTERM, end)
    began_at = time.monotonic()
    os.environ["DATABASE"] = given.database
    from tests.settings import DATABASES

    from .databases import create

    try:
        database = create(given.database, f"dfinery_chaos_{os.getpid()}", DATABASES["default"])
    except Exception as error:  # noqa: BLE001 - each driver has its own
        print(f"No {given.database} to run on: {error}", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="dfinery-chaos-logs-"))
    try:
        os.environ["CHAOS_DATABASE"] = database.name
        os.environ["CHAOS_QUEUE"] = given.queue
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.system.chaos.settings"
        django.setup()
        from .judge import violations
        from .report import table
        from .run import Run

        run = Run(given.seed, given.events, database, folder)
        evidence = run()
        found = violations(evidence)
        print(table(evidence))
    finally:
        database.drop()
        if given.queue == "celery":
            forget_queue()
    phases = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in run.phases)
    print(f"\nseed {given.seed}, {given.database}, {given.queue}, {time.monotonic() - began_at:.0f} s ({phases})")
    for line in found[:SHOWN_VIOLATIONS]:
        print(f"VIOLATION {line}")
    if found:
        evidence.write(folder)
        print(f"{len(found)} violations; logs are in {folder}")
        return 1
    shutil.rmtree(folder)
    print("No violation.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
