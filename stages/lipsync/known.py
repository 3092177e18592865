"""A face and a sound that are computed, for the checks of what draws mouths: `loc models verify --run`."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from loc.backend import Tried
from stages.lipsync.contract import HEARD_RATE

SIDE = 256
"""Pixels of the square in which the face is laid out."""
VOICE_HZ, FORMANT_HZ = 120, 700


def face(side: int = SIDE) -> npt.NDArray[np.uint8]:
    """A drawn face, uint8 [side, side, 3] RGB."""
    picture = np.full((SIDE, SIDE, 3), (90, 100, 120), np.uint8)
    cv2.ellipse(picture, (128, 120), (100, 130), 0, 0, 360, (205, 165, 140), -1, cv2.LINE_AA)
    for x in (88, 168):
        cv2.ellipse(picture, (x, 92), (18, 9), 0, 0, 360, (245, 245, 245), -1, cv2.LINE_AA)
        cv2.circle(picture, (x, 92), 8, (60, 40, 30), -1, cv2.LINE_AA)
        cv2.line(picture, (x - 22, 72), (x + 22, 72), (80, 55, 40), 5, cv2.LINE_AA)
    cv2.ellipse(picture, (128, 138), (14, 8), 0, 0, 180, (170, 125, 105), 3, cv2.LINE_AA)
    cv2.ellipse(picture, (128, 190), (36, 9), 0, 0, 360, (170, 80, 85), -1, cv2.LINE_AA)
    drawn = cv2.GaussianBlur(picture, (0, 0), 1.5)
    if side != SIDE:
        drawn = cv2.resize(
            drawn, (side, side), interpolation=cv2.INTER_CUBIC if side > SIDE else cv2.INTER_AREA
        )
    return np.asarray(drawn, dtype=np.uint8)


def vowel() -> npt.NDArray[np.float32]:
    """A second of a buzz through one formant, float32, 16 kHz."""
    time = np.arange(HEARD_RATE) / HEARD_RATE
    buzz = sum(
        np.sin(2 * np.pi * VOICE_HZ * number * time) / (1 + ((VOICE_HZ * number - FORMANT_HZ) / 150) ** 2)
        for number in range(1, 30)
    )
    return np.asarray(0.2 * buzz / np.abs(buzz).max(), dtype=np.float32)


def apart(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Levels, 0..255, by which two pictures differ on the average."""
    return float(np.abs(one.astype(np.float64) - other).mean())


def under(what: str, found: float, limit: float) -> Tried:
    """That pictures were off by no more than a limit, levels."""
    return Tried(what, f"off by less than {limit:g} levels", f"{found:.1f} levels", found < limit)
