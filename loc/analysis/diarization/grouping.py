"""Lines and speakers from vectors and from turns: pure functions.

By vectors, lines are joined bottom-up by the mean similarity of their groups, as long as it is at least what
the embedder's scale calls one speaker. By turns, a line is the speaker's who is heard in most of it.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from loc.analysis.diarization.contract import Embedding, Scale, Turn
from loc.artifacts import SAMPLE_RATE, Frozen

Floats = npt.NDArray[np.float32]
Range = tuple[int, int]

LEAST_OVERLAP = SAMPLE_RATE // 4
"""Samples in which two speakers must sound together within a line: evaluations of diarization do not count
what lies within 0.25 s of a turn's edge (NIST, Rich Transcription), so less says nothing."""

FEWEST_PARTS = 2
"""Windows in a row that must sound like another speaker: one alone scatters."""


class Doubt(Frozen):
    """A line whose speaker might be another, by vectors."""

    line: int
    """Its place among the lines."""
    other: int
    """The next speaker, by label."""
    margin: float


class Mixed(Frozen):
    """A line of which a part sounds like another speaker."""

    line: int
    other: int


Mark = TypeVar("Mark", Doubt, Mixed)


@dataclass(frozen=True)
class Judged:
    """What vectors say of lines that have speakers.

    `voices`: float32 [k, d], of unit length, of each speaker.
    """

    voices: Floats
    doubts: tuple[Doubt, ...]
    mixed: tuple[Mixed, ...]


def by_vectors(
    vectors: Floats, firm: Sequence[bool], joined: float, least: int, most: int
) -> npt.NDArray[np.int64]:
    """A label for each line, int64 [n].

    Args:
        vectors: float32 [n, d], of unit length.
        firm: of each line, whether it is long enough to shape groups; the others join the nearest.
        joined: mean similarity from which two groups are one speaker.
        least: at least this many speakers, as far as there are firm lines.
        most: at most this many.
    """
    from scipy.cluster.hierarchy import cut_tree, linkage

    labels = np.zeros(len(vectors), dtype=np.int64)
    shaping = np.flatnonzero(firm) if any(firm) else np.arange(len(vectors))
    if len(shaping) > 1:
        similar = np.clip(vectors[shaping] @ vectors[shaping].T, -1, 1).astype(np.float64)
        tree = linkage(1 - similar[np.triu_indices(len(shaping), 1)], "average")
        apart = 1 + int(np.sum(tree[:, 2] > 1 - joined))
        count = min(max(apart, least), most, len(shaping))
        labels[shaping] = cut_tree(tree, n_clusters=count)[:, 0]
    if 0 < len(shaping) < len(vectors):
        middles = centres(vectors[shaping], labels[shaping])
        known = np.unique(labels[shaping])
        for index in set(range(len(vectors))) - set(shaping.tolist()):
            labels[index] = known[int(np.argmax(middles @ vectors[index]))]
    return labels


def centres(vectors: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    """The mean vector of each label in order of labels, float32 [k, d], of unit length."""
    means = np.stack([vectors[labels == label].mean(axis=0) for label in np.unique(labels)])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), dtype=np.float32)


def by_turns(turns: Sequence[Turn], lines: Sequence[Range]) -> list[str | None]:
    """The speaker of each line, by the turns' names; None where nobody is heard in it.

    Args:
        turns: in order of their beginnings.
        lines: start and stop, in samples at 48 kHz.
    """
    found: list[str | None] = []
    for (start, stop), inside in zip(lines, _inside(turns, lines), strict=True):
        heard: Counter[str] = Counter()
        for turn in inside:
            heard[turn.speaker] += min(stop, turn.stop) - max(start, turn.start)
        found.append(max(heard, key=lambda name: (heard[name], name)) if heard else None)
    return found


def together(
    turns: Sequence[Turn], lines: Sequence[Range], names: Sequence[str | None]
) -> list[dict[str, int]]:
    """Of each line, the others who are heard in it while its speaker is, and for how many samples;
    `LEAST_OVERLAP` at least.

    Args:
        turns: in order of their beginnings.
        lines: start and stop, in samples at 48 kHz.
        names: of their speakers, in the turns; None where nobody is heard.
    """
    found = []
    for line, name, inside in zip(lines, names, _inside(turns, lines), strict=True):
        own = [(turn.start, turn.stop) for turn in inside if turn.speaker == name]
        heard: Counter[str] = Counter()
        for turn in inside:
            for start, stop in own if turn.speaker != name else ():
                heard[turn.speaker] += max(0, min(line[1], turn.stop, stop) - max(line[0], turn.start, start))
        found.append({other: samples for other, samples in heard.items() if samples >= LEAST_OVERLAP})
    return found


def _inside(turns: Sequence[Turn], lines: Sequence[Range]) -> Iterator[list[Turn]]:
    """Of each line, the turns that are heard in it, in order."""
    starts = [turn.start for turn in turns]
    # How far the turns up to each reach: a long one may go on under many short ones.
    reach = list(accumulate((turn.stop for turn in turns), max))
    for start, stop in lines:
        near = turns[bisect.bisect_right(reach, start) : bisect.bisect_left(starts, stop)]
        yield [turn for turn in near if turn.stop > start]


def judge(made: Sequence[Embedding], labels: npt.NDArray[np.int64], scale: Scale) -> Judged:
    """What vectors say of lines that have speakers, whatever these were told apart by.

    A line is doubtful where it is hardly nearer to its own speaker's other lines than to the next speaker. It
    is mixed where windows in a row, but not all, are nearer to another speaker, by as much.

    Args:
        made: of each line, at least one.
        labels: of each line, from 0, in order of appearance.
    """
    vectors = np.stack([item.whole for item in made])
    voices = centres(vectors, labels)
    doubts: list[Doubt] = []
    mixed: list[Mixed] = []
    for index, item in enumerate(made if len(voices) > 1 else ()):
        own = int(labels[index])
        same = (labels == own) & (np.arange(len(labels)) != index)
        if not same.any():
            continue
        middle = centres(vectors[same], labels[same])[0]
        beside = np.delete(np.arange(len(voices)), own)
        near = voices[beside] @ item.whole
        margin = float(middle @ item.whole - near.max())
        if margin < scale.unsure:
            doubts.append(Doubt(line=index, other=int(beside[near.argmax()]), margin=round(margin, 4)))
        nearer = item.parts @ voices[beside].T - (item.parts @ middle)[:, None] >= scale.unsure
        mixed += [
            Mixed(line=index, other=int(other))
            for column, other in enumerate(beside)
            if FEWEST_PARTS <= _longest(nearer[:, column]) < len(item.parts)
        ]
    return Judged(voices, tuple(doubts), tuple(mixed))


def _longest(flags: npt.NDArray[np.bool_]) -> int:
    """The longest run of True."""
    best = run = 0
    for flag in flags.tolist():
        run = run + 1 if flag else 0
        best = max(best, run)
    return best
