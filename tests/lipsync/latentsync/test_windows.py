"""Windows over a cut: every step is drawn, evenly, and the same from wherever a redraw begins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stages.lipsync.latentsync.windows import SIZE, Span, divisor, reach, shares, steps_of, windows

CUTS = st.integers(1, 120).flatmap(
    lambda length: st.tuples(st.integers(0, 500), st.just(length), st.integers(0, length - 1))
)


@given(CUTS, st.data())
def test_every_wanted_step_is_in_a_window_of_the_cut(cut: tuple[int, int, int], data: st.DataObject) -> None:
    start, length, first = cut
    there = Span(start, start + length)
    stop = data.draw(st.integers(first + 1, length))
    wanted = Span(start + first, start + stop)
    found = windows(wanted, there)
    covered = {step for one in found for step in range(one.start, one.stop)}
    assert set(range(wanted.start, wanted.stop)) <= covered
    assert all(there.start <= one.start and one.stop <= there.stop for one in found)
    assert all(len(one) == min(SIZE, length) for one in found)
    assert reach(wanted, there) == Span(min(covered), max(covered) + 1)


@given(CUTS)
def test_two_redraws_that_meet_use_the_same_windows_there(cut: tuple[int, int, int]) -> None:
    start, length, meeting = cut
    there = Span(start, start + length)
    whole = windows(there, there)
    for part in (Span(start, start + meeting), Span(start + meeting, start + length)):
        for step in range(part.start, part.stop):
            around = [one for one in whole if one.start <= step < one.stop]
            assert around == [one for one in windows(part, there) if one.start <= step < one.stop]


def test_windows_give_way_to_each_other_evenly() -> None:
    there = Span(0, 64)
    totals = [0.0] * 64
    for one in windows(there, there):
        for step, share in zip(range(one.start, one.stop), shares(len(one)), strict=True):
            totals[step] += float(share)
    assert all(0.99 < total < 1.01 for total in totals[4:-4])


def test_high_rates_are_drawn_in_part() -> None:
    for rates, every in (
        ((12, 23.976, 25, 29.97, 30), 1),
        ((48, 50, 59.94, 60), 2),
        ((90,), 3),
        ((119.88, 120), 4),
    ):
        assert [divisor(rate) for rate in rates] == [every] * len(rates)


def test_a_recording_a_little_above_its_nominal_rate_is_drawn_as_at_that() -> None:
    assert [divisor(rate) for rate in (30.01, 30.02, 30.9, 60.02, 120.1)] == [1, 1, 1, 2, 4]


@given(st.integers(0, 300), st.integers(1, 60), st.integers(1, 4))
def test_steps_reach_round_the_frames_between_them(first: int, count: int, every: int) -> None:
    steps = steps_of(first, first + count, every)
    assert steps.start * every <= first
    assert (steps.stop - 1) * every >= first + count - 1
    assert len(steps) <= count // every + 3
