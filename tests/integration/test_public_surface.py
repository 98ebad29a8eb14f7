"""What is public in 1.0.0 stays until 2.0: names, settings, commands, codes, addresses, columns."""

from __future__ import annotations

import json
from typing import Any

import django
import pytest

from tests.support.doubles import is_ci
from tests.support.public_surface import DOTTED_PATHS, FILE, imports_in_docs, surface, vanished

if not is_ci():
    for package in ("prometheus_client", "celery", "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"):
        pytest.importorskip(package)

RELEASED: dict[str, Any] = json.loads(FILE.read_text())


@pytest.mark.django_db
def test_nothing_that_was_public_has_vanished() -> None:
    """Everything of 1.0.0 is still there, under its name, with its default and its parameters. More may have come."""
    assert list(vanished(RELEASED, json.loads(json.dumps(surface())))) == []


@pytest.mark.parametrize(
    ("new", "gone"),
    [
        ({"a": {"b": ["x", "y"], "c": 1}}, []),
        ({"a": {"b": ["y", "z", "x"], "c": 1, "d": 2}, "e": {}}, []),
        ({"a": {"b": ["x"], "c": 1}}, ["a > b > y"]),
        ({"a": {"c": 1}}, ["a > b"]),
        ({"a": {"b": ["x", "y"], "c": 2}}, ["a > c: was 1, is 2"]),
        ({}, ["a"]),
        ({"a": []}, ["a > b", "a > c"]),
    ],
)
def test_additions_are_no_matter_and_losses_are_named(new: dict[str, Any], gone: list[str]) -> None:
    """The comparison finds a missing name, member or value wherever it was, and nothing else."""
    assert list(vanished({"a": {"b": ["x", "y"], "c": 1}}, new)) == gone


@pytest.mark.django_db
def test_each_name_is_seen_in_the_code() -> None:
    """Whatever has --json has its keys compared, whatever the pages import exists, each queue's dotted paths too."""
    now = surface()
    assert {name for name, flags in now["commands"].items() if "--json" in flags} <= set(now["json"])
    assert set(imports_in_docs()) - set(now["names"]) == set()
    assert set(DOTTED_PATHS) - set(now["dotted paths"]) == set()
    assert now["names"]["dfinery_django.queues.celery.beat_schedule"] == ["dfinery"]


def test_no_part_of_the_file_is_empty() -> None:
    """The file of 1.0.0 has names of each kind, so that comparing with it says something."""
    assert [kind for kind, names in RELEASED.items() if not names] == []
    assert {"names", "settings", "definitions", "commands", "json", "rest api", "tables", "checks"} <= set(RELEASED)
    assert RELEASED["settings"]["MAX_AGE_HOURS"] == 48
    assert "--json" in RELEASED["commands"]["status"]
    assert "payload" in RELEASED["tables"]["dfinery_django_event"]
