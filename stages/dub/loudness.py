"""Loudness and true peak after ITU-R BS.1770-5 and EBU R128, in pieces of bounded size.

The integrated loudness of any length of sound follows from the energies of its 100 ms hops: four neighbouring
hops make a gating block of 400 ms at 75 % overlap. Hops of pieces are concatenated, so a long programme is
measured piece by piece with the result of one pass.

Sound is float32 [n, channels] at 48 kHz, full scale 1.0, mono or stereo: of surround channels, which BS.1770
weighs otherwise, there are none here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE

Samples = npt.NDArray[np.float32]
Energies = npt.NDArray[np.float64]

HOP = SAMPLE_RATE // 10
"""Samples between gating blocks."""

HOPS_PER_BLOCK = 4

FILTER_CONTEXT = SAMPLE_RATE // 5
"""Samples the K-filter must hear before a piece: its slowest pole (38 Hz) has decayed by 400 dB."""

PEAK_CONTEXT = 64
"""Samples the oversampling filter reaches on each side, generously (it has 21 taps per phase)."""

_PEAK_PIECE = 5 * SAMPLE_RATE
_HOPS_AT_ONCE = 50
"""What is worked on together, 5 s: in double precision a whole block of stereo takes 23 MB per copy."""

_LOOK = 2048
"""Samples that are oversampled or left out together, 43 ms; more than `PEAK_CONTEXT`."""

OVERSHOOT = 2.25
"""No oversampled peak is this many times the largest sample around it: the sum of the magnitudes of the
oversampling filter's taps, 2.241 in its worst phase."""

OVERSAMPLING = 4
"""BS.1770-5 annex 2 asks for at least 192 kHz."""

ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
_OFFSET_LU = -0.691

# BS.1770-5 tables 1 and 2: head shelf and RLB high-pass at 48 kHz, as second-order sections.
_K_WEIGHTING = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621),
)


def hop_energies(audio: Samples, context: int = 0) -> Energies:
    """K-filtered mean square of each whole hop, summed over the channels, float64 [(n - context) // HOP].

    Args:
        audio: float32 [n, channels].
        context: samples at the start that only settle the filter, `FILTER_CONTEXT` where there is sound
        before.
    """
    from scipy.signal import sosfilt

    sections, channels = np.array(_K_WEIGHTING), audio.shape[1]
    hops = max(0, len(audio) - context) // HOP
    energies = np.empty(hops)
    state = np.zeros((len(sections), 2, channels))
    if context and hops:
        _, state = sosfilt(sections, audio[:context].astype(np.float64), axis=0, zi=state)
    for first in range(0, hops, _HOPS_AT_ONCE):
        last = min(first + _HOPS_AT_ONCE, hops)
        piece = audio[context + first * HOP : context + last * HOP].astype(np.float64)
        weighted, state = sosfilt(sections, piece, axis=0, zi=state)
        squares = np.square(weighted).reshape(last - first, HOP, channels).mean(axis=1)
        energies[first:last] = squares.sum(axis=1)
    return energies


def integrated(hops: Sequence[Energies] | Energies) -> float | None:
    """Integrated loudness, LUFS, of one sound's hops, or of several sounds' hops pooled.

    Returns:
        None where nothing passes the absolute gate.
    """
    sounds = [hops] if isinstance(hops, np.ndarray) else list(hops)
    blocks = np.concatenate([np.zeros(0), *(_blocks(sound) for sound in sounds)])
    blocks = blocks[blocks > _energy(ABSOLUTE_GATE_LUFS)]
    if not len(blocks):
        return None
    threshold = blocks.mean() * 10 ** (RELATIVE_GATE_LU / 10)
    return _lufs(float(blocks[blocks > threshold].mean()))


def _blocks(hops: Energies) -> Energies:
    """Mean square of each gating block."""
    if len(hops) < HOPS_PER_BLOCK:
        return np.zeros(0)
    blocks: Energies = np.convolve(hops, np.full(HOPS_PER_BLOCK, 1 / HOPS_PER_BLOCK), mode="valid")
    return blocks


def _energy(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET_LU) / 10))


def _lufs(energy: float) -> float:
    return float(_OFFSET_LU + 10 * np.log10(energy))


def alone(audio: Samples) -> Energies:
    """Hops of a clip that sounds alone in silence: the blocks that straddle its edges count, as they do in a
    programme. float32 [n, channels] in."""
    padding = HOP * (HOPS_PER_BLOCK - 1)
    tail = -len(audio) % HOP + padding
    return hop_energies(np.pad(audio, ((padding, tail), (0, 0))))


def oversampled_peaks(audio: Samples, floor: float = 0.0) -> Samples:
    """Largest magnitude at and just after each sample at four times the rate, over all channels: float32 [n].

    Zero is assumed beyond both ends. Worked off in pieces, to hold one piece oversampled at a time.

    Args:
        floor: peaks that do not pass it need not be told: they may be given as 0, which is quicker.
    """
    from scipy.signal import resample_poly

    padded = np.pad(audio, ((PEAK_CONTEXT, PEAK_CONTEXT), (0, 0)))
    peaks = np.zeros(len(audio), dtype=np.float32)
    for start, stop in _where_above(audio, floor):
        fine = resample_poly(padded[start : stop + 2 * PEAK_CONTEXT], OVERSAMPLING, 1, axis=0)
        highest = np.abs(fine).max(axis=1).reshape(-1, OVERSAMPLING).max(axis=1)
        peaks[start:stop] = highest[PEAK_CONTEXT:-PEAK_CONTEXT]
    return peaks


def _where_above(audio: Samples, floor: float) -> Iterator[tuple[int, int]]:
    """Ranges, each at most a piece long, outside which no oversampled peak passes `floor`."""
    edges = np.arange(0, len(audio), _LOOK)
    if not len(edges):
        return
    loudest = np.pad(np.maximum.reduceat(np.abs(audio).max(axis=1), edges), 1)
    around = np.maximum(np.maximum(loudest[:-2], loudest[1:-1]), loudest[2:])
    possible = np.concatenate(([False], around * OVERSHOOT > floor, [False]))
    first, last = np.flatnonzero(np.diff(possible.astype(np.int8))).reshape(-1, 2).T * _LOOK
    for start, stop in zip(first.tolist(), np.minimum(last, len(audio)).tolist(), strict=True):
        for piece in range(start, stop, _PEAK_PIECE):
            yield piece, min(piece + _PEAK_PIECE, stop)


def true_peak(audio: Samples, start: int, stop: int) -> float:
    """The largest of `oversampled_peaks` among samples `start` <= i < `stop`; 0 of none."""
    if start >= stop:
        return 0.0
    loudest = start + int(np.abs(audio[start:stop]).max(axis=1).argmax())
    low = max(0, loudest - PEAK_CONTEXT)
    # The peak at the loudest sample is a floor for the highest, and spares most of the rest.
    floor = oversampled_peaks(audio[low : loudest + PEAK_CONTEXT])[loudest - low]
    return float(max(floor, oversampled_peaks(audio, float(floor))[start:stop].max()))


def decibels(amplitude: float) -> float | None:
    """20 log10, None of nothing."""
    return float(20 * np.log10(amplitude)) if amplitude > 0 else None


def ungated(audio: Samples) -> float | None:
    """Loudness of a whole short sound taken as one block, LUFS; None of silence."""
    hops = hop_energies(np.pad(audio, ((0, -len(audio) % HOP), (0, 0))))
    total = float(hops.sum()) * HOP / max(1, len(audio))
    return _lufs(total) if total > _energy(ABSOLUTE_GATE_LUFS) else None
