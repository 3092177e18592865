"""Draws neck, shoulders and clothes, in the head units of a body that hardly moves."""

from __future__ import annotations

import numpy as np

from tests.presenter.canvas import Colour, Points, ellipse, mix, spline
from tests.presenter.head import BLACK, Pen, mirror
from tests.presenter.looks import Presenter

SHADE: Colour = (12, 10, 20)


def draw_torso(pen: Pen, who: Presenter) -> None:
    """Shoulders and clothes below the collar; drawn once for each shot."""
    half = [
        (0.0, 1.34), (0.40, 1.36), (0.62, 1.46), (1.15, 1.66), (1.52, 1.98), (1.70, 2.60), (1.86, 6.0), (0.0, 6.2),
    ]  # fmt: skip
    outline = spline(mirror(half))
    pen.fill(outline, who.cloth)
    inside = pen.to_canvas(outline)
    right = spline([(0.5, 1.3), (2.1, 1.6), (2.4, 6.0), (0.75, 6.0), (0.95, 2.6)])
    pen.soft(right, SHADE, opacity=0.38, blur=0.22, within=inside)
    pen.soft(
        ellipse(-1.0, 1.84, 0.42, 0.14, tilt=-0.45), (255, 244, 228), opacity=0.20, blur=0.12, within=inside
    )
    for side in (-1.0, 1.0):
        sleeve = spline([(side * 1.28, 2.15), (side * 1.16, 2.8), (side * 1.22, 4.3)], closed=False)
        pen.stroke(sleeve, mix(who.cloth, BLACK, 0.35), 0.022)
    if who.clothes == "jacket":
        _jacket(pen, who)


def _jacket(pen: Pen, who: Presenter) -> None:
    """A shirt in the opening and two lapels."""
    opening = np.array([(-0.46, 1.38), (0.46, 1.38), (0.28, 2.2), (0.03, 3.3), (-0.03, 3.3), (-0.28, 2.2)])
    pen.fill(spline(opening), who.shirt)
    pen.soft(spline([(0.1, 1.3), (0.46, 1.4), (0.1, 3.2)]), SHADE, opacity=0.14, blur=0.08)
    for side in (-1.0, 1.0):
        lapel = np.array(
            [(0.45, 1.34), (0.66, 1.48), (0.74, 2.02), (0.56, 2.06), (0.62, 2.2), (0.04, 3.32), (0.30, 2.1)]
        )
        tone = mix(who.cloth, (255, 255, 255), 0.07) if side < 0 else mix(who.cloth, BLACK, 0.16)
        shadow = lapel * (side, 1.0) + (0.03, 0.04)
        pen.soft(shadow, SHADE, opacity=0.40, blur=0.04)
        pen.fill(lapel * (side, 1.0), tone)
        pen.stroke(lapel[[0, 6, 5]] * (side, 1.0), mix(tone, BLACK, 0.4), 0.012)


def draw_neck(head: Pen, body: Pen, who: Presenter) -> None:
    """The neck between a head that moves and shoulders that do not, and the collar around it."""
    wide = who.face_width
    right = _joint(
        head, body, [(0.40 * wide, 0.45), (0.39 * wide, 0.95)], [(0.40, 1.22), (0.50, 1.44), (0.0, 1.70)]
    )
    left = _joint(head, body, [(-0.40 * wide, 0.45), (-0.39 * wide, 0.95)], [(-0.40, 1.22), (-0.50, 1.44)])
    outline = spline(np.concatenate([right, left[::-1]]))
    canvas = head.canvas
    skin = mix(who.skin, (74, 24, 18), 0.14)
    canvas.fill(outline, skin)
    shade = mix(who.skin, (64, 22, 18), 0.62)
    chin = spline(mirror([(0.0, 0.5), (0.75, 0.45), (0.60, 0.90), (0.34, 1.13), (0.0, 1.20)]))
    head.soft(chin, shade, opacity=0.62, blur=0.05, within=outline)
    head.soft(
        spline([(0.10, 0.8), (0.6, 0.8), (0.6, 1.7), (0.26, 1.7)]),
        shade,
        opacity=0.40,
        blur=0.08,
        within=outline,
    )
    if who.clothes == "jacket":
        _collar(body, who)
    else:
        _neckband(body, who)


def _joint(
    head: Pen, body: Pen, upper: list[tuple[float, float]], lower: list[tuple[float, float]]
) -> Points:
    """Points of the head, then points of the body, in canvas pixels."""
    return np.concatenate([head.to_canvas(upper), body.to_canvas(lower)])


def _collar(pen: Pen, who: Presenter) -> None:
    for side in (-1.0, 1.0):
        flap = np.array([(0.42, 1.26), (0.54, 1.40), (0.34, 1.86), (0.02, 1.72)]) * (side, 1.0)
        pen.soft(flap + (0.02, 0.04), SHADE, opacity=0.35, blur=0.03)
        tone = who.shirt if side < 0 else mix(who.shirt, BLACK, 0.10)
        pen.fill(flap, tone)
        pen.stroke(flap[[0, 3, 2]], mix(tone, BLACK, 0.22), 0.010)


def _neckband(pen: Pen, who: Presenter) -> None:
    outer = mirror([(0.62, 1.36), (0.48, 1.66), (0.0, 1.86)])
    inner = mirror([(0.50, 1.30), (0.38, 1.54), (0.0, 1.68)])
    band = np.concatenate([_open(outer), _open(inner)[::-1]])
    pen.soft(_open(inner) + (0.0, -0.02), SHADE, opacity=0.25, blur=0.05)
    pen.fill(band, mix(who.cloth, BLACK, 0.16))
    pen.stroke(_open(outer), mix(who.cloth, BLACK, 0.35), 0.012)


def _open(outline: Points) -> Points:
    """A smooth line from the right end over the middle to the left end."""
    return spline(outline, closed=False)
