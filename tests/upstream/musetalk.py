"""Which rows of sound each frame hears in upstream's own scripts.

`nets.rows` is what renders; at 25 frames a second the two agree.
"""

from __future__ import annotations

import math

import numpy as np

from stages.lipsync.nets.rows import ROWS_PER_SECOND, Indices


def upstream_rows(samples: int, fps: float, left: int, right: int) -> Indices:
    """Upstream's table for a sound at 16 kHz, int64 [frames, 2 * (left + right + 1)], counted from 0, with -1
    where it puts zeros. It cuts the rate to a whole number and shifts the sound below and above 25 frames a
    second.

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
