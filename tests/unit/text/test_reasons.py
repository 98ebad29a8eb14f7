"""Reasons: a code and its parameters, an English text, the same in the reader's language, and how they are stored."""

from __future__ import annotations

import ast
import copy
import datetime as dt
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone, translation

import dfinery_django
from dfinery_django.exceptions import PayloadError
from dfinery_django.schema import properties
from dfinery_django.text.reason_texts import TEMPLATES
from dfinery_django.text.reasons import (
    REASON_DATA_LENGTH,
    ReasonText,
    in_language,
    reason_of,
    restore,
    to_json,
    translated,
    unusable_token,
)
from dfinery_django.tokens import Token

PACKAGE = Path(dfinery_django.__file__).parent
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
REFUSED = ReasonText("connection_refused", place="127.0.0.1:9")


def sources() -> Iterator[ast.AST]:
    for path in PACKAGE.rglob("*.py"):
        if path.name != "reason_texts.py":
            yield from ast.walk(ast.parse(path.read_text()))


def test_every_code_is_used_with_its_parameters() -> None:
    """No call names an unknown code or forgets a parameter, and no code is left from earlier."""
    for node in sources():
        is_reason = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ReasonText"
        if not is_reason or not isinstance(node.args[0], ast.Constant) or not all(each.arg for each in node.keywords):
            continue
        code, given = node.args[0].value, {each.arg for each in node.keywords}
        assert given == set(PLACEHOLDER.findall(TEMPLATES[code])), code
    words = {node.value for node in sources() if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    faults = {Token(value).fault for value in ("", "a b")}  # found by their text: see ``unusable_token``
    assert [code for code, text in TEMPLATES.items() if code not in words and text not in faults] == []


@pytest.mark.parametrize("code", TEMPLATES)
@pytest.mark.parametrize("language", ["ko", "ja"])
def test_every_code_reads_in_every_language(code: str, language: str) -> None:
    """With every parameter, from what is stored, and not in English."""
    params = {name: f"<{name}>" for name in PLACEHOLDER.findall(TEMPLATES[code])}
    reason = ReasonText(code, **params)
    assert reason == TEMPLATES[code] % params
    with translation.override(language):
        text = translated(to_json(reason), "another text")
    assert all(value in text for value in params.values())
    words = re.sub("|".join(params.values()) or "-", "", text)
    assert re.search("[가-힣]" if language == "ko" else "[ぁ-んァ-ン一-龯]", words) or not re.search(r"[a-z]{2}", words)


def test_it_is_its_english_text() -> None:
    """Wherever a text is expected: in a log, in JSON, copied, pickled."""
    text = "Connection refused by 127.0.0.1:9: nothing was sent."
    assert (REFUSED, str(REFUSED), f"{REFUSED}") == (text,) * 3
    assert type(str(REFUSED)) is str
    assert json.loads(json.dumps({"why": REFUSED})) == {"why": text}
    for twin in (copy.deepcopy(REFUSED), pickle.loads(pickle.dumps(REFUSED))):
        assert (twin, twin.code, twin.params) == (text, REFUSED.code, REFUSED.params)
    with translation.override("ko"):
        assert str(REFUSED) == text
        assert in_language(REFUSED) == "127.0.0.1:9에서 연결을 거부했습니다. 아무것도 전송되지 않았습니다."


def test_a_reason_may_be_a_parameter() -> None:
    """Both are translated; a foreign text stays as it is."""
    error = PayloadError("items[0].price", ReasonText("wrong_kind", kind="str", type="Double"), "Do it right.")
    assert reason_of(error) == str(error) == "items[0].price: a str is not a Double. Do it right."
    with translation.override("ko"):
        assert translated(to_json(reason_of(error)), "") == (
            "items[0].price: str 값은 Double 유형이 아닙니다. Do it right."
        )


DAMAGED = (
    *("", "{", "null", "7", "[]", "[[]]", '["no_such_code"]', '["guest", 7]', '[["guest"]]', '["rejected"]'),
    *('["rejected", {"code": 1}]', '["rejected", {"answer": {"a": 1}}]', '["rejected", {"answer": null}]'),
    "[" * 100_000,
)


@pytest.mark.parametrize("data", DAMAGED, ids=lambda data: data[:30])
def test_what_can_t_be_read_is_shown_in_english(data: str) -> None:
    """A row of another version, or one that somebody has damaged."""
    assert translated(data, "the English text") == "the English text"


def test_a_moment_is_the_reader_s() -> None:
    """In English it is in UTC, for logs; on a page in the zone and the form of whoever reads."""
    moment = dt.datetime(2026, 3, 4, 12, tzinfo=dt.timezone.utc)
    reason = ReasonText("expired_without_worker", since=moment)
    assert "since 2026-03-04 12:00:00 UTC." in reason
    assert restore(to_json(reason), "") == reason
    with timezone.override("Asia/Tokyo"), translation.override("ja"):
        assert "2026-03-04 21:00以降" in translated(to_json(reason), "")


@pytest.mark.parametrize("text", ["x" * 100_000, "한" * 5000, "\ud800\x00" * 2000])
def test_what_is_stored_is_short_ascii(text: str) -> None:
    """Whatever a server answers; every database takes it, and the message is only cut."""
    for reason in (
        ReasonText("rejected", answer=text),
        ReasonText("no_answer", error=ReasonText("rejected", answer=text)),
    ):
        data = to_json(reason)
        assert data.isascii()
        assert 0 < len(data) <= REASON_DATA_LENGTH
        assert restore(data, "").startswith(str(reason)[:20])
    assert to_json("a plain text") == ""


@pytest.mark.parametrize("token", ["", "a b"])
def test_the_fault_of_a_token_is_translated(token: str) -> None:
    """Though the module that finds it lies below the catalogue."""
    reason = unusable_token("brand", Token(token).fault)
    assert str(reason) == f"DFINERY['TOKENS']['brand'] is {Token(token).fault}."
    assert isinstance(reason.params["fault"], ReasonText)


def test_the_reserved_fields_say_why() -> None:
    """Their reasons are made when the module is imported, and are translated when they are read."""
    assert all(isinstance(each, ReasonText) for each in properties.RESERVED.values())


def test_a_settings_module_may_import_the_app() -> None:
    """Nothing here reads the settings at import."""
    command = "import dfinery_django; from dfinery_django.text import reasons"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, env={}, check=False)
    assert done.returncode == 0, done.stderr


def test_a_text_that_is_no_reason_stays(settings: Any) -> None:
    """A protocol of the site's own gives plain sentences."""
    assert in_language("as it is") == "as it is"
