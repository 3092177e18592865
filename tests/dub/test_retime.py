"""Times carried between two readings whose parts were stretched by known, different factors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from stages.dub.retime import MOST_STEPS, carried

RATE = 16_000


def reading(lengths_ms: list[int], seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """(sound, edges): a pause first and in the middle, chords that differ between, over a faint noise."""
    rng = np.random.default_rng(seed)
    parts = []
    for number, length_ms in enumerate(lengths_ms):
        at = np.arange(length_ms * RATE // 1000) / RATE
        chord = [150 * 1.19 ** ((7 * number + step) % 20) for step in (0, 5, 9)]
        tone = sum(np.sin(2 * np.pi * pitch * at + pitch) for pitch in chord)
        parts.append(0.0 * tone if number in (0, 8) else 0.2 * tone)
    sound = np.concatenate(parts)
    return sound + 1e-4 * rng.normal(size=len(sound)), np.cumsum([0, *(len(part) for part in parts)])


SLOW = [300, 90, 120, 60, 150, 80, 110, 140, 400, 90, 70, 130, 100, 250]
FAST = [120, 80, 100, 60, 100, 75, 90, 105, 150, 80, 65, 95, 90, 100]


def test_edges_follow_parts_that_shrink_unevenly() -> None:
    (slow, edges), (fast, wanted) = reading(SLOW, 1), reading(FAST, 2)
    found = carried(edges, slow, fast, RATE)
    assert np.abs(found - wanted).max() <= 0.010 * RATE
    evenly = edges * len(fast) / len(slow)
    assert np.abs(evenly - wanted).max() > 0.060 * RATE, "the case would be too easy"


def test_edges_follow_a_slower_reading_too() -> None:
    (slow, wanted), (fast, edges) = reading(SLOW, 1), reading(FAST, 2)
    assert np.abs(carried(edges, fast, slow, RATE) - wanted).max() <= 0.010 * RATE


def test_the_same_reading_keeps_its_edges() -> None:
    sound, edges = reading(SLOW, 1)
    assert np.abs(carried(edges, sound, sound, RATE) - edges).max() <= 0.005 * RATE


@pytest.mark.parametrize("times_shorter", [2 * MOST_STEPS, 30])
def test_what_is_far_too_short_keeps_order_and_ends(times_shorter: int) -> None:
    sound, edges = reading(SLOW, 1)
    short = sound[: len(sound) // times_shorter]
    found = carried(edges, sound, short, RATE)
    assert (np.diff(found) >= 0).all()
    assert (found[0], found[-1]) == (0, len(short))


@pytest.mark.parametrize("other", [np.zeros(0), np.zeros(1), np.zeros(4000)], ids=len)
def test_nothing_to_follow_keeps_order(other: npt.NDArray[np.float64]) -> None:
    sound, edges = reading(SLOW, 1)
    found = carried(edges, sound, other, RATE)
    assert len(found) == len(edges)
    assert (np.diff(found) >= 0).all()
    assert found[-1] == len(other)
