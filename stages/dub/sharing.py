"""How neighbouring lines share their time, so that none is hurried beside one at its ease.

Decided from the lengths at the natural rate alone, before anything is spoken faster, and not changed after:
where each line may begin, and until when it may sound. Of all such plans, in steps of `STEP`, the cheapest is
taken. A line costs its length times the square of the logarithm of its speed, so that two of equal speed are
cheaper than a fast and a slow one, and a plan costs for every line that does not begin on time. Lines that
nobody near them needs time of are left where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE

SHARED = SAMPLE_RATE // 2
"""Most that a line begins late, or early, for its neighbour's sake: the mouth of the one speaker moves on
through both, so no beginning is seen; but the look or gesture that goes with a line lasts about as long."""

FLOWING = SAMPLE_RATE // 4
"""A line begins early only where the pause before it is at most this long, a stop or a breath: no voice is to
be heard from a mouth that still rests."""

STEP = SAMPLE_RATE // 50
"""20 ms, half a frame: finer, nobody sees or hears a difference."""

UNPUNCTUAL = 0.01
"""What beginning `SHARED` off costs, and smaller offsets by the square: as much as three seconds spoken 6 %
faster. So lines keep their time where sharing would win no more than that."""

_SHIFTS = np.array(sorted(range(-SHARED // STEP, SHARED // STEP + 1), key=abs), dtype=np.int64) * STEP
"""Offsets from a line's own time; of plans that cost the same the first is taken, the most punctual one."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Room:
    """The time of one line, samples: it begins at `begin` or, if it has to wait, later, and may sound until
    `end`."""

    begin: int
    end: int


@dataclass(frozen=True)
class Standing:
    """A line as it stands by itself, samples.

    Args:
        start, stop: when the source speaks it.
        room_end: until when it may sound if nobody shares anything.
        natural: its length at the natural rate.
        follows: whether the line before it is the same speaker's, and has until `gap` before this one begins.
    """

    start: int
    stop: int
    room_end: int
    natural: int
    follows: bool

    @property
    def hurried(self) -> bool:
        """Whether it must be spoken faster as it stands."""
        return self.natural > self.room_end - self.start


def shared(lines: Sequence[Standing], gap: int, most: float) -> list[Room]:
    """The time of every line.

    Args:
        lines: in order of `start`.
        gap: silence kept between two lines, samples.
        most: speed above which no line is brought by what it gives to another.
    """
    rooms = [Room(line.start, line.room_end) for line in lines]
    for first, last in _runs(lines):
        run = lines[first:last]
        if any(line.hurried for line in run):
            rooms[first:last] = _rooms(run, _cheapest(run, gap, most), gap)
    return rooms


def _runs(lines: Sequence[Standing]) -> Iterator[tuple[int, int]]:
    """Stretches of lines in which each follows the one before it; longer than one line."""
    first = 0
    for index in range(1, len(lines) + 1):
        if index == len(lines) or not lines[index].follows:
            if index - first > 1:
                yield first, index
            first = index


def _cheapest(run: Sequence[Standing], gap: int, most: float) -> list[int]:
    """By how much each line of a run begins off its own time, samples: shortest path over all offsets."""
    total = np.where(_allowed(run, 0), _late(), np.inf)
    came = []
    for index in range(1, len(run)):
        line, after = run[index - 1], run[index]
        ends = np.where(_SHIFTS == 0, line.room_end, after.start + _SHIFTS - gap)
        step = _hurry(line, ends[None, :] - (line.start + _SHIFTS[:, None]), most)
        sums = total[:, None] + step
        came.append(sums.argmin(axis=0))
        total = np.where(_allowed(run, index), sums.min(axis=0) + _late(), np.inf)
    total = total + _hurry(run[-1], run[-1].room_end - (run[-1].start + _SHIFTS), most)
    chosen = [int(total.argmin())]
    for back in reversed(came):
        chosen.append(int(back[chosen[-1]]))
    return [int(_SHIFTS[place]) for place in reversed(chosen)]


def _allowed(run: Sequence[Standing], index: int) -> npt.NDArray[np.bool_]:
    """Which offsets a line may have: the first of a run has nobody to share with before it."""
    if index == 0:
        return np.asarray(_SHIFTS == 0)
    flows = run[index].start - run[index - 1].stop <= FLOWING
    return np.asarray((_SHIFTS >= 0) | flows)


def _late() -> Floats:
    return np.asarray(UNPUNCTUAL * np.square(_SHIFTS / SHARED), dtype=np.float64)


def _hurry(line: Standing, room: npt.NDArray[np.int64], most: float) -> Floats:
    """What the speed costs that a line needs in each room; nothing where it is at its ease."""
    own = max(1, line.room_end - line.start)
    speed = np.maximum(line.natural / np.maximum(room, 1), 1.0)
    cost = line.natural / SAMPLE_RATE * np.square(np.log(speed))
    return np.where((speed > most) & (room < own), np.inf, cost)


def _rooms(run: Sequence[Standing], shifts: Sequence[int], gap: int) -> list[Room]:
    """Late lines may begin on time, if the one before them turns out shorter."""
    ends = [
        line.room_end if not shift else after.start + shift - gap
        for line, after, shift in zip(run, run[1:], shifts[1:], strict=False)
    ]
    return [
        Room(line.start + min(0, shift), end)
        for line, shift, end in zip(run, shifts, [*ends, run[-1].room_end], strict=True)
    ]
