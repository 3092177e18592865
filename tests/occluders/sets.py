"""The occluders that thresholds were chosen on, those that rates are reported on, and fresh ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from tests.occluders.sprites import Colour, Floats, fist, hand, microphone, mug

Kind = Literal["hand", "microphone", "mug"]
UNDER_LIPS = 0.2
"""Face scales from the middle of the lips to that of a thing under them."""


@dataclass(frozen=True)
class Occluder:
    """Something that comes before a mouth.

    Args:
        name: for tables.
        kind: hand, microphone or mug.
        draw: its sprite, given the skin of the person it passes, RGB.
        scale: its size over that in life.
        angle: degrees by which it is turned, counter-clockwise.
        heading: degrees from which it comes: 0 the right of the picture, 90 below.
        target: where its middle rests, face scales from the middle of the lips.
        enter: frames it takes to come, and to leave.
        sway: by how much it moves while it rests, face scales.
    """

    name: str
    kind: Kind
    draw: Callable[[Colour], Floats]
    scale: float = 1.0
    angle: float = 0.0
    heading: float = 90.0
    target: tuple[float, float] = (0.0, 0.0)
    enter: int = 12
    sway: float = 0.03

    @property
    def on_chin(self) -> bool:
        """Whether it rests under the lips and leaves them free."""
        return self.target[1] >= UNDER_LIPS


def _toned(skin: Colour, gain: float, red: float = 1.0) -> Colour:
    r, g, b = (min(255.0, gain * value) for value in skin)
    return (min(255.0, r * red), g, b)


TUNING: tuple[Occluder, ...] = (
    Occluder("own hand", "hand", lambda skin: hand(_toned(skin, 1.0)), angle=20),
    Occluder("darker hand, sideways", "hand", lambda skin: hand(_toned(skin, 0.7)), angle=80, heading=180),
    Occluder("own fist", "hand", lambda skin: fist(_toned(skin, 1.04)), enter=10),
    Occluder(
        "two fingers",
        "hand",
        lambda skin: hand(_toned(skin, 0.95), fingers=2, thumb=False),
        target=(0.18, 0.1),
        heading=70,
    ),
    Occluder(
        "open hand, fingers apart",
        "hand",
        lambda skin: hand(_toned(skin, 0.9), spread=0.14, palm=True),
        angle=-15,
        heading=110,
    ),
    Occluder("black foam", "microphone", lambda _: microphone((28, 28, 30)), target=(0.0, 0.12)),
    Occluder("red foam", "microphone", lambda _: microphone((176, 40, 44)), angle=25, heading=60),
    Occluder("blue foam, large", "microphone", lambda _: microphone((40, 70, 160)), scale=1.35, heading=120),
    Occluder(
        "silver wire",
        "microphone",
        lambda _: microphone((150, 152, 158), wire=True),
        enter=8,
        target=(0.05, 0.1),
    ),
    Occluder("white mug", "mug", lambda _: mug((232, 230, 224)), heading=60, enter=16),
    Occluder("dark blue mug", "mug", lambda _: mug((30, 44, 88)), angle=12),
    Occluder(
        "beige mug with bands",
        "mug",
        lambda _: mug((214, 180, 150), band=(120, 84, 60), bands=(0.3, 0.7)),
        angle=-10,
        heading=130,
    ),
    Occluder(
        "own fingers on the chin",
        "hand",
        lambda skin: hand(_toned(skin, 0.97)),
        angle=10,
        target=(0.05, 0.52),
    ),
    Occluder("own fist under the chin", "hand", lambda skin: fist(_toned(skin, 1.02)), target=(0.0, 0.68)),
    Occluder(
        "darker fingers across the chin",
        "hand",
        lambda skin: hand(_toned(skin, 0.75), fingers=2, thumb=False),
        angle=75,
        heading=180,
        target=(-0.1, 0.24),
    ),
    Occluder(
        "dark foam under the lips", "microphone", lambda _: microphone((40, 40, 44)), target=(0.0, 0.54)
    ),
)

HELD_OUT: tuple[Occluder, ...] = (
    Occluder(
        "own hand from the right",
        "hand",
        lambda skin: hand(_toned(skin, 0.93), spread=0.02)[:, ::-1],
        angle=62,
        heading=15,
        enter=9,
        target=(0.05, 0.05),
    ),
    Occluder(
        "lighter hand, inside",
        "hand",
        lambda skin: hand(_toned(skin, 1.12), palm=True),
        scale=0.9,
        angle=-38,
        heading=125,
        enter=18,
        sway=0.06,
    ),
    Occluder("another's dark hand", "hand", lambda _: hand((104, 66, 48), spread=0.09), angle=-8, heading=95),
    Occluder(
        "own fist from the side",
        "hand",
        lambda skin: fist(_toned(skin, 0.9, 1.04))[:, ::-1],
        angle=50,
        heading=30,
    ),
    Occluder(
        "three fingers across",
        "hand",
        lambda skin: hand(_toned(skin, 1.0, 1.03), fingers=3, thumb=False),
        scale=1.1,
        angle=-84,
        heading=185,
        target=(-0.1, 0.05),
        enter=7,
    ),
    Occluder("grey foam", "microphone", lambda _: microphone((118, 120, 122)), angle=-30, heading=130),
    Occluder(
        "yellow foam, small",
        "microphone",
        lambda _: microphone((226, 190, 48), radius=0.28),
        target=(0.06, 0.04),
        enter=15,
        sway=0.05,
    ),
    Occluder(
        "foam like lips",
        "microphone",
        lambda _: microphone((196, 104, 96), radius=0.38),
        angle=10,
        heading=80,
    ),
    Occluder(
        "foam like skin", "microphone", lambda skin: microphone(_toned(skin, 0.95), radius=0.36), heading=100
    ),
    Occluder(
        "black wire",
        "microphone",
        lambda _: microphone((46, 46, 50), radius=0.31, wire=True),
        angle=-15,
        heading=110,
        enter=6,
        target=(-0.04, 0.1),
    ),
    Occluder("red mug", "mug", lambda _: mug((168, 36, 34)), scale=0.9, angle=18, heading=40),
    Occluder(
        "green mug with dots",
        "mug",
        lambda _: mug((52, 110, 74), dots=(236, 232, 220)),
        angle=-14,
        heading=120,
        enter=20,
        sway=0.05,
    ),
    Occluder(
        "paper cup",
        "mug",
        lambda _: mug((186, 146, 108), width=0.8, height=1.25, handle=False, taper=0.25, band=(96, 66, 46)),
        heading=75,
        enter=11,
    ),
    Occluder(
        "own finger and thumb at the chin",
        "hand",
        lambda skin: hand(_toned(skin, 1.05), fingers=1, palm=True),
        angle=-28,
        heading=60,
        target=(0.12, 0.6),
        enter=9,
    ),
    Occluder(
        "own fist at the side of the chin",
        "hand",
        lambda skin: fist(_toned(skin, 0.93))[:, ::-1],
        angle=-35,
        heading=140,
        target=(-0.25, 0.7),
        sway=0.05,
    ),
    Occluder(
        "another's light fingers along the jaw",
        "hand",
        lambda _: hand((232, 198, 176), fingers=2, thumb=False, spread=0.03),
        scale=0.95,
        angle=-80,
        heading=0,
        target=(0.1, 0.72),
        enter=14,
    ),
    Occluder(
        "blue foam under the lips, small",
        "microphone",
        lambda _: microphone((60, 84, 150), radius=0.27),
        heading=115,
        target=(0.04, 0.5),
    ),
)

FRESH_SEED, FRESH_OF_EACH = 20261, 5
TONES: tuple[Colour, ...] = ((72, 46, 34), (128, 86, 62), (176, 132, 104), (214, 172, 146), (240, 206, 188))
"""Of hands that are another's."""


