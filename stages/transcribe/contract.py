"""Transcribe: who said what when, by a recogniser or from supplied text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from loc.analysis.recognition import RECOGNISER_RATE, Heard, Passage
from loc.artifacts import Source, Stems
from loc.backend import Backend
from loc.stage import Slot

__all__ = ["RECOGNISER_RATE", "Detector", "Heard", "Inputs", "Passage", "Prompted", "Recogniser"]


@dataclass(frozen=True)
class Inputs:
    source: Slot[Source]
    stems: Slot[Stems]


class Recogniser(Backend, Protocol):
    """A speech recogniser."""

    max_window_samples: int
    """Longest window it takes, 16 kHz samples."""
    hears_mixes: bool
    """Whether it learnt from speech in all kinds of sound, so that it may hear more in the whole sound than
    in the speech that was parted from it."""

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        """What is said in one window of speech, in time order. Called from several threads.

        Args:
            audio: float32 [n], mono, 16 kHz, full scale 1.0.
            language: BCP-47 primary tag.
        """
        ...


@runtime_checkable
class Detector(Protocol):
    """A recogniser that can tell which language is spoken. Its card says so: `Languages.detects`."""

    def languages(self, audio: npt.NDArray[np.float32]) -> dict[str, float]:
        """BCP-47 primary tag -> probability that a window, as for `recognise`, is in that language."""
        ...


@runtime_checkable
class Prompted(Protocol):
    """A recogniser that can be told of names and terms that may be said."""

    def recognise_with(self, audio: npt.NDArray[np.float32], language: str, vocabulary: str) -> list[Passage]:
        """As `recognise`; `vocabulary`: the names and terms, with commas between them."""
        ...
