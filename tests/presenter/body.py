"""Draws neck, shoulders and clothes, in the head units of a body that hardly moves."""

from __future__ import annotations

import numpy as np

from tests.presenter.canvas import BLACK, WHITE, Colour, Points, between, ellipse, mix, shift, spline
from tests.presenter.looks import Presenter
from tests.presenter.pen import Pen, mirror, sided
from tests.presenter.skin import shadow

SHADE: Colour = (12, 10, 20)

_SHOULDERS = [
    (0.0, 1.34), (0.40, 1.36), (0.62, 1.46), (1.10, 1.62), (1.44, 1.84), (1.62, 2.22), (1.72, 2.90),
    (1.86, 6.0), (0.0, 6.2),
]  # fmt: skip
_SHIRT = [(-0.46, 1.38), (0.46, 1.38), (0.28, 2.2), (0.03, 3.3), (-0.03, 3.3), (-0.28, 2.2)]
_LAPEL = [(0.45, 1.34), (0.66, 1.48), (0.74, 2.02), (0.56, 2.06), (0.62, 2.2), (0.04, 3.32), (0.30, 2.1)]


def draw_torso(pen: Pen, who: Presenter) -> None:
    """Shoulders and clothes below the collar; drawn once for each shot."""
    outline = spline(mirror(_SHOULDERS))
    pen.fill(outline, who.cloth)
    inside = pen.to_canvas(outline)
    away = spline([(0.5, 1.3), (2.1, 1.6), (2.4, 6.0), (0.75, 6.0), (0.95, 2.6)])
    pen.soft(away, SHADE, opacity=0.38, blur=0.22, within=inside)
    shoulder = ellipse(-1.0, 1.84, 0.42, 0.14, tilt=-0.45)
    pen.soft(shoulder, (255, 244, 228), opacity=0.20, blur=0.12, within=inside)
    for side in (-1.0, 1.0):
        sleeve = spline(sided([(1.28, 2.15), (1.16, 2.8), (1.22, 4.3)], side), closed=False)
        pen.stroke(sleeve, mix(who.cloth, BLACK, 0.35), 0.022)
    if who.clothes == "jacket":
        _jacket(pen, who)


def _jacket(pen: Pen, who: Presenter) -> None:
    """A shirt in the opening and two lapels."""
    pen.fill(spline(_SHIRT), who.shirt)
    pen.soft(spline([(0.1, 1.3), (0.46, 1.4), (0.1, 3.2)]), SHADE, opacity=0.14, blur=0.08)
    for side in (-1.0, 1.0):
        lapel = sided(_LAPEL, side)
        tone = mix(who.cloth, WHITE, 0.07) if side < 0 else mix(who.cloth, BLACK, 0.16)
        pen.soft(shift(lapel, 0.03, 0.04), SHADE, opacity=0.40, blur=0.04)
        pen.fill(lapel, tone)
        pen.stroke(lapel[[0, 6, 5]], mix(tone, BLACK, 0.4), 0.012)


def draw_neck(head: Pen, body: Pen, who: Presenter) -> None:
    """The neck between a head that moves and shoulders that do not, and the collar around it."""
    outline = _neck(head, body, who.face_width)
    head.canvas.fill(outline, shadow(who, 0.14))
    shade = shadow(who, 0.62)
    chin = spline(mirror([(0.0, 0.5), (0.75, 0.45), (0.60, 0.90), (0.34, 1.13), (0.0, 1.20)]))
    head.soft(chin, shade, opacity=0.62, blur=0.05, within=outline)
    away = spline([(0.10, 0.8), (0.6, 0.8), (0.6, 1.7), (0.26, 1.7)])
    head.soft(away, shade, opacity=0.40, blur=0.08, within=outline)
    if who.clothes == "jacket":
        _collar(body, who)
    else:
        _neckband(body, who)


def _neck(head: Pen, body: Pen, wide: float) -> Points:
    """Outline in canvas pixels: its upper points go with the head, its lower ones with the body."""
    upper, lower = [(0.40 * wide, 0.45), (0.39 * wide, 0.95)], [(0.40, 1.22), (0.50, 1.44)]
    right = np.concatenate([head.to_canvas(upper), body.to_canvas([*lower, (0.0, 1.72)])])
    left = np.concatenate([head.to_canvas(sided(upper, -1.0)), body.to_canvas(sided(lower, -1.0))])
    return spline(between(right, left))


def _collar(pen: Pen, who: Presenter) -> None:
    """The two flaps of a shirt's collar."""
    for side in (-1.0, 1.0):
        flap = sided([(0.42, 1.26), (0.54, 1.40), (0.34, 1.86), (0.02, 1.72)], side)
        tone = who.shirt if side < 0 else mix(who.shirt, BLACK, 0.10)
        pen.soft(shift(flap, 0.02, 0.04), SHADE, opacity=0.35, blur=0.03)
        pen.fill(flap, tone)
        pen.stroke(flap[[0, 3, 2]], mix(tone, BLACK, 0.22), 0.010)


def _neckband(pen: Pen, who: Presenter) -> None:
    """The ribbed edge of a jumper."""
    outer = spline(mirror([(0.60, 1.30), (0.57, 1.52), (0.38, 1.76), (0.0, 1.86)]), closed=False)
    inner = spline(mirror([(0.485, 1.27), (0.46, 1.44), (0.31, 1.62), (0.0, 1.70)]), closed=False)
    pen.soft(between(shift(inner, 0.0, -0.05), inner), shadow(who, 0.8), opacity=0.4, blur=0.02)
    pen.fill(between(outer, inner), mix(who.cloth, BLACK, 0.12))
    for line in (outer, inner):
        pen.stroke(line, mix(who.cloth, BLACK, 0.35), 0.010)
