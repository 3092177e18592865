"""The embedded separation on drawn speech in drawn music, by SI-SDR."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from bench.separate import scene
from loc.backend import Host
from stages.separate.centre_mask import HOP, CentreMask, denoise
from stages.separate.known import si_sdr
from tests.voices import music, pause, speak

SEPARATOR = CentreMask(Host(settings=None, scratch=Path()))


SEEDS = 0, 1, 2
"""One draw of 15 s of music moves the gain by up to 2 dB, for any mask: figures are means over three."""


@cache
def separated(
    snr_db: float, stereo: bool, seed: int = 0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32], dict[str, float]]:
    """Speech, music, estimated speech and the parameters of a scene of about 15 s."""
    speech, background = scene(snr_db, stereo=stereo, sentences=4, seed=seed)
    mix = speech + background
    parameters = SEPARATOR.combine([SEPARATOR.survey(mix)])
    return speech, background, SEPARATOR.separate(mix, parameters), parameters


def gains(snr_db: float, stereo: bool, seed: int = 0) -> tuple[float, float]:
    """SI-SDR of voice and background over that of the mix, dB."""
    speech, background, voice, _ = separated(snr_db, stereo, seed)
    mix = speech + background
    return (
        si_sdr(voice, speech) - si_sdr(mix, speech),
        si_sdr(mix - voice, background) - si_sdr(mix, background),
    )


@pytest.mark.parametrize(
    ("snr_db", "stereo", "voice_gain", "background_gain"),
    [
        (0, True, 5.0, 5.0),
        (5, True, 4.0, 7.0),
        (10, True, 2.0, 8.0),
        (0, False, 3.5, 3.5),
        (5, False, 2.0, 5.0),
    ],
)
def test_voice_and_music_come_apart(
    snr_db: float, stereo: bool, voice_gain: float, background_gain: float
) -> None:
    voice, background = np.mean([gains(snr_db, stereo, seed) for seed in SEEDS], axis=0)
    assert voice >= voice_gain
    assert background >= background_gain


@pytest.mark.parametrize("stereo", [True, False])
def test_nearly_clean_speech_is_not_harmed(stereo: bool) -> None:
    assert gains(20, stereo)[0] >= -1.0


@pytest.mark.parametrize("snr_db", [0, 10, 20])
def test_the_snr_is_estimated_within_4_db(snr_db: float) -> None:
    assert separated(snr_db, True)[3]["speech_snr_db"] == pytest.approx(snr_db, abs=4)


def test_the_noise_model_is_aligned_to_the_sample() -> None:
    speech = speak("Nobody has ever asked me such a difficult question before.", "en+m3")[: 4 * 48_000]
    denoised, probability = denoise(speech, 0.6)
    spectrum = np.fft.rfft(denoised, 1 << 19) * np.conj(np.fft.rfft(speech, 1 << 19))
    assert np.argmax(np.fft.irfft(spectrum)) == 0
    assert len(denoised) == len(speech)
    assert len(probability) == -(-len(speech) // HOP)


def test_pauses_keep_the_untouched_mix() -> None:
    background = music(8)
    line = speak("Please remember to close the window when you leave the room.", "en+f2")
    mix = background.copy()
    mix[: len(line)] += line[:, None]
    voice = SEPARATOR.separate(mix, SEPARATOR.combine([SEPARATOR.survey(mix)]))
    tail = slice(len(line) + 24_000, len(line) + 96_000)
    level = np.sqrt(np.mean(voice[tail] ** 2) / np.mean(mix[tail] ** 2))
    assert 20 * np.log10(level + 1e-9) < -20


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("samples", [1, 479, 5_000, 48_001])
def test_any_layout_and_length(channels: int, samples: int) -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(scale=0.1, size=(samples, channels)).astype(np.float32)
    parameters = SEPARATOR.combine([SEPARATOR.survey(mix)])
    voice = SEPARATOR.separate(mix, parameters)
    assert voice.shape == mix.shape
    assert voice.dtype == np.float32
    assert np.isfinite(voice).all()


def test_silence_has_no_speech() -> None:
    silent = pause(1.0)[:, None]
    parameters = SEPARATOR.combine([SEPARATOR.survey(silent)])
    assert "speech_snr_db" not in parameters
    assert not SEPARATOR.separate(silent, parameters).any()
