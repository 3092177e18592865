"""Which drawn cuts get a final, and whether it is kept: pure functions with named limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loc.artifacts import Reason, Score, ScoreMeasure

Quality = Literal["draft", "standard", "max"]

LARGE_FACE = 0.18
"""Share of the picture that a face's box fills: from a close-up on, every tooth is looked at."""
MAX_STRETCH = 1.0
"""Pixels of the source per pixel of the draft: above, the draft is softer than the picture around it."""

LIMITS: Mapping[ScoreMeasure, float] = {"syncnet": 3.0, "stable-syncnet": 0.5}
"""Under which a score says that lips do not follow, by measure. Measures that are not here gate nothing. A
confidence of 3 is what LatentSync's authors ask of the clips they train on; from a cosine of 0.5 on their
evaluation of StableSyncNet tells lips in sync. Neither was held against people's judgement here."""

NOISE: Mapping[ScoreMeasure, float] = {
    "syncnet": 0.5,
    "stable-syncnet": 0.1,
    "viseme-agreement": 0.1,
    "renderer-obedience": 0.1,
}
"""By how much two scores of one measure differ without meaning it. Of the networks it was not measured: their
weights are not here."""
SEAM_NOISE = 2.3
"""Colour difference that is just noticeable."""
SHARPNESS_NOISE = 0.15
"""Share of detail."""
SHAPE_NOISE = 0.024
"""Of the jaw's width: quarters of 100 frames of one person differ by up to this (`loc.analysis.likeness`)."""
REST_NOISE = 0.03
"""Of the opening of lips that should rest, in face scales: up to this lips count as resting."""
COLOUR_NOISE = 4.6
"""Of lips: twice what is just noticeable, since what is drawn opens to other colours."""

ALL, AUTO, NONE = "all", "auto", "none"
ASKED = "asked"
"""The reason of a cut that is named."""
BY_QUALITY: Mapping[Quality, str] = {"draft": NONE, "standard": AUTO, "max": ALL}


@dataclass(frozen=True)
class Candidate:
    """A drawn cut, as far as the choice of finals looks at it.

    Args:
        cut: its number, counted from 1.
        shot: index of its shot.
        face: name of its face.
        area: share of the picture that the face's box fills, 0..1.
        stretch: pixels of the source per pixel of its draft.
        lead: whether the cast file calls who speaks a lead.
        score: of the draft; None where it was not scored.
    """

    cut: int
    shot: int
    face: str
    area: float
    stretch: float
    lead: bool = False
    score: Score | None = None


@dataclass(frozen=True)
class Choice:
    """What was decided of one candidate, and why."""

    cut: int
    final: bool
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Wanted:
    """Which cuts are to get finals: none, those that deserve them (auto) or all; and those that are named,
    whatever the limit."""

    mode: str = NONE
    named: frozenset[int] = frozenset()


def wanted_finals(quality: Quality, finals: str | None) -> Wanted:
    """What `--quality` and `--finals` come to."""
    said = (finals if finals is not None else BY_QUALITY[quality]).replace(" ", "")
    if said in (ALL, AUTO, NONE):
        return Wanted(said)
    mode, _, named = said.partition(",")
    if mode in (ALL, AUTO):
        return Wanted(mode, numbers(named))
    return Wanted(NONE, numbers(said))


def numbers(said: str) -> frozenset[int]:
    """Numbers of cuts in a list such as `1,4-7`, as the settings take it."""
    found: set[int] = set()
    for part in said.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


def is_under_limit(score: Score | None) -> bool:
    """Whether a score says that lips do not follow what is heard. What is unscored is not under any limit."""
    if score is None or score.value is None:
        return False
    limit = LIMITS.get(score.measure)
    return limit is not None and score.value < limit


def select(candidates: Sequence[Candidate], wanted: Wanted, limit: int | None = None) -> list[Choice]:
    """Which cuts get a final; one choice per candidate, in their order.

    Where one cut of a face in a shot is chosen for its own sake, the others of that face in that shot are
    too, or the texture of a face would change within it; a list of numbers is taken as it is. Under a limit,
    those with the strongest reason come first, and a face in a shot is taken whole or not at all.

    Naming a cut neither gives another one a final nor takes one from it, with a limit or without.

    Args:
        candidates: every drawn cut.
        wanted: as `wanted_finals` says.
        limit: the most cuts besides those that are named.
    """
    own = {one.cut: _reasons(one, wanted) for one in candidates}
    named = {one.cut for one in candidates} & wanted.named
    deserved = {
        cut: tuple(reason for reason in reasons if reason.code != ASKED) for cut, reasons in own.items()
    }
    groups = _groups(candidates, deserved)
    groups.sort(key=lambda group: min(_rank(one, deserved[one.cut]) for one in group))
    taken: set[int] = set()
    left_out: set[int] = set()
    for group in groups:
        if limit is None or len(taken) + len(group) <= limit:
            taken |= {one.cut for one in group}
        else:
            left_out |= {one.cut for one in group}
    taken |= named
    left_out -= named
    return [
        _choice(one.cut, own[one.cut], one.cut in taken, one.cut in left_out, limit) for one in candidates
    ]


