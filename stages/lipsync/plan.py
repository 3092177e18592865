"""What the mouth does: the three rules, and the curve of its opening.

The dub speaks: drawn. The dub is silent and the source speaks: drawn closed. Both are silent: the source's
pixels, faded in and out. Everything is computed from the dry clips and their phones; the mix is never read.

Times are samples at 48 kHz; those of a redraw count from its first frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loc.analysis.phones import closed_in, mouth_curve
from loc.artifacts import SAMPLE_RATE, Phones

Floats = npt.NDArray[np.float32]
Range = tuple[int, int]

FADE = SAMPLE_RATE * 80 // 1000
"""Drawn and source pixels give way to each other over 80 ms (two frames at 25 per second) outside speech."""
MAX_PAUSE = SAMPLE_RATE * 300 // 1000
"""A pause of both voices up to this long stays drawn, the mouth closed: fading in and out would flicker."""
REACH = SAMPLE_RATE * 300 // 1000
"""A clip shapes the mouth this far outside its own time: lips lead, and curves are smoothed."""

HEARING = SAMPLE_RATE
"""A backend that hears is given the dub this far outside a redraw: a net that attends to all it is given
finds an utterance's beginning there, and a line further off leaves the redraw as it is."""

QUIET_SHARE, LOUD_SHARE, LOUD_POWER = 0.3, 0.8, 0.6
"""The opening of a phone is multiplied by QUIET + LOUD * level^POWER: a murmur is not mouthed like a call."""
BAND_HZ = 200.0, 3000.0
ENVELOPE_HZ = 10.0
"""Loudness is that of the first formants, smoothed to the rate of syllables."""
LOUD_PERCENTILE, LOUD_FLOOR = 92, 0.05
"""Full loudness: this percentile of what lies above this share of the clip's peak."""
NOISE_SHARE = 0.04


@dataclass(frozen=True)
class Sounding:
    """A dry clip that sounds in a redraw.

    Args:
        phones: its phones.
        audio: float32 [m], mono, 48 kHz.
        place: the sample of the redraw, counted from its first frame, at which the clip begins.
    """

    phones: Phones
    audio: Floats
    place: int


def frame_times(edges: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The sample in the middle of each frame's time on screen, int64 [n].

    Args:
        edges: int64 [n + 1], samples at which frames appear, and at which the last one ends.
    """
    return np.asarray((edges[:-1] + edges[1:]) // 2, dtype=np.int64)


def joined(ranges: Sequence[Range], pause: int) -> list[Range]:
    """Ranges in order, those that overlap or lie at most `pause` apart made one."""
    merged: list[Range] = []
    for start, stop in sorted(ranges):
        if merged and start - merged[-1][1] <= pause:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged


def without(ranges: Sequence[Range], taken: Sequence[Range]) -> list[Range]:
    """What is left of ranges outside others, in order."""
    left = joined(ranges, 0)
    for start, stop in taken:
        parts = [part for a, b in left for part in ((a, min(b, start)), (max(a, stop), b))]
        left = [(a, b) for a, b in parts if a < b]
    return left


def opacity(
    times: npt.NDArray[np.int64], speech: Sequence[Range], *, fade_in: bool, fade_out: bool
) -> Floats:
    """How much of each frame of a cut is drawn, float32 [n], 0..1.

    Args:
        times: samples of the frames, int64 [n].
        speech: ranges in which the dub or the source speaks.
        fade_in, fade_out: whether the cut's ends are soft, because the shot goes on beyond them.
    """
    drawn = np.zeros(len(times), dtype=np.float64)
    for start, stop in joined(speech, MAX_PAUSE):
        outside = np.maximum(np.maximum(start - times, times - (stop - 1)), 0)
        drawn = np.maximum(drawn, 1 - outside / FADE)
    if len(times) and fade_in:
        drawn = np.minimum(drawn, (times - times[0]) / FADE)
    if len(times) and fade_out:
        drawn = np.minimum(drawn, (times[-1] - times) / FADE)
    return np.asarray(np.clip(drawn, 0, 1), dtype=np.float32)


def mouth(edges: npt.NDArray[np.int64], sounding: Sequence[Sounding]) -> tuple[Floats, Floats]:
    """Aperture and width of the mouth, float32 [n] each, as in `MouthPlan`.

    Args:
        edges: int64 [n + 1], samples at which frames appear, and at which the last one ends, counted from the
            start of the redraw's first.
        sounding: the clips that sound in it; where two do, the wider open mouth counts.
    """
    times = frame_times(edges)
    aperture = np.zeros(len(times), dtype=np.float32)
    width = np.ones(len(times), dtype=np.float32)
    for clip in sounding:
        at = times - clip.place
        opening, spread = mouth_curve(clip.phones, at)
        opening = np.clip(opening * (QUIET_SHARE + LOUD_SHARE * loudness(clip.audio, at)), 0, 1)
        # The curve only nears a closure; lips that should touch must touch.
        opening[closed_in(clip.phones, edges - clip.place)] = 0
        wider = opening > aperture
        width = np.where(wider | (width == 1), spread, width).astype(np.float32)
        aperture = np.maximum(aperture, opening).astype(np.float32)
    return aperture, width


def loudness(audio: Floats, at: npt.NDArray[np.int64]) -> Floats:
    """Loudness of a clip at some of its samples, 0..1, compressed; 0 outside it."""
    from scipy.signal import butter, sosfilt, sosfiltfilt

    if not len(audio):
        return np.zeros(len(at), dtype=np.float32)
    band = sosfilt(butter(2, BAND_HZ, "band", fs=SAMPLE_RATE, output="sos"), audio.astype(np.float64))
    smooth = butter(2, ENVELOPE_HZ, fs=SAMPLE_RATE, output="sos")
    # Padding of a tenth of a second on each side lets the zero-phase filter start and end at rest.
    padded = np.pad(np.square(band), SAMPLE_RATE // 10)
    power = sosfiltfilt(smooth, padded)[SAMPLE_RATE // 10 : -(SAMPLE_RATE // 10)]
    level = np.sqrt(np.maximum(power, 0))
    peak = float(level.max())
    if peak <= 0:
        return np.zeros(len(at), dtype=np.float32)
    full = float(np.percentile(level[level > LOUD_FLOOR * peak], LOUD_PERCENTILE))
    inside = (at >= 0) & (at < len(audio))
    here = np.where(inside, level[np.clip(at, 0, len(audio) - 1)], 0)
    share = np.clip((here / full - NOISE_SHARE) / (1 - NOISE_SHARE), 0, 1)
    return np.asarray(share**LOUD_POWER, dtype=np.float32)
