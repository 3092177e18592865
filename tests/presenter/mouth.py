"""Draws a mouth: lips about an opening of exactly the wanted gap, teeth, tongue and the dark behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.presenter.canvas import WHITE, Colour, Points, between, ellipse, mix, shift, spline
from tests.presenter.looks import Presenter
from tests.presenter.pen import Pen, sided
from tests.presenter.skin import light, shadow

WIDEST_GAP = 0.19
"""Gap between the lips at aperture 1, head units: 0.21 of the distance between the outer eye corners, the
upper end of what people who talk to a camera show."""

MOUTH_Y = 0.60
MOUTH_HALF = 0.25
"""Where the lips meet, and half the width of the mouth, head units."""

RISE = 0.22
"""Share of the gap by which the upper lip rises; the lower lip falls by the rest."""

CLOSED = 0.004
"""Below this gap, head units, the mouth is drawn as a line."""

CAVITY: Colour = (52, 18, 22)
TONGUE: Colour = (178, 84, 86)
TEETH: Colour = (238, 233, 224)

_STEPS = 41
_MIDDLE = _STEPS // 2


@dataclass(frozen=True)
class Lips:
    """Edges from left to right, head units: between the inner ones lies the opening."""

    outer_up: Points
    inner_up: Points
    inner_low: Points
    outer_low: Points


def lip_lines(who: Presenter, gap: float, width: float) -> Lips:
    """The lips at a gap (head units, between the inner edges at the middle) and a width (1 neutral)."""
    half = MOUTH_HALF * who.mouth_width * width
    u = np.linspace(-1.0, 1.0, _STEPS)
    # An open mouth is rounder than a parabola, and its corners sink by a third of what the lower lip falls.
    arch = (1 - np.abs(u) ** 2.4) ** 0.75
    rest = MOUTH_Y + (0.25 * gap - 0.012) * u**2
    top, bottom = rest - RISE * gap * arch, rest + (1 - RISE) * gap * arch
    # Rounded lips are pushed forward and look fuller.
    fullness = who.lip_fullness * (1.0 + 0.8 * max(0.0, 1.0 - width))
    taper = (1 - np.abs(u) ** 2.2) ** 0.8
    cupid = taper * (1 - 0.16 * np.exp(-((u / 0.13) ** 2)))
    outer, inner = half * u, 0.93 * half * u
    return Lips(
        outer_up=np.stack([outer, top - 0.060 * fullness * cupid], axis=1),
        inner_up=np.stack([inner, top], axis=1),
        inner_low=np.stack([inner, bottom], axis=1),
        outer_low=np.stack([outer, bottom + 0.082 * fullness * taper], axis=1),
    )


def draw_mouth(pen: Pen, who: Presenter, gap: float, width: float, inside: Points) -> None:
    """Draw the mouth and the shading around it, which stays `inside` the face (canvas pixels)."""
    lips = lip_lines(who, gap, width)
    _surroundings(pen.at(0.95), who, lips, inside)
    front = pen.at(1.1)
    front.fill(between(lips.outer_up, lips.outer_low), who.lips)
    front.fill(between(lips.outer_up, lips.inner_up), mix(who.lips, (70, 16, 22), 0.24))
    low = float(lips.outer_low[_MIDDLE, 1])
    shine = ellipse(
        -0.03, 0.45 * lips.inner_low[_MIDDLE, 1] + 0.55 * low, 0.42 * lips.outer_low[-1, 0], 0.018
    )
    lower = front.to_canvas(between(lips.inner_low, lips.outer_low))
    front.soft(shine, mix(who.lips, WHITE, 0.6), opacity=0.55, blur=0.014, within=lower)
    line = lips.inner_up
    if gap > CLOSED:
        _interior(front, gap, lips)
        line = between(lips.inner_up, lips.inner_low)
    front.stroke(line, mix(who.lips, (40, 8, 12), 0.72), 0.012)


def _surroundings(pen: Pen, who: Presenter, lips: Lips, inside: Points) -> None:
    """Philtrum, folds, corners, and the hollow under the lower lip."""
    shade = shadow(who)
    low, half = float(lips.outer_low[_MIDDLE, 1]), float(lips.outer_low[-1, 0])
    pen.soft(ellipse(0.02, low + 0.035, 0.14, 0.022), shade, opacity=0.50, blur=0.025, within=inside)
    pen.soft(ellipse(0.0, low + 0.16, 0.13, 0.06), light(who), opacity=0.22, blur=0.05, within=inside)
    pen.soft(ellipse(0.0, 0.485, 0.024, 0.045), shade, opacity=0.22, blur=0.02, within=inside)
    for side in (-1.0, 1.0):
        fold = spline(sided([(0.19, 0.37), (0.30, 0.46), (half + 0.075, 0.60)], side), closed=False)
        pen.soft(between(fold, shift(fold, side * 0.02, 0.0)), shade, opacity=0.40, blur=0.02, within=inside)
        corner = ellipse(side * (half + 0.012), lips.outer_up[-1, 1] + 0.004, 0.022, 0.014)
        pen.soft(corner, shadow(who, 0.7), opacity=0.6, blur=0.012, within=inside)


def _interior(pen: Pen, gap: float, lips: Lips) -> None:
    """Cavity, tongue and teeth, seen through the opening."""
    opening = between(lips.inner_up, lips.inner_low)
    clip = pen.to_canvas(opening)
    pen.fill(opening, CAVITY)
    half = float(lips.inner_up[-1, 0])
    if gap > 0.04:
        tongue = ellipse(0.0, lips.inner_low[_MIDDLE, 1] + 0.005, 0.62 * half, 0.42 * gap)
        pen.soft(tongue, TONGUE, opacity=0.85, blur=0.018, within=clip)
    if gap > 0.11:
        edge = sided(lips.inner_low[8:33], 0.8)
        row = between(shift(edge, 0.0, -0.022), shift(edge, 0.0, 0.02))
        pen.soft(row, mix(TEETH, CAVITY, 0.35), opacity=0.8, blur=0.006, within=clip)
    pen.soft(_upper_teeth(gap, lips), TEETH, opacity=0.97, blur=0.006, within=clip)
    lip_shadow = between(shift(lips.inner_up, 0.0, -0.02), shift(lips.inner_up, 0.0, 0.016))
    pen.soft(lip_shadow, (60, 26, 26), opacity=0.55, blur=0.012, within=clip)


def _upper_teeth(gap: float, lips: Lips) -> Points:
    """A row that hangs from the upper lip and ends in a shallow curve, lowest in the middle."""
    u = np.linspace(-1.0, 1.0, _STEPS)
    edge = lips.inner_up[_MIDDLE, 1] + min(0.055, 0.5 * gap) * (1 - 0.2 * u**2)
    biting = np.stack([0.86 * lips.inner_up[:, 0], edge], axis=1)
    return between(shift(lips.inner_up, 0.0, -0.02), biting)
