"""Many hands: real clusters on one database share the work, fail, stop, and lose their queue; no event suffers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.settings import DATABASE
from tests.system.clusters.processes import Cluster, FarSide, Shop, eventually, needs_redis

pytestmark = [
    pytest.mark.db,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="django-q2 forks"),
]


@pytest.fixture(scope="module")
def far_side() -> Iterator[FarSide]:
    with FarSide() as far_side:
        yield far_side


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, far_side: FarSide) -> Iterator[str]:
    """The name of a database of our own, with its tables."""
    name = f"dfinery_clusters_{os.getpid()}"
    if DATABASE == "sqlite":
        name = str(tmp_path_factory.mktemp("clusters") / f"{name}.sqlite3")
    builder = Shop(name, "orm", far_side.url)
    try:
        builder.ask("create_database")
        yield name
        builder.ask("drop_database")
    finally:
        builder.close()


@pytest.fixture
def open_shop(database: str, far_side: FarSide) -> Iterator[Callable[..., Shop]]:
    """Opens an empty shop: ``open_shop("redis")``."""
    shops: list[Shop] = []
    far_side.clear()
    far_side.senders.clear()
    far_side.seconds = 0.0

    def opened(broker: str, **options: Any) -> Shop:
        if broker == "redis":
            needs_redis()
        shops.append(Shop(database, broker, far_side.url, **options))
        shops[-1].ask("start_afresh")
        return shops[-1]

    yield opened
    for shop in shops:
        shop.ask("lose_queue")
        shop.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Cluster]]:
    """Starts a cluster: ``start(shop, "a")``; what is left of it at the end is killed."""
    clusters: list[Cluster] = []

    def started(*args: Any, **kwargs: Any) -> Cluster:
        clusters.append(Cluster(*args, **kwargs))
        return clusters[-1]

    yield started
    for cluster in clusters:
        cluster.kill()


# A site that has Redis seldom keeps its orders in SQLite.
both_brokers = pytest.mark.parametrize("broker", ["orm"] if DATABASE == "sqlite" else ["orm", "redis"])


@both_brokers
def test_two_clusters_share_the_work(broker: str, open_shop: Any, start: Any, far_side: FarSide) -> None:
    """Two clusters drain the same destination at the same time, and each event arrives exactly once."""
    shop = open_shop(broker)
    far_side.seconds = 0.05
    stored = shop.ask("pay", 300)
    shop.ask("wake", 6)  # more than one cluster takes before its worker is done with the first
    clusters = [start(shop, "a"), start(shop, "b")]
    eventually(lambda: shop.ask("statuses") == {"delivered": 300}, seconds=20)
    assert far_side.event_ids == dict.fromkeys(stored, 1)
    assert min(far_side.senders["a"], far_side.senders["b"]) > 20
    for cluster in clusters:
        cluster.stop()


@both_brokers
def test_one_queued_drain_however_many_orders(broker: str, open_shop: Any) -> None:
    """With no worker running, 500 orders leave one drain per destination in the queue."""
    shop = open_shop(broker)
    shop.ask("pay", 250)
    shop.ask("pay", 250, note="outlet")
    assert shop.ask("queued") == 2
    assert shop.ask("statuses") == {"captured": 500}


@both_brokers
def test_a_cluster_of_its_own(broker: str, open_shop: Any, start: Any, far_side: FarSide) -> None:
    """Deliveries with a cluster of their own: it delivers while the site's is busy, and runs none of its tasks."""
    shop = open_shop(broker, own_cluster=True)
    shop.ask("queue", "tests.system.clusters.shop.nap", 120)
    waiting = [shop.ask("queue", "tests.system.clusters.shop.where_am_i") for _ in range(5)]
    site = start(shop, "site")
    eventually(lambda: any("processing" in line for line in site.said), what="the site's cluster does nothing")
    deliveries = start(shop, "deliveries", queue="dfinery")
    stored = shop.ask("pay", 50)
    eventually(lambda: shop.ask("statuses") == {"delivered": 50})
    assert far_side.event_ids == dict.fromkeys(stored, 1)
    assert far_side.senders == {"deliveries": 50}
    site.kill()
    assert shop.ask("pay", 1)
    eventually(lambda: far_side.senders["deliveries"] == 51)
    assert [shop.ask("executed_by", task) for task in waiting] == [None] * 5
    deliveries.stop()


