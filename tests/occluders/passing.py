"""Occluders on their way before a face: where they are in each frame, how it looks, what they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loc.artifacts import VideoStream
from loc.media.colour import Box, rgb_to_yuv
from loc.media.frames import Planes
from tests.occluders.sets import Occluder
from tests.occluders.sprites import HALF, UNIT, Floats

AWAY = 3.2
"""Where an occluder comes from, face scales from its target: out of the face."""
EXPOSURES = 3
"""Places a moving thing is drawn at in one frame: its motion blur over half of the frame's time."""
SOFTNESS = 0.9
"""Blur of the lens on all edges, standard deviation in pixels."""
SHADOW, SHADOW_REACH = 0.25, 0.09
"""How much darker its shadow makes the face, and how wide the shadow's edge is, face scales."""
OVER_LIPS = 0.5
"""A pixel counts as covered from this coverage on."""


@dataclass(frozen=True)
class Passing:
    """One occluder's way through a film.

    Args:
        what: the occluder.
        start: the frame in which it sets out.
        hold: frames it rests on its target.
        beside: rests this far off its target instead, face scales: near the mouth and not over it.
    """

    what: Occluder
    start: int
    hold: int
    beside: tuple[float, float] = (0.0, 0.0)

    @property
    def stop(self) -> int:
        """The frame after the last in which it can be seen."""
        return self.start + 2 * self.what.enter + self.hold

    def place(self, time: float) -> npt.NDArray[np.float64]:
        """Its middle at a time in frames, face scales from the middle of the lips."""
        what, since = self.what, time - self.start
        come = np.clip(min(since, self.stop - time) / what.enter, 0, 1)
        eased = come * come * (3 - 2 * come)
        angle = np.radians(what.heading)
        far = AWAY * (1 - eased) * np.array([np.cos(angle), np.sin(angle)])
        sway = what.sway * np.array([np.sin(since / 7), np.cos(since / 9)])
        return np.asarray(np.add(what.target, self.beside) + far + sway)


Schedule = Sequence[Passing]


@dataclass(frozen=True)
class Placed:
    """The face that an occluder passes, in one frame.

    Args:
        mouth: the middle of the lips, upright pixels (x, y).
        scale: the face's, pixels.
    """

    mouth: npt.NDArray[np.float64]
    scale: float


def schedule(
    occluders: Sequence[Occluder], frames: int, *, hold: int = 24, gap: int = 16, seed: int = 0
) -> list[Schedule]:
    """Passes over a film of `frames`, each with as many occluders one after the other as find room.

    Before and after each the face is free for `gap` frames. Every third one comes again and rests beside the
    mouth.
    """
    rng = np.random.default_rng(seed)
    wanted = [Passing(what, 0, hold) for what in occluders]
    for what in occluders[::3]:
        side = rng.choice([-1.0, 1.0])
        wanted.append(Passing(what, 0, hold, beside=(side * 0.95 * max(1.0, what.scale), 0.75)))
    passes: list[Schedule] = []
    current: list[Passing] = []
    at = gap
    for item in wanted:
        length = item.stop - item.start
        if current and at + length + gap > frames:
            passes.append(current)
            current, at = [], gap
        current.append(
            Passing(item.what, at, min(hold, max(4, frames - at - 2 * item.what.enter)), item.beside)
        )
        at += length + gap
    return [*passes, current]


