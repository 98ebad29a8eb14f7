"""The moment of an event, and the column by which reconcile finds rows."""

from __future__ import annotations

from typing import Any

from django.db import models

from .candidates import Candidate, columns_of, kind_of, rank
from .guesses import Guess, ProposedEvent
from .samples import SampleRows, newest
from .vocabulary.order_roles import CREATED_MOMENT
from .vocabulary.roles import Role


def put_moment(event: ProposedEvent, model: type[models.Model], moment: Guess | None) -> None:
    """Put the moment into a definition; without one, the column by which reconcile finds rows."""
    if moment:
        event.keys["event_datetime"] = moment
        return
    event.todo.append('"event_datetime": no column is set at that moment, so the moment of the save counts')
    if by := recent_by(model):
        event.keys["reconcile_by"] = by


def recent_by(model: type[models.Model]) -> Guess | None:
    """Return the column that says when a row was made; if there is none, when it was changed."""
    moments = [each for each in columns_of(model) if kind_of(each) == "moment"]
    names = [each.name for each in moments if getattr(each, "auto_now_add", False)]
    names += [each.path for each in rank(model, CREATED_MOMENT, SampleRows()) if not each.is_changed]
    if names:
        return Guess(names[0], "for reconcile: rows of the last 48 h by this column")
    changed = [each.name for each in moments if getattr(each, "auto_now", False)]
    words = "for reconcile; each save changes it, so an old row that is edited is sent as new"
    return Guess(changed[0], words, "medium") if changed else None


def set_then(model: type[models.Model], when: Any, *roles: Role) -> list[Candidate]:
    """Return the moments that are set when a condition becomes true: no row that matches it lacks them."""
    found = [each for role in roles for each in rank(model, role, SampleRows())]
    rows = newest(model, when)
    is_set = {each.path: None not in rows.values(each.path) for each in found}
    if True in dict(when or {}).values():  # a cart that becomes an order: a column that is never empty is the cart's
        own = {each.name for each in columns_of(model) if not each.null}
        found = [each for each in found if each.path not in own]
    return [each for each in found if not each.is_changed and not each.is_at_creation and is_set[each.path]]
