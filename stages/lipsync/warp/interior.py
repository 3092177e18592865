"""What is seen between the lips: the person's own teeth from views of the open mouth, or a drawn cavity.

Teeth hang from the upper lip and rise with the lower one; a gap wider than the person ever showed falls dark.
Face units; colours RGB 0..255.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from stages.lipsync.warp.anatomy import LOWER_INNER, UPPER_INNER
from stages.lipsync.warp.mouth import Mouth
from stages.lipsync.warp.views import View, Weighed

Floats = npt.NDArray[np.float32]

CAVITY = np.array([40, 18, 24], dtype=np.float32)
"""Dark red-brown: the depth of a mouth under a soft light."""
HANDOVER, HANDOVER_SPAN = 0.55, 0.35
"""From this part of the gap's height downwards the lower lip's teeth and tongue take over."""
UPPER_PART = 0.72
"""Of a view's gap, what belongs to the upper teeth when the gap is drawn wider than the view's."""
WIDER_SPAN = 0.02
DARK_SPAN = 0.03
"""Widths over which the too-wide case sets in and the teeth fall dark."""
RIM = 0.06
"""Part of the view's gap next to the lips that is not used: it holds lip, not mouth."""
SHADE_FLOOR, VIEW_SHADE_FLOOR, SHADE_SPAN = 0.55, 0.78, 0.05
"""Under the lips the mouth is darkest, and full light falls in this far from them. A view's pixels bring most
of their own shade."""
SLIT, SLIT_FLOOR = 0.05, 0.5
"""Lips less than this apart leave the teeth in their shadow, as dark as this where they nearly touch: a view
of the open mouth has them in full light."""
EXPOSURE_LIMITS = 0.6, 1.6
"""Bounds on matching a view's light to the frame's: beyond, the measurement is wrong."""

TOOTH_HEIGHT, TOOTH_EDGE, TOOTH_REACH = 0.045, 0.010, 0.7
TOOTH_TINT = np.array([1.06, 1.03, 1.0], dtype=np.float32)
TOOTH_OF_SKIN, TOOTH_OPACITY = 0.82, 0.85
TOOTH_LIMITS = 50, 190
"""The drawn cavity: one soft row of upper teeth, as bright as the skin allows."""


def draw_interior(views: Sequence[Weighed], lips: Mouth, x: Floats, y: Floats, skin: Floats) -> Floats:
    """The inside of a mouth, float32 [h, w, 3], to be shown between the moved lips only.

    Args:
        views: of the open mouth, as `nearest` gives them; none where the person never opens it.
        lips: the moved lips.
        x, y: face coordinates of each pixel, [h, w].
        skin: mean colour of the face in this frame, float32 [3].
    """
    top = np.interp(x, lips.upper_inner[:, 0], lips.upper_inner[:, 1]).astype(np.float32)
    bottom = np.interp(x, lips.lower_inner[:, 0], lips.lower_inner[:, 1]).astype(np.float32)
    gap = np.maximum(1e-5, bottom - top)
    if views:
        shown = [one.weight * _from_view(one.view, lips, x, y, top, bottom, skin) for one in views]
        inside = np.asarray(sum(shown[1:], shown[0]), dtype=np.float32)
    else:
        inside = _cavity(lips, x, y, top, skin)
    depth = np.clip((y - top) / gap, 0, 1)
    light = np.minimum(depth, (1 - depth) * 1.2) * gap / SHADE_SPAN
    lit = np.clip(lips.opening / SLIT, 0, 1)
    floor = SLIT_FLOOR + (VIEW_SHADE_FLOOR - SLIT_FLOOR) * lit if views else SHADE_FLOOR
    shade = floor + (1 - floor) * np.clip(light, 0, 1)
    return np.asarray(inside * shade[..., None], dtype=np.float32)


def _from_view(
    view: View, lips: Mouth, x: Floats, y: Floats, top: Floats, bottom: Floats, skin: Floats
) -> Floats:
    upper, lower = view.points[UPPER_INNER], view.points[LOWER_INNER]
    corners = lips.upper_inner[[0, -1], 0]
    across = np.interp(x, corners, upper[[0, -1], 0]).astype(np.float32)
    view_top = np.interp(across, upper[:, 0], upper[:, 1]).astype(np.float32)
    view_bottom = np.interp(across, lower[:, 0], lower[:, 1]).astype(np.float32)
    have, need = np.maximum(view_bottom - view_top, 1e-5), bottom - top
    hanging, rising = view_top + (y - top), view_bottom - (bottom - y)
    depth = np.clip((y - top) / np.maximum(need, 1e-5), 0, 1)
    handed = np.clip((depth - HANDOVER) / HANDOVER_SPAN, 0, 1)
    handed = handed * handed * (3 - 2 * handed)
    wider = np.clip((need - have) / WIDER_SPAN, 0, 1)
    edge = view_top + UPPER_PART * have
    hung = hanging * (1 - wider) + np.minimum(hanging, edge) * wider
    dark = (wider * np.clip((hanging - edge) / DARK_SPAN, 0, 1))[..., None]
    # Colours are faded, not places: a gap narrower than the view's would squeeze its dark middle to dashes.
    first, last = view_top + RIM * have, view_bottom - RIM * have
    above = _look_up(view, across, np.clip(hung, first, last))
    below = _look_up(view, across, np.clip(rising, first, last))
    risen = (handed * (1 - wider))[..., None]
    shown = (above * (1 - risen) + below * risen) * (1 - dark) + CAVITY * dark
    return np.asarray(shown * np.clip(skin / (view.skin + 1e-3), *EXPOSURE_LIMITS), dtype=np.float32)


def _look_up(view: View, x: Floats, y: Floats) -> Floats:
    """The view's colours at face coordinates."""
    to = view.to_pixels.astype(np.float32)
    column = to[0, 0] * x + to[0, 1] * y + to[0, 2]
    row = to[1, 0] * x + to[1, 1] * y + to[1, 2]
    found = cv2.remap(view.pixels, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, dtype=np.float32)


def _cavity(lips: Mouth, x: Floats, y: Floats, top: Floats, skin: Floats) -> Floats:
    left, right = lips.upper_inner[[0, -1], 0]
    row = 1 / (1 + np.exp(-np.clip((top + TOOTH_HEIGHT - y) / TOOTH_EDGE, -30, 30)))
    reach = max((right - left) / 2 * TOOTH_REACH, 1e-5)
    arch = np.sqrt(np.clip(1 - ((x - (left + right) / 2) / reach) ** 2, 0, 1))
    tooth = np.clip(TOOTH_TINT * float(skin.mean()) * TOOTH_OF_SKIN, *TOOTH_LIMITS)
    shown = (row * arch * TOOTH_OPACITY)[..., None]
    return np.asarray(CAVITY * (1 - shown) + tooth * shown, dtype=np.float32)
