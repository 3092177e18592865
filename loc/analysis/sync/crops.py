"""What the evaluator sees of a face: a square from above the brows to below the chin, at 25 per second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loc.analysis.sync.syncnet import FPS, SIDE

if TYPE_CHECKING:
    from loc.analysis.faces import Affine

MEDIAN = 13
"""Frames over which places and sizes of the face are steadied."""
ABOVE, BELOW, BESIDE = 1.0, 1.8, 1.4
"""Reach of the square from the middle of the face, in halves of the face's longer side."""
OUTSIDE = 110
"""What stands beyond the picture's edge."""


def squares(boxes: npt.NDArray[np.float32], upright: Affine) -> npt.NDArray[np.float64]:
    """The square of each frame: float64 [n, 3], left, top and side, upright pixels.

    Args:
        boxes: float32 [n, 4], x0, y0, x1, y1 of the face, coded pixels, without gaps.
        upright: coded pixel centres to upright ones.
    """
    from scipy.ndimage import median_filter

    from loc.analysis.faces import transform

    corners = transform(boxes.reshape(-1, 2, 2).astype(np.float64), upright)
    low, high = corners.min(axis=1), corners.max(axis=1)
    half = (high - low).max(axis=1) / 2
    steady: Any = median_filter(np.column_stack([(low + high) / 2, half]), (MEDIAN, 1), mode="nearest")
    x, y, size = steady.T
    return np.column_stack([x - BESIDE * size, y - ABOVE * size, (ABOVE + BELOW) * size])


def cropped(
    rgb: npt.NDArray[np.uint8], square: npt.NDArray[np.float64], upright: Affine
) -> npt.NDArray[np.uint8]:
    """A face as the evaluator takes it, uint8 [SIDE, SIDE, 3] BGR, upright.

    Args:
        rgb: uint8 [h, w, 3], a picture in coded orientation.
        square: left, top and side in upright pixels.
        upright: coded pixel centres to upright ones.
    """
    import cv2

    left, top, side = square
    scale = SIDE / side
    # The square's outer edges come to lie on the picture's.
    onto = np.array(upright) - [[0, 0, left - 0.5], [0, 0, top - 0.5]]
    matrix = onto * scale - [[0, 0, 0.5], [0, 0, 0.5]]
    made = cv2.warpAffine(
        rgb, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderValue=(OUTSIDE, OUTSIDE, OUTSIDE)
    )
    return np.ascontiguousarray(made[:, :, ::-1])


def at_25(middles: npt.NDArray[np.int64], rate: int) -> npt.NDArray[np.intp]:
    """Which frames are shown at 25 per second, by number, int [k]: those on screen amid each 40 ms.

    Args:
        middles: int64 [n], the samples in the middle of the frames' times on screen, from the first on, in
            order.
        rate: samples per second.
    """
    if not len(middles):
        return np.zeros(0, dtype=np.intp)
    step = float(np.median(np.diff(middles))) if len(middles) > 1 else rate / FPS
    count = int((middles[-1] + step / 2) * FPS / rate + 1e-6)
    wanted = (np.arange(count) + 0.5) * rate / FPS
    after = np.minimum(np.searchsorted(middles, wanted), len(middles) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(wanted - middles[before] <= middles[after] - wanted, before, after)
    # Of frames at one time the first, as of two that are as near.
    return np.asarray(np.searchsorted(middles, middles[nearest]), dtype=np.intp)
