"""Cuts: frame ranges of one shot with one face situation. They depend on the source alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from loc.artifacts import FrameRange
from loc.media.durations import frames_lasting
from stages.lipsync.route import Situation, with_occlusion

MIN_S = 0.4
"""A situation that lasts less joins its longer neighbour: switching the drawing on and off within a word is
worse than either."""

_LOST = (Situation.OCCLUDED, Situation.NO_FACE)
"""Situations in which nothing may be drawn for a single frame: a passing hand would get a mouth."""


@dataclass(frozen=True)
class Stretch:
    """A cut, before it is known who speaks."""

    shot: int
    frames: FrameRange
    situation: Situation


@dataclass(frozen=True)
class _Run:
    """Frames in a row, counted from the shot's first; `lost` if the mouth of any of them is not seen."""

    start: int
    stop: int
    situation: Situation
    lost: bool

    def __len__(self) -> int:
        return self.stop - self.start


def cut_shot(
    shot: int, start: int, tracked: npt.NDArray[np.int8], hidden: npt.NDArray[np.bool_], rate: Fraction
) -> list[Stretch]:
    """The cuts of one shot, in order and without gaps. Every frame of a cut with one face has one, with
    nothing before its mouth.

    Args:
        shot: the shot's index.
        start: its first frame.
        tracked: what its tracks tell of each of its frames, values of `Situation`.
        hidden: which of them have something before the mouth.
        rate: frames per second.
    """
    least = frames_lasting(MIN_S, rate)
    seen = with_occlusion(tracked, hidden)
    # A hand before a face turned away leaves it turned away, and is before the mouth all the same.
    lost = hidden | np.isin(seen, _LOST)
    edges = [0, *(np.flatnonzero(np.diff(seen)) + 1).tolist(), len(seen)]
    found = [
        _Run(a, b, Situation(int(seen[a])), lost=bool(lost[a:b].any()))
        for a, b in itertools.pairwise(edges)
        if b > a
    ]
    while (index := _shortest_joinable(found, least)) is not None:
        found = _joined(found, index)
    return [
        Stretch(shot, FrameRange(start=start + run.start, stop=start + run.stop), run.situation)
        for run in found
    ]


def _shortest_joinable(found: Sequence[_Run], least: int) -> int | None:
    """The shortest run that is of fewer frames than `least` and has a neighbour it may join."""
    short = [
        (len(run), index) for index, run in enumerate(found) if len(run) < least and _neighbours(found, index)
    ]
    return min(short)[1] if short else None


def _neighbours(found: Sequence[_Run], index: int) -> list[int]:
    """The neighbours a run may join. One with a frame that is lost never joins one that would be drawn."""
    around = [other for other in (index - 1, index + 1) if 0 <= other < len(found)]
    if found[index].lost:
        return [other for other in around if found[other].situation is not Situation.ONE_FACE]
    return around


def _joined(found: Sequence[_Run], index: int) -> list[_Run]:
    """The runs with one joined to its longer neighbour, and like neighbours merged."""
    host = max(_neighbours(found, index), key=lambda other: len(found[other]))
    changed = list(found)
    changed[index] = replace(changed[index], situation=changed[host].situation)
    merged: list[_Run] = []
    for run in changed:
        if merged and merged[-1].situation is run.situation:
            before = merged[-1]
            merged[-1] = _Run(before.start, run.stop, run.situation, before.lost or run.lost)
        else:
            merged.append(run)
    return merged
