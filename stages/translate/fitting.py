"""How long a translation may be: what a voice says in the room a line has. Pure, over texts and lengths.

Voices differ, and scripts more: so the pace is measured in morae for Japanese and in letters for the rest, by
letting the voice speak a fixed text (`pace`). A line that takes longer than its room at a comfortable pace is
rewritten once, if the translator can; whatever is left is the dub's to fit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Protocol

from loc import packages
from loc.artifacts import SAMPLE_RATE

COMFORT = 1.15
"""How much faster than its own pace a voice may be asked to speak before the text is shortened: what is heard
as lively, not as hurried."""

BORROW = 800 * SAMPLE_RATE // 1000
GAP = 60 * SAMPLE_RATE // 1000
"""Silence after a line that its dub may use, and what is left of it before the next."""

STEP = 0.05
"""Limits are rounded to shares of this, so that a line moved by a few frames is not rewritten."""

LEAST = 4
"""No line is asked to be shorter: it could say nothing."""

_READERS = ("pyopenjtalk-plus", "SudachiPy", "SudachiDict-core")

_SMALL_KANA = re.compile("[ァィゥェォャュョヮ]")
_KANA = re.compile("[ァ-ヴー]")


class Timed(Protocol):
    """A line as far as its time matters, samples."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...


def rooms(lines: Sequence[Timed]) -> list[int]:
    """Samples that each line may take: its own time, and of the silence after it."""
    starts = sorted(line.start for line in lines)
    found = []
    for line in lines:
        following = next((start for start in starts if start >= line.stop), line.stop + BORROW + GAP)
        found.append(max(line.stop, min(line.stop + BORROW, following - GAP)) - line.start)
    return found


def units(text: str, language: str) -> int:
    """Length of a text as spoken: morae of Japanese, letters and digits of other languages."""
    if language == "ja":
        return morae(text)
    return sum(map(str.isalnum, text))


def counting(language: str) -> Mapping[str, str]:
    """What settles lengths in a language, for keys: the packages by which Japanese is read."""
    return {name: packages.version(name) for name in _READERS} if language == "ja" else {}


def morae(text: str) -> int:
    """Morae of a Japanese text, by its reading."""
    pyopenjtalk = packages.import_quietly("pyopenjtalk")
    # The prediction needs onnxruntime, which may or may not be installed: a text has one length.
    read = pyopenjtalk.g2p(text, kana=True, use_sudachi_kanji_yomi=True, predict_nani=False)
    kana = unicodedata.normalize("NFKC", str(read))
    return len(_KANA.findall(kana)) - len(_SMALL_KANA.findall(kana))


def limit(room: int, pace: float) -> int:
    """Most units that are comfortably said in a room, rounded down.

    Args:
        room: samples.
        pace: units per second.
    """
    most = room / SAMPLE_RATE * pace * COMFORT
    step = max(1, round(most * STEP))
    return max(LEAST, int(most) // step * step)
