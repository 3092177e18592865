"""Loudness and true peak against known signals and against pyloudnorm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyloudnorm
import pytest
from scipy.signal import resample_poly

from loc.artifacts import SAMPLE_RATE
from stages.dub.loudness import (
    FILTER_CONTEXT,
    HOP,
    OVERSHOOT,
    alone,
    decibels,
    hop_energies,
    integrated,
    oversampled_peaks,
    true_peak,
    ungated,
)


def tone(
    seconds: float, amplitude: float, hertz: float = 997.0, channels: int = 1
) -> npt.NDArray[np.float32]:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = amplitude * np.sin(2 * np.pi * hertz * time)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


def speech_like(seconds: float, channels: int, seed: int = 1) -> npt.NDArray[np.float32]:
    """Noise that comes and goes, with pauses: both gates have something to do."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    envelope = np.clip(np.sin(2 * np.pi * 0.4 * time), 0.001, 1) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))
    noise = rng.standard_normal((len(time), channels)).cumsum(axis=0)
    noise -= np.roll(noise, 60, axis=0)
    return np.asarray(0.02 * noise * envelope[:, None], dtype=np.float32)


def test_a_full_scale_sine_in_one_channel_measures_minus_3_01() -> None:
    """BS.1770: 0 dBFS at 997 Hz in one front channel reads -3.01 LKFS."""
    assert integrated(hop_energies(tone(5, 1.0))) == pytest.approx(-3.01, abs=0.02)


@pytest.mark.parametrize("channels", [1, 2])
def test_agrees_with_pyloudnorm(channels: int) -> None:
    audio = speech_like(20, channels)
    measured = integrated(hop_energies(audio))
    assert measured == pytest.approx(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(audio), abs=0.1)


def test_pieces_measure_like_the_whole() -> None:
    audio = speech_like(9, 2)
    cut = 5 * SAMPLE_RATE
    pieces = [hop_energies(audio[:cut]), hop_energies(audio[cut - FILTER_CONTEXT :], FILTER_CONTEXT)]
    assert np.allclose(np.concatenate(pieces), hop_energies(audio), rtol=1e-6)


def test_silence_has_no_loudness() -> None:
    assert integrated(np.zeros(100)) is None
    assert integrated([]) is None
    assert ungated(np.zeros((100, 1), np.float32)) is None
    assert decibels(0.0) is None


def test_a_short_sound_is_measured_over_its_own_length() -> None:
    assert ungated(tone(0.15, 0.1)) == pytest.approx(-23.01, abs=0.3)
    assert len(alone(tone(0.15, 0.1))) == (2 * 3 * HOP + 2 * HOP) // HOP


def test_peaks_between_samples_are_found() -> None:
    """A quarter-rate sine sampled at 45 degrees: samples reach 0.707, the wave 1.0."""
    time = np.arange(4 * SAMPLE_RATE // 10)
    audio = np.sin(np.pi / 2 * time + np.pi / 4)[:, None].astype(np.float32)
    inner = oversampled_peaks(audio)[200:-200]
    assert np.abs(audio).max() == pytest.approx(0.7071, abs=1e-3)
    assert inner.max() == pytest.approx(1.0, abs=0.01)


def test_peaks_do_not_depend_on_the_pieces_they_are_found_in() -> None:
    audio = speech_like(11, 1)
    assert np.allclose(oversampled_peaks(audio)[3000:9000], oversampled_peaks(audio[2000:10000])[1000:7000])


@pytest.mark.parametrize("floor", [0.0, 0.1, 0.5, 0.9, 10.0])
def test_peaks_above_a_floor_are_all_told_exactly(floor: float) -> None:
    audio = speech_like(7, 2)
    whole, some = oversampled_peaks(audio), oversampled_peaks(audio, floor)
    assert np.array_equal(whole[whole > floor], some[whole > floor])
    assert (some[whole <= floor] <= floor).all()


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 48_000), (500, 700), (7 * SAMPLE_RATE - 900, 7 * SAMPLE_RATE)]
)
def test_the_true_peak_is_the_largest_of_all(start: int, stop: int) -> None:
    audio = speech_like(7, 2)
    assert true_peak(audio, start, stop) == oversampled_peaks(audio)[start:stop].max()


def test_no_true_peak_without_sound() -> None:
    assert true_peak(np.zeros((5000, 2), np.float32), 0, 5000) == 0
    assert true_peak(np.zeros((0, 1), np.float32), 0, 0) == 0


def test_the_worst_wave_overshoots_no_more_than_is_said() -> None:
    """Signs of the oversampling filter's worst phase, backwards: every tap adds up."""
    response = oversampled_impulse()
    worst = max(np.abs(response[phase::4]).sum() for phase in range(4))
    assert OVERSHOOT - 0.02 < worst < OVERSHOOT


def oversampled_impulse() -> npt.NDArray[np.float32]:
    impulse = np.zeros(201, np.float32)
    impulse[100] = 1
    return np.asarray(resample_poly(impulse, 4, 1), dtype=np.float32)
