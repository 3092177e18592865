"""English by pocketsphinx: an adapter over `loc.analysis.recognition`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loc.analysis import recognition
from loc.backend import Card, Host, Languages, LicensedPart, Need
from loc.errors import MissingError
from stages.transcribe.contract import RECOGNISER_RATE, Passage

LANGUAGES = frozenset({"en"})


class Pocketsphinx:
    """A hidden Markov recogniser with its English model inside the package."""

    card: ClassVar[Card] = Card(
        stage="transcribe",
        name="pocketsphinx",
        version="1",
        summary="English words with times; no punctuation, about one word in five wrong on clear speech.",
        family="embedded",
        quality="basic",
        runs="in-process",
        needs=(Need("package", "pocketsphinx", "pip install pocketsphinx"),),
        languages=Languages(source=LANGUAGES),
        memory_mb=350,
        licences=(
            LicensedPart("code", "pocketsphinx", "bsd-2-clause"),
            LicensedPart("weights", "US English model inside pocketsphinx", "bsd-2-clause"),
        ),
    )

    max_window_samples = 20 * RECOGNISER_RATE
    """Decoding time grows with the lattice; 20 s hold several sentences of context."""
    hears_mixes = False

    def __init__(self, host: Host) -> None:
        del host

    def fingerprint(self) -> Mapping[str, str]:
        return recognition.fingerprint()

    def close(self) -> None:
        """Nothing is held between windows."""

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        """Words of one window, float32 [n], mono, 16 kHz; lower case, without punctuation.

        Raises:
            MissingError: any language but English, which it would turn into English nonsense.
        """
        if language not in LANGUAGES:
            raise MissingError(
                f"pocketsphinx does not know the language {language!r}.",
                why="Its model is English.",
                fix="Supply a transcript, VIDEO.LANG.srt beside the video.",
            )
        words = recognition.recognise_english(audio)
        return [Passage(tuple(words))] if words else []
