"""Tracks made ready for use: short gaps filled, trembling smoothed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from loc.analysis.faces import (
    LIP_INNER_LOWER,
    LIP_INNER_UPPER,
    LIP_OUTER_LOWER,
    LIP_OUTER_UPPER,
    Faces,
    places,
)

MAX_GAP = 5
"""Frames without a face that are bridged: a blurred turn, or a fast one. What happens in longer ones is
not known, so they split a cut."""

SMOOTHING = 0.8
"""Standard deviation in frames of the smoothing of mesh points."""
SMOOTHING_REACH = 3
CONTEXT = SMOOTHING_REACH + MAX_GAP + 1
"""Frames on either side that decide what becomes of one: those that smooth it may lie in gaps, which are
bridged only if they are seen to be short."""
LIPS_ALIKE = 0.006
"""Root mean square distance of the points of two frames' lips, over the extent of the whole face, at which
one counts a third for the other: three times what they tremble on a still face (98 % of a real one's frames),
and what half of the frames of a talking one exceed."""

_LIPS = places((*LIP_INNER_UPPER, *LIP_INNER_LOWER, *LIP_OUTER_UPPER, *LIP_OUTER_LOWER))


def runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def fill_gaps(faces: Faces) -> Faces:
    """Tracks in which gaps of at most `MAX_GAP` frames are interpolated. Open ends stay open."""
    found = faces.found
    short = np.zeros(len(faces), dtype=bool)
    for start, stop in runs(~found):
        if start > 0 and stop < len(faces) and stop - start <= MAX_GAP:
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

    A neighbour counts less the more its lips differ: what trembles is smoothed, what moves stays where it is
    seen, or the lips of a quick mouth would be looked for beside themselves.
    """
    smoothed = points.copy()
    for start, stop in runs(~np.isnan(points[:, 0, 0])):
        smoothed[start:stop] = _smooth_run(points[start:stop].astype(np.float64))
    return smoothed


def _smooth_run(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    lips = points[:, _LIPS] - points[:, _LIPS].mean(axis=1, keepdims=True)
    lips /= np.maximum(np.ptp(points, axis=1).max(axis=1), 1e-6)[:, None, None]
    total, weights = points.copy(), np.ones(len(points))
    for step in range(1, min(SMOOTHING_REACH, (len(points) - 1) // 2) + 1):
        apart = np.square(lips[step:] - lips[:-step]).sum(axis=-1).mean(axis=-1)
        alike = np.exp(-apart / LIPS_ALIKE**2 - 0.5 * (step / SMOOTHING) ** 2)
        # Both neighbours count as much as the less alike: of one alone, a moving head would lag or lead.
        both = np.minimum(alike[:-step], alike[step:])
        total[step:-step] += (points[: -2 * step] + points[2 * step :]) * both[:, None, None]
        weights[step:-step] += 2 * both
    return np.asarray(total / weights[:, None, None])


def prepare(faces: Faces) -> Faces:
    """Gaps filled and points smoothed: what is judged, measured and drawn."""
    filled = fill_gaps(faces)
    return replace(filled, points=smooth_points(filled.points))
