"""The fitting ladder, rung by rung, and what must hold of any programme."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.dub.fit import (
    BORROW,
    GAP,
    MAX_RATE,
    MAX_STRETCH,
    Slot,
    choose_rates,
    place_lines,
    rate_for,
    stretch_for,
)
from stages.dub.sharing import SHARED
from tests.dub.laying import fit, samples, slot


def test_a_line_shorter_than_its_slot_is_left_alone() -> None:
    (placed,) = fit([slot(1, 4)], [1.5], 10)
    assert (placed.place, placed.samples) == (samples(1), samples(1.5))
    assert placed.fit.rate == placed.fit.stretch == 1.0
    assert placed.fit.borrowed == placed.fit.overrun == placed.fit.shift == 0


def test_silence_is_borrowed_before_anything_is_hurried() -> None:
    (placed,) = fit([slot(1, 3)], [2.5], 10)
    assert placed.fit.borrowed == samples(0.5)
    assert placed.fit.rate == placed.fit.stretch == 1.0


def test_borrowing_ends_a_gap_before_the_next_line() -> None:
    first, second = fit([slot(1, 3), slot(3.2, 5, "b")], [2.5, 1], 10)
    assert first.place + first.samples <= samples(3.2) - GAP
    assert first.fit.borrowed <= samples(0.2) - GAP
    assert second.fit.shift == 0


def test_borrowing_has_a_limit_in_long_silence() -> None:
    (placed,) = fit([slot(1, 3)], [3.0], 10)
    assert placed.place + placed.samples <= samples(3) + BORROW
    assert 1 < placed.fit.rate <= MAX_RATE
    assert placed.fit.overrun == 0


def test_the_engine_hurries_before_sound_is_compressed() -> None:
    (placed,) = fit([slot(0, 2)], [2.8 * 1.3], 20)
    assert placed.fit.rate == pytest.approx(1.31)
    assert placed.fit.stretch == 1.0
    (placed,) = fit([slot(0, 2)], [2.8 * 1.5], 20)
    assert placed.fit.rate == MAX_RATE
    assert 1.1 < placed.fit.stretch < 1.13
    assert placed.fit.overrun == 0


def test_an_overrun_pushes_the_lines_behind_it_until_silence_takes_it_up() -> None:
    slots = [slot(0, 2), slot(2, 4), slot(4, 6), slot(9, 10)]
    first, second, third, last = fit(slots, [5.0, 2.0, 2.0, 1.0], 20)
    assert first.fit.rate == MAX_RATE
    assert first.fit.stretch == MAX_STRETCH
    assert first.fit.overrun == first.samples - (samples(2) + SHARED - GAP)
    assert second.place == first.place + first.samples + GAP
    assert second.fit.shift == second.place - samples(2)
    assert second.fit.rate > 1
    assert third.place >= second.place + second.samples
    assert last.fit.shift == 0


def test_a_line_too_long_for_the_end_begins_earlier() -> None:
    (placed,) = fit([slot(8, 10)], [5.0], 10)
    assert placed.fit.rate == MAX_RATE
    assert placed.fit.stretch == MAX_STRETCH
    assert placed.place + placed.samples == samples(10)
    assert placed.fit.shift == placed.place - samples(8) < 0
    assert placed.fit.overrun == placed.samples - samples(2)


def test_lines_before_the_end_make_room_in_order() -> None:
    first, second = fit([slot(4, 6), slot(6, 8)], [2.0, 6.0], 8)
    assert second.place + second.samples == samples(8)
    assert first.place + first.samples <= second.place - GAP
    assert first.fit.shift < 0


def test_more_words_than_programme_are_squeezed_and_kept() -> None:
    placed = fit([slot(0, 1), slot(1, 2)], [4.0, 6.0], 2)
    assert placed[0].place >= 0
    assert placed[0].place + placed[0].samples <= placed[1].place
    assert placed[1].place + placed[1].samples <= samples(2)
    assert all(one.fit.stretch > MAX_STRETCH for one in placed)
    assert placed[1].samples / placed[0].samples == pytest.approx(1.5, rel=0.01)


def test_two_speakers_overlap_as_in_the_source_and_no_more() -> None:
    first, second = fit([slot(0, 3, "a"), slot(2.5, 5, "b")], [3.4, 2.0], 20)
    assert second.fit.shift == 0
    assert first.place + first.samples <= samples(3)
    assert first.fit.rate > 1


def test_a_line_within_anothers_stays_within() -> None:
    first, second = fit([slot(0, 6, "a"), slot(2, 3, "b")], [6.5, 1.0], 20)
    assert first.fit.borrowed == samples(0.5)
    assert second.fit.shift == 0


@pytest.mark.parametrize("speaker", ["a", None])
def test_one_speaker_never_overlaps_itself(speaker: str | None) -> None:
    first, second = fit([slot(0, 3, speaker), slot(2, 5, speaker)], [3.0, 2.0], 20)
    assert first.place + first.samples <= second.place


def test_nothing_to_place() -> None:
    assert choose_rates([], [], 100) == []
    assert place_lines([], [], [], [], 100) == []


def test_rates_and_stretches_are_quantised_upwards() -> None:
    assert rate_for(1000, 1000) == 1.0
    assert rate_for(1104, 1000) == 1.12
    assert stretch_for(1101, 1000) == 1.11
    assert stretch_for(9000, 0) == MAX_STRETCH


@st.composite
def programmes(draw: st.DrawFn) -> tuple[list[Slot], list[int], int]:
    count = draw(st.integers(1, 12))
    starts = sorted(draw(st.lists(st.integers(0, 30_000), min_size=count, max_size=count)))
    slots = [
        Slot(start, start + draw(st.integers(1, 9_000)), draw(st.sampled_from(["a", "b", None])))
        for start in starts
    ]
    natural = draw(st.lists(st.integers(1, 20_000), min_size=count, max_size=count))
    end = draw(st.integers(30_001, 60_000))
    scale = 48
    return (
        [Slot(one.start * scale, one.stop * scale, one.speaker) for one in slots],
        [length * scale for length in natural],
        end * scale,
    )


@given(programmes(), st.floats(0.97, 1.03))
def test_of_any_programme(programme: tuple[list[Slot], list[int], int], engine_error: float) -> None:
    slots, natural, end = programme
    rates = choose_rates(slots, natural, end)
    spoken = [max(1, round(n / rate * engine_error)) for n, rate in zip(natural, rates, strict=True)]
    placed = place_lines(slots, natural, rates, spoken, end)
    squeezed = any(one.fit.stretch > MAX_STRETCH for one in placed)
    for index, one in enumerate(placed):
        assert one.place >= 0
        assert one.place + one.samples <= end
        assert one.samples == pytest.approx(spoken[index] / one.fit.stretch, abs=1 + 1e-3 * one.samples)
        assert 1.0 <= one.fit.rate <= MAX_RATE
        waits = any(earlier.fit.overrun or squeezed for earlier in placed[:index])
        assert one.fit.shift <= SHARED + GAP or waits
        for other in range(index + 1, len(placed)):
            overlap = one.place + one.samples - placed[other].place
            assert overlap <= allowed_overlap(slots[index], slots[other])
    fits_alone = all(n <= s.stop - s.start for n, s in zip(natural, slots, strict=True))
    disjoint = all(a.stop <= b.start for a, b in pairwise(slots))
    if fits_alone and disjoint and slots[-1].stop <= end and engine_error <= 1:
        assert [one.place for one in placed] == [one.start for one in slots]


def allowed_overlap(earlier: Slot, later: Slot) -> float:
    if None in (earlier.speaker, later.speaker) or earlier.speaker == later.speaker:
        return 0
    if later.stop <= earlier.stop:
        return float("inf")
    return max(0, earlier.stop - later.start)
