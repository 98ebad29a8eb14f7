"""The sandbox's page in a browser: it looks for news by itself, and what the reader types and reads stays."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from dfinery_django.sandbox import Sandbox

WIDTHS = (1280, 390)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        for number in range(60):
            send(running, user_id=f"user-{number}")
        yield running


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """What the console complains of, such as a violation of the page's policy, fails the test."""
    said: list[str] = []
    with browser.new_context(viewport={"width": request.param, "height": 600}) as context:
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
    assert said == []


def send(sandbox: Sandbox, user_id: str) -> None:
    moment = round(time.time() * 1000)
    event = {"event_id": str(uuid.uuid4()), "event_name": "purchase" * 20, "event_datetime": moment}
    body = {"event_attributes": event, "user_attributes": {"user_id": user_id}}
    headers = {"Authorization": "Bearer t"}
    requests.post(f"{sandbox.url}/api/v1/events", json=body, headers=headers, timeout=10).raise_for_status()


def test_news_leave_the_reader_alone(page: Page, sandbox: Sandbox) -> None:
    """New rows come above the one that is read, which stays in its place and in focus; half a search stays typed."""
    page.goto(sandbox.url)
    page.locator("[name=q]").fill("half a wo")
    row = page.locator('[data-number="40"]')
    row.locator("a").focus()
    before = row.bounding_box()
    send(sandbox, "user-new")
    expect(page.locator('[data-number="61"]')).to_be_attached(timeout=20_000)
    after = row.bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) < 2
    expect(row.locator("a")).to_be_focused()
    expect(page.locator("[name=q]")).to_have_value("half a wo")


def test_no_page_is_wider_than_the_window(page: Page, sandbox: Sandbox) -> None:
    """List, found ones, arrival and question, with names that are long."""
    for path in ("/", "/?q=user-7&show=problems", "/arrivals/1", "/clear", "/arrivals/1?q=user"):
        page.goto(sandbox.url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
