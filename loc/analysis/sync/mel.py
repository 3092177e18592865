"""The mel spectrogram that StableSyncNet was trained on: that of Wav2Lip, as the published configuration of
LatentSync (`configs/audio.yaml`) has it."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

RATE = 16_000
"""Samples per second."""
WINDOW, STEP = 800, 200
"""Samples: 50 ms, 80 times a second."""
BANDS = 80
LOWEST, HIGHEST = 55.0, 7600.0
"""Hertz."""
PREEMPHASIS = 0.97
FLOOR_DB, REFERENCE_DB = -100.0, 20.0
TOP = 4.0
"""Levels lie in -TOP..TOP."""

LINEAR_UNTIL, LINEAR_STEP, LOG_STEP = 1000.0, 200 / 3, np.log(6.4) / 27
"""Of Slaney's mel scale: hertz up to which it is linear, hertz of a mel there, logarithm of one beyond."""

Floats = npt.NDArray[np.float64]


def mel(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Levels, float32 [BANDS, 1 + m // STEP], -TOP..TOP; column k is centred on sample k * STEP.

    Args:
        sound: float32 [m], mono, 16 kHz, about -1..1.
    """
    values = sound.astype(np.float64)
    values[1:] -= PREEMPHASIS * sound[:-1].astype(np.float64)
    padded = np.pad(values, WINDOW // 2)
    count = 1 + len(sound) // STEP
    pieces = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP][:count]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    sizes = np.abs(np.fft.rfft(pieces * hann, axis=1)) @ _filters().T
    levels = 20 * np.log10(np.maximum(10 ** (FLOOR_DB / 20), sizes)) - REFERENCE_DB
    scaled = 2 * TOP * (levels - FLOOR_DB) / -FLOOR_DB - TOP
    return np.asarray(np.clip(scaled, -TOP, TOP).T, dtype=np.float32)


@cache
def _filters() -> Floats:
    """Triangles over the spectrum, evenly spaced in mel, of equal area: float64 [BANDS, WINDOW // 2 + 1]."""
    hertz = _hertz(np.linspace(_mels(LOWEST), _mels(HIGHEST), BANDS + 2))
    bins = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    rising = (bins - hertz[:-2, None]) / np.diff(hertz)[:-1, None]
    falling = (hertz[2:, None] - bins) / np.diff(hertz)[1:, None]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * (2 / (hertz[2:] - hertz[:-2]))[:, None])


def _mels(hertz: float) -> float:
    if hertz < LINEAR_UNTIL:
        return hertz / LINEAR_STEP
    return float(LINEAR_UNTIL / LINEAR_STEP + np.log(hertz / LINEAR_UNTIL) / LOG_STEP)


def _hertz(mels: Floats) -> Floats:
    beyond = mels - LINEAR_UNTIL / LINEAR_STEP
    return np.asarray(np.where(beyond < 0, mels * LINEAR_STEP, LINEAR_UNTIL * np.exp(LOG_STEP * beyond)))
