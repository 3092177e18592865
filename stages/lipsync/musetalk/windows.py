"""Which rows of sound each frame hears.

Rows come at 50 a second. `rows_at` is ours: the rows about the middle of a frame's time on screen, at any
rate, constant or not. `upstream_rows` is upstream's table, which cuts the rate to a whole number and shifts
the sound below and above 25 frames a second; at 25 the two agree.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

ROWS_PER_SECOND = 50

Indices = npt.NDArray[np.int64]


def rows_at(middles: npt.NDArray[np.int64], rate: int, left: int, right: int) -> Indices:
    """The rows that frames hear, int64 [n, 2 * (left + right + 1)], counted from 0; outside the sound they
    are below 0 or past its end.

    Args:
        middles: int64 [n], the sample in the middle of each frame's time on screen.
        rate: samples a second.
        left, right: frames of 40 ms heard before and after a frame's own.
    """
    # Rounded to the nearest row in whole numbers; a frame's own two rows are that before its middle and that
    # from it.
    centre = (2 * ROWS_PER_SECOND * np.asarray(middles, np.int64) + rate) // (2 * rate)
    first = centre - 1 - 2 * left
    return np.asarray(first[:, None] + np.arange(2 * (left + right + 1)), dtype=np.int64)


def upstream_rows(samples: int, fps: float, left: int, right: int) -> Indices:
    """Upstream's table for a sound at 16 kHz, int64 [frames, 2 * (left + right + 1)], counted from 0, with -1
    where it puts zeros.

    Raises:
        ValueError: a rate at which upstream reads past its own padding and ends the program.
    """
    rate = int(fps)
    # In whole numbers: the products are exact, and so are these.
    rows = samples * ROWS_PER_SECOND // 16_000
    frames = samples * rate // 16_000
    step = ROWS_PER_SECOND / rate
    pad = math.ceil(step)
    first = np.array([int(index * step) for index in range(frames)], dtype=np.int64) - pad * left
    table = first[:, None] + np.arange(2 * (left + right + 1))
    if frames and table[-1, -1] >= rows + 3 * pad * right:
        raise ValueError(f"upstream has no windows for {fps} frames a second")
    return np.where((table < 0) | (table >= rows), -1, table)
