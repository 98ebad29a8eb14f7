"""Did that purchase arrive? The whole story, in the order in which it happens to people."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from .theatre import OVERVIEW, RIGHT, WRONG, Theatre, buy, open_event, reload_until

#: An attempt while the sandbox is stopped; the first may be cut.
NOBODY_THERE = re.compile("Connection refused by|closed the connection")


def test_an_order_arrives_and_its_page_says_so(theatre: Theatre, customer: Page, operator: Page) -> None:
    """Bought and delivered: the event's page has sentence, attempt and payload; the overview says that all is well."""
    order = buy(customer, theatre.shop_url)
    open_event(operator, theatre.shop_url, order)
    reload_until(operator, "delivered")
    expect(operator.locator(".dfinery-sentence")).to_contain_text("It was accepted on")
    expect(operator.locator(".dfinery-timeline")).to_contain_text("The event was accepted.")
    expect(operator.locator(".dfinery-payload")).to_contain_text("1900000.0")
    assert len(theatre.arrivals_of(order)) == 1
    operator.goto(theatre.shop_url + OVERVIEW)
    expect(operator.locator("#dfinery-headline")).to_contain_text("All is well")
    expect(operator.locator("#dfinery-headline")).to_contain_text("delivered in the last 24 hours")


def test_an_order_waits_while_dfinery_is_away_and_arrives_when_it_is_back(
    theatre: Theatre, customer: Page, operator: Page
) -> None:
    """The customer notices nothing; the page says that it waits, why, and that nothing is to do; then it arrives."""
    theatre.sandbox.stop()
    try:
        order = buy(customer, theatre.shop_url, "TEA-GREEN")
        open_event(operator, theatre.shop_url, order)
        reload_until(operator, "pending")
        for _ in range(20):  # it is pending before it is tried, too
            if operator.locator(".dfinery-timeline").count():
                break
            operator.reload()
        waits = re.compile("no proper answer|is stopped for a while|is being sent")
        expect(operator.locator(".dfinery-sentence")).to_contain_text(waits)
        expect(operator.locator(".dfinery-timeline li").first).to_contain_text(NOBODY_THERE)
        expect(operator.locator(".dfinery-explanation")).to_contain_text("othing to do")
        assert operator.get_by_role("link", name="Cancel").count() == 1
    finally:
        theatre.sandbox.start()
        theatre.wait_for_sandbox()
    reload_until(operator, "delivered")
    assert len(theatre.arrivals_of(order)) == 1


def test_a_wrong_mapping_is_told_mended_and_its_event_rebuilt(theatre: Theatre, customer: Page, operator: Page) -> None:
    """A wrong field fails the event with its name and a remedy; mended and rebuilt, it arrives with the right value."""
    theatre.deliver_with(WRONG)
    try:
        order = buy(customer, theatre.shop_url, "SNEAKER-W")
        open_event(operator, theatre.shop_url, order)
        reload_until(operator, "failed")
    finally:
        theatre.deliver_with(RIGHT)
    expect(operator.locator(".dfinery-sentence")).to_contain_text("a value can't be sent as it is")
    reason = operator.locator(".dfinery-explanation .dfinery-reason")
    expect(reason).to_contain_text("event_attributes.order_sales: a str is not a Double (from 'buyer')")
    expect(operator.locator(".dfinery-difference")).to_contain_text("89000.0")
    operator.get_by_role("link", name="Rebuild and resend").click()
    expect(operator.locator("h1").last).to_have_text("Rebuild and resend 1 event?")
    operator.get_by_role("button", name="Yes, rebuild and resend it").click()
    open_event(operator, theatre.shop_url, order)
    reload_until(operator, "delivered")
    arrived = theatre.arrivals_of(order)
    assert [each["body"]["event_attributes"]["order_sales"] for each in arrived] == [89000.0]
