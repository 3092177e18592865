"""Draws a head: shaded shapes in head units, placed by a pose.

Head units: origin between the eyes, x to the viewer's right, y down; crown at -1, chin at +1. Light falls from
the upper left. Features stand in front of the skull by their `depth`, so a turn of the head shifts them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.presenter.canvas import Canvas, Colour, Points, ellipse, mix, spline
from tests.presenter.looks import Presenter

WIDEST_GAP = 0.19
"""Gap between the lips at aperture 1, head units: 0.21 of the distance between the outer eye corners, the upper
end of what people who talk to a camera show."""

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
CAVITY: Colour = (52, 18, 22)
TONGUE: Colour = (178, 84, 86)
TEETH: Colour = (238, 233, 224)
SCLERA: Colour = (240, 238, 234)

EYE_X = 0.30
EYE_HALF = 0.15
MOUTH_Y = 0.60
MOUTH_HALF = 0.25


@dataclass(frozen=True)
class Pose:
    """Where a head is: origin in frame pixels, pixels per head unit, roll in radians, turn in head units."""

    x: float
    y: float
    scale: float
    roll: float = 0.0
    yaw: float = 0.0
    """Sideways shift of a feature of depth 1; positive turns to the viewer's right."""
    pitch: float = 0.0
    """Downward shift of a feature of depth 1."""

    def place(self, points: npt.ArrayLike, depth: float = 0.0) -> Points:
        """Head units to frame pixels."""
        shape = np.asarray(points, dtype=np.float64) + depth * np.array([self.yaw, self.pitch])
        c, s = np.cos(self.roll), np.sin(self.roll)
        placed: Points = shape @ np.array([[c, s], [-s, c]]) * self.scale + (self.x, self.y)
        return placed


@dataclass(frozen=True)
class Expression:
    """What a face does in one frame.

    `aperture`: 0 closed .. 1 widest. `width`: of the mouth, 1 neutral, below rounded. `blink`: 0 open .. 1 shut.
    `gaze`: shift of the irises, -1..1 each way. `brow`: lift, -1..1.
    """

    aperture: float = 0.0
    width: float = 1.0
    blink: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    brow: float = 0.0


class Pen:
    """Draws in head units on a canvas that shows part of the frame, magnified.

    Args:
        canvas: what is drawn on.
        pose: places head units in the frame.
        corner: frame pixel (x, y) of the canvas's upper left corner.
        zoom: canvas pixels per frame pixel.
    """

    def __init__(self, canvas: Canvas, pose: Pose, corner: tuple[int, int], zoom: int) -> None:
        self.canvas = canvas
        self.pose = pose
        self._corner = np.asarray(corner, dtype=np.float64)
        self._zoom = zoom
        self._unit = pose.scale * zoom

    def to_canvas(self, points: npt.ArrayLike, depth: float = 0.0) -> Points:
        """Head units to canvas pixels."""
        placed: Points = (self.pose.place(points, depth) - self._corner + 0.5) * self._zoom - 0.5
        return placed

    def fill(
        self,
        shape: Points,
        colour: Colour,
        *,
        depth: float = 0.0,
        opacity: float = 1.0,
        within: Points | None = None,
    ) -> None:
        """Fill a shape; `within` is in canvas pixels."""
        self.canvas.fill(self.to_canvas(shape, depth), colour, opacity=opacity, within=within)

    def soft(
        self,
        shape: Points,
        colour: Colour,
        *,
        opacity: float,
        blur: float,
        depth: float = 0.0,
        within: Points | None = None,
    ) -> None:
        """Fill with an edge that fades; `blur` in head units, `within` in canvas pixels."""
        placed = self.to_canvas(shape, depth)
        self.canvas.soft(placed, colour, opacity=opacity, blur=blur * self._unit, within=within)

    def stroke(self, path: Points, colour: Colour, width: float, *, depth: float = 0.0) -> None:
        """Draw a line; `width` in head units."""
        self.canvas.stroke(self.to_canvas(path, depth), colour, width * self._unit)


def mirror(half: npt.ArrayLike) -> Points:
    """An outline from its right half: the half, then its mirror image backwards, points on the axis once."""
    right = np.asarray(half, dtype=np.float64)
    left = right[right[:, 0] != 0][::-1] * (-1.0, 1.0)
    return np.concatenate([right, left])


