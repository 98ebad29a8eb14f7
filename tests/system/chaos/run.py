"""All of it together: make the database, let the shop write and everything break, heal, judge, clean up."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

from django.core.management import call_command
from django.db import Error, connection
from django.utils import timezone

from . import ledger
from .crew import END_SECONDS, Crew
from .databases import Database
from .evidence import Evidence, Strike, gather
from .plan import make_plan

WRITERS = 3
HARM_SECONDS = (0.6, 2.2)
STRIKE_SECONDS = (0.2, 1.2)
#: After healing: without progress for so long, something is stuck.
STUCK_SECONDS = 60.0
#: How far off a retry or a reopening may be; the run shortens longer waits.
LONGEST_WAIT_SECONDS = 2.0


class Run:
    def __init__(self, seed: int, events: int, database: Database, folder: Path) -> None:
        self.seed, self.events, self.database, self.folder = seed, events, database, folder
        self.draw = random.Random(f"{seed} run")
        self.strikes: list[Strike] = []
        self.faults: list[str] = []
        self.crew = Crew(folder, random.Random(f"{seed} crew"))
        self.children: list[subprocess.Popen[str]] = []
        self.phases: list[tuple[str, float]] = []
        self._ends_strikes = threading.Event()

    def __call__(self) -> Evidence:
        try:
            self._timed("prepare", self._prepare)
            url = self._start_server()
            self._timed("chaos", self._chaos)
            urllib.request.urlopen(urllib.request.Request(f"{url}/heal", method="POST"), timeout=10).close()
            self._timed("heal", self._heal)
            self._timed("end", self._end)
            plan = make_plan(self.seed, self.events)
            return gather(plan, self.folder, self.crew.mishaps, self.strikes, self.faults)
        finally:
            self._clean_up()

    def _timed(self, name: str, step: Callable[[], None]) -> None:
        began_at = time.monotonic()
        step()
        self.phases.append((name, time.monotonic() - began_at))

    def _prepare(self) -> None:
        call_command("migrate", verbosity=0)
        ledger.install()
        from tests.shop.models import Category, Product, User

        category = Category.objects.create(name="Macbook Air")
        for number in range(20):
            Product.objects.create(sku=f"sku{number}", name=f'"Größe" {number} 맥북', category=category)
            User.objects.create(id=uuid.UUID(int=self.draw.getrandbits(128), version=4), username=f"user{number:02}")
        connection.close()

    def _start(self, *command: str, log: str) -> subprocess.Popen[str]:
        with (self.folder / log).open("ab") as errors:
            child = subprocess.Popen(
                [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=errors, text=True,
                start_new_session=True,
            )  # fmt: skip
        self.children.append(child)
        return child

    def _start_server(self) -> str:
        log = str(self.folder / "server.jsonl")
        server = self._start("tests.system.chaos.server", str(self.seed), log, log="server.log")
        assert server.stdout is not None
        os.environ["CHAOS_URL"] = url = server.stdout.readline().strip()
        return url

    def _chaos(self) -> None:
        seconds = min(60.0, 5 + self.events / 80)
        writers = [self._start_writer(share, seconds) for share in range(WRITERS)]
        striking = threading.Thread(target=self._strike, daemon=True)
        striking.start()
        ends_at = time.monotonic() + seconds
        harm_at = time.monotonic() + 2
        while time.monotonic() < ends_at or any(writer.poll() is None for writer in writers):
            self.crew.tend()
            if time.monotonic() >= harm_at:
                self.crew.harm()
                harm_at = time.monotonic() + self.draw.uniform(*HARM_SECONDS)
            self._shorten_waits()
            time.sleep(0.1)
        self._ends_strikes.set()
        striking.join()
        self.faults += [f"a writer ended with {each.returncode}" for each in writers if each.returncode]

    def _start_writer(self, share: int, seconds: float) -> subprocess.Popen[str]:
        arguments = map(str, (self.seed, self.events, share, WRITERS, seconds, self.folder / f"shop-{share}.jsonl"))
        return self._start("tests.system.chaos.shop", *arguments, log=f"shop-{share}.log")

    def _strike(self) -> None:
        draw = random.Random(f"{self.seed} strikes")
        while not self._ends_strikes.wait(draw.uniform(*STRIKE_SECONDS)):
            at = time.time()
            self.strikes.append(Strike(self.database.strike(draw), at))

    def _heal(self) -> None:
        self.crew.heal()
        left, moved_at = -1, time.monotonic()
        while left:
            self.crew.tend()
            self._shorten_waits()
            now_left = self._count_unfinished()
            if now_left != left:
                left, moved_at = now_left, time.monotonic()
            if time.monotonic() - moved_at > STUCK_SECONDS:
                return  # the judge says what is left
            time.sleep(0.2)

    def _end(self) -> None:
        # A qcluster with a worker that was killed at its queue's lock can't end; a drain has no excuse.
        self.faults += [f"{kind} did not end at SIGTERM" for kind in self.crew.end(END_SECONDS) if kind != "qcluster"]

    def _count_unfinished(self) -> int:
        from dfinery_django.models import Event

        return Event.objects.unfinished().count()

    def _shorten_waits(self) -> None:
        """Let nobody wait for minutes. Only rows that nobody holds are touched."""
        from dfinery_django.models import Destination, Event

        now = timezone.now()
        soon = now + timezone.timedelta(seconds=LONGEST_WAIT_SECONDS)
        try:
            Event.objects.filter(status="pending", due_at__gt=soon).update(due_at=soon)
            Destination.objects.filter(closed_until__gt=soon).update(closed_until=soon)
        except Error:  # the run's own connection is struck like any other
            connection.close()

    def _clean_up(self) -> None:
        self._ends_strikes.set()
        self.crew.end()
        for child in self.children:
            child.kill()
            child.communicate()
        connection.close()