def _drawn_by_chance(rng: np.random.Generator, number: int, kind: Kind) -> Occluder:
    """One occluder; what it is and how it passes are chance. Every fourth rests under the lips."""
    colour = (float(rng.uniform(20, 240)), float(rng.uniform(20, 240)), float(rng.uniform(20, 240)))
    tone = TONES[int(rng.integers(len(TONES)))]
    own, gain = bool(rng.random() < 0.5), float(rng.uniform(0.8, 1.15))
    fingers, spread, size = (
        int(rng.integers(2, 5)),
        float(rng.uniform(0, 0.12)),
        float(rng.uniform(0.85, 1.15)),
    )
    flags, weave = rng.random(4) < 0.5, float(rng.uniform(0.05, 0.25))
    seed = int(rng.integers(2**31))

    def draw(skin: Colour) -> Floats:
        flesh = _toned(skin, gain) if own else tone
        if kind == "hand":
            drawn = (
                fist(flesh)
                if flags[0] and flags[1]
                else hand(flesh, fingers=fingers, spread=spread, thumb=bool(flags[2]), palm=bool(flags[3]))
            )
            return drawn[:, ::-1] if flags[1] else drawn
        if kind == "microphone":
            return _woven(microphone(colour, radius=0.34 * size, wire=bool(flags[0])), weave, seed)
        ring = (255 - colour[0], 255 - colour[1], 255 - colour[2])
        return _woven(
            mug(
                colour,
                width=0.86 * size,
                height=float(0.98 / size),
                band=ring if flags[0] else None,
                dots=ring if flags[1] else None,
                handle=bool(flags[2]),
                taper=0.2 if flags[3] else 0.0,
            ),
            weave,
            seed,
        )

    under = number % 4 == 3
    aside, down = (
        float(rng.uniform(-0.12, 0.12)),
        float(rng.uniform(0.5, 0.68) if under else rng.uniform(0, 0.12)),
    )
    return Occluder(
        name=f"fresh {kind} {number + 1}",
        kind=kind,
        draw=draw,
        scale=float(rng.uniform(0.9, 1.3)),
        angle=float(rng.uniform(-60, 60) if kind == "hand" else rng.uniform(-25, 25)),
        heading=float(rng.uniform(20, 160)),
        target=(aside, down),
        enter=int(rng.integers(5, 22)),
        sway=float(rng.uniform(0.01, 0.07)),
    )


def _woven(sprite: Floats, strength: float, seed: int) -> Floats:
    """A sprite whose surface has a pattern of its own: patches of chance, lighter and darker."""
    noise = np.random.default_rng(seed).normal(0, 1, sprite.shape[:2]).astype(np.float32)
    patches = cv2.GaussianBlur(noise, (0, 0), 5.0)
    woven = sprite.copy()
    woven[..., :3] = np.clip(sprite[..., :3] * (1 + strength * patches / patches.std())[..., None], 0, 255)
    return woven


def _by_chance() -> tuple[Occluder, ...]:
    rng = np.random.default_rng(FRESH_SEED)
    kinds: tuple[Kind, ...] = ("hand", "microphone", "mug")
    return tuple(_drawn_by_chance(rng, number, kind) for kind in kinds for number in range(FRESH_OF_EACH))


FRESH = _by_chance()
"""Drawn by chance, once: nothing is ever tuned on them, and none is left out for being hard."""
