"""A beard on a face that has none: what hides skin but no lips, and must not be taken for a hand."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loc.analysis.faces import CHEEKS, JAW, LIP_OUTER_LOWER, LIP_OUTER_UPPER, NOSE, places
from loc.artifacts import VideoStream
from loc.media.colour import Box
from loc.media.frames import Planes
from tests.occluders.passing import blended
from tests.occluders.sprites import Colour, Floats

BROWN: Colour = (62, 44, 34)
OPACITY = 0.9
OVER_LIP = 0.05
"""The moustache hangs over this share of the upper lip's height."""
TEXTURE = 256
"""Side of the square of strands that is laid over the face, pixels."""

_LIPS = places((*LIP_OUTER_UPPER, *LIP_OUTER_LOWER[-2:0:-1]))
_AREA = places((*JAW, CHEEKS[3], NOSE[6], NOSE[4], NOSE[5], CHEEKS[2]))
"""Along the jaw from the picture's left, and back beside the mouth and under the nose."""


def _strands() -> Floats:
    """Light and dark along hairs that hang down, float32 about 1."""
    noise = np.random.default_rng(3).normal(0, 1, (TEXTURE, TEXTURE)).astype(np.float32)
    long = cv2.GaussianBlur(noise, (0, 0), sigmaX=0.9, sigmaY=5.0)
    return np.asarray(1 + 0.3 * long / long.std(), dtype=np.float32)


_STRANDS = _strands()


def with_beard(
    planes: Planes, video: VideoStream, points: npt.NDArray[np.floating[Any]], colour: Colour = BROWN
) -> Planes:
    """The picture with a full beard and a moustache.

    Args:
        planes: an upright picture with square pixels.
        points: of the face, as in `Faces.points`, [POINT_COUNT, 2].
    """
    height, width = planes.y.shape
    area, lips = points[_AREA], points[_LIPS].copy()
    half = len(LIP_OUTER_UPPER)
    lips[1 : half - 1, 1] += OVER_LIP * np.ptp(lips[:, 1])
    low, high = area.min(axis=0), area.max(axis=0)
    scale = float(high[0] - low[0])
    reach = 0.15 * scale
    x0, y0 = (max(0, int(value - reach)) & ~1 for value in low)
    x1, y1 = min(width, int(high[0] + reach)), min(height, int(high[1] + reach))
    mask = np.zeros((y1 - y0, x1 - x0), dtype=np.float32)
    cv2.fillPoly(mask, [np.round(area - (x0, y0)).astype(np.int32)], (1.0,))
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.03 * scale), dtype=np.float32)
    bare = np.zeros_like(mask)
    cv2.fillPoly(bare, [np.round(lips - (x0, y0)).astype(np.int32)], (1.0,))
    mask *= OPACITY * (1 - cv2.GaussianBlur(bare, (0, 0), 0.008 * scale))
    grow = scale / TEXTURE
    matrix = np.array([[grow, 0, low[0] - x0], [0, grow, low[1] - y0]])
    strands = cv2.warpAffine(
        _STRANDS, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    layer = np.empty((y1 - y0, x1 - x0, 4), dtype=np.float32)
    layer[..., :3] = np.clip(strands[..., None] * np.array(colour), 0, 255) * mask[..., None]
    layer[..., 3] = mask
    box: Box = (x0, y0, x1, y1)
    return blended(planes, video, layer, box)
