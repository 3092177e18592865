"""Where lips and jaw go: from the mouth as it is to the mouth as planned. Face units throughout.

The proportions were set by eye on real faces: an opening is the lower lip's and the chin's; a closing draws
the lower lip and the chin up, and the corners with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stages.lipsync.warp import spline
from stages.lipsync.warp.anatomy import (
    JAW_LINE,
    LOWER_INNER,
    LOWER_OUTER,
    STILL,
    UPPER_INNER,
    UPPER_OUTER,
    Points,
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
JAW_SPREAD = 0.42
"""Standard deviation of the jaw's share along the jaw line, about the chin."""
LOWER_EDGE = 0.006
"""The mesh puts the lower lip's inner edge this much too high: teeth would move with the lip."""
TUCK, TUCK_ARCH = 0.06, 8
"""Of a gap that closes, this part is taken off each inner rim, where teeth and their shine begin; all along
the lip but for its very corners."""
NECK = 0.38
"""Under the jaw line by this much, nothing moves."""
WIDTH_SHARE = 0.6
MIN_WIDTH, MAX_WIDTH = 0.82, 1.15
"""Part of the planned width that is drawn, and its limits: cheeks do not follow, so more looks pasted on."""

BORDER = np.array(
    [(x, y) for x in (-1.15, 0.0, 1.15) for y in (-0.966, 1.334)] + [(-1.15, 0.184), (1.15, 0.184)]
)
"""A frame round the lower face on which the fields are zero."""


@dataclass(frozen=True)
class Lips:
    """Four lines of points from the mouth's left corner to its right, [11, 2] each."""

    upper_inner: Points
    lower_inner: Points
    upper_outer: Points
    lower_outer: Points

    @property
    def opening(self) -> float:
        """The widest gap."""
        return float((self.lower_inner - self.upper_inner)[:, 1].max())


@dataclass(frozen=True)
class Move:
    """A mouth before and after.

    Args:
        lips, moved: before and after.
        jaw, moved_jaw: the jaw line [len(JAW), 2] before and after.
        still: points that stay, [k, 2].
    """

    lips: Lips
    moved: Lips
    jaw: Points
    moved_jaw: Points
    still: Points


def gaps(points: Points) -> Numbers:
    """Gap between the inner lips at the eleven points of their lines, at least 0."""
    return np.asarray(np.maximum(0.0, points[LOWER_INNER, 1] - points[UPPER_INNER, 1]))


def move_mouth(points: Points, opening: float, width: float) -> Move:
    """Open or close the mouth of a face.

    Args:
        points: mesh points, [POINT_COUNT, 2].
        opening: wanted gap in the middle of the mouth.
        width: factor on the mouth's width, 1 = as it is.
    """
    upper, lower = points[UPPER_INNER], points[LOWER_INNER] + np.array([0, LOWER_EDGE])
    outer_upper, outer_lower = points[UPPER_OUTER], points[LOWER_OUTER]
    centre = (outer_upper[0, 0] + outer_upper[-1, 0]) / 2
    half = max((upper[-1, 0] - upper[0, 0]) / 2, 1e-3)
    along = np.clip((upper[:, 0] - centre) / half, -1, 1)
    change = opening * np.maximum(0, 1 - np.abs(along) ** ARCH) - gaps(points)
    middle = float(change[len(change) // 2])
    lift = LIFT * max(0.0, -middle)

    def moved(line: Points, down: Numbers) -> Points:
        at_side = np.clip((line[:, 0] - centre) / half, -1, 1) ** 2
        return np.column_stack([centre + (line[:, 0] - centre) * width, line[:, 1] + down - lift * at_side])

    def share(of: Numbers, opening: float, closing: float) -> Numbers:
        return np.where(of < 0, closing, opening) * of

    def at(line: Points) -> Numbers:
        return np.asarray(np.interp((line[:, 0] - centre) / half, along, change))

    raised = share(change, UPPER_SHARE_OPENING, UPPER_SHARE_CLOSING)
    over, under = at(outer_upper), at(outer_lower)
    tuck = TUCK * max(0.0, -float(change.min())) * (1 - np.abs(along) ** TUCK_ARCH)
    rim = np.column_stack([np.zeros(len(change)), tuck])
    jaw = points[JAW_LINE]
    follow = np.exp(-(((jaw[:, 0] - jaw[len(jaw) // 2, 0]) / JAW_SPREAD) ** 2))
    drop = (JAW_CLOSING if middle < 0 else JAW_OPENING) * middle * follow
    return Move(
        lips=Lips(upper - rim, lower + rim, outer_upper, outer_lower),
        moved=Lips(
            moved(upper, -raised),
            moved(lower, change - raised),
            moved(outer_upper, -share(over, OUTER_UPPER_OPENING, OUTER_UPPER_CLOSING)),
            moved(outer_lower, share(under, OUTER_LOWER_OPENING, OUTER_LOWER_CLOSING)),
        ),
        jaw=jaw,
        moved_jaw=jaw + np.column_stack([np.zeros(len(jaw)), drop]),
        still=points[STILL],
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
    neck = move.jaw[2:-2] + np.array([0, NECK])
    rest = np.concatenate([move.still, BORDER])
    sides = move.jaw[[0, 1, 2, -3, -2, -1]]
    lips, moved = move.lips, move.moved
    upper_before = np.concatenate([lips.upper_inner[1:-1], lips.upper_outer, sides, rest])
    upper_after = np.concatenate([moved.upper_inner[1:-1], moved.upper_outer, sides, rest])
    lower_before = np.concatenate([lips.lower_inner[1:-1], lips.lower_outer, move.jaw, neck, rest])
    lower_after = np.concatenate([moved.lower_inner[1:-1], moved.lower_outer, move.moved_jaw, neck, rest])
    return (
        spline.fit(upper_after, upper_before - upper_after),
        spline.fit(lower_after, lower_before - lower_after),
    )
