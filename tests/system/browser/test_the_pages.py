"""Every page of ours, in three languages, wide and narrow, light and dark: axe-core, overflow, policy, words.

One browser window for each language; a page is loaded once, and then its window and its colours are changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from .conftest import watched
from .pages import PAGES, order, question
from .theatre import Theatre, sign_in

LOCALES = {"en": "en-GB", "ko": "ko-KR", "ja": "ja-JP"}
WIDTHS = (1280, 390)
#: What axe-core finds does not depend on the language: each look is seen in one of them.
LOOKS = {"en": [(1280, "light"), (390, "dark")], "ko": [(390, "light")], "ja": [(1280, "dark")]}

#: The frame that Django's admin draws around our parts is Django's.
OURS = ["#content"]
GRAVE = ("serious", "critical")

#: English words that stay in a translated page: names of products, types and units, and words of the example's data.
NAMES = {"DFINERY", "Django", "Copy", "String", "Long", "Double", "Boolean", "str", "ms"}
DATA = {"default", "Admin", "Asia", "Seoul", "purchase"}
#: The name of a protocol; what the sandbox says when it refuses; what Django 6.1 has not translated yet.
PHRASES = ("S2S Event API", "Contains unsupported property value.", "Select an option")
#: By their form: what is quoted, ids, functions, settings, fields, hosts and addresses.
NAME = re.compile(
    r"\"[^\"]*\"|'[^']*'|[\da-f-]{8,}|\w+\(|[A-Z][A-Z\d_]+|[a-z]+_[a-z_]+|[\w.+-]+@[\w.-]+|[\w-]+(\.[\w-]+)+", re.ASCII
)


@pytest.fixture(scope="module")
def busy_theatre(theatre: Theatre, browser: Browser) -> Theatre:
    """Two days of business, and one bulk action."""
    theatre.live_through_the_past()
    with browser.new_context() as context:
        page = context.new_page()
        sign_in(page, theatre.shop_url)
        question("reason_code__exact=rejected", "resend")(page, theatre.shop_url)
        page.locator(".dfinery-buttons [type=submit]").click()
        expect(page.locator(".messagelist")).to_be_visible()
    return theatre


@pytest.fixture(scope="module", params=LOCALES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def page(language: str, browser: Browser, busy_theatre: Theatre) -> Iterator[Page]:
    with browser.new_context(locale=LOCALES[language]) as context:
        page = context.new_page()
        sign_in(page, busy_theatre.shop_url)
        yield page


@pytest.mark.parametrize("name", PAGES)
def test_a_page(page: Page, busy_theatre: Theatre, language: str, name: str) -> None:
    """Nothing overflows, axe-core finds nothing serious, no script or policy complains, no English is left."""
    with watched(page):
        PAGES[name](page, busy_theatre.shop_url)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert _overflowing(page) == [], width
    if language != "en":
        assert _english(page) == []
    for width, scheme in LOOKS[language]:  # last: axe-core writes styles, which the policy refuses
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert _findings(page, OURS) == [], (width, scheme)


def test_the_events_of_an_order_begin_where_its_other_fields_do(
    page: Page, busy_theatre: Theatre, language: str
) -> None:
    """On the shop's own page of an order; the badge stands above the link."""
    page.set_viewport_size({"width": 1280, "height": 900})
    with watched(page):
        order(page, busy_theatre.shop_url)
    shown = (
        ".field-status .readonly",
        ".field-dfinery_events .readonly",
        ".dfinery-events .dfinery-badge",
        ".dfinery-events + a",
    )
    lefts = page.evaluate(
        "shown => shown.map(each => document.querySelector(each).getBoundingClientRect().left)", shown
    )
    assert len(set(lefts)) == 1


def test_axe_and_the_policy_find_what_is_wrong(page: Page, busy_theatre: Theatre) -> None:
    """A picture without words, grey on grey, an inline style and a table that is too wide are found."""
    PAGES["fields"](page, busy_theatre.shop_url)
    page.set_viewport_size({"width": 390, "height": 900})
    bad = '<img src="data:,"><p class="pale">pale</p><table width="900"><tr><td>wide</td></tr></table>'
    with pytest.raises(AssertionError, match="Content Security Policy"), watched(page):
        page.locator("#content").evaluate("(content, bad) => content.insertAdjacentHTML('beforeend', bad)", bad)
        page.evaluate("document.querySelector('.pale').setAttribute('style', 'color: red')")
        page.evaluate("Object.assign(document.querySelector('.pale').style, {color: '#999', background: '#aaa'})")
    assert {each.split(":")[0] for each in _findings(page, OURS)} == {"image-alt", "color-contrast"}
    assert _overflowing(page)


def _overflowing(page: Page) -> list[str]:
    """The page, or a part of it that scrolls sideways."""
    found = page.evaluate("""() => [document.documentElement, ...document.querySelectorAll('.results, .dfinery-scroll')]
        .filter(each => each.scrollWidth > each.clientWidth + 1)
        .map(each => `${each.tagName}.${each.className} ${each.scrollWidth} > ${each.clientWidth}`)""")
    return [str(each) for each in found]


def _english(page: Page) -> list[str]:
    """The Latin words of a page but names; foreign texts, which are data, stand in elements of their own."""
    texts = page.evaluate("""() => {
        const data = 'bdi, code, pre, textarea, script, style, time';
        const names = ['title', 'aria-label', 'placeholder', 'data-label', 'data-done'];
        const shown = [];
        for (const part of document.querySelectorAll('#content, .breadcrumbs')) {
            for (const each of part.querySelectorAll('*')) {
                if (each.closest(data)) { continue; }
                const nodes = [...each.childNodes].filter(node => node.nodeType === Node.TEXT_NODE);
                shown.push(...names.map(name => each.getAttribute(name)), ...nodes.map(node => node.data));
                shown.push(each.matches('[type=submit]') ? each.value : '');
            }
        }
        return shown.filter(text => text && text.trim());
    }""")
    text = "\n".join(texts)
    for phrase in PHRASES:
        text = text.replace(phrase, "")
    return sorted(set(re.findall(r"[A-Za-z]{2,}", NAME.sub(" ", text))) - NAMES - DATA)


def _findings(page: Page, parts: list[str]) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    page.evaluate("document.getAnimations().forEach(each => each.finish())")  # links change their colour slowly
    found = page.evaluate("parts => axe.run({include: parts}, {resultTypes: ['violations']})", parts)
    return [
        f"{each['id']}: {json.dumps(node['target'])} {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]
