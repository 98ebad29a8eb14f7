"""What surrounds a page of the admin: breadcrumbs as Django's, the nonce on each file, no inline style or script."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import django
import pytest
from django.template import Context, Template
from django.test import RequestFactory

from dfinery_django import clock
from dfinery_django.models import Event, Repair
from tests.support.staff import LIST, make, page_of, text_of

pytestmark = pytest.mark.django_db

ADMIN = "/admin/dfinery_django/"


def trail(client: Any, url: str) -> tuple[list[tuple[str, str]], str]:
    """The links of a page's breadcrumbs, and the text of the last one; read from the markup of this Django."""
    page = client.get(url).content.decode()
    if django.VERSION >= (6, 1):
        found = re.search(r'<ol class="breadcrumbs">(.*?)</ol>', page, re.DOTALL)
        assert found
        here = re.findall(r'<li aria-current="page">(.*?)</li>', found[1])
    else:
        found = re.search(r'<div class="breadcrumbs">(.*?)</div>', page, re.DOTALL)
        assert found
        here = [found[1].rpartition("&rsaquo;")[2]]
    links = re.findall(r'<a href="([^"]+)">(.*?)</a>', found[1])
    return [(text.strip(), address) for address, text in links], here[-1].strip()


def test_breadcrumbs_are_those_of_django(configured: Any, admin_client: Any) -> None:
    """Home, application, list, object, in this order and with the same links; a confirmation is a step behind it."""
    configured()
    event = make("pending")
    to_lists, here = trail(admin_client, LIST)  # Django's own template
    assert (to_lists, here) == ([("Home", "/admin/"), ("DFINERY", ADMIN)], "Events")
    for page, name in (("customfield", "Custom fields"), ("overview", "Overview")):
        assert trail(admin_client, f"{ADMIN}{page}/") == (to_lists, name)
    to_objects = [*to_lists, ("Events", LIST)]
    assert trail(admin_client, page_of(event)) == (to_objects, str(event))
    to_pages, here = trail(admin_client, f"{LIST}{event.pk}/history/")  # Django's own
    assert (to_pages, here) == ([*to_objects, (str(event), page_of(event))], "History")
    assert trail(admin_client, f"{LIST}{event.pk}/ask/cancel/") == (to_pages, "Cancel 1 event?")


class Inline(HTMLParser):
    """Collects what a Content-Security-Policy with nonces only refuses, and the tags that need a nonce."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.files: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if "style" in values or any(name.startswith("on") for name in values):
            self.refused.append(f"{tag} {values}")
        if tag == "style" or (tag == "script" and "src" not in values):
            self.refused.append(f"{tag} {values}")
        if "dfinery_django/" in str(values.get("src") or values.get("href")) and tag in ("script", "link"):
            self.files.append(values)


def test_no_page_has_inline_style_or_script(configured: Any, admin_client: Any) -> None:
    """Neither a style attribute nor a handler of events; every page that has files of ours is looked at."""
    configured()
    for status in ("failed", "pending", "delivered", "expired"):
        make(status)
    pages = [LIST, *(f"{ADMIN}{name}/" for name in ("overview", "customfield", "destination", "repair"))]
    pages += [page_of(event) for event in Event.objects.all()]
    pages += [f"{LIST}{event.pk}/ask/{action}/" for event in Event.objects.all() for action in ("rebuild", "cancel")]
    for url in pages:
        answer = admin_client.get(url)
        assert answer.status_code == 200, url
        page = Inline(answer.content.decode())
        assert page.refused == [], url
        assert page.files or "destination" in url, url


def test_the_nonce_of_either_package_is_on_our_files(rf: RequestFactory) -> None:
    """That of Django's context processor, that of django-csp; without one there is no attribute."""
    tag = Template("{% load dfinery_page %}<link {% dfinery_nonce %}>")
    request = rf.get("/")
    assert tag.render(Context({"request": request})) == "<link >"
    assert tag.render(Context({"request": request, "csp_nonce": "a"})) == '<link nonce="a">'
    request.csp_nonce = "b"
    assert tag.render(Context({"request": request})) == '<link nonce="b">'


@pytest.mark.skipif(django.VERSION < (6, 1), reason="earlier the admin's own files have no nonce")
def test_every_file_of_our_pages_has_the_nonce(configured: Any, admin_client: Any, settings: Any) -> None:
    """Also those that the admin lists as media."""
    processors = settings.TEMPLATES[0]["OPTIONS"]["context_processors"]
    options = {**settings.TEMPLATES[0]["OPTIONS"], "context_processors": [*processors, CSP_PROCESSOR]}
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "OPTIONS": options}]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.csp.ContentSecurityPolicyMiddleware"]
    configured()
    keys = {"selection": "{}", "seen_at": clock.now(), "last_pk": 0, "last_attempt_pk": 0}
    running = Repair.objects.create(action="resend", **keys)
    pages = (f"{ADMIN}overview/", f"{ADMIN}customfield/", f"{ADMIN}repair/{running.pk}/change/")
    for url in (LIST, *pages, page_of(make("failed"))):
        files = Inline(admin_client.get(url).content.decode()).files
        assert files
        assert all(each.get("nonce") for each in files), url


CSP_PROCESSOR = "django.template.context_processors.csp"


def test_a_page_says_its_time_zone(configured: Any, admin_client: Any) -> None:
    """Once, where its times are."""
    configured()
    event = make("failed")
    for url in (LIST, page_of(event), f"{ADMIN}customfield/", f"{ADMIN}repair/", f"{LIST}{event.pk}/ask/rebuild/"):
        assert text_of(admin_client.get(url)).count("Times are in the time zone Asia/Seoul.") == 1, url
    assert re.search(
        r"As of [-\d]{10} [:\d]{8}, time zone Asia/Seoul\.", text_of(admin_client.get(f"{ADMIN}overview/"))
    )
