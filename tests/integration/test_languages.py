"""The admin in the reader's language. ``python -m tests.support.catalogues`` brings the catalogues up to date."""

from __future__ import annotations

import datetime as dt
import gettext
import re
from collections.abc import Callable, Iterator
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import polib
import pytest
from django.contrib import admin as django_admin
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from dfinery_django.delivery.worker import drain
from dfinery_django.diagnostics.event_status import explain_status
from dfinery_django.enums import EventStatus, Outcome, Reason
from dfinery_django.models import DeliveryAttempt, Destination, Event, Repair
from dfinery_django.monitoring.findings import join_sentences
from dfinery_django.monitoring.health import assess
from dfinery_django.monitoring.overview import look
from dfinery_django.text.times import number
from tests.support.catalogues import (
    CATALOGUES,
    LANGUAGES,
    PACKAGE,
    Message,
    in_code,
    in_template,
    message_of,
    messages,
    path_of,
)
from tests.support.doubles import PURCHASE, FarSide, answer
from tests.support.events import event as stored_event
from tests.support.staff import LIST, ask, confirm, make, page_of

REFRESH = "run: python -m tests.support.catalogues"
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
OVERVIEW = "/admin/dfinery_django/overview/"


@cache
def catalogue(language: str) -> polib.POFile:
    return polib.pofile(str(path_of(language)))


def said(entry: polib.POEntry) -> str:
    """The translation; both languages have one form for any number."""
    return str(entry.msgstr_plural[0] if entry.msgid_plural else entry.msgstr)


# --- The catalogues


@pytest.mark.parametrize(
    ("root", "language"),
    [(root, language) for root, languages in CATALOGUES.items() for language in languages],
    ids=lambda each: getattr(each, "name", each),
)
def test_every_string_is_translated_and_nothing_else(root: Path, language: str) -> None:
    """No string of the code is missing or untranslated, none is doubtful, none is left from earlier."""
    entries = list(polib.pofile(str(path_of(language, root))))
    there = {message_of(entry) for entry in entries if not entry.obsolete}
    assert set(messages(root)) - there == set(), REFRESH
    assert there - set(messages(root)) == set(), REFRESH
    assert [entry.msgid for entry in entries if entry.obsolete] == [], REFRESH
    assert [entry.msgid for entry in entries if not entry.translated()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    """Django reads the .mo file: it says what the .po file says."""
    with path_of(language).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    header, *others = sorted(compiled, key=str)
    assert header == ""
    expected = {}
    for entry in catalogue(language):
        key = f"{entry.msgctxt}\x04{entry.msgid}" if entry.msgctxt else entry.msgid
        expected[(key, 0) if entry.msgid_plural else key] = said(entry)
    assert {key: compiled[key] for key in others} == expected, REFRESH


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_and_markup_survive(language: str) -> None:
    """A translation has the placeholders of its original, no other "%", and the same tags."""
    for entry in catalogue(language):
        original, text = entry.msgid_plural or entry.msgid, said(entry)
        assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(original)), entry.msgid
        assert sorted(re.findall(r"<[^>]+>", text)) == sorted(re.findall(r"<[^>]+>", original)), entry.msgid
        rest = PLACEHOLDER.sub("", text)
        assert "%" not in rest.replace("%%", ""), entry.msgid
        assert rest.count("%%") == original.count("%%"), entry.msgid


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_header_tells_language_and_plural_forms(language: str) -> None:
    """And has neither names nor dates, which would change without a word having changed."""
    metadata = catalogue(language).metadata
    assert metadata["Language"] == language
    assert metadata["Plural-Forms"] == LANGUAGES[language]
    assert not {"POT-Creation-Date", "PO-Revision-Date", "Last-Translator", "Language-Team"} & set(metadata)


def test_no_korean_particle_depends_on_a_name() -> None:
    """After a placeholder stands none of those that are written otherwise after a vowel."""
    for entry in catalogue("ko"):
        assert not re.search(r"%\(\w+\)s[”\"']?(을|를|이|가|은|는|과|와|로|으로)(?![가-힣(])", said(entry)), entry.msgid


def test_a_word_has_a_context() -> None:
    """Django merges the catalogues of all apps: a shop's "Number" or "Order" is not ours, nor ours the shop's."""
    assert [each.msgid for each in messages() if len(each.msgid.split()) < 2 and not each.context] in ([], ["DFINERY"])


