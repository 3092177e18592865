"""Transcribe: who said what when, by a recogniser or from supplied text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from loc.analysis.recognition import RECOGNISER_RATE, Detector, Heard, Passage, Recogniser
from loc.artifacts import Source, Stems
from loc.stage import Slot

__all__ = ["RECOGNISER_RATE", "Detector", "Heard", "Inputs", "Passage", "Prompted", "Recogniser"]


@dataclass(frozen=True)
class Inputs:
    source: Slot[Source]
    stems: Slot[Stems]


@runtime_checkable
class Prompted(Protocol):
    """A recogniser that can be told of names and terms that may be said."""

    def recognise_with(self, audio: npt.NDArray[np.float32], language: str, vocabulary: str) -> list[Passage]:
        """As `recognise`; `vocabulary`: the names and terms, with commas between them."""
        ...
