"""Equal attempts in a row as one line: "9 times since 13:45, most recently 14:02: ...". Text only, no HTML."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from ..models import DeliveryAttempt
from ..text.times import format_datetime, number


@dataclass(frozen=True)
class AttemptGroup:
    """One attempt, or several in a row with the same result for the same reason; the earliest first."""

    attempts: tuple[DeliveryAttempt, ...]

    @property
    def first(self) -> DeliveryAttempt:
        return self.attempts[0]

    @property
    def last(self) -> DeliveryAttempt:
        return self.attempts[-1]

    @property
    def is_single(self) -> bool:
        return len(self.attempts) == 1

    @property
    def has_details(self) -> bool:
        """``True`` if technical words or an answer are stored."""
        return any(each.error or each.response_body for each in self.attempts)

    def times(self) -> str:
        """Return how often and when; empty for a single attempt."""
        if self.is_single:
            return ""
        moments = {"first": format_datetime(self.first.started_at), "last": format_datetime(self.last.started_at)}
        words = _("%(count)s times since %(first)s, most recently %(last)s")
        return words % {"count": number(len(self.attempts)), **moments}

    def sentence(self) -> str:
        """Return the reason in the reader's language, and how often and when it occurred."""
        reason, times = self.last.translated_reason, self.times()
        if not (reason and times):
            return reason or times
        return _("%(times)s: %(reason)s") % {"times": times, "reason": reason}


def group_attempts(attempts: Iterable[DeliveryAttempt]) -> list[AttemptGroup]:
    """Group attempts, the earliest first, that follow each other and are equal."""
    return [AttemptGroup(tuple(group)) for _key, group in itertools.groupby(attempts, key=_likeness)]


def _likeness(attempt: DeliveryAttempt) -> tuple[object, ...]:
    result = attempt.outcome, attempt.status_code, attempt.result_code, attempt.may_have_arrived
    return *result, attempt.reason_data or attempt.reason
