"""Viseme agreement: how well the lips that are seen follow the phones that are heard, and how surely.

What is compared, frame by frame: the opening of the lips and the width of the mouth as tracked, with both as
the visemes of the timed phones let expect them (`loc.analysis.phones.mouth_curve`), in the frames of speech
alone, so that pauses, which any line has, prove nothing. The two correlations are averaged: people who talk
smiling show vowels by the mouth's width where the opening hardly changes.

The value is the best average over lags of up to `MAX_LAG_S` either way, the offset is that lag. How far
chance goes is asked of the same speech with its rhythm kept and its times destroyed: surrogates with the
spectrum of the expected movement and random phases (Theiler et al., Physica D 58, 1992), each with its own
best lag.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loc.analysis.phones import closed_in, mouth_curve, visemes
from loc.artifacts import SAMPLE_RATE, Phones, Score, ScoreMeasure

if TYPE_CHECKING:
    from loc.analysis.faces import Affine

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MAX_LAG_S = 0.6
"""Either way: more than any sound track is off by that is still taken for the picture's own."""

SMOOTHING_S = 0.032
"""Standard deviation of the smoothing of what is seen: the mesh's trembling goes, a closure stays."""

AROUND_SPEECH = SAMPLE_RATE // 10
"""Samples before and after a sound in which the lips still belong to it."""

MIN_SPEECH_S = 2.0
"""Under two seconds of speech there are fewer than ten syllables, and chance agrees with half of them."""

MIN_CLOSURES = 2
"""Closures of the lips without which a stretch of speech holds nothing that is sure to be seen."""

MIN_SEEN = 0.8
"""Share of the frames of speech in which the lips must have been found."""

MIN_OVERLAP = 0.5
"""Share of the most frames compared at any lag under which a lag does not count."""

SURROGATES = 999
"""Surrogates drawn: the least p is 0.001."""

SIGNIFICANT = 0.01
"""p up to which agreement is taken for real. Of 180 wrong lines under each of three real faces 2.2, 0.6 and
1.1 % reach it."""

_AT_ONCE = 100
"""Surrogates held at a time, at most."""

_FRAMES_AT_ONCE = 500_000
"""Frames of surrogates held at a time, some 90 bytes each: a long cut takes no more for them than a short."""


@dataclass(frozen=True)
class Lips:
    """What is seen of one mouth in n frames, float64 [n] each; NaN where there is none.

    `aperture`: opening of the lips over the scale of the face. `width`: from corner to corner, over the same.
    """

    aperture: Floats
    width: Floats

    def __len__(self) -> int:
        return len(self.aperture)


@dataclass(frozen=True)
class Spoken:
    """A stretch of speech: its phones, and the sample at which it begins on the clock of the frames."""

    phones: Phones
    place: int


def lips(points: npt.NDArray[np.float32], upright: Affine) -> Lips:
    """The lips of tracked faces.

    Args:
        points: float32 [n, POINT_COUNT, 2], coded source pixels, NaN without a face; neither smoothed nor
            bridged.
        upright: as `loc.analysis.faces.upright_transform` gives it.
    """
    from loc.analysis.faces import face_scale, lip_aperture, places, transform

    shown = transform(points.astype(np.float64), upright)
    corners = shown[:, places((61, 291))]
    width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1) / face_scale(shown)
    return Lips(aperture=np.asarray(lip_aperture(shown), dtype=np.float64), width=np.asarray(width))


@dataclass(frozen=True)
class Expected:
    """What phones let expect of n frames.

    `aperture`, `width`: float64 [n], as in `mouth_curve`. `speech`, `closed`: bool [n], whether somebody
    speaks, and whether the lips must touch.
    """

    aperture: Floats
    width: Floats
    speech: Flags
    closed: Flags


