"""The occluders that thresholds were chosen on, and those that rates are reported on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

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
