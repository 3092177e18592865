"""Scores of cuts against those that the same cuts had: cut by cut, so that none hides behind another.

A cut is known again by the frames it shares with one that was accepted, wherever its boundaries are now: cut
in two or joined with another, it is compared with what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from loc.app.regress.baseline import Cut, Dub, Score

Pair = tuple[float | None, float | None, str]
"""(was, now, detail): one thing that was measured."""

SAME_CUT = 0.5
"""Share of the frames of the shorter of two cuts that they must have in common to be the same."""


@dataclass(frozen=True)
class Figure:
    """A figure of a score.

    Args:
        read: None where the score does not have it.
        measures: those of scores that have it; empty: all.
        comparable: whether it means the same whatever the measure of its score.
        absent: why it may be missing without having been lost, "" if it may not.
    """

    read: Callable[[Score], float | None]
    measures: frozenset[str] = frozenset()
    comparable: bool = True
    absent: Callable[[Score], str] = lambda _score: ""

    def of(self, score: Score | None) -> float | None:
        """The figure of a score; None where there is none."""
        if score is None or (self.measures and score.measure not in self.measures):
            return None
        return self.read(score)


def _no_rest(score: Score) -> str:
    """Lips that never rest do not tremble at rest; of lips that were not found nothing is known."""
    return "No lips rest." if score.lip_colour is not None else ""


CORRELATIONS = frozenset({"viseme-agreement", "renderer-obedience"})
"""Measures of scores whose values are correlations. Those of networks have scales of their own."""

AGREEMENTS: Mapping[str, frozenset[str]] = {
    "agreement": CORRELATIONS,
    "agreement.syncnet": frozenset({"syncnet"}),
    "agreement.stable-syncnet": frozenset({"stable-syncnet"}),
}
"""Measures of `loc regress` -> the scores whose values are their means; with `.cut`, cut by cut."""

FIGURES: Mapping[str, Figure] = {
    **{
        f"{name}.cut": Figure(lambda score: score.value, measures, comparable=False)
        for name, measures in AGREEMENTS.items()
    },
    "agreement.offset": Figure(
        lambda score: None if score.offset_ms is None else score.offset_ms / 1000, comparable=False
    ),
    "picture.seam": Figure(lambda score: score.seam),
    "picture.lips": Figure(lambda score: score.lip_colour),
    "picture.sharpness": Figure(lambda score: score.sharpness),
    "picture.jitter": Figure(lambda score: score.jitter, absent=_no_rest),
}


def compare_scores(was: Dub, now: Dub) -> dict[str, list[Pair]]:
    """Every figure of `FIGURES` in every cut, and the means over cuts that `AGREEMENTS` names.

    A figure that a cut had and has not any more is (figure, None, where). No pair tells of cuts that have it
    neither way.
    """
    partners = match(was.cuts, now.cuts)
    found = {name: _pairs(figure, was.cuts, now.cuts, partners) for name, figure in FIGURES.items()}
    return {**found, **{name: _mean(found[f"{name}.cut"]) for name in AGREEMENTS}}


def match(was: Sequence[Cut], now: Sequence[Cut]) -> list[list[int]]:
    """For each accepted cut, the indices of those that it is now.

    The likest are matched first. Two cuts that share frames are two faces, never parts of one cut.
    """
    lanes = [_lanes(was), _lanes(now)]

    def unlikeness(pair: tuple[int, int]) -> tuple[float, int, int, int]:
        i, j = pair
        both = _shared(was[i], now[j])
        union = _length(was[i]) + _length(now[j]) - both
        return -both / union, abs(lanes[0][i] - lanes[1][j]), i, j

    same = [
        (i, j)
        for i, j in product(range(len(was)), range(len(now)))
        if (both := _shared(was[i], now[j])) and both >= SAME_CUT * min(_length(was[i]), _length(now[j]))
    ]
    after: list[list[int]] = [[] for _ in was]
    before: list[list[int]] = [[] for _ in now]
    for i, j in sorted(same, key=unlikeness):
        others = [now[other] for other in after[i]]
        own = [was[other] for other in before[j]]
        if not any(_shared(now[j], cut) for cut in others) and not any(_shared(was[i], cut) for cut in own):
            after[i].append(j)
            before[j].append(i)
    return [sorted(found) for found in after]


def _shared(one: Cut, other: Cut) -> int:
    """Frames in both."""
    return max(0, min(one.frames[1], other.frames[1]) - max(one.frames[0], other.frames[0]))


def _length(cut: Cut) -> int:
    return cut.frames[1] - cut.frames[0]


def _lanes(cuts: Sequence[Cut]) -> list[int]:
    """Which of the faces in the same frames each cut is of, as far as their order tells."""
    return [sum(_shared(cut, other) > 0 for other in cuts[:index]) for index, cut in enumerate(cuts)]


def _pairs(
    figure: Figure, was: Sequence[Cut], now: Sequence[Cut], partners: Sequence[Sequence[int]]
) -> list[Pair]:
    """One figure of all cuts."""
    found: list[Pair] = []
    judged: set[int] = set()
    for cut, lane, indices in zip(was, _lanes(was), partners, strict=True):
        before = figure.of(cut.score)
        if cut.score is not None and before is not None:
            judged |= set(indices)
            found += _after(figure, cut, (before, cut.score), [now[i] for i in indices], _place(cut, lane))
    for index, (cut, lane) in enumerate(zip(now, _lanes(now), strict=True)):
        value = figure.of(cut.score)
        if index not in judged and value is not None:
            found.append((None, value, _place(cut, lane)))
    return found


def _after(
    figure: Figure, cut: Cut, accepted: tuple[float, Score], parts: Sequence[Cut], where: str
) -> list[Pair]:
    """What became of a figure that a cut had, in what became of the cut; lost where less than half of it
    still says anything."""
    before, score = accepted
    answers = [
        (part, answer) for part in parts if (answer := _answer(figure, before, score, part.score, where))
    ]
    if sum(_shared(cut, part) for part, _ in answers) < SAME_CUT * _length(cut):
        return [(before, None, f"{where}: lost")]
    return [answer for _, answer in answers]


def _answer(figure: Figure, before: float, was: Score, now: Score | None, where: str) -> Pair | None:
    if now is None:
        return None
    value = figure.of(now)
    if not figure.comparable and now.measure != was.measure and now.value is not None:
        return None, value, f"{where}: scored by {now.measure}, accepted by {was.measure}"
    if value is not None:
        return before, value, where
    why = figure.absent(now)
    return (None, None, why) if why else None


def _place(cut: Cut, lane: int) -> str:
    return f"cut at frame {cut.frames[0]}" + (f", face {lane + 1} of it" if lane else "")


def _mean(pairs: Sequence[Pair]) -> list[Pair]:
    """The means over the cuts that have a figure both ways: one that lost it, or is new, moves no mean."""
    both = [(was, now) for was, now, _ in pairs if was is not None and now is not None]
    if both:
        was, now = zip(*both, strict=True)
        return [(_average(was), _average(now), "")]
    lost = [was for was, _, _ in pairs if was is not None]
    fresh = [now for _, now, _ in pairs if now is not None]
    if lost:
        return [(_average(lost), None, "")]
    return [(None, _average(fresh), "")] if fresh else list(pairs[:1])


def _average(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4)
