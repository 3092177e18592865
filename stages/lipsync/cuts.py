"""Cuts: frame ranges of one shot with one face situation. They depend on the source alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from loc.artifacts import FrameRange
from stages.lipsync.route import Situation

MIN_FRAMES = 10
"""A situation that lasts less (0.4 s at 25 per second) joins its longer neighbour: switching the drawing on
and off within a word is worse than either."""


@dataclass(frozen=True)
class Stretch:
    """A cut, before it is known who speaks."""

    shot: int
    frames: FrameRange
    situation: Situation


def cut_shot(shot: int, start: int, seen: npt.NDArray[np.int8]) -> list[Stretch]:
    """The cuts of one shot, in order and without gaps.

    Args:
        shot: the shot's index.
        start: its first frame.
        seen: what each of its frames shows, values of `Situation`.
    """
    edges = [0, *(np.flatnonzero(np.diff(seen)) + 1).tolist(), len(seen)]
    stretches = [
        Stretch(shot, FrameRange(start=start + a, stop=start + b), Situation(int(seen[a])))
        for a, b in itertools.pairwise(edges)
        if b > a
    ]
    while (index := _shortest_joinable(stretches)) is not None:
        stretches = _joined(stretches, index)
    return stretches


def _shortest_joinable(stretches: Sequence[Stretch]) -> int | None:
    """The shortest stretch that is too short and has a neighbour it may join."""
    short = [
        (len(stretch.frames), index)
        for index, stretch in enumerate(stretches)
        if len(stretch.frames) < MIN_FRAMES and _neighbours(stretches, index)
    ]
    return min(short)[1] if short else None


def _neighbours(stretches: Sequence[Stretch], index: int) -> list[int]:
    """The neighbours a stretch may join. One without a face never joins one that would be drawn."""
    around = [other for other in (index - 1, index + 1) if 0 <= other < len(stretches)]
    if stretches[index].situation is Situation.NO_FACE:
        return [other for other in around if stretches[other].situation is not Situation.ONE_FACE]
    return around


def _joined(stretches: Sequence[Stretch], index: int) -> list[Stretch]:
    """The stretches with one joined to its longer neighbour, and like neighbours merged."""
    host = max(_neighbours(stretches, index), key=lambda other: len(stretches[other].frames))
    changed = list(stretches)
    changed[index] = replace(changed[index], situation=changed[host].situation)
    merged: list[Stretch] = []
    for stretch in changed:
        if merged and merged[-1].situation is stretch.situation:
            frames = FrameRange(start=merged[-1].frames.start, stop=stretch.frames.stop)
            merged[-1] = replace(merged[-1], frames=frames)
        else:
            merged.append(stretch)
    return merged