def draw_head(pen: Pen, who: Presenter, face: Expression) -> None:
    """Draw ears, face, features and hair over what is already there (neck, back hair)."""
    gap = face.aperture * WIDEST_GAP
    outline = face_outline(who, 0.72 * gap)
    _ears(pen, who)
    pen.fill(outline, who.skin)
    inside = pen.to_canvas(outline)
    _shade_face(pen, who, inside)
    _nose(pen, who, inside)
    for side in (-1.0, 1.0):
        _eye(pen, who, face, side)
        _brow(pen, who, face, side)
    _mouth(pen, who, gap, face.width, inside)
    front_hair(pen, who)


def face_outline(who: Presenter, drop: float) -> Points:
    """Outline of the face with the chin lowered by `drop`."""
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


def _shadow(who: Presenter, depth: float = 0.45) -> Colour:
    """Skin in shadow: darker and warmer than skin times a grey."""
    return mix(who.skin, (74, 24, 18), depth)


def _light(who: Presenter) -> Colour:
    return mix(who.skin, (255, 246, 230), 0.55)


def _shade_face(pen: Pen, who: Presenter, inside: Points) -> None:
    shade, light = _shadow(who), _light(who)
    side = spline(
        [(0.42, -0.9), (0.95, -0.6), (1.0, 0.3), (0.75, 0.95), (0.2, 1.2), (0.46, 0.55), (0.56, 0.0)]
    )
    pen.soft(side, shade, opacity=0.42, blur=0.13, within=inside)
    pen.soft(ellipse(-0.22, -0.45, 0.34, 0.20), light, opacity=0.38, blur=0.13, depth=0.4, within=inside)
    pen.soft(ellipse(-0.40, 0.20, 0.17, 0.13), light, opacity=0.34, blur=0.09, depth=0.6, within=inside)
    pen.soft(ellipse(0.36, 0.20, 0.13, 0.10), light, opacity=0.20, blur=0.09, depth=0.6, within=inside)
    blush = mix(who.skin, (214, 74, 66), 0.5)
    for x in (-0.41, 0.41):
        pen.soft(ellipse(x, 0.34, 0.15, 0.11), blush, opacity=0.30, blur=0.08, depth=0.5, within=inside)
    for x in (-EYE_X, EYE_X):
        pen.soft(ellipse(x, -0.09, 0.20, 0.085), shade, opacity=0.30, blur=0.05, depth=0.8, within=inside)
        pen.soft(ellipse(x, 0.105, 0.13, 0.022), shade, opacity=0.20, blur=0.025, depth=0.8, within=inside)
    brim = spline(
        [(-0.8, -0.9), (0.8, -0.9), (0.72, -0.35), (0.35, -0.62), (0.0, -0.66), (-0.4, -0.6), (-0.74, -0.3)]
    )
    pen.soft(brim, shade, opacity=0.40, blur=0.05, depth=0.2, within=inside)


def _ears(pen: Pen, who: Presenter) -> None:
    shade = _shadow(who)
    for side in (-1.0, 1.0):
        x = side * 0.735 * who.face_width
        base = who.skin if side < 0 else mix(who.skin, shade, 0.35)
        pen.fill(ellipse(x, 0.06, 0.085, 0.175, tilt=side * -0.18), base, depth=-0.3)
        pen.soft(
            ellipse(x + side * 0.01, 0.05, 0.04, 0.11, tilt=side * -0.18),
            shade,
            opacity=0.55,
            blur=0.018,
            depth=-0.3,
        )


