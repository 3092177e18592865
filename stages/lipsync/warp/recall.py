"""The mouth from frames in which it stood nearer to what is wanted.

Lips stretched by a laugh or a call, drawn shut by moving their pixels, stay stretched: thin, straight, and
wide. So what closes far is drawn from views of the same person whose mouth was closed, or half open: their
shape, and their pixels. Light and colour are taken from the picture, round the drawn part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from loc.analysis.faces import Affine, transform
from loc.media.compose import soft_mask
from stages.lipsync.warp.anatomy import NOSE_FOOT, FaceFrame, Points, gaps, laid_on, pose_of
from stages.lipsync.warp.mouth import Mouth, Move, mouth_width, move_from, speak, width_factor
from stages.lipsync.warp.views import View, Weighed, poses_apart, two_best

Floats = npt.NDArray[np.float32]

GAIN_FROM, GAIN_FULLY = 0.05, 0.13
"""How much nearer to the wanted opening a view must be than the picture itself, face units, to be mixed in
and to be taken alone."""
OPENING_SCALE = 0.05
"""Difference of the lips' gap at which a view suits markedly less, face units: a quarter of a wide one."""
AWAY_LESS, AWAY_NEVER = 6.0, 12.0
"""Difference of pose, as `poses_apart` gives it, from which views serve less, and not at all: about 11 and 16
degrees. Half of a turned mouth is hidden, and no warp shows it."""
AHEAD_S, SPREAD_S = 0.04, 0.06
"""How long before and after it a need counts, and the standard deviation of the smoothing in time."""
TAIL = 4.0
"""Standard deviations at which the smoothing ends."""
LEAST_SHARE = 0.02
"""Less is not seen, and is not worth drawing."""
BESIDE, UNDER_NOSE = 0.2, 0.03
"""The part that is drawn reaches this far beside the corners of the mouth, begins so far under the nose."""
EDGE = 0.14
"""Width of its soft edge, inside."""
CHIN = slice(3, -3)
"""Of the jaw line, what it takes in."""
LIPS_WITH_CHIN = 0.35
"""Of the distance by which a chin stands lower than a view has it, what the lips follow."""
MATCH_CELLS = 24
"""Cells per face unit in which colours are matched: shading is smooth, skin is not."""
MATCH_SPREAD = 0.15
"""Standard deviation, face units, of the spread of colour differences from the edge inwards."""
MATCH_RANGE, MATCH_LIMIT = 30.0, 40.0
"""Levels by which colours differ where something else than light does (hair, the chin's edge), so that they
count little; and by which a colour may be changed at most."""


@dataclass(frozen=True)
class Seen:
    """A view about to be drawn from.

    Args:
        view: the view.
        weight: its part among the views.
        before: the mouth in it, in its own face units.
        back: the picture's face units to the view's.
    """

    view: View
    weight: float
    before: Mouth
    back: Affine


@dataclass(frozen=True)
class Recall:
    """How a mouth is drawn from views of it.

    Args:
        share: 0 the picture's own pixels .. 1 the views'.
        after: the mouth as the views have it, opened as wanted, in the picture's face units.
        seen: the views.
    """

    share: float
    after: Mouth
    seen: tuple[Seen, ...]


@dataclass(frozen=True)
class Choice:
    """Of one frame: which views of the mouth are drawn from, and how far; 0 where the picture's own serve."""

    share: float
    views: tuple[Weighed, ...]


def reach(rate: float) -> int:
    """Frames on either side that have a say in the choice for one.

    Args:
        rate: frames per second.
    """
    return round(AHEAD_S * rate) + 2 * int(TAIL * SPREAD_S * rate + 0.5)


def choose(
    faces: Sequence[Points], openings: npt.NDArray[np.float64], views: Sequence[View], rate: float
) -> list[Choice]:
    """Where views of the mouth serve better than the pictures' own pixels, over consecutive frames.

    A face changes its expression more slowly than lips open and close, and here it changes with the views: so
    the choice is smooth in time, and is made a little before it is needed.

    Args:
        faces: each picture's mesh points, face units.
        openings: [n], the gaps that are wanted.
        views: at rest and half open.
        rate: frames per second.
    """
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d

    if not views:
        return [Choice(0.0, ())] * len(faces)
    ahead, spread = round(AHEAD_S * rate), SPREAD_S * rate
    held = np.array([gaps(view.points).max() for view in views])
    turned = poses_apart(views, np.array([pose_of(points) for points in faces]))
    apart = turned + np.square((held - openings[:, None]) / OPENING_SCALE)
    raw = np.exp(apart.min(axis=1, keepdims=True) - apart)
    weights = gaussian_filter1d(raw, spread, axis=0, mode="nearest", truncate=TAIL)
    total = weights.sum(axis=1)
    seen, away = (weights * held).sum(axis=1) / total, (weights * turned).sum(axis=1) / total
    own = np.array([gaps(points).max() for points in faces])
    gain = np.abs(own - openings) - np.abs(seen - openings)
    share = np.clip((gain - GAIN_FROM) / (GAIN_FULLY - GAIN_FROM), 0, 1)
    share *= np.clip((AWAY_NEVER - away) / (AWAY_NEVER - AWAY_LESS), 0, 1)
    share = maximum_filter1d(share * share * (3 - 2 * share), 2 * ahead + 1, mode="nearest")
    share = gaussian_filter1d(share, spread, mode="nearest", truncate=TAIL)
    return [
        Choice(float(part) if part >= LEAST_SHARE else 0.0, tuple(two_best(views, row)))
        for part, row in zip(share, weights, strict=True)
    ]


