"""The documentation agrees with the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from dfinery_django import checks, definitions
from dfinery_django.conf import KEYS, Settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_blocks_parse_and_import_what_exists(page: Path) -> None:
    """Every Python block is valid, and what it imports from this app is there."""
    import dfinery_django

    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "dfinery_django":
                assert all(hasattr(dfinery_django, alias.name) for alias in node.names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
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
    listed = set(re.findall(r"`dfinery\.([EW]\d{3})`", (ROOT / "docs/checks.md").read_text()))
    assert listed == set(re.findall(r"^([EW]\d{3})", str(checks.__doc__), re.MULTILINE))


def test_every_attribute_of_a_definition_is_documented() -> None:
    """docs/definitions.md names each."""
    text = (ROOT / "docs/definitions.md").read_text()
    assert [name for name in definitions.ATTRIBUTES if f"`{name}`" not in text and f'"{name}"' not in text] == []


def test_the_readme_s_settings_are_accepted(settings: object) -> None:
    """What a reader copies passes the definitions' own parser."""
    from dfinery_django.conf import problems
    from dfinery_django.definitions import from_dict

    (block,) = [each for each in blocks(ROOT / "README.md", "python") if "DFINERY = {" in each]
    names: dict[str, object] = {"INSTALLED_APPS": [], "env": lambda name: "token"}
    exec(block, names)
    setting = names["DFINERY"]
    assert isinstance(setting, dict)
    from dfinery_django.conf import Token

    masked = {**setting, "TOKENS": {alias: Token(token) for alias, token in setting["TOKENS"].items()}}
    assert problems(masked) == []
    for name, content in setting["EVENTS"].items():
        from_dict(name, content)