def _nose(pen: Pen, who: Presenter, inside: Points) -> None:
    w = who.nose_width
    shade, deep, light = _shadow(who), _shadow(who, 0.7), _light(who)
    bridge = spline(
        [(0.035, -0.12), (0.10, -0.02), (0.085 * w, 0.18), (0.145 * w, 0.33), (0.05, 0.36), (0.045, 0.1)]
    )
    pen.soft(bridge, shade, opacity=0.50, blur=0.025, depth=1.3, within=inside)
    pen.soft(
        spline([(-0.05, -0.14), (-0.10, -0.03), (-0.075, 0.02), (-0.045, -0.05)]),
        shade,
        opacity=0.35,
        blur=0.025,
        depth=1.2,
        within=inside,
    )
    ridge = spline([(-0.025, -0.10), (0.012, -0.10), (0.018, 0.26), (-0.035, 0.26)])
    pen.soft(ridge, light, opacity=0.42, blur=0.02, depth=1.4, within=inside)
    pen.soft(ellipse(0.02, 0.425, 0.13 * w, 0.032), shade, opacity=0.62, blur=0.022, depth=1.2, within=inside)
    ball = spline([(-0.07, 0.25), (0.06, 0.25), (0.085, 0.33), (0.0, 0.385), (-0.085, 0.33)])
    pen.soft(ball, mix(who.skin, light, 0.25), opacity=0.7, blur=0.02, depth=1.6, within=inside)
    pen.soft(ellipse(-0.025, 0.285, 0.03, 0.024), WHITE, opacity=0.40, blur=0.014, depth=1.7)
    for side in (-1.0, 1.0):
        wing = spline(
            [
                (side * 0.112 * w, 0.27),
                (side * 0.150 * w, 0.325),
                (side * 0.135 * w, 0.37),
                (side * 0.105 * w, 0.385),
            ],
            closed=False,
        )
        pen.soft(ellipse(side * 0.112 * w, 0.335, 0.042, 0.042), who.skin, opacity=0.6, blur=0.012, depth=1.4)
        pen.stroke(wing, mix(who.skin, deep, 0.62), 0.011, depth=1.4)
        pen.soft(
            ellipse(side * 0.060 * w, 0.378, 0.036, 0.015, tilt=side * -0.35),
            deep,
            opacity=0.9,
            blur=0.006,
            depth=1.5,
        )


def _eye(pen: Pen, who: Presenter, face: Expression, side: float) -> None:
    half = EYE_HALF * who.eye_size
    x, depth = side * EYE_X, 0.9
    upper, lower = _lids(half, face.blink, who.eye_size)
    span = np.linspace(-half, half, len(upper))
    # The outer corner sits a little higher, as it does in most faces.
    tilt = -0.07 * side * span
    lid = np.stack([x + span, upper + tilt], axis=1)
    under = np.stack([x + span, lower + tilt], axis=1)
    opening = np.concatenate([lid, under[::-1]])
    deep = _shadow(who, 0.75)
    if face.blink < 0.92:
        pen.fill(opening, SCLERA, depth=depth)
        clip = pen.to_canvas(opening, depth)
        _iris(pen, who, face, x, depth, clip)
        pen.soft(lid - (0, 0.005), BLACK, opacity=0.45, blur=0.012, depth=depth, within=clip)
        lid_shadow = np.concatenate([lid, lid[::-1] + (0, 0.03)])
        pen.soft(lid_shadow, (60, 50, 60), opacity=0.45, blur=0.012, depth=depth, within=clip)
    crease = np.stack([x + 1.02 * span, np.minimum(upper, -0.02) + tilt - 0.034], axis=1)[2:-2]
    pen.stroke(crease, mix(who.skin, deep, 0.45), 0.010, depth=depth)
    pen.stroke(under, mix(who.skin, deep, 0.55), 0.008, depth=depth)
    lash = np.concatenate([lid, [(x + side * half * 1.1, lid[-1 if side > 0 else 0, 1] - 0.018)]])
    if side < 0:
        lash = np.concatenate([[(x - half * 1.1, lid[0, 1] - 0.018)], lid])
    pen.stroke(
        lash, mix(who.hair_colour, BLACK, 0.55), 0.020 if who.voice_class == "high" else 0.015, depth=depth
    )


