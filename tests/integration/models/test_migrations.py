"""The migrations and the models agree, the first is frozen, and a changed label asks for no migration."""

from __future__ import annotations

import hashlib
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import models

from dfinery_django.enums import Action, EventStatus, Outcome, Reason
from dfinery_django.models import DeliveryAttempt, Destination, Event, Repair

pytestmark = pytest.mark.django_db

#: SHA-256 of 0001_initial.py as 1.0.0 has it.
INITIAL = "b3cf12b79b16ae60420ea8833cad3635c2b3d75e1341d62034e4be30e3c8ecc8"


def test_no_migration_is_missing() -> None:
    """The models and the migrations agree."""
    call_command("makemigrations", "dfinery_django", check=True, dry_run=True, verbosity=0)


def test_the_first_migration_is_frozen() -> None:
    """Sites have run it: what it did can't be changed in its file. A change is a migration of its own."""
    file = Path(str(import_module("dfinery_django.migrations.0001_initial").__file__))
    assert hashlib.sha256(file.read_text().encode()).hexdigest() == INITIAL


def test_migrations_are_a_chain() -> None:
    """Each builds on the one before, so that sites run them in one order; none replaces others."""
    names = sorted(
        each.stem for each in Path(str(import_module("dfinery_django.migrations").__file__)).parent.glob("0*.py")
    )
    for before, name in pairwise(names):
        migration = import_module(f"dfinery_django.migrations.{name}").Migration
        assert [each for each in migration.dependencies if each[0] == "dfinery_django"] == [("dfinery_django", before)]
        assert (migration.replaces, migration.initial) == ([], None)


@pytest.mark.parametrize("model", [Event, DeliveryAttempt, Destination, Repair])
def test_the_migration_names_choices_and_does_not_list_them(model: type[models.Model]) -> None:
    """A listed label would be a migration on every site as soon as it changes."""
    for field in model._meta.fields:
        choices: Any = field.deconstruct()[3].get("choices")
        assert choices is None or callable(choices), field
        assert choices is None or list(field.flatchoices) == list(choices()), field


@pytest.mark.parametrize("choices", [EventStatus, Outcome, Reason, Action])
def test_a_changed_label_asks_for_no_migration(choices: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are words for people: they change between releases."""
    for member in choices:
        monkeypatch.setattr(member, "_label_", "something else")
    assert {label for _, label in choices.choices} == {"something else"}
    call_command("makemigrations", "dfinery_django", check=True, dry_run=True, verbosity=0)
