"""What a mapping may say: each expression reads one value, and None means "leave the field out"."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given, strategies as st

from dfinery_django.exceptions import PayloadError
from dfinery_django.mapping.expressions import (
    Call,
    Coalesce,
    Display,
    Expression,
    Hashed,
    Path,
    Value,
    expression,
    is_empty,
    normalised,
)
from dfinery_django.mapping.fetching import get_rows
from dfinery_django.mapping.rows import Joined
from tests.shop.models import Line, Order, User
from tests.support.doubles import Shop


class Basket:
    """A plain object with what a path may meet."""

    number = 7
    empty = None
    zero = 0
    owner = SimpleNamespace(name="hong", address={"city": "Seoul", "geo": {"lat": 37.5}, "none": None})
    content = {"rows": [{"amount": 10}, {"amount": 20, "tags": ("new", "red")}], "0": "a key", "empty": []}
    raw = b"text"

    def total(self) -> int:
        return 100

    def first_line(self) -> SimpleNamespace:
        return SimpleNamespace(sku="A1")

    def prices(self) -> tuple[Any, ...]:
        return (SimpleNamespace(amount=5), None, deque(["a", "b"]))

    def gone(self) -> None:
        raise ObjectDoesNotExist

    def with_argument(self, argument: Any) -> Any:
        return argument

    @property
    def related(self) -> None:
        raise ObjectDoesNotExist

    @property
    def faulty(self) -> None:
        raise ZeroDivisionError("division by zero")

    def empty_it(self) -> None:
        raise AssertionError("called")

    empty_it.alters_data = True  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("number", 7),
        ("zero", 0),
        ("owner.name", "hong"),
        ("owner.name.upper", "HONG"),
        ("owner.address.city", "Seoul"),
        ("owner.address.geo.lat", 37.5),
        ("total", 100),
        ("first_line.sku", "A1"),
        # places in a list
        ("content.rows.0.amount", 10),
        ("content.rows.-1.amount", 20),
        ("content.rows.1.tags.1", "red"),
        ("content.rows.00.amount", 10),
        ("prices.0.amount", 5),
        ("prices.2.-2", "a"),
        ("content.0", "a key"),
        # nothing there: the field is left out
        ("empty", None),
        ("empty.name", None),
        ("owner.address.none.deeper", None),
        ("owner.address.zip", None),
        ("owner.address.zip.code", None),
        ("related", None),
        ("related.name", None),
        ("gone.name", None),
        ("content.rows.2.amount", None),
        ("content.rows.-3.amount", None),
        ("content.rows.999999999", None),
        ("content.empty.0", None),
        ("content.1.amount", None),
        ("prices.1.amount", None),
    ],
)
def test_a_path_follows_attributes_keys_and_callables(path: str, value: Any) -> None:
    """A path walks attributes, dict keys and callables; nothing anywhere on the way is None."""
    assert Path(path).resolve(Basket()) == value


@pytest.mark.parametrize(
    "path",
    [
        *("totl", "owner.nam", "total.foo", "owner.0", "owner.name.0", "owner.name.-1", "raw.0", "number.0"),
        *("content.rows.amount", "content.rows.first", "content.rows.--1", "content.rows.9999999999"),
        "content.rows.\u0660",
    ],
)
def test_a_name_that_is_not_there_is_an_error(path: str) -> None:
    """A misspelt name is no missing value: the error names the path and the part to mend."""
    with pytest.raises(PayloadError) as caught:
        Path(path).resolve(Basket())
    assert caught.value.path == path
    assert repr(path.rpartition(".")[2]) in caught.value.remedy


def test_a_method_that_changes_data_is_not_called() -> None:
    """What is marked as altering data is refused, as in Django's templates."""
    with pytest.raises(PayloadError, match=r"empty_it\(\) changes data"):
        Path("empty_it").resolve(Basket())


@pytest.mark.parametrize(("path", "error"), [("faulty", ZeroDivisionError), ("with_argument", TypeError)])
def test_errors_of_the_sites_code_pass(path: str, error: type[Exception]) -> None:
    """An error of the site's own code is not mistaken for a missing value."""
    with pytest.raises(error):
        Path(path).resolve(Basket())


@pytest.mark.django_db
def test_related_managers_are_walked_not_called(shop: Shop) -> None:
    """A path goes on from a related manager to its first row and that row's relations."""
    order = shop.place(lines=2)
    assert Path("lines.first.product.sku").resolve(order) == "123456789"
    assert Path("lines.count").resolve(order) == 2
    assert Path("lines").resolve(order).count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(("lines.all.0.quantity", 1), ("lines.all.1.quantity", 2), ("lines.all.-1.product.sku", "123456789")),
        *(("lines.all.2.quantity", None), ("lines.all.-3.quantity", None)),
    ],
)
def test_rows_have_places(shop: Shop, path: str, value: Any, django_assert_num_queries: Any) -> None:
    """The rows that a relation's ``all`` gives are in their order; those that were prefetched cost no query."""
    order = shop.place(lines=2)
    Line.objects.filter(pk=order.lines.last().pk).update(quantity=2)
    (row,) = get_rows(Order, [path], [order.pk], using="default")
    with django_assert_num_queries(0):
        assert Path(path).resolve(row) == value
    assert Path(path).resolve(Order.objects.get()) == value


