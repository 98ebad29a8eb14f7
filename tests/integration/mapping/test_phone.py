"""``Phone``: digits with the country code, from whatever people type; no number, no field."""
# ruff: noqa: RUF001 - what people type

from __future__ import annotations

import hashlib
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import phonenumbers
import pytest
from hypothesis import given, strategies as st

from dfinery_django import Coalesce, ConfigurationError, Hashed, PayloadError, Phone, Value, capture, preview
from dfinery_django.mapping.expressions import Call
from dfinery_django.models import Event
from tests.integration.ways import built
from tests.shop.models import Order
from tests.support.doubles import PURCHASE


def digits(value: Any, region: str = "KR") -> Any:
    return Phone(Value(value), region).resolve(None)


@pytest.mark.parametrize(
    "typed",
    [
        *("010-1234-5678", "01012345678", "010 1234 5678", "010.1234.5678", "(010) 1234-5678", "010–1234–5678"),
        *("０１０－１２３４－５６７８", "＋８２ １０ １２３４ ５６７８", "010ー1234ー5678"),
        *("+82 10-1234-5678", "+82 (0)10-1234-5678", "(+82)10-1234-5678", "+8201012345678", "+82.10.1234.5678"),
        *("0082 10 1234 5678", "00821012345678", "0082-(0)10-1234-5678", "00182 10 1234 5678", "002-82-10-1234-5678"),
        *("82-10-1234-5678", "821012345678", "82 010 1234 5678", "tel:+82-10-1234-5678"),
        *(" 010-1234-5678\n", "\u202a+82 10-1234-5678\u202c", "010\u00a01234\u00a05678", "\u200b010-1234-5678"),
        *("010-1234-5678 (엄마)", "010-1234-5678 자택", "핸드폰 010-1234-5678", "010-1234-5678 내선 12"),
        *("010-1234-5678 ext. 12", "010-1234-5678#12", "010-1234-5678 x12"),
        1012345678,  # a column of numbers has lost the zero
        phonenumbers.parse("010-1234-5678", "KR"),
    ],
)
def test_one_number_in_many_spellings(typed: Any) -> None:
    """Blanks, dashes, full-width digits, prefixes, remarks and extensions make no difference."""
    assert digits(typed) == "821012345678"


@pytest.mark.parametrize(
    ("typed", "region", "number"),
    [
        ("02-123-4567", "KR", "8221234567"),
        ("1588-1234", "KR", "8215881234"),
        ("0507-1234-5678", "KR", "8250712345678"),
        ("+1 212 555 2368", "KR", "12125552368"),
        ("+44 (0)20 7946 0958", "KR", "442079460958"),
        ("090-1234-5678", "JP", "819012345678"),
        ("010 82 10 1234 5678", "JP", "821012345678"),
        ("010-1234-5678", "JP", None),
        ("212 555 2368", "US", "12125552368"),
    ],
)
def test_countries(typed: str, region: str, number: str | None) -> None:
    """The region holds for numbers without a country code alone."""
    assert digits(typed, region) == number


@pytest.mark.parametrize(
    "typed",
    [
        *(None, "", " ", "없음", "-", "010", "010-1234-567890123", "123", "112", "+999 1234 5678"),
        *("9" * 1000, "\x00", "\ud800", "010-1234-5678 / 010-2222-3333", True, 0, 82.5),
        phonenumbers.PhoneNumber(),
    ],
)
def test_no_number_is_nothing(typed: Any) -> None:
    """What can't be dialled leaves the field out, as an empty value does."""
    assert digits(typed) is None


@given(st.text(max_size=40))
def test_no_text_is_an_error(text: str) -> None:
    """Whatever is typed gives digits or nothing."""
    found = digits(text)
    assert found is None or found.isascii()
    assert found is None or found.isdecimal()


def test_an_object_is_a_mistake_of_the_mapping() -> None:
    """A list or a row is no number that somebody mistyped: the path ends too early."""
    with pytest.raises(PayloadError, match="can't be sent"):
        digits(["010-1234-5678"])
    with pytest.raises(PayloadError, match="Fix 'fone'"):
        Phone("fone", "KR").resolve(SimpleNamespace())


