"""The pages that an operator sees, opened with two days of business behind the shop."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from .theatre import EVENTS, FIELDS, OVERVIEW

Opener = Callable[[Page, str], None]


def overview(page: Page, shop_url: str) -> None:
    page.goto(shop_url + OVERVIEW)
    expect(page.locator(".dfinery-chart > svg")).to_be_visible()


def event_list(page: Page, shop_url: str) -> None:
    page.goto(shop_url + EVENTS)
    expect(page.locator("#result_list")).to_be_visible()


def one_of(lookup: str) -> Opener:
    """The page of the newest event that the list has with this filter."""

    def opener(page: Page, shop_url: str) -> None:
        page.goto(f"{shop_url}{EVENTS}?{lookup}")
        page.locator("#result_list tbody th a").first.click()
        expect(page.locator(".dfinery-explanation")).to_be_visible()

    return opener


def question(page: Page, shop_url: str) -> None:
    """What is asked before one event is rebuilt."""
    one_of("reason_code__exact=payload")(page, shop_url)
    page.locator(".dfinery-buttons a[href*=rebuild]").click()
    expect(page.locator("#dfinery-will")).to_be_visible()


def confirmation(page: Page, shop_url: str) -> None:
    """What is asked before many events are, some of which are better left alone."""
    event_list(page, shop_url)
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option(value="rebuild")
    page.locator("[name=index]").click()
    expect(page.locator("#dfinery-will")).to_be_visible()


def fields(page: Page, shop_url: str) -> None:
    page.goto(shop_url + FIELDS)
    expect(page.locator(".dfinery-fields").first).to_be_visible()


PAGES: dict[str, Opener] = {
    "overview": overview,
    "list": event_list,
    "delivered": one_of("status__exact=delivered&event_name=purchase"),
    "waiting": one_of("status__exact=pending"),
    "failed": one_of("reason_code__exact=payload"),
    "expired": one_of("status__exact=expired"),
    "question": question,
    "confirmation": confirmation,
    "fields": fields,
}
