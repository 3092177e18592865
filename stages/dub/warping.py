"""Phones of an utterance laid over another recording of the same words.

Dynamic time warping (Sakoe and Chiba 1978) of mel spectra lays the one over the other, and the phones go with
it: the way text and speech are aligned where there is no recogniser of the language (Malfrère and Dutoit
1997).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE, Phone
from loc.media.sound import Samples

Floats = npt.NDArray[np.float64]

HOP = SAMPLE_RATE // 100
"""10 ms: as fine as phones are told apart by ear."""
WINDOW = SAMPLE_RATE * 25 // 1000
MELS, LOWEST_HZ, HIGHEST_HZ = 32, 80.0, 7600.0
FLOOR_DB = 55.0
"""What lies further under the loudest band is silence, not detail."""
STEP_COST = 0.12
"""Of a step that stands still on one side, over that of a diagonal one: evens out the warp where both sounds
are steady."""


def laid_over(phones: Sequence[Phone], spoken: Samples, recorded: Samples) -> tuple[Phone, ...]:
    """Phones of an utterance at their places in another recording of the same words.

    Args:
        phones: of `spoken`, samples at 48 kHz.
        spoken, recorded: float32 [n] and [m], mono, 48 kHz.
    """
    if not len(phones) or len(spoken) < WINDOW or len(recorded) < WINDOW:
        return ()
    path = warp(mel(spoken), mel(recorded))
    places = np.interp(
        np.array([(phone.start, phone.stop) for phone in phones]) / HOP, np.arange(len(path)), path
    )
    edges = np.clip(np.rint(places * HOP).astype(int), 0, len(recorded))
    return tuple(
        Phone(symbol=phone.symbol, start=int(start), stop=int(stop))
        for phone, (start, stop) in zip(phones, edges, strict=True)
        if stop > start
    )


def mel(audio: Samples) -> Floats:
    """Log mel spectra, float64 [frames, MELS], each band with mean 0 and deviation 1 over the whole.

    So voice and microphone go, and what changes stays.
    """
    padded = np.pad(audio.astype(np.float64), (WINDOW // 2, WINDOW // 2 + HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1))) @ _bands().T
    level = 10 * np.log10(power + 1e-12)
    level = np.maximum(level, level.max() - FLOOR_DB)
    return np.asarray((level - level.mean(axis=0)) / (level.std(axis=0) + 1e-6))


@cache
def _bands() -> Floats:
    """Triangles evenly spaced in mel (O'Shaughnessy 1987), float64 [MELS, WINDOW // 2 + 1]."""
    lowest, highest = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(lowest, highest, MELS + 2) / 2595) - 1)
    at = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    low, middle, high = (edges[i : MELS + i, None] for i in range(3))
    rising, falling = (at - low) / (middle - low), (high - at) / (high - middle)
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None))


_BOTH, _UP, _LEFT = range(3)
"""Steps of a warp: on in both sounds, in the first alone, in the second alone."""

_CELLS = 1 << 24
"""Pairs of frames compared at once, 17 bytes each: 40 seconds with 40 seconds. Longer ones are compared block
by block, all but the last twice, where five minutes whole would take 15 GB."""


def warp(spoken: Floats, recorded: Floats) -> Floats:
    """For each frame of one sound its place in the other, float64 [n], frames, never falling.

    The other may begin and end with frames that have no partner: speech of other lines, or silence.

    Args:
        spoken, recorded: spectra of both, [n, k] and [m, k].
    """
    n, rows = len(spoken), max(1, _CELLS // len(recorded))
    begins = range(1, n, rows)
    above = [_distances(spoken[:1], recorded)[0]]
    for begin in begins:
        bottom, came = _steps(spoken[begin : begin + rows], recorded, above[-1])
        above.append(bottom)
    row, column = n - 1, int(above.pop().argmin())
    partners: list[list[int]] = [[] for _ in range(n)]
    for begin, top in zip(reversed(begins), reversed(above), strict=True):
        if begin + rows < n:
            reached = column + 1
            came = _steps(spoken[begin : begin + rows], recorded[:reached], top[:reached])[1]
        while row >= begin:
            partners[row].append(column)
            step = int(came[row - begin, column])
            row, column = row - (step != _LEFT), column - (step != _UP)
    partners[0].append(column)
    return np.asarray(np.maximum.accumulate([float(np.mean(group)) for group in partners]))


def _steps(spoken: Floats, recorded: Floats, above: Floats) -> tuple[Floats, npt.NDArray[np.int8]]:
    """What the cheapest way to each partner of the last frame costs, float64 [m], and the last step to each
    pair, int8 [n, m].

    Args:
        above: the costs of the frame before the first, float64 [m].
    """
    cost = _distances(spoken, recorded)
    n, m = cost.shape
    total = np.full((n + 1, m), np.inf)
    came = np.full((n, m), _BOTH, dtype=np.int8)
    total[0] = above
    # Cells of one anti-diagonal do not depend on each other.
    for diagonal in range(1, n + m):
        i = np.arange(max(1, diagonal - m + 1), min(n + 1, diagonal + 1))
        j = diagonal - i
        left = np.where(j > 0, total[i, j - 1], np.inf)
        both = np.where(j > 0, total[i - 1, j - 1], np.inf)
        steps = np.stack([both, total[i - 1, j] + STEP_COST, left + STEP_COST])
        best = steps.argmin(axis=0)
        total[i, j] = cost[i - 1, j] + steps[best, np.arange(len(i))]
        came[i - 1, j] = best
    # A copy: a view would keep the whole table.
    return total[-1].copy(), came


def _distances(spoken: Floats, recorded: Floats) -> Floats:
    from scipy.spatial.distance import cdist

    cost = cdist(spoken, recorded)
    cost /= np.sqrt(spoken.shape[1])
    return np.asarray(cost)