def test_django_keeps_its_words() -> None:
    """Strings that Django has as well would be changed on its own pages; two are meant to be the same."""
    path = Path(django_admin.__file__).parent / "locale" / "en" / "LC_MESSAGES" / "django.po"
    own = {(entry.msgctxt, entry.msgid) for entry in polib.pofile(str(path))}
    shared = {each.msgid for each in messages() if (each.context, each.msgid) in own}
    assert shared <= {"Clear selection", " By %(filter_title)s "}


def test_strings_are_found_where_they_stand() -> None:
    """In calls by any of Django's names, and in templates; what is no literal text is refused."""
    source = '_("a %(b)s")\nx(ngettext_lazy("one", "many", n))\npgettext("of", "c" "d")\nother("e")'
    assert list(in_code(source)) == [Message("a %(b)s"), Message("one", None, "many"), Message("cd", "of")]
    with pytest.raises(ValueError):
        list(in_code("_(text)"))
    source = """{% translate "it's" context "x" %}{% blocktranslate count n=n trimmed %}
        {{ n }} is
    {% plural %}{{ n }} "are"{% endblocktranslate %}{% firstof a _("b") %}<p>c</p>"""
    assert list(in_template(source)) == [Message("it's", "x"), Message("%(n)s is", None, '%(n)s "are"'), Message("b")]


