"""Where lips and jaw go: from the mouth as it is to the mouth as planned. Face units throughout.

The proportions were set by eye on real faces: an opening is the lower lip's and the chin's; a closing draws
the lower lip and the chin up, and the corners with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from loc.analysis.faces import Affine, transform
from stages.lipsync.warp import spline
from stages.lipsync.warp.anatomy import (
    CHEEKS,
    JAW_LINE,
    LOWER_INNER,
    LOWER_OUTER,
    STILL,
    UPPER_INNER,
    UPPER_OUTER,
    Points,
    gaps,
)

Numbers = npt.NDArray[np.float64]

ARCH = 2.2
"""The opening over the mouth is 1 - |u|^ARCH: nearly a parabola, a little fuller."""
LIFT = 0.16
"""Of a closing, by this part the whole mouth line rises, corners included: the jaw had drawn it down."""
UPPER_SHARE_OPENING, UPPER_SHARE_CLOSING = 0.15, 0.42 - LIFT
"""What the inner edge of the upper lip takes of an opening and of a closing. 0.42 brings the lips of a
wide-open mouth together on the line of its corners, which the lift then raises."""
OUTER_UPPER_OPENING, OUTER_UPPER_CLOSING = 0.13, 0.36 - LIFT
OUTER_LOWER_OPENING, OUTER_LOWER_CLOSING = 0.88, 0.54 + LIFT
"""The same for the outer edges. A lip moves nearly as a whole, but one stretched by a wide-open mouth grows
thicker again as it closes."""
JAW_OPENING, JAW_CLOSING = 0.55, 0.66
"""What the chin takes; cheeks, lips and neck stretch for the rest."""
JAW_RISE = 0.16
"""A chin never rises more: the neck under it would be stretched into folds it does not have."""
JAW_SPREAD = 0.45
"""Standard deviation of the jaw's share along the jaw line, about the chin."""
LOWER_EDGE = 0.006
"""The mesh puts the lower lip's inner edge this much too high: teeth would move with the lip."""
TUCK, TUCK_ARCH = 0.06, 8
"""Of a gap that closes, this part is taken off each inner rim, where teeth and their shine begin; all along
the lip but for its very corners."""
CORNER_DROP = 0.10
"""Of an opening, by this part the corners of the mouth go down with the jaw."""
CHEEK_DROP, CHEEK_WIDTH = 0.22, 0.35
"""What the cheeks beside the mouth take of the chin's way, and of the corners' way in and out."""
NECK = 0.3
"""Under the jaw line by this much, nothing moves."""
WIDTH_SHARE = 0.6
MIN_WIDTH, MAX_WIDTH = 0.82, 1.15
"""Part of the planned width that is drawn, and its limits: cheeks do not follow, so more looks pasted on."""

BORDER = np.array(
    [(x, y) for x in (-1.15, 0.0, 1.15) for y in (-0.966, 1.334)] + [(-1.15, 0.184), (1.15, 0.184)]
)
"""A frame round the lower face on which the fields are zero."""


@dataclass(frozen=True)
class Mouth:
    """What moves when someone speaks, in face units.

    Lips are four lines of points from the mouth's left corner to its right, [11, 2] each; `jaw` is
    [len(JAW), 2], `cheeks` [2, 2].
    """

    upper_inner: Points
    lower_inner: Points
    upper_outer: Points
    lower_outer: Points
    jaw: Points
    cheeks: Points

    @property
    def opening(self) -> float:
        """The widest gap."""
        return float((self.lower_inner - self.upper_inner)[:, 1].max())

    def laid(self, affine: Affine) -> Mouth:
        """The mouth in other coordinates."""
        return Mouth(**{name: transform(line, affine) for name, line in vars(self).items()})

    def towards(self, other: Mouth, share: float) -> Mouth:
        """Between this mouth (0) and another (1)."""
        return Mouth(
            **{name: line * (1 - share) + getattr(other, name) * share for name, line in vars(self).items()}
        )


@dataclass(frozen=True)
class Move:
    """A mouth before and after.

    Args:
        before, after: the mouth.
        still_before, still_after: points that the mouth does not move, [k, 2] each.
        neck_before, neck_after: the same under the jaw, where only the lower field reaches.
    """

    before: Mouth
    after: Mouth
    still_before: Points
    still_after: Points
    neck_before: Points
    neck_after: Points


def mouth_of(points: Points) -> Mouth:
    """The mouth of a face's mesh points [POINT_COUNT, 2]."""
    return Mouth(
        upper_inner=points[UPPER_INNER],
        lower_inner=points[LOWER_INNER] + np.array([0, LOWER_EDGE]),
        upper_outer=points[UPPER_OUTER],
        lower_outer=points[LOWER_OUTER],
        jaw=points[JAW_LINE],
        cheeks=points[CHEEKS],
    )


