"""Who speaks: lines grouped by pitch and timbre, with signal statistics alone.

A line is reduced to a `VoicePrint`: median pitch, and the mean mel cepstrum of its voiced frames (the
long-term shape of the spectrum: vocal tract, brilliance, recording). Lines are joined bottom-up by Ward's
criterion; then the tree is walked from the top, and a branch is cut in two only where `_differ` holds. It
errs towards one speaker: a voice that changes within a speech costs more than two speakers who share one.

Pitch: YIN (de Cheveigne and Kawahara, 2002), all frames at once. Figures: `tests/analysis/test_speakers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from loc.analysis.voice_activity import ANALYSIS_RATE
from loc.artifacts import Frozen, Speaker

Floats = npt.NDArray[np.float64]

FRAME, HOP = 800, 320
"""Samples at 16 kHz: 50 ms hold three periods of the lowest voice; one frame each 20 ms."""
LOWEST_HZ, HIGHEST_HZ = 60, 400
"""Range of speaking pitch from a low man to a child."""
SHORTEST_LAG, LONGEST_LAG = ANALYSIS_RATE // HIGHEST_HZ, ANALYSIS_RATE // LOWEST_HZ
DIP = 0.15
"""YIN's threshold: the first lag whose normalised difference falls under it is the period."""
VOICED_DIP = 0.2
"""A frame whose best lag stays over this is unvoiced."""
VOICED_LEVEL = 0.1
"""Share of the line's loud frames' RMS under which a frame is not trusted."""
FRAMES_AT_ONCE = 1500
"""Frames worked on together: 30 s, some tens of MiB."""

MEL_BANDS, MEL_RANGE_HZ, FFT_SIZE = 26, (100.0, 7000.0), 1024
CEPSTRA = 13
"""Coefficients kept, from the first up; the zeroth is loudness."""

POINT_SIZE = CEPSTRA + 1
"""Numbers that place a line among others: its timbre, and its pitch."""

CEPSTRUM_SCATTER = np.array([1.0, 0.9, 1.0, 1.25, 0.8, 0.75, 0.45, 0.4, 0.45, 0.4, 0.45, 0.35, 0.4])
"""Standard deviation of each mean coefficient from line to line of one speaker; nine drawn and four real
voices, lines of 1 to 4 s."""
PITCH_SCATTER = 2.5
"""Semitones by which one speaker's lines differ (standard deviation): 2.0 measured on narration, more in
lively speech. At 2.0 one drawn voice at three rates fell apart."""

MIN_VOICED_FRAMES = 20
"""Lines with less than 0.4 s of voice do not shape the groups; they join the one nearest in sound."""
MIN_SPEAKER_FRAMES = 40
"""Voiced frames of a speaker: under 0.8 s a laugh or a jingle would pass for a person."""
CERTAIN_GAP = 3.5
"""Distance of two groups in scatters that no single speaker showed (3.1 at most); an octave is 4.8."""
MIN_SILHOUETTE = 0.34
"""Mean silhouette (Rousseeuw, 1987) of two groups: one voice split in two gave up to 0.33 where there were
enough lines to tell, two voices of one class 0.36 to 0.64."""
MIN_SEPARATION = 2.7
"""Distance of two groups over its standard error: guards the silhouette where lines are few. A real voice in
four lines reached 2.3, two drawn men in twelve 2.9."""
MIN_GAP = 1.7
"""Distance under which two groups are one speaker whatever the statistics: sentences said twice make tight
groups. One drawn voice split in two gave up to 1.5, two of one class 1.8 and more."""

CLASS_LIMIT_HZ = 165.0
"""Between low and high voices."""


class VoicePrint(Frozen):
    """What a line sounds like."""

    voiced_frames: int
    """Voiced frames of 20 ms."""
    f0_hz: float | None
    """Median pitch of the voiced frames; None where there are none."""
    cepstrum: tuple[float, ...]
    """Mean mel cepstrum of the voiced frames, `CEPSTRA` numbers; empty where there are none."""


@dataclass(frozen=True)
class Spoken:
    """A line to be grouped: its print and its length in samples at 48 kHz."""

    print: VoicePrint
    samples: int


class Grouping(Frozen):
    """Speakers in order of appearance, and the id of each line's speaker, in the order of the lines."""

    speakers: tuple[Speaker, ...]
    assignment: tuple[str, ...]


def measure(audio: npt.NDArray[np.float32]) -> VoicePrint:
    """The print of one line of mono sound at 16 kHz, float32 [n]."""
    f0, frames = _voiced(audio)
    if not len(f0):
        return VoicePrint(voiced_frames=0, f0_hz=None, cepstrum=())
    return VoicePrint(
        voiced_frames=len(f0),
        f0_hz=round(float(np.median(f0)), 2),
        cepstrum=tuple(round(float(value), 4) for value in _cepstrum(frames).mean(axis=0)),
    )