TEMPLATES = sorted(path for path in PACKAGE.rglob("*.html") if not path.name.startswith("sandbox"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_say_nothing_untranslated(path: Path) -> None:
    """Outside of translation tags stand codes, not words; nor do words stand in attributes that are read."""
    text = re.sub(r"{% (blocktranslate|comment).*?{% end\1 %}", "", path.read_text(), flags=re.DOTALL)
    text = re.sub(r"{% block (bodyclass|coltype) %}.*?{% endblock %}", "", text)
    text = re.sub(r"{%.*?%}|{{.*?}}", "", text)
    assert re.findall(r'\s(?:aria-label|title|alt|placeholder|data-done)="[^"]*\w', text) == []
    text = re.sub(r"<code>.*?</code>", "", text)
    words = set(re.findall(r"\w+", re.sub(r"<[^>]*>|&#?\w+;", " ", text)))
    assert words <= {"DFINERY", "HTTP", "result_code"}


# --- The pages


@pytest.fixture
def reader(settings: Any, django_user_model: Any) -> Iterator[Callable[[str], Client]]:
    """A browser that prefers a language: ``reader("ko")``."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    user = django_user_model.objects.create_superuser("kim", password="x")

    def in_language(language: str) -> Client:
        client = Client(headers={"accept-language": language})
        client.force_login(user)
        return client

    with translation.override(None):  # the middleware leaves its language behind
        yield in_language


def content_of(answer: Any) -> str:
    """What stands between the frames of the page, with what is read from attributes."""
    assert answer.status_code == 200
    page = answer.content.decode()
    content = page[page.index('id="content-start"') : page.index('id="footer"')]
    return unescape(re.sub(r"<(script|style|textarea|pre)\b.*?</\1>", "", content, flags=re.DOTALL))


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", content_of(answer)))


@cache
def sentences(language: str) -> list[str]:
    """What stands between placeholders in English, if it is more than a word or two, and is translated."""
    return [
        part.strip()
        for entry in catalogue(language)
        for original in (entry.msgid, entry.msgid_plural)
        for part in PLACEHOLDER.split(original)[::2]
        if len(re.findall("[a-z]", part)) > 11 and " " in part.strip() and part.strip() not in said(entry)
    ]


def english_in(answer: Any, language: str, *, quotes: bool = False) -> list[str]:
    """Sentences that are not in the reader's language: ours by the catalogue, or any four small English words.

    :param quotes: look at what an answer or the settings said, too
    """
    content = content_of(answer)
    content = content if quotes else re.sub(r'<p class="dfinery-said">.*?</p>', "", content)
    words = re.sub(r"<[^>]*>", " ", content)
    return [each for each in sentences(language) if each in content] + re.findall(r"\b[a-z]+(?:[ ,][a-z']+){3,}", words)


@pytest.fixture
def busy(configured: Any) -> None:
    """Events in every status and for every reason, stopped and paused destinations, repairs done and under way."""
    configured(
        TOKENS={alias: f"token-{alias}" for alias in ("default", "outlet", "brand", "slow", "old")},
        EVENTS={"purchase": PURCHASE, "broken": {"model": "no.Model"}},
    )
    now = timezone.now()
    hour = dt.timedelta(hours=1)
    for index, reason in enumerate(Reason.values):
        make("failed", reason_code=reason, reason=f"R-{index}", order_id=f"F-{index}", definition="purchase")
    for index, status in enumerate(EventStatus.values):
        event = make(status, order_id=f"A-{index}", definition="purchase", source="shop.Order", source_pk="7")
        for position, outcome in enumerate(Outcome.values):
            DeliveryAttempt.objects.create(
                event=event, number=position, started_at=now, duration_ms=1234, outcome=outcome,
                status_code=None if position % 2 else 401, error="E-1",
            )  # fmt: skip
        make(status, hours=30, destination="outlet", user_id="u1")
    closed = {"closed_at": now - 2 * hour, "closed_until": now + hour, "closed_reason": "R-1"}
    Destination.objects.create(alias="default", closed_code=Reason.TOKEN, **closed)
    Destination.objects.create(alias="outlet", paused_by="kim", paused_at=now - hour)
    Destination.objects.create(alias="brand", closed_code=Reason.BLOCKED, quota_left=1, quota_resets_at=now + hour)
    Destination.objects.create(alias="slow", closed_code=Reason.THROTTLED, **closed)
    Destination.objects.create(alias="old", closed_code=Reason.TRANSIENT, **closed)
    make("pending", destination="stray")
    tally = {"ready": 2, "delivered": 1, "unsure": 1, "unfinished": 1, "too_old": 3}
    for action in ("resend", "rebuild", "cancel"):
        chosen = '{"status": "failed", "search": "A-", "is_prefix": true, "since": "2026-01-02T10:00:00+00:00"}'
        known = {} if action == "cancel" else {"tally": tally, "finished_at": now}
        Repair.objects.create(
            action=action,
            selection=chosen,
            asked_by="kim",
            seen_at=now,
            last_pk=9,
            last_attempt_pk=0,
            event_count=1300,
            **known,
        )


@pytest.mark.django_db
@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_in_the_reader_s_language(busy: None, reader: Any, language: str) -> None:
    """Overview, list, pages of events, destinations and repairs have no sentence in English."""
    client = reader(language)
    urls = [OVERVIEW, f"{OVERVIEW}current/", LIST, f"{LIST}?hours=48", f"{LIST}?source_pk=7&definition__in=purchase"]
    urls += [page_of(event) for event in Event.objects.all()]
    urls += [f"/admin/dfinery_django/{name}/" for name in ("repair", "destination")]
    urls += [reverse("admin:dfinery_django_repair_change", args=[each.pk]) for each in Repair.objects.all()]
    urls += [reverse("admin:dfinery_django_destination_change", args=[each.pk]) for each in Destination.objects.all()]
    for url in urls:
        answer = client.get(url)
        if url.endswith("current/"):
            assert answer.status_code == 200
            continue
        assert english_in(answer, language) == [], url


@pytest.mark.django_db
@pytest.mark.parametrize("language", LANGUAGES)
def test_reasons_are_in_the_reader_s_language(
    configured: Any, far_side: FarSide, shop: Any, reader: Any, language: str
) -> None:
    """Of failed, stopped and expired events, on every page; only DFINERY's own message is quoted."""
    configured(EVENTS={"purchase": {**PURCHASE, "item_attributes": {"price": "name"}}})
    shop.pay(shop.place(customer=shop.customer()))
    for index, reply in enumerate((answer(400, 4002, "M-1"), answer(503, 0, "M-2"), answer(401, 4001, "M-3"))):
        stored_event(index)
        far_side.answers = [reply]
        drain("default", send=far_side)
    late = make("pending", order_id="late")
    Event.objects.filter(pk=late.pk).update(expires_at=timezone.now())
    drain("default", send=far_side)
    assert set(Event.objects.values_list("status", flat=True)) >= {"failed", "pending", "expired"}
    client = reader(language)
    urls = [OVERVIEW, LIST, "/admin/dfinery_django/destination/", *map(page_of, Event.objects.all())]
    for url in urls:
        page = client.get(url)
        assert english_in(page, language, quotes=True) == [], url
    assert "M-3" in text_of(client.get(OVERVIEW))


@pytest.mark.django_db
@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_and_answers_are_in_the_reader_s_language(busy: None, reader: Any, language: str) -> None:
    """What will happen, what has happened, a pause, an event that is gone."""
    client = reader(language)
    for action in ("resend", "rebuild", "cancel"):
        event = make("pending" if action == "cancel" else "failed", definition="purchase")
        assert english_in(client.get(f"{LIST}{event.pk}/ask/{action}/"), language) == [], action
        asked = ask(client, action, across=True)
        assert english_in(asked, language) == [], action
        assert english_in(confirm(client, asked), language) == [], action
    for url, form in (
        (f"{OVERVIEW}pause/", {"destination": "brand"}), (f"{OVERVIEW}resume/", {"destination": "outlet"}),
        (reverse("admin:dfinery_django_event_act"), {"confirmation": "old"}),
    ):  # fmt: skip
        assert english_in(client.post(url, form, follow=True), language) == [], url
    assert english_in(client.get(f"{LIST}999999/change/", follow=True), language) == []


@pytest.mark.django_db
def test_a_missing_translation_would_be_seen(busy: None, reader: Any) -> None:
    """The search for English sentences finds those of the English page."""
    client = reader("en")
    for url in (
        OVERVIEW,
        LIST,
        page_of(Event.objects.get(order_id="A-1")),
        f"{LIST}{Event.objects.first().pk}/ask/resend/",
    ):
        assert len(english_in(client.get(url), "ko")) > 3, url


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "headline", "waiting", "day", "tile"),
    [
        ("en", "1,204 events delivered", r"(1 event is|2 events are) on", r"\w{3,4} \d+ \d\d:\d\d", "1,204 delivered"),
        ("ko", "이벤트 1,204건이 전송되었으며", "이벤트 [12]건을 보내는", r"\d+월 \d+일 \d\d:\d\d", "1,204 전송 완료"),
        ("ja", "に1,204件のイベントが", "[12]件のイベントを送信", r"\d+月\d+日 \d\d:\d\d", "1,204 送信済み"),
    ],
)
def test_numbers_dates_and_counts(
    configured: Any, reader: Any, language: str, headline: str, waiting: str, day: str, tile: str
) -> None:
    """Grouped digits, the order of a date, one and several."""
    configured()
    now = timezone.now()
    Destination.objects.create(alias="default", drained_at=now)
    delivered = Event(event_name="purchase", destination="default", status="delivered", finished_at=now)
    delivered.set_occurred_at(now)
    values = {field.attname: getattr(delivered, field.attname) for field in Event._meta.fields}
    del values["id"], values["event_id"]
    Event.objects.bulk_create(Event(**values) for _ in range(1204))
    for _ in range(2):
        make("pending", hours=0.1)
        page = text_of(reader(language).get(OVERVIEW))
        assert headline in page
        assert re.search(waiting, page)
        assert tile in page
    make("failed", hours=30)
    assert re.search(rf"{day}|\d{{4}}.\d+.\d+\D", text_of(reader(language).get(LIST)))


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_every_standing_can_be_said(language: str) -> None:
    """Of an event in any status, for any reason, in any language."""
    now = timezone.now()
    destination = Destination(alias="default", paused_by="kim")
    with translation.override(language):
        for status in EventStatus:
            for reason in Reason:
                event = Event(status=status, reason_code=reason, due_at=now, finished_at=now, definition="purchase")
                event.set_occurred_at(now - dt.timedelta(hours=1))
                for its in (None, destination):
                    assert "%" not in str(explain_status(event, its, now))


