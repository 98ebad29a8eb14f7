"""Columns whose Python values are objects: what is stored is sent, and what can't be is known before."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import zoneinfo
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.postgres.fields import ArrayField, HStoreField
from django.core.validators import RegexValidator
from django.db import models
from django.test.utils import isolate_apps
from django.utils import translation

from dfinery_django.exceptions import PayloadError
from dfinery_django.mapping.expressions import Coalesce, Hashed, Path
from dfinery_django.mapping.rows import Joined
from dfinery_django.schema.model_fields import field_fault, wire_type_of
from dfinery_django.schema.types import WireType, convert, infer


class Text:
    """A text object that is no str."""

    def __init__(self, stored: str) -> None:
        self.stored = stored

    def __str__(self) -> str:
        return f"shown {self.stored}"


class TextField(models.CharField):  # type: ignore[type-arg]
    """Hands out a Text, as fields of phone numbers and countries do."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else Text(value)

    def get_prep_value(self, value: Any) -> Any:
        return value.stored if isinstance(value, Text) else value


class ShownField(TextField):
    """Converts for the database elsewhere: what it shows is its text."""

    get_prep_value = models.CharField.get_prep_value

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, Text) else Text(value)


class FailingField(TextField):
    def get_prep_value(self, value: Any) -> Any:
        raise TypeError("elsewhere")


class Translated:
    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts

    def __str__(self) -> str:
        return self.texts.get(translation.get_language() or "", self.texts["en"])


class TranslatedField(models.TextField):  # type: ignore[type-arg]
    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return Translated(json.loads(value))

    def get_prep_value(self, value: Any) -> Any:
        return json.dumps(value.texts) if isinstance(value, Translated) else value


class ForeignField(models.Field):  # type: ignore[type-arg]
    """No child of CharField, yet stored as one."""

    def get_internal_type(self) -> str:
        return "CharField"

    def get_prep_value(self, value: Any) -> Any:
        return str(value)


class Money:
    def __init__(self, amount: Any) -> None:
        self.amount, self.currency = amount, "KRW"


class MoneyField(models.DecimalField):  # type: ignore[type-arg]
    def to_python(self, value: Any) -> Any:
        return value.amount if isinstance(value, Money) else super().to_python(value)


class Colour(enum.Enum):
    RED = ("red", "#f00")


class ColourField(models.CharField):  # type: ignore[type-arg]
    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> Any:
        return value.name.lower()


@dataclasses.dataclass
class Point:
    x: int = 1


class PointField(models.TextField):  # type: ignore[type-arg]
    """Hands out what has no text."""

    def to_python(self, value: Any) -> Any:
        return Point()

    def get_prep_value(self, value: Any) -> Any:
        return json.dumps(dataclasses.asdict(value))


class ReprField(PointField):
    get_prep_value = models.Field.get_prep_value

    def to_python(self, value: Any) -> Any:
        return str(value)


class BrokenField(TextField):
    """Its objects fail when they are looked at."""

    def to_python(self, value: Any) -> Any:
        class Broken:
            def __str__(self) -> str:
                raise RuntimeError

        return Broken()


class Key(models.TextField):  # type: ignore[type-arg]
    def get_prep_value(self, value: Any) -> Any:
        return value.stored if isinstance(value, Text) else value


def model_with(field: Any) -> Any:
    """An unsaved row's class with this column."""
    content = {"column": field, "__module__": __name__, "Meta": type("Meta", (), {"app_label": "shop"})}
    with isolate_apps("tests.shop"):
        return type("Row", (models.Model,), content)


TEXTS = [
    (TextField(), Text("KR"), "KR"),
    (ShownField(), Text("KR"), "shown KR"),
    (FailingField(), Text("KR"), "shown KR"),
    (TranslatedField(), Translated({"en": "Shirt", "ko": "셔츠"}), "Shirt"),
    (ForeignField(), zoneinfo.ZoneInfo("Asia/Seoul"), "Asia/Seoul"),
    (ColourField(), Colour.RED, "red"),
    (models.FileField(), "pictures/a.png", "pictures/a.png"),
]


