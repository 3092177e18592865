"""Whether a recording can stand for a person: drawn voices, spoiled one way at a time; and real ones."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from loc.analysis.diarization.resemblyzer import Resemblyzer
from loc.artifacts import SAMPLE_RATE
from loc.backend import Host
from loc.media.sound import Samples
from loc.settings import Settings
from stages.dub.audition import audition
from stages.dub.enrolling import LONGEST, fullest
from tests.furnished import furnish
from tests.voices import SENTENCES, speak

S = SAMPLE_RATE
LOW, HIGH = "en+m3", "en+f3"
TELLER = Path(__file__).parents[1] / "analysis" / "diarization" / "voice_teller.py"


def spoken(*voices: str) -> Samples:
    """A sentence in each voice, half a second apart."""
    parts = [np.zeros(S // 2, np.float32)]
    for text, voice in zip(SENTENCES, voices, strict=False):
        parts += [speak(text, voice), np.zeros(S // 2, np.float32)]
    return np.concatenate(parts)


def codes(audio: Samples, raw: Samples | None = None) -> list[str]:
    given = audio[:, None] if raw is None else raw
    return [reason.code for reason in audition(audio, given, None).reasons]


def test_nothing_speaks_against_a_clear_voice() -> None:
    audio = spoken(LOW, LOW, LOW)
    heard = audition(audio, audio[:, None], None)
    assert heard.reasons == ()
    assert heard.voices == 1
    first, last = S // 2, len(audio) - S // 2
    assert abs(heard.spoken[0] - first) < S // 5
    assert abs(heard.spoken[1] - last) < S // 5


def test_each_fault_is_named() -> None:
    clear = spoken(LOW, LOW, LOW)
    noise = np.random.default_rng(0).normal(size=len(clear)).astype(np.float32)
    assert codes(clear[: 3 * S]) == ["too-short"]
    assert "faint" in codes(clear * np.float32(0.02))
    assert codes(clear + noise * np.float32(0.03)) == ["noisy"]
    loud = np.clip(4 * clear, -0.5, 0.5)
    assert codes(clear, np.stack([clear, loud], axis=1)) == ["clipped"], "of any channel"
    assert codes(np.zeros(8 * S, np.float32)) == ["too-short"]
    assert codes(np.zeros(0, np.float32)) == ["too-short"]


def test_two_voices_are_heard() -> None:
    assert codes(spoken(LOW, LOW, HIGH, HIGH)) == ["several"]


@pytest.fixture
def teller(tmp_path: Path) -> Iterator[Resemblyzer]:
    furnish(tmp_path / "data", "resemblyzer", TELLER)
    (tmp_path / "scratch").mkdir()
    teller = Resemblyzer(Host(Settings(data_dir=tmp_path / "data"), tmp_path / "scratch"))
    yield teller
    teller.close()


def test_an_embedder_is_asked_where_there_is_one(teller: Resemblyzer) -> None:
    for audio, count in ((spoken(LOW, LOW), 1), (spoken(LOW, HIGH), 2)):
        heard = audition(audio, audio[:, None], teller)
        assert (heard.voices, heard.told_by) == (count, "resemblyzer")


@pytest.mark.parametrize("name", ["address.mp4", "jfk.flac", "narration_en.flac", "portrait_hevc.mp4"])
def test_real_voices_pass(clips: Path, name: str) -> None:
    args = ["ffmpeg", "-v", "error", "-i", str(clips / name), "-ac", "1", "-ar", str(S), "-f", "f32le", "-"]
    audio = np.frombuffer(subprocess.run(args, capture_output=True, check=True).stdout, np.float32)
    assert codes(audio) == []


def test_of_a_long_recording_the_part_with_most_speech_is_kept() -> None:
    assert fullest([], 8 * S) == (0, 8 * S)
    assert fullest([(S, 3 * S), (5 * S, 9 * S)], 60 * S) == (S, 9 * S)
    sparse, dense = [(S, 2 * S)], [(40 * S, 55 * S), (56 * S, 75 * S)]
    assert fullest([*sparse, *dense], 90 * S) == (40 * S, 40 * S + LONGEST)
    start, stop = fullest([(0, 10 * S), (50 * S, 75 * S)], 75 * S)
    assert (start, stop) == (45 * S, 75 * S)
    assert fullest([(0, 100 * S)], 100 * S) == (0, LONGEST)
