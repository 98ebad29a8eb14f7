"""The house: which file may import which, and that docs and code agree."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from django.core.management import call_command

import dfinery_django

ROOT = Path(dfinery_django.__file__).parent

#: A file imports only files before it.
ORDER = [
    *(
        "exceptions",
        "states",
        "tokens",
        "addresses",
        "conf",
        "signals",
        "backoff",
        "clock",
        "patience",
        "display",
        "outage",
        "rights",
        "logs",
        "loopback",
        "objects",
    ),  # ground: plain Python
    *(
        "values",
        "schema",
        "modelfields",
        "expressions",
        "paths",
        "payloads",
        "protocols.base",
        "masking",
        "protocols.s2s",
    ),  # words
    "protocols.s2s_body",
    "forks",
    "tenants",
    *("definitions", "registry"),
    *(
        "transactions",
        "consent",
        "columns",
        "unreadable",
        "queries",
        "charsets",
        "storing",
        "incidents",
        "totals",
        "models",
        "sources",
        "conditions",
    ),  # memory
    *("event_user", "database_clock", "custom_fields", "endings", "pacing", "destinations", "deadlines"),
    *(
        "connections",
        "client",
        "exchange",
        "senders",
        "reading",
        "building",
        "waking",
        "tracking",
        "outbox",
        "asynchronous",
    ),  # hands
    *("receivers", "ingest"),
    *("selection", "repair", "forgetting", "standing", "difference"),
    *("hold", "lanes", "delivery", "reconcile"),
    *(
        "token_check",
        "moments",
        "wording",
        "reports",
        "overview",
        "recent",
        "findings",
        "clocks",
        "health",
    ),  # what people are told
    *("fieldwise", "steps", "explain"),
    "django_q2",
]
#: A door may be a folder of files that import one another.
DOORS = ["tasks", "checks", "admin", "api", "templatetags", "testing", "metrics"]
ONLY_HERE = {
    "requests": ("client", "testing"),  # FakeDfinery times out as requests does
    "django_q": ("django_q2",),
    "rest_framework": ("api",),
    "responses": ("testing",),
    "pytest": ("testing",),
    "prometheus_client": ("metrics",),
}


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in ROOT.rglob("*.py")
        if "migrations" not in path.parts and path.name != "__init__.py"
    }


def imports(path: Path, name: str) -> set[str]:
    """The modules a file imports; ours without the package's name."""
    package = ["dfinery_django", *name.split(".")[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
            base = base if node.level else str(node.module)
            found.update({base} | {f"{base}.{alias.name}" for alias in node.names})
    return {each.removeprefix("dfinery_django.") for each in found}


@pytest.mark.parametrize("name", modules())
def test_a_file_imports_only_earlier_files(name: str) -> None:
    """Files have an order and import only earlier ones; doors import no doors."""
    if name.startswith("sandbox."):
        return
    door = name.split(".")[0]
    known = name in ORDER or door in DOORS or door in ("apps", "management")
    assert known, f"{name} has no place in the order"
    own = imports(modules()[name], name) & set(modules())
    if name in ORDER:
        assert own <= set(ORDER[: ORDER.index(name)])
    elif door in DOORS:
        assert not {each.split(".")[0] for each in own} & (set(DOORS) - {door})
        assert not any(each.startswith("sandbox") for each in imports(modules()[name], name))


@pytest.mark.parametrize("package", ONLY_HERE)
def test_a_package_is_imported_in_one_place(package: str) -> None:
    """requests only in client.py and testing/, django_q only in django_q2.py, and so on."""
    users = {name for name, path in modules().items() for each in imports(path, name) if each.split(".")[0] == package}
    assert {name.split(".")[0] for name in users} <= set(ONLY_HERE[package])


def test_the_sandbox_is_a_second_opinion() -> None:
    """The sandbox imports nothing of ours outside its own folder."""
    for path in (ROOT / "sandbox").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path
                assert not str(node.module).startswith("dfinery_django"), path
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("dfinery_django") for alias in node.names), path


def test_what_is_exported_exists() -> None:
    """Every name of __all__ can be imported."""
    assert all(getattr(dfinery_django, name) for name in dfinery_django.__all__)
    with pytest.raises(AttributeError):
        importlib.import_module("dfinery_django").no_such_name  # noqa: B018


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    """The models and the one migration agree."""
    call_command("makemigrations", "dfinery_django", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("name", modules())
def test_files_stay_small(name: str) -> None:
    """No file has more than 300 lines."""
    assert modules()[name].read_text().count("\n") <= 300
