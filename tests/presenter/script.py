"""What is said, who is seen, and what is true of the result."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from loc.artifacts import Frozen, Phones, Ratio
from tests.presenter.looks import MINA, Presenter

Framing = Literal["medium", "close", "pair"]
Backdrop = Literal["study", "plain"]


@dataclass(frozen=True)
class Said:
    """One line of speech; it begins `pause` seconds after the line before it has ended."""

    speaker: Presenter
    text: str
    pause: float = 0.5


@dataclass(frozen=True)
class Shot:
    """One camera set-up, from half-way through the pause before line `first_line` until the next shot.

    `cast` is who is seen; a speaker who is not in it is heard from off screen.
    """

    first_line: int = 0
    framing: Framing = "medium"
    backdrop: Backdrop = "study"
    cast: tuple[Presenter, ...] = (MINA,)


@dataclass(frozen=True)
class Script:
    """A whole film. `tail`: silence after the last line, seconds. `size`: (width, height), both even."""

    lines: tuple[Said, ...]
    shots: tuple[Shot, ...] = (Shot(),)
    language: str = "en"
    music: bool = True
    music_db: float = -15.0
    """Level of the music against the speech."""
    tail: float = 0.6
    size: tuple[int, int] = (1280, 720)
    fps: Fraction = Fraction(25)


class LineTruth(Frozen):
    """A line as it is spoken. Times are samples at 48 kHz from the first frame."""

    speaker: str
    voice_class: Literal["low", "high"]
    text: str
    start: int
    stop: int
    phones: Phones
    """In samples from `start`."""


class ShotTruth(Frozen):
    """Frames `start` <= i < `stop`, and the names of those who are seen."""

    start: int
    stop: int
    cast: tuple[str, ...]


class FaceTruth(Frozen):
    """One person in one shot, frame by frame from the shot's first, as in the middle of each frame's time."""

    presenter: str
    start: int
    """First frame."""
    aperture: tuple[float, ...]
    """0 lips closed .. 1 widest."""
    width: tuple[float, ...]
    """Of the mouth; 1 neutral, below rounded."""
    blink: tuple[float, ...]
    """0 open .. 1 shut."""
    gap: tuple[float, ...]
    """Pixels between the inner edges of the lips at the middle of the mouth."""
    box: tuple[tuple[float, float, float, float], ...]
    """Upright box around the face, hairline to chin: left, top, right, bottom in pixels."""


class Truth(Frozen):
    """Everything that is known of a drawn film, because it was drawn."""

    size: tuple[int, int]
    fps: Ratio
    frames: int
    samples: int
    """Length at 48 kHz."""
    language: str
    music: bool
    lines: tuple[LineTruth, ...]
    shots: tuple[ShotTruth, ...]
    faces: tuple[FaceTruth, ...]
