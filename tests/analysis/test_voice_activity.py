"""Voice activity against drawn speech whose place is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from loc.analysis.voice_activity import ANALYSIS_RATE, RATIO, detect, speech_regions, to_analysis
from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE
from loc.media.sound import store_sound
from loc.runner import Runner, Site
from loc.store.workdir import WorkDir
from tests.voices import SENTENCES, Audio, pause, speak

SITE = Site("transcribe")
TOLERANCE = 0.25
"""Seconds: two frames of padding, and the soft ends that trimming took off the truth."""


def scene(
    voice: str = "en+m3", noise: float = 0.002, count: int = 4
) -> tuple[Audio, list[tuple[float, float]]]:
    """Sentences 1 s apart in white noise, and their true places in seconds."""
    parts, truth, at = [pause(1.0)], [], 1.0
    for text in SENTENCES[:count]:
        line = speak(text, voice)
        truth.append((at, at + len(line) / SAMPLE_RATE))
        parts += [line, pause(1.0)]
        at += len(line) / SAMPLE_RATE + 1.0
    audio = np.concatenate(parts)
    rng = np.random.default_rng(1)
    return (audio + rng.normal(scale=noise, size=len(audio))).astype(np.float32), truth


def seconds(ranges: list[tuple[int, int]], rate: int) -> list[tuple[float, float]]:
    return [(start / rate, stop / rate) for start, stop in ranges]


def covered(truth: list[tuple[float, float]], found: list[tuple[float, float]]) -> float:
    """Share of true speech that was found."""
    inside = sum(max(0.0, min(b, d) - max(a, c)) for a, b in truth for c, d in found)
    return inside / sum(b - a for a, b in truth)


@pytest.mark.parametrize("voice", ["en+m3", "en+f2"])
@pytest.mark.parametrize("level", [1.0, 0.05])
def test_every_sentence_is_found_where_it_is(voice: str, level: float) -> None:
    audio, truth = scene(voice)
    found = seconds(detect(to_analysis((audio * np.float32(level))[:, None])), ANALYSIS_RATE)
    assert covered(truth, found) > 0.97
    for start, stop in found:
        assert any(a - TOLERANCE <= start and stop <= b + TOLERANCE for a, b in truth), (start, stop, truth)


@pytest.mark.parametrize("kind", ["silence", "noise", "hum", "nothing"])
def test_what_is_not_speech_is_not_found(kind: str) -> None:
    time = np.arange(10 * ANALYSIS_RATE) / ANALYSIS_RATE
    audio = {
        "silence": np.zeros_like(time),
        "noise": np.random.default_rng(0).normal(scale=0.05, size=len(time)),
        "hum": 0.2 * np.sin(2 * np.pi * 50 * time),
        "nothing": np.zeros(0),
    }[kind]
    assert detect(audio.astype(np.float32)) == []


def test_joints_of_blocks_change_nothing(runner: Runner, store: WorkDir) -> None:
    line, _ = scene()
    audio = np.tile(line, -(-2 * BLOCK_SAMPLES // len(line)) + 1)[: 2 * BLOCK_SAMPLES + 12345]
    sound = store_sound(store, [audio[:, None]], 1)
    whole = [(a * RATIO, min(len(audio), b * RATIO)) for a, b in detect(to_analysis(audio[:, None]))]
    assert any(start < BLOCK_SAMPLES < stop for start, stop in whole), "no sentence lies across a joint"
    by_blocks = speech_regions(runner, SITE, sound)
    assert len(by_blocks) == len(whole)
    assert np.abs(np.array(by_blocks) - np.array(whole)).max() <= 0.06 * SAMPLE_RATE


def test_the_second_asking_measures_nothing(runner: Runner, store: WorkDir) -> None:
    audio, _ = scene()
    sound = store_sound(store, [audio[:, None]], 1)
    first = speech_regions(runner, SITE, sound)
    misses = runner.misses
    assert speech_regions(runner, Site("lipsync", "cut 1", "ja"), sound) == first
    assert runner.misses == misses


def test_pauses_of_a_real_speech(clips: Path) -> None:
    audio, rate = soundfile.read(clips / "narration_en.flac", dtype="float32", always_2d=True)
    assert rate == ANALYSIS_RATE
    found = seconds(detect(audio.mean(axis=1)), ANALYSIS_RATE)
    assert found[0][0] == pytest.approx(3.0, abs=0.1), "it begins with 3 s of hum"
    assert any(a < 18.7 < b for a, b in zip([b for _, b in found], [a for a, _ in found[1:]], strict=False))
