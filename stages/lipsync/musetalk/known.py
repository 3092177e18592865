"""What MuseTalk must do with a face that is drawn here: `loc models verify --run`.

The upper half of a face is in front of the net, so it comes back as it was; the lower half is hidden, so what
comes there follows the sound. Limits are wide: that a file is of another model, damaged in its numbers, or
computed wrong on a device shows by far more. They follow from what it is trained for, and have not been tried
on the published weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from loc.backend import Tried
from stages.lipsync.contract import HEARD_RATE
from stages.lipsync.musetalk import model, windows

MOST_LOST = 20.0
"""Levels by which the VAE alone, and the upper half of a drawn face, may be off on the average."""
LEAST_MOVED = 0.5
"""Levels by which the lower half must differ between silence and a vowel."""
KEPT_ROWS = slice(16, 112)
"""Of the upper half: the rows next to the hidden ones are painted to fit."""
VOICE_HZ, FORMANT_HZ = 120, 700
FRAME = 12
"""Of a second of sound at 25 a second: in its middle."""


def face() -> npt.NDArray[np.uint8]:
    """A drawn face, uint8 [SIDE, SIDE, 3] RGB."""
    side = model.SIDE
    picture = np.full((side, side, 3), (90, 100, 120), np.uint8)
    cv2.ellipse(picture, (128, 120), (100, 130), 0, 0, 360, (205, 165, 140), -1, cv2.LINE_AA)
    for x in (88, 168):
        cv2.ellipse(picture, (x, 92), (18, 9), 0, 0, 360, (245, 245, 245), -1, cv2.LINE_AA)
        cv2.circle(picture, (x, 92), 8, (60, 40, 30), -1, cv2.LINE_AA)
        cv2.line(picture, (x - 22, 72), (x + 22, 72), (80, 55, 40), 5, cv2.LINE_AA)
    cv2.ellipse(picture, (128, 138), (14, 8), 0, 0, 180, (170, 125, 105), 3, cv2.LINE_AA)
    cv2.ellipse(picture, (128, 190), (36, 9), 0, 0, 360, (170, 80, 85), -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.5), dtype=np.uint8)


def vowel() -> npt.NDArray[np.float32]:
    """A second of a buzz through one formant, float32, 16 kHz."""
    time = np.arange(HEARD_RATE) / HEARD_RATE
    buzz = sum(
        np.sin(2 * np.pi * VOICE_HZ * number * time) / (1 + ((VOICE_HZ * number - FORMANT_HZ) / 150) ** 2)
        for number in range(1, 30)
    )
    return np.asarray(0.2 * buzz / np.abs(buzz).max(), dtype=np.float32)


def tried(nets: model.Model) -> Iterator[Tried]:
    """Draw the face, silent and speaking."""
    seen = face()
    latents = nets.see(seen[None])
    again = nets.decode(latents[:, latents.shape[1] // 2 :])[0]
    yield _under("a drawn face into latents and back", _apart(again, seen), MOST_LOST)
    middle = np.array([(2 * FRAME + 1) * HEARD_RATE // 50], dtype=np.int64)
    table = windows.rows_at(middle, HEARD_RATE, 2, 2)
    silent, spoken = (
        nets.draw(latents, model.tokens_of(nets.hear(sound), table))[0]
        for sound in (np.zeros(HEARD_RATE, dtype=np.float32), vowel())
    )
    kept = _apart(silent[KEPT_ROWS], seen[KEPT_ROWS])
    yield _under("the upper half of a face, which is not hidden", kept, MOST_LOST)
    half = model.SIDE // 2
    moved = _apart(silent[half:], spoken[half:])
    yield Tried(
        "the lower half, silent and with a vowel",
        f"apart by more than {LEAST_MOVED:g} levels",
        f"{moved:.1f} levels",
        moved > LEAST_MOVED,
    )


def _apart(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(np.float64) - other).mean())


def _under(what: str, found: float, limit: float) -> Tried:
    return Tried(what, f"off by less than {limit:g} levels", f"{found:.1f} levels", found < limit)