@pytest.mark.django_db
def test_a_manager_has_no_places(shop: Shop) -> None:
    """The error of the path says so; the check advises ``.first``."""
    with pytest.raises(PayloadError, match="Fix '0' in the path"):
        Path("lines.0.quantity").resolve(shop.place())


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["customer.pk", "lines.first.product.sku"])
def test_missing_rows_leave_the_field_out(shop: Shop, path: str) -> None:
    """A guest's order without lines has neither customer nor product, and no error."""
    assert Path(path).resolve(shop.place(lines=0)) is None


@pytest.mark.parametrize("path", ["order.number", "order.customer.username"])
def test_a_required_relation_that_is_not_set_is_none(path: str) -> None:
    """A foreign key that was never set reads as None although Django raises."""
    assert Path(path).resolve(Line()) is None


@pytest.mark.parametrize("path", ["save", "delete", "lines.create"])
def test_no_path_saves_or_deletes(path: str) -> None:
    """The shop's objects are never changed by a mapping."""
    with pytest.raises(PayloadError, match="changes data"):
        Path(path).resolve(Order(pk=1))


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b"])
def test_a_path_has_no_empty_part(path: str) -> None:
    """A path with an empty part is refused where it is written."""
    with pytest.raises(TypeError, match="empty part"):
        expression(path)


def test_a_mapping_value_becomes_an_expression() -> None:
    """A text is a path, a callable is called with the instance, an expression stays what it is."""
    constant = Value("WEB")
    assert isinstance(expression("number"), Path)
    assert isinstance(expression(len), Call)
    assert expression(constant) is constant
    assert expression(lambda basket: basket.number * 2).resolve(Basket()) == 14


@pytest.mark.parametrize("spec", [7, None, True, ["number"], {"a": 1}])
def test_anything_else_is_told_about_value(spec: Any) -> None:
    """What is no path, callable or expression is refused, with the line to write for a constant."""
    with pytest.raises(TypeError) as caught:
        expression(spec)
    assert f"write Value({spec!r})" in str(caught.value)


@pytest.mark.parametrize("constant", ["WEB", 0, None, False, "number"])
def test_a_constant_is_read_from_nothing(constant: Any) -> None:
    """Value is the same for every instance and never a path."""
    assert Value(constant).resolve(Basket()) == constant
    assert not Value(constant).paths()


@pytest.mark.parametrize(
    ("sources", "value"),
    [
        (["empty", "number"], 7),
        (["number", "total"], 7),
        ([Value(""), "total"], 100),
        (["zero", "number"], 0),
        ([Value(False), "number"], False),
        (["empty", "related", Value("")], None),
        (["empty", lambda basket: "called"], "called"),
        (["empty", Coalesce("related", Value("inner"))], "inner"),
        (["number", "faulty"], 7),
    ],
)
def test_coalesce_takes_the_first_that_is_not_empty(sources: list[Any], value: Any) -> None:
    """The first source that is neither None nor an empty text wins, zero and False included, and ends the reading."""
    assert Coalesce(*sources).resolve(Basket()) == value


@pytest.mark.parametrize("typed", ["hong@example.com", " Hong@Example.COM\n", "HONG@EXAMPLE.COM"])
def test_a_hash_is_that_of_the_normalised_text(typed: str) -> None:
    """One address gives one identity however it was typed: SHA-256 in hex, without blanks, in lower case."""
    assert Hashed(Value(typed)).resolve(None) == hashlib.sha256(b"hong@example.com").hexdigest()


@pytest.mark.parametrize(("value", "hashed"), [("홍길동", "홍길동"), (7, "7"), (gettext_lazy("Lazy"), "lazy")])
def test_a_hash_takes_any_text(value: Any, hashed: str) -> None:
    """Text of any language, numbers and lazy text are hashed as UTF-8."""
    assert Hashed(Value(value)).resolve(None) == hashlib.sha256(hashed.encode()).hexdigest()


INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00a0\u00ad\ufe0e\ufe0f\u034f\u3000\u2028\u3164\u202e\x00\x1f \t\r\n"


@given(st.text(max_size=20), st.text(INVISIBLE, max_size=5), st.text(INVISIBLE, max_size=5))
def test_what_nobody_sees_makes_no_other_person(text: str, before: str, after: str) -> None:
    """Invisible characters at the ends, composed or decomposed letters: one hash. Once normalised, for good."""
    wanted = Hashed(Value(text)).resolve(None)
    for form in ("NFC", "NFD"):
        assert Hashed(Value(f"{before}{unicodedata.normalize(form, text)}{after}")).resolve(None) == wanted
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("\ufeffHong@Example.com\u200b", "hong@example.com"),
        ("\u00a0hong@example.com\u00ad", "hong@example.com"),
        ("Jose\u0301@example.com", "jos\u00e9@example.com"),
        ("\u1112\u1169\u11bc", "홍"),
        ("hong\ufe0f", "hong"),
        ("\u3164홍길동\u3000", "홍길동"),
    ],
)
def test_one_address_is_one_person(typed: str, same: str) -> None:
    """However it was typed, pasted or read from a file: the hash of the plain text."""
    assert Hashed(Value(typed)).resolve(None) == hashlib.sha256(same.encode()).hexdigest()