class _Shown:
    """The sprites of a schedule, drawn once."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, tuple[float, ...]], Floats] = {}

    def __call__(self, what: Occluder, skin: tuple[float, float, float]) -> Floats:
        key = (what.name, skin)
        if key not in self._held:
            drawn = what.draw(skin).copy()
            drawn[..., :3] *= drawn[..., 3:]
            self._held[key] = drawn
        return self._held[key]


_sprites = _Shown()


def lay_over(
    planes: Planes,
    video: VideoStream,
    passing: Schedule,
    index: int,
    face: Placed,
    skin: tuple[float, float, float],
) -> tuple[Planes, Floats]:
    """(the frame with what passes laid over it, coverage float32 [height, width] 0..1).

    Args:
        planes: an upright picture with square pixels.
        index: the frame's place in the schedule.
        skin: of the person, RGB.
    """
    height, width = planes.y.shape
    coverage = np.zeros((height, width), dtype=np.float32)
    reach = AWAY * face.scale
    x0, y0 = (max(0, int(value - reach)) & ~1 for value in face.mouth)
    x1, y1 = min(width, int(face.mouth[0] + reach)), min(height, int(face.mouth[1] + reach))
    near = Placed(face.mouth - (x0, y0), face.scale)
    layer = np.zeros((y1 - y0, x1 - x0, 4), dtype=np.float32)
    for item in passing:
        if item.start <= index < item.stop:
            layer = _over(layer, _laid(item, index, near, skin, (x1 - x0, y1 - y0)))
    coverage[y0:y1, x0:x1] = layer[..., 3]
    if not coverage.any():
        return planes, coverage
    return blended(planes, video, layer, (x0, y0, x1, y1), SHADOW_REACH * face.scale), coverage


def blended(planes: Planes, video: VideoStream, layer: Floats, box: Box, shadow_reach: float = 0.0) -> Planes:
    """The picture with a layer, RGB times coverage and coverage, over a part of it; with its shadow where it
    reaches anywhere, pixels."""
    alpha = layer[..., 3]
    zero = rgb_to_yuv(np.zeros((1, 1, 3), dtype=np.float32), video)[0, 0]
    # Times coverage, offsets included, so that planes of any size blend alike.
    yuv = rgb_to_yuv(np.ascontiguousarray(layer[..., :3]), video) - zero * (1 - alpha[..., None])
    shadow = SHADOW * cv2.GaussianBlur(alpha, (0, 0), shadow_reach) if shadow_reach else np.zeros_like(alpha)
    limit = 255 if planes.y.dtype == np.uint8 else 1023
    blended = []
    for index, plane in enumerate((planes.y, planes.u, planes.v)):
        sx = 1 if plane.shape[1] == planes.y.shape[1] else 2
        sy = 1 if plane.shape[0] == planes.y.shape[0] else 2
        part = plane[box[1] // sy : -(-box[3] // sy), box[0] // sx : -(-box[2] // sx)]
        size = (part.shape[1], part.shape[0])
        share = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        colour = cv2.resize(yuv[..., index], size, interpolation=cv2.INTER_AREA)
        below = part.astype(np.float32)
        if index == 0:
            below = zero[0] + (below - zero[0]) * (1 - shadow)
        done = plane.copy()
        done[box[1] // sy : -(-box[3] // sy), box[0] // sx : -(-box[2] // sx)] = np.clip(
            np.rint(below * (1 - share) + colour), 0, limit
        )
        blended.append(done)
    return Planes(*blended)


def _laid(
    item: Passing, index: int, face: Placed, skin: tuple[float, float, float], size: tuple[int, int]
) -> Floats:
    sprite = _sprites(item.what, skin)
    total = np.zeros((size[1], size[0], 4), dtype=np.float32)
    zoom = face.scale * item.what.scale / UNIT
    blurred = cv2.GaussianBlur(sprite, (0, 0), 0.5 / zoom) if zoom < 0.8 else sprite
    turn = np.radians(item.what.angle)
    linear = zoom * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    for part in range(EXPOSURES):
        at = face.mouth + face.scale * item.place(index + 0.5 * part / EXPOSURES)
        matrix = np.column_stack([linear, at - linear @ np.full(2, HALF * UNIT)])
        total += cv2.warpAffine(blurred, matrix, size, flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(total / EXPOSURES, (0, 0), SOFTNESS), dtype=np.float32)


def _over(below: Floats, above: Floats) -> Floats:
    return np.asarray(above + below * (1 - above[..., 3:]), dtype=np.float32)


def cover(alpha: Floats, lips: npt.NDArray[np.floating[Any]]) -> float:
    """Share of the lips that is covered.

    Args:
        alpha: coverage of the picture.
        lips: outline of the outer lips, float [k, 2], pixels.
    """
    mask = np.zeros(alpha.shape, dtype=np.uint8)
    cv2.fillPoly(mask, [np.round(lips).astype(np.int32)], (1,))
    return float((alpha[mask > 0] > OVER_LIPS).mean()) if mask.any() else 0.0
