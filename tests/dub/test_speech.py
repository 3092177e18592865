"""One line as a clip: trimming, compression, level, phones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from loc.artifacts import SAMPLE_RATE, Phone
from loc.errors import InputError
from stages.dub import loudness
from stages.dub.speech import (
    CLIP_LUFS,
    EDGE_AFTER,
    EDGE_BEFORE,
    FADE,
    PEAK_LIMIT,
    clipped,
    compressed,
    faded,
    levelled,
    scaled,
    trim,
)


def burst(seconds: float, amplitude: float = 0.3, hertz: float = 220.0) -> npt.NDArray[np.float32]:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 9))
    return np.asarray(amplitude * wave, dtype=np.float32)


def test_trim_keeps_a_little_silence() -> None:
    quiet = np.full(SAMPLE_RATE // 2, 1e-4, np.float32)
    sound = np.sign(burst(0.5)) * np.float32(0.5)
    audio, start = trim(np.concatenate([quiet, sound, quiet]))
    assert start == pytest.approx(len(quiet) - EDGE_BEFORE, abs=2)
    assert len(audio) == pytest.approx(len(sound) + EDGE_BEFORE + EDGE_AFTER, abs=4)


def test_trim_refuses_silence() -> None:
    with pytest.raises(InputError):
        trim(np.zeros(1000, np.float32))


@pytest.mark.parametrize("tempo", [1.01, 1.25, 2.0])
def test_compression_is_exact_and_in_place(tempo: float) -> None:
    """Clicks stay where they belong and pitch is kept."""
    gap = np.zeros(SAMPLE_RATE // 4, np.float32)
    audio = np.concatenate([burst(0.2), gap, burst(0.2), gap, burst(0.2)])
    samples = round(len(audio) / tempo)
    squeezed = compressed(audio, samples, "ffmpeg")
    assert len(squeezed) == samples
    for before, where in ((0.2 + 0.25, 1), (0.4 + 0.5, 2)):
        onset = round(before * SAMPLE_RATE / tempo)
        margin = SAMPLE_RATE // 40
        assert np.abs(squeezed[onset + margin : onset + 2 * margin]).max() > 0.1, where
        assert np.abs(squeezed[onset - 3 * margin : onset - margin]).max() < 0.1, where
    loud = squeezed[: SAMPLE_RATE // 10]
    spectrum = np.abs(np.fft.rfft(loud * np.hanning(len(loud)), SAMPLE_RATE))
    assert int(spectrum.argmax()) == pytest.approx(220, abs=6)


def test_a_clip_shorter_than_the_compressors_window_comes_out_whole() -> None:
    squeezed = compressed(burst(0.03), 1200, "ffmpeg")
    assert len(squeezed) == 1200
    assert np.abs(squeezed).max() > 0.05


@pytest.mark.parametrize("seconds", [0.3, 2.0])
@pytest.mark.parametrize("amplitude", [0.01, 0.5])
def test_every_clip_is_equally_loud(seconds: float, amplitude: float) -> None:
    audio = levelled(burst(seconds, amplitude))
    measure = loudness.ungated(audio[:, None])
    # The gating blocks that straddle the edges of a clip of 2 s are part of its level: 0.6 LU.
    assert measure == pytest.approx(CLIP_LUFS, abs=0.7)


def test_a_click_is_not_raised_over_full_scale() -> None:
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[5000:5004] = 0.01
    assert np.abs(levelled(click)).max() <= PEAK_LIMIT + 1e-6
    assert not levelled(np.zeros(100, np.float32)).any()


def test_fades_touch_only_the_edges() -> None:
    audio = faded(np.ones(4 * FADE, np.float32))
    assert audio[0] < 0.001
    assert audio[-1] < 0.001
    assert (audio[FADE : 3 * FADE] == 1).all()
    assert faded(np.ones(1, np.float32)).shape == (1,)


def test_phones_follow_trimming_and_compression() -> None:
    phones = [
        Phone(symbol="_", start=0, stop=100),
        Phone(symbol="a", start=100, stop=201),
        Phone(symbol="b", start=201, stop=300),
    ]
    shifted = clipped(phones, 100, 150)
    assert [(phone.symbol, phone.start, phone.stop) for phone in shifted] == [("a", 0, 101), ("b", 101, 150)]
    halved = scaled(shifted, 0.5)
    assert halved[0].stop == halved[1].start
    assert halved[-1].stop == 75
