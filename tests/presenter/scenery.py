"""Backdrops: a study and a plain wall, slightly out of focus."""

from __future__ import annotations

import cv2
import numpy as np

from tests.presenter.canvas import Canvas, Colour, Pixels, Points, ellipse, mix, spline
from tests.presenter.script import Backdrop

WALL: Colour = (196, 206, 204)
WALL_LOW: Colour = (150, 160, 164)
BOOKS: tuple[Colour, ...] = (
    (156, 84, 68),
    (74, 104, 120),
    (196, 160, 96),
    (88, 110, 84),
    (120, 92, 116),
    (214, 202, 180),
)


def draw_backdrop(kind: Backdrop, width: int, height: int) -> Pixels:
    """An RGB picture, uint8 [height, width, 3]."""
    draw = {"study": _study, "plain": _plain}[kind]
    return draw(width, height)


def _gradient(width: int, height: int, top: Colour, bottom: Colour, *, slant: float) -> Pixels:
    """From one colour to another downwards, `slant` of it sideways; dithered, or a plain wall shows bands."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    share = np.clip((1 - slant) * y / height + slant * x / width, 0, 1)[..., None]
    noise = np.random.default_rng(3).uniform(-0.5, 0.5, (height, width, 1)).astype(np.float32)
    first, second = (np.asarray(colour, dtype=np.float32) for colour in (top, bottom))
    picture: Pixels = np.clip(np.round(first + (second - first) * share + noise), 0, 255).astype(np.uint8)
    return picture


def _rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)


def _study(width: int, height: int) -> Pixels:
    """A wall with a window on the left and a shelf on the right; lengths are shares of the height."""
    canvas = Canvas(_gradient(width, height, WALL, WALL_LOW, slant=0.25))
    h = float(height)
    right = width / h
    _window(canvas, h)
    _shelf(canvas, h, right)
    _plant(canvas, h, right)
    return np.asarray(cv2.GaussianBlur(canvas.pixels, (0, 0), 0.006 * h), dtype=np.uint8)


def _window(canvas: Canvas, h: float) -> None:
    canvas.soft(_rectangle(0.02, 0.05, 0.48, 0.75) * h, (255, 246, 224), opacity=0.55, blur=0.07 * h)
    canvas.fill(_rectangle(0.06, 0.07, 0.44, 0.68) * h, (238, 240, 238))
    for left in (0.085, 0.26):
        pane = _rectangle(left, 0.095, left + 0.155, 0.655) * h
        canvas.fill(pane, (206, 226, 236))
        canvas.soft(
            ellipse((left + 0.08) * h, 0.62 * h, 0.12 * h, 0.10 * h),
            (140, 170, 140),
            opacity=0.8,
            blur=0.03 * h,
            within=pane,
        )
        canvas.soft(
            ellipse((left + 0.05) * h, 0.22 * h, 0.10 * h, 0.05 * h),
            (250, 250, 248),
            opacity=0.8,
            blur=0.03 * h,
            within=pane,
        )


def _shelf(canvas: Canvas, h: float, right: float) -> None:
    rng = np.random.default_rng(8)
    for board in (0.34, 0.62):
        left = right - 0.50
        x = left + 0.03
        while x < right - 0.05:
            thick, tall = rng.uniform(0.022, 0.042), rng.uniform(0.12, 0.19)
            colour = BOOKS[int(rng.integers(len(BOOKS)))]
            if rng.uniform() < 0.85:
                canvas.fill(_rectangle(x, board - tall, x + thick, board) * h, colour)
                canvas.fill(
                    _rectangle(x + 0.7 * thick, board - tall, x + thick, board) * h,
                    mix(colour, (20, 16, 24), 0.3),
                )
            x += thick + 0.004
        canvas.fill(_rectangle(left, board, right, board + 0.022) * h, (132, 96, 70))
        canvas.soft(
            _rectangle(left, board + 0.022, right, board + 0.045) * h,
            (40, 40, 50),
            opacity=0.4,
            blur=0.012 * h,
        )


def _plant(canvas: Canvas, h: float, right: float) -> None:
    root = np.array([right - 0.62, 0.92])
    for angle in np.linspace(-1.2, 1.2, 9):
        tip = root + np.array([0.30 * np.sin(angle), -0.12 - 0.30 * np.cos(angle)])
        middle = 0.5 * (tip + root) - np.array([0.0, 0.05])
        thick, thin = np.array([0.028, 0.0]), np.array([0.008, 0.0])
        leaf = spline(np.stack([root - thin, middle - thick, tip, middle + thick, root + thin]))
        canvas.fill(leaf * h, mix((70, 112, 78), (120, 150, 92), float(np.cos(angle * 3)) ** 2))
    pot = root + np.array([(-0.09, -0.04), (0.09, -0.04), (0.07, 0.08), (-0.07, 0.08)])
    canvas.fill(pot * h, (178, 120, 92))


def _plain(width: int, height: int) -> Pixels:
    """A warm wall with large soft lights."""
    canvas = Canvas(_gradient(width, height, (212, 186, 158), (134, 104, 98), slant=0.35))
    h = float(height)
    for x, y, radius, opacity in (
        (0.25, 0.25, 0.22, 0.30),
        (0.12, 0.62, 0.14, 0.22),
        (1.5, 0.3, 0.18, 0.25),
        (1.62, 0.72, 0.26, 0.18),
    ):
        canvas.soft(
            ellipse(x * h, y * h, radius * h, radius * h), (255, 230, 196), opacity=opacity, blur=0.02 * h
        )
    return canvas.pixels
