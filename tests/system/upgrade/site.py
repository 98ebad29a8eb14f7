"""The site's own process, with code of one version: it reads calls from its standard input, a JSON line each.

What it calls is public in 1.0.0, so that each version can run it.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.support.processes import answer_calls


def no_wake(destination: str) -> None:
    """A WAKE that leaves draining to the test."""


def where() -> str:
    """The package that this process runs."""
    import dfinery_django

    return str(Path(dfinery_django.__file__).parent)


# ── The database ──


def create_database() -> None:
    from django.db import connection

    if connection.vendor != "sqlite":
        charset = " CHARACTER SET utf8mb4" if connection.vendor == "mysql" else ""
        with connection._nodb_cursor() as cursor:
            name = connection.ops.quote_name(connection.settings_dict["NAME"])
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"CREATE DATABASE {name}{charset}")


def drop_database() -> None:
    from django.db import connection

    connection.close()
    if connection.vendor != "sqlite":
        force = " WITH (FORCE)" if connection.vendor == "postgresql" else ""
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {connection.ops.quote_name(connection.settings_dict['NAME'])}{force}")


def load(path: str) -> None:
    """Run a dump's statements, on a connection that ends with them: they change its settings."""
    from django.db import connection

    text = Path(path).read_bytes().decode()  # with its line ends as they are
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            connection.connection.executescript(text)
        else:
            cursor.execute(text)
            while connection.vendor == "mysql" and cursor.nextset():
                pass
    connection.close()


def rows() -> dict[str, dict[str, Any]]:
    """All rows of our tables and of django-q2's schedules, by raw SQL: table -> its columns, its rows by their key."""
    from django.db import connection

    found = {}
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        for table in (each for each in names if each.startswith(("dfinery_django_", "django_q_schedule"))):
            columns = [each.name for each in connection.introspection.get_table_description(cursor, table)]
            key = connection.introspection.get_primary_key_column(cursor, table)
            quoted = ", ".join(connection.ops.quote_name(each) for each in columns)
            cursor.execute(f"SELECT {quoted} FROM {connection.ops.quote_name(table)}")
            at = columns.index(str(key))
            found[table] = {"columns": columns, "rows": {str(row[at]): [*map(repr, row)] for row in cursor.fetchall()}}
    return found


def payloads() -> dict[str, str]:
    """Event id -> payload, by raw SQL."""
    from uuid import UUID

    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT event_id, payload FROM dfinery_django_event")
        return {str(UUID(str(event_id))): payload for event_id, payload in cursor.fetchall()}


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def add_what_is_to_come() -> None:
    """Change the tables as a later version may: columns with a default of the database, a table, an index."""
    from django.db import connection, migrations, models
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.recorder import MigrationRecorder

    nullable = models.CharField(max_length=20, null=True, db_default="later")
    flag = models.BooleanField(db_default=False)
    operations: list[Any] = [
        *(migrations.AddField(name, "later_note", nullable) for name in ("event", "destination", "deliveryattempt")),
        migrations.AddField("event", "later_flag", flag),
        migrations.AddField("repair", "later_flag", flag.clone()),
        migrations.AddIndex("event", models.Index(fields=["later_note", "id"], name="dfinery_event_later")),
        migrations.CreateModel("Later", [("id", models.BigAutoField(primary_key=True)), ("note", models.TextField())]),
    ]
    state = MigrationLoader(connection).project_state()
    for operation in operations:
        changed = state.clone()
        operation.state_forwards("dfinery_django", changed)
        with connection.schema_editor() as editor:
            operation.database_forwards("dfinery_django", editor, state, changed)
        state = changed
    MigrationRecorder(connection).record_applied("dfinery_django", "9999_later")


# ── What a shop does ──


def place(numbers: list[str], *, silently: bool = False) -> None:
    """Store orders that were paid an hour ago, each in a transaction of its own; silently: without a signal."""
    from django.contrib.auth.models import User
    from django.db import transaction
    from django.utils import timezone

    from tests.system.upgrade.store.models import Line, Order

    customer, _ = User.objects.get_or_create(username="kim")
    for number in numbers:
        with transaction.atomic():
            order = Order.objects.create(
                number=number, status="new", customer=customer, total=Decimal("39000.50"), note="선물 🎁"
            )
            Line.objects.create(order=order, sku="S1", name="머그컵", quantity=2, price=Decimal("19500.25"))
            order.status, order.paid_at = "paid", timezone.now() - dt.timedelta(hours=1)
            if silently:
                Order.objects.filter(pk=order.pk).update(status=order.status, paid_at=order.paid_at)
            else:
                order.save()


def drain() -> None:
    from django.core.management import call_command

    call_command("dfinery", "drain")


def reconcile() -> dict[str, int]:
    from dfinery_django import tasks

    return tasks.reconcile()


def resend(event_ids: list[str]) -> None:
    from django.core.management import call_command

    call_command("dfinery", "resend", *event_ids, "--no-input")


def statuses() -> dict[str, str]:
    """Event id -> status."""
    from dfinery_django.models import Event

    return {str(event_id): status for event_id, status in Event.objects.values_list("event_id", "status")}


def admin_pages() -> dict[str, int]:
    """The status of each page of the admin that shows events, for a superuser."""
    from django.contrib.auth.models import User
    from django.test import Client

    from dfinery_django.models import Event

    client = Client()
    client.force_login(User.objects.filter(is_superuser=True).first() or User.objects.create_superuser("root"))
    names = ["event/", f"event/{Event.objects.order_by('pk')[0].pk}/change/", "overview/", "customfield/", "repair/"]
    return {name: client.get(f"/admin/dfinery_django/{name}", follow=True).status_code for name in names}


def check() -> list[str]:
    """What our checks find, those of the tables too."""
    from django.core import checks

    found = [str(each.id) for each in checks.run_checks(databases=["default"]) if each.level >= checks.WARNING]
    return [each for each in found if each.startswith("dfinery.")]


def fill() -> None:
    from tests.system.upgrade import contents

    contents.fill()


def make_recent(*, but: str, resent: str, leased: str) -> None:
    """Make what a dump has unfinished an hour old, but for one event, and hold the lease of another.

    A dump is years old one day, and DFINERY would take nothing of it.
    """
    from django.utils import timezone

    from dfinery_django.models import Event
    from tests.system.upgrade.store.models import Order

    now = timezone.now()
    recent = {"occurred_at": now - dt.timedelta(hours=1), "expires_at": now + dt.timedelta(hours=47)}
    Event.objects.exclude(due_at=None).exclude(event_id=but).update(**recent)
    Event.objects.filter(event_id=resent).update(**recent)
    Event.objects.filter(event_id=leased).update(due_at=now + dt.timedelta(minutes=10))
    Order.objects.exclude(paid_at=None).update(paid_at=now - dt.timedelta(hours=1))


def main() -> None:
    answer_calls(globals())
