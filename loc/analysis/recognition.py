"""Recognition of English by pocketsphinx: words with times and confidences, without weights to fetch.

What it hears in other languages is fluent nonsense, so callers must refuse them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.analysis.voice_activity import ANALYSIS_RATE
from loc.backend import Backend

RECOGNISER_RATE = ANALYSIS_RATE
"""Sample rate every recogniser is fed, Hz."""

HIGH_PASS_HZ, HIGH_PASS_ORDER = 120, 4
"""Rumble and room modes lie under 120 Hz, the model's filter bank above: word error rate on a public speech
falls from 0.27 to 0.18."""
BEAM, WORD_BEAM = 1e-60, 1e-40
"""Wider than pocketsphinx's own 1e-48 and 7e-29, for a third more time. On the same speech they help where
rumble is left in (0.27 against 0.64) and change nothing after the high-pass: a margin for worse sound."""
FRAME = RECOGNISER_RATE // 100
"""Samples per decoder frame: words lie on a grid of 10 ms."""

SILENCE_PEAK = 1e-4
"""A window that stays under -80 dBFS is silence, in which the decoder would hear a word all the same."""

_NO_WORD = re.compile(r"[<\[+]")
"""Silences `<sil>`, fillers `[NOISE]`, and `++UH++` begin with these."""
_VARIANT = re.compile(r"\(\d+\)$")
"""The dictionary numbers a word's pronunciations: `and(2)`."""


@dataclass(frozen=True)
class Heard:
    """One word. `start` and `stop` are samples at 16 kHz from the start of the window; `confidence` 0..1."""

    text: str
    start: int
    stop: int
    confidence: float | None


@dataclass(frozen=True)
class Passage:
    """What a recogniser decoded in one go. None: it does not say.

    `logprob`: mean natural logarithm of the probability of what was written; `no_speech`: probability that
    nobody speaks; `sung`: probability that the words are sung.
    """

    words: tuple[Heard, ...]
    logprob: float | None = None
    no_speech: float | None = None
    sung: float | None = None


@runtime_checkable
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
        """BCP-47 primary tag -> probability that a window, as for `recognise`, is in that language; empty
        where the model that is loaded cannot tell."""
        ...


def recognise_english(audio: npt.NDArray[np.float32]) -> list[Heard]:
    """Words of one window of English speech, lower case, without punctuation, in time order.

    A decoder is made for each window (0.2 s): it adapts to what it has heard, and a result must not depend on
    which windows came before. Safe to call from several threads.

    Args:
        audio: float32 [n], mono, 16 kHz, full scale 1.0; half a minute at most, decoding holds it whole.
    """
    from pocketsphinx import Decoder

    if len(audio) < FRAME or np.abs(audio).max() < SILENCE_PEAK:
        return []
    decoder = Decoder(samprate=RECOGNISER_RATE, loglevel="FATAL", cmn="batch", beam=BEAM, wbeam=WORD_BEAM)
    decoder.start_utt()
    decoder.process_raw(to_pcm(audio), full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return []
    return [_heard(part) for part in decoder.seg() if not _NO_WORD.match(part.word)]


def which_english(audio: npt.NDArray[np.float32], sentences: Sequence[str]) -> int | None:
    """Which of several sentences of English a window is most likely, or None where it fits none.

    Choosing among few is far surer than writing down what was said: it works with voices that the recogniser
    understands badly.

    Args:
        audio: as for `recognise_english`.
        sentences: lower case, of words in pocketsphinx's dictionary, without punctuation.
    """
    from pocketsphinx import Decoder

    if len(audio) < FRAME or np.abs(audio).max() < SILENCE_PEAK:
        return None
    decoder = Decoder(samprate=RECOGNISER_RATE, loglevel="FATAL", cmn="batch", beam=BEAM, wbeam=WORD_BEAM)
    decoder.add_jsgf_string(
        "choice", f"#JSGF V1.0; grammar choice; public <choice> = {' | '.join(sentences)};"
    )
    decoder.activate_search("choice")
    decoder.start_utt()
    decoder.process_raw(to_pcm(audio), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    said = "" if found is None else " ".join(_VARIANT.sub("", word) for word in found.hypstr.split())
    return sentences.index(said) if said in sentences else None


def share_heard(text: str, said: str, language: str) -> float:
    """Share of a text's words, or of its signs in Japanese, that are among what was heard, in their order.

    Case and punctuation do not count.
    """
    wanted, found = (_units(one, language) for one in (text, said))
    blocks = difflib.SequenceMatcher(None, wanted, found, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / max(1, len(wanted))


def _units(text: str, language: str) -> Sequence[str]:
    plain = re.sub(r"[^\w\s]", "", text.casefold())
    return "".join(plain.split()) if language == "ja" else plain.split()


def fingerprint() -> Mapping[str, str]:
    """Versions of the decoder, whose model and dictionary come in its package, and of the high-pass."""
    return {"pocketsphinx": packages.version("pocketsphinx"), "scipy": packages.version("scipy")}


def to_pcm(audio: npt.NDArray[np.float32]) -> bytes:
    """What the decoder is fed: mono at 16 kHz, float32 [n], without rumble, as 16-bit samples."""
    return (np.clip(_high_pass(audio), -1, 1) * 32767).astype("<i2").tobytes()


def _heard(part: Any) -> Heard:
    return Heard(
        text=_VARIANT.sub("", part.word),
        start=part.start_frame * FRAME,
        stop=(part.end_frame + 1) * FRAME,
        confidence=round(min(1.0, max(0.0, float(part.prob))), 4),
    )


def _high_pass(audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    from scipy.signal import butter, sosfilt

    sections = butter(HIGH_PASS_ORDER, HIGH_PASS_HZ, "highpass", fs=RECOGNISER_RATE, output="sos")
    return np.asarray(sosfilt(sections, audio), dtype=np.float32)
