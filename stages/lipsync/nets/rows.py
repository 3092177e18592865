"""Which rows of sound each frame hears, at any rate, constant or not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ROWS_PER_SECOND = 50
"""Of whisper's encoder."""

Indices = npt.NDArray[np.int64]


def rows_at(middles: npt.NDArray[np.int64], rate: int, left: int, right: int) -> Indices:
    """The rows about the middle of each frame's time on screen, int64 [n, 2 * (left + right + 1)], counted
    from 0; outside the sound they are below 0 or past its end.

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
