"""The pages that an operator sees, opened with two days of business behind the shop."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from .theatre import ADMIN, EVENTS, FIELDS, OVERVIEW

Opener = Callable[[Page, str], None]


def at(path: str, shown: str) -> Opener:
    """The page of a path, on which this is to be seen."""

    def opener(page: Page, shop_url: str) -> None:
        page.goto(shop_url + path)
        expect(page.locator(shown).first).to_be_visible()

    return opener


overview = at(OVERVIEW, ".dfinery-chart > svg")
event_list = at(EVENTS, "#result_list")
fields = at(FIELDS, ".dfinery-fields")


def first_of(path: str, shown: str, row: str = "#result_list tbody th a") -> Opener:
    """The page that the first row of a list leads to."""

    def opener(page: Page, shop_url: str) -> None:
        page.goto(shop_url + path)
        page.locator(row).first.click()
        expect(page.locator(shown).first).to_be_visible()

    return opener


def one_of(lookup: str) -> Opener:
    """The page of the newest event that the list has with this filter."""
    return first_of(f"{EVENTS}?{lookup}", ".dfinery-explanation")


def question(lookup: str, action: str) -> Opener:
    """What is asked before one event is changed."""

    def opener(page: Page, shop_url: str) -> None:
        one_of(lookup)(page, shop_url)
        page.locator(f".dfinery-buttons a[href*={action}]").click()
        expect(page.locator("#dfinery-will")).to_be_visible()

    return opener


def confirmation(action: str, lookup: str = "") -> Opener:
    """What is asked before many events are changed."""

    def opener(page: Page, shop_url: str) -> None:
        page.goto(f"{shop_url}{EVENTS}?{lookup}")
        page.locator("#action-toggle").check()
        page.locator("select[name=action]").select_option(value=action)
        page.locator("[name=index]").click()
        expect(page.locator("#dfinery-will")).to_be_visible()

    return opener


def history(page: Page, shop_url: str) -> None:
    """What was done to an event, by whom."""
    one_of("reason_code__exact=rejected")(page, shop_url)
    page.locator("a[href$='history/']").click()
    expect(page.locator("#change-history")).to_be_visible()


def order(page: Page, shop_url: str) -> None:
    """The shop's own page of an order, with the line of its events."""
    one_of("reason_code__exact=payload")(page, shop_url)
    page.locator(".dfinery-facts a").first.click()
    expect(page.locator(".dfinery-events")).to_be_visible()


PAGES: dict[str, Opener] = {
    "overview": overview,
    "list": event_list,
    "delivered": one_of("status__exact=delivered&event_name=purchase"),
    "waiting": one_of("status__exact=pending"),
    "failed": one_of("reason_code__exact=payload"),
    "expired": one_of("status__exact=expired"),
    "question": question("reason_code__exact=payload", "rebuild"),
    "cancel": question("status__exact=pending", "cancel"),
    "confirmation": confirmation("rebuild"),
    "resend": confirmation("resend", "status__exact=failed"),
    "forget": confirmation("forget", "status__exact=expired"),
    "repairs": at(f"{ADMIN}repair/", "#result_list"),
    "repair": first_of(f"{ADMIN}repair/", "#dfinery-asked"),
    "destinations": at(f"{ADMIN}destination/", "#content-main"),
    "destination": at(f"{ADMIN}destination/default/change/", "#content-main"),
    "history": history,
    "fields": fields,
}
