"""Draws in head units: a pose places a head in the frame, a pen puts its shapes on a canvas.

Head units: origin between the eyes, x to the viewer's right, y down; crown at -1, chin at +1. Features stand
in front of the skull by their depth, so a turn of the head shifts them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.presenter.canvas import Canvas, Colour, Points


@dataclass(frozen=True)
class Pose:
    """Where a head is: origin in frame pixels, pixels per head unit, roll in radians, turn in head units."""

    x: float
    y: float
    scale: float
    roll: float = 0.0
    yaw: float = 0.0
    """Sideways shift of a feature of depth 1; positive turns to the viewer's right."""
    pitch: float = 0.0
    """Downward shift of a feature of depth 1."""

    def place(self, points: npt.ArrayLike, depth: float = 0.0) -> Points:
        """Head units to frame pixels."""
        shape = np.asarray(points, dtype=np.float64) + depth * np.array([self.yaw, self.pitch])
        c, s = np.cos(self.roll), np.sin(self.roll)
        placed: Points = shape @ np.array([[c, s], [-s, c]]) * self.scale + np.array([self.x, self.y])
        return placed


@dataclass(frozen=True)
class Pen:
    """Draws in head units on a canvas that shows part of the frame, magnified.

    Args:
        canvas: what is drawn on.
        pose: places head units in the frame.
        corner: frame pixel (x, y) of the canvas's upper left corner.
        zoom: canvas pixels per frame pixel.
        depth: of what is drawn, in front of the skull.
    """

    canvas: Canvas
    pose: Pose
    corner: tuple[int, int]
    zoom: int
    depth: float = 0.0

    def at(self, depth: float) -> Pen:
        """The same pen at another depth."""
        return Pen(self.canvas, self.pose, self.corner, self.zoom, depth)

    def to_canvas(self, points: npt.ArrayLike) -> Points:
        """Head units to canvas pixels."""
        corner = np.asarray(self.corner, dtype=np.float64)
        placed: Points = (self.pose.place(points, self.depth) - corner + 0.5) * self.zoom - 0.5
        return placed

    def fill(
        self, shape: Points, colour: Colour, *, opacity: float = 1.0, within: Points | None = None
    ) -> None:
        """Fill a shape; `within` is in canvas pixels."""
        self.canvas.fill(self.to_canvas(shape), colour, opacity=opacity, within=within)

    def soft(
        self, shape: Points, colour: Colour, *, opacity: float, blur: float, within: Points | None = None
    ) -> None:
        """Fill with an edge that fades; `blur` in head units, `within` in canvas pixels."""
        sigma = blur * self.pose.scale * self.zoom
        self.canvas.soft(self.to_canvas(shape), colour, opacity=opacity, blur=sigma, within=within)

    def stroke(self, path: Points, colour: Colour, width: float) -> None:
        """Draw a line; `width` in head units."""
        self.canvas.stroke(self.to_canvas(path), colour, width * self.pose.scale * self.zoom)


def mirror(half: npt.ArrayLike) -> Points:
    """An outline from its right half: the half, then its mirror image backwards, points on the axis once."""
    right = np.asarray(half, dtype=np.float64)
    left = right[right[:, 0] != 0][::-1] * np.array([-1.0, 1.0])
    return np.concatenate([right, left])


def sided(points: npt.ArrayLike, side: float) -> Points:
    """Points of the right half, or mirrored for `side` -1."""
    flipped: Points = np.asarray(points, dtype=np.float64) * np.array([side, 1.0])
    return flipped
