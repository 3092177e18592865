"""Sprites: float32 [h, w, 4], RGB 0..255 and coverage 0..1, light from the upper left.

Lengths are in face scales (the distance of the outer eye corners, about 92 mm in life): a finger is 0.2
thick, a mug 0.9 wide. The sprite's middle is the point that is laid on its target; `UNIT` pixels make a face
scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Colour = tuple[float, float, float]
Point = tuple[float, float]

UNIT = 120
"""Pixels of a sprite for each face scale: more than any clip shows."""
HALF = 3.0
"""A sprite reaches this far from its middle, face scales."""
LIGHT = np.array([-0.5, -0.6, 0.62])
EDGE = 0.02
"""Width of the soft edge of everything drawn, face scales."""


@dataclass(frozen=True)
class _Grid:
    """Where each pixel of a sprite lies, face scales from its middle."""

    x: Floats
    y: Floats

    @classmethod
    def new(cls) -> _Grid:
        side = np.arange(round(2 * HALF * UNIT), dtype=np.float32) / UNIT - HALF
        x, y = np.meshgrid(side, side)
        return cls(x, y)


class Sprite:
    """A picture with coverage, painted from back to front."""

    def __init__(self) -> None:
        self.grid = _Grid.new()
        self.rgba = np.zeros((*self.grid.x.shape, 4), dtype=np.float32)

    def paint(self, alpha: Floats, colour: Colour | Floats, shade: Floats | float = 1.0) -> None:
        """Lay a colour over what is there; `shade` multiplies it."""
        tone = np.asarray(colour, dtype=np.float32) * np.asarray(shade, dtype=np.float32)[..., None]
        weight = alpha[..., None]
        self.rgba[..., :3] += (np.clip(tone, 0, 255) - self.rgba[..., :3]) * weight
        self.rgba[..., 3] = np.maximum(self.rgba[..., 3], alpha)

    def capsule(self, a: Point, b: Point, radius: float, colour: Colour, *, relief: float = 0.8) -> None:
        """A round bar from `a` to `b`, shaded as a cylinder; `relief` 0 is flat."""
        grid, (ax, ay), (bx, by) = self.grid, a, b
        length = (bx - ax) ** 2 + (by - ay) ** 2 + 1e-9
        along = np.clip(((grid.x - ax) * (bx - ax) + (grid.y - ay) * (by - ay)) / length, 0, 1)
        dx, dy = grid.x - (ax + along * (bx - ax)), grid.y - (ay + along * (by - ay))
        distance = np.hypot(dx, dy)
        alpha = np.clip((radius - distance) / EDGE + 0.5, 0, 1).astype(np.float32)
        nx, ny = dx / radius, dy / radius
        nz = np.sqrt(np.clip(1 - nx**2 - ny**2, 0.02, 1))
        self.paint(alpha, colour, _lit(nx, ny, nz, relief))

    def ball(self, x: float, y: float, radius: float, colour: Colour, *, grain: float, mesh: float) -> None:
        """A ball of foam (`grain`: strength of its speckle) or wire (`mesh`: of its lattice)."""
        grid = self.grid
        nx, ny = (grid.x - x) / radius, (grid.y - y) / radius
        distance = np.hypot(nx, ny)
        alpha = np.clip((1 - distance) * radius / EDGE + 0.5, 0, 1).astype(np.float32)
        nz = np.sqrt(np.clip(1 - nx**2 - ny**2, 0.02, 1))
        shade = _lit(nx, ny, nz, 0.9)
        speckle = np.random.default_rng(7).normal(0, 1, shade.shape).astype(np.float32)
        shade = shade + grain * 4 * cv2.GaussianBlur(speckle, (0, 0), 2.0)
        lattice = np.sin(70 * np.arcsin(np.clip(nx, -1, 1))) * np.sin(70 * np.arcsin(np.clip(ny, -1, 1)))
        self.paint(alpha, colour, np.asarray(shade * (1 + mesh * lattice), dtype=np.float32))

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, opacity: float = 1.0) -> None:
        """A flat ellipse."""
        near = np.hypot((self.grid.x - x) / rx, (self.grid.y - y) / ry)
        alpha = np.clip((1 - near) * min(rx, ry) / EDGE + 0.5, 0, 1) * opacity
        self.paint(np.asarray(alpha, dtype=np.float32), colour)


def _lit(nx: Floats, ny: Floats, nz: Floats, relief: float) -> Floats:
    facing = np.clip(nx * LIGHT[0] + ny * LIGHT[1] + nz * LIGHT[2], 0, 1)
    return np.asarray(1 - relief + relief * (0.45 + 0.8 * facing), dtype=np.float32)


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    r, g, b = ((1 - share) * a + share * z for a, z in zip(first, second, strict=True))
    return (r, g, b)


def hand(
    skin: Colour, *, spread: float = 0.06, fingers: int = 4, thumb: bool = True, palm: bool = False
) -> Floats:
    """A hand with its fingers up, the middle of the fingers on the target.

    Args:
        spread: gap between fingers at their tips, face scales.
        fingers: how many are stretched; the rest are bent.
        palm: seen from inside, without nails and with lines.
    """
    sprite = Sprite()
    dark = _mixed(skin, (60, 20, 10), 0.45)
    lengths = (0.72, 0.82, 0.78, 0.6)
    sprite.capsule((0.0, 1.5), (0.0, 3.2), 0.34, skin)
    for index in range(4):
        root = (-0.33 + 0.22 * index, 0.72)
        sprite.capsule(root, (0.6 * root[0], 1.45), 0.2, skin, relief=0.25)
    if thumb:
        sprite.capsule((-0.35, 1.25), (-0.62, 0.75), 0.13, skin)
        sprite.capsule((-0.62, 0.75), (-0.72, 0.35), 0.115, skin)
    for index, length in enumerate(lengths):
        root = (-0.33 + 0.22 * index, 0.66)
        lean = (index - 1.5) * (0.02 + spread)
        if index >= fingers:
            sprite.capsule(root, (root[0], 0.86), 0.115, _mixed(skin, dark, 0.12))
            continue
        tip = (root[0] + 1.6 * lean, 0.55 - length)
        sprite.capsule(root, tip, 0.105, skin)
        for joint in (0.3, 0.62):
            x, y = (root[0] + joint * (tip[0] - root[0]), root[1] + joint * (tip[1] - root[1]))
            sprite.ellipse(x, y, 0.07, 0.012, dark, 0.55)
        if not palm:
            sprite.ellipse(tip[0], tip[1] + 0.0, 0.055, 0.075, _mixed(skin, (255, 215, 210), 0.5), 0.8)
    if palm:
        for y in (0.95, 1.15):
            sprite.capsule((-0.3, y), (0.3, y - 0.08), 0.012, dark, relief=0.0)
    return sprite.rgba


def fist(skin: Colour) -> Floats:
    """A closed hand seen from its knuckles."""
    sprite = Sprite()
    dark = _mixed(skin, (60, 20, 10), 0.5)
    sprite.capsule((0.1, 0.6), (0.5, 3.0), 0.33, skin)
    sprite.capsule((-0.25, 0.15), (0.28, 0.15), 0.36, skin, relief=0.3)
    for index in range(4):
        x = -0.36 + 0.235 * index
        sprite.capsule((x, -0.25), (x + 0.03, 0.22), 0.125, skin)
        sprite.ellipse(x, -0.2, 0.05, 0.014, dark, 0.5)
    sprite.capsule((-0.42, 0.4), (0.1, 0.34), 0.12, skin)
    sprite.ellipse(0.14, 0.33, 0.07, 0.055, _mixed(skin, (255, 215, 210), 0.5), 0.8)
    return sprite.rgba


def microphone(
    colour: Colour, *, radius: float = 0.34, handle: Colour = (35, 35, 38), wire: bool = False
) -> Floats:
    """A hand-held microphone from below, its head on the target."""
    sprite = Sprite()
    sprite.capsule((0.05, radius + 0.1), (0.35, 3.2), 0.17, handle)
    sprite.capsule((0.03, radius), (0.06, radius + 0.15), 0.2, (150, 150, 155))
    sprite.ball(0, 0, radius, colour, grain=0.02 if wire else 0.12, mesh=0.35 if wire else 0.0)
    if wire:
        sprite.capsule((-radius, 0.05), (radius, 0.05), 0.035, (185, 185, 190), relief=0.4)
    return sprite.rgba


def mug(
    colour: Colour,
    *,
    width: float = 0.86,
    height: float = 0.98,
    band: Colour | None = None,
    dots: Colour | None = None,
    bands: Sequence[float] = (0.4,),
    handle: bool = True,
    taper: float = 0.0,
) -> Floats:
    """A mug, the target in its upper third.

    Args:
        band: colour of the rings at `bands`, shares of the height.
        dots: colour of a pattern of dots.
        taper: by how much it is narrower at its foot, share of its width: a paper cup.
    """
    sprite = Sprite()
    grid, half, top = sprite.grid, width / 2, -0.3
    if handle:
        ring = np.abs(np.hypot((grid.x - half) / 0.9, grid.y - top - height / 2) - 0.27)
        alpha = np.clip((0.07 - ring) / EDGE + 0.5, 0, 1).astype(np.float32)
        sprite.paint(alpha, colour, 0.85)
    down = (grid.y - top) / height
    side = half * (1 - taper * np.clip(down, 0, 1))
    bulge = 0.1 * np.sqrt(np.clip(1 - (grid.x / side) ** 2, 0, 1))
    inside = np.minimum(
        side - np.abs(grid.x), np.minimum(grid.y - top + bulge, top + height + bulge - grid.y)
    )
    alpha = np.clip(inside / EDGE + 0.5, 0, 1).astype(np.float32)
    nx = np.clip(grid.x / side, -1, 1)
    shade = _lit(nx, np.zeros_like(nx), np.sqrt(np.clip(1 - nx**2, 0.02, 1)), 0.75)
    tone = np.broadcast_to(np.array(colour, np.float32), (*nx.shape, 3)).copy()
    if band is not None:
        for place in bands:
            tone[np.abs(down - place - bulge * 0.5) < 0.07] = band
    if dots is not None:
        around = np.arcsin(np.clip(nx, -1, 1)) / 0.42
        offset = (np.floor(down / 0.16) % 2) * 0.5
        across = (around + offset) % 1 - 0.5
        tone[np.hypot(across * 0.2, (down / 0.16 % 1 - 0.5) * 0.16) < 0.045] = dots
    sprite.paint(alpha, tone, shade)
    sprite.ellipse(0, top, half, 0.1, _mixed(colour, (20, 15, 10), 0.25))
    sprite.ellipse(0, top + 0.015, half * 0.92, 0.08, (52, 34, 24))
    return sprite.rgba
