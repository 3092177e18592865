"""A face in coordinates of its own, and where its patch lies.

*Face units*: origin in the middle of mouth and chin, x along the line of the eyes to the picture's right, y
down the face, and the face's scale (`loc.analysis.faces.face_scale`) as 1. Every length of the renderer is in
them, so one set of constants serves every face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from loc.analysis.faces import (
    JAW,
    LIP_INNER_LOWER,
    LIP_INNER_UPPER,
    LIP_OUTER_LOWER,
    LIP_OUTER_UPPER,
    Affine,
    face_scale,
    places,
    transform,
)

Points = npt.NDArray[np.float64]

UPPER_INNER, LOWER_INNER = places(LIP_INNER_UPPER), places(LIP_INNER_LOWER)
UPPER_OUTER, LOWER_OUTER = places(LIP_OUTER_UPPER), places(LIP_OUTER_LOWER)
JAW_LINE = places(JAW)
STILL = places((2, 98, 327, 50, 280, 129, 358, 234, 454))
"""Nose base and wings, cheekbones, beside the nose, in front of the ears: what does not move."""
CHEEKS = places((205, 425))
"""Beside the mouth: what follows it in part."""
NOSE_FOOT = places((2, 98, 327))
SKIN = places((205, 425, 50, 280))
"""Where the light on the face is measured."""
MASK_TOP = places((98, 327, 2, 205, 425, 50, 280))

_EYES = places((33, 263))
_FRAME = places((2, 98, 327, 50, 280, 129, 358, 168, 33, 133, 263, 362))
"""Nose and eye corners: what tells how two views of a face lie on each other, whatever the mouth does."""
_TIP, _BRIDGE, _EARS = places((1,)), places((168,)), places((234, 454))
_MIDDLE = places((13, 14, 61, 291, 2, 152))

MASK_DROP = 0.16
"""The mask reaches this far under the jaw, so that the chin line itself is drawn at full strength."""
MASK_FEATHER = 0.14
"""Width of the mask's soft edge: the fields have died out where it begins, but for the neck."""
MASK_CORNERS = 64
"""Corners of the mask's polygon: less than a pixel off the hull at any size drawn."""


@dataclass(frozen=True)
class FaceFrame:
    """The face's coordinates over one patch.

    Args:
        to_face: patch pixels to face units, float64 [2, 3].
        to_patch: the inverse.
        scale: patch pixels per face unit.
        points: the mesh points in face units, [POINT_COUNT, 2].
    """

    to_face: Affine
    to_patch: Affine
    scale: float
    points: Points

    def on(self, matrix: Affine) -> FaceFrame:
        """The same face over a patch of the picture it was found in.

        Args:
            matrix: patch pixel centres to those of the picture, a scaling and a shift.
        """
        step = float(matrix[0, 0])
        to_face = np.column_stack([self.to_face[:, :2] * step, transform(matrix[:, 2], self.to_face)])
        to_patch = np.column_stack([self.to_patch[:, :2], self.to_patch[:, 2] - matrix[:, 2]]) / step
        return FaceFrame(to_face, to_patch, self.scale / step, self.points)


def face_frame(points: Points, upright: Affine) -> FaceFrame:
    """The coordinates of a face.

    Args:
        points: [POINT_COUNT, 2], patch pixels.
        upright: coded to upright pixels; only its linear part counts, as patches keep the coded axes.
    """
    linear = upright[:, :2]
    straight = points @ linear.T
    scale = float(face_scale(straight))
    left, right = straight[_EYES]
    across = (right - left) / (np.linalg.norm(right - left) + 1e-9)
    rotation = np.array([[across[0], across[1]], [-across[1], across[0]]]) / max(scale, 1e-6)
    turn = rotation @ linear
    to_face = np.column_stack([turn, -rotation @ straight[_MIDDLE].mean(axis=0)])
    to_patch = cv2.invertAffineTransform(to_face)
    pixels = 1 / np.sqrt(abs(np.linalg.det(turn)))
    return FaceFrame(to_face, np.asarray(to_patch), float(pixels), transform(points, to_face))


def gaps(points: Points) -> npt.NDArray[np.float64]:
    """Gap between the inner lips at the eleven points of their lines, at least 0."""
    return np.asarray(np.maximum(0.0, points[LOWER_INNER, 1] - points[UPPER_INNER, 1]))


def pose_of(points: Points) -> Points:
    """(yaw, pitch) of a face from its points in face units: about the sine of the angles, less a constant.

    Yaw from where the nose's tip stands between the ears, pitch from how far it stands under the eyes.
    """
    tip, bridge = points[_TIP[0]], points[_BRIDGE[0]]
    ears = points[_EARS]
    half = max(float(ears[1, 0] - ears[0, 0]) / 2, 1e-3)
    return np.array([(tip[0] - ears[:, 0].mean()) / half, tip[1] - bridge[1]])


def laid_on(points: Points, other: Points) -> Affine:
    """Face units of one view to those of another, float64 [2, 3]: least squares over nose and eyes.

    Args:
        points, other: mesh points of the two views, [POINT_COUNT, 2].
    """
    here = np.column_stack([points[_FRAME], np.ones(len(_FRAME))])
    found, *_ = np.linalg.lstsq(here, other[_FRAME], rcond=None)
    return np.asarray(found.T)


def mask_outline(face: FaceFrame, drop: Points) -> Points:
    """Outline of the drawn part of the face, patch pixels [MASK_CORNERS, 2].

    Args:
        drop: [len(JAW), 2], how far the jaw line moves, face units; where it rises, its old place is covered.
    """
    hull = cv2.convexHull(_mask_points(face, drop).astype(np.float32)).reshape(-1, 2).astype(np.float64)
    return _spread(hull, MASK_CORNERS)


def mask_box(face: FaceFrame) -> Points:
    """The box of the mask with the mouth as it is, patch pixels: lowest x and y, highest x and y, [2, 2]."""
    points = _mask_points(face, np.zeros((len(JAW_LINE), 2)))
    return np.stack([points.min(axis=0), points.max(axis=0)])


def _mask_points(face: FaceFrame, drop: Points) -> Points:
    """Points whose hull is the mask, patch pixels [k, 2]."""
    lowest = np.maximum(drop, 0)[2:-2] + np.array([0, MASK_DROP])
    corners = np.concatenate([face.points[MASK_TOP], face.points[JAW_LINE][2:-2] + lowest])
    return transform(corners, face.to_patch)


def _spread(outline: Points, count: int) -> Points:
    """`count` points at equal steps along a closed polygon."""
    closed = np.concatenate([outline, outline[:1]])
    walked = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    steps = np.linspace(0, walked[-1], count, endpoint=False)
    return np.column_stack([np.interp(steps, walked, closed[:, axis]) for axis in (0, 1)])


@dataclass(frozen=True)
class Sheet:
    """Size of a shot's patches, and how they lie on the source.

    Patches keep the axes and, unless they are shrunk, the very pixel grid of the source, so that putting them
    back resamples nothing.

    Args:
        width, height: pixels.
        shrink: patch pixels per source pixel, at most 1.
    """

    width: int
    height: int
    shrink: float

    def matrix(self, centre: Points) -> Affine:
        """Patch pixel centres to coded pixel centres, for a patch about a coded point [2]."""
        step = 1 / self.shrink
        corner = np.rint(centre - np.array([self.width, self.height]) * step / 2)
        return np.array([[step, 0, corner[0] + (step - 1) / 2], [0, step, corner[1] + (step - 1) / 2]])
