"""Vector shapes on an RGB picture: hard edges are anti-aliased, soft ones are blurred masks.

Shapes are float arrays [n, 2] of (x, y) in pixels of the canvas, pixel centres at integers. Colours are RGB
triples 0..255. A shape may be clipped `within` another, as an iris is by its lids.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Points: TypeAlias = npt.NDArray[np.float64]
Pixels: TypeAlias = npt.NDArray[np.uint8]
Colour: TypeAlias = tuple[float, float, float]

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)

SUBPIXEL_BITS = 4
"""cv2 takes fixed-point coordinates; 1/16 of a pixel, halved later, is finer than the eye."""


def spline(points: npt.ArrayLike, *, closed: bool = True, steps: int = 10) -> Points:
    """A Catmull-Rom curve through the points, `steps` samples for each span."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        padded = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        padded = np.concatenate([knots[:1], knots, knots[-1:]])
    p0, p1, p2, p3 = (padded[i : len(padded) - 3 + i, None] for i in range(4))
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[None, :, None]
    curve = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * (p1 - p2) + p3 - p0) * t**3
    )
    flat: Points = curve.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, knots[-1:]])


def ellipse(x: float, y: float, rx: float, ry: float, *, tilt: float = 0.0, steps: int = 48) -> Points:
    """An ellipse about (x, y), turned by `tilt` radians."""
    angle = np.linspace(0.0, 2 * np.pi, steps, endpoint=False)
    ring = np.stack([rx * np.cos(angle), ry * np.sin(angle)], axis=1)
    c, s = np.cos(tilt), np.sin(tilt)
    turned: Points = ring @ np.array([[c, s], [-s, c]]) + (x, y)
    return turned


def shift(shape: Points, x: float, y: float) -> Points:
    """The shape moved by (x, y)."""
    moved: Points = shape + np.array([x, y])
    return moved


def between(first: Points, second: Points) -> Points:
    """The shape between two lines that run the same way."""
    return np.concatenate([first, second[::-1]])


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour `share` of the way from the first to the second."""
    r, g, b = ((1 - share) * a + share * z for a, z in zip(first, second, strict=True))
    return (r, g, b)


def shrink(pixels: Pixels, zoom: int) -> Pixels:
    """A picture `zoom` times smaller, each pixel the mean of those it stands for."""
    height, width = pixels.shape[:2]
    size = (width // zoom, height // zoom)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _fixed(points: Points) -> npt.NDArray[np.int32]:
    fixed: npt.NDArray[np.int32] = np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32)
    return fixed


class Canvas:
    """A picture that is drawn on in place.

    Args:
        pixels: uint8 [height, width, 3] RGB.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels

    def fill(
        self, shape: Points, colour: Colour, *, opacity: float = 1.0, within: Points | None = None
    ) -> None:
        """Fill a shape with one colour."""
        if opacity >= 1.0 and within is None:
            cv2.fillPoly(self.pixels, [_fixed(shape)], colour, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)
            return
        self._blend(shape, colour, opacity, 0.0, within)

    def soft(
        self, shape: Points, colour: Colour, *, opacity: float, blur: float, within: Points | None = None
    ) -> None:
        """Fill a shape whose edge fades over about twice `blur` pixels (the sigma of a Gaussian)."""
        self._blend(shape, colour, opacity, blur, within)

    def stroke(self, path: Points, colour: Colour, width: float, *, closed: bool = False) -> None:
        """Draw a line of round thickness `width` pixels, at least 1."""
        cv2.polylines(
            self.pixels,
            [_fixed(path)],
            closed,
            colour,
            thickness=max(1, round(width)),
            lineType=cv2.LINE_AA,
            shift=SUBPIXEL_BITS,
        )

    def _blend(
        self, shape: Points, colour: Colour, opacity: float, blur: float, within: Points | None
    ) -> None:
        box = self._box(shape, 3 * blur)
        if box is None:
            return
        left, top, right, bottom = box
        alpha = _coverage(shape, box, blur)
        if within is not None:
            alpha = alpha * _coverage(within, box, 0.0)
        view = self.pixels[top:bottom, left:right]
        weight = (alpha * opacity)[..., None]
        view[:] = np.round(view + (np.asarray(colour, dtype=np.float32) - view) * weight)

    def _box(self, shape: Points, margin: float) -> tuple[int, int, int, int] | None:
        """Left, top, right, bottom of the pixels a shape touches, or None where it is outside."""
        height, width = self.pixels.shape[:2]
        left, top = np.floor(shape.min(axis=0) - margin - 1).astype(int)
        right, bottom = np.ceil(shape.max(axis=0) + margin + 2).astype(int)
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        return (left, top, right, bottom) if left < right and top < bottom else None


def _coverage(shape: Points, box: tuple[int, int, int, int], blur: float) -> npt.NDArray[np.float32]:
    """Share of each pixel of `box` that a shape covers, float32 0..1.

    A blurred shape is drawn at a resolution its blur cannot show, which makes wide shadows cheap.
    """
    left, top, right, bottom = box
    size = (right - left, bottom - top)
    factor = max(1.0, blur / 2)
    small = (max(1, round(size[0] / factor)), max(1, round(size[1] / factor)))
    scale = np.array([small[0] / size[0], small[1] / size[1]])
    mask = np.zeros((small[1], small[0]), dtype=np.uint8)
    local = (shape - (left, top) + 0.5) * scale - 0.5
    cv2.fillPoly(mask, [_fixed(local)], (255,), lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)
    if blur > 0:
        soft = cv2.GaussianBlur(
            mask.astype(np.float32), (0, 0), blur * float(scale[0]), borderType=cv2.BORDER_CONSTANT
        )
        return np.asarray(cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32) / 255
    return mask.astype(np.float32) / 255
