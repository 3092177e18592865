"""Sound and picture measured where the truth is known: levels, lags, and what was drawn where."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from loc.app.regress import picture, sound
from loc.artifacts import SAMPLE_RATE
from tests.app.regress.made_up import line, speech
from tests.app.regress.made_up import picture as still


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.05, 0.2, -0.13, 0.9])
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_a_line_is_found_again_where_it_sounds(shift: float, gain: float) -> None:
    was, now = sound.envelope_of(speech()), sound.envelope_of(speech(shift) * np.float32(gain))
    assert sound.lag(was, now, line(2), line(2)) == pytest.approx(shift, abs=0.012)


def test_another_sound_has_no_lag() -> None:
    was = sound.envelope_of(speech())
    noise = np.random.default_rng(3).standard_normal((10 * SAMPLE_RATE, 1)).astype(np.float32) * 0.1
    assert sound.lag(was, sound.envelope_of(noise), line(2), line(2)) is None
    assert sound.lag(was, sound.envelope_of(np.zeros((0, 1), np.float32)), line(2), line(2)) is None
    assert sound.lag(was, was, line(2), line(2, seconds=2.5)) is None
    assert sound.lag(was, was, line(9), line(9)) is None


def test_loudness_of_a_tone() -> None:
    """997 Hz at -20 dBFS in both channels is -20 LUFS (EBU Tech 3341: 0 dBFS in one is -3.01)."""
    times = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    tone = np.repeat(0.1 * np.sin(2 * np.pi * 997 * times)[:, None], 2, axis=1).astype(np.float32)
    level, peak = sound.loudness(tone)
    assert level == pytest.approx(-20.0, abs=0.1)
    assert peak == pytest.approx(-20.0, abs=0.1)


def test_the_peak_between_samples_is_seen() -> None:
    """A tone at a quarter of the rate, sampled 45 degrees off its crests, is 3 dB above its samples."""
    samples = np.sin(np.arange(SAMPLE_RATE) * np.pi / 2 + np.pi / 4)[:, None].astype(np.float32) * 0.5
    assert np.abs(samples).max() == pytest.approx(0.354, abs=0.001)
    assert sound.true_peak(samples[1000:-1000]) == pytest.approx(0.5, abs=0.03)


def test_silence_and_shortness() -> None:
    assert sound.loudness(np.zeros((SAMPLE_RATE, 2), np.float32)) == (None, None)
    assert sound.loudness(np.zeros((0, 2), np.float32)) == (None, None)
    assert sound.loudness(speech()[: SAMPLE_RATE // 10])[1] is not None
    assert sound.envelope_of(np.zeros((0, 1), np.float32)) == ""


def test_an_envelope_outlives_resampling() -> None:
    audio = speech()
    again = soxr.resample(soxr.resample(audio, SAMPLE_RATE, 44_100), 44_100, SAMPLE_RATE).astype(np.float32)
    lag = sound.lag(sound.envelope_of(audio), sound.envelope_of(again), line(1), line(1))
    assert lag == pytest.approx(0, abs=0.005)


def test_distance_of_stills() -> None:
    assert picture.distance(still(1), still(1)) == pytest.approx(0, abs=1e-9)
    assert picture.distance(still(1), still(1, blur=15)) > 0.2
    assert picture.distance(still(1), still(2)) > 0.7


def test_ssim_of_a_flat_picture() -> None:
    """Of flat pictures only the first factor differs: (2ab + c) / (a² + b² + c), Wang et al. 2004."""
    a, b = np.full((40, 40), 100.0), np.full((40, 40), 120.0)
    c = (0.01 * 255) ** 2
    assert picture.ssim(a, b) == pytest.approx((2 * 100 * 120 + c) / (100**2 + 120**2 + c))


def test_what_was_drawn_is_found_where_it_is() -> None:
    rng = np.random.default_rng(5)

    def pair(strength: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        before = rng.integers(60, 180, (180, 320)).astype(np.uint8)
        noise = rng.integers(-3, 4, before.shape)
        after = before.astype(int) + noise
        after[100:130, 140:190] += strength
        return before, after.clip(0, 255).astype(np.uint8)

    places = picture.drawn_places({7: pair(20), 9: pair(60), 11: pair(40), 13: pair(0)}, reduction=2)
    assert [place.frame for place in places] == [9, 11]
    x0, y0, x1, y1 = places[0].box
    assert x0 < 280 < 380 < x1
    assert y0 < 200 < 260 < y1
    assert x1 - x0 < 2 * 100
    assert y1 - y0 < 2 * 60


def test_where_nothing_was_drawn_there_is_no_place() -> None:
    rng = np.random.default_rng(6)
    before = rng.integers(60, 180, (90, 160)).astype(np.uint8)
    after = (before + rng.integers(0, 4, before.shape)).astype(np.uint8)
    assert picture.drawn_places({3: (before, after)}, reduction=1) == []
    assert picture.drawn_places({}, reduction=1) == []
