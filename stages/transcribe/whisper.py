"""Many languages by Whisper: an adapter over `loc.analysis.whisper`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loc.analysis import whisper
from loc.backend import Card, Host, Languages, LicensedPart, Need
from stages.transcribe.contract import Passage


class Whisper:
    """Words with times, punctuation and confidences."""

    card: ClassVar[Card] = Card(
        stage="transcribe",
        name="whisper",
        version="1",
        summary="99 languages, found out by itself, with punctuation and word times.",
        family="neural",
        quality="good",
        runs="in-process",
        needs=(Need("package", "whisper", "pip install 'loc[neural]'"),),
        languages=Languages(source=whisper.LANGUAGES, detects=True),
        licences=(LicensedPart("code", "openai-whisper", "mit"),),
        architecture="whisper",
    )

    max_window_samples = whisper.MAX_WINDOW
    hears_mixes = True

    def __init__(self, host: Host) -> None:
        assert host.model is not None
        self._recogniser = whisper.Recogniser(host, host.model)

    def fingerprint(self) -> Mapping[str, str]:
        return self._recogniser.fingerprint()

    def close(self) -> None:
        """Free the model."""
        self._recogniser.close()

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        """What is said in one window, float32 [n], mono, 16 kHz."""
        return self._recogniser.recognise(audio, language)

    def recognise_with(self, audio: npt.NDArray[np.float32], language: str, vocabulary: str) -> list[Passage]:
        """The same, with names and terms that may be said as text that might have come before."""
        return self._recogniser.recognise(audio, language, vocabulary)

    def languages(self, audio: npt.NDArray[np.float32]) -> dict[str, float]:
        """How likely a window is in each language."""
        return self._recogniser.languages(audio)
