"""Independent evidence: triggers that write down every change of an event's row, whoever makes it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

TABLE = """CREATE TABLE chaos_ledger (
    id {key}, event bigint NOT NULL, status_before varchar(10) NOT NULL, status_after varchar(10) NOT NULL,
    due_before double precision NULL, reason varchar(20) NOT NULL, at double precision NOT NULL
)"""
KEYS = {
    "postgresql": "bigserial PRIMARY KEY",
    "mysql": "bigint AUTO_INCREMENT PRIMARY KEY",
    "sqlite": "integer PRIMARY KEY AUTOINCREMENT",
}
INSERT = """INSERT INTO chaos_ledger (event, status_before, status_after, due_before, reason, at)
    VALUES (OLD.id, OLD.status, NEW.status, {due}, NEW.reason_code, {now})"""
#: Epoch seconds: of the old due_at, and of this moment.
MOMENTS = {
    "postgresql": ("extract(epoch FROM OLD.due_at)", "extract(epoch FROM clock_timestamp())"),
    "mysql": (
        "timestampdiff(MICROSECOND, '1970-01-01', OLD.due_at) / 1e6",
        "timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6)) / 1e6",
    ),
    "sqlite": ("(julianday(OLD.due_at) - 2440587.5) * 86400", "(julianday('now') - 2440587.5) * 86400"),
}
TRIGGERS = {
    "postgresql": (
        "CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {insert}; RETURN NULL; END $$",
        "CREATE TRIGGER chaos_note AFTER UPDATE ON dfinery_django_event FOR EACH ROW EXECUTE FUNCTION chaos_note()",
    ),
    "mysql": ("CREATE TRIGGER chaos_note AFTER UPDATE ON dfinery_django_event FOR EACH ROW {insert}",),
    "sqlite": ("CREATE TRIGGER chaos_note AFTER UPDATE ON dfinery_django_event BEGIN {insert}; END",),
}


@dataclass(frozen=True)
class Change:
    """One change of an event's row.

    :ivar due_before: epoch seconds; for an event that was being sent, when its lease was over
    """

    event: int
    before: str
    after: str
    due_before: float | None
    reason: str
    at: float

    @property
    def is_claim(self) -> bool:
        return self.after == "sending"

    @property
    def is_lapse(self) -> bool:
        return self.before == self.after == "sending"


def install() -> None:
    due, now = MOMENTS[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(TABLE.format(key=KEYS[connection.vendor]))
        for trigger in TRIGGERS[connection.vendor]:
            cursor.execute(trigger.format(insert=INSERT.format(due=due, now=now)))


def changes() -> list[Change]:
    """Everything that was written down, in its order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event, status_before, status_after, due_before, reason, at FROM chaos_ledger ORDER BY id"
        )
        return [Change(*row) for row in cursor.fetchall()]
