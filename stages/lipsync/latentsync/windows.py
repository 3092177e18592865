"""Which pictures are drawn together: windows of sixteen that overlap, laid out over a whole cut.

A picture drawn near a window's end knows less of what comes next to it, and two windows know different
things: without overlap a seam shows every sixteen pictures. So windows overlap and give way to each other;
and since they are laid out from the cut's first picture, not from where a redraw begins, two redraws of a cut
compute the same windows where they meet, and no seam shows there either.

High frame rates are drawn at a part of their rate (`divisor`) and filled in between. Steps are pictures that
are drawn, counted from the source's first: every `divisor`th.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SIZE = 16
"""Pictures that the published weights were trained on together."""
OVERLAP = 4
"""Pictures over which two windows give way to each other."""
MAX_FPS = 31.0
"""Above, every second picture is drawn, or fewer: the weights know 25 per second. One more than the 30 of
most cameras, since the rate of a variable recording is a mean that lies a little beside its nominal one."""


@dataclass(frozen=True)
class Span:
    """A half-open range of steps."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def divisor(fps: float) -> int:
    """Every how many frames one is drawn."""
    return max(1, math.ceil(fps / MAX_FPS))


def steps_of(first: int, stop: int, every: int) -> Span:
    """The steps that frames `first` to `stop` need: those among them, and one on either side of what lies
    between two."""
    return Span(first // every, -(-(stop - 1) // every) + 1)


def windows(wanted: Span, there: Span) -> list[Span]:
    """The windows that some steps of a cut need, in order.

    Args:
        wanted: steps to be drawn, inside `there`.
        there: every step of the cut.
    """
    if len(there) <= SIZE:
        return [there]
    last = there.stop - SIZE
    starts = [*range(there.start, last, SIZE - OVERLAP), last]
    return [
        Span(start, start + SIZE) for start in starts if start < wanted.stop and start + SIZE > wanted.start
    ]


def reach(wanted: Span, there: Span) -> Span:
    """The steps that have to be read so that some can be drawn."""
    needed = windows(wanted, there)
    return Span(needed[0].start, needed[-1].stop)


def shares(count: int) -> npt.NDArray[np.float32]:
    """How much each step of a window counts where windows overlap, float32 [count], above 0 and up to 1."""
    from_start = np.arange(1, count + 1)
    nearest = np.minimum(from_start, from_start[::-1])
    return np.asarray(np.minimum(nearest / (OVERLAP + 1), 1), dtype=np.float32)
