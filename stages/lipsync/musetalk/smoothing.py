"""One-Euro filters: still things are held still, and what moves fast passes.

A low pass whose cutoff rises with the speed of what it filters (Casiez, Roussel and Vogel, CHI 2012,
doi 10.1145/2207676.2208639). Used on the quantities of face boxes and on the pixels of drawn faces, which
MuseTalk draws each by itself.
"""

from __future__ import annotations

import math
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

RUN_IN_S = 1.0
"""Seconds before a chunk that its filters read: at 25 frames they keep 4 thousandths of what they held when
they began, of boxes, and of faces less, so that it does not show where a chunk begins."""


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

    def __call__(self, values: Floats, seconds: float, unit: float = 1.0) -> Floats:
        """What passes of the next values.

        Args:
            seconds: since those before.
            unit: of the values, in which `rise` counts their speed.
        """
        if self._held is None or self._speed is None:
            self._held, self._speed = values.copy(), np.zeros_like(values)
            return self._held
        change = (values - self._held) / seconds
        self._speed += _share(SPEED_CUTOFF, seconds) * (change - self._speed)
        # What has just begun to move counts at once, not only when its speed has been smoothed.
        speed = np.maximum(np.abs(self._speed), np.abs(change) * _share(SPEED_CUTOFF, seconds))
        cutoff = self._cutoff + self._rise * speed / unit
        self._held = self._held + _share(cutoff, seconds) * (values - self._held)
        return self._held


def _share(cutoff: float | Floats, seconds: float) -> float | Floats:
    """How much of a new value a low pass of the first order takes."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * seconds))


class SteadyBoxes:
    """The quantities of boxes, frame after frame, without their trembling."""

    def __init__(self) -> None:
        self._passing: OneEuro | None = None

    def __call__(self, face: Quantities | None, seconds: float) -> Quantities | None:
        """Those of the next frame. None where it shows no face: the one after that stands for itself.

        Args:
            seconds: since the frame before; of the first one not read.
        """
        if face is None:
            self._passing = None
            return None
        self._passing = self._passing or OneEuro(BOX_CUTOFF, BOX_RISE)
        height = max(1.0, face.bottom - face.above)
        passed = self._passing(np.array(astuple(face), dtype=np.float64), seconds, height)
        return Quantities(*passed.tolist())


class SteadyPixels:
    """Drawn faces, frame after frame, without their trembling. uint8, all of one shape."""

    def __init__(self) -> None:
        self._passing = OneEuro(PIXEL_CUTOFF, PIXEL_RISE)

    def __call__(self, pixels: npt.NDArray[np.uint8], seconds: float) -> npt.NDArray[np.uint8]:
        """The next one; `seconds` since the one before, of the first one not read."""
        return np.asarray(np.rint(255 * self._passing(pixels / 255, seconds)), dtype=np.uint8)
