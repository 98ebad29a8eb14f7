"""What ``forget`` has erased, or would, in words for a terminal. Decides nothing, and names nobody."""

from __future__ import annotations

from collections.abc import Iterator

from ...forgetting import MARGIN, Forgotten
from ...states import EventStatus


def lines(found: Forgotten, *, hours: float, dry_run: bool) -> Iterator[str]:
    """
    :param hours: the setting ``MAX_AGE_HOURS``
    """
    if not found.total:
        yield "There is no event of this user_id. It is compared exactly: write it as DFINERY was told it."
    else:
        said = ", ".join(f"{count} {status}" for status, count in sorted(found.events.items()))
        verb = "Would be erased" if dry_run else "Erased"
        yield f"{verb}: {_counted(found.total, 'event')} ({said}), {_counted(found.attempts, 'delivery attempt')}."
    if found.traces:
        kept = hours + MARGIN.total_seconds() / 3600
        yield f"Traces without any id, for {kept:g} h, so that they are not captured again: {found.traces}."
    if found.repairs or found.log_entries:
        yield f"Ids blotted out: in {found.repairs} of the repairs, in {found.log_entries} entries of the admin's log."
    if sending := found.events.get(EventStatus.SENDING, 0):
        yield f"Being sent at that moment, so that they may still arrive: {sending}."
    if found.events.get(EventStatus.DELIVERED, 0):
        yield "DFINERY itself keeps what was delivered: have it erased there, too."
    if found.unread:
        yield (
            f"Left alone, since nobody can know whom they are about (their source is gone, or their mapping fails): "
            f"{found.unread}. They hold no content."
        )


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
