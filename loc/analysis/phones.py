"""Phones to visemes to mouth curves: what the lips do for the sounds of a spoken clip.

A viseme is the lip shape of a sound: how far open, how wide, and whether the lips must touch. The tables are
data, one per alphabet; a symbol of several shapes (a diphthong, a syllabic rhyme) is read from left to right,
so that /aI/ goes from open to closed. The figures come from a working prototype that was judged by eye on
real clips.

Times are samples at 48 kHz from the clip's first sample.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE, Phone, Phones

Alphabet = Literal["espeak", "openjtalk", "ipa", "arpabet"]
Floats = npt.NDArray[np.float32]

GRID_HZ = 200
"""Rate of the grid on which curves are smoothed: 5 ms, under half of the shortest kernel's sigma."""

LEAD_S = 0.020
"""Lips lead the sound they shape: articulators move before the release is heard."""

APERTURE_SIGMA_S = 0.035
"""Gaussian smoothing of the jaw: opening and closing take about 100 ms."""

WIDTH_SIGMA_S = 0.060
"""Rounding spreads over neighbouring sounds (coarticulation) further than opening does."""

CLOSURE_SIGMA_S = 0.012
"""A lip closure stays sharp: smoothed with the jaw it would never be seen."""

CLOSURE_DEPTH = 0.9
"""Share of the opening that a full closure takes away."""

MIN_CLOSURE_S = 0.050
"""Shorter closures are drawn this long: under a frame at 25 per second they would fall between two frames.
Where frames are on screen for longer, `closed_in` finds the one that shows the closure."""

_MARGIN_S = 0.25
"""Grid beyond both ends of a clip: four times the widest sigma."""


@dataclass(frozen=True)
class Viseme:
    """The lips of one sound.

    Args:
        name: class of the shape.
        aperture: 0 closed .. 1 the speaker's widest.
        width: 1 neutral, below 1 rounded, above 1 spread.
        closed: the lips must touch (p b m).
    """

    name: str
    aperture: float
    width: float
    closed: bool = False


REST = Viseme("rest", 0.0, 1.0)
BILABIAL = Viseme("bilabial", 0.0, 1.0, closed=True)
NEUTRAL = Viseme("neutral", 0.25, 1.0)
"""For symbols no table knows: ajar, so that an unknown sound neither gapes nor shuts."""

_BILABIAL_FRICATIVE = Viseme("bilabial-fricative", 0.10, 0.92)
_LABIODENTAL = Viseme("labiodental", 0.08, 1.01)
_DENTAL = Viseme("dental", 0.24, 1.0)
_ALVEOLAR = Viseme("alveolar", 0.21, 1.02)
_SIBILANT = Viseme("sibilant", 0.18, 1.06)
_POSTALVEOLAR = Viseme("postalveolar", 0.22, 0.85)
_LATERAL = Viseme("lateral", 0.30, 1.02)
_RHOTIC = Viseme("rhotic", 0.28, 0.92)
_TRILL = Viseme("trill", 0.28, 1.0)
_PALATAL = Viseme("palatal", 0.30, 1.05)
_VELAR = Viseme("velar", 0.30, 1.0)
_GLOTTAL = Viseme("glottal", 0.35, 1.0)
_LABIAL_GLIDE = Viseme("labial-glide", 0.25, 0.72)
_OPEN = Viseme("open", 1.0, 1.0)
_NEAR_OPEN = Viseme("near-open", 0.85, 1.05)
_OPEN_MID = Viseme("open-mid", 0.65, 1.08)
_OPEN_MID_CENTRAL = Viseme("open-mid-central", 0.70, 1.0)
_MID = Viseme("mid", 0.62, 1.08)
_SCHWA = Viseme("schwa", 0.40, 1.0)
_CLOSE_SPREAD = Viseme("close-spread", 0.38, 1.11)
_OPEN_ROUNDED = Viseme("open-rounded", 0.75, 0.88)
_OPEN_MID_ROUNDED = Viseme("open-mid-rounded", 0.70, 0.82)
_MID_ROUNDED = Viseme("mid-rounded", 0.62, 0.82)
_FRONT_MID_ROUNDED = Viseme("front-mid-rounded", 0.50, 0.80)
_CLOSE_ROUNDED = Viseme("close-rounded", 0.31, 0.73)
_COMPRESSED = Viseme("compressed", 0.32, 0.85)
_DEVOICED_OPEN = Viseme("devoiced-open", 0.45, 1.0)
_DEVOICED_CLOSE = Viseme("devoiced-close", 0.25, 1.0)


