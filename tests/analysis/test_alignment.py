"""Forced alignment against voices whose phone times are known, and on sound that does not fit its text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from loc.analysis.alignment import align_english, spelt, words_of
from loc.analysis.phones import visemes
from loc.analysis.recognition import RECOGNISER_RATE
from loc.artifacts import SAMPLE_RATE, Phone, Phones
from loc.backend import Host
from loc.settings import Settings
from stages.dub.contract import VoiceRequest
from stages.dub.espeak import Espeak
from tests.voices import SENTENCES

TEXT = SENTENCES[7]
"""My brother bought a yellow boat and painted it blue."""


@pytest.fixture(scope="module")
def espeak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Espeak]:
    engine = Espeak(Host(Settings(), tmp_path_factory.mktemp("espeak")))
    yield engine
    engine.close()


def said(espeak: Espeak, text: str) -> tuple[npt.NDArray[np.float32], Phones]:
    """(float32 at 16 kHz, phones as the voice spoke them, samples at 48 kHz)."""
    spoken = espeak.speak(text, "en", VoiceRequest("low", 0), 1.0)
    scale = SAMPLE_RATE / spoken.sample_rate
    phones = tuple(
        Phone(symbol=one.symbol, start=round(one.start * scale), stop=round(one.stop * scale))
        for one in spoken.phones
    )
    audio = soxr.resample(spoken.audio, spoken.sample_rate, RECOGNISER_RATE)
    return audio, Phones(alphabet=spoken.alphabet, phones=phones)


def closures(phones: Phones) -> npt.NDArray[np.float64]:
    """Middles of the sounds for which the lips shut, seconds."""
    found = visemes(phones)
    return (found.starts + found.stops)[found.closed] / 2 / SAMPLE_RATE


@pytest.mark.parametrize("text", [TEXT, SENTENCES[10], "Half of the boxes belong to my mother."])
def test_closures_are_found_where_the_voice_made_them(espeak: Espeak, text: str) -> None:
    audio, truth = said(espeak, text)
    found = align_english(audio, text)
    assert found is not None
    assert found.alphabet == "arpabet"
    assert all(one.start < one.stop for one in found.phones)
    assert all(a.stop <= b.start for a, b in zip(found.phones, found.phones[1:], strict=False))
    assert len(closures(found)) == len(closures(truth))
    assert np.abs(closures(found) - closures(truth)).max() < 0.050


def test_a_name_is_read_by_its_letters_and_the_rest_stays_in_place(espeak: Espeak) -> None:
    text = "My brother Xavrik bought a yellow boat."
    audio, truth = said(espeak, text)
    found = align_english(audio, text)
    assert found is not None
    assert np.abs(closures(found) - closures(truth)).max() < 0.050


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 10 o'clock, Bob!", "it's one zero o'clock bob"),
        ("\u201cDon\u2019t\u201d \u2014 she said\u2026", "don't she said"),
        ("...", ""),
        ("\u00bfQu\u00e9?", "qu"),
    ],
)
def test_words_of_a_text(text: str, words: str) -> None:
    assert " ".join(words_of(text)) == words


def test_letters() -> None:
    assert spelt("thax") == "TH AE K S"
    assert spelt("o'moo") == "AA M UW"


RNG = np.random.default_rng(0)
UNFIT = {
    "noise": (0.1 * RNG.normal(size=3 * RECOGNISER_RATE), TEXT),
    "silence": (np.zeros(2 * RECOGNISER_RATE), TEXT),
    "nothing": (np.zeros(0), TEXT),
    "a click": (0.1 * RNG.normal(size=RECOGNISER_RATE // 10), TEXT),
    "no words": (0.1 * RNG.normal(size=RECOGNISER_RATE), "?!"),
    "far too many words": (0.1 * RNG.normal(size=RECOGNISER_RATE), TEXT * 10),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_does_not_fit_is_left_alone(case: str) -> None:
    audio, text = UNFIT[case]
    assert align_english(audio.astype(np.float32), text) is None


def test_parts_and_wrong_words_never_end_the_process(espeak: Espeak) -> None:
    """The second pass fails on many of them, which once was fatal."""
    audio, _ = said(espeak, TEXT)
    rng = np.random.default_rng(1)
    words = words_of(" ".join(SENTENCES))
    for _ in range(25):
        start = int(rng.integers(0, len(audio) // 2))
        part = audio[start : start + int(rng.integers(800, len(audio)))]
        found = align_english(part, " ".join(rng.choice(words, size=int(rng.integers(1, 12)))))
        assert found is None or found.phones


def test_a_public_speech(clips: Path) -> None:
    import soundfile

    audio, rate = soundfile.read(clips / "jfk.flac", dtype="float32", always_2d=True)
    found = align_english(
        soxr.resample(audio.mean(axis=1), rate, RECOGNISER_RATE),
        "And so, my fellow Americans, ask not what your country can do for you;"
        " ask what you can do for your country.",
    )
    assert found is not None
    starts = [round(one.start / SAMPLE_RATE, 2) for one in found.phones if one.symbol == "M"]
    # "my" and "Americans".
    assert starts == pytest.approx([0.94, 1.68], abs=0.06)
