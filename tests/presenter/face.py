"""Draws a head: skin, shading, ears and nose here; eyes, mouth and hair in modules of their own.

Light falls from the upper left.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.presenter.canvas import BLACK, WHITE, Colour, Points, ellipse, mix, spline
from tests.presenter.eyes import draw_brow, draw_eye
from tests.presenter.hair import front_hair
from tests.presenter.looks import Presenter
from tests.presenter.mouth import WIDEST_GAP, draw_mouth
from tests.presenter.pen import Pen, mirror, sided
from tests.presenter.skin import light, shadow

JAW_SHARE = 0.72
"""Part of the lips' gap by which the chin falls; the rest is the lips'."""


@dataclass(frozen=True)
class Expression:
    """What a face does in one frame.

    `aperture`: 0 closed .. 1 widest. `width`: of the mouth, 1 neutral, below rounded. `blink`: 0 open ..
    1 shut. `gaze`: shift of the irises, -1..1 each way. `brow`: lift, -1..1.
    """

    aperture: float = 0.0
    width: float = 1.0
    blink: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    brow: float = 0.0


def draw_head(pen: Pen, who: Presenter, face: Expression) -> None:
    """Draw ears, face, features and hair over what is already there (neck, back hair)."""
    gap = face.aperture * WIDEST_GAP
    outline = face_outline(who, JAW_SHARE * gap)
    _ears(pen.at(-0.3), who)
    pen.fill(outline, who.skin)
    inside = pen.to_canvas(outline)
    _shade(pen, who, inside)
    _sockets(pen.at(0.8), who, inside)
    _nose(pen, who, inside)
    for side in (-1.0, 1.0):
        draw_eye(pen.at(0.9), who, side, blink=face.blink, gaze=face.gaze)
        draw_brow(pen.at(0.9), who, side, lift=face.brow - 0.4 * face.blink)
    draw_mouth(pen, who, gap, face.width, inside)
    front_hair(pen.at(0.25), who)


def face_outline(who: Presenter, drop: float) -> Points:
    """Outline of the face with the chin lowered by `drop`, head units."""
    wide, jaw = who.face_width, who.face_width * who.jaw
    half = [
        (0.0, -0.98),
        (0.40 * wide, -0.90),
        (0.66 * wide, -0.60),
        (0.725 * wide, -0.20),
        (0.705 * wide, 0.15),
        (0.645 * jaw, 0.46 + 0.2 * drop),
        (0.50 * jaw, 0.735 + 0.6 * drop),
        (0.26 * jaw, 0.945 + drop),
        (0.0, 1.0 + drop),
    ]
    return spline(mirror(half))


def _shade(pen: Pen, who: Presenter, inside: Points) -> None:
    """The side away from the light, cheeks, forehead, and the shadow of the hair."""
    shade, bright = shadow(who), light(who)
    away = [(0.42, -0.9), (0.95, -0.6), (1.0, 0.3), (0.75, 0.95), (0.2, 1.2), (0.46, 0.55), (0.56, 0.0)]
    pen.soft(spline(away), shade, opacity=0.42, blur=0.13, within=inside)
    front = pen.at(0.5)
    front.soft(ellipse(-0.22, -0.45, 0.34, 0.20), bright, opacity=0.38, blur=0.13, within=inside)
    front.soft(ellipse(-0.40, 0.20, 0.17, 0.13), bright, opacity=0.34, blur=0.09, within=inside)
    front.soft(ellipse(0.36, 0.20, 0.13, 0.10), bright, opacity=0.20, blur=0.09, within=inside)
    blush: Colour = mix(who.skin, (214, 74, 66), 0.5)
    for side in (-1.0, 1.0):
        front.soft(ellipse(0.41 * side, 0.34, 0.15, 0.11), blush, opacity=0.30, blur=0.08, within=inside)
    brim = [
        (-0.8, -0.9),
        (0.8, -0.9),
        (0.72, -0.35),
        (0.35, -0.62),
        (0.0, -0.66),
        (-0.4, -0.6),
        (-0.74, -0.3),
    ]
    pen.at(0.2).soft(spline(brim), shade, opacity=0.40, blur=0.05, within=inside)


def _sockets(pen: Pen, who: Presenter, inside: Points) -> None:
    for x in (-0.30, 0.30):
        pen.soft(ellipse(x, -0.09, 0.20, 0.085), shadow(who), opacity=0.30, blur=0.05, within=inside)
        pen.soft(ellipse(x, 0.105, 0.13, 0.022), shadow(who), opacity=0.20, blur=0.025, within=inside)


def _ears(pen: Pen, who: Presenter) -> None:
    for side in (-1.0, 1.0):
        x, tilt = side * 0.735 * who.face_width, side * -0.18
        base = who.skin if side < 0 else mix(who.skin, shadow(who), 0.35)
        pen.fill(ellipse(x, 0.06, 0.085, 0.175, tilt=tilt), base)
        shell = ellipse(x + side * 0.01, 0.05, 0.04, 0.11, tilt=tilt)
        pen.soft(shell, shadow(who), opacity=0.55, blur=0.018)


def _nose(pen: Pen, who: Presenter, inside: Points) -> None:
    """A ridge between light and shade, the ball, and under it shadow and nostrils."""
    w, shade, bright = who.nose_width, shadow(who), light(who)
    root, ridge, ball = pen.at(1.25), pen.at(1.4), pen.at(1.6)
    dark = [(0.035, -0.12), (0.10, -0.02), (0.085 * w, 0.18), (0.145 * w, 0.33), (0.05, 0.36), (0.045, 0.1)]
    root.soft(spline(dark), shade, opacity=0.50, blur=0.025, within=inside)
    inner_corner = [(-0.05, -0.14), (-0.10, -0.03), (-0.075, 0.02), (-0.045, -0.05)]
    root.soft(spline(inner_corner), shade, opacity=0.35, blur=0.025, within=inside)
    lit = [(-0.025, -0.10), (0.012, -0.10), (0.018, 0.26), (-0.035, 0.26)]
    ridge.soft(spline(lit), bright, opacity=0.42, blur=0.02, within=inside)
    root.soft(ellipse(0.02, 0.425, 0.13 * w, 0.032), shade, opacity=0.62, blur=0.022, within=inside)
    tip = [(-0.07, 0.25), (0.06, 0.25), (0.085, 0.33), (0.0, 0.385), (-0.085, 0.33)]
    ball.soft(spline(tip), mix(who.skin, bright, 0.25), opacity=0.7, blur=0.02, within=inside)
    ball.soft(ellipse(-0.025, 0.285, 0.03, 0.024), WHITE, opacity=0.40, blur=0.014)
    for side in (-1.0, 1.0):
        _nostril(pen.at(1.4), who, side)


def _nostril(pen: Pen, who: Presenter, side: float) -> None:
    w, deep = who.nose_width, shadow(who, 0.7)
    pen.soft(ellipse(side * 0.112 * w, 0.335, 0.042, 0.042), who.skin, opacity=0.6, blur=0.012)
    wing = sided([(0.112 * w, 0.27), (0.150 * w, 0.325), (0.135 * w, 0.37), (0.105 * w, 0.385)], side)
    pen.stroke(spline(wing, closed=False), mix(who.skin, deep, 0.62), 0.011)
    hole = ellipse(side * 0.060 * w, 0.380, 0.036, 0.015, tilt=side * -0.35)
    pen.soft(hole, mix(deep, BLACK, 0.2), opacity=0.9, blur=0.006)
