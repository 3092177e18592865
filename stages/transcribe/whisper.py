"""Many languages by Whisper: an adapter over `loc.analysis.whisper`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loc.analysis import whisper
from loc.analysis.recognition import RECOGNISER_RATE, share_heard
from loc.artifacts import SAMPLE_RATE
from loc.backend import Card, Host, Languages, LicensedPart, Need, Speech, Tried
from stages.transcribe.contract import Passage
from stages.transcribe.guard import SUNG

KNOWN: Mapping[str, str] = {
    "en": "In the evening we walked down to the river again.",
    "ja": "おはようございます。今日はとてもいい天気です。",
}
"""What a built-in voice says for the check of a model, by language."""

LEAST_HEARD = 0.5
"""Share of the words, in Japanese of the signs, that must be heard in their order: the built-in voices are
plain, and the smallest models err on real ones; weights that are misread hear nothing of it. Not tried on the
published weights."""


class Whisper:
    """Words with times, punctuation and confidences."""

    card: ClassVar[Card] = Card(
        stage="transcribe",
        name="whisper",
        version="3",
        summary="99 languages, found out by itself, with punctuation and word times.",
        family="neural",
        quality="good",
        runs="in-process",
        needs=(Need("package", "whisper", "pip install 'loc[neural]'"),),
        languages=Languages(source=whisper.LANGUAGES, detects=True),
        licences=(LicensedPart("code", "openai-whisper", "mit"),),
        architecture="whisper",
        checkpoint=whisper.CHECKPOINT,
    )

    max_window_samples = whisper.MAX_WINDOW
    hears_mixes = True

    def __init__(self, host: Host) -> None:
        assert host.model is not None
        self._recogniser = whisper.Recogniser(host, host.model)
        self._spoken = host.weights(host.model).row.languages

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
        """How likely a window is in each language; empty where the model knows but one."""
        return self._recogniser.languages(audio)

    def self_check(self, speech: Speech) -> Iterator[Tried]:
        """Hear a built-in voice, in English and, where the model is one of many languages, in Japanese."""
        import soxr

        only = self._spoken.source if self._spoken is not None else ("*",)
        for language, text in KNOWN.items():
            if "*" not in only and language not in only:
                continue
            sound = soxr.resample(speech(text, language), SAMPLE_RATE, RECOGNISER_RATE, quality="VHQ")
            audio = np.asarray(sound, dtype=np.float32)
            heard = self.recognise(audio, language)
            said = " ".join(word.text for one in heard for word in one.words)
            share = share_heard(text, said, language)
            yield Tried(
                f"a built-in voice in {language!r}",
                f"at least {LEAST_HEARD:.0%} of {text!r}",
                f"{share:.0%}: {said!r}",
                share >= LEAST_HEARD,
            )
            sung = max((one.sung or 0.0 for one in heard), default=0.0)
            yield Tried(
                f"that nobody sings in {language!r}",
                f"song at most {SUNG:.0%} likely",
                f"{sung:.1%}" if heard else "no word to judge",
                bool(heard) and sung <= SUNG,
            )
            if "*" in only or len(only) > 1:
                told = self.languages(audio)
                best = max(told, key=lambda one: told[one], default=None)
                found = f"{best}, {told[best]:.0%}" if best else "cannot tell: a model of English alone"
                yield Tried(f"its language, {language!r}", language, found, best == language)