def test_a_stop_is_quick(open_shop: Any, start: Any, far_side: FarSide) -> None:
    """SIGTERM in a backlog: requests under way end, the rest is given back, so that nobody waits for a lease."""
    shop = open_shop("orm")
    far_side.seconds = 0.5
    stored = shop.ask("pay", 200)
    cluster = start(shop, "a")
    eventually(lambda: far_side.requests_seen > 8)
    cluster.stop()
    left = shop.ask("statuses")
    assert "sending" not in left
    assert left["pending"] > 100, "it waited for more than what was under way"
    assert far_side.event_ids.total() == left["delivered"]
    far_side.seconds = 0.0
    shop.ask("scheduled_drain")
    assert far_side.event_ids == dict.fromkeys(stored, 1)


def test_a_stop_of_every_process_at_once(open_shop: Any, start: Any, far_side: FarSide) -> None:
    """SIGTERM to worker, sentinel and all, as systemd sends it unless told otherwise: events are given back, too."""
    shop = open_shop("orm")
    far_side.seconds = 0.5
    stored = shop.ask("pay", 200)
    cluster = start(shop, "a")
    eventually(lambda: far_side.requests_seen > 8)
    os.killpg(cluster.process.pid, signal.SIGTERM)
    eventually(lambda: "sending" not in shop.ask("statuses"), seconds=6)
    cluster.kill()  # django-q2 may wait for its dead sentinel for ever
    far_side.seconds = 0.0
    shop.ask("scheduled_drain")
    assert far_side.event_ids == dict.fromkeys(stored, 1)


@both_brokers
def test_a_killed_worker(broker: str, open_shop: Any, start: Any, far_side: FarSide) -> None:
    """kill -9 of a worker that is sending: the cluster replaces it, and what it held is sent when its lease lapses."""
    shop = open_shop(broker, lease=3)
    far_side.seconds = 0.1
    stored = shop.ask("pay", 100)
    cluster = start(shop, "a")
    eventually(lambda: far_side.requests_seen > 8)
    os.kill(cluster.worker_pid, signal.SIGKILL)
    far_side.seconds = 0.0
    stored += shop.ask("pay", 1)
    eventually(lambda: shop.ask("statuses") == {"delivered": 101})
    assert set(far_side.event_ids) == set(stored)
    # What was in flight, and half a second of answers that were not written yet, is sent again with the same id.
    assert far_side.event_ids.total() - 101 <= 40
    cluster.stop()


@both_brokers
def test_a_killed_cluster(broker: str, open_shop: Any, start: Any, far_side: FarSide) -> None:
    """kill -9 of a whole cluster: another one sends the rest."""
    shop = open_shop(broker, lease=3)
    far_side.seconds = 0.1
    stored = shop.ask("pay", 100)
    cluster = start(shop, "a")
    eventually(lambda: far_side.requests_seen > 8)
    cluster.kill()
    far_side.seconds = 0.0
    start(shop, "b")
    stored += shop.ask("pay", 1)
    eventually(lambda: shop.ask("statuses") == {"delivered": 101})
    assert set(far_side.event_ids) == set(stored)
    assert far_side.senders["b"] > 50


@both_brokers
def test_a_broker_that_loses_every_task(broker: str, open_shop: Any, start: Any, far_side: FarSide) -> None:
    """The queue is an alarm clock: if its tasks are lost, the next order after a minute asks for another drain."""
    shop = open_shop(broker)
    stored = shop.ask("pay", 20)
    shop.ask("lose_queue")
    start(shop, "a")
    stored += shop.ask("pay", 1)
    assert shop.ask("queued") == 0  # a drain has been asked for, and may yet come
    shop.ask("minutes_pass", 1.1)
    stored += shop.ask("pay", 1)
    eventually(lambda: shop.ask("statuses") == {"delivered": 22})
    assert far_side.event_ids == dict.fromkeys(stored, 1)


def test_the_schedule_alone_delivers(open_shop: Any, far_side: FarSide) -> None:
    """What the schedule runs every minute finds everything, whatever became of the wake-ups."""
    shop = open_shop("orm")
    shop.ask("pay", 20)
    shop.ask("pay", 20, note="outlet")
    shop.ask("lose_queue")
    assert shop.ask("scheduled_drain")["delivered"] == 40
    assert far_side.event_ids.total() == 40
