"""The table: what customers did, what stands in the shop, what DFINERY was told."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping

import django
import oscar
from django.db import connection
from django.db.models import Q
from oscar.apps.order.models import Order, OrderDiscount

from tests.system.oscar.plan import Visit


def table(visits: Iterable[Visit], told: Mapping[str, int]) -> str:
    versions = (
        f"django-oscar {oscar.get_version()}, Django {django.get_version()}, Python {platform.python_version()}, "
        f"{connection.vendor}"
    )
    sections = [
        ("visits", Counter(visit.ending.value for visit in visits)),
        ("orders in the shop", _orders()),
        ("events that DFINERY took", told),
    ]
    return "\n".join([versions, *(_section(title, rows) for title, rows in sections)])


def _orders() -> dict[str, int]:
    kinds = {
        "of members": Q(user__isnull=False),
        "of guests": Q(user__isnull=True),
        "  with a voucher": Q(pk__in=OrderDiscount.objects.exclude(voucher_code="").values("order")),
        "  free": Q(total_incl_tax=0),
        "  without payment": Q(sources__isnull=True),
        "  placed in Korean": ~Q(shipping_method__regex=r"^[A-Za-z ]+$"),
        "  cancelled": Q(status="Cancelled"),
    }
    return {kind: Order.objects.filter(wanted).distinct().count() for kind, wanted in kinds.items()}


def _section(title: str, rows: Mapping[str, int]) -> str:
    total = sum(count for name, count in rows.items() if not name.startswith(" "))
    return "\n".join([f"{title:<58}{total:>6}", *(f"  {name:<56}{count:>6}" for name, count in rows.items())])
