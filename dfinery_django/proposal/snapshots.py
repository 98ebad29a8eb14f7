"""Copies of a product in JSON columns of a line: rows tell their keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import models

from .candidates import Candidate, columns_of
from .samples import SampleRows


def json_values(model: type[models.Model], samples: SampleRows) -> Iterator[Candidate]:
    """Yield the texts and numbers in the JSON columns of rows, such as a copy of the product."""
    kinds = {str: models.CharField, int: models.IntegerField, float: models.FloatField}
    for column in columns_of(model):
        if isinstance(column, models.JSONField):
            rows = [each for each in samples.values(column.name) if isinstance(each, dict) and each]
            for name, value in (rows[0] if rows else {}).items():
                if type(value) in kinds and name.isidentifier():
                    yield Candidate(f"{column.name}.{name}", model, name, kinds[type(value)]())


def all_numbers(values: Sequence[Any]) -> bool:
    """Return whether all texts are numbers; what is missing counts as one."""
    try:
        return [float(each) for each in values if each] != []
    except (TypeError, ValueError):
        return False
