"""``manage.py dfinery fields``."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from ...building import custom_fields
from ...building.custom_fields import ListedField
from ...outbox.databases import outbox_databases
from .base import Subcommand

_FIELD_COLUMNS = ("console name", "scope", "type", "type from", "first seen", "last seen", "drift", "mapped by")


class FieldsCommand(Subcommand):
    help = "list custom events and fields, as DFINERY's console wants them registered"
    examples = ("fields", "fields --format csv > fields.csv")

    def add_arguments(self, parser: ArgumentParser) -> None:
        formats = ("table", "csv", "json")
        parser.add_argument("--format", dest="form", choices=formats, default="table", help="default: %(default)s")

    def handle(self, *, form: str, **options: Any) -> None:
        fields = custom_fields.list_fields(outbox_databases())
        if form == "json":
            self.stdout.write(json.dumps([asdict(each) for each in fields], cls=DjangoJSONEncoder, indent=2))
        elif form == "csv":
            custom_fields.write_csv(fields, self.stdout)
        else:
            self.stdout.write("\n".join(_field_table(fields)))


def _field_table(fields: Sequence[ListedField]) -> Iterator[str]:
    if not fields:
        yield "No custom event or field is declared, mapped or was ever sent."
        return
    rows = [_FIELD_COLUMNS, *map(_field_cells, fields)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _field_cells(field: ListedField) -> tuple[str, ...]:
    seen = [f"{each:%Y-%m-%d %H:%M}" if each else "never" for each in (field.first_seen_at, field.last_seen_at)]
    drift = f"{field.drift_count} as {field.drift_type}" if field.drift_count else ""
    used_by = ", ".join(field.definitions)
    return (field.console_name, field.scope or "event name", field.type, field.origin, *seen, drift, used_by)
