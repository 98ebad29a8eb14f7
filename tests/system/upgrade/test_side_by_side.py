"""The length of a deployment: the released code and this one side by side, on the tables of one and of the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.system.clusters.processes import FarSide
from tests.system.upgrade.processes import CURRENT, Site, database_name, unpack_release

pytestmark = [pytest.mark.db, pytest.mark.slow]


class Deployment:
    """A site on whose database processes with the released code and with this code run."""

    def __init__(self, folder: Path) -> None:
        self.sandbox = FarSide(seconds=0.02)  # slow enough for two processes to share the work
        self.database = database_name(folder, "deployment")
        self.released = Site(unpack_release(folder), self.database, self.sandbox.url)
        self.current = Site(CURRENT, self.database, self.sandbox.url)
        self._numbers = (f"A{number}" for number in count(1))

    @property
    def pairs(self) -> list[tuple[Site, Site]]:
        return [(self.released, self.current), (self.current, self.released)]

    def numbers(self, wanted: int) -> list[str]:
        return [next(self._numbers) for _ in range(wanted)]

    def arrived(self, numbers: list[str]) -> Counter[str]:
        """How often the purchase of each order arrived, whole."""
        return Counter(
            each.order_id
            for each in self.sandbox.arrivals
            if each.order_id in numbers and len(each.body["event_attributes"]["items"]) == 1
        )


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Tables of the released code, which both kinds of processes have open."""
    deployment = Deployment(tmp_path_factory.mktemp("deployment"))
    with deployment.sandbox, deployment.released as released, deployment.current:
        released.ask("create_database")
        released.ask("migrate")
        yield deployment
        released.ask("drop_database")


def assert_both_work(deployment: Deployment) -> None:
    assert_each_delivers_the_other_s(deployment)
    assert_they_share_the_work(deployment)
    assert_each_finds_what_the_other_missed(deployment)
    assert_each_resends_the_other_s(deployment)
    for site, _ in deployment.pairs:
        assert set(site.ask("admin_pages").values()) == {200}, site.package
        assert site.ask("check") == [], site.package


def assert_each_delivers_the_other_s(deployment: Deployment) -> None:
    """What one captures the other builds and delivers, once."""
    for site, other in deployment.pairs:
        numbers = deployment.numbers(3)
        site.ask("place", numbers)
        other.ask("drain")
        assert deployment.arrived(numbers) == dict.fromkeys(numbers, 1), other.package


def assert_they_share_the_work(deployment: Deployment) -> None:
    """Orders are saved and events delivered by both at the same time; each arrives once."""
    lots = [deployment.numbers(6), deployment.numbers(6)]
    for step in ("place", "drain"):
        for (site, _), numbers in zip(deployment.pairs, lots, strict=True):
            site.begin(step, *([numbers] if step == "place" else []))
        for site, _ in deployment.pairs:
            site.end()
    numbers = [*lots[0], *lots[1]]
    assert deployment.arrived(numbers) == dict.fromkeys(numbers, 1)


def assert_each_finds_what_the_other_missed(deployment: Deployment) -> None:
    """Reconcile of one captures what a save of the other did not announce; what the other captured is known to it."""
    for site, other in deployment.pairs:
        announced, silent = deployment.numbers(1), deployment.numbers(1)
        site.ask("place", announced)
        site.ask("place", silent, silently=True)
        assert other.ask("reconcile") == {"purchase": 1}, other.package
        assert site.ask("reconcile") == {"purchase": 0}, site.package
        site.ask("drain")
        assert deployment.arrived(announced + silent) == {announced[0]: 1, silent[0]: 1}


def assert_each_resends_the_other_s(deployment: Deployment) -> None:
    """A delivered event is resent by one and delivered by the other, with its event id."""
    for site, other in deployment.pairs:
        numbers = deployment.numbers(1)
        site.ask("place", numbers)
        site.ask("drain")
        (event_id,) = {each.event_id for each in deployment.sandbox.arrivals if each.order_id == numbers[0]}
        other.ask("resend", [event_id])
        site.ask("drain")
        assert [each.event_id for each in deployment.sandbox.arrivals if each.order_id == numbers[0]] == [event_id] * 2


def assert_the_released_code_starts(deployment: Deployment) -> None:
    """After a step back a released process starts, captures and delivers; its ``migrate`` changes nothing."""
    with Site(deployment.released.package, deployment.database, deployment.sandbox.url) as site:
        tables = {table: each["columns"] for table, each in site.ask("rows").items()}
        site.ask("migrate")
        assert {table: each["columns"] for table, each in site.ask("rows").items()} == tables
        assert "later_flag" in tables["dfinery_django_event"]
        numbers = deployment.numbers(2)
        site.ask("place", numbers)
        site.ask("drain")
        assert deployment.arrived(numbers) == dict.fromkeys(numbers, 1)


def test_both_work_before_and_after_migrate(deployment: Deployment) -> None:
    """On the released tables, on this code's, and on tables that have more than the released code knows.

    The processes run all the while, as those of a site do: connections and what they remember outlive ``migrate``. At
    last the site goes back to the released version, whose processes start on tables that are later than they are.
    """
    assert_both_work(deployment)  # the new code was started before migrate
    deployment.current.ask("migrate")
    assert_both_work(deployment)
    deployment.current.ask("add_what_is_to_come")
    assert_both_work(deployment)
    assert_the_released_code_starts(deployment)
    assert set(deployment.current.ask("statuses").values()) == {"delivered"}