def group(lines: Sequence[Spoken], *, min_speakers: int = 1, max_speakers: int = 8) -> Grouping:
    """Tell the speakers of a programme's lines apart, by pitch and timbre.

    Args:
        lines: in order of time.
        min_speakers: cut until there are this many, as far as there are lines to tell by.
        max_speakers: stop cutting at this many.
    """
    firm = [i for i, line in enumerate(lines) if line.print.voiced_frames >= MIN_VOICED_FRAMES]
    if not firm:
        firm = [i for i, line in enumerate(lines) if line.print.voiced_frames]
    labels = np.zeros(len(lines), dtype=np.int64)
    if firm:
        points = placed([lines[i].print for i in firm])
        weights = np.array([lines[i].print.voiced_frames for i in firm])
        labels = _spread(lines, firm, points, _cut(points, weights, min_speakers, max_speakers))
    return named(lines, labels.tolist())


def named(
    lines: Sequence[Spoken], labels: Sequence[int], names: Mapping[int, str] = MappingProxyType({})
) -> Grouping:
    """The speakers of lines in order of time, whatever they were told apart by.

    Args:
        labels: of each line: equal for those of one speaker.
        names: of labels, where somebody called them by one.
    """
    order = list(dict.fromkeys(labels))
    ids = {label: f"speaker{place + 1}" for place, label in enumerate(order)}
    said = {label: [line for line, own in zip(lines, labels, strict=True) if own == label] for label in order}
    return Grouping(
        speakers=tuple(_speaker(ids[label], said[label], names.get(label)) for label in order),
        assignment=tuple(ids[label] for label in labels),
    )


def pitch(audio: npt.NDArray[np.float32]) -> Floats:
    """Pitch of every voiced 20 ms frame of mono sound at 16 kHz, in Hz, float64 [voiced]."""
    return _voiced(audio)[0]


