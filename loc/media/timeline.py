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

from loc.artifacts import SAMPLE_RATE, FrameTable
from loc.store.workdir import WorkDir


@dataclass(frozen=True)
class Timeline:
    """The frame table, loaded.

    Args:
        pts: int64 [n], ticks, strictly increasing.
        key: bool [n], key frames.
        time_base: seconds per tick.
        duration: ticks from the first frame to the end of the last.
    """

    pts: npt.NDArray[np.int64]
    key: npt.NDArray[np.bool_]
    time_base: Fraction
    duration: int

    @property
    def count(self) -> int:
        return len(self.pts)

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
        # Python integers: a nanosecond clock times a sample rate would overflow 64 bits.
        ticks = np.append(self.pts - self.pts[0], self.duration).astype(object)
        scale = self.time_base * SAMPLE_RATE
        doubled = 2 * ticks * scale.numerator + scale.denominator
        samples = np.asarray(doubled // (2 * scale.denominator), dtype=np.int64)
        samples.setflags(write=False)
        return samples

    def frame_at(self, sample: int) -> int:
        """The frame on screen at a sample, clamped to 0..count-1."""
        starts = self.samples()[:-1]
        return int(np.clip(np.searchsorted(starts, sample, side="right") - 1, 0, self.count - 1))


def save_table(pts: npt.NDArray[np.int64], key: npt.NDArray[np.bool_]) -> bytes:
    """The bytes of a frame table: .npy, int64 [n, 2]."""
    buffer = io.BytesIO()
    np.save(buffer, np.stack([pts, key.astype(np.int64)], axis=1), allow_pickle=False)
    return buffer.getvalue()


def load_timeline(store: WorkDir, table: FrameTable, time_base: Fraction) -> Timeline:
    """Read a frame table from the store."""
    rows = np.load(store.open_object(table.table), allow_pickle=False)
    return Timeline(
        pts=rows[:, 0].copy(), key=rows[:, 1].astype(bool), time_base=time_base, duration=table.duration
    )