@pytest.mark.parametrize("other", ["ho ng", "ho\u200bng", "hong.", "h\u00f6ng"])
def test_what_is_seen_or_stands_within_makes_another_person(other: str) -> None:
    """Nothing is taken out of a text, and no letter becomes another."""
    assert Hashed(Value(other)).resolve(None) != Hashed(Value("hong")).resolve(None)


def test_a_hash_of_an_object_without_a_text() -> None:
    """Python's text of an object has its address: another hash in each process. It is refused."""
    with pytest.raises(PayloadError, match="a object can't be sent"):
        Hashed(Value(object())).resolve(None)


@pytest.mark.parametrize("nothing", [None, "", "  \t", "\u200b\ufeff", mark_safe("")])
def test_a_hash_of_nothing_is_nothing(nothing: Any) -> None:
    """An empty address is no identity that all guests share."""
    assert Hashed(Value(nothing)).resolve(None) is None


@pytest.mark.parametrize("build", [Coalesce, lambda: Coalesce("a", 7), lambda: Hashed(7), lambda: Hashed("a..b")])
def test_composites_check_their_sources_where_they_are_written(build: Any) -> None:
    """A composite without sources, or with one that is none, is refused at once."""
    with pytest.raises(TypeError):
        build()


@pytest.mark.parametrize(
    ("path", "instance", "shown"),
    [
        ("status", Order(status="paid"), "Paid"),
        ("payment_method", Order(), "MobilePayment"),
        ("customer.grade", Order(customer=User(grade="gold")), "Gold member"),
        ("customer.grade", Order(), None),
    ],
)
def test_display_is_the_human_name_of_a_choice(path: str, instance: Order, shown: str | None) -> None:
    """A choice is shown by its name, also behind a relation, and not at all where there is none."""
    assert Display(path).resolve(instance) == shown


def test_display_of_a_field_without_choices_is_an_error() -> None:
    """A field without choices has no human name, and the error says which method is missing."""
    with pytest.raises(PayloadError, match="get_number_display"):
        Display("number").resolve(Order())


@pytest.mark.django_db
def test_joined_is_what_several_rows_say(shop: Shop) -> None:
    """Each text once, in the order of the rows, without empty ones; numbers as the wire writes them."""
    order = shop.place(lines=4)
    for line, coupon in zip(order.lines.all(), ("B", "A", "", "B"), strict=True):
        Line.objects.filter(pk=line.pk).update(coupon=coupon)
    assert Joined("lines", "coupon").resolve(order) == "B,A"
    assert Joined("lines", Coalesce("coupon", Value("none")), separator=" + ").resolve(order) == "B + A + none"
    assert Joined("lines", "unit_price").resolve(order) == "1900000.00"


@pytest.mark.parametrize("rows", ["empty", "related", "none"])
def test_joined_of_nothing_is_nothing(rows: str) -> None:
    """Without rows, or without any that says something, the field is left out."""
    basket = Basket()
    basket.none = [SimpleNamespace(code=""), SimpleNamespace(code=None)]  # type: ignore[attr-defined]
    assert Joined(rows, "code").resolve(basket) is None


def test_joined_takes_texts_not_objects() -> None:
    """A row's object, or a list of it, is refused as it would be anywhere."""
    with pytest.raises(PayloadError, match="SimpleNamespace can't be sent"):
        Joined("owners", "self").resolve(SimpleNamespace(owners=[SimpleNamespace(self=SimpleNamespace())]))


@pytest.mark.parametrize(
    ("source", "paths", "shown"),
    [
        (expression("a.b"), ["a.b"], "'a.b'"),
        (expression(len), [], "len"),
        (Value("WEB"), [], "Value('WEB')"),
        (Coalesce("a.b", Hashed("c")), ["a.b", "c"], "Coalesce('a.b', Hashed('c'))"),
        (Display("customer.grade"), ["customer.get_grade_display"], "Display('customer.grade')"),
        (Joined("lines", "product.sku"), ["lines.all.product.sku"], "Joined('lines', 'product.sku')"),
    ],
)
def test_expressions_tell_what_they_read(source: Expression, paths: list[str], shown: str) -> None:
    """Every expression lists its paths, for checks and prefetching, and prints as it was written."""
    assert list(source.paths()) == paths
    assert repr(source) == shown


@pytest.mark.parametrize(("value", "empty"), [(None, True), ("", True), (0, False), (False, False), (" ", False)])
def test_what_counts_as_empty(value: Any, empty: bool) -> None:
    """Only None and the empty text are empty."""
    assert is_empty(value) is empty
