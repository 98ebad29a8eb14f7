"""The documentation agrees with the code."""

from __future__ import annotations

import ast
import datetime as dt
import importlib
import os
import re
import subprocess
import sys
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import INFO
from django.core.management import call_command
from django.dispatch import Signal
from django.utils import timezone

import dfinery_django
from dfinery_django import checks, signals
from dfinery_django.conf import KEYS, Settings
from dfinery_django.definitions import definition as definitions
from dfinery_django.definitions.registry import from_dict
from tests.support.typed_docs import PAGES, ROOT, blocks_of

PACKAGE = Path(dfinery_django.__file__).parent
ALL_PAGES = [*PAGES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs/decisions").glob("*.md"))]


def _can_be_imported(module: str, name: str) -> bool:
    return hasattr(importlib.import_module(module), name) or find_spec(f"{module}.{name}") is not None


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_code_blocks_parse_and_import_what_exists(page: Path) -> None:
    """Every Python block is valid, and what it imports from this app is there."""
    for block in blocks_of(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "dfinery_django":
                assert [each.name for each in node.names if not _can_be_imported(str(node.module), each.name)] == []


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Links to files of this project exist."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_setting_is_documented_with_its_default() -> None:
    """docs/settings.md has each key, and the default that the code has."""
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    assert set(rows) == set(KEYS)
    for key, text in rows.items():
        if key != "TOKENS":
            assert ast.literal_eval(text.strip("`")) == getattr(Settings(), key), key


def test_every_check_is_documented() -> None:
    """docs/checks.md has each id."""
    listed = set(re.findall(r"`dfinery\.([EWI]\d{3})`", (ROOT / "docs/checks.md").read_text()))
    assert listed == set(re.findall(r"^([EWI]\d{3})", str(checks.__doc__), re.MULTILINE))


def test_every_permission_is_documented() -> None:
    """docs/admin.md has each of this app's own, and those of the pages."""
    text = (ROOT / "docs/admin.md").read_text() + (ROOT / "docs/overview.md").read_text()
    own = [
        codename
        for model in apps.get_app_config("dfinery_django").get_models()
        for codename, _ in model._meta.permissions
    ]
    missing = [
        each
        for each in [*own, "view_event", "view_customfield", "view_destination"]
        if not re.search(rf"`(dfinery_django\.)?{each}`", text)
    ]
    assert missing == []


def test_every_signal_is_documented() -> None:
    """docs/how-it-works.md has each, with what it carries."""
    text = (ROOT / "docs/how-it-works.md").read_text()
    names = [name for name, value in vars(signals).items() if isinstance(value, Signal)]
    assert names
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_page_is_in_the_site() -> None:
    """mkdocs.yml lists each, and README or the index leads there."""
    listed = re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]}
    assert set(listed) == pages
    linked = (ROOT / "README.md").read_text() + (ROOT / "docs/index.md").read_text()
    assert [page for page in pages - {"index.md"} if page not in linked] == []


def test_every_attribute_of_a_definition_is_documented() -> None:
    """docs/definitions.md names each."""
    text = (ROOT / "docs/definitions.md").read_text()
    assert [name for name in definitions.ATTRIBUTES if f"`{name}`" not in text and f'"{name}"' not in text] == []


#: A shop with Django REST framework on a SQLite file; then the README's settings, checked and migrated.
README_SHOP = """
import sys, django
from django.conf import settings
from django.core.management import call_command

names = {
    "SECRET_KEY": "x", "AUTH_USER_MODEL": "shop.User", "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "USE_TZ": True, "INSTALLED_APPS": [
        *(f"django.contrib.{each}" for each in ("auth", "contenttypes")), "rest_framework", "tests.shop",
    ],
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
}
exec(sys.stdin.read(), names)
settings.configure(**{name: value for name, value in names.items() if name.isupper()})
django.setup()
call_command("check", fail_level="WARNING")
call_command("migrate", verbosity=0)
call_command("check", databases=["default"], fail_level="WARNING")
"""


@pytest.mark.parametrize("token", ["token", ""])
def test_the_readme_s_settings_run_as_pasted(tmp_path: Path, token: str) -> None:
    """In a shop that has DRF, without a warning; without a token one error names the variable, and nothing crashes."""
    (block,) = (each for each in blocks_of(ROOT / "README.md", "python") if each.startswith("# settings.py\n"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", README_SHOP, str(tmp_path / "shop.sqlite3")],
        input=block.replace("auth.User", "shop.User"), capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "DFINERY_API_TOKEN": token},
    )  # fmt: skip
    if token:
        assert done.returncode == 0, done.stderr
    else:
        assert re.findall(r"\((dfinery\.\w+)\)", done.stderr) == ["dfinery.E003"]
        assert "DFINERY_API_TOKEN" in done.stderr


