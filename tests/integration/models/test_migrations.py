"""The migration and the models agree, and a changed label asks for no migration."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import models

from dfinery_django.enums import Action, EventStatus, Outcome, Reason
from dfinery_django.models import DeliveryAttempt, Destination, Event, Repair

pytestmark = pytest.mark.django_db


def test_no_migration_is_missing() -> None:
    """The models and the one migration agree."""
    call_command("makemigrations", "dfinery_django", check=True, dry_run=True, verbosity=0)


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