def _table(rows: Mapping[Viseme, str]) -> dict[str, Viseme]:
    return {symbol: viseme for viseme, symbols in rows.items() for symbol in symbols.split()}


_ESPEAK_VOWELS = _table(
    {
        _OPEN: "a A",
        _NEAR_OPEN: "&",
        _OPEN_MID: "E",
        _OPEN_MID_CENTRAL: "V",
        _MID: "e",
        _SCHWA: "@ 3 8 4 5 1 2 9",
        _CLOSE_SPREAD: "i I",
        _OPEN_ROUNDED: "0",
        _OPEN_MID_ROUNDED: "O",
        _MID_ROUNDED: "o",
        _FRONT_MID_ROUNDED: "Y W",
        _CLOSE_ROUNDED: "u U y",
    }
)
"""Kirshenbaum's vowels, as espeak-ng uses them. Digits are vowels only where a symbol begins with them;
behind another letter they number its variants (`@2`, `E3`)."""

_ESPEAK_CONSONANTS = _table(
    {
        BILABIAL: "p b m P ph bh p_h",
        _BILABIAL_FRICATIVE: "B p\\",
        _LABIODENTAL: "f v F",
        _DENTAL: "T D",
        _ALVEOLAR: "t d n th dh t_h * **",
        _SIBILANT: "s z ts dz ts\\ dz\\ s\\ z\\ tsh",
        _POSTALVEOLAR: "S Z tS dZ",
        _LATERAL: "l L",
        _RHOTIC: "r R",
        _TRILL: "r* R2 R3 R4",
        _PALATAL: "j J c C n^ l^ ch ky",
        _VELAR: "k g x X N Q G q kh gh k_h ng N\\ M",
        _GLOTTAL: "h ? H K",
        _LABIAL_GLIDE: "w",
    }
)

_IPA = _table(
    {
        BILABIAL: "p b m ɓ ʙ",
        _BILABIAL_FRICATIVE: "ɸ β",
        _LABIODENTAL: "f v ʋ ɱ ⱱ",
        _DENTAL: "θ ð",
        _ALVEOLAR: "t d n ɗ ʈ ɖ ɳ ɾ ɽ",
        _SIBILANT: "s z ts dz ɕ ʑ tɕ dʑ",
        _POSTALVEOLAR: "ʃ ʒ tʃ dʒ ʂ ʐ tʂ dʐ",
        _LATERAL: "l ɫ ɬ ɮ ɭ ɺ",
        _RHOTIC: "ɹ ɻ",
        _TRILL: "r ʀ",
        _PALATAL: "j ç ʝ c ɟ ɲ ʎ",
        _VELAR: "k ɡ g x ɣ ŋ q ɢ χ ʁ ɴ ɰ",
        _GLOTTAL: "h ɦ ʔ ħ ʕ",
        _LABIAL_GLIDE: "w ʍ ɥ",
        _OPEN: "a ɑ ɐ",
        _NEAR_OPEN: "æ",
        _OPEN_MID: "ɛ",
        _OPEN_MID_CENTRAL: "ʌ",
        _MID: "e",
        _SCHWA: "ə ɜ ɘ ɚ ɝ ɞ ɨ ɯ ɤ",
        _CLOSE_SPREAD: "i ɪ",
        _OPEN_ROUNDED: "ɒ ɶ",
        _OPEN_MID_ROUNDED: "ɔ",
        _MID_ROUNDED: "o",
        _FRONT_MID_ROUNDED: "ø œ ɵ",
        _CLOSE_ROUNDED: "u ʊ y ʏ ʉ",
    }
)

_OPENJTALK = _table(
    {
        REST: "sil pau xx",
        BILABIAL: "p b m py by my",
        _BILABIAL_FRICATIVE: "f fy",
        _LABIODENTAL: "v",
        _ALVEOLAR: "t d n cl",
        _SIBILANT: "s z ts",
        _POSTALVEOLAR: "sh ch j",
        _TRILL: "r",
        _PALATAL: "y ky gy ny hy ry ty dy",
        _VELAR: "k g N kw gw",
        _GLOTTAL: "h",
        _LABIAL_GLIDE: "w",
        _OPEN: "a",
        _MID: "e",
        _CLOSE_SPREAD: "i",
        _MID_ROUNDED: "o",
        _COMPRESSED: "u",
        _DEVOICED_OPEN: "A E O",
        _DEVOICED_CLOSE: "I U",
    }
)

