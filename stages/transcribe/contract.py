"""Transcribe: who said what when, by a recogniser or from supplied text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from loc.analysis.recognition import RECOGNISER_RATE, Heard, Passage
from loc.artifacts import Source, Stems
from loc.backend import Backend
from loc.stage import Slot

__all__ = ["RECOGNISER_RATE", "Heard", "Inputs", "Passage", "Recogniser"]


@dataclass(frozen=True)
class Inputs:
    source: Slot[Source]
    stems: Slot[Stems]


class Recogniser(Backend, Protocol):
    """A speech recogniser."""

    max_window_samples: int
    """Longest window it takes, 16 kHz samples."""

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        """What is said in one window of speech, in time order. Called from several threads.

        Args:
            audio: float32 [n], mono, 16 kHz, full scale 1.0.
            language: BCP-47 primary tag.
        """
        ...
