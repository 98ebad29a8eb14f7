"""A site behind PgBouncer that lends a connection for one transaction: nothing of ours may rest on a session.

Run with ``DATABASE=postgresql``; needs the program ``pgbouncer``.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.urls import reverse

from dfinery_django import tasks, track
from dfinery_django.models import Event
from dfinery_django.outbox import reconcile
from dfinery_django.sandbox import Sandbox
from tests.settings import DATABASE
from tests.shop.models import Order
from tests.support.doubles import PURCHASE, Shop, dfinery

pytestmark = pytest.mark.django_db(transaction=True)

#: Where Debian puts it is in nobody's PATH but root's.
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")

CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
ignore_startup_parameters = options
pool_mode = transaction
default_pool_size = 2
server_reset_query_always = 1
server_reset_query = DISCARD ALL
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("pgbouncer ended")


@pytest.fixture
def _bouncer(settings: Any) -> Iterator[None]:
    """The test's connections go through PgBouncer, two servers for all of them."""
    assert DATABASE == "postgresql", "DATABASE=postgresql"
    assert PGBOUNCER, "apt-get install pgbouncer"
    direct = {name: connection.settings_dict[name] for name in ("HOST", "PORT")}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        own_port, file = free_port(), Path(folder) / "pgbouncer.ini"
        file.write_text(
            CONFIGURATION.format(
                host=direct["HOST"], port=direct["PORT"], user=connection.settings_dict["USER"], own_port=own_port
            )
        )
        as_whom = ["-u", "postgres"] if os.geteuid() == 0 else []
        with subprocess.Popen([PGBOUNCER, "-q", *as_whom, str(file)], stderr=subprocess.PIPE) as process:
            try:
                wait_for(own_port, process)
                connection.close()
                connection.settings_dict.update(HOST="127.0.0.1", PORT=str(own_port), DISABLE_SERVER_SIDE_CURSORS=True)
                yield
            finally:
                connection.close()
                connection.settings_dict.update(**direct, DISABLE_SERVER_SIDE_CURSORS=False)
                process.kill()


@pytest.mark.usefixtures("_bouncer")
def test_the_story_behind_pgbouncer(settings: Any, admin_client: Any) -> None:
    """Orders in transactions and without, by several threads at once, arrive once each; what signals miss is found."""
    with Sandbox() as sandbox:
        events = {"purchase": {**PURCHASE, "event_datetime": "paid_at"}}
        settings.DFINERY = dfinery(BASE_URL=sandbox.url, EVENTS=events, WAKE="dfinery_django.tasks.wake")
        shop = Shop()
        customer = shop.customer()

        def buy(number: int) -> None:
            try:
                with transaction.atomic():
                    Order.objects.create(number=f"{number}", status="paid", customer=customer, paid_at=paid_at)
                track("visited", user_id=customer.pk)
            finally:
                connections.close_all()

        from django.utils import timezone

        paid_at = timezone.now() - timezone.timedelta(minutes=2)
        threads = [threading.Thread(target=buy, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        Order.objects.bulk_create([Order(number="silent", status="paid", customer=customer, paid_at=paid_at)])
        assert reconcile.sweep_all() == {"purchase": 1}
        Event.objects.update(due_at=timezone.now())
        settings.DFINERY = {**settings.DFINERY, "READY_SECONDS": 0}
        assert tasks.drain()["delivered"] == 17
        numbers = [each.body["event_attributes"].get("order_id") for each in sandbox.arrivals]
        assert sorted(filter(None, numbers)) == [*map(str, range(8)), "silent"]
    for page in ("event_changelist", "overview_changelist"):
        assert admin_client.get(reverse(f"admin:dfinery_django_{page}")).status_code == 200
