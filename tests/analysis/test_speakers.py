"""Pitch against signals of known period; speakers against drawn voices and real ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import linear_sum_assignment

from loc.analysis.speakers import Grouping, Spoken, VoicePrint, group, measure, pitch
from loc.analysis.voice_activity import ANALYSIS_RATE, RATIO, detect, to_analysis
from loc.artifacts import SAMPLE_RATE
from tests.voices import SENTENCES, speak


def spoken(audio: npt.NDArray[np.float32]) -> Spoken:
    """A line of float32 [n] at 16 kHz, measured."""
    return Spoken(measure(audio), len(audio) * RATIO)


def drawn(voice: str, texts: tuple[str, ...] = SENTENCES, rate: int = 160) -> list[Spoken]:
    return [spoken(to_analysis(speak(text, voice, rate)[:, None])) for text in texts]


def in_turn(first: str, second: str) -> tuple[list[Spoken], list[str]]:
    """A dialogue, line by line, each voice with six sentences of its own."""
    a, b = drawn(first, SENTENCES[:6]), drawn(second, SENTENCES[6:])
    return [line for pair in zip(a, b, strict=True) for line in pair], [first, second] * 6


def right(grouping: Grouping, lines: list[Spoken], truth: list[str]) -> float:
    """Share of speech time given to the right speaker, under the best pairing of names."""
    voices, names = sorted(set(truth)), [speaker.id for speaker in grouping.speakers]
    shared = np.zeros((len(voices), len(names)))
    for line, voice, name in zip(lines, truth, grouping.assignment, strict=True):
        shared[voices.index(voice), names.index(name)] += line.samples
    return float(shared[linear_sum_assignment(-shared)].sum() / shared.sum())


@pytest.mark.parametrize("hertz", [65.0, 100.0, 165.0, 240.0, 390.0])
def test_pitch_of_a_buzz_in_noise(hertz: float) -> None:
    time = np.arange(2 * ANALYSIS_RATE) / ANALYSIS_RATE
    buzz = sum(np.sin(2 * np.pi * k * hertz * time + k * k) / k for k in range(1, 12))
    noisy = 0.1 * buzz + np.random.default_rng(0).normal(scale=0.01, size=len(time))
    found = pitch(noisy.astype(np.float32))
    assert len(found) > 80
    assert np.median(found) == pytest.approx(hertz, rel=0.005)
    assert np.mean(np.abs(found / hertz - 1) < 0.03) > 0.95, "octave errors"


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).normal(scale=0.1, size=ANALYSIS_RATE).astype(np.float32)
    assert len(pitch(noise)) <= 2
    assert len(pitch(np.zeros(ANALYSIS_RATE, np.float32))) == 0
    assert len(pitch(np.zeros(10, np.float32))) == 0


def test_two_voices_an_octave_apart() -> None:
    lines, truth = in_turn("en+m3", "en+f3")
    found = group(lines)
    assert len(found.speakers) == 2
    assert right(found, lines, truth) >= 0.95
    low, high = found.speakers
    assert (low.voice_class, high.voice_class) == ("low", "high")
    assert low.median_f0_hz == pytest.approx(107, abs=5)
    assert high.median_f0_hz == pytest.approx(213, abs=8)


@pytest.mark.parametrize(
    ("first", "second"), [("en+m1", "en+m3"), ("en+m2", "en+m7"), ("en+f1", "en+f3"), ("en+f2", "en+f4")]
)
def test_two_voices_of_one_class(first: str, second: str) -> None:
    lines, truth = in_turn(first, second)
    assert right(group(lines), lines, truth) >= 0.8


def test_four_voices() -> None:
    voices = ("en+m3", "en+f1", "en+m7", "en+f3")
    lines = [line for voice in voices for line in drawn(voice, SENTENCES[:6])]
    truth = [voice for voice in voices for _ in range(6)]
    assert right(group(lines), lines, truth) >= 0.95


@pytest.mark.parametrize("voice", ["en", "en+m1", "en+f2", "en+f4"])
def test_one_voice_is_one_speaker(voice: str) -> None:
    lines = drawn(voice) + drawn(voice, SENTENCES[:6], rate=140) + drawn(voice, SENTENCES[6:], rate=185)
    assert len(group(lines).speakers) == 1


def decoded(path: Path) -> npt.NDArray[np.float32]:
    """A file's sound as mono at 16 kHz."""
    pcm = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", "-ar", str(ANALYSIS_RATE), "-f", "f32le", "-"],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return np.frombuffer(pcm, np.float32)


@pytest.mark.parametrize("name", ["address.mp4", "portrait_hevc.mp4", "jfk.flac", "narration_en.flac"])
def test_a_real_voice_is_one_speaker(clips: Path, name: str) -> None:
    audio = decoded(clips / name)
    for longest in (1.5, 2.5, 4.0):
        lines = []
        for start, stop in detect(audio):
            parts = max(1, round((stop - start) / ANALYSIS_RATE / longest))
            lines += [spoken(part) for part in np.array_split(audio[start:stop], parts)]
        assert len(group(lines).speakers) == 1, f"in lines of {longest} s"


def test_limits_are_kept() -> None:
    lines, _ = in_turn("en+m3", "en+f3")
    assert len(group(lines, max_speakers=1).speakers) == 1
    assert len(group(lines, min_speakers=3).speakers) == 3
    assert len(group(lines[:2], min_speakers=5).speakers) == 2


def test_lines_without_voice_join_their_neighbour() -> None:
    lines, _ = in_turn("en+m3", "en+f3")
    nothing = Spoken(VoicePrint(voiced_frames=0, f0_hz=None, cepstrum=()), SAMPLE_RATE)
    found = group([nothing, *lines[:2], nothing])
    assert found.assignment[0] == found.assignment[1]
    assert found.assignment[3] == found.assignment[2]
    alone = group([nothing])
    assert alone.speakers[0].median_f0_hz is None
    assert alone.speakers[0].voice_class == "low"


def test_no_lines_no_speakers() -> None:
    assert group([]) == Grouping(speakers=(), assignment=())
