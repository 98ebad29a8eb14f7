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
from dfinery_django import EventDefinition, checks, preview, signals, testing
from dfinery_django.conf import KEYS, Settings, masked_setting, problems
from dfinery_django.definitions import definition as definitions
from dfinery_django.definitions.registry import from_dict
from tests.shop.models import Line
from tests.support.pages import KOREAN_PAGES, USERS_PAGES, anchors_of, links_of
from tests.support.typed_docs import DOCS, PAGES, ROOT, blocks_of

PACKAGE = Path(dfinery_django.__file__).parent
DECISIONS = sorted((DOCS / "contributing/decisions").glob("*.md"))
ALL_PAGES = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *DECISIONS]
PYTHON_API = (DOCS / "reference/python-api.md").read_text()


def _can_be_imported(module: str, name: str) -> bool:
    return hasattr(importlib.import_module(module), name) or find_spec(f"{module}.{name}") is not None


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_code_blocks_parse_and_import_what_exists(page: Path) -> None:
    """Every Python block is valid, and what it imports from this app is there."""
    for block in blocks_of(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "dfinery_django":
                assert [each.name for each in node.names if not _can_be_imported(str(node.module), each.name)] == []


@pytest.mark.parametrize("page", [*ALL_PAGES, *KOREAN_PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Files and headings that a page links to exist, under the anchors that GitHub and mkdocs give them."""
    for link in links_of(page):
        if link.path:
            assert (page.parent / link.path).exists(), link
        if link.anchor:
            assert link.anchor in anchors_of(page.parent / link.path if link.path else page), link


def test_every_setting_is_documented_with_its_default() -> None:
    """docs/reference/settings.md has each key, and the default that the code has."""
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", (DOCS / "reference/settings.md").read_text(), re.MULTILINE))
    assert set(rows) == set(KEYS)
    for key, text in rows.items():
        if key != "TOKENS":
            assert ast.literal_eval(text.strip("`")) == getattr(Settings(), key), key


def test_every_check_is_documented() -> None:
    """docs/reference/checks.md has each id."""
    listed = set(re.findall(r"`dfinery\.([EWI]\d{3})`", (DOCS / "reference/checks.md").read_text()))
    assert listed == set(re.findall(r"^([EWI]\d{3})", str(checks.__doc__), re.MULTILINE))


def test_every_permission_is_documented() -> None:
    """docs/admin.md has each of this app's own, and those of the pages."""
    text = (DOCS / "admin.md").read_text()
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
    """docs/reference/signals.md has a chapter for each, and for no other."""
    headings = re.findall(r"^### `(\w+)`$", (DOCS / "reference/signals.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(name for name, value in vars(signals).items() if isinstance(value, Signal))


def test_every_public_name_is_documented() -> None:
    """docs/reference/python-api.md has each public name, and each attribute and hook of a definition; signals apart."""
    rendered = {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)$", PYTHON_API, re.MULTILINE)}
    public = [*dfinery_django.__all__, *testing.__all__, "WireProtocol"]
    assert [each for each in public if each not in rendered and not hasattr(signals, each)] == []
    hooks = [name for name in vars(EventDefinition) if name.startswith(("get_", "is_", "should_"))]
    assert [name for name in hooks if f"        - {name}\n" not in PYTHON_API] == []
    assert [name for name in definitions.ATTRIBUTES if f":cvar {name}:" not in str(EventDefinition.__doc__)] == []


@pytest.mark.parametrize("name", re.findall(r"^::: (\S+)$", PYTHON_API, re.MULTILINE))
def test_every_rendered_name_exists(name: str) -> None:
    """What the page renders is in the code."""
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute)


def test_every_page_is_in_the_site() -> None:
    """mkdocs.yml lists each page once, and README, the index or CONTRIBUTING.md leads there."""
    listed = re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {page.relative_to(DOCS).as_posix() for page in PAGES[1:]}
    assert sorted(listed) == sorted(pages)
    linked = "".join(page.read_text() for page in (ROOT / "README.md", DOCS / "index.md", ROOT / "CONTRIBUTING.md"))
    assert [page for page in pages - {"index.md"} if page not in linked] == []


@pytest.mark.parametrize("page", USERS_PAGES, ids=lambda page: page.name)
def test_no_page_is_long(page: Path) -> None:
    """A page has at most 1,200 words, code included; only the reference has longer ones."""
    words = len(page.read_text().split())
    assert words <= 1200 or DOCS / "reference" in page.parents


@pytest.mark.parametrize("page", USERS_PAGES, ids=lambda page: page.name)
def test_no_page_for_users_names_a_test(page: Path) -> None:
    """Tests prove what contributors want to see proved: docs/contributing/ has their names."""
    text = page.read_text()
    files = {path.name for path in (ROOT / "tests").rglob("test_*.py")} & set(re.findall(r"test_\w+\.py", text))
    assert files | set(re.findall(r"tests/(?:unit|integration|system|support)\S*|::test_\w+", text)) == set()


def test_every_attribute_of_a_definition_is_documented() -> None:
    """docs/map/definitions.md names each."""
    text = (DOCS / "map/definitions.md").read_text()
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


def _settings_of(page: Path) -> list[str]:
    return [block for block in blocks_of(page, "python") if block.startswith("# settings.py\n")]


@pytest.mark.parametrize("page", [page for page in PAGES if _settings_of(page)], ids=lambda page: page.name)
def test_the_settings_to_copy_are_accepted(page: Path, settings: Any, monkeypatch: Any) -> None:
    """What a reader pastes into a settings module runs there, and passes the parser of settings and definitions."""
    for name in re.findall(r"os\.environ(?:\.get\(|\[)\"(\w+_TOKEN)\"", page.read_text()):
        monkeypatch.setenv(name, "token")
    names: dict[str, Any] = {each: [] for each in ("INSTALLED_APPS", "SHARED_APPS", "TENANT_APPS", "MIDDLEWARE")}
    names |= {"DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3"}}, "DFINERY": {"EVENTS": {}}}
    for block in _settings_of(page):
        exec(block, names)
        settings.DFINERY = {"TOKENS": {"default": "token"}, **names["DFINERY"]}
        assert problems(masked_setting()) == []
        for name, content in settings.DFINERY.get("EVENTS", {}).items():
            assert isinstance(content, str) or from_dict(name, content)


def mappings(page: str) -> list[dict[str, Any]]:
    """The mappings of a page, block by block."""
    found = []
    for block in blocks_of(DOCS / page, "python"):
        names: dict[str, Any] = {}
        if "EVENTS = {" in block:
            exec(block, names)
            found.append(names["EVENTS"])
    return found


MAPPINGS = {
    f"{Path(page).stem}-{number}": events
    for page in ("map/any-shop.md", "map/values.md", "events.md")
    for number, events in enumerate(mappings(page))
}


@pytest.mark.parametrize("events", MAPPINGS.values(), ids=MAPPINGS)
def test_every_mapping_to_copy_can_be_used(configured: Any, events: dict[str, Any]) -> None:
    """Each is a definition; those of the test shop's models pass the checks, too."""
    for name, content in events.items():
        definition = from_dict(name, content)
        assert definition.paths()
        assert definition.condition
        assert definition.identity is not None
    if {content["model"] for content in events.values()} <= {"shop.Order", "shop.User", "shop.Voucher"}:
        configured(EVENTS=events)
        assert [each.msg for each in checks.check_settings() if each.level > INFO] == []


@pytest.mark.django_db(transaction=True)
def test_the_values_page_computes_what_it_says(configured: Any, shop: Any) -> None:
    """The examples of docs/map/values.md, on an order of 100 with a discount of 5 and three lines."""
    configured(EVENTS={})
    customer = shop.customer(grade="gold")
    order = shop.place(status="paid", number="N1", lines=0, total=100, discount=5, customer=customer)
    product = shop.product(sku="S1", specification={"ram": "16 GB"})
    for quantity, coupon in ((1, "B"), (2, ""), (3, "A")):
        Line.objects.create(
            order=order, product=product, unit_price=10 * quantity, quantity=quantity, coupon=coupon, discount=quantity
        )
    expressions, rows = (events["purchase"] for events in mappings("map/values.md"))
    configured(EVENTS={"expressions": expressions, "rows": rows})
    payload = preview("expressions", order)
    assert payload is not None
    assert {name: payload.event_attributes[name] for name in expressions["event_attributes"]} == {
        "order_id": "N1", "order_sales": 95.0, "discount": 6.0, "coupon_count": 2, "is_gold": True, "size": "large",
    }  # fmt: skip
    assert payload.items is not None
    assert payload.items[1] == {"product_id": "S1", "ram": "16 GB", "line_total": 40.0}
    assert payload.user_attributes == {"user_id": str(customer.pk), "order_count": 1}
    payload = preview("rows", order)
    assert payload is not None
    assert payload.event_attributes["coupons"] == "A,B"
    assert [item["quantity"] for item in payload.items or ()] == [3, 2, 1]


def test_each_usual_event_has_a_mapping() -> None:
    """docs/events.md has one of each event that it says to send."""
    advised = re.findall(r"^\d\. (.*)$", (DOCS / "events.md").read_text(), re.MULTILINE)
    names = re.findall(r"`(\w+)`", "".join(advised))
    assert sorted(names) == sorted(name for events in mappings("events.md") for name in events)


@pytest.mark.django_db
def test_the_printed_preview_is_what_is_printed(configured: Any, shop: Any, monkeypatch: Any, capsys: Any) -> None:
    """docs/map/any-shop.md shows what the command says of such an order, but for digits."""
    monkeypatch.setenv("COLUMNS", "120")
    configured(EVENTS={})
    paid_at = timezone.now() - dt.timedelta(hours=3, minutes=8, seconds=30)
    mail, total = "guest@example.com", Decimal("3800000")
    shop.place(pk=42, status="paid", lines=2, guest_email=mail, total=total, paid_at=paid_at)
    configured(EVENTS=mappings("map/any-shop.md")[0])
    (block,) = blocks_of(DOCS / "map/any-shop.md", "console")
    command, _, shown = block.partition("\n")
    call_command(*command.removeprefix("$ python manage.py ").split())
    assert re.sub(r"\d", "0", capsys.readouterr().out) == re.sub(r"\d", "0", shown)


def _tests_in(name: str) -> set[str]:
    nodes = [node for path in (ROOT / "tests").rglob(name) for node in ast.parse(path.read_text()).body]
    return {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


@pytest.mark.parametrize(("page", "least"), [("contributing/ways-tested.md", 100), ("contributing/threats.md", 40)])
def test_every_test_that_a_page_names_exists(page: str, least: int) -> None:
    """The pages that prove what they say by tests name tests that are there."""
    named = re.findall(r"`((?:\w+/)*test_\w+\.py)::(\w+)`", (DOCS / page).read_text())
    assert len(named) > least
    there = {path: _tests_in(path) for path in {path for path, _ in named}}
    assert [f"{path}::{name}" for path, name in named if name not in there[path]] == []


def _is_a_file(name: str) -> bool:
    return any((top / name).exists() for top in (ROOT, PACKAGE.parent, PACKAGE)) or any((ROOT / "tests").rglob(name))


@pytest.mark.parametrize(
    "page",
    [
        "CONTRIBUTING.md",
        "docs/contributing/architecture.md",
        "docs/contributing/glossary.md",
    ],
)
def test_every_module_that_a_page_names_exists(page: str) -> None:
    """The pages for contributors name files of the package or of the tests."""
    named = re.findall(r"`((?:\w+/)*\w+\.py)`", (ROOT / page).read_text())
    assert named
    assert [name for name in named if not _is_a_file(name)] == []
