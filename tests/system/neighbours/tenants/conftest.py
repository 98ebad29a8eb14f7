"""docs/run/tenants.md's own code is what these tests run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.management import call_command

PAGE = Path(__file__).parents[4] / "docs/run/tenants.md"


@pytest.fixture(scope="session", autouse=True)
def recipe() -> ModuleType:
    """The module ``customers.dfinery`` of the page."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (source,) = [block for block in blocks if block.startswith("# customers/dfinery.py")]
    package, made = ModuleType("customers"), ModuleType("customers.dfinery")
    package.dfinery = made  # type: ignore[attr-defined]
    package.__path__ = []
    sys.modules |= {"customers": package, "customers.dfinery": made}
    exec(compile(source, str(PAGE), "exec"), made.__dict__)
    return made


@pytest.fixture(scope="session")
def schemas(django_db_setup: None, django_db_blocker: Any) -> list[str]:
    """Two tenants with a schema each: to make one takes its migrations."""
    from tests.system.neighbours.tenants.customers.models import Tenant

    with django_db_blocker.unblock():
        return [Tenant.objects.create(schema_name=name).schema_name for name in ("kim", "lee")]


@pytest.fixture
def tenants(schemas: list[str], transactional_db: Any) -> Any:
    """Two tenants without orders, and an empty queue."""
    from django.db import connection
    from django_tenants.utils import schema_context

    from tests.system.neighbours.tenants.customers.models import Tenant

    connection.set_schema_to_public()
    Tenant.objects.bulk_create([Tenant(schema_name=name) for name in schemas], ignore_conflicts=True)
    yield schemas
    for name in schemas:
        with schema_context(name):
            call_command("flush", interactive=False, verbosity=0)
    connection.set_schema_to_public()