def expect(spoken: Sequence[Spoken], edges: npt.NDArray[np.int64]) -> Expected:
    """The movement that speech lets expect in n frames; where two speak, the wider open mouth counts.

    Args:
        edges: int64 [n + 1], the samples at which frames appear, and at which the last one ends.
    """
    times = (edges[:-1] + edges[1:]) // 2
    aperture, width = np.zeros(len(times)), np.ones(len(times))
    speech, closed = np.zeros(len(times), dtype=bool), np.zeros(len(times), dtype=bool)
    for one in spoken:
        at = times - one.place
        opening, spread = mouth_curve(one.phones, at)
        wider = opening > aperture
        width = np.where(wider | (width == 1), spread, width)
        aperture = np.maximum(aperture, opening)
        found = visemes(one.phones)
        sounding = np.array([name != "rest" for name in found.names], dtype=bool)
        for start, stop in zip(found.starts[sounding], found.stops[sounding], strict=True):
            speech |= (at >= start - AROUND_SPEECH) & (at < stop + AROUND_SPEECH)
        closed |= closed_in(one.phones, edges - one.place)
    return Expected(aperture.astype(np.float64), width.astype(np.float64), speech, closed)


def agree(
    seen: Lips,
    expected: Expected,
    edges: npt.NDArray[np.int64],
    measure: ScoreMeasure,
    looked: Flags | None = None,
) -> Score:
    """How well lips follow speech. Unscored, with the reason, where there is too little of either.

    Args:
        seen, expected: of the same n frames.
        edges: int64 [n + 1], as for `expect`.
        measure: what the score is called: what moved the lips decides what it proves.
        looked: bool [n], the frames in which lips were looked for; None for all.
    """
    valid = ~(np.isnan(seen.aperture) | np.isnan(seen.width))
    compared = expected.speech & valid
    step = float(np.median(np.diff(edges))) / SAMPLE_RATE if len(edges) > 1 else 0.0
    wanted = expected.speech if looked is None else expected.speech & looked
    count, closures = int(compared.sum()), _runs_seen(expected.closed, valid)
    why = _too_little(count, int(wanted.sum()), float(expected.speech.sum()) * step, closures)
    if why is not None:
        return Score(measure=measure, n=count, closures=closures, unscored=why)
    moves = np.stack([_smoothed(values, valid, step) for values in (seen.aperture, seen.width)])
    said = np.stack([expected.aperture, expected.width])
    if _still(moves[:, compared]) or _still(said[:, compared]):
        still = "The lips do not move at all, or nothing lets expect that they do."
        return Score(measure=measure, n=count, closures=closures, unscored=still)
    reach = max(1, round(MAX_LAG_S / step))
    found = _correlations(moves, valid, said[None], expected.speech, reach)[0]
    best = int(found.argmax())
    chance = _chance(moves, valid, said, expected.speech, reach)
    return Score(
        measure=measure,
        value=round(float(found[best]), 3),
        offset=best - reach,
        offset_ms=round(1000 * step * (best - reach), 1),
        n=count,
        closures=closures,
        p=round((1 + int((chance >= found[best]).sum())) / (SURROGATES + 1), 4),
        confidence=round(float(found[best] - np.median(found)), 3),
    )


def speaking_evidence(track: Lips, spoken: Sequence[Spoken], edges: npt.NDArray[np.int64]) -> Score:
    """How well the lips of one face in the source follow speech of the source: whether it is this face's.

    Args:
        track: of n frames.
        spoken: timed phones of the speech, as `loc.analysis.alignment` finds them.
        edges: int64 [n + 1], the samples at which frames appear, and at which the last one ends.
    """
    return agree(track, expect(spoken, edges), edges, "viseme-agreement")


def _too_little(count: int, wanted: int, seconds: float, closures: int) -> str | None:
    """Why there is no score, or None."""
    if seconds < MIN_SPEECH_S:
        return f"{seconds:.1f} s of speech are under {MIN_SPEECH_S:.0f} s."
    if count < MIN_SEEN * wanted:
        return f"The lips were found in {count} of {wanted} frames of speech."
    if closures < MIN_CLOSURES:
        return f"Closures of the lips: {closures}; {MIN_CLOSURES} are asked for."
    return None


