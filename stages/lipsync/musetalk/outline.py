"""The mask of a drawn face from our own mesh: a label map, MuseTalk's region of it, and its outline.

The label map takes the place of a parsing net, which may not be shipped: skin is what lies inside the jaw's
line, the mouth is inside the lips, the nose between bridge and wings. So every knob of the region acts on it
in the same unit and with the same sign.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from loc.analysis.faces import CHEEKS, FOREHEAD, JAW, LIP_OUTER_LOWER, LIP_OUTER_UPPER, places
from loc.errors import LocError
from stages.lipsync.musetalk import region
from stages.lipsync.musetalk.boxes import IntBox, Points
from stages.lipsync.musetalk.knobs import Knobs

CORNERS = 96
"""Of an outline, about one every 16 pixels of a region that fills a crop."""
SOFT = 3.76
"""Width of a smoothstep over the deviation of a Gaussian, where both edges are equally steep."""
NECK_INSET = 3
"""A neck is as wide as the jaw at this point of its line from either end."""
FIXED_BITS = 4

_JAW, _EARS, _FOREHEAD = places(JAW), places(CHEEKS[-2:]), places((FOREHEAD,))
_LIPS = places((*LIP_OUTER_UPPER, *LIP_OUTER_LOWER[-2:0:-1]))
_NOSE = places((168, 129, 98, 2, 327, 358))


def labels_of(points: Points, crop: region.Box) -> region.Labels:
    """What each pixel of a crop shows, uint8 [SIDE, SIDE].

    Args:
        points: mesh points, [POINT_COUNT, 2], pixels of the picture the crop lies in.
    """
    # OpenCV counts from pixels' middles.
    scale = region.SIDE / (crop[2] - crop[0])
    at = (points - crop[:2] + 0.5) * scale - 0.5
    jaw, ears = at[_JAW], at[_EARS]
    top = float(at[_FOREHEAD[0], 1])
    labels = np.zeros((region.SIDE, region.SIDE), np.uint8)
    under = at[_JAW[[NECK_INSET, -1 - NECK_INSET]]]
    _fill(labels, [*under, (under[1, 0], region.SIDE), (under[0, 0], region.SIDE)], region.NECK)
    _fill(labels, [ears[0], *jaw, ears[1], (ears[1, 0], top), (ears[0, 0], top)], region.SKIN)
    _fill(labels, at[_NOSE], region.NOSE)
    _fill(labels, at[_LIPS], region.MOUTH)
    return labels


def _fill(labels: region.Labels, corners: Iterable[npt.ArrayLike], value: int) -> None:
    line = np.array([np.asarray(corner, dtype=np.float64) for corner in corners])
    fixed = np.rint(line * (1 << FIXED_BITS)).astype(np.int32)
    cv2.fillPoly(labels, [fixed], (value,), shift=FIXED_BITS)


def softness(crop: region.Box) -> float:
    """Width of the mask's soft edge, pixels: as steep as upstream's blur is in its middle."""
    return SOFT * region.blur_deviation(region.blur_kernel(crop[2] - crop[0], region.OFFLINE_BLUR))


def replaced(labels: region.Labels, knobs: Knobs, box: IntBox) -> region.Mask:
    """The part of a crop that is replaced, uint8 [SIDE, SIDE]: the region inside the box and below the
    boundary."""
    mask = region.region(labels, knobs.parsing_mode, knobs.left_cheek_width, knobs.right_cheek_width)
    crop = region.crop_of(box)
    scale = region.SIDE / (crop[2] - crop[0])
    left, top, right, bottom = (round((value - crop[axis % 2]) * scale) for axis, value in enumerate(box))
    kept = np.zeros_like(mask)
    top = max(top, int(region.SIDE * region.UPPER_BOUNDARY), 0)
    kept[top:bottom, max(0, left) : right] = mask[top:bottom, max(0, left) : right]
    return kept


def outline(points: Points, knobs: Knobs, box: IntBox) -> tuple[npt.NDArray[np.float64], float]:
    """(corners [CORNERS, 2], width of the soft edge inside them), pixels of the picture.

    The line lies half the edge's width outside the region's, since the blur that it stands for spreads to
    both sides.

    Args:
        points: mesh points, [POINT_COUNT, 2].
        box: with its margin.

    Raises:
        LocError: nothing of the face would be replaced.
    """
    crop = region.crop_of(box)
    soft = softness(crop)
    scale = region.SIDE / (crop[2] - crop[0])
    mask = replaced(labels_of(points, crop), knobs, box)
    reach = max(1, round(soft * scale / 2))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    wide = cv2.copyMakeBorder(mask, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=(0,))
    lines, _ = cv2.findContours(cv2.dilate(wide, around), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not lines:
        raise LocError("Nothing of the face would be replaced.", why="Box and mask do not meet.")
    line = max(lines, key=cv2.contourArea)[:, 0].astype(np.float64) - reach
    return _spaced(_from_corner(line), CORNERS) / scale + crop[:2] + (0.5 / scale - 0.5), soft


def _from_corner(line: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A closed line begun at its upper left corner, so that the lines of neighbouring frames match."""
    return np.roll(line, -int(np.argmin(line.sum(axis=1))), axis=0)


def _spaced(line: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """As many points at even distances along a closed line."""
    closed = np.concatenate([line, line[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, along[-1], count, endpoint=False)
    return np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], axis=1)
