"""Transcribe: who said what when, by a recogniser or from supplied text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from loc.artifacts import Source, Stems
from loc.backend import Backend
from loc.stage import Slot

RECOGNISER_RATE = 16_000
"""Sample rate every recogniser is fed, Hz."""


@dataclass(frozen=True)
class Inputs:
    source: Slot[Source]
    stems: Slot[Stems]


@dataclass(frozen=True)
class Heard:
    """One word. `start` and `stop` are samples at 16 kHz from the start of the window."""

    text: str
    start: int
    stop: int
    confidence: float | None


class Recogniser(Backend, Protocol):
    """A speech recogniser."""

    max_window_samples: int
    """Longest window it takes, 16 kHz samples."""

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Heard]:
        """Words of one window of speech, in time order.

        Args:
            audio: float32 [n], mono, 16 kHz, full scale 1.0.
            language: BCP-47 primary tag.
        """
        ...
