"""A database of an earlier version, and ``migrate``: every row stays as it is, and what is due arrives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dfinery_django.sandbox import Sandbox
from tests.settings import DATABASE
from tests.system.upgrade.contents import (
    ANSWER,
    DUE,
    EVENTS,
    EXPIRING,
    LEASED,
    PAYLOADS,
    RESENT,
    WAITING_ORDER,
    event_id,
    payload_of,
)
from tests.system.upgrade.processes import CURRENT, HERE, Site, database_name

pytestmark = [pytest.mark.db, pytest.mark.slow]

DUMPS = sorted((HERE / "dumps").glob(f"*-{DATABASE}.sql"))
Tables = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=DUMPS, ids=lambda dump: dump.stem)
def site(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A process of this version on an empty database that gets the dump."""
    folder = tmp_path_factory.mktemp("upgrade")
    with Sandbox() as sandbox, Site(CURRENT, database_name(folder, "dump"), sandbox.url) as site:
        site.sandbox = sandbox  # type: ignore[attr-defined]
        site.ask("create_database")
        site.ask("load", str(request.param))
        yield site
        site.ask("drop_database")


def known_cells(tables: Tables, known: Tables) -> dict[str, dict[str, dict[str, str]]]:
    """Table -> key -> column -> value, for the tables, rows and columns that are known from before."""
    return {
        table: {
            key: {
                column: cell
                for column, cell in zip(tables[table]["columns"], row, strict=True)
                if column in known[table]["columns"]
            }
            for key, row in tables[table]["rows"].items()
            if key in known[table]["rows"]
        }
        for table in known
    }


def test_there_is_a_dump_of_each_database() -> None:
    """1.0.0 left one for SQLite, PostgreSQL and MariaDB each."""
    assert {each.name for each in (HERE / "dumps").glob("1.0.0-*")} == {
        f"1.0.0-{kind}.sql" for kind in ("sqlite", "postgresql", "mariadb")
    }


def test_an_upgrade_keeps_each_row_and_delivers_what_is_due(site: Site) -> None:
    """migrate changes no value of a known column; events that were due, leased and begun to be resent are delivered.

    What waits for a paused destination, for another worker's lease or for a destination without a token stays.
    Reconcile captures no order a second time.
    """
    before = site.ask("rows")
    assert {row_of(before, name) for name in EVENTS} == set(EVENTS)
    assert payloads_of(site) == {name: payload_of(name) for name in EVENTS}
    assert any(repr(ANSWER) in row for row in before["dfinery_django_deliveryattempt"]["rows"].values())
    site.ask("migrate")
    after = site.ask("rows")
    assert known_cells(after, before) == known_cells(before, before)
    assert payloads_of(site) == {name: payload_of(name) for name in EVENTS}
    assert site.ask("check") == []
    assert len(after["django_q_schedule"]["rows"]) == 4  # ours, once each, and the shop's own

    earlier = site.ask("statuses")
    site.ask("make_recent", but=event_id(EXPIRING), resent=event_id(RESENT), leased=event_id(LEASED))
    site.ask("drain")
    assert site.ask("reconcile") == {"purchase": 0}
    site.ask("drain")
    sandbox: Sandbox = site.sandbox  # type: ignore[attr-defined]
    arrived = {each.event_id: each for each in sandbox.arrivals}
    (order,) = (each for each in arrived.values() if each.event_name == "purchase")
    assert len(sandbox.arrivals) == len(arrived) == sandbox.requests_seen == len(DUE) + 1
    assert order.body["event_attributes"]["order_id"] == WAITING_ORDER
    assert order.body["event_attributes"]["memo"] == "선물 🎁"
    assert set(arrived) == {event_id(name) for name in DUE} | {order.event_id}

    now = dict.fromkeys(map(event_id, DUE), "delivered") | {event_id(EXPIRING): "expired", order.event_id: "delivered"}
    assert site.ask("statuses") == earlier | now
    assert set(site.ask("admin_pages").values()) == {200}
    assert {name: arrived[event_id(name)].raw for name in PAYLOADS} == PAYLOADS


def payloads_of(site: Site) -> dict[str, str]:
    found = site.ask("payloads")
    return {name: found[event_id(name)] for name in EVENTS}


def row_of(tables: Tables, name: str) -> str:
    """The name itself if its event is there once, in its state."""
    events = tables["dfinery_django_event"]
    at = {column: events["columns"].index(column) for column in ("event_id", "status")}
    wanted = event_id(name).replace("-", "")
    rows = [row for row in events["rows"].values() if wanted in row[at["event_id"]].replace("-", "")]
    return name if [row[at["status"]] for row in rows] == [repr(EVENTS[name][0])] else f"not {name}"