def speak(points: Points, opening: float, width: float) -> tuple[Mouth, Mouth]:
    """Open or close the mouth of a face: the mouth before and after.

    Args:
        points: mesh points, [POINT_COUNT, 2].
        opening: wanted gap in the middle of the mouth.
        width: factor on the mouth's width, 1 = as it is.
    """
    mouth = mouth_of(points)
    upper, outer_upper = mouth.upper_inner, mouth.upper_outer
    centre = (outer_upper[0, 0] + outer_upper[-1, 0]) / 2
    half = max((upper[-1, 0] - upper[0, 0]) / 2, 1e-3)
    along = np.clip((upper[:, 0] - centre) / half, -1, 1)
    change = opening * np.maximum(0, 1 - np.abs(along) ** ARCH) - gaps(points)
    middle = float(change[len(change) // 2])
    lift = LIFT * max(0.0, -middle) - CORNER_DROP * max(0.0, middle)

    def moved(line: Points, down: Numbers) -> Points:
        at_side = np.clip((line[:, 0] - centre) / half, -1, 1) ** 2
        return np.column_stack([centre + (line[:, 0] - centre) * width, line[:, 1] + down - lift * at_side])

    def share(of: Numbers, opening: float, closing: float) -> Numbers:
        return np.where(of < 0, closing, opening) * of

    def at(line: Points) -> Numbers:
        return np.asarray(np.interp((line[:, 0] - centre) / half, along, change))

    raised = share(change, UPPER_SHARE_OPENING, UPPER_SHARE_CLOSING)
    over, under = at(outer_upper), at(mouth.lower_outer)
    tuck = TUCK * max(0.0, -float(change.min())) * (1 - np.abs(along) ** TUCK_ARCH)
    rim = np.column_stack([np.zeros(len(change)), tuck])
    jaw, cheeks = mouth.jaw, mouth.cheeks
    follow = np.exp(-(((jaw[:, 0] - jaw[len(jaw) // 2, 0]) / JAW_SPREAD) ** 2))
    drop = JAW_OPENING * middle if middle >= 0 else -JAW_RISE * np.tanh(-JAW_CLOSING * middle / JAW_RISE)
    inward = CHEEK_WIDTH * (outer_upper[[0, -1], 0] - centre) * (width - 1)
    before = replace(mouth, upper_inner=upper - rim, lower_inner=mouth.lower_inner + rim)
    after = Mouth(
        upper_inner=moved(upper, -raised),
        lower_inner=moved(mouth.lower_inner, change - raised),
        upper_outer=moved(outer_upper, -share(over, OUTER_UPPER_OPENING, OUTER_UPPER_CLOSING)),
        lower_outer=moved(mouth.lower_outer, share(under, OUTER_LOWER_OPENING, OUTER_LOWER_CLOSING)),
        jaw=jaw + np.column_stack([np.zeros(len(jaw)), drop * follow]),
        cheeks=cheeks + np.column_stack([inward, np.full(2, CHEEK_DROP * drop)]),
    )
    return before, after


def own_move(points: Points, before: Mouth, after: Mouth) -> Move:
    """The move within one picture: all round the mouth stays."""
    still = np.concatenate([points[STILL], BORDER])
    neck = before.jaw[2:-2] + np.array([0, NECK])
    return Move(before, after, still, still, neck, neck)


def move_from(view: Points, before: Mouth, points: Points, after: Mouth, back: Affine) -> Move:
    """The move of a mouth from a view of the face to where it is wanted in another.

    Args:
        view: the view's mesh points, in its own face units.
        before: the mouth there.
        points: the mesh points of the picture that is drawn.
        after: the mouth wanted in it.
        back: its face units to the view's.
    """
    neck = points[JAW_LINE][2:-2] + np.array([0, NECK])
    return Move(
        before=before,
        after=after,
        still_before=np.concatenate([view[STILL], transform(BORDER, back)]),
        still_after=np.concatenate([points[STILL], BORDER]),
        neck_before=transform(neck, back),
        neck_after=neck,
    )


def mouth_width(points: Points) -> float:
    """Distance of the corners of the mouth; points [POINT_COUNT, 2]."""
    left, right = points[UPPER_OUTER[[0, -1]]]
    return float(np.linalg.norm(right - left))


def width_factor(planned: float, neutral: float, now: float) -> float:
    """Factor on the mouth's width as it is.

    Args:
        planned: from the mouth plan, 1 = neutral.
        neutral: the person's usual width of the mouth, face units.
        now: its width in this frame.
    """
    wanted = neutral * (0.5 + 0.5 * planned) / max(now, 1e-3)
    return float(np.clip(1 + WIDTH_SHARE * (wanted - 1), MIN_WIDTH, MAX_WIDTH))


def fields(move: Move) -> tuple[spline.Field, spline.Field]:
    """(upper, lower): where the new face's pixels come from, above the mouth line and below it."""

    def above(mouth: Mouth, still: Points) -> Points:
        sides = mouth.jaw[[0, 1, 2, -3, -2, -1]]
        return np.concatenate([mouth.upper_inner[1:-1], mouth.upper_outer, mouth.cheeks, sides, still])

    def below(mouth: Mouth, still: Points, neck: Points) -> Points:
        return np.concatenate(
            [mouth.lower_inner[1:-1], mouth.lower_outer, mouth.cheeks, mouth.jaw, still, neck]
        )

    upper = above(move.before, move.still_before), above(move.after, move.still_after)
    lower = (
        below(move.before, move.still_before, move.neck_before),
        below(move.after, move.still_after, move.neck_after),
    )
    return spline.fit(upper[1], upper[0] - upper[1]), spline.fit(lower[1], lower[0] - lower[1])
