"""Lip-sync: tracked faces and dry clips in, patch tracks out. A backend never writes a video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from loc.artifacts import DubTrack, Ref, Source, Stems, Transcript
from loc.backend import Backend
from loc.stage import Slot


@dataclass(frozen=True)
class Inputs:
    source: Slot[Source]
    stems: Slot[Stems]
    transcript: Slot[Transcript]
    dub: Slot[DubTrack]


@dataclass(frozen=True)
class MouthPlan:
    """What the mouth should do, per frame of a redraw (n frames).

    `aperture`: float32 [n], 0 closed .. 1 the person's widest. `width`: float32 [n], 1 = neutral, below = rounded.
    `opacity`: float32 [n], 0 the source's pixels .. 1 drawn; fades where speech begins and ends.
    `audio`: float32 [m] mono 16 kHz, dry and level-normalised, `audio_start` the sample (16 kHz) of the first
    frame in it, for backends driven by sound.
    """

    aperture: npt.NDArray[np.float32]
    width: npt.NDArray[np.float32]
    opacity: npt.NDArray[np.float32]
    audio: npt.NDArray[np.float32]
    audio_start: int


@dataclass(frozen=True)
class RedrawWindow:
    """What a backend reads for one redraw: n frames of one chunk, one face.

    `landmarks`: float32 [n, points, 2], coded source pixels (x, y), smoothed, no gaps.
    `profile`: files of the person's profile, by name, as made by `profile`.
    `frames()`: yields n RGB frames, uint8 [h, w, 3], in coded orientation; may be called once per pass.
    """

    landmarks: npt.NDArray[np.float32]
    plan: MouthPlan
    profile: Mapping[str, Any]
    frames: Any
    seed: int
    """Index of the first frame in the source: noise is seeded by a frame's place in the source."""


@dataclass(frozen=True)
class Patch:
    """One generated frame.

    `pixels`: uint8 [height, width, 3] RGB, the same size throughout a redraw.
    `matrix`: float64 [2, 3], patch pixel centres to coded source pixel centres.
    `polygon`: float32 [k, 2], outline of the mask in patch pixels, k constant in a redraw.
    `feather`: width of the soft edge inside the polygon, patch pixels.
    """

    pixels: npt.NDArray[np.uint8]
    matrix: npt.NDArray[np.float64]
    polygon: npt.NDArray[np.float32]
    feather: float


class Drafter(Backend, Protocol):
    """A mouth renderer."""

    def profile(self, tracks: Any, frames: Any) -> Mapping[str, Ref | float]:
        """Measure what the renderer needs to know of a person over a whole shot."""
        ...

    def draw(self, window: RedrawWindow) -> Iterator[Patch]:
        """Draw every frame of the window, in order, in constant memory."""
        ...
