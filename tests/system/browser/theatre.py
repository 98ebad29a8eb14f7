"""The example shop's processes in a folder of their own, and who looks at it: a customer and an operator."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Playwright, expect
from shop.demo.processes import Process
from shop.demo.stage import ADMIN_EMAIL, ADMIN_PASSWORD, Stage

ROOT = Path(__file__).parents[3]
STRICT = "tests.system.browser.strict"
RIGHT, WRONG = "config.settings", "tests.system.browser.wrong_mapping"
#: A retry waits for seconds, what was closed for up to a minute, and a drain runs once a minute.
ARRIVAL_SECONDS = 180
ORDERS = "/admin/shop/order/"
ADMIN = "/admin/dfinery_django/"
EVENTS, OVERVIEW, FIELDS = f"{ADMIN}event/", f"{ADMIN}overview/", f"{ADMIN}customfield/"


class Theatre(Stage):
    """:param folder: where the database and the logs are kept"""

    def __init__(self, folder: Path) -> None:
        super().__init__(ROOT / "example_project", folder, port=0, sandbox_port=0)
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        self._env.update(PYTHONPATH=os.pathsep.join(filter(None, paths)), DJANGO_SETTINGS_MODULE=STRICT)
        self._settings_seen = 0

    def deliver_with(self, settings: str) -> None:
        """Restart the cluster with these settings, as a deploy does."""
        self.cluster.stop()
        self._settings_seen += 1
        env = {**self._env, "DJANGO_SETTINGS_MODULE": settings}
        log = self._logs / f"cluster-{self._settings_seen}.log"
        cluster = Process("cluster", [*self._manage, "qcluster"], env=env, log=log)
        self._processes[self._processes.index(self.cluster)] = cluster
        self.cluster = cluster
        cluster.start()
        cluster.wait_until(lambda: "running." in cluster.read_log())

    def arrivals_of(self, order: str) -> list[dict[str, Any]]:
        return [each for each in self.arrivals() if each["body"]["event_attributes"].get("order_id") == order]


@contextmanager
def opened(folder: Path) -> Iterator[Theatre]:
    """An empty shop that is open."""
    theatre = Theatre(folder)
    try:
        theatre.build()
        theatre.open()
        yield theatre
    finally:
        theatre.close()


def chromium(playwright: Playwright) -> Browser:
    """The system's Chromium; without one, Playwright's own."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    return playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])


def sign_in(page: Page, shop_url: str) -> None:
    page.goto(f"{shop_url}/admin/login/?next=/admin/")
    page.locator("#id_username").fill(ADMIN_EMAIL)
    page.locator("#id_password").fill(ADMIN_PASSWORD)
    page.locator("[type=submit]").click()
    expect(page.locator("#user-tools")).to_be_visible()


def buy(page: Page, shop_url: str, sku: str = "LAPTOP-14") -> str:
    """A guest buys; the order's number."""
    page.goto(f"{shop_url}/product/{sku}/")
    page.get_by_role("button", name="Add to cart").click()
    page.goto(f"{shop_url}/checkout/")
    page.locator("[name=guest_email]").fill("guest@example.com")
    page.get_by_role("button", name="Order and go to payment").click()
    page.get_by_label("Credit card").check()
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("Paid")
    found = re.search(r"\d{6}-\w+", heading.inner_text())
    assert found
    return found[0]


def open_event(page: Page, shop_url: str, order: str) -> None:
    """From the order's own page to its latest event's, as somebody asks who has a customer on the phone."""
    page.goto(f"{shop_url}{ORDERS}?q={order}")
    page.locator("#result_list tbody th a").click()
    page.locator(".dfinery-events a").first.click()
    expect(page.locator(".dfinery-explanation")).to_be_visible()


def reload_until(page: Page, status: str, seconds: float = ARRIVAL_SECONDS) -> None:
    """Look again at an event's page until it has this status; what it says instead is in the error."""
    explanation = page.locator(".dfinery-explanation")
    for _ in range(int(seconds)):
        try:
            expect(explanation).to_have_class(re.compile(rf"dfinery-is-{status}\b"), timeout=1000)
        except AssertionError:
            page.reload()
        else:
            return
    expect(explanation).to_have_class(re.compile(rf"dfinery-is-{status}\b"))
