"""Draws hair: what lies behind the head, and what frames the face."""

from __future__ import annotations

import numpy as np

from tests.presenter.canvas import BLACK, WHITE, Colour, Points, ellipse, mix, spline
from tests.presenter.looks import Hair, Presenter
from tests.presenter.pen import Pen, mirror, sided

_Outline = list[tuple[float, float]]

# Left half of the outer outline from the lower end to the crown; the inner one, from right to left, in full,
# for a parting is not symmetrical. Head units.
_BOB: tuple[_Outline, _Outline] = (
    [(-0.80, 0.98), (-0.93, 0.55), (-0.93, 0.0), (-0.86, -0.55), (-0.56, -1.04), (0.0, -1.22)],
    [
        (0.66, 0.92), (0.70, 0.45), (0.685, 0.05), (0.60, -0.34), (0.36, -0.60), (0.02, -0.74),
        (-0.24, -0.82), (-0.40, -0.60), (-0.56, -0.32), (-0.66, 0.05), (-0.69, 0.45), (-0.66, 0.92),
    ],
)  # fmt: skip
_SHORT: tuple[_Outline, _Outline] = (
    [(-0.755, 0.04), (-0.80, -0.40), (-0.66, -0.92), (-0.34, -1.14), (0.0, -1.18)],
    [
        (0.715, 0.02), (0.69, -0.26), (0.58, -0.50), (0.44, -0.66), (0.15, -0.69), (-0.15, -0.66),
        (-0.42, -0.70), (-0.58, -0.50), (-0.69, -0.26), (-0.715, 0.02),
    ],
)  # fmt: skip
_BUN: tuple[_Outline, _Outline] = (
    [(-0.735, -0.06), (-0.78, -0.42), (-0.63, -0.90), (-0.32, -1.10), (0.0, -1.14)],
    [
        (0.70, -0.06), (0.665, -0.30), (0.54, -0.56), (0.30, -0.72), (0.0, -0.77), (-0.30, -0.72),
        (-0.54, -0.56), (-0.665, -0.30), (-0.70, -0.06),
    ],
)  # fmt: skip
_FRAMES: dict[Hair, tuple[_Outline, _Outline]] = {"bob": _BOB, "short": _SHORT, "bun": _BUN}


def back_hair(pen: Pen, who: Presenter) -> None:
    """The hair behind head and neck."""
    dark = mix(who.hair_colour, BLACK, 0.35)
    if who.hair == "bob":
        half = [(0.0, -1.18), (0.6, -1.0), (0.92, -0.4), (0.95, 0.3), (0.86, 0.98), (0.5, 1.06), (0.0, 1.0)]
        pen.at(-0.6).fill(spline(mirror(half)), dark)
    elif who.hair == "bun":
        back = pen.at(-0.8)
        back.fill(ellipse(0.02, -1.24, 0.34, 0.27), who.hair_colour)
        gloss = mix(who.hair_colour, WHITE, 0.4)
        back.soft(ellipse(-0.07, -1.33, 0.16, 0.07), gloss, opacity=0.4, blur=0.05)
        back.soft(ellipse(0.02, -1.08, 0.26, 0.08), dark, opacity=0.7, blur=0.05)


def front_hair(pen: Pen, who: Presenter) -> None:
    """The hair over forehead and temples, with strands and a gloss."""
    outline = _frame(who)
    pen.fill(outline, who.hair_colour)
    clip = pen.to_canvas(outline)
    gloss = mix(who.hair_colour, (255, 236, 214), 0.42)
    dark = mix(who.hair_colour, BLACK, 0.5)
    pen.soft(ellipse(-0.34, -0.88, 0.30, 0.09, tilt=-0.5), gloss, opacity=0.6, blur=0.06, within=clip)
    pen.soft(ellipse(0.34, -0.93, 0.22, 0.06, tilt=0.5), gloss, opacity=0.35, blur=0.06, within=clip)
    away = [(0.5, -1.1), (1.0, -0.7), (1.0, 1.1), (0.72, 1.0), (0.72, -0.2)]
    pen.soft(spline(away), dark, opacity=0.5, blur=0.1, within=clip)
    _strands(pen, who, mix(who.hair_colour, dark, 0.28))


def _frame(who: Presenter) -> Points:
    left, inner = _FRAMES[who.hair]
    right = [(-x, y) for x, y in left[-2::-1]]
    outline = np.concatenate([spline(left + right, closed=False), spline(inner, closed=False)])
    return sided(outline, who.face_width)


def _strands(pen: Pen, who: Presenter, colour: Colour) -> None:
    """A few lines that follow the combing, from the parting to the temples."""
    part = -0.24 if who.hair == "bob" else 0.0
    for share in (0.1, 0.4, 0.7):
        for side in (-1.0, 1.0):
            reach = side * (0.60 + 0.08 * share) * who.face_width
            top = -0.84 - 0.24 * share
            bend = (0.5 * (part + reach), top + 0.03)
            path = [(part + side * 0.03, top - 0.03), bend, (reach, top + 0.33 - 0.05 * share)]
            pen.stroke(spline(path, closed=False), colour, 0.007)
