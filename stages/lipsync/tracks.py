"""Tracks made ready for use: short gaps filled, trembling smoothed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from loc.analysis.faces import (
    BROW_LEFT,
    BROW_RIGHT,
    EYES,
    JAW,
    LIP_INNER_LOWER,
    LIP_INNER_UPPER,
    LIP_OUTER_LOWER,
    LIP_OUTER_UPPER,
    NOSE,
    Faces,
    places,
)
from loc.media.durations import frames_lasting

MAX_GAP_S = 0.2
"""Seconds without a face that are bridged: a blurred turn, or a fast one. What happens in longer ones is
not known, so they split a cut."""

SMOOTHING = 0.8
"""Standard deviation in frames, whatever their rate, of the smoothing of mesh points: it is each frame's own
error that goes."""
SMOOTHING_REACH = 3
LIPS_ALIKE = 0.006
"""Root mean square distance of the points of two frames' lips, over the extent of the whole face, at which
one counts a third for the other: three times what they tremble on a still face (98 % of a real one's frames),
and what half of the frames of a talking one exceed."""
SWERVE = 0.01
"""Second difference in time of a head's place, over the extent of the face, at which its neighbours count a
third: heads are heavy, and what a tracker makes a calm one tremble is half of that in 95 % of the frames. So
no nod is flattened by more than a thousandth of the face."""
TURN = 0.03
"""The same of the points of the head about its place, root mean square: three times what they tremble by in
95 % of the frames of two lively heads."""

_LIPS = places((*LIP_INNER_UPPER, *LIP_INNER_LOWER, *LIP_OUTER_UPPER, *LIP_OUTER_LOWER))
_SPEAKING = np.union1d(_LIPS, places(JAW))
"""Points that speech moves."""
_HEAD = places((*BROW_LEFT, *BROW_RIGHT, *EYES, *NOSE))
"""Points whose middle goes with the head alone."""


def runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def context(rate: Fraction) -> int:
    """Frames on either side that decide what becomes of one: those that smooth it may lie in gaps, which are
    bridged only if they are seen to be short."""
    return SMOOTHING_REACH + frames_lasting(MAX_GAP_S, rate) + 1


def fill_gaps(faces: Faces, rate: Fraction) -> Faces:
    """Tracks in which gaps of at most `MAX_GAP_S` are interpolated. Open ends stay open.

    Args:
        rate: frames per second.
    """
    found, longest = faces.found, frames_lasting(MAX_GAP_S, rate)
    short = np.zeros(len(faces), dtype=bool)
    for start, stop in runs(~found):
        if start > 0 and stop < len(faces) and stop - start <= longest:
            short[start:stop] = True
    if not short.any():
        return faces
    return replace(
        faces,
        points=_bridged(faces.points, found, short),
        box=_bridged(faces.box, found, short),
        size=_bridged(faces.size, found, short),
        pose=_bridged(faces.pose, found, short),
        sharpness=_bridged(faces.sharpness, found, short),
    )


def _bridged(
    values: npt.NDArray[np.float32], found: npt.NDArray[np.bool_], short: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    flat = values.reshape(len(values), -1).copy()
    known, wanted = np.flatnonzero(found), np.flatnonzero(short)
    after = np.searchsorted(known, wanted)
    left, right = known[after - 1], known[after]
    share = ((wanted - left) / (right - left))[:, None]
    flat[wanted] = flat[left] * (1 - share) + flat[right] * share
    return flat.reshape(values.shape)


def smooth_points(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mesh points [n, k, 2] smoothed in time, each unbroken run of frames by itself.

    The head's place, and the points about it, each by itself: on real faces places are hardly unsteady but by
    moving, points tremble. A neighbour counts less the more the head swerves or turns, and for lips and jaw
    the more the lips differ: what moves stays where it is seen, or the lips of a quick mouth would be looked
    for beside themselves.
    """
    smoothed = points.copy()
    for start, stop in runs(~np.isnan(points[:, 0, 0])):
        smoothed[start:stop] = _smooth_run(points[start:stop].astype(np.float64))
    return smoothed


def _smooth_run(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    extent = np.maximum(np.ptp(points, axis=1).max(axis=1), 1e-6)
    head = points[:, _HEAD].mean(axis=1)
    about = points - head[:, None]
    lips = about[:, _LIPS] - about[:, _LIPS].mean(axis=1, keepdims=True)
    lips /= extent[:, None, None]
    middle, middle_weights = head.copy(), np.ones(len(points))
    total, weights = about.copy(), np.ones(points.shape[:2])
    for step in range(1, min(SMOOTHING_REACH, (len(points) - 1) // 2) + 1):
        here, before, after = slice(step, -step), slice(-2 * step), slice(2 * step, None)
        # Both neighbours always count the same: of one alone, a moving head would lag or lead.
        beside, beside_head = about[before] + about[after], head[before] + head[after]
        swerve = np.square(beside_head - 2 * head[here]).sum(axis=-1) / extent[here] ** 2
        turn = np.square(beside - 2 * about[here])[:, _HEAD].sum(axis=-1).mean(axis=-1) / extent[here] ** 2
        apart = np.square(lips[step:] - lips[:-step]).sum(axis=-1).mean(axis=-1)
        near = np.exp(-0.5 * (step / SMOOTHING) ** 2)
        counts = np.empty((len(turn), points.shape[1]))
        counts[:] = near * np.exp(-turn / TURN**2)[:, None]
        counts[:, _SPEAKING] *= np.exp(-np.maximum(apart[:-step], apart[step:]) / LIPS_ALIKE**2)[:, None]
        total[here] += beside * counts[..., None]
        weights[here] += 2 * counts
        steady = near * np.exp(-swerve / SWERVE**2)
        middle[here] += beside_head * steady[:, None]
        middle_weights[here] += 2 * steady
    return np.asarray(total / weights[..., None] + (middle / middle_weights[:, None])[:, None])


def prepare(faces: Faces, rate: Fraction) -> Faces:
    """Gaps filled and points smoothed: what is judged, measured and drawn, at `rate` frames per second."""
    filled = fill_gaps(faces, rate)
    return replace(filled, points=smooth_points(filled.points))
