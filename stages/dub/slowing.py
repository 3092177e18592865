"""Where the picture is shown slower because a line does not fit even at its fastest: pure decisions.

Only on request. A line's own time in the source is slowed, in whole frames, by `MAX_FACTOR` at most; the
silence that it borrows is not. Lines are taken one after the other, but for those that a silence keeps apart:
a line that only waits for one before it is not slowed for what slowing that one mends. What `MAX_FACTOR` does
not give is overrun as ever.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from loc.artifacts import FrameRange, Slowed
from loc.media.retiming import Clock, clock
from loc.media.timeline import Timeline
from stages.dub.fit import BORROW, GAP, MAX_STRETCH, STEP, Placed, Slot, choose_rates, own_rooms, place_lines

MAX_FACTOR = Fraction(5, 4)
"""Slowest that the picture is shown: as much as the voice's sound gives (`MAX_STRETCH`). Of 25 frames a
second 20 are left; slower, hands and heads are seen to move in steps."""


@dataclass(frozen=True)
class Lines:
    """What is to fit, as `choose_rates` takes it; times of the source."""

    slots: Sequence[Slot]
    natural: Sequence[int]
    fastest: Sequence[float]
    said: Sequence[tuple[float, int]] | None = None
    """(rate, length) of each line as it was spoken in the end; None before that."""


def slow_picture(lines: Lines, timeline: Timeline, samples: int) -> tuple[Slowed, ...]:
    """The stretches of the picture that are slowed, in order and apart.

    Args:
        timeline: of the source.
        samples: length of the source's programme.
    """
    ends = own_rooms(lines.slots, samples)
    reach = [
        _frames(slot.start, min(slot.stop, end), timeline.samples())
        for slot, end in zip(lines.slots, ends, strict=True)
    ]
    alone = _alone(lines.slots, reach)
    factors = [Fraction(1)] * len(lines.slots)
    slowed: tuple[Slowed, ...] = ()
    before = placed = _placed(lines, clock(timeline, slowed, samples))
    while short := _short(placed, factors, reach, alone):
        for index in short:
            factors[index] = _more(placed[index], factors[index])
        slowed = _stretches(reach, factors)
        placed = _placed(lines, clock(timeline, slowed, samples))
    return slowed if _gains(before, placed) else ()


def _gains(before: Sequence[Placed], after: Sequence[Placed]) -> bool:
    """Whether slowing helped: not where lines that begin with one another wait in the same row as before."""
    if any(one.fit.stretch > MAX_STRETCH for one in before):
        return True
    return sum(one.fit.overrun for one in after) < sum(one.fit.overrun for one in before)


def in_programme(slots: Sequence[Slot], heard: Clock) -> list[Slot]:
    """The lines' times in the programme."""
    return [Slot(heard.shown(slot.start), heard.shown(slot.stop), slot.speaker) for slot in slots]


def _frames(begin: int, end: int, edges: npt.NDArray[np.int64]) -> FrameRange:
    """The frames on screen in a line's time; none where that is behind the picture, or where it has no time
    because another line begins with it."""
    stop = int(np.searchsorted(edges[:-1], end))
    start = int(np.searchsorted(edges, begin, side="right")) - 1
    return FrameRange(start=min(start, stop), stop=stop if begin < end else min(start, stop))


def _placed(lines: Lines, shown: Clock) -> list[Placed]:
    """Where lines come to lie: as they were spoken, or would be by engines that keep their rates."""
    slots, end = in_programme(lines.slots, shown), shown.samples
    if lines.said is not None:
        rates = [rate for rate, _ in lines.said]
        spoken = [length for _, length in lines.said]
        return place_lines(slots, lines.natural, rates, spoken, end)
    rates = choose_rates(slots, lines.natural, end, lines.fastest)
    spoken = [math.ceil(length / rate) for length, rate in zip(lines.natural, rates, strict=True)]
    return place_lines(slots, lines.natural, rates, spoken, end)


def _alone(slots: Sequence[Slot], reach: Sequence[FrameRange]) -> list[bool]:
    """Whether a line begins after a silence of which nobody before takes any, in frames of its own: slowing
    what is before it moves it and what follows as a whole."""
    stops = accumulate((slot.stop for slot in slots), max)
    frames = accumulate((frames.stop for frames in reach), max)
    return [False] * bool(slots) + [
        slot.start - stop > BORROW + GAP and own.start >= before
        for slot, own, stop, before in zip(slots[1:], reach[1:], stops, frames, strict=False)
    ]


def _short(
    placed: Sequence[Placed],
    factors: Sequence[Fraction],
    reach: Sequence[FrameRange],
    alone: Sequence[bool],
) -> list[int]:
    """The first line that does not fit and can be given more, and the first behind each silence that what is
    before it leaves alone: taken at once, a film costs as many rounds as its longest talk, not as it has
    lines."""
    found: list[int] = []
    squeezed = any(one.fit.stretch > MAX_STRETCH for one in placed)
    waits = False
    for index, one in enumerate(placed):
        # All are squeezed for want of time in any place: what slowing the first gives is everyone's.
        if alone[index] and one.fit.shift == 0 and not squeezed:
            waits = False
        # What has to wait until its time is over gains nothing.
        short = 0 < one.fit.overrun < one.samples or one.fit.stretch > MAX_STRETCH
        if short and not waits and factors[index] < MAX_FACTOR and len(reach[index]):
            found.append(index)
            waits = True
    return found


def _more(placed: Placed, factor: Fraction) -> Fraction:
    """The factor with which a line would fit."""
    slot = max(1, placed.fit.slot)
    needed = factor * Fraction(slot + placed.fit.overrun, slot) if placed.fit.overrun else MAX_FACTOR
    return min(MAX_FACTOR, Fraction(max(math.ceil(needed * STEP), math.floor(factor * STEP) + 1), STEP))


def _stretches(reach: Sequence[FrameRange], factors: Sequence[Fraction]) -> tuple[Slowed, ...]:
    """Lines' stretches made apart: where two meet, the greater factor counts."""
    wanted = [(frames, factor) for frames, factor in zip(reach, factors, strict=True) if factor > 1]
    bounds = sorted({edge for frames, _ in wanted for edge in (frames.start, frames.stop)})
    apart: list[Slowed] = []
    for start, stop in pairwise(bounds):
        over = [factor for frames, factor in wanted if frames.start <= start and stop <= frames.stop]
        if not over:
            continue
        factor = max(over)
        goes_on = bool(apart) and apart[-1].frames.stop == start and apart[-1].factor == factor
        first = apart.pop().frames.start if goes_on else start
        apart.append(Slowed(frames=FrameRange(start=first, stop=stop), factor=factor))
    return tuple(apart)
