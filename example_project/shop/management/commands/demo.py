"""``manage.py demo``: the whole way, from an empty database to the comparison. The parts are in ``shop.demo``."""

import json
import math
import os
import signal
import sys
import time

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shop.demo import comparison, report
from shop.demo.customers import VISITS, Customers
from shop.demo.errors import DemoError
from shop.demo.stage import ADMIN_EMAIL, ADMIN_PASSWORD, Stage

ARRIVAL_SECONDS = 120
# Behind an outage retries wait longer and longer, and what was closed is opened by a drain that runs once a minute.
ARRIVAL_SECONDS_AFTER_OUTAGE = 240
#: What arrives twice does so soon after the first time.
GRACE_SECONDS = 1.5
#: What ends a demonstration from outside: Ctrl-C, ``kill``, a terminal that is closed.
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    help = "Starts shop, workers and a pretend DFINERY; customers buy; shows what they bought beside what arrived."
    requires_system_checks = []  # the processes that it starts check themselves, each with its own database

    def add_arguments(self, parser):
        parser.add_argument("--once", action="store_true", help="end after the comparison; exit code 0 if all is well")
        parser.add_argument("--outage", type=_seconds, metavar="SECONDS", help="DFINERY is away for so long")
        parser.add_argument("--port", type=int, default=8000, help="of the shop (default: %(default)s)")
        parser.add_argument("--sandbox-port", type=int, default=8089, help="default: %(default)s")

    def handle(self, *, once, outage, port, sandbox_port, **options):
        self.began_at = time.monotonic()
        _listen_for_the_end()
        stage = Stage(settings.BASE_DIR, settings.VAR_DIR, port=port, sandbox_port=sandbox_port, say=self._say)
        self._say_ports(stage, port, sandbox_port)
        try:
            is_good = self._perform(stage, outage)
            if not once:
                self._say(f"Events of the two days: {stage.live_through_the_past()}")
                self._stay(stage)
        except (DemoError, requests.RequestException) as error:
            raise CommandError(f"The demonstration broke off: {error}") from error
        except KeyboardInterrupt:
            self._say("Stopped.")
            sys.exit(130)
        except BrokenPipeError:  # the reader of our output has gone, as in "demo | head"
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        finally:
            self._close(stage)
        if not is_good:
            sys.exit(1)

    def _perform(self, stage, outage):
        stage.build()
        stage.open()
        self._say(f"{len({each.customer for each in VISITS})} customers go shopping…")
        self._buy(stage, outage)
        expected, strays = self._await_arrivals(stage, ARRIVAL_SECONDS_AFTER_OUTAGE if outage else ARRIVAL_SECONDS)
        self.stdout.write("")
        for line in report.lines(expected, strays):
            self.stdout.write(line)
        self.stdout.flush()
        return report.is_good(expected, strays)

    def _buy(self, stage, outage):
        customers = Customers(stage.shop_url)
        half = len(VISITS) // 2
        self._go_shopping(customers, VISITS[:half] if outage else VISITS)
        if outage:
            self._take_away(stage, outage, lambda: self._go_shopping(customers, VISITS[half:], outage))

    def _go_shopping(self, customers, visits, seconds=0):
        """One after the other; spread over so many seconds."""
        began = time.monotonic()
        for index, visit in enumerate(visits):
            time.sleep(max(0, began + seconds * index / len(visits) - time.monotonic()))
            self._say(customers.visit(visit))

    def _take_away(self, stage, seconds, meanwhile):
        self._say(f"── DFINERY goes away for {seconds:g} s; the customers notice nothing ──")
        until = time.monotonic() + seconds
        stage.sandbox.stop()
        meanwhile()
        time.sleep(max(0, until - time.monotonic()))
        stage.sandbox.start()
        stage.wait_for_sandbox()
        self._say("── DFINERY is back ──")

    def _await_arrivals(self, stage, limit_seconds):
        self._say("Waiting for the last events to arrive…")
        expected = comparison.expected_from(json.loads(stage.tables()))
        until = time.monotonic() + limit_seconds
        shown = None
        while time.monotonic() < until:
            stage.check_alive()
            missing = _missing(expected, stage.arrivals())
            if missing != shown:
                self._say(f"{len(expected) - missing} of {len(expected)} events arrived")
                shown = missing
            if not missing:
                break
            time.sleep(0.5)
        time.sleep(GRACE_SECONDS)
        return expected, comparison.assign(expected, stage.arrivals())

    def _stay(self, stage):
        self.stdout.write("")
        self.stdout.write(f"The shop               {stage.shop_url}/")
        self.stdout.write(f"The administration     {stage.shop_url}/admin/  ({ADMIN_EMAIL}, password {ADMIN_PASSWORD})")
        self.stdout.write(f"What DFINERY received  {stage.sandbox_url}/")
        self.stdout.write("Buy something yourself. Ctrl-C closes the shop.")
        self.stdout.flush()
        while True:
            stage.check_alive()
            time.sleep(1)

    def _close(self, stage):
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave processes behind
        try:
            self._say("Closing…")
        finally:  # even if there is no terminal any more to say it to
            stage.close()

    def _say_ports(self, stage, port, sandbox_port):
        for name, wanted, taken in (("shop", port, stage.port), ("sandbox", sandbox_port, stage.sandbox_port)):
            if wanted != taken:
                self._say(f"Port {wanted} is taken: the {name} uses {taken}.")

    def _say(self, text):
        self.stdout.write(f"{time.monotonic() - self.began_at:6.1f} s  {text}")
        self.stdout.flush()


def _missing(expected, arrivals):
    arrived = {comparison.key_of(arrival) for arrival in arrivals}
    return sum((each.event_name, each.key) not in arrived for each in expected)


def _seconds(text):
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(text)
    return seconds


def _listen_for_the_end():
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
            signal.signal(number, _interrupt)


def _interrupt(*_):
    raise KeyboardInterrupt
