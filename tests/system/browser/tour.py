"""``python -m tests.system.browser.tour``: the pictures of docs/admin.md, of the example shop with two days behind it.

A language is left out whose catalogue is not there: no English picture may pass for another.
"""

from __future__ import annotations

import io
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from .pages import PAGES, Opener
from .theatre import ROOT, Theatre, chromium, opened, sign_in

FOLDER = ROOT / "docs" / "tour"
CATALOGUES = ROOT / "dfinery_django" / "locale"
LOCALES = {"en": "en-GB", "ko": "ko-KR"}
WIDE, PHONE = 1280, 390
MAX_BYTES = 150 * 1024


@dataclass(frozen=True)
class Picture:
    name: str
    page: str
    scheme: str = "light"
    width: int = WIDE
    tallest: int = 1100

    @property
    def opener(self) -> Opener:
        return PAGES[self.page]


PICTURES = [
    Picture("overview", "overview", tallest=1500),
    Picture("overview-dark", "overview", scheme="dark", tallest=1500),
    Picture("overview-phone", "overview", width=PHONE, tallest=1500),
    Picture("list", "list"),
    Picture("delivered", "delivered"),
    Picture("waiting", "waiting"),
    Picture("failed", "failed"),
    Picture("failed-dark", "failed", scheme="dark"),
    Picture("confirmation", "confirmation"),
    Picture("fields", "fields"),
]


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place, opened(Path(place)) as theatre, sync_playwright() as playwright:
        theatre.live_through_the_past()
        browser = chromium(playwright)
        for language in LOCALES:
            if language != "en" and not (CATALOGUES / language / "LC_MESSAGES" / "django.mo").exists():
                sys.stderr.write(f"There is no catalogue for {language}: no pictures.\n")
                continue
            for picture in PICTURES:
                file = folder / f"{picture.name}.{language}.png"
                file.write_bytes(_small(_taken(browser, theatre, picture, language)))
                sys.stdout.write(f"{file.name} {file.stat().st_size // 1024} KB\n")
        browser.close()


def _taken(browser: Browser, theatre: Theatre, picture: Picture, language: str) -> bytes:
    viewport = {"width": picture.width, "height": 800}
    with browser.new_context(locale=LOCALES[language], color_scheme=picture.scheme, viewport=viewport) as context:
        # The menu of all models on the left takes a quarter of the picture and says nothing here.
        context.add_init_script("localStorage.setItem('django.admin.navSidebarIsOpen', 'false')")
        page = context.new_page()
        sign_in(page, theatre.shop_url)
        picture.opener(page, theatre.shop_url)
        height = min(page.evaluate("document.documentElement.scrollHeight"), picture.tallest)
        page.set_viewport_size({"width": picture.width, "height": height})
        return page.screenshot()


def _small(png: bytes) -> bytes:
    """With a palette: a page has few colours."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        written = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
        if written.tell() <= MAX_BYTES:
            break
    return written.getvalue()


if __name__ == "__main__":
    main()
