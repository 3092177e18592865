"""Phone times against the sound: of sounds that are built, and of what the voices of the dub say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from loc.analysis.phone_times import check_times, manner
from loc.artifacts import SAMPLE_RATE, Phone, Phones
from loc.backend import Host
from loc.settings import Settings
from stages.dub.contract import Synthesiser, VoiceRequest
from stages.dub.espeak import Espeak
from stages.dub.openjtalk import OpenJTalk

SOUNDS = "paasatiimasoopenasuutaamakissapoose"


def built(seed: int = 0) -> tuple[npt.NDArray[np.float32], Phones]:
    """A clip of tones, hisses and silences of 60 to 140 ms, with its phones."""
    rng = np.random.default_rng(seed)
    parts, phones, at = [], [], 0
    for symbol in f"_{SOUNDS}_":
        length = int(rng.uniform(0.06, 0.14) * SAMPLE_RATE)
        tone = np.sin(np.arange(length) * 2 * np.pi * 300 / SAMPLE_RATE)
        hiss = np.diff(rng.normal(size=length + 1))
        level = {"s": 0.0, "p": 0.0, "t": 0.0, "k": 0.0, "_": 0.0, "m": 0.15, "n": 0.15}.get(symbol, 0.3)
        parts.append(level * tone + (0.1 * hiss if symbol == "s" else 0.0))
        phones.append(Phone(symbol=symbol, start=at, stop=at + length))
        at += length
    return np.concatenate(parts).astype(np.float32), Phones(alphabet="espeak", phones=tuple(phones))


def moved(phones: Phones, samples: int) -> Phones:
    return Phones(
        alphabet=phones.alphabet,
        phones=tuple(
            Phone(symbol=one.symbol, start=one.start + samples, stop=one.stop + samples)
            for one in phones.phones
        ),
    )


@pytest.mark.parametrize("late_ms", [-100, -40, 0, 40, 100])
def test_a_planted_shift_is_found_by_loudness_and_by_friction(late_ms: int) -> None:
    audio, phones = built()
    found = check_times(audio, moved(phones, -late_ms * SAMPLE_RATE // 1000))
    for trace in (found.loudness, found.friction):
        assert trace.offset_ms is not None
        assert abs(trace.offset_ms - late_ms) <= 5
        assert trace.correlation > 0.8
        assert trace.unshifted <= trace.correlation
    assert found.friction.n == SOUNDS.count("s")


def test_another_line_does_not_fit() -> None:
    audio, phones = built()
    text = [one.symbol for one in phones.phones]
    other = Phones(
        alphabet="espeak",
        phones=tuple(
            Phone(symbol=symbol, start=one.start, stop=one.stop)
            for symbol, one in zip(text[::-1], phones.phones, strict=True)
        ),
    )
    assert (
        check_times(audio, other).loudness.correlation < check_times(audio, phones).loudness.correlation / 2
    )


@pytest.mark.parametrize("audio", [np.zeros(0), np.zeros(4800), np.zeros(SAMPLE_RATE)], ids=len)
def test_silence_has_no_times(audio: npt.NDArray[np.float32]) -> None:
    found = check_times(audio.astype(np.float32), built()[1])
    assert found.loudness.offset_ms is None
    assert found.friction.offset_ms is None


MANNERS = {
    "espeak": {"'a": "vowel", "m": "sonorant", "t": "stop", "s": "fricative", "z": "voiced", "_": "pause"},
    "openjtalk": {
        "o": "vowel",
        "my": "sonorant",
        "cl": "stop",
        "U": "stop",
        "sh": "fricative",
        "pau": "pause",
    },
    "arpabet": {
        "AY": "vowel",
        "NG": "sonorant",
        "P": "stop",
        "S": "fricative",
        "DH": "voiced",
        "SIL": "pause",
    },
    "ipa": {"ə": "vowel", "ŋ": "sonorant", "k": "stop", "ʃ": "fricative", "v": "voiced", "": "pause"},
}


@pytest.mark.parametrize("alphabet", MANNERS)
def test_manners_of_sounds(alphabet: str) -> None:
    phones = Phones(alphabet=alphabet, phones=())  # type: ignore[arg-type]
    assert {symbol: manner(symbol, phones) for symbol in MANNERS[alphabet]} == MANNERS[alphabet]


@pytest.fixture(scope="module")
def espeak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Espeak]:
    engine = Espeak(Host(Settings(), tmp_path_factory.mktemp("espeak")))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def open_jtalk(tmp_path_factory: pytest.TempPathFactory) -> OpenJTalk:
    return OpenJTalk(Host(Settings(), Path(tmp_path_factory.mktemp("jtalk"))))


def said(
    engine: Synthesiser, text: str, language: str, rate: float
) -> tuple[npt.NDArray[np.float32], Phones]:
    spoken = engine.speak(text, language, VoiceRequest("low", 0), rate)
    scale = SAMPLE_RATE / spoken.sample_rate
    phones = tuple(
        Phone(symbol=one.symbol, start=round(one.start * scale), stop=round(one.stop * scale))
        for one in spoken.phones
    )
    audio = soxr.resample(spoken.audio, spoken.sample_rate, SAMPLE_RATE)
    return audio, Phones(alphabet=spoken.alphabet, phones=phones)


SPANISH = (
    "La música se escuchaba desde el otro lado del valle.",
    "Por favor, cierre la ventana antes de salir de la habitación.",
)
ENGLISH = ("First, open the cover and look at the three small wheels inside.",)
JAPANESE = (
    "この動画は、別の言語で話すために作られました。",
    "口元を見てください。新しい声に合わせて動きます。",
    "音楽と映像は、元のままです。",
)


@pytest.mark.parametrize("rate", [1.0, 1.3])
@pytest.mark.parametrize(
    ("language", "text"), [("es", text) for text in SPANISH] + [("en", text) for text in ENGLISH]
)
def test_espeak_sounds_when_it_says(espeak: Espeak, language: str, text: str, rate: float) -> None:
    """Sibilants to 10 ms. Vowels are heard 0 to 35 ms before they are said to begin, in the glide of the
    sound before them: less than a frame of 25 per second."""
    found = check_times(*said(espeak, text, language, rate))
    assert found.friction.n >= 2
    assert found.friction.offset_ms is not None
    assert abs(found.friction.offset_ms) <= 10
    assert found.loudness.offset_ms is not None
    assert -40 < found.loudness.offset_ms <= 0
    assert found.loudness.correlation > 0.5


@pytest.mark.parametrize("rate", [1.0, 1.15, 1.3])
@pytest.mark.parametrize("text", JAPANESE)
def test_open_jtalk_sounds_when_it_says(open_jtalk: OpenJTalk, text: str, rate: float) -> None:
    """Also where it was told to hurry, when pauses shrink more than consonants."""
    found = check_times(*said(open_jtalk, text, "ja", rate)).loudness
    assert found.offset_ms is not None
    assert -15 <= found.offset_ms <= 5
    assert found.correlation > 0.85
    assert found.unshifted > 0.85