@pytest.mark.parametrize(("field", "value", "sent"), TEXTS, ids=lambda value: type(value).__name__)
def test_the_text_of_a_column(field: Any, value: Any, sent: str) -> None:
    """A text column's object is sent as what is stored, else as its text; in every kind of expression."""
    row = model_with(field)(column=value)
    with translation.override("en"):
        assert [convert(each.resolve(row), None, "x") for each in (Path("column"), Coalesce("column"))] == [sent] * 2
        assert Joined("rows", "column").resolve({"rows": [row, row]}) == sent
        assert Hashed("column").resolve(row) == Hashed("text").resolve({"text": sent})
    assert wire_type_of(field) is WireType.STRING


def test_money_of_a_column() -> None:
    """It is its amount; without a column, too."""
    field = MoneyField(max_digits=9, decimal_places=2)
    row = model_with(field)(column=Money(Decimal("5.50")))
    assert convert(Path("column").resolve(row), WireType.DOUBLE, "x") == 5.5
    assert convert(Money(7), WireType.DOUBLE, "x") == 7.0
    assert infer(Money(Decimal(7))) is WireType.DOUBLE
    assert wire_type_of(field) is WireType.DOUBLE
    with pytest.raises(PayloadError):
        convert(Money("7"), None, "x")


def test_a_column_behind_a_key() -> None:
    """customer_id, and pk: what the key's own field says."""
    with isolate_apps("tests.shop"):
        meta = type("Meta", (), {"app_label": "shop"})
        owner = type("Owner", (models.Model,), {"code": Key(primary_key=True), "__module__": __name__, "Meta": meta})
        key = models.ForeignKey(owner, models.CASCADE)
        row: Any = type("Row", (models.Model,), {"owner": key, "__module__": __name__, "Meta": meta})
        assert Path("owner_id").resolve(row(owner_id=Text("KR"))) == "KR"
        assert Path("pk").resolve(owner(code=Text("KR"))) == "KR"
        assert Path("owner.pk").resolve(row(owner=owner(code=Text("KR")))) == "KR"


@pytest.mark.parametrize("field", [PointField(), ReprField(), models.JSONField()], ids=lambda each: type(each).__name__)
def test_an_object_without_a_text(field: Any) -> None:
    """What Python makes of any object is no text: it stays what it is, and is refused."""
    row = model_with(field)(column=Point())
    assert Path("column").resolve(row) == Point()
    with pytest.raises(PayloadError, match="a Point can't be sent"):
        convert(Path("column").resolve(row), WireType.STRING, "x")


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        (models.DurationField(), "timedelta"),
        (models.BinaryField(), "memoryview"),
        (PointField(), "Point"),
        (ArrayField(models.CharField(max_length=5)), "list"),
        (HStoreField(), "dict"),
        (
            models.GeneratedField(expression=models.F("id"), output_field=models.DurationField(), db_persist=True),
            "delta",
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_can_not_be_sent_is_known(field: Any, problem: str) -> None:
    """The field is asked what it hands out."""
    model_with(field)
    fault = field_fault(field)
    assert fault is not None
    assert problem in fault.problem


@pytest.mark.parametrize(
    "field",
    [
        *(field for field, _, _ in TEXTS),
        MoneyField(max_digits=9, decimal_places=2),
        BrokenField(),
        models.CharField(choices=lambda: 1 / 0),
        models.CharField(max_length=1),
        models.CharField(validators=[RegexValidator("never")]),
        models.CharField(choices=[("x", "X")], default="x"),
        models.EmailField(),
        models.URLField(),
        models.IntegerField(),
        models.FloatField(),
        models.BooleanField(),
        models.BooleanField(null=True),
        models.DateField(),
        models.DateTimeField(),
        models.TimeField(),
        models.UUIDField(),
        models.GenericIPAddressField(),
        models.JSONField(),
        models.SlugField(),
        models.FilePathField(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_can_be_sent_is_no_fault(field: Any) -> None:
    """Nor is a field that takes no sample."""
    model_with(field)
    assert field_fault(field) is None


def test_no_default_is_called_to_find_out() -> None:
    """A default may draw a number."""

    def draw() -> str:
        raise AssertionError

    field = models.CharField(default=draw)
    model_with(field)
    assert field_fault(field) is None


def test_a_moment_is_no_object() -> None:
    """Dates and the like are what they are."""
    now = dt.datetime.now(dt.timezone.utc)
    assert Path("column").resolve(model_with(models.DateTimeField())(column=now)) is now