def test_numbers_follow_each_language() -> None:
    """Grouped as its readers group them."""
    for language in ("en", "ko", "ja", "de"):
        with translation.override(language):
            assert number(1204) == ("1.204" if language == "de" else "1,204")


def test_sentences_stand_side_by_side() -> None:
    """With a blank between them, but for Japanese."""
    assert join_sentences("One.", "", "Two.") == "One. Two."
    assert join_sentences("一。", "二。") == "一。二。"


@pytest.mark.django_db
def test_the_sentence_of_health_is_the_reader_s(configured: Any) -> None:
    """Each time anew, not that of whoever asked first."""
    configured()
    now = look()
    for language, words in (("ko", "아직 수집된"), ("ja", "まだイベントは"), ("en", "No event has been captured")):
        with translation.override(language):
            assert words in " ".join(finding.text for finding in assess(now).findings)


@pytest.mark.django_db
def test_django_s_log_is_in_the_site_s_language(configured: Any, reader: Any) -> None:
    """Others read it than whoever was logged; the message beside it is in the reader's."""
    configured()
    client = reader("ja")
    page = client.post(f"{OVERVIEW}pause/", {"destination": "default"}, follow=True)
    assert "送信先 default への送信を一時停止しました。" in text_of(page)
    event = make("failed", payload="{}")
    confirm(client, ask(client, "cancel", make("pending")))
    confirm(client, ask(client, "resend", event))
    assert list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True)) == [
        "Paused.", "Cancelled.", "Asked to send it again: the same event_id and content.",
    ]  # fmt: skip
