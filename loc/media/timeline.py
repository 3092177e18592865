"""Frames and samples of one programme: exact times from the frame table.

Zero is the first video frame's presentation time, for frames and for 48 kHz samples alike.
"""

from __future__ import annotations

import functools
import io
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE, FrameTable, Join
from loc.store.workdir import WorkDir

LEAP_S = 10
"""In transport and program streams a timestamp that leaps further ahead begins a new clock, unless the file's
other streams go on meanwhile: a bad one would make a film of up to 26 hours."""

_AT_ONCE = 4096
"""Frames whose times are computed at once in Python's integers, each of which takes ten times its eight
bytes."""

STREAMED = frozenset({"mpegts", "mpeg"})
"""ffmpeg's names of transport and program streams. A seek by time searches them for timestamps, and goes
astray where these begin anew; they are entered by position."""


@dataclass(frozen=True)
class Stretch:
    """What of a file goes by one clock.

    Args:
        position: byte of the file at which its pictures begin.
        shift: seconds by which its frames are later in the table than the file says.
        last: second that the file says of its last frame.
    """

    position: int
    shift: Fraction
    last: Fraction


@dataclass(frozen=True)
class Timeline:
    """The frame table, loaded.

    Args:
        pts: int64 [n], ticks, strictly increasing.
        key: bool [n], key frames.
        time_base: seconds per tick.
        duration: ticks from the first frame to the end of the last.
        positions: int64 [n], byte of the file at which the packet of a key frame begins; -1 where decoding
            cannot begin. None: nowhere but at the file's start.
        joins: where the file's own timestamps begin anew, in order.
    """

    pts: npt.NDArray[np.int64]
    key: npt.NDArray[np.bool_]
    time_base: Fraction
    duration: int
    positions: npt.NDArray[np.int64] | None = None
    joins: tuple[Join, ...] = ()

    @property
    def count(self) -> int:
        return len(self.pts)

    def shift(self, frame: int) -> int:
        """Ticks by which a frame is later in the table than the file says, unless its time was made up."""
        return next((join.shift for join in reversed(self.joins) if join.frame <= frame), 0)

    def stretches(self) -> tuple[Stretch, ...]:
        """The parts of the file with a clock of their own, in order; one where nothing was joined."""
        begins = [Join(frame=0, shift=0, position=0), *self.joins]
        ends = [join.frame for join in self.joins] + [self.count]
        return tuple(
            Stretch(
                join.position,
                join.shift * self.time_base,
                (int(self.pts[end - 1]) - join.shift) * self.time_base,
            )
            for join, end in zip(begins, ends, strict=True)
        )

    def seconds(self, frame: int) -> Fraction:
        """Presentation time of a frame; `count` gives the end of the programme's picture."""
        ticks = self.duration if frame >= self.count else int(self.pts[frame] - self.pts[0])
        return ticks * self.time_base

    def sample(self, frame: int) -> int:
        """The sample at which a frame appears, rounded half up; `count` gives the picture's end."""
        return math.floor(self.seconds(frame) * SAMPLE_RATE + Fraction(1, 2))

    def samples(self) -> npt.NDArray[np.int64]:
        """`sample` of each frame and of the end, int64 [n + 1], read-only."""
        return self._samples

    @functools.cached_property
    def _samples(self) -> npt.NDArray[np.int64]:
        samples = np.append(self.pts - self.pts[0], self.duration)
        scale = self.time_base * SAMPLE_RATE
        for first in range(0, len(samples), _AT_ONCE):
            # Python integers: a nanosecond clock times a sample rate would overflow 64 bits.
            ticks = samples[first : first + _AT_ONCE].astype(object)
            doubled = 2 * ticks * scale.numerator + scale.denominator
            samples[first : first + _AT_ONCE] = doubled // (2 * scale.denominator)
        samples.setflags(write=False)
        return samples


def save_table(pts: npt.NDArray[np.int64], key: npt.NDArray[np.bool_]) -> bytes:
    """The bytes of a frame table: .npy, int64 [n, 2]."""
    buffer = io.BytesIO()
    np.save(buffer, np.stack([pts, key.astype(np.int64)], axis=1), allow_pickle=False)
    return buffer.getvalue()


@functools.lru_cache(maxsize=1)
def load_timeline(store: WorkDir, table: FrameTable, time_base: Fraction) -> Timeline:
    """Read a frame table from the store; the last one is kept, since every stage of a run reads the same. Its
    arrays are read-only."""
    rows = np.load(store.open_object(table.table), allow_pickle=False)
    pts, key, positions = rows[:, 0].copy(), rows[:, 1].astype(bool), None
    if table.positions is not None:
        positions = np.load(store.open_object(table.positions), allow_pickle=False)
        positions.setflags(write=False)
    for array in (pts, key):
        array.setflags(write=False)
    return Timeline(
        pts=pts,
        key=key,
        time_base=time_base,
        duration=table.duration,
        positions=positions,
        joins=table.joins,
    )
