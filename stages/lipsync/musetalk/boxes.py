"""MuseTalk's face box, from landmarks: symmetric up and down about the bridge of the nose.

The formula is upstream's, over the 68 points of iBUG; what it needs of them is read from our mesh. A box is
x1, y1, x2, y2 with the far edges outside, pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from loc.analysis.faces import CHEEKS, CHIN, JAW, places
from loc.artifacts import VideoStream

Points = npt.NDArray[np.float64]
IntBox = tuple[int, int, int, int]

BRIDGE = 29
"""Of the 68 points the third of the four down the nose's ridge, 27 between the eyes to 30 at the tip: the
box's middle."""
FOLLOWING, BEFORE = 30, 28

_RIDGE_TOP, _TIP, _CHIN = places((168, 4, CHIN))
_SIDES = places((*JAW, *CHEEKS[-2:]))
"""Jaw, and the points before the ears: what spans the face."""
LEAST_SIDE = 8
"""Pixels; a smaller box shows no face."""


@dataclass(frozen=True)
class Quantities:
    """What the box formula reads of a face.

    Args:
        middle: y of point 29.
        above, below: y of points 28 and 30.
        bottom: the largest y of all 68.
        left, right: the least and largest x of all 68.
    """

    middle: float
    above: float
    below: float
    bottom: float
    left: float
    right: float

    @property
    def shift_range(self) -> tuple[float, float]:
        """The shifts within which upstream advises to stay: to the points before and after the middle."""
        return -(self.below - self.middle), self.middle - self.above


def from_mesh(points: Points) -> Quantities:
    """The quantities of a face of our tracker.

    Args:
        points: [POINT_COUNT, 2], upright pixels.
    """
    top, tip = float(points[_RIDGE_TOP, 1]), float(points[_TIP, 1])
    step = (tip - top) / 3
    sides = points[_SIDES]
    return Quantities(
        middle=tip - step,
        above=tip - 2 * step,
        below=tip,
        bottom=float(max(sides[:, 1].max(), points[_CHIN, 1])),
        left=float(sides[:, 0].min()),
        right=float(sides[:, 0].max()),
    )


def from_landmarks(points: npt.ArrayLike) -> Quantities:
    """The quantities of 68 landmarks, [68, 2], cut to whole pixels as upstream does."""
    whole = np.asarray(points, dtype=np.float64).astype(np.int32)
    return Quantities(
        middle=int(whole[BRIDGE, 1]),
        above=int(whole[BEFORE, 1]),
        below=int(whole[FOLLOWING, 1]),
        bottom=int(np.delete(whole[:, 1], BRIDGE).max()),
        left=int(whole[:, 0].min()),
        right=int(whole[:, 0].max()),
    )


def face_box(face: Quantities, shift: int = 0) -> tuple[float, float, float, float] | None:
    """The box of a face; None where it has no area or leaves the picture on the left.

    Args:
        shift: pixels by which the middle moves down. Above 0 the mouth opens wider, below 0 less.
    """
    middle = face.middle + shift
    # The point that moved is one of those whose lowest counts.
    bottom = max(face.bottom, middle)
    top = max(0.0, middle - (bottom - middle))
    if bottom <= top or face.right <= face.left or face.left < 0:
        return None
    return face.left, top, face.right, bottom


def with_margin(box: Sequence[float], margin: int, height: int) -> tuple[float, float, float, float]:
    """A box with pixels added under the chin, as far as the picture goes."""
    x1, y1, x2, y2 = box
    return x1, y1, x2, min(y2 + margin, float(height))


def clamped(face: Quantities, shift: int, margin: int, width: int, height: int) -> IntBox | None:
    """The whole-pixel box of a face with its margin, inside a picture; None where too little of it is.

    Where the face leaves the picture the box ends at the border, and a picture is drawn of what is there.
    """
    middle = face.middle + shift
    bottom = max(face.bottom, middle)
    top = middle - (bottom - middle)
    x1, y1 = max(0, int(face.left)), max(0, int(top))
    x2, y2 = min(width, int(face.right)), min(height, int(bottom) + margin)
    return (x1, y1, x2, y2) if x2 - x1 >= LEAST_SIDE and y2 - y1 >= LEAST_SIDE else None


def coded(box: IntBox, video: VideoStream) -> IntBox:
    """An upright box as the pixels that are coded, which may lie on their side or be wider than high."""
    aspect = Fraction(video.sample_aspect) or Fraction(1)
    x1, y1, x2, y2 = box
    wide, high = float(video.width * aspect), float(video.height)
    turned = {
        0: (x1, y1, x2, y2),
        90: (wide - y2, x1, wide - y1, x2),
        180: (wide - x2, high - y2, wide - x1, high - y1),
        270: (y1, high - x2, y2, high - x1),
    }[video.rotation]
    left, top, right, bottom = turned
    return (
        max(0, int(left / aspect)),
        max(0, int(top)),
        min(video.width, int(np.ceil(right / aspect))),
        min(video.height, int(np.ceil(bottom))),
    )
