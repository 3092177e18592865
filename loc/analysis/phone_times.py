"""Whether the phones of a rendered clip sound when they are said to: their times against the sound alone.

Two traces that need no recogniser are compared with what phones let expect. *Loudness*: vowels are loud,
nasals and liquids a little less, fricatives soft, stops and pauses silent until they burst. *Friction*:
energy from 5 to 10 kHz, which sibilants have and nothing else. Each is shifted until it fits best; that shift
is by how much the sound is late.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loc.analysis.phones import shapes
from loc.artifacts import SAMPLE_RATE, Phones

Floats = npt.NDArray[np.float64]

HOP = SAMPLE_RATE // 200
"""Samples between two values: 5 ms."""
WINDOW = SAMPLE_RATE // 100
"""Samples whose power makes one value: 10 ms, a period of the lowest voices."""
SPEECH_HZ, FRICTION_HZ = (150.0, 4000.0), (5000.0, 10_000.0)
FLOOR_DB = 50.0
"""What lies this far under the loudest 10 ms counts as silence."""
MAX_LAG = 30
"""Steps either way: 150 ms, a syllable."""

LOUDNESS = {"vowel": 1.0, "sonorant": 0.8, "voiced": 0.6, "fricative": 0.3, "stop": 0.0, "pause": 0.0}
"""What each manner of sound lets expect: its level in dB over the floor as a share of a vowel's, roughly."""

_SONORANT = frozenset("mnŋɱɲɳlɫɭʎrɹɾɽRjJyw")
_STOP = frozenset("ptkcʈqʔ?")
_VOICED = frozenset("bdgɡɖɟvzʒðzDZVB*")
_DEVOICED = frozenset("AIUEO")
"""Open JTalk writes its devoiced vowels so."""
_VOWELS = frozenset(
    {
        *("open", "near-open", "open-mid", "open-mid-central", "mid", "schwa", "close-spread"),
        *("open-rounded", "open-mid-rounded", "mid-rounded", "front-mid-rounded", "close-rounded"),
        "compressed",
    }
)
_SIBILANTS = frozenset({"sibilant", "postalveolar"})


@dataclass(frozen=True)
class Timing:
    """How one trace of a sound lies against its phones.

    Args:
        n: phones it rests on.
        offset_ms: by how much the sound is late, to 5 ms; None where there is nothing to go by.
        correlation: at that offset.
        unshifted: correlation as it stands.
    """

    n: int
    offset_ms: float | None
    correlation: float
    unshifted: float


@dataclass(frozen=True)
class PhoneTimes:
    """Times of phones as two traces tell them."""

    loudness: Timing
    friction: Timing


def check_times(audio: npt.NDArray[np.float32], phones: Phones) -> PhoneTimes:
    """Compare the phones of a clip with its sound.

    Args:
        audio: float32 [n], mono, 48 kHz.
        phones: in samples from the clip's first.
    """
    at = np.arange(len(audio) // HOP) * HOP + HOP // 2
    expected, hissing = np.zeros(len(at)), np.zeros(len(at))
    sounding = sibilants = 0
    for phone in phones.phones:
        inside = (at >= phone.start) & (at < phone.stop)
        kind = manner(phone.symbol, phones)
        sounding += kind != "pause"
        expected[inside] = LOUDNESS[kind]
        if _hisses(phone.symbol, phones):
            sibilants += 1
            hissing[inside] = 1.0
    return PhoneTimes(
        loudness=_timing(_level(audio, SPEECH_HZ), expected, sounding),
        friction=_timing(_level(audio, FRICTION_HZ), hissing, sibilants),
    )


def manner(symbol: str, phones: Phones) -> str:
    """How a phone is made: a key of `LOUDNESS`."""
    made = shapes(symbol, phones.alphabet)
    if all(shape.name == "rest" for shape in made):
        return "pause"
    if all(shape.name in _VOWELS for shape in made):
        return "vowel"
    letters = symbol.lstrip("',%=")
    if phones.alphabet == "arpabet":
        letters = letters.lower()
    if phones.alphabet == "openjtalk" and (letters == "cl" or letters[:1] in _DEVOICED):
        return "stop"
    for kind, first in (("sonorant", _SONORANT), ("stop", _STOP), ("voiced", _VOICED)):
        if letters[:1] in first and not _hisses(symbol, phones):
            return kind
    return "voiced" if letters[:1] in _VOICED else "fricative"


def _hisses(symbol: str, phones: Phones) -> bool:
    return shapes(symbol, phones.alphabet)[0].name in _SIBILANTS


def _level(audio: npt.NDArray[np.float32], band: tuple[float, float]) -> Floats:
    """Level in dB over the floor, every `HOP`, of what lies in a band."""
    from scipy.signal import butter, sosfiltfilt

    steps = len(audio) // HOP
    if not steps:
        return np.zeros(0)
    heard = sosfiltfilt(butter(3, band, "band", fs=SAMPLE_RATE, output="sos"), audio.astype(np.float64))
    total = np.cumsum(np.pad(np.square(heard), (WINDOW // 2 + 1, WINDOW)))
    first = np.arange(steps) * HOP + HOP // 2
    level = 10 * np.log10(np.maximum(total[first + WINDOW] - total[first], 0) / WINDOW + 1e-10)
    return np.asarray(np.maximum(level - level.max() + FLOOR_DB, 0))


def _timing(level: Floats, expected: Floats, count: int) -> Timing:
    """Shift the level until it fits what was expected."""
    if len(level) <= 2 * MAX_LAG or level.std() < 1e-9 or expected.std() < 1e-9:
        return Timing(count, None, 0.0, 0.0)
    found = []
    for lag in range(-MAX_LAG, MAX_LAG + 1):
        heard = level[max(0, lag) : len(level) + min(0, lag)]
        said = expected[max(0, -lag) : len(expected) + min(0, -lag)]
        moved = heard.std() > 0 and said.std() > 0
        found.append(float(np.corrcoef(heard, said)[0, 1]) if moved else 0.0)
    best = int(np.argmax(found))
    offset = 1000 * (best - MAX_LAG) * HOP / SAMPLE_RATE
    return Timing(count, offset, round(found[best], 3), round(found[MAX_LAG], 3))