@pytest.mark.parametrize("page", [ROOT / "docs" / "oscar.md"], ids=lambda page: page.name)
def test_the_settings_to_copy_are_accepted(page: Path) -> None:
    """What a reader copies passes the definitions' own parser."""
    from dfinery_django.conf import problems
    from dfinery_django.tokens import Token

    names: dict[str, object] = {"INSTALLED_APPS": [], "env": lambda name: "token"}
    for block in blocks_of(page, "python"):
        if block.startswith("# settings.py\n"):
            exec(block, names)
    setting = names["DFINERY"]
    assert isinstance(setting, dict)
    masked = {**setting, "TOKENS": {alias: Token(token) for alias, token in setting["TOKENS"].items()}}
    assert problems(masked) == []
    for name, content in setting["EVENTS"].items():
        from_dict(name, content)


def any_shop() -> list[dict[str, Any]]:
    """The mappings of docs/any-shop.md, block by block."""
    found = []
    for block in blocks_of(ROOT / "docs/any-shop.md", "python"):
        names: dict[str, Any] = {}
        if "EVENTS = {" in block:
            exec(block, names)
            found.append(names["EVENTS"])
    return found


@pytest.mark.parametrize("events", any_shop(), ids=range(len(any_shop())))
def test_every_mapping_of_any_shop_can_be_used(configured: Any, events: dict[str, Any]) -> None:
    """Each is a definition; those of the test shop's models pass the checks, too."""
    for name, content in events.items():
        definition = from_dict(name, content)
        assert definition.paths()
        assert definition.condition
        assert definition.identity is not None
    if {content["model"] for content in events.values()} <= {"shop.Order", "shop.User"}:
        configured(EVENTS=events)
        assert [each.msg for each in checks.check_settings() if each.level > INFO] == []


@pytest.mark.django_db
def test_the_printed_preview_is_what_is_printed(configured: Any, shop: Any, monkeypatch: Any, capsys: Any) -> None:
    """docs/any-shop.md shows what the command says of such an order, but for digits."""
    monkeypatch.setenv("COLUMNS", "120")
    configured(EVENTS={})
    paid_at = timezone.now() - dt.timedelta(hours=3, minutes=8, seconds=30)
    mail, total = "guest@example.com", Decimal("3800000")
    shop.place(pk=42, status="paid", lines=2, guest_email=mail, total=total, paid_at=paid_at)
    configured(EVENTS=any_shop()[0])
    (block,) = blocks_of(ROOT / "docs/any-shop.md", "console")
    command, _, shown = block.partition("\n")
    call_command(*command.removeprefix("$ python manage.py ").split())
    assert re.sub(r"\d", "0", capsys.readouterr().out) == re.sub(r"\d", "0", shown)


def _tests_in(name: str) -> set[str]:
    nodes = [node for path in (ROOT / "tests").rglob(name) for node in ast.parse(path.read_text()).body]
    return {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


@pytest.mark.parametrize(("page", "least"), [("ways-of-writing.md", 100), ("security.md", 40)])
def test_every_test_that_a_page_names_exists(page: str, least: int) -> None:
    """The pages that prove what they say by tests name tests that are there."""
    named = re.findall(r"`((?:\w+/)*test_\w+\.py)::(\w+)`", (ROOT / "docs" / page).read_text())
    assert len(named) > least
    there = {path: _tests_in(path) for path in {path for path, _ in named}}
    assert [f"{path}::{name}" for path, name in named if name not in there[path]] == []


def _is_a_file(name: str) -> bool:
    return any((top / name).exists() for top in (ROOT, PACKAGE.parent, PACKAGE)) or any((ROOT / "tests").rglob(name))


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md", "docs/how-it-works.md"]
)
def test_every_module_that_a_page_names_exists(page: str) -> None:
    """The pages for contributors name files of the package or of the tests."""
    named = re.findall(r"`((?:\w+/)*\w+\.py)`", (ROOT / page).read_text())
    assert named
    assert [name for name in named if not _is_a_file(name)] == []
