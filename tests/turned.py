"""Heads turned as they never were drawn: a frontal face as the skin of an ellipsoid that is rotated."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loc.media.frames import Plane, Planes
from tests.pictures import like

HALF_WIDTH, HALF_HEIGHT = 1.2, 1.6
"""Of the head, face scales."""


def turned(
    planes: Planes,
    centre: npt.NDArray[np.floating[Any]],
    scale: float,
    *,
    yaw: float = 0.0,
    down: float = 0.0,
) -> Planes:
    """The picture with the head about `centre` rotated.

    Args:
        planes: an upright picture with square pixels.
        centre: of the face, pixels (x, y).
        scale: of the face, pixels.
        yaw: degrees to the right of the picture.
        down: degrees.
    """
    across, tilt = np.radians([yaw, -down])
    about_y = np.array([[np.cos(across), 0, np.sin(across)], [0, 1, 0], [-np.sin(across), 0, np.cos(across)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    rotation = about_y @ about_x
    reach = np.array([HALF_WIDTH, HALF_HEIGHT]) * scale

    def seen(plane: Plane) -> Plane:
        step = planes.y.shape[1] / plane.shape[1]
        rows, columns = np.mgrid[0 : plane.shape[0], 0 : plane.shape[1]] * step
        here = np.stack([columns, rows], axis=-1)
        x, y = np.moveaxis((here - centre) / reach, -1, 0)
        height = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
        # Multiplying by the rotation from the right is turning back.
        source = (np.stack([x, y, height], axis=-1) @ rotation)[..., :2]
        source /= np.maximum(np.linalg.norm(source, axis=-1, keepdims=True), 1)
        places = np.where((x**2 + y**2 < 1)[..., None], centre + source * reach, here) / step
        moved = cv2.remap(
            plane,
            places[..., 0].astype(np.float32),
            places[..., 1].astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return like(plane, moved)

    return Planes(seen(planes.y), seen(planes.u), seen(planes.v))