_ALONE = {"all"}
"""Reasons that say nothing of the other cuts of a face in its shot."""


def _groups(candidates: Sequence[Candidate], own: Mapping[int, tuple[Reason, ...]]) -> list[list[Candidate]]:
    """The candidates that are to be taken, those that come only together in one list."""
    by_face: dict[tuple[int, str], list[Candidate]] = {}
    for one in candidates:
        by_face.setdefault((one.shot, one.face), []).append(one)
    groups: list[list[Candidate]] = []
    for group in by_face.values():
        if any(reason.code not in _ALONE for one in group for reason in own[one.cut]):
            groups.append(group)
        else:
            groups += [[one] for one in group if own[one.cut]]
    return groups


def _reasons(one: Candidate, wanted: Wanted) -> tuple[Reason, ...]:
    auto = wanted.mode == AUTO
    found = (
        (one.cut in wanted.named, ASKED, "Its number was named."),
        (wanted.mode == ALL, "all", "Every drawn cut is to get a final."),
        (auto and one.lead, "lead", "The cast file calls who speaks a lead."),
        (auto and is_under_limit(one.score), "low-score", "Its draft scored under the limit of its measure."),
        (
            auto and one.area > LARGE_FACE,
            "large-face",
            f"The face fills over {LARGE_FACE:.0%} of the picture.",
        ),
        (
            auto and one.stretch > MAX_STRETCH,
            "over-resolution",
            "The face has more pixels than the draft was drawn with.",
        ),
    )
    return tuple(Reason(code=code, detail=detail) for holds, code, detail in found if holds)


_STRENGTH = ("lead", "low-score", "large-face", "over-resolution", "all")


def _rank(one: Candidate, reasons: tuple[Reason, ...]) -> tuple[int, float, int]:
    """Candidates that come first rank lowest: by their strongest reason, then by the size of the face."""
    strongest = min((_STRENGTH.index(reason.code) for reason in reasons), default=len(_STRENGTH))
    return strongest, -one.area, one.cut


def _choice(cut: int, own: tuple[Reason, ...], taken: bool, left_out: bool, limit: int | None) -> Choice:
    reasons = own
    if (taken or left_out) and not own:
        reasons = (Reason(code="same-shot", detail="Another cut of this face in this shot gets one."),)
    if left_out:
        reasons = (
            *reasons,
            Reason(code="over-limit", detail=f"At most {limit} cuts get a final; others come before it."),
        )
    return Choice(cut, taken, reasons)


def _more(before: float | None, after: float | None) -> float:
    """How much larger the second is; none where one is not known."""
    return 0.0 if before is None or after is None else after - before


def worse(draft: Score | None, final: Score | None) -> tuple[Reason, ...]:
    """In what a final is worse than its draft by more than noise; empty where it is to be kept.

    Scores are compared only within one measure; what is unscored is not held against either.
    """
    if draft is None or final is None:
        return ()
    found: list[tuple[bool, str, str]] = []
    if draft.measure == final.measure and draft.value is not None and final.value is not None:
        noise = NOISE[draft.measure]
        found.append(
            (
                draft.value - final.value > noise,
                "worse-sync",
                f"Its score is {final.value:g}, its draft's {draft.value:g}.",
            )
        )
    before, after = draft.picture, final.picture
    if before is not None and after is not None:
        found += [
            (
                after.seam - before.seam > SEAM_NOISE,
                "worse-seam",
                f"Its edge bridges a colour difference of {after.seam:g}, its draft's of {before.seam:g}.",
            ),
            (
                before.sharpness - after.sharpness > SHARPNESS_NOISE,
                "worse-sharpness",
                f"It keeps {after.sharpness:.0%} of the picture's detail, its draft {before.sharpness:.0%}.",
            ),
        ]
        found += [
            (
                _more(before.lip_colour, after.lip_colour) > COLOUR_NOISE,
                "worse-identity",
                f"Its lips differ from the filmed ones by {after.lip_colour or 0:g}, its draft's by "
                f"{before.lip_colour or 0:g}.",
            ),
            (
                _more(before.shape, after.shape) > SHAPE_NOISE,
                "worse-shape",
                f"Its jaw differs from the filmed one by {after.shape or 0:.1%}, its draft's by "
                f"{before.shape or 0:.1%}.",
            ),
            (
                _more(before.at_rest, after.at_rest) > REST_NOISE,
                "worse-rest",
                f"Where nobody speaks its lips stand open by {after.at_rest or 0:.3f} of the face's scale, "
                f"its draft's by {before.at_rest or 0:.3f}.",
            ),
        ]
    return tuple(Reason(code=code, detail=detail) for holds, code, detail in found if holds)
