"""Which stretches of the picture are slowed: only where a line does not fit, no more than it needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loc.artifacts import SAMPLE_RATE, Slowed
from loc.media.retiming import Clock, clock
from loc.media.timeline import Timeline
from stages.dub import slowing
from stages.dub.fit import MAX_RATE, MAX_STRETCH, Placed, Slot, choose_rates, place_lines
from stages.dub.slowing import MAX_FACTOR, Lines, in_programme, slow_picture

FPS = 25


def samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def film(seconds: float) -> Timeline:
    count = round(seconds * FPS)
    return Timeline(np.arange(count, dtype=np.int64), np.ones(count, bool), Fraction(1, FPS), count)


def lines(*timed: tuple[float, float, float], speaker: str = "a") -> Lines:
    """(start, stop, natural length) of each line, seconds."""
    slots = [Slot(samples(start), samples(stop), speaker) for start, stop, _ in timed]
    return Lines(slots, [samples(length) for _, _, length in timed], [MAX_RATE] * len(timed))


def fitted(what: Lines, seconds: float) -> tuple[tuple[Slowed, ...], list[Placed]]:
    slowed = slow_picture(what, film(seconds), samples(seconds))
    heard = clock(film(seconds), slowed, samples(seconds))
    return slowed, placed(what, in_programme(what.slots, heard), heard.samples)


def placed(what: Lines, slots: Sequence[Slot], end: int) -> list[Placed]:
    rates = choose_rates(slots, what.natural, end, what.fastest)
    spoken = [math.ceil(length / rate) for length, rate in zip(what.natural, rates, strict=True)]
    return place_lines(slots, what.natural, rates, spoken, end)


def test_a_line_that_fits_at_its_fastest_leaves_the_picture_alone() -> None:
    assert fitted(lines((1, 3, 3.2), (5, 6, 0.5)), 10)[0] == ()
    assert slow_picture(lines(), film(1), samples(1)) == ()


def test_the_picture_of_a_line_that_does_not_fit_is_slowed_as_far_as_it_needs() -> None:
    # 2.8 s of room take 4.73 s of speech; 5 s need 0.16 s more, 8 % of the two that are slowed.
    slowed, (placed, _) = fitted(lines((1, 3, 5.0), (6, 7, 0.5)), 10)
    (stretch,) = slowed
    assert (stretch.frames.start, stretch.frames.stop) == (25, 75)
    assert Fraction(108, 100) <= stretch.factor <= Fraction(111, 100)
    assert placed.fit.overrun == 0
    assert placed.fit.stretch <= MAX_STRETCH


def test_what_the_bound_does_not_give_stays_an_overrun() -> None:
    slowed, (placed, _) = fitted(lines((1, 3, 9.0), (6, 7, 0.5)), 12)
    assert [one.factor for one in slowed] == [MAX_FACTOR]
    assert placed.fit.overrun > 0
    assert placed.fit.overrun < samples(9.0) / MAX_RATE / MAX_STRETCH - samples(2.8)


def test_a_line_that_only_waits_for_another_is_not_slowed_for_it() -> None:
    slowed, placed = fitted(lines((1, 3, 4.6), (3, 5, 3.2), (8, 9, 0.5)), 12)
    assert [one.frames.start for one in slowed] == [25]
    assert all(one.fit.overrun == 0 for one in placed)


def test_two_people_at_once_share_a_stretch() -> None:
    what = Lines(
        [Slot(samples(1), samples(3), "a"), Slot(samples(2), samples(4), "b")],
        [samples(6.0), samples(6.0)],
        [MAX_RATE] * 2,
    )
    slowed, _ = fitted(what, 10)
    assert all(before.frames.stop <= after.frames.start for before, after in pairwise(slowed))
    assert all(1 < one.factor <= MAX_FACTOR for one in slowed)


def test_text_too_long_for_the_whole_programme() -> None:
    slowed, placed = fitted(lines((0, 1, 6.0), (1, 2, 6.0)), 2)
    assert {one.factor for one in slowed} == {MAX_FACTOR}
    assert placed[-1].place + placed[-1].samples <= samples(2.5)


TALK = ((1.0, 3.0, 5.0), (3.1, 5.0, 5.0), (5.1, 6.0, 2.9), (7.0, 8.0, 0.5))
"""Lines without a silence between those that do not fit, seconds; over before `TALK_S`."""
TALK_S = 12


def talks(count: int) -> Lines:
    return lines(
        *(
            (TALK_S * talk + start, TALK_S * talk + stop, length)
            for talk in range(count)
            for start, stop, length in TALK
        )
    )


def test_talks_that_silence_keeps_apart_are_slowed_as_each_would_be_alone() -> None:
    alone, _ = fitted(talks(1), TALK_S)
    slowed, _ = fitted(talks(3), 3 * TALK_S)
    assert len(alone) > 1
    assert [(one.frames.start, one.frames.stop, one.factor) for one in slowed] == [
        (TALK_S * FPS * talk + one.frames.start, TALK_S * FPS * talk + one.frames.stop, one.factor)
        for talk in range(3)
        for one in alone
    ]


def test_a_film_of_many_talks_takes_as_many_rounds_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = []

    def counted(timeline: Timeline, slowed: Sequence[Slowed], length: int) -> Clock:
        rounds.append(len(slowed))
        return clock(timeline, slowed, length)

    monkeypatch.setattr(slowing, "clock", counted)
    slow_picture(talks(1), film(TALK_S), samples(TALK_S))
    one = len(rounds)
    slow_picture(talks(20), film(20 * TALK_S), samples(20 * TALK_S))
    assert len(rounds) == 2 * one


def test_a_talk_that_waits_for_the_one_before_it_is_not_slowed_for_it() -> None:
    # The first runs on across the silence and over the second, which has all it needs once that is mended.
    slowed, placed = fitted(lines((1, 5, 9.5), (6, 8, 3.6), (12, 13, 0.5)), 16)
    assert [one.frames.start for one in slowed] == [25]
    assert all(one.fit.overrun == 0 for one in placed)


@st.composite
def programmes(draw: st.DrawFn) -> Lines:
    count = draw(st.integers(1, 6))
    starts = sorted(draw(st.lists(st.integers(0, 15_000), min_size=count, max_size=count)))
    slots = [
        Slot(start * 48, (start + draw(st.integers(1, 5_000))) * 48, draw(st.sampled_from(["a", "b", None])))
        for start in starts
    ]
    natural = [draw(st.integers(1, 12_000)) * 48 for _ in slots]
    return Lines(slots, natural, [draw(st.sampled_from([1.0, MAX_RATE])) for _ in slots])


@settings(max_examples=50)
@example(
    Lines(
        [Slot(start, start + 48, "a") for start in (0, 0, 240, 288, 336)],
        [48, 3504, 48, 48, 48],
        [1.0] * 5,
    )
)
@given(programmes())
def test_of_any_programme(what: Lines) -> None:
    seconds = 20
    slowed, after = fitted(what, seconds)
    assert all(before.frames.stop <= later.frames.start for before, later in pairwise(slowed))
    for one in slowed:
        assert 0 <= one.frames.start < one.frames.stop <= seconds * FPS
        assert 1 < one.factor <= MAX_FACTOR
    if not slowed:
        return
    before = placed(what, what.slots, samples(seconds))
    total = sum(one.fit.overrun for one in before)
    squeezed = any(one.fit.stretch > MAX_STRETCH for one in before)
    assert squeezed or sum(one.fit.overrun for one in after) < total