def _lids(half: float, blink: float, size: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Heights of the upper and lower lid over the eye's width; shut, both meet under the middle."""
    u = np.linspace(-1.0, 1.0, 25)
    arch = 1.0 - u**2
    upper_open, lower = -0.086 * size * arch**0.8, 0.050 * size * arch**0.9
    return upper_open + blink * (lower * 0.85 - upper_open), lower * (1 - 0.12 * blink)


def _iris(pen: Pen, who: Presenter, face: Expression, x: float, depth: float, clip: Points) -> None:
    radius = 0.071 * who.eye_size
    cx, cy = x + 0.035 * face.gaze[0], -0.014 + 0.02 * face.gaze[1]
    pen.fill(ellipse(cx, cy, radius, radius), mix(who.iris, BLACK, 0.55), depth=depth, within=clip)
    pen.fill(ellipse(cx, cy, radius * 0.86, radius * 0.86), who.iris, depth=depth, within=clip)
    pen.soft(
        ellipse(cx, cy + radius * 0.4, radius * 0.55, radius * 0.35),
        mix(who.iris, WHITE, 0.5),
        opacity=0.5,
        blur=0.012,
        depth=depth,
        within=clip,
    )
    pen.fill(ellipse(cx, cy, radius * 0.45, radius * 0.45), (14, 12, 14), depth=depth, within=clip)
    pen.fill(ellipse(cx - 0.022, cy - 0.024, 0.014, 0.014), WHITE, depth=depth, within=clip)
    pen.fill(ellipse(cx + 0.02, cy + 0.024, 0.007, 0.007), WHITE, depth=depth, opacity=0.7, within=clip)


def _brow(pen: Pen, who: Presenter, face: Expression, side: float) -> None:
    thick = 0.042 * who.brow_weight
    y = -0.215 - 0.03 * face.brow + 0.012 * face.blink
    arch = [(0.125, y + 0.002), (0.22, y - 0.022), (0.34, y - 0.032), (0.475, y + 0.034)]
    under = [(0.36, y - 0.032 + 0.75 * thick), (0.22, y - 0.022 + thick), (0.128, y + 0.002 + 0.95 * thick)]
    shape = spline(np.array(arch + under) * (side, 1.0))
    pen.soft(shape, mix(who.hair_colour, who.skin, 0.15), opacity=0.92, blur=0.007, depth=0.9)


def lip_lines(who: Presenter, gap: float, width: float) -> tuple[Points, Points, Points, Points]:
    """Outer upper, inner upper, inner lower and outer lower edge of the lips, each from left to right.

    The gap between the inner edges at the middle is `gap` head units exactly.
    """
    half = MOUTH_HALF * who.mouth_width * width
    pout = 1.0 + 0.8 * max(0.0, 1.0 - width)
    rise, fall = 0.22 * gap, 0.78 * gap
    corner = MOUTH_Y + 0.25 * gap - 0.012
    u = np.linspace(-1.0, 1.0, 41)
    # An open mouth is rounder than a parabola; the corners stay where they are.
    open_arch = (1 - np.abs(u) ** 2.4) ** 0.75
    rest = MOUTH_Y - 0.012 * np.abs(u) ** 2
    top = rest + (corner + 0.012 - MOUTH_Y) * np.abs(u) ** 2 - rise * open_arch
    bottom = rest + (corner + 0.012 - MOUTH_Y) * np.abs(u) ** 2 + fall * open_arch
    meet = 0.5 * (top[0] + bottom[0])
    top[[0, -1]] = bottom[[0, -1]] = meet
    upper_lip = 0.060 * who.lip_fullness * pout
    lower_lip = 0.082 * who.lip_fullness * pout
    taper = (1 - np.abs(u) ** 2.2) ** 0.8
    bow = taper * (1 - 0.16 * np.exp(-((u / 0.13) ** 2)))
    x = half * u
    edges = (top - upper_lip * bow, top, bottom, bottom + lower_lip * taper)
    outer_up, inner_up, inner_low, outer_low = (np.stack([x, edge], axis=1) for edge in edges)
    # The inner edges end before the outer corners do.
    inner_up, inner_low = inner_up * (0.93, 1.0), inner_low * (0.93, 1.0)
    return outer_up, inner_up, inner_low, outer_low


def _mouth(pen: Pen, who: Presenter, gap: float, width: float, inside: Points) -> None:
    depth = 1.1
    outer_up, inner_up, inner_low, outer_low = lip_lines(who, gap, width)
    shade = _shadow(who)
    low, half = outer_low[20, 1], outer_low[-1, 0]
    pen.soft(
        ellipse(0.02, low + 0.035, 0.14, 0.022), shade, opacity=0.50, blur=0.025, depth=1.0, within=inside
    )
    pen.soft(
        ellipse(0.0, low + 0.16, 0.13, 0.06), _light(who), opacity=0.22, blur=0.05, depth=0.9, within=inside
    )
    pen.soft(ellipse(0.0, 0.485, 0.024, 0.045), shade, opacity=0.22, blur=0.02, depth=1.1, within=inside)
    for side in (-1.0, 1.0):
        fold = spline([(side * 0.19, 0.37), (side * 0.30, 0.46), (side * (half + 0.075), 0.60)], closed=False)
        band = np.concatenate([fold, fold[::-1] + (side * 0.02, 0.0)])
        pen.soft(band, shade, opacity=0.40, blur=0.02, depth=0.9, within=inside)
        corner = ellipse(side * (half + 0.012), outer_up[-1, 1] + 0.004, 0.022, 0.014)
        pen.soft(corner, _shadow(who, 0.7), opacity=0.6, blur=0.012, depth=depth, within=inside)
    pen.fill(np.concatenate([outer_up, outer_low[::-1]]), who.lips, depth=depth)
    upper = np.concatenate([outer_up, inner_up[::-1]])
    pen.fill(upper, mix(who.lips, (70, 16, 22), 0.24), depth=depth)
    lower = pen.to_canvas(np.concatenate([inner_low, outer_low[::-1]]), depth)
    shine = ellipse(-0.03, 0.45 * inner_low[20, 1] + 0.55 * low, 0.42 * half, 0.018)
    pen.soft(shine, mix(who.lips, WHITE, 0.6), opacity=0.55, blur=0.014, depth=depth, within=lower)
    _interior(pen, gap, inner_up, inner_low, depth)
    line = inner_up if gap < 0.01 else np.concatenate([inner_up, inner_low[::-1]])
    pen.stroke(line, mix(who.lips, (40, 8, 12), 0.72), 0.012, depth=depth)


def _interior(pen: Pen, gap: float, inner_up: Points, inner_low: Points, depth: float) -> None:
    """Cavity, tongue and teeth, seen through the opening."""
    if gap < 0.004:
        return
    opening = np.concatenate([inner_up, inner_low[::-1]])
    clip = pen.to_canvas(opening, depth)
    pen.fill(opening, CAVITY, depth=depth)
    half, bottom = float(inner_up[-1, 0]), float(inner_low[20, 1])
    if gap > 0.04:
        tongue = ellipse(0.0, bottom + 0.005, 0.62 * half, 0.42 * gap)
        pen.soft(tongue, TONGUE, opacity=0.85, blur=0.018, depth=depth, within=clip)
    # Upper teeth hang from the skull: the lip rises off them, so they show most when it is high.
    u = np.linspace(-1.0, 1.0, len(inner_up))
    edge = inner_up[20, 1] + min(0.055, 0.5 * gap) * (1 - 0.2 * u**2)
    biting = np.stack([0.86 * inner_up[:, 0], edge], axis=1)
    teeth = np.concatenate([inner_up - (0, 0.02), biting[::-1]])
    pen.soft(teeth, TEETH, opacity=0.97, blur=0.006, depth=depth, within=clip)
    if gap > 0.11:
        lower = inner_low[8:33] * (0.8, 1.0)
        row = np.concatenate([lower - (0, 0.022), lower[::-1] + (0, 0.02)])
        pen.soft(row, mix(TEETH, CAVITY, 0.35), opacity=0.8, blur=0.006, depth=depth, within=clip)
    shade = np.concatenate([inner_up - (0, 0.02), inner_up[::-1] + (0, 0.016)])
    pen.soft(shade, (60, 26, 26), opacity=0.55, blur=0.012, depth=depth, within=clip)


_BOB_OUTER = [(-0.80, 0.98), (-0.93, 0.55), (-0.93, 0.0), (-0.86, -0.55), (-0.56, -1.04), (0.0, -1.22)]
_BOB_INNER = [
    (0.66, 0.92), (0.70, 0.45), (0.685, 0.05), (0.60, -0.34), (0.36, -0.60), (0.02, -0.74), (-0.24, -0.82),
    (-0.40, -0.60), (-0.56, -0.32), (-0.66, 0.05), (-0.69, 0.45), (-0.66, 0.92),
]  # fmt: skip
_SHORT_OUTER = [(-0.755, 0.04), (-0.80, -0.40), (-0.66, -0.92), (-0.34, -1.14), (0.0, -1.18)]
_SHORT_INNER = [
    (0.715, 0.02), (0.69, -0.26), (0.58, -0.50), (0.44, -0.66), (0.15, -0.69), (-0.15, -0.66), (-0.42, -0.70),
    (-0.58, -0.50), (-0.69, -0.26), (-0.715, 0.02),
]  # fmt: skip
_BUN_OUTER = [(-0.735, -0.06), (-0.78, -0.42), (-0.63, -0.90), (-0.32, -1.10), (0.0, -1.14)]
_BUN_INNER = [
    (0.70, -0.06), (0.665, -0.30), (0.54, -0.56), (0.30, -0.72), (0.0, -0.77), (-0.30, -0.72), (-0.54, -0.56),
    (-0.665, -0.30), (-0.70, -0.06),
]  # fmt: skip
_HAIR = {
    "bob": (_BOB_OUTER, _BOB_INNER),
    "short": (_SHORT_OUTER, _SHORT_INNER),
    "bun": (_BUN_OUTER, _BUN_INNER),
}


def back_hair(pen: Pen, who: Presenter) -> None:
    """The hair behind head and neck."""
    dark = mix(who.hair_colour, BLACK, 0.35)
    if who.hair == "bob":
        half = [(0.0, -1.18), (0.6, -1.0), (0.92, -0.4), (0.95, 0.3), (0.86, 0.98), (0.5, 1.06), (0.0, 1.0)]
        pen.fill(spline(mirror(half)), dark, depth=-0.6)
    elif who.hair == "bun":
        pen.fill(ellipse(0.02, -1.24, 0.34, 0.27), who.hair_colour, depth=-0.8)
        pen.soft(
            ellipse(-0.07, -1.33, 0.16, 0.07),
            mix(who.hair_colour, WHITE, 0.4),
            opacity=0.4,
            blur=0.05,
            depth=-0.8,
        )
        pen.soft(ellipse(0.02, -1.08, 0.26, 0.08), dark, opacity=0.7, blur=0.05, depth=-0.8)


def front_hair(pen: Pen, who: Presenter) -> None:
    """The hair over forehead and temples, with strands and a gloss."""
    left, inner = _HAIR[who.hair]
    wide = (who.face_width, 1.0)
    right = [(-x, y) for x, y in left[-2::-1]]
    outline = np.concatenate([spline(left + right, closed=False), spline(inner, closed=False)]) * wide
    pen.fill(outline, who.hair_colour, depth=0.25)
    clip = pen.to_canvas(outline, 0.25)
    gloss = mix(who.hair_colour, (255, 236, 214), 0.42)
    dark = mix(who.hair_colour, BLACK, 0.5)
    pen.soft(
        ellipse(-0.34, -0.88, 0.30, 0.09, tilt=-0.5), gloss, opacity=0.6, blur=0.06, depth=0.25, within=clip
    )
    pen.soft(
        ellipse(0.34, -0.93, 0.22, 0.06, tilt=0.5), gloss, opacity=0.35, blur=0.06, depth=0.25, within=clip
    )
    shade = spline([(0.5, -1.1), (1.0, -0.7), (1.0, 1.1), (0.72, 1.0), (0.72, -0.2)])
    pen.soft(shade, dark, opacity=0.5, blur=0.1, depth=0.25, within=clip)
    _strands(pen, who, dark)


def _strands(pen: Pen, who: Presenter, colour: Colour) -> None:
    """A few lines that follow the combing, from the parting to the temples."""
    line = mix(who.hair_colour, colour, 0.45)
    part = -0.24 if who.hair == "bob" else 0.0
    for share in (0.2, 0.45, 0.7):
        for side in (-1.0, 1.0):
            reach = side * (0.66 + 0.12 * share) * who.face_width
            top = -0.86 - 0.24 * share
            middle = (0.5 * (part + reach), top + 0.02)
            path = spline(
                [(part + side * 0.03, top - 0.04), middle, (reach, top + 0.36 - 0.1 * share)], closed=False
            )
            pen.stroke(path, line, 0.009, depth=0.25)
