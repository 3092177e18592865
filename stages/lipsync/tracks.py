"""Tracks made ready for use: short gaps filled, trembling smoothed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from loc.analysis.faces import Faces

MAX_GAP = 5
"""Frames without a face that are bridged: a blurred turn, or a fast one. What happens in longer ones is
not known, so they split a cut."""

SMOOTHING = 0.8
"""Standard deviation in frames of the smoothing of mesh points: their trembling goes, a closure of two frames
stays."""


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
    """Mesh points [n, k, 2] smoothed in time, each unbroken run of frames by itself."""
    from scipy.ndimage import gaussian_filter1d

    smoothed = points.copy()
    for start, stop in runs(~np.isnan(points[:, 0, 0])):
        run: Any = gaussian_filter1d(points[start:stop].astype(np.float64), SMOOTHING, axis=0, mode="nearest")
        smoothed[start:stop] = run
    return smoothed


def prepare(faces: Faces) -> Faces:
    """Gaps filled and points smoothed: what is judged, measured and drawn."""
    filled = fill_gaps(faces)
    return replace(filled, points=smooth_points(filled.points))