def _voiced(audio: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Pitch [voiced] and samples [voiced, FRAME] of the voiced frames."""
    padded = np.pad(audio, (0, max(0, FRAME - len(audio))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    level = np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1))
    loud = VOICED_LEVEL * np.percentile(level, 95)
    pitches: list[Floats] = []
    kept: list[Floats] = []
    for first in range(0, len(frames), FRAMES_AT_ONCE):
        part = frames[first : first + FRAMES_AT_ONCE].astype(np.float64)
        f0, dip = _yin(part - part.mean(axis=1, keepdims=True))
        voiced = (dip < VOICED_DIP) & (level[first : first + FRAMES_AT_ONCE] > max(loud, 1e-5))
        pitches.append(f0[voiced])
        kept.append(part[voiced])
    return np.concatenate(pitches), np.concatenate(kept)


def _yin(frames: Floats) -> tuple[Floats, Floats]:
    """Pitch in Hz and depth of the dip (0 perfectly periodic .. about 1) of frames [n, FRAME]."""
    normalised = _normalised_difference(frames)
    searched = normalised[:, SHORTEST_LAG:LONGEST_LAG]
    under = searched < DIP
    first = np.where(under.any(axis=1), under.argmax(axis=1), searched.argmin(axis=1))
    # From the first lag under the threshold, down to the bottom of that dip.
    lags = np.arange(searched.shape[1])
    turns = np.concatenate([searched[:, :-1] <= searched[:, 1:], np.ones((len(searched), 1), bool)], axis=1)
    lag = (turns & (lags >= first[:, None])).argmax(axis=1) + SHORTEST_LAG
    rows = np.arange(len(frames))
    before, at, after = (normalised[rows, lag + step] for step in (-1, 0, 1))
    # A parabola through the three lowest points: whole lags are 40 cents apart at 400 Hz.
    bend = before - 2 * at + after
    shift = np.where(bend > 1e-9, 0.5 * (before - after) / np.maximum(bend, 1e-9), 0.0)
    return ANALYSIS_RATE / (lag + np.clip(shift, -0.5, 0.5)), at


def _normalised_difference(frames: Floats) -> Floats:
    """Cumulative mean normalised difference over lags 0 .. LONGEST_LAG, [n, LONGEST_LAG + 1]."""
    from scipy.fft import irfft, rfft

    lags = LONGEST_LAG + 1
    width = FRAME - lags
    size = 2048
    product = irfft(rfft(frames, size) * np.conj(rfft(frames[:, :width], size)), size)[:, :lags]
    summed = np.cumsum(np.pad(np.square(frames), ((0, 0), (1, 0))), axis=1)
    energy = summed[:, width : width + lags] - summed[:, :lags]
    difference = np.maximum(energy[:, :1] + energy - 2 * product, 0)
    difference[:, 0] = 0
    mean = np.cumsum(difference, axis=1) / np.maximum(np.arange(lags), 1)
    normalised: Floats = difference / np.maximum(mean, 1e-12)
    normalised[:, 0] = 1
    return normalised


def _cepstrum(frames: Floats) -> Floats:
    """Mel cepstra 1 .. CEPSTRA of frames [n, FRAME]."""
    from scipy.fft import dct, rfft

    power = np.square(np.abs(rfft(frames * np.hamming(FRAME), FFT_SIZE)))
    return np.asarray(dct(np.log(power @ _mel_bank().T + 1e-9), norm="ortho")[:, 1 : CEPSTRA + 1])


def _mel_bank() -> Floats:
    """Triangles evenly spaced in mel (O'Shaughnessy, 1987), [MEL_BANDS, FFT_SIZE // 2 + 1]."""
    low, high = (2595 * np.log10(1 + edge / 700) for edge in MEL_RANGE_HZ)
    edges = 700 * (10 ** (np.linspace(low, high, MEL_BANDS + 2) / 2595) - 1)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.fft.rfftfreq(FFT_SIZE, 1 / ANALYSIS_RATE)
    triangles: Floats = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
    return np.maximum(0, triangles)


def placed(prints: Sequence[VoicePrint]) -> Floats:
    """Prints of voiced lines in a space where one speaker's scatter by about 1 in timbre and 1 in pitch,
    [n, POINT_SIZE]."""
    timbre = np.array([item.cepstrum for item in prints]) / CEPSTRUM_SCATTER / np.sqrt(CEPSTRA)
    semitones = np.array([12 * np.log2(item.f0_hz or CLASS_LIMIT_HZ) for item in prints])
    return np.concatenate([timbre, semitones[:, None] / PITCH_SCATTER], axis=1)


def _cut(points: Floats, weights: npt.NDArray[np.int64], least: int, most: int) -> npt.NDArray[np.int64]:
    """A label for each point: branches of the Ward tree, cut from the top."""
    from scipy.cluster.hierarchy import linkage, to_tree

    labels = np.zeros(len(points), dtype=np.int64)
    if len(points) < 2:
        return labels
    branches = [to_tree(linkage(points, "ward"))]
    settled: list[Any] = []
    while branches and len(branches) + len(settled) < most:
        branches.sort(key=lambda branch: branch.dist)
        branch = branches.pop()
        if branch.is_leaf():
            settled.append(branch)
            continue
        left, right = np.array(branch.left.pre_order()), np.array(branch.right.pre_order())
        short = len(branches) + len(settled) + 1 < least
        if short or _differ(points, weights, left, right):
            branches += [branch.left, branch.right]
        else:
            settled.append(branch)
    for label, branch in enumerate(branches + settled):
        labels[branch.pre_order()] = label
    return labels


def _differ(
    points: Floats, weights: npt.NDArray[np.int64], left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> bool:
    """Whether two groups of points are two speakers."""
    if min(weights[left].sum(), weights[right].sum()) < MIN_SPEAKER_FRAMES:
        return False
    centres = points[left].mean(axis=0), points[right].mean(axis=0)
    gap = float(np.linalg.norm(centres[0] - centres[1]))
    freedom = len(left) + len(right) - 2
    if gap >= CERTAIN_GAP:
        return True
    if gap < MIN_GAP or freedom < 2:
        return False
    scatter = np.sum((points[left] - centres[0]) ** 2) + np.sum((points[right] - centres[1]) ** 2)
    error = np.sqrt(scatter / freedom * (1 / len(left) + 1 / len(right)))
    return gap >= MIN_SEPARATION * error and _silhouette(points, left, right) >= MIN_SILHOUETTE


def _silhouette(points: Floats, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> float:
    """Mean silhouette of two groups, -1..1; a group of one counts 0."""
    values = []
    for own, other in ((left, right), (right, left)):
        for point in own:
            inside = np.linalg.norm(points[own] - points[point], axis=1).sum() / max(1, len(own) - 1)
            outside = np.linalg.norm(points[other] - points[point], axis=1).mean()
            values.append((outside - inside) / max(inside, outside, 1e-9) if len(own) > 1 else 0.0)
    return float(np.mean(values))


def _spread(
    lines: Sequence[Spoken], firm: Sequence[int], points: Floats, labels: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Labels of all lines: short ones by the nearest group in sound, voiceless ones by the line before."""
    centres = {label: points[labels == label].mean(axis=0) for label in np.unique(labels).tolist()}
    known = dict(zip(firm, labels.tolist(), strict=True))
    spread = np.zeros(len(lines), dtype=np.int64)
    last = known[firm[0]]
    for index, line in enumerate(lines):
        if index in known:
            last = known[index]
        elif line.print.voiced_frames:
            point = placed([line.print])[0]
            last = min(centres, key=lambda label: float(np.linalg.norm(centres[label] - point)))
        spread[index] = last
    return spread


def _speaker(ident: str, lines: Sequence[Spoken], name: str | None) -> Speaker:
    f0 = _median_f0([line.print for line in lines])
    voice_class: Literal["low", "high"] = "high" if f0 is not None and f0 >= CLASS_LIMIT_HZ else "low"
    return Speaker(
        id=ident,
        median_f0_hz=f0,
        voice_class=voice_class,
        speech_samples=sum(line.samples for line in lines),
        name=name,
    )


def _median_f0(prints: Sequence[VoicePrint]) -> float | None:
    """Median of the lines' medians, each counting by its voiced frames, Hz."""
    voiced = sorted((item.f0_hz, item.voiced_frames) for item in prints if item.f0_hz is not None)
    if not voiced:
        return None
    counts = np.cumsum([frames for _, frames in voiced])
    return voiced[int(np.searchsorted(counts, counts[-1] / 2))][0]
