"""What is seen between the lips: the person's own teeth from their widest-open frame, or a drawn cavity.

Teeth hang from the upper lip and rise with the lower one; a gap wider than the person ever showed falls dark.
Face units; colours RGB 0..255.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from loc.analysis.faces import Affine
from stages.lipsync.warp.anatomy import LOWER_INNER, UPPER_INNER, Points
from stages.lipsync.warp.mouth import Lips

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

CAVITY = np.array([40, 18, 24], dtype=np.float32)
"""Dark red-brown: the depth of a mouth under a soft light."""
HANDOVER, HANDOVER_SPAN = 0.55, 0.35
"""From this part of the gap's height downwards the lower lip's teeth and tongue take over."""
UPPER_PART = 0.72
"""Of a bank frame's gap, what belongs to the upper teeth when the gap is drawn wider than the bank's."""
WIDER_SPAN = 0.02
DARK_SPAN = 0.03
"""Widths over which the too-wide case sets in and the teeth fall dark."""
RIM = 0.06
"""Part of the bank's gap next to the lips that is not used: it holds lip, not mouth."""
SHADE_FLOOR, BANK_SHADE_FLOOR, SHADE_SPAN = 0.55, 0.78, 0.05
"""Under the lips the mouth is darkest, and full light falls in this far from them. A bank's pixels bring most
of their own shade."""
EXPOSURE_LIMITS = 0.6, 1.6
"""Bounds on matching the bank's light to the frame's: beyond, the measurement is wrong."""

TOOTH_HEIGHT, TOOTH_EDGE, TOOTH_REACH = 0.045, 0.010, 0.7
TOOTH_TINT = np.array([1.06, 1.03, 1.0], dtype=np.float32)
TOOTH_OF_SKIN, TOOTH_OPACITY = 0.82, 0.85
TOOTH_LIMITS = 50, 190
"""The drawn cavity: one soft row of upper teeth, as bright as the skin allows."""


@dataclass(frozen=True)
class Bank:
    """The inside of a person's mouth, at its most open.

    Args:
        pixels: uint8 [h, w, 3].
        to_pixels: the bank frame's face units to its pixels, float64 [2, 3].
        points: the bank frame's mesh points, face units.
        skin: mean colour of the face in that frame, float32 [3].
    """

    pixels: Pixels
    to_pixels: Affine
    points: Points
    skin: Floats


def draw_interior(bank: Bank | None, lips: Lips, x: Floats, y: Floats, skin: Floats) -> Floats:
    """The inside of a mouth, float32 [h, w, 3], to be shown between the moved lips only.

    Args:
        bank: None where the person never opens the mouth.
        lips: the moved lips.
        x, y: face coordinates of each pixel, [h, w].
        skin: mean colour of the face in this frame, float32 [3].
    """
    top = np.interp(x, lips.upper_inner[:, 0], lips.upper_inner[:, 1]).astype(np.float32)
    bottom = np.interp(x, lips.lower_inner[:, 0], lips.lower_inner[:, 1]).astype(np.float32)
    gap = np.maximum(1e-5, bottom - top)
    if bank is None:
        inside = _cavity(lips, x, y, top, skin)
    else:
        inside = _from_bank(bank, lips, x, y, top, bottom, skin)
    depth = np.clip((y - top) / gap, 0, 1)
    light = np.minimum(depth, (1 - depth) * 1.2) * gap / SHADE_SPAN
    floor = SHADE_FLOOR if bank is None else BANK_SHADE_FLOOR
    shade = floor + (1 - floor) * np.clip(light, 0, 1)
    return np.asarray(inside * shade[..., None], dtype=np.float32)


def _from_bank(
    bank: Bank, lips: Lips, x: Floats, y: Floats, top: Floats, bottom: Floats, skin: Floats
) -> Floats:
    upper, lower = bank.points[UPPER_INNER], bank.points[LOWER_INNER]
    corners = lips.upper_inner[[0, -1], 0]
    across = np.interp(x, corners, upper[[0, -1], 0]).astype(np.float32)
    bank_top = np.interp(across, upper[:, 0], upper[:, 1]).astype(np.float32)
    bank_bottom = np.interp(across, lower[:, 0], lower[:, 1]).astype(np.float32)
    have, need = np.maximum(bank_bottom - bank_top, 1e-5), bottom - top
    hanging, rising = bank_top + (y - top), bank_bottom - (bottom - y)
    depth = np.clip((y - top) / np.maximum(need, 1e-5), 0, 1)
    handed = np.clip((depth - HANDOVER) / HANDOVER_SPAN, 0, 1)
    handed = handed * handed * (3 - 2 * handed)
    wider = np.clip((need - have) / WIDER_SPAN, 0, 1)
    edge = bank_top + UPPER_PART * have
    hung = hanging * (1 - wider) + np.minimum(hanging, edge) * wider
    dark = (wider * np.clip((hanging - edge) / DARK_SPAN, 0, 1))[..., None]
    # Colours are faded, not places: a gap narrower than the bank's would squeeze its dark middle to dashes.
    first, last = bank_top + RIM * have, bank_bottom - RIM * have
    above = _look_up(bank, across, np.clip(hung, first, last))
    below = _look_up(bank, across, np.clip(rising, first, last))
    risen = (handed * (1 - wider))[..., None]
    shown = (above * (1 - risen) + below * risen) * (1 - dark) + CAVITY * dark
    return np.asarray(shown * np.clip(skin / (bank.skin + 1e-3), *EXPOSURE_LIMITS), dtype=np.float32)


def _look_up(bank: Bank, x: Floats, y: Floats) -> Floats:
    """The bank's colours at face coordinates."""
    to = bank.to_pixels.astype(np.float32)
    column = to[0, 0] * x + to[0, 1] * y + to[0, 2]
    row = to[1, 0] * x + to[1, 1] * y + to[1, 2]
    found = cv2.remap(bank.pixels, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, dtype=np.float32)


def _cavity(lips: Lips, x: Floats, y: Floats, top: Floats, skin: Floats) -> Floats:
    left, right = lips.upper_inner[[0, -1], 0]
    row = 1 / (1 + np.exp(-np.clip((top + TOOTH_HEIGHT - y) / TOOTH_EDGE, -30, 30)))
    reach = max((right - left) / 2 * TOOTH_REACH, 1e-5)
    arch = np.sqrt(np.clip(1 - ((x - (left + right) / 2) / reach) ** 2, 0, 1))
    tooth = np.clip(TOOTH_TINT * float(skin.mean()) * TOOTH_OF_SKIN, *TOOTH_LIMITS)
    shown = (row * arch * TOOTH_OPACITY)[..., None]
    return np.asarray(CAVITY * (1 - shown) + tooth * shown, dtype=np.float32)
