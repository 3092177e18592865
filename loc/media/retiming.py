"""A programme whose picture is shown slower in places: its frames' new times, and which sample becomes which.

No frame is added or left out: each of a slowed stretch stays on screen longer, by the stretch's factor. So
the picture is coded as it always is, and only timestamps say that it is slower.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Protocol

import numpy as np

from loc.artifacts import SAMPLE_RATE, Slowed
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
    parts = _parts(timeline)
    first = int(timeline.pts[0]) * parts
    edges = [tick * parts - first for tick in timeline.pts.tolist()] + [timeline.duration * parts]
    shown = list(edges)
    delay, done = Fraction(0), 0
    for stretch, delay_after in zip(slowed, _delays(timeline, slowed), strict=True):
        start, stop = stretch.frames.start, stretch.frames.stop
        begin, gain, later = edges[start], stretch.factor - 1, _nearest(delay)
        shown[done:start] = (edge + later for edge in edges[done:start])
        shown[start:stop] = (edge + _nearest(delay + gain * (edge - begin)) for edge in edges[start:stop])
        delay, done = delay_after, stop
    later = _nearest(delay)
    shown[done:] = (edge + later for edge in edges[done:])
    return Timeline(
        pts=np.array(shown[:-1], dtype=np.int64) + first,
        key=timeline.key,
        time_base=timeline.time_base / parts,
        duration=shown[-1],
    )


def _parts(timeline: Timeline) -> int:
    """Ticks of the programme in one of the source."""
    return math.ceil(timeline.time_base / FINEST_S)


def _delays(timeline: Timeline, slowed: Sequence[Slowed]) -> Iterator[Fraction]:
    """By how much the picture is later from each stretch's end on, exactly, in ticks of the programme."""
    tick = timeline.time_base / _parts(timeline)
    return accumulate(
        (one.factor - 1) * (timeline.seconds(one.frames.stop) - timeline.seconds(one.frames.start)) / tick
        for one in slowed
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
    source, tick = timeline.samples(), timeline.time_base / _parts(timeline)
    pieces: list[Piece] = []
    at = shown = 0
    # Of the ends alone: slowing is tried line by line, and a film has a hundred times as many frames.
    for stretch, delay in zip(slowed, _delays(timeline, slowed), strict=True):
        start, stop = int(source[stretch.frames.start]), int(source[stretch.frames.stop])
        if start > at:
            pieces.append(Piece(at, start, shown, shown + start - at))
            shown += start - at
        until = _nearest((timeline.seconds(stretch.frames.stop) + _nearest(delay) * tick) * SAMPLE_RATE)
        pieces.append(Piece(start, stop, shown, until))
        at, shown = stop, until
    if samples > at or not pieces:
        pieces.append(Piece(at, samples, shown, shown + samples - at))
    return Clock(tuple(pieces))
