"""Who a drawn presenter is: colours, proportions, hair, clothes and voice. None of them exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.presenter.canvas import Colour

Hair = Literal["short", "bob", "bun"]
Clothes = Literal["jacket", "jumper"]


@dataclass(frozen=True)
class Presenter:
    """A person to be drawn. Lengths are in head units: the face is 2 high from crown to chin.

    `seed` drives what moves by itself: head, blinks, gaze.
    """

    name: str
    seed: int
    voice_class: Literal["low", "high"]
    voice_variant: int
    skin: Colour
    lips: Colour
    hair_colour: Colour
    iris: Colour
    hair: Hair
    clothes: Clothes
    cloth: Colour
    shirt: Colour
    face_width: float = 1.0
    """Of the average face."""
    jaw: float = 1.0
    """Width of the jaw against the cheeks; above 1 is square."""
    eye_size: float = 1.0
    mouth_width: float = 1.0
    lip_fullness: float = 1.0
    brow_weight: float = 1.0
    nose_width: float = 1.0
    lashes: float = 0.015
    """Thickness of the line of the upper lid, head units."""


MINA = Presenter(
    name="Mina",
    seed=11,
    voice_class="high",
    voice_variant=0,
    skin=(232, 190, 160),
    lips=(190, 92, 88),
    hair_colour=(58, 38, 30),
    iris=(92, 62, 40),
    hair="bob",
    clothes="jacket",
    cloth=(38, 78, 96),
    shirt=(236, 232, 224),
    face_width=0.96,
    jaw=0.94,
    eye_size=1.08,
    lip_fullness=1.12,
    brow_weight=0.85,
    nose_width=0.92,
    lashes=0.020,
)
"""The presenter of the sample."""

OTTO = Presenter(
    name="Otto",
    seed=23,
    voice_class="low",
    voice_variant=0,
    skin=(150, 100, 72),
    lips=(128, 68, 60),
    hair_colour=(26, 22, 22),
    iris=(58, 38, 26),
    hair="short",
    clothes="jumper",
    cloth=(150, 62, 48),
    shirt=(226, 220, 206),
    face_width=1.03,
    jaw=1.1,
    eye_size=0.96,
    mouth_width=1.06,
    brow_weight=1.3,
    nose_width=1.12,
)

NORA = Presenter(
    name="Nora",
    seed=37,
    voice_class="high",
    voice_variant=1,
    skin=(244, 212, 190),
    lips=(206, 112, 106),
    hair_colour=(172, 98, 48),
    iris=(70, 112, 92),
    hair="bun",
    clothes="jumper",
    cloth=(88, 104, 66),
    shirt=(240, 236, 230),
    face_width=0.93,
    jaw=0.97,
    eye_size=1.04,
    nose_width=0.9,
    lashes=0.019,
)

HUGO = Presenter(
    name="Hugo",
    seed=41,
    voice_class="low",
    voice_variant=1,
    skin=(240, 200, 172),
    lips=(186, 112, 100),
    hair_colour=(116, 92, 64),
    iris=(74, 98, 128),
    hair="short",
    clothes="jacket",
    cloth=(54, 54, 66),
    shirt=(202, 214, 228),
    jaw=1.05,
    brow_weight=1.15,
    nose_width=1.04,
)

PRESENTERS = (MINA, OTTO, NORA, HUGO)
