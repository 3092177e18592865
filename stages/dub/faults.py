"""What can be seen to be wrong with a spoken line from its sound and its text alone.

Engines that draw their sound at random leave lines out, break off, run on, or say next to nothing. Limits are
wide: what is refused here is broken, not merely unlovely. Whether the right words are said is asked of a
recogniser (`hearing`).
"""

from __future__ import annotations

import unicodedata

import numpy as np

from loc.artifacts import SAMPLE_RATE, Reason
from loc.media.sound import Samples
from loc.numbers import numbers

FAINT_DB = -50.0
"""Peak, dBFS, under which a line counts as silent: 40 dB under what any engine makes."""

END_SAMPLES = SAMPLE_RATE // 200
"""A line's last 5 ms."""
CUT_DB = 12.0
"""How far under its loudest 50 ms a line's end must lie. Speech fades out into at least 20 dB; what stops
within 12 was cut off in the middle of a sound."""
LOUD_SAMPLES = SAMPLE_RATE // 20

FLAT = 1e-4
CLIPPED_RUN = 4
"""Samples in a row that lie within `FLAT` of the highest: a top that was cut flat."""
CLIPPED_SHARE = 1e-3
"""Share of a line in such runs that is heard as distortion. A loud voice has no flat tops at all; sound that
goes over full scale unharmed is levelled later."""

FASTEST, SLOWEST = 13.0, 1.2
"""Syllables a second between which speech lies, by the count below. At normal rate 16 languages of espeak-ng
and Open JTalk gave 1.8 (one-word lines) to 8.0."""
SLACK_S = 1.5
"""Pauses that a line may have at any length."""

_LETTER, _DIGIT, _KANJI = 0.4, 2.0, 2.0
"""Syllables of a letter, of a digit, and of an ideograph read in Japanese."""


def faults(audio: Samples, raw: Samples, text: str, language: str, rate: float) -> tuple[Reason, ...]:
    """What is wrong with a line; empty where nothing is.

    Args:
        audio: float32 [n], mono, 48 kHz, trimmed to the sound.
        raw: float32 [m], the samples that the engine made, at its own rate: resampling hides flat tops.
        text: what was to be said.
        rate: at which it was asked for.
    """
    peak = float(np.abs(audio).max(initial=0.0))
    if peak < 10 ** (FAINT_DB / 20):
        return (Reason(code="silent", detail=f"Its peak is under {FAINT_DB:.0f} dBFS."),)
    found = [_length(len(audio) / SAMPLE_RATE, text, language, rate), _cut(audio), _clipped(raw)]
    return tuple(reason for reason in found if reason is not None)


def syllables(text: str, language: str) -> float:
    """About how many syllables (in Japanese: morae) a text has, whatever its script; right to a factor of
    two. A number may have fewer: `unsaid`."""
    total = 0.0
    for sign in unicodedata.normalize("NFC", text):
        name = unicodedata.name(sign, "")
        if sign.isdecimal():
            total += _DIGIT
        elif name.startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH")):
            total += _KANJI if language == "ja" else 1.0
        elif name.startswith(("HIRAGANA", "KATAKANA", "HANGUL SYLLABLE")):
            total += 1.0
        elif sign.isalpha():
            total += _LETTER
    return total


def unsaid(text: str) -> float:
    """How many syllables of the count a text may lack where its numbers are round: of 1,000,000 the 1 is
    said, and none of the noughts."""
    total = 0.0
    for digits, _ in numbers(text):
        total += _DIGIT * len(digits) - max(1, len(digits) - digits.count("0"))
    return total


def _length(seconds: float, text: str, language: str, rate: float) -> Reason | None:
    count = syllables(text, language)
    shortest = (count - unsaid(text)) / (FASTEST * rate)
    longest = count / SLOWEST + SLACK_S
    if seconds < shortest:
        detail = f"It lasts {seconds:.2f} s; its text takes {shortest:.2f} s at the very least."
        return Reason(code="too-short", detail=detail)
    if seconds > longest:
        detail = f"It lasts {seconds:.2f} s; its text takes {longest:.2f} s at the very most."
        return Reason(code="too-long", detail=detail)
    return None


def _cut(audio: Samples) -> Reason | None:
    if len(audio) < 2 * LOUD_SAMPLES:
        return None
    power = np.convolve(np.square(audio, dtype=np.float64), np.full(LOUD_SAMPLES, 1 / LOUD_SAMPLES), "valid")
    end = float(np.mean(np.square(audio[-END_SAMPLES:], dtype=np.float64)))
    under = 10 * np.log10(float(power.max()) / max(end, 1e-12))
    if under >= CUT_DB:
        return None
    return Reason(code="cut-off", detail=f"It ends {max(under, 0.0):.0f} dB under its loudest sound.")


def _clipped(raw: Samples) -> Reason | None:
    share = clipped_share(raw)
    if share <= CLIPPED_SHARE:
        return None
    return Reason(code="clipped", detail=f"{100 * share:.1f} % of it is cut flat.")


def clipped_share(raw: Samples) -> float:
    """Share of a sound in runs at its highest level that no wave makes by itself."""
    level = np.abs(raw)
    flat = np.concatenate(([False], level >= level.max(initial=0.0) * (1 - FLAT), [False])).astype(np.int8)
    edges = np.flatnonzero(np.diff(flat))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= CLIPPED_RUN].sum()) / max(1, len(raw))
