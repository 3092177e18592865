"""Views of a person's lower face, kept to be drawn from, and which of them suits a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from loc.analysis.faces import Affine
from stages.lipsync.warp.anatomy import Points, pose_of

Floats = npt.NDArray[np.float32]

POSE_SCALE = 0.08
"""Difference of pose (about the sine of the angle) at which a view suits markedly less: five degrees."""
LIGHT_SCALE = 0.25
"""The same for the light: difference of the logarithm of the skin's brightness."""
LEAST_WEIGHT = 0.4
"""Of the best view's, below which another is left out: two views at once are a little blurred."""


@dataclass(frozen=True, eq=False)
class View:
    """The lower face in one frame.

    Args:
        pixels: uint8 [h, w, 3] RGB.
        to_pixels: the view's face units to its pixels, float64 [2, 3].
        points: the frame's mesh points, face units.
        skin: mean colour of the face where it does not move, float32 [3].
    """

    pixels: npt.NDArray[np.uint8]
    to_pixels: Affine
    points: Points
    skin: Floats

    @cached_property
    def pose(self) -> Points:
        """As `pose_of` gives it."""
        return pose_of(self.points)


@dataclass(frozen=True)
class Weighed:
    """A view and its part in what is drawn; parts sum to 1."""

    view: View
    weight: float


def nearest(views: Sequence[View], points: Points, skin: Floats) -> list[Weighed]:
    """The one or two views that suit a picture best by pose and light; none of none.

    Args:
        points: the picture's mesh points, face units.
        skin: mean colour of its face.
    """
    if not views:
        return []
    light = _light(skin)
    darker = np.array([_light(view.skin) - light for view in views])
    apart = poses_apart(views, pose_of(points)) + np.square(darker / LIGHT_SCALE)
    return two_best(views, np.exp(apart.min() - apart))


def poses_apart(views: Sequence[View], pose: Points) -> npt.NDArray[np.float64]:
    """How little each view suits a pose [..., 2]: 1 is markedly, and differences add up; [..., views]."""
    apart = (np.stack([view.pose for view in views]) - pose[..., None, :]) / POSE_SCALE
    return np.asarray(np.square(apart).sum(axis=-1))


def two_best(views: Sequence[View], weights: npt.NDArray[np.float64]) -> list[Weighed]:
    """The one or two views that weigh most. Two share smoothly where they weigh about the same, so that a
    turning head fades from one to the other."""
    order = np.argsort(-weights, kind="stable")
    # Less what is left out, so that a view comes in from nothing; likewise the third against the second.
    left = np.maximum(0, weights / max(float(weights.max()), 1e-12) - LEAST_WEIGHT)
    if len(order) > 2:
        left = np.maximum(0, left - left[order[2]])
    if left.sum() <= 0:
        return [Weighed(views[int(order[0])], 1.0)]
    return [Weighed(views[int(k)], float(left[k] / left.sum())) for k in order if left[k] > 0]


def _light(skin: Floats) -> float:
    return float(np.log(max(float(skin.mean()), 1.0)))
