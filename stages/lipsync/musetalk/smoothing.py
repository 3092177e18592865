"""One-Euro filters: still things are held still, and what moves fast passes.

A low pass whose cutoff rises with the speed of what it filters (Casiez, Roussel and Vogel, CHI 2012,
doi 10.1145/2207676.2208639). Used on the quantities of face boxes and on the pixels of drawn faces, which
MuseTalk draws each by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import numpy.typing as npt

from stages.lipsync.musetalk.boxes import Quantities

Floats = npt.NDArray[np.float64]

SPEED_CUTOFF = 5.0
"""Hz; the speed itself is smoothed so far: faster than a syllable, slower than a frame."""
BOX_CUTOFF, BOX_RISE = 1.0, 30.0
"""Hz, and Hz per face height a second: a head that stands trembles by thousandths of its height, one that
nods moves by tenths a second."""
PIXEL_CUTOFF, PIXEL_RISE = 2.0, 4.0
"""Hz, and Hz per full scale a second: at 25 frames two levels of trembling are more than halved, and lips
that part, which change by half the scale in two frames, pass."""


class OneEuro:
    """Filters arrays that come one after the other, each value by itself.

    Args:
        cutoff: Hz, of what stands still.
        rise: Hz that it grows by for each unit a second.
    """

    def __init__(self, cutoff: float, rise: float) -> None:
        self._cutoff, self._rise = cutoff, rise
        self._held: Floats | None = None
        self._speed: Floats | None = None

    def __call__(self, values: Floats, seconds: float) -> Floats:
        """What passes of the next values.

        Args:
            seconds: since those before.
        """
        if self._held is None or self._speed is None:
            self._held, self._speed = values.copy(), np.zeros_like(values)
            return self._held
        change = (values - self._held) / seconds
        self._speed += _share(SPEED_CUTOFF, seconds) * (change - self._speed)
        # What has just begun to move counts at once, not only when its speed has been smoothed.
        speed = np.maximum(np.abs(self._speed), np.abs(change) * _share(SPEED_CUTOFF, seconds))
        cutoff = self._cutoff + self._rise * speed
        self._held = self._held + _share(cutoff, seconds) * (values - self._held)
        return self._held


def _share(cutoff: float | Floats, seconds: float) -> float | Floats:
    """How much of a new value a low pass of the first order takes."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * seconds))


def steady_boxes(faces: Sequence[Quantities], gaps: Sequence[float]) -> list[Quantities]:
    """The quantities of consecutive frames' boxes without their trembling.

    Args:
        gaps: seconds from each frame to the next; one fewer, or more that are not read.
    """
    passing = OneEuro(BOX_CUTOFF, BOX_RISE)
    steady = []
    for index, face in enumerate(faces):
        height = max(1.0, faces[0].bottom - faces[0].above)
        seconds = gaps[index - 1] if index else 1.0
        values = passing(np.array(astuple(face)) / height, seconds) * height
        steady.append(Quantities(*(float(value) for value in values)))
    return steady
