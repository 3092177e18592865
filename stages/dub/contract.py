"""Dub: lines in; spoken clips, fitted and mixed, out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from loc.artifacts import Phone, Source, Stems, Transcript, Translation
from loc.backend import Backend
from loc.stage import Slot


@dataclass(frozen=True)
class Inputs:
    source: Slot[Source]
    stems: Slot[Stems]
    transcript: Slot[Transcript]
    translation: Slot[Translation]


@dataclass(frozen=True)
class VoiceRequest:
    """The voice wanted for a speaker, coarse enough that it does not change with every measurement.

    `variant` tells speakers of one class apart: 0 for the first, 1 for the second, and so on.
    """

    voice_class: Literal["low", "high"]
    variant: int


@dataclass(frozen=True)
class Spoken:
    """A synthesised line.

    `audio`: float32 [n], mono, full scale 1.0, at `sample_rate`. `phones`: in samples at `sample_rate`,
    covering the clip in time order. `voice`: name of the voice, for the report and the credits.
    """

    audio: npt.NDArray[np.float32]
    sample_rate: int
    phones: tuple[Phone, ...]
    alphabet: Literal["espeak", "openjtalk", "ipa"]
    voice: str


class Synthesiser(Backend, Protocol):
    """A text-to-speech engine."""

    def speak(self, text: str, language: str, voice: VoiceRequest, rate: float) -> Spoken:
        """Speak one line.

        Args:
            text: plain text of the target language.
            language: BCP-47 primary tag.
            voice: which voice.
            rate: speed, 1.0 = the engine's normal, up to 1.35.

        Raises:
            LocError: it failed; the line becomes a defect.
        """
        ...
