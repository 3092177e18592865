"""Times carried from one reading of a text to a faster or slower one of the same voice.

Engines that know their times at their natural rate alone shorten pauses and vowels more than consonants when
they speak faster. Both readings are aligned by dynamic time warping of their spectra.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HOP_S = 0.005
"""Step of the alignment: a fifth of the shortest phones."""
WINDOW_S = 0.025
BANDS = 24
"""Bands, evenly spaced in the logarithm of frequency, on which spectra are compared."""
LOWEST_HZ, HIGHEST_HZ = 100.0, 8000.0
FLOOR_DB = 60.0
"""What lies this far under the loudest band is silence."""
MOST_STEPS = 4
"""Steps of the one reading that may pass in a step of the other: four times as fast, or standing still."""
UNEVEN = 1.0
"""Price in dB of a step that differs by one from the mean pace, by the square: within silence, where all
steps sound alike, it alone decides, and spreads what has to go."""


def carried(
    edges: npt.NDArray[np.int64], reading: Floats, other: Floats, sample_rate: int
) -> npt.NDArray[np.int64]:
    """Where samples of one reading lie in the other, int64, as many and in the same order.

    Args:
        edges: samples of `reading`, ascending, from 0 to its length.
        reading, other: mono, of any scale.
    """
    if not len(reading) or not len(other):
        return np.zeros_like(edges)
    hop = round(HOP_S * sample_rate)
    path = _path(_spectra(reading, sample_rate), _spectra(other, sample_rate))
    # An edge lies where the steps that say what was before it end.
    moved = np.searchsorted(path + 0.5, edges / hop) * hop
    moved[edges <= 0] = 0
    moved[edges >= len(reading)] = len(other)
    return np.asarray(np.minimum(moved, len(other)), dtype=np.int64)


def _spectra(audio: Floats, sample_rate: int) -> Floats:
    """Log power in `BANDS` bands at each step, float64 [steps, BANDS]."""
    hop, window = round(HOP_S * sample_rate), round(WINDOW_S * sample_rate)
    padded = np.pad(audio, (window // 2, window))
    steps = -(-len(audio) // hop)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[: steps * hop : hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(window), axis=1)) ** 2
    frequency = np.fft.rfftfreq(window, 1 / sample_rate)
    limits = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1)
    bands = np.stack(
        [
            power[:, (frequency >= low - sample_rate / window) & (frequency < high)].sum(axis=1)
            for low, high in pairwise(limits)
        ],
        axis=1,
    )
    level = 10 * np.log10(bands + 1e-12)
    return np.asarray(np.maximum(level, level.max() - FLOOR_DB), dtype=np.float64)


def _path(here: Floats, there: Floats) -> npt.NDArray[np.int64]:
    """For each step of `there` the step of `here` that it says, int64, ascending by at most `MOST_STEPS`."""
    count = len(here)
    cost = np.full(count, np.inf)
    cost[0] = 0.0
    pace = count / len(there)
    came = np.zeros((len(there), count), dtype=np.int8)
    for step, spectrum in enumerate(there):
        distance = np.abs(here - spectrum).mean(axis=1)
        if step == 0:
            cost = cost + distance
            continue
        options = np.full((MOST_STEPS + 1, count), np.inf)
        for taken in range(MOST_STEPS + 1):
            options[taken, taken:] = cost[: count - taken] + UNEVEN * (taken - pace) ** 2
        came[step] = options.argmin(axis=0)
        cost = options.min(axis=0) + distance
    path = np.zeros(len(there), dtype=np.int64)
    # A reading that cannot be passed through in time ends as far as it comes.
    path[-1] = count - 1 if np.isfinite(cost[-1]) else int(np.isfinite(cost).nonzero()[0][-1])
    for step in range(len(there) - 1, 0, -1):
        path[step - 1] = path[step] - came[step, path[step]]
    return path