_ARPABET: dict[str, tuple[Viseme, ...]] = {
    **{
        symbol: (viseme,)
        for symbol, viseme in _table(
            {
                REST: "SIL",
                BILABIAL: "P B M",
                _LABIODENTAL: "F V",
                _DENTAL: "TH DH",
                _ALVEOLAR: "T D N",
                _SIBILANT: "S Z",
                _POSTALVEOLAR: "SH ZH CH JH",
                _LATERAL: "L",
                _RHOTIC: "R",
                _PALATAL: "Y",
                _VELAR: "K G NG",
                _GLOTTAL: "HH",
                _LABIAL_GLIDE: "W",
                _OPEN: "AA",
                _NEAR_OPEN: "AE",
                _OPEN_MID: "EH",
                _OPEN_MID_CENTRAL: "AH",
                _SCHWA: "ER",
                _CLOSE_SPREAD: "IH IY",
                _OPEN_MID_ROUNDED: "AO",
                _CLOSE_ROUNDED: "UH UW",
            }
        ).items()
    },
    "AW": (_OPEN, _CLOSE_ROUNDED),
    "AY": (_OPEN, _CLOSE_SPREAD),
    "EY": (_MID, _CLOSE_SPREAD),
    "OW": (_MID_ROUNDED, _CLOSE_ROUNDED),
    "OY": (_OPEN_MID_ROUNDED, _CLOSE_SPREAD),
}
"""The phones of the CMU dictionary, without digits of stress. Fillers such as `+NOISE+` are at rest."""

_ESPEAK = {**_ESPEAK_VOWELS, **_ESPEAK_CONSONANTS}
_STRESS = "',%="
_DIGITS = "0123456789"
_SILENT = frozenset({"", "|", "||", "-", ":"})
_JAPANESE_ASSIMILATED = frozenset({"N", "cl"})
"""Moraic nasal and geminate take the place of the sound that follows: /kaNpai/ is [kampai], lips shut."""


@lru_cache(maxsize=4096)
def shapes(symbol: str, alphabet: Alphabet) -> tuple[Viseme, ...]:
    """The lip shapes of one symbol, in order; at least one, `NEUTRAL` where no table knows the symbol."""
    if alphabet == "openjtalk":
        return (_OPENJTALK.get(symbol, NEUTRAL),)
    if alphabet == "arpabet":
        return (REST,) if symbol.startswith("+") else _ARPABET.get(symbol.rstrip(_DIGITS), (NEUTRAL,))
    if alphabet == "ipa":
        letters = unicodedata.normalize("NFD", symbol)
        if not any(unicodedata.category(letter) in ("Ll", "Lo") for letter in letters):
            return (REST,)
        return _longest_match(letters.replace("\u0361", ""), _IPA) or (NEUTRAL,)
    stripped = symbol.lstrip(_STRESS)
    if stripped in _SILENT or stripped.startswith("_"):
        return (REST,)
    return _longest_match(stripped, _ESPEAK) or (NEUTRAL,)


def _longest_match(symbol: str, table: Mapping[str, Viseme]) -> tuple[Viseme, ...]:
    """Read a symbol from left to right, the longest entry first; what no entry knows is a modifier."""
    found: list[Viseme] = []
    position = 0
    while position < len(symbol):
        for length in (3, 2, 1):
            part = symbol[position : position + length]
            variant_number = position > 0 and part[0] in _DIGITS
            if len(part) == length and part in table and not variant_number:
                if not found or found[-1] != table[part]:
                    found.append(table[part])
                position += length
                break
        else:
            position += 1
    return tuple(found)


@dataclass(frozen=True)
class Visemes:
    """The visemes of a clip as arrays of one length n, in time order.

    `names`: class of each. `starts`, `stops`: int64, samples. `aperture`, `width`: float32. `closed`: bool.
    """

    names: tuple[str, ...]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    aperture: Floats
    width: Floats
    closed: npt.NDArray[np.bool_]


def visemes(phones: Phones) -> Visemes:
    """The visemes of a clip. A phone of several shapes is divided evenly among them."""
    rows = [row for phone, shape in _assimilated(phones) for row in _divided(phone, shape)]
    return Visemes(
        names=tuple(shape.name for shape, _, _ in rows),
        starts=np.array([start for _, start, _ in rows], dtype=np.int64),
        stops=np.array([stop for _, _, stop in rows], dtype=np.int64),
        aperture=np.array([shape.aperture for shape, _, _ in rows], dtype=np.float32),
        width=np.array([shape.width for shape, _, _ in rows], dtype=np.float32),
        closed=np.array([shape.closed for shape, _, _ in rows], dtype=np.bool_),
    )