@pytest.mark.parametrize(
    ("region", "hint"),
    [("kr", 'Write "KR"'), *((each, 'ISO code: "KR"') for each in ("KO", "Korea", "KOR", "", 82, None))],
)
def test_an_unknown_region(region: Any, hint: str) -> None:
    """It is refused where it is written, with what to write."""
    with pytest.raises(ConfigurationError, match=hint):
        Phone("phone", region)


def test_it_prints_as_it_was_written_and_tells_its_paths() -> None:
    """For checks, prefetching and preview."""
    phone = Phone(Coalesce("customer.mobile", "tel"), "KR")
    assert repr(phone) == "Phone(Coalesce('customer.mobile', 'tel'), 'KR')"
    assert list(phone.paths()) == ["customer.mobile", "tel"]


def test_any_source() -> None:
    """A callable, another expression, and other expressions around it."""
    person = SimpleNamespace(mobile="010-1234-567890", tel="02-123-4567")
    assert Phone(Call(lambda each: each.tel), "KR").resolve(person) == "8221234567"
    assert Coalesce(Phone("mobile", "KR"), Phone("tel", "KR")).resolve(person) == "8221234567"
    assert Hashed(Phone("tel", "KR")).resolve(person) == hashlib.sha256(b"8221234567").hexdigest()
    assert Hashed(Phone("mobile", "KR")).resolve(person) is None


WITH_PHONE = {**PURCHASE, "event_attributes": {"order_id": "number", "phone": Phone("note", "KR")}}


@pytest.mark.django_db
def test_a_mistyped_number_fails_no_purchase(configured: Any, shop: Any) -> None:
    """The purchase is sent without it."""
    configured(EVENTS={"purchase": WITH_PHONE})
    customer = shop.customer()
    for note in ("010-1234-5678", "010-1234"):
        shop.place(status="paid", customer=customer, note=note)
    sent = [payload["event_attributes"].get("phone") for payload in built()]
    assert sent == ["821012345678", None]


@pytest.mark.django_db
def test_without_the_package(configured: Any, shop: Any, monkeypatch: Any) -> None:
    """A settings module loads, and the error of an event says what to install."""
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    configured(EVENTS={"purchase": {**WITH_PHONE, "event_attributes": {"phone": Phone("note", "KR")}}})
    order = shop.place(customer=shop.customer(), note="010-1234-5678")
    with pytest.raises(PayloadError, match=r'pip install "dfinery-django\[phone\]"'):
        preview("purchase", order)
    with pytest.raises(ConfigurationError, match='"KR"'):
        Phone("note", "Korea")


def test_importing_the_app_imports_no_phonenumbers() -> None:
    """A shop that sends no phone numbers doesn't pay for their metadata."""
    code = "import sys, dfinery_django; dfinery_django.Phone; print('phonenumbers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("user_id", "number"),
    [
        (Phone("note", "KR"), "821012345678"),
        (Hashed(Phone("note", "KR")), hashlib.sha256(b"821012345678").hexdigest()),
        (Phone(Phone("note", "KR"), "KR"), "821012345678"),
        (Coalesce("customer.pk", Hashed(Phone("note", "KR"))), hashlib.sha256(b"821012345678").hexdigest()),
    ],
)
def test_a_guest_known_by_phone(configured: Any, shop: Any, user_id: Any, number: str) -> None:
    """The number of the order is kept at capture: a guest who is anonymised before the build is still known by it."""
    configured(EVENTS={"purchase": {**PURCHASE, "user": None, "user_attributes": {"user_id": user_id}}})
    shop.place(status="paid", note="010-1234-5678")
    assert Event.objects.get().user_id == number
    Order.objects.update(note="")
    (payload,) = built()
    assert payload["user_attributes"] == {"user_id": number}


@pytest.mark.django_db(transaction=True)
def test_a_mistyped_number_gives_way_to_what_comes_next(configured: Any, shop: Any) -> None:
    """In ``Coalesce`` it is as good as none, at capture as at build."""
    user_id = Coalesce(Phone("note", "KR"), Hashed("guest_email"))
    configured(EVENTS={"purchase": {**PURCHASE, "user": None, "user_attributes": {"user_id": user_id}}})
    order = shop.place(note="010-12", guest_email="hong@example.com")
    assert capture("purchase", order) is not None
    hashed = hashlib.sha256(b"hong@example.com").hexdigest()
    assert Event.objects.get().user_id == hashed
    assert [payload["user_attributes"]["user_id"] for payload in built()] == [hashed]
