"""Dub: lines in; spoken clips, fitted and mixed, out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from loc.artifacts import Phone, Ref, Source, Stems, Transcript, Translation
from loc.backend import Backend
from loc.stage import Slot


@dataclass(frozen=True)
class Inputs:
    source: Slot[Source]
    stems: Slot[Stems]
    transcript: Slot[Transcript]
    translation: Slot[Translation]


@dataclass(frozen=True)
class Reference:
    """A recording of somebody whose voice is to be imitated."""

    sound: Ref
    """WAV, mono, 16 bits: what an engine is given, by path, and all that it may hear of the person."""
    path: Path
    """Where the object lies, to be read only. Never in a key."""
    language: str | None = None
    """BCP-47 primary tag of what is said in it; None where nobody says."""


@dataclass(frozen=True)
class VoiceRequest:
    """The voice wanted for a speaker, coarse enough that it does not change with every measurement.

    A name counts before class and variant. `variant` tells speakers of one class apart: 0 for the first, 1
    for the second, and so on.
    """

    voice_class: Literal["low", "high"]
    variant: int
    name: str | None = None
    """One of the engine's own voices, which the user named."""
    reference: Reference | None = None
    bank: str | None = None
    """The voice of the bank that this is, for the report; in no key."""

    def params(self) -> dict[str, str | int]:
        """What of it stands in keys beside the recording."""
        heard = self.reference.language if self.reference is not None else None
        spoken = {"reference_language": heard} if heard is not None else {}
        if self.name is not None:
            return {"voice": self.name, **spoken}
        return {"voice_class": self.voice_class, "variant": self.variant, **spoken}

    @property
    def recording(self) -> Ref | None:
        """What of it stands in keys as an input."""
        return self.reference.sound if self.reference is not None else None

    @property
    def stock(self) -> VoiceRequest:
        """What is left for an engine that neither imitates nor has the voice by this name."""
        return VoiceRequest(self.voice_class, self.variant)


@dataclass(frozen=True)
class Spoken:
    """A synthesised line.

    `audio`: float32 [n], mono, full scale 1.0, at `sample_rate`. `phones`: in samples at `sample_rate`,
    covering the clip in time order; empty where the engine does not know them, and then they are found by
    aligning. `voice`: name of the voice, for the report and the credits.
    """

    audio: npt.NDArray[np.float32]
    sample_rate: int
    phones: tuple[Phone, ...]
    alphabet: Literal["espeak", "openjtalk", "ipa", "arpabet"]
    voice: str


@dataclass(frozen=True)
class Traits:
    """What an engine can do beyond speaking."""

    times_phones: bool = False
    """Every phone comes with its time, so that the engine can time the lines of others."""
    has_takes: bool = False
    """Another take of a line sounds different. Without, a line is asked for once."""
    keeps_rate: bool = True
    """Speaks faster when asked to."""
    has_names: bool = False
    """Voices can be asked for by name."""
    clones: bool = False
    """Imitates a recording, where it is given one."""
    has_classes: bool = True
    """Has voices of both classes. Without, all who are not imitated sound alike."""


class Synthesiser(Backend, Protocol):
    """A text-to-speech engine."""

    traits: ClassVar[Traits]

    def speak(self, text: str, language: str, voice: VoiceRequest, rate: float, take: int = 0) -> Spoken:
        """Speak one line.

        Args:
            text: plain text of the target language.
            language: BCP-47 primary tag.
            voice: which voice.
            rate: speed, 1.0 = the engine's normal, up to 1.35.
            take: 0, 1, ...: the same always sounds the same; another may sound different.

        Raises:
            InputError: the line cannot be said by this engine, however often it is asked.
            LocError: it failed; another take may succeed.
        """
        ...
