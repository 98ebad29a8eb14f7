"""How long to wait before the next attempt."""

from __future__ import annotations

import pytest

from dfinery_django.backoff import backoff_seconds, ceiling_seconds


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(-1, 5), (0, 5), (1, 5), (2, 10), (3, 20), (9, 1280), (10, 1800), (11, 1800), (100_000, 1800)],
)
def test_the_ceiling_doubles_up_to_half_an_hour(failures: int, seconds: float) -> None:
    """The longest wait doubles from 5 s with each failure and never passes 30 min."""
    assert ceiling_seconds(failures) == seconds


def test_the_wait_is_drawn_between_nothing_and_the_ceiling() -> None:
    """Full jitter: the draw gets zero and the ceiling as its limits, and its answer is the wait."""
    limits: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        limits.append((low, high))
        return 7.5

    assert backoff_seconds(3, draw) == 7.5
    assert limits == [(0.0, 20.0)]


def test_no_event_is_tried_in_a_tight_loop() -> None:
    """Even the luckiest draw waits a tenth of a second."""
    assert backoff_seconds(1, lambda low, high: low) == 0.1


def test_random_waits_stay_within_the_limits() -> None:
    """Without a draw of one's own, every wait lies between a tenth of a second and the ceiling."""
    waits = [backoff_seconds(2) for _ in range(200)]
    assert all(0.1 <= wait <= 10 for wait in waits)
    assert len(set(waits)) > 1
