"""Laughter told from speech, with syllables of two synthetic voices: no recorded laugh may lie here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from loc.analysis.voice_activity import ANALYSIS_RATE
from loc.artifacts import SAMPLE_RATE
from loc.backend import Host
from loc.settings import Settings
from stages.dub.contract import VoiceRequest
from stages.dub.espeak import Espeak
from stages.transcribe.laughter import REPEATS, laughs

Said = Callable[[str, str], npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Said]:
    """A text in a low or high voice, mono, 16 kHz."""
    engine = Espeak(Host(settings=Settings(), scratch=tmp_path_factory.mktemp("say")))

    def said(text: str, voice: str) -> npt.NDArray[np.float32]:
        spoken = engine.speak(text, "en", VoiceRequest(voice, 0), 1.0)  # type: ignore[arg-type]
        return np.asarray(soxr.resample(spoken.audio, spoken.sample_rate, ANALYSIS_RATE), dtype=np.float32)

    yield said
    engine.close()


@pytest.mark.parametrize("voice", ["low", "high"])
def test_a_laugh_repeats_itself(say: Said, voice: str) -> None:
    ((start, stop),) = laughs(say("ha ha ha ha ha ha", voice))
    assert start == 0
    assert stop - start >= 0.8 * SAMPLE_RATE


@pytest.mark.parametrize("voice", ["low", "high"])
@pytest.mark.parametrize(
    "text",
    [
        "In the evening we walked down to the river again, and nobody said a word.",
        "One, two, three, four, five, six, seven, eight, nine, ten.",
        "She sells sea shells by the sea shore, and the shells she sells are sea shells.",
        "Peter Piper picked a peck of pickled peppers.",
    ],
)
def test_speech_does_not(say: Said, voice: str, text: str) -> None:
    assert laughs(say(text, voice)) == []


def test_neither_does_noise_or_silence() -> None:
    random = np.random.default_rng(3)
    assert laughs(0.1 * random.standard_normal(3 * ANALYSIS_RATE).astype(np.float32)) == []
    assert laughs(np.zeros(3 * ANALYSIS_RATE, np.float32)) == []
    assert laughs(np.zeros(10, np.float32)) == []
    assert 0 < REPEATS < 1


def test_a_laugh_is_found_behind_speech(say: Said) -> None:
    speech, laugh = say("In the evening we walked down to the river.", "low"), say("ha ha ha ha ha ha", "low")
    found = laughs(np.concatenate([speech, laugh]))
    at = len(speech) * SAMPLE_RATE // ANALYSIS_RATE
    assert len(found) == 1
    assert found[0][0] > at - SAMPLE_RATE // 2
    assert found[0][1] > at + SAMPLE_RATE
