"""Which part of the square is drawn: the fixed mask the published weights were trained with, and the tensors
made with it.

The mask is given by its extents, row by row, on a square of 256: both cheeks beside the nose, then one run
from cheek to cheek that narrows like a jaw.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

SIDE = 256
CHEEKS = range(95, 128)
"""Rows in which the nose stays as it is."""
CHEEK_COLUMNS = (9, 77), (178, 246)

JAW_TOP = 128
# Per row from JAW_TOP on, first and last drawn column; a number of rows, then both columns.
_JAW = (
    (7, 9, 247), (1, 9, 246), (13, 10, 246), (1, 10, 245), (13, 11, 245), (1, 11, 244), (6, 12, 244),
    (1, 12, 243), (1, 13, 243), (1, 13, 242), (1, 14, 242), (1, 14, 241), (1, 15, 241), (1, 15, 240),
    (1, 16, 240), (1, 16, 239), (1, 17, 238), (1, 18, 238), (1, 18, 237), (2, 19, 236), (1, 20, 235),
    (2, 21, 234), (1, 22, 233), (1, 22, 232), (1, 23, 232), (1, 24, 231), (1, 25, 230), (1, 26, 230),
    (1, 26, 229), (1, 27, 228), (1, 28, 228), (1, 29, 227), (1, 30, 226), (1, 31, 225), (1, 32, 224),
    (1, 33, 223), (1, 34, 223), (1, 34, 222), (1, 35, 221), (1, 36, 220), (1, 37, 219), (1, 38, 218),
    (1, 39, 217), (1, 40, 216), (1, 42, 215), (1, 43, 214), (1, 44, 213), (1, 45, 212), (1, 47, 211),
    (1, 48, 210), (1, 49, 208), (1, 51, 207), (1, 52, 206), (1, 54, 204), (1, 56, 203), (1, 57, 202),
    (1, 59, 200), (1, 60, 199), (1, 62, 197), (1, 64, 196), (1, 66, 194), (1, 68, 192), (1, 70, 191),
    (1, 72, 189), (1, 74, 187), (1, 76, 185), (1, 78, 183), (1, 80, 180), (1, 82, 178), (1, 85, 175),
    (1, 87, 173), (1, 90, 171), (1, 93, 168), (1, 95, 166), (1, 99, 164), (1, 104, 160), (1, 108, 156),
    (1, 131, 152),
)  # fmt: skip

LATENT = 8
"""Pixels per latent, either way."""


def jaw() -> list[tuple[int, int]]:
    """First and last drawn column of every row from `JAW_TOP` on."""
    return [(first, last) for count, first, last in _JAW for _ in range(count)]


@cache
def kept(resolution: int) -> Floats32:
    """How much of each pixel is kept, float32 [resolution, resolution], 1 kept .. 0 drawn.

    Other sizes than 256 are resampled as published: their edges ring a little beyond 0 and 1 before the bytes
    clip it.
    """
    import cv2

    made = np.full((SIDE, SIDE), 255, dtype=np.uint8)
    for first, last in CHEEK_COLUMNS:
        made[CHEEKS.start : CHEEKS.stop, first : last + 1] = 0
    for row, (first, last) in enumerate(jaw(), JAW_TOP):
        made[row, first : last + 1] = 0
    if resolution != SIDE:
        made = np.asarray(
            cv2.resize(made, (resolution, resolution), interpolation=cv2.INTER_LANCZOS4), dtype=np.uint8
        )
    return made.astype(np.float32) / 255


def kept_latents(resolution: int) -> Floats32:
    """The mask at the size of latents, by the nearest pixel, float32 [resolution / 8, resolution / 8]."""
    return kept(resolution)[::LATENT, ::LATENT]


def pixels(squares: Bytes) -> Floats32:
    """Pictures as the network takes them: uint8 [n, h, w, 3] -> float32 [n, 3, h, w], -1..1."""
    scaled = (squares.astype(np.float32) / 255 - 0.5) / 0.5
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def masked(made: Floats32) -> Floats32:
    """What `pixels` made, with middle grey where something is to be drawn."""
    return made * kept(made.shape[-1])
