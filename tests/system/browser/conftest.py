"""One browser and one shop for all of them.

The story comes first, in an empty shop; then every page, after two days of business.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, sync_playwright

from .theatre import Theatre, chromium, opened, sign_in


@contextmanager
def watched(page: Page) -> Iterator[None]:
    """Fail if a script of the page fails, or the Content-Security-Policy refuses something."""
    found: list[str] = []

    def on_error(error: Error) -> None:
        found.append(str(error))

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            found.append(message.text)

    page.on("pageerror", on_error)
    page.on("console", on_console)
    try:
        yield
    finally:
        page.evaluate("0")  # what was written to the console before has arrived
        page.remove_listener("pageerror", on_error)
        page.remove_listener("console", on_console)
    assert found == []


@pytest.fixture(scope="session")
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
    """Signed in to the admin; an error of a page's script, or of its policy, fails the test."""
    with browser.new_context(locale="en-GB") as context:
        page = context.new_page()
        sign_in(page, theatre.shop_url)
        with watched(page):
            yield page
