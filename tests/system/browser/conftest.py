"""One browser for all of them, a shop for each module; each test has its own windows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from .theatre import Theatre, chromium, opened, sign_in


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with opened(tmp_path_factory.mktemp("shop")) as theatre:
        yield theatre


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture
def customer(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture
def operator(browser: Browser, theatre: Theatre) -> Iterator[Page]:
    """Signed in to the admin; an error of a page's script fails the test."""
    errors: list[str] = []
    with browser.new_context(locale="en-GB") as context:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        sign_in(page, theatre.shop_url)
        yield page
    assert not errors