def _assimilated(phones: Phones) -> list[tuple[Phone, tuple[Viseme, ...]]]:
    """Every phone with its shapes; Japanese N and the geminate close the lips before p, b and m."""
    rows = [(phone, shapes(phone.symbol, phones.alphabet)) for phone in phones.phones]
    if phones.alphabet != "openjtalk":
        return rows
    for index in range(len(rows) - 1):
        phone = rows[index][0]
        if phone.symbol in _JAPANESE_ASSIMILATED and rows[index + 1][1] == (BILABIAL,):
            rows[index] = (phone, (BILABIAL,))
    return rows


def _divided(phone: Phone, parts: Sequence[Viseme]) -> list[tuple[Viseme, int, int]]:
    length = phone.stop - phone.start
    edges = [phone.start + length * index // len(parts) for index in range(len(parts) + 1)]
    return [(part, edges[index], edges[index + 1]) for index, part in enumerate(parts)]


def mouth_curve(phones: Phones, at_samples: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """How the mouth stands at given samples of a clip.

    Args:
        phones: the clip's phones.
        at_samples: int64 [n], samples from the clip's first sample; may lie outside the clip.

    Returns:
        aperture and width, float32 [n]; away from speech 0 and 1. Loudness is not considered.
    """
    found = visemes(phones)
    end = int(found.stops.max(initial=0)) / SAMPLE_RATE
    times = np.arange(-_MARGIN_S, end + _MARGIN_S, 1 / GRID_HZ)
    starts, stops = found.starts / SAMPLE_RATE - LEAD_S, found.stops / SAMPLE_RATE - LEAD_S
    index, inside = _which(times, starts, stops)
    aperture, width = np.zeros(len(times)), np.ones(len(times))
    aperture[inside] = found.aperture[index[inside]]
    width[inside] = found.width[index[inside]]
    shut = _closures(found, times).astype(np.float64)
    aperture[shut > 0] = 0.0
    aperture = _smooth(aperture, APERTURE_SIGMA_S) * (1 - CLOSURE_DEPTH * _smooth(shut, CLOSURE_SIGMA_S))
    width = 1 + _smooth(width - 1, WIDTH_SIGMA_S)
    seconds = np.asarray(at_samples) / SAMPLE_RATE
    return (
        np.interp(seconds, times, aperture, left=0.0, right=0.0).astype(np.float32),
        np.interp(seconds, times, width, left=1.0, right=1.0).astype(np.float32),
    )


def closed_in(phones: Phones, edges: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether the lips must touch in frames: in the middle of a frame's time on screen, or because a
    closure's own middle lies in that time. Slow frames may hold a whole closure that their middles miss. The
    middle is not taken from before the sound, or a frame that is gone when it sounds would show it.

    Args:
        edges: int64 [n + 1], ascending, samples from the clip's first sample at which frames appear, and at
            which the last one ends.

    Returns:
        bool [n].
    """
    found = visemes(phones)
    shut = _closures(found, (edges[:-1] + edges[1:]) // 2 / SAMPLE_RATE)
    starts, stops = found.starts[found.closed], found.stops[found.closed]
    middles = np.maximum(starts, (starts + stops) / 2 - LEAD_S * SAMPLE_RATE)
    at = np.searchsorted(edges, middles, side="right") - 1
    shut[at[(at >= 0) & (at < len(shut))]] = True
    return shut


def _closures(found: Visemes, times: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Where closures are drawn at times in seconds, each at least `MIN_CLOSURE_S` long about its middle."""
    starts, stops = found.starts[found.closed] / SAMPLE_RATE, found.stops[found.closed] / SAMPLE_RATE
    missing = np.maximum(0.0, MIN_CLOSURE_S - (stops - starts)) / 2
    order = np.argsort(times, kind="stable")
    marks = np.zeros(len(times) + 1, dtype=np.int64)
    np.add.at(marks, np.searchsorted(times, starts - missing - LEAD_S, sorter=order), 1)
    np.add.at(marks, np.searchsorted(times, stops + missing - LEAD_S, sorter=order), -1)
    shut = np.empty(len(times), dtype=np.bool_)
    shut[order] = np.cumsum(marks[:-1]) > 0
    return shut


def _which(
    times: npt.NDArray[np.float64], starts: npt.NDArray[np.float64], stops: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Index of the interval at each time, and whether there is one."""
    index = np.searchsorted(starts, times, side="right") - 1
    inside = index >= 0
    inside[inside] = times[inside] < stops[index[inside]]
    return index, inside


def _smooth(values: npt.NDArray[np.float64], sigma_s: float) -> npt.NDArray[np.float64]:
    """Gaussian smoothing on the grid, zero beyond it."""
    sigma = sigma_s * GRID_HZ
    reach = int(np.ceil(4 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.convolve(values, kernel / kernel.sum(), mode="same")
