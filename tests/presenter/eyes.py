"""Draws eyes and brows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.presenter.canvas import BLACK, WHITE, Colour, Points, between, ellipse, mix, shift, spline
from tests.presenter.looks import Presenter
from tests.presenter.pen import Pen, sided
from tests.presenter.skin import shadow

EYE_X = 0.30
"""Half the distance between the eyes, head units."""

EYE_HALF = 0.15
"""Half the width of an eye, head units."""

CORNER_TILT = 0.07
"""Slope by which the outer corner sits higher, as it does in most faces."""

SCLERA: Colour = (240, 238, 234)

LIDS_MEET = 0.92
"""From this blink on nothing of the eyeball is seen."""


def draw_eye(pen: Pen, who: Presenter, side: float, *, blink: float, gaze: tuple[float, float]) -> None:
    """Draw the eye of one side (-1 the viewer's left): ball, iris, lids and lashes."""
    half = EYE_HALF * who.eye_size
    upper, lower = _lids(blink, who.eye_size)
    span = np.linspace(-half, half, len(upper))
    tilt = -CORNER_TILT * side * span
    x = side * EYE_X + span
    lid, under = np.stack([x, upper + tilt], axis=1), np.stack([x, lower + tilt], axis=1)
    if blink < LIDS_MEET:
        _ball(pen, who, side * EYE_X, gaze, lid, under)
    deep = shadow(who, 0.75)
    crease = np.stack([side * EYE_X + 1.02 * span, np.minimum(upper, -0.02) + tilt - 0.034], axis=1)[2:-2]
    pen.stroke(crease, mix(who.skin, deep, 0.45), 0.010)
    pen.stroke(under, mix(who.skin, deep, 0.55), 0.008)
    pen.stroke(_lashes(lid, side, half), mix(who.hair_colour, BLACK, 0.55), who.lashes)


def _lids(blink: float, size: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Heights of the upper and lower lid over the eye's width; shut, they meet below the middle."""
    arch = 1.0 - np.linspace(-1.0, 1.0, 25) ** 2
    upper, lower = -0.086 * size * arch**0.8, 0.050 * size * arch**0.9
    return upper + blink * (0.85 * lower - upper), lower * (1 - 0.12 * blink)


def _lashes(lid: Points, side: float, half: float) -> Points:
    """The upper lid with a flick at its outer corner."""
    flick = np.array([[side * (EYE_X + 1.1 * half), lid[-1 if side > 0 else 0, 1] - 0.018]])
    return np.concatenate([lid, flick] if side > 0 else [flick, lid])


def _ball(pen: Pen, who: Presenter, x: float, gaze: tuple[float, float], lid: Points, under: Points) -> None:
    opening = between(lid, under)
    clip = pen.to_canvas(opening)
    pen.fill(opening, SCLERA)
    _iris(pen, who, x + 0.035 * gaze[0], -0.014 + 0.02 * gaze[1], clip)
    pen.soft(between(lid, shift(lid, 0.0, 0.03)), (50, 40, 50), opacity=0.5, blur=0.012, within=clip)


def _iris(pen: Pen, who: Presenter, x: float, y: float, clip: Points) -> None:
    r = 0.071 * who.eye_size
    pen.fill(ellipse(x, y, r, r), mix(who.iris, BLACK, 0.55), within=clip)
    pen.fill(ellipse(x, y, 0.86 * r, 0.86 * r), who.iris, within=clip)
    glow = ellipse(x, y + 0.4 * r, 0.55 * r, 0.35 * r)
    pen.soft(glow, mix(who.iris, WHITE, 0.5), opacity=0.5, blur=0.012, within=clip)
    pen.fill(ellipse(x, y, 0.45 * r, 0.45 * r), (14, 12, 14), within=clip)
    pen.fill(ellipse(x - 0.022, y - 0.024, 0.014, 0.014), WHITE, within=clip)
    pen.fill(ellipse(x + 0.02, y + 0.024, 0.007, 0.007), WHITE, opacity=0.7, within=clip)


def draw_brow(pen: Pen, who: Presenter, side: float, *, lift: float) -> None:
    """Draw the brow of one side, lifted by `lift` (-1..1)."""
    thick = 0.042 * who.brow_weight
    y = -0.215 - 0.03 * lift
    arch = [(0.125, y + 0.002), (0.22, y - 0.022), (0.34, y - 0.032), (0.475, y + 0.034)]
    under = [(0.36, y - 0.032 + 0.75 * thick), (0.22, y - 0.022 + thick), (0.128, y + 0.002 + 0.95 * thick)]
    colour = mix(who.hair_colour, who.skin, 0.15)
    pen.soft(spline(sided(arch + under, side)), colour, opacity=0.92, blur=0.007)