def recall(points: Points, opening: float, width: float, usual_width: float, choice: Choice) -> Recall | None:
    """The mouth as the chosen views have it, opened as wanted; None where the picture's own pixels serve.

    Args:
        points: the picture's mesh points, face units.
        opening: wanted gap in the middle of the mouth.
        width: of the mouth plan, 1 = neutral.
        usual_width: the person's, face units.
    """
    if choice.share <= 0:
        return None
    seen, after = [], None
    for one in choice.views:
        back = laid_on(points, one.view.points)
        factor = width_factor(width, usual_width, mouth_width(one.view.points))
        before, opened = speak(one.view.points, opening, factor)
        here = opened.laid(np.asarray(cv2.invertAffineTransform(back)))
        seen.append(Seen(one.view, one.weight, before, back))
        done = sum(other.weight for other in seen)
        after = here if after is None else after.towards(here, one.weight / done)
    assert after is not None
    return Recall(choice.share, after, tuple(seen))


def kept_on_chin(seen: Mouth, own: Mouth) -> Mouth:
    """The mouth as views have it, on the picture's own jaw line; the lips follow a chin that stands lower.

    A jaw line is no line of the skin: turned otherwise, it runs elsewhere. And a chin cannot rise as far as
    some views would have it.
    """
    middle = len(own.jaw) // 2
    down = np.array([0, LIPS_WITH_CHIN * float(own.jaw[middle, 1] - seen.jaw[middle, 1])])
    lips = {
        name: getattr(seen, name) + down
        for name in ("upper_inner", "lower_inner", "upper_outer", "lower_outer")
    }
    return replace(seen, **lips, jaw=own.jaw)


def moves(recalled: Recall, points: Points, after: Mouth) -> list[tuple[Seen, Move]]:
    """For each view, the move of its mouth to where it is wanted.

    Args:
        points: the picture's mesh points.
        after: the wanted mouth.
    """
    return [(one, move_from(one.view.points, one.before, points, after, one.back)) for one in recalled.seen]


def recall_mask(face: FaceFrame, after: Mouth, corner: tuple[int, int], shape: tuple[int, int]) -> Floats:
    """How much of each pixel of a box is drawn from views, float32 [h, w], 0..1.

    Args:
        corner, shape: the box's first pixel (x, y) and its (h, w), patch pixels.
    """
    outline = transform(recall_outline(face, after), face.to_patch) - corner
    hull = cv2.convexHull(outline.astype(np.float32)).reshape(-1, 2).astype(np.float32)
    return soft_mask(hull, EDGE * face.scale, shape)


def recall_outline(face: FaceFrame, after: Mouth) -> Points:
    """Points whose hull is drawn from views, face units [k, 2]."""
    corners = after.upper_outer[[0, -1]] + np.array([[-BESIDE, 0], [BESIDE, 0]])
    return np.concatenate(
        [face.points[NOSE_FOOT] + np.array([0, UNDER_NOSE]), corners, after.cheeks, after.jaw[CHIN]]
    )


def matched(drawn: Floats, own: Floats, mask: Floats, scale: float) -> Floats:
    """Pixels from a view, float32 [h, w, 3], in the light of the picture.

    The difference of the two is measured where the mask rises and spread smoothly over all it covers.

    Args:
        own: the picture's pixels in the same place, moved to the same mouth.
        mask: 0..1, [h, w].
        scale: pixels per face unit.
    """
    step = max(1.0, scale / MATCH_CELLS)
    height, width = mask.shape
    small = max(2, round(width / step)), max(2, round(height / step))
    apart = own - drawn
    alike = np.exp(np.einsum("ijk,ijk->ij", apart, apart) / np.float32(-3 * MATCH_RANGE**2))
    edge = (4 * mask * (1 - mask) * alike)[..., None]
    weighed = np.concatenate([apart * edge, edge], axis=-1)
    less = cv2.resize(weighed, small, interpolation=cv2.INTER_AREA)
    spread = cv2.GaussianBlur(less, (0, 0), MATCH_SPREAD * scale / step)
    change = np.clip(spread[..., :3] / (spread[..., 3:] + 1e-4), -MATCH_LIMIT, MATCH_LIMIT)
    return np.asarray(drawn + cv2.resize(change, (width, height), interpolation=cv2.INTER_LINEAR))
