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
        summary="99 languages, with punctuation and word times.",
        family="neural",
        quality="good",
        runs="in-process",
        needs=(Need("package", "whisper", "pip install 'loc[neural]'"),),
        languages=Languages(source=whisper.LANGUAGES),
        licences=(LicensedPart("code", "openai-whisper", "mit"),),
        architecture="whisper",
    )

    max_window_samples = whisper.MAX_WINDOW

    def __init__(self, host: Host) -> None:
        assert host.model is not None
        self._recogniser = whisper.Recogniser(host.weights(host.model))

    def fingerprint(self) -> Mapping[str, str]:
        return self._recogniser.fingerprint()

    def close(self) -> None:
        """Free the model."""
        self._recogniser.close()

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        """What is said in one window, float32 [n], mono, 16 kHz."""
        return self._recogniser.recognise(audio, language)
