"""Whether a face that was drawn over still has its owner's jaw, told by the mesh alone.

A net that paints the lower half of a face may paint another's. On three clips the widths of one face differed
by at most 0.6 % between the halves of 100 frames, by at most 2.4 % between their quarters, and by 2.4 to
8.4 % between two people: what is far over that is another shape, what is under says little of who it is.
Lengths of lips and chin tell less: speech alone moves their medians by up to 15 %. Nets that know faces
would tell more, but those there are were trained on data that is not free for commercial use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from loc.analysis.faces import face_scale, places

WIDTHS = ((172, 397), (136, 365), (149, 378))
"""Ends of each width, ids of the mesh: the jaw at three heights, from the mouth's to the chin's."""

_FROM, _TO = (places(end) for end in zip(*WIDTHS, strict=True))


def jaw(upright: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The widths over the face's scale, [..., len(WIDTHS)].

    Args:
        upright: [..., POINT_COUNT, 2], upright coordinates.
    """
    widths = np.linalg.norm(upright[..., _FROM, :] - upright[..., _TO, :], axis=-1)
    return np.asarray(widths / face_scale(upright)[..., None], dtype=np.float64)


def unlike(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> float | None:
    """By what share the widths of two sets of frames differ, on the average of all; None where a set is
    empty.

    Args:
        before, after: [frames, len(WIDTHS)], NaN in frames that were not looked at.
    """
    held = [rows[np.isfinite(rows).all(axis=1)] for rows in (before, after)]
    if not all(len(rows) for rows in held):
        return None
    one, other = (np.median(rows, axis=0) for rows in held)
    return float(np.abs(other / one - 1).mean())
