"""Mel-frequency cepstral coefficients as SyncNet was trained on: those of python_speech_features 0.6, whose
defaults are written out here, computed in float64."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

RATE = 16_000
"""Samples per second that the features are defined for."""
WINDOW, STEP, FFT = 400, 160, 512
"""Samples: windows of 25 ms every 10 ms, without a window function, padded with zeros to the transform."""
FILTERS, COEFFICIENTS = 26, 13
PREEMPHASIS = 0.97
LIFTER = 22
"""Length of the sine by which higher coefficients are raised."""

Floats = npt.NDArray[np.float64]


def mfcc(sound: npt.NDArray[np.int16]) -> Floats:
    """Coefficients, 100 per second.

    Args:
        sound: int16 [m], mono, 16 kHz, on the full scale of 16 bits.

    Returns:
        float64 [frames, 13]; the first coefficient is the logarithm of the window's energy. The last window
        is filled up with zeros; there is at least one.
    """
    from scipy.fft import dct

    power = np.square(np.abs(np.fft.rfft(_windows(sound), FFT))) / FFT
    tiny = np.finfo(np.float64).eps
    energy, bands = power.sum(axis=1), power @ _filters().T
    logs = np.log(np.where(bands == 0, tiny, bands))
    cepstrum: Any = dct(logs, type=2, axis=1, norm="ortho")[:, :COEFFICIENTS]
    cepstrum *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
    cepstrum[:, 0] = np.log(np.where(energy == 0, tiny, energy))
    return np.asarray(cepstrum, dtype=np.float64)


def _windows(sound: npt.NDArray[np.int16]) -> Floats:
    """Windows of the pre-emphasised sound, float64 [frames, WINDOW]."""
    values = sound.astype(np.float64)
    values[1:] -= PREEMPHASIS * sound[:-1].astype(np.float64)
    count = 1 + max(0, -(-(len(values) - WINDOW) // STEP))
    padded = np.zeros((count - 1) * STEP + WINDOW)
    padded[: len(values)] = values
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP]


@cache
def _filters() -> Floats:
    """Triangles over the power spectrum, evenly spaced in mel, float64 [FILTERS, FFT // 2 + 1]."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, FILTERS + 2) / 2595) - 1)
    edges = np.floor((FFT + 1) * hertz / RATE)
    at = np.arange(FFT // 2 + 1)
    low, peak, high = (edges[first : first + FILTERS, None] for first in range(3))
    rising = np.where((at >= low) & (at < peak), (at - low) / (peak - low), 0.0)
    falling = np.where((at >= peak) & (at < high), (high - at) / (high - peak), 0.0)
    return np.asarray(rising + falling)
