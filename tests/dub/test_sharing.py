"""Time shared between neighbours: how much, whose, and how little is touched beside it."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from loc.artifacts import SAMPLE_RATE
from stages.dub.fit import GAP, MAX_RATE, Placed, rooms
from stages.dub.sharing import SHARED, UNPUNCTUAL, Room, Standing, shared
from tests.dub.laying import fit, samples, slot


def speeds(placed: list[Placed]) -> list[float]:
    return [one.fit.rate * one.fit.stretch for one in placed]


def test_a_hurried_line_takes_time_of_the_next_one_that_has_some() -> None:
    first, second = fit([slot(0, 3), slot(3, 6)], [4.05, 2.7], 6)
    # Alone: 1.36 beside a voice with a tenth of its time to spare.
    assert max(speeds([first, second])) < 1.2
    assert 0 < second.fit.shift <= SHARED + GAP
    assert first.place == 0
    assert first.fit.overrun == second.fit.overrun == 0
    assert second.place + second.samples <= samples(6)


def test_a_hurried_line_begins_early_where_the_one_before_it_ends_early() -> None:
    first, second = fit([slot(0, 3), slot(3, 6)], [2.2, 4.0], 6)
    assert first.place + first.samples + GAP <= second.place < samples(3)
    assert speeds([first])[0] == 1.0
    assert speeds([second])[0] < 1.2
    assert -SHARED <= second.fit.shift < 0
    assert second.fit.overrun == 0


def test_no_voice_is_heard_early_from_a_mouth_at_rest() -> None:
    _, second = fit([slot(0, 2.5), slot(3, 6)], [2.2, 4.0], 6)
    assert second.fit.shift == 0


def test_other_people_keep_their_time() -> None:
    first, second = fit([slot(0, 3, "a"), slot(3, 6, "b")], [4.05, 2.0], 6)
    assert speeds([first])[0] >= 1.35
    assert second.fit.shift == 0


def test_lines_far_from_the_hurried_one_stay_as_they_are() -> None:
    near = [slot(0, 2), slot(2, 4), slot(4, 6), slot(6, 8), slot(8, 10)]
    placed = fit(near, [1.5, 1.5, 2.6, 1.2, 1.5], 10)
    assert [one.fit.shift for one in placed[:2]] == [0, 0]
    assert placed[4].fit.shift == 0


def test_where_nobody_is_hurried_everybody_is_on_time() -> None:
    slots = [slot(0, 2), slot(2, 4), slot(4, 6)]
    natural = [samples(one) for one in (1.9, 1.0, 2.0)]
    assert rooms(slots, natural, samples(6)) == [
        Room(one.start, end) for one, end in zip(slots, (samples(2), samples(4), samples(6)), strict=True)
    ]


def test_nothing_is_shared_for_the_sake_of_a_trifle() -> None:
    _, second = fit([slot(0, 3), slot(3, 6)], [3.06, 2.0], 6)
    assert abs(second.fit.shift) <= samples(0.06)


@st.composite
def runs(draw: st.DrawFn) -> list[Standing]:
    at, lines = 0, list[Standing]()
    for index in range(draw(st.integers(2, 8))):
        length = draw(st.integers(300, 4000)) * 48
        pause = draw(st.integers(0, 800)) * 48
        natural = draw(st.integers(200, 7000)) * 48
        room_end = at + length + max(0, pause - GAP)
        lines.append(Standing(at, at + length, room_end, natural, follows=index > 0))
        at += length + pause
    return lines


def cost(lines: list[Standing], plan: list[Room]) -> float:
    """As the module states it."""
    total = 0.0
    for line, room in zip(lines, plan, strict=True):
        speed = max(1.0, line.natural / max(1, room.end - room.begin))
        total += line.natural / SAMPLE_RATE * math.log(speed) ** 2
    return total


@given(runs())
def test_of_any_run(lines: list[Standing]) -> None:
    plan = shared(lines, GAP, MAX_RATE)
    alone = [Room(line.start, line.room_end) for line in lines]
    assert plan[0].begin == lines[0].start
    assert plan[-1].end == lines[-1].room_end
    for line, room, own in zip(lines, plan, alone, strict=True):
        assert -SHARED <= room.begin - line.start <= 0
        assert abs(room.end - own.end) <= SHARED + GAP
    for room, after in zip(plan, lines[1:], strict=False):
        assert room.end <= after.start + SHARED
    for line, room, own in zip(lines, plan, alone, strict=True):
        if room.end - room.begin < own.end - own.begin:
            assert line.natural <= MAX_RATE * (room.end - room.begin) + 1, "it gave more than it had"
    late = [max(room.begin, before.end + GAP) for before, room in pairwise(plan)]
    begun = [Room(begin, room.end) for begin, room in zip([plan[0].begin, *late], plan, strict=True)]
    moved = any(one != other for one, other in zip(plan, alone, strict=True))
    # Never dearer than leaving everything alone, but for the gap where the source has none.
    touching = sum(after.start - line.room_end < GAP for line, after in pairwise(lines))
    assert not moved or touching or cost(lines, begun) <= cost(lines, alone) + UNPUNCTUAL