def _runs_seen(flags: Flags, valid: Flags) -> int:
    """Unbroken runs of a flag in which a frame is valid."""
    number = np.cumsum(np.diff(flags.astype(np.int8), prepend=0) > 0)
    return len(np.unique(number[flags & valid]))


def _still(curves: Floats) -> bool:
    return bool((curves.std(axis=1) < 1e-6).any())


def _smoothed(values: Floats, valid: Flags, step: float) -> Floats:
    """Smoothed in time as far as there is something to smooth; 0 elsewhere."""
    from scipy.ndimage import gaussian_filter1d

    if not valid.any():
        return np.zeros(len(values))
    sigma = SMOOTHING_S / step
    weight: Any = gaussian_filter1d(valid.astype(np.float64), sigma, mode="constant")
    total: Any = gaussian_filter1d(np.where(valid, values, 0.0), sigma, mode="constant")
    return np.where(valid, total / np.maximum(weight, 1e-9), 0.0)


def _correlations(moves: Floats, valid: Flags, said: Floats, speech: Flags, reach: int) -> Floats:
    """Average correlation of opening and width at each lag, float64 [s, 2 * reach + 1].

    Args:
        moves: [2, n] seen; `valid` [n] says where.
        said: [s, 2, n] expected.
        speech: [n], the frames of `said` that count.
        reach: the longest lag either way, frames.
    """
    counts = (_lagged(valid, reach) & speech).astype(np.float64)
    n = np.maximum(counts.sum(axis=1), 1.0)
    total = np.zeros((len(said), len(n)))
    for channel in range(len(moves)):
        # Means are taken off first: what is left loses nothing in differences of large sums.
        centred = said[:, channel] - said[:, channel][:, speech].mean(axis=1, keepdims=True)
        seen = _lagged(moves[channel] - moves[channel][valid].mean(), reach) * counts
        sum_seen, sum_said = seen.sum(axis=1), centred @ counts.T
        spread_seen = (seen**2).sum(axis=1) - sum_seen**2 / n
        spread_said = centred**2 @ counts.T - sum_said**2 / n
        together = centred @ seen.T - sum_seen * sum_said / n
        total += together / np.sqrt(np.maximum(spread_seen * spread_said, 1e-18))
    # At lags that leave little to compare, chance is high: they do not count.
    total[:, n < MIN_OVERLAP * n.max()] = 0.0
    return np.asarray(total / len(moves))


def _lagged(values: npt.NDArray[Any], reach: int) -> npt.NDArray[Any]:
    """What stands at each lag, [2 * reach + 1, n]: a view of values [n] between zeros."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, reach), len(values))


def _chance(moves: Floats, valid: Flags, said: Floats, speech: Flags, reach: int) -> Floats:
    """The best averages that surrogates of the speech reach, float64 [SURROGATES].

    The frames of speech, one after another, keep the spectrum of each curve and, since both get the same
    phases, what opening and width have to do with each other.
    """
    rng = np.random.default_rng(0)
    told = said[:, speech]
    mean = told.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(told - mean, axis=1)
    best = []
    at_once = max(1, min(_AT_ONCE, _FRAMES_AT_ONCE // said.shape[1]))
    for first in range(0, SURROGATES, at_once):
        some = min(at_once, SURROGATES - first)
        turns = np.exp(2j * np.pi * rng.random((some, 1, spectrum.shape[1])))
        surrogates = np.repeat(said[None], some, axis=0)
        surrogates[:, :, speech] = np.fft.irfft(spectrum * turns, told.shape[1], axis=2) + mean
        best.append(_correlations(moves, valid, surrogates, speech, reach).max(axis=1))
    return np.concatenate(best)
