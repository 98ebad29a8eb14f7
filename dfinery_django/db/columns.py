"""Datetimes in tables, with and without ``USE_TZ``: ours are always in UTC, the site's are as its columns have them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connections, models
from django.utils import timezone

if TYPE_CHECKING:
    MomentBase = models.DateTimeField[Any, Any]
else:  # Django's classes are generic for type checkers only
    MomentBase = models.DateTimeField


class MomentField(MomentBase):
    """A datetime that is aware and stored in UTC. A naive value is in the site's ``TIME_ZONE``.

    Django's own field follows ``USE_TZ`` and the connection's time zone: its values may be naive, and don't compare.
    """

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        return _aware(prepared) if isinstance(prepared, dt.datetime) else prepared

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        moment = value if prepared else self.get_prep_value(value)
        if isinstance(moment, dt.datetime) and not connection.features.supports_timezones:
            moment = timezone.make_naive(_aware(moment), dt.timezone.utc)
        return connection.ops.adapt_datetimefield_value(moment)

    def from_db_value(self, value: dt.datetime | None, expression: Any, connection: Any) -> dt.datetime | None:
        if value is None:
            return None
        if not connection.features.supports_timezones:  # stored in UTC, whatever time zone Django assigns
            return value.replace(tzinfo=dt.timezone.utc)
        # A naive value is in the session's time zone, which is the site's.
        return value if value.tzinfo is dt.timezone.utc else _aware(value).astimezone(dt.timezone.utc)


def _aware(moment: dt.datetime) -> dt.datetime:
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment, timezone.get_default_timezone())


class UtcHour(models.Func):
    """The hour of a moment in UTC. ``TruncHour`` follows ``USE_TZ`` and the connection's time zone."""

    function, arity, output_field = "DATE_TRUNC", 1, MomentField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="DATE_TRUNC('hour', %(expressions)s, 'UTC')", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:00:00', %(expressions)s)"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "CAST(DATE_FORMAT(%(expressions)s, '%%%%Y-%%%%m-%%%%d %%%%H:00:00') AS DATETIME)"
        return self.as_sql(compiler, connection, template=template, **context)


def as_site_datetime(moment: dt.datetime, using: str) -> dt.datetime:
    """Return a moment for comparisons with the site's columns: naive in its time zone if they are."""
    if settings.USE_TZ or connections[using].features.supports_timezones:
        return moment
    return timezone.make_naive(moment, timezone.get_default_timezone())
