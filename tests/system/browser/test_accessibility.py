"""axe-core, on every page of ours, light and dark, wide and narrow."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from .pages import PAGES
from .theatre import Theatre, sign_in

#: The frame that Django's admin draws around our parts is Django's.
OURS = ["#content"]
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def busy_theatre(theatre: Theatre) -> Theatre:
    theatre.live_through_the_past()
    return theatre


@pytest.fixture(
    scope="module", params=[("light", 1280), ("dark", 1280), ("light", 390)], ids=lambda it: f"{it[0]}-{it[1]}"
)
def page(request: pytest.FixtureRequest, browser: Browser, busy_theatre: Theatre) -> Iterator[Page]:
    scheme, width = request.param
    with browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        sign_in(page, busy_theatre.shop_url)
        yield page


@pytest.mark.parametrize("name", PAGES)
def test_nothing_grave_is_found(page: Page, busy_theatre: Theatre, name: str) -> None:
    """axe-core has no serious or critical finding within the content of the page."""
    PAGES[name](page, busy_theatre.shop_url)
    assert _findings(page, OURS) == []


def test_axe_finds_what_is_wrong(page: Page, busy_theatre: Theatre) -> None:
    """A picture without words and grey on grey are found: no finding means something."""
    PAGES["overview"](page, busy_theatre.shop_url)
    bad = '<img src="data:,"><p style="color: #999; background: #aaa">pale</p>'
    page.locator("#content").evaluate("(content, bad) => content.insertAdjacentHTML('beforeend', bad)", bad)
    assert {each.split(":")[0] for each in _findings(page, OURS)} == {"image-alt", "color-contrast"}


def _findings(page: Page, parts: list[str]) -> list[str]:
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("parts => axe.run({include: parts}, {resultTypes: ['violations']})", parts)
    return [
        f"{each['id']}: {json.dumps(node['target'])} {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]
