"""A programme whose picture is shown slower in places: its frames' new times, and which sample becomes which.

No frame is added or left out: each of a slowed stretch stays on screen longer, by the stretch's factor. So
the picture is coded as it always is, and only timestamps say that it is slower.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from loc.artifacts import Slowed
from loc.media.timeline import Timeline

FINEST_S = Fraction(1, 10_000)
"""A time base coarser than this is divided: by one frame per tick nothing could be slowed a little."""


class Placed(Protocol):
    """Anything with a place in time, in samples."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...


@dataclass(frozen=True)
class Piece:
    """A part of the programme that is shown at one speed; samples.

    `start`, `stop`: of the source. `shown`, `until`: of the programme. As long as each other where nothing
    is slowed.
    """

    start: int
    stop: int
    shown: int
    until: int

    @property
    def is_slowed(self) -> bool:
        return self.until - self.shown != self.stop - self.start


@dataclass(frozen=True)
class Clock:
    """Which sample of the source is which of the programme.

    Args:
        pieces: in order and without gaps, from sample 0 to the end of the source's programme.
    """

    pieces: tuple[Piece, ...]

    @property
    def samples(self) -> int:
        """Length of the programme."""
        return self.pieces[-1].until

    def shown(self, sample: int) -> int:
        """When in the programme a sample of the source is heard. Times outside the source's keep their
        distance from it."""
        if sample <= 0:
            return sample
        piece = self.pieces[bisect_right(self.pieces, sample, key=lambda piece: piece.start) - 1]
        if piece.is_slowed and sample < piece.stop:
            longer, length = piece.until - piece.shown, piece.stop - piece.start
            return piece.shown + (2 * (sample - piece.start) * longer + length) // (2 * length)
        return piece.until + sample - piece.stop


def slow_down(timeline: Timeline, slowed: Sequence[Slowed]) -> Timeline:
    """The frame table of the programme.

    The time base is the source's, divided where it is coarse. Every time is rounded once, from the exact one,
    so that errors do not add up: half a tick, 50 µs at most.

    Args:
        slowed: in order, apart, within the picture.
    """
    if not slowed:
        return timeline
    parts = math.ceil(timeline.time_base / FINEST_S)
    first = int(timeline.pts[0]) * parts
    edges = [int(tick) * parts - first for tick in timeline.pts] + [timeline.duration * parts]
    shown = list(edges)
    later, done = Fraction(0), 0
    for stretch in slowed:
        start, stop = stretch.frames.start, stretch.frames.stop
        shown[done:start] = (edge + _nearest(later) for edge in edges[done:start])
        begin, gain = edges[start], stretch.factor - 1
        shown[start:stop] = (edge + _nearest(later + gain * (edge - begin)) for edge in edges[start:stop])
        later += gain * (edges[stop] - begin)
        done = stop
    shown[done:] = (edge + _nearest(later) for edge in edges[done:])
    return Timeline(
        pts=np.array(shown[:-1], dtype=np.int64) + first,
        key=timeline.key,
        time_base=timeline.time_base / parts,
        duration=shown[-1],
    )


def _nearest(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def steady(samples: int) -> Clock:
    """The clock of a programme in which nothing is slowed."""
    return Clock((Piece(0, samples, 0, samples),))


def clock(timeline: Timeline, slowed: Sequence[Slowed], samples: int) -> Clock:
    """The clock of a programme.

    A slowed stretch ends at the very sample at which its next frame is shown; what is not slowed keeps its
    length to the sample, so that its sound can be copied.

    Args:
        timeline: of the source.
        slowed: as of `slow_down`.
        samples: length of the source's programme.
    """
    source, programme = timeline.samples(), slow_down(timeline, slowed).samples()
    pieces: list[Piece] = []
    at = shown = 0
    for stretch in slowed:
        start, stop = int(source[stretch.frames.start]), int(source[stretch.frames.stop])
        if start > at:
            pieces.append(Piece(at, start, shown, shown + start - at))
            shown += start - at
        until = int(programme[stretch.frames.stop])
        pieces.append(Piece(start, stop, shown, until))
        at, shown = stop, until
    if samples > at or not pieces:
        pieces.append(Piece(at, samples, shown, shown + samples - at))
    return Clock(tuple(pieces))
