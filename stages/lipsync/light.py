"""What is drawn, brought to the colours that the picture has round it, where both show the same skin."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ring = npt.NDArray[np.bool_]


def ring_round(inside: npt.NDArray[np.bool_], width: int) -> Ring:
    """The pixels outside a mask that are at most `width` from it, bool [h, w]."""
    import cv2

    reach = 2 * width + 1
    near = cv2.dilate(inside.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return np.asarray((near > 0) & ~inside, dtype=bool)


def mean_colour(pixels: npt.NDArray[Any], ring: Ring) -> npt.NDArray[np.float64] | None:
    """Mean over a ring of pixels [h, w, 3], float64 [3]; None where the ring is empty."""
    return pixels[ring].mean(axis=0, dtype=np.float64) if ring.any() else None


def lit(
    drawn: npt.NDArray[Any], ring: Ring, wanted: npt.NDArray[np.float64] | None, most: float
) -> npt.NDArray[np.float64]:
    """What was drawn, moved as a whole so that its ring has the wanted mean, float64 [h, w, 3].

    Args:
        drawn: [h, w, 3].
        wanted: None: it stays as it is, and so it does where the ring is empty.
        most: by which each colour is moved at most.
    """
    here = mean_colour(drawn, ring)
    if here is None or wanted is None:
        return np.asarray(drawn, dtype=np.float64)
    return np.asarray(drawn + np.clip(wanted - here, -most, most), dtype=np.float64)
