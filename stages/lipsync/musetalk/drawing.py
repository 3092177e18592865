"""One redraw by MuseTalk: frames and sound to patches, a batch at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from loc.analysis.faces import transform, upright_size, upright_transform
from loc.artifacts import VideoStream
from loc.device import Devices
from loc.errors import LocError
from loc.media.colour import to_rgb
from loc.media.compose import soft_mask
from loc.media.frames import Planes
from stages.lipsync.contract import HEARD_RATE, Patch, RedrawWindow
from stages.lipsync.musetalk import boxes, model, outline, windows
from stages.lipsync.musetalk.knobs import Knobs
from stages.lipsync.musetalk.smoothing import PIXEL_CUTOFF, PIXEL_RISE, OneEuro, steady_boxes

if TYPE_CHECKING:
    from torch import Tensor

Matrix = npt.NDArray[np.float64]

RING_WIDTH = 12
"""Pixels of a drawn face outside its mask in which light is compared."""
MOST_SHIFT = 24.0
"""Levels by which a drawn face's colour is moved at most: more is no difference of light."""


@dataclass(frozen=True, eq=False)
class Cutting:
    """A face cut out of a frame.

    Args:
        pixels: uint8 [SIDE, SIDE, 3] RGB, upright.
        matrix: its pixel centres to coded pixel centres, float64 [2, 3].
        polygon: the mask's outline in its pixels, float32 [k, 2].
        feather: width of the mask's soft edge inside it, its pixels.
        light: mean colour round the mask, see `light`.
    """

    pixels: npt.NDArray[np.uint8]
    matrix: Matrix
    polygon: npt.NDArray[np.float32]
    feather: float
    light: npt.NDArray[np.float64] | None


def cut(
    planes: Planes,
    video: VideoStream,
    points: npt.NDArray[np.float32],
    knobs: Knobs,
    face: boxes.Quantities | None = None,
) -> Cutting:
    """Cut the face out of a frame as MuseTalk was trained to see it: its box, stretched to a square.

    Args:
        points: mesh points, [POINT_COUNT, 2], coded pixels.
        face: what its box is made of; None: as the points have it.

    Raises:
        LocError: the face has left the picture.
    """
    upright = upright_transform(video)
    seen = transform(points.astype(np.float64), upright)
    width, height = (int(side) for side in upright_size(video))
    face = face or boxes.from_mesh(seen)
    box = boxes.clamped(face, knobs.bbox_shift, knobs.extra_margin, width, height)
    if box is None:
        raise LocError("A face is too small or has left the picture.")
    there = boxes.coded(box, video)
    turned = np.rot90(to_rgb(planes, video, there), video.rotation // 90)
    square = cv2.resize(
        np.ascontiguousarray(turned), (model.SIDE, model.SIDE), interpolation=cv2.INTER_LANCZOS4
    )
    matrix = square_matrix(there, video.rotation)
    line, soft = outline.outline(seen, knobs, box)
    to_patch = np.asarray(cv2.invertAffineTransform(matrix), dtype=np.float64)
    coded = transform(line, np.asarray(cv2.invertAffineTransform(upright), dtype=np.float64))
    scale = model.SIDE / np.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    pixels = np.asarray(square, dtype=np.uint8)
    polygon = transform(coded, to_patch).astype(np.float32)
    return Cutting(pixels, matrix, polygon, float(soft * scale), light(pixels, polygon))


def square_matrix(box: boxes.IntBox, rotation: int) -> Matrix:
    """Pixel centres of the upright square to coded pixel centres, float64 [2, 3].

    Args:
        box: what it shows, coded pixels.
        rotation: degrees clockwise by which the coded picture is turned to be shown.
    """
    x1, y1, x2, y2 = box
    across, down = (x2 - x1) / model.SIDE, (y2 - y1) / model.SIDE
    last = model.SIDE - 1
    # Upright square to the coded one: the turn back.
    turn = {
        0: [[1, 0, 0], [0, 1, 0]],
        90: [[0, -1, last], [1, 0, 0]],
        180: [[-1, 0, last], [0, -1, last]],
        270: [[0, 1, 0], [-1, 0, last]],
    }[rotation]
    stretch = np.array([[across, 0, x1 + across / 2 - 0.5], [0, down, y1 + down / 2 - 0.5]])
    return np.asarray(stretch @ np.vstack([np.array(turn, dtype=np.float64), [0, 0, 1]]))


def patches(
    nets: model.Model, window: RedrawWindow, knobs: Knobs, batch: int, devices: Devices
) -> Iterator[Patch]:
    """Every frame of a redraw, drawn, `batch` at a time and in halves of it where memory ends.

    Raises:
        LocError: a face has left the picture.
    """
    heard = window.heard
    assert heard is not None, "it hears"
    rows = nets.hear(heard.sound)
    table = windows.rows_at(heard.middles, HEARD_RATE, knobs.audio_padding_left, knobs.audio_padding_right)
    gaps = np.maximum(np.diff(heard.middles), 1) / HEARD_RATE
    faces = _steady(window, gaps) if knobs.smoothing else [None] * len(table)
    passing = OneEuro(PIXEL_CUTOFF, PIXEL_RISE) if knobs.smoothing else None
    frames = zip(window.pictures(), window.points, table, faces, strict=True)
    done = 0
    while group := list(itertools.islice(frames, batch)):
        cuttings = [cut(planes, window.video, points, knobs, face) for planes, points, _, face in group]
        squares = np.stack([cutting.pixels for cutting in cuttings])
        tokens = model.tokens_of(rows, np.stack([near for _, _, near, _ in group]))
        drawn = devices.halving("MuseTalk", batch, partial(_drawn, nets, squares, tokens))
        for cutting, pixels in zip(cuttings, drawn, strict=True):
            shown = pixels
            if passing is not None:
                gap = float(gaps[done - 1]) if done else 1.0
                shown = np.rint(255 * passing(pixels / 255, gap)).astype(np.uint8)
            done += 1
            yield patch(cutting, shown, knobs)


def _steady(window: RedrawWindow, gaps: npt.NDArray[np.float64]) -> list[boxes.Quantities]:
    """What the boxes of a redraw's frames are made of, without their trembling."""
    upright = upright_transform(window.video)
    own = [boxes.from_mesh(transform(points.astype(np.float64), upright)) for points in window.points]
    return steady_boxes(own, gaps.tolist())


def _drawn(nets: model.Model, faces: model.Faces, tokens: Tensor, size: int) -> model.Faces:
    """A batch, `size` at a time."""
    parts = [
        nets.draw(nets.see(faces[start : start + size]), tokens[start : start + size])
        for start in range(0, len(faces), size)
    ]
    return np.concatenate(parts)


def patch(cutting: Cutting, drawn: npt.NDArray[np.uint8], knobs: Knobs) -> Patch:
    """A drawn face where it was cut out."""
    pixels = matched(drawn, cutting) if knobs.colour_match else drawn
    return Patch(pixels, cutting.matrix, cutting.polygon, cutting.feather)


def matched(drawn: npt.NDArray[np.uint8], cutting: Cutting) -> npt.NDArray[np.uint8]:
    """A drawn face with the light that the picture has round its mask, where both show the same skin."""
    here = light(drawn, cutting.polygon)
    if here is None or cutting.light is None:
        return drawn
    moved = drawn + np.clip(cutting.light - here, -MOST_SHIFT, MOST_SHIFT)
    return np.asarray(np.clip(np.rint(moved), 0, 255), dtype=np.uint8)


def light(pixels: npt.NDArray[np.uint8], polygon: npt.NDArray[np.float32]) -> npt.NDArray[np.float64] | None:
    """Mean colour of a face in the ring round its mask, float64 [3]; None where there is no such ring."""
    mask = (soft_mask(polygon, 1.0, pixels.shape) > 0).astype(np.uint8)
    reach = 2 * RING_WIDTH + 1
    near = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    ring = (near > 0) & (mask == 0)
    # Above the middle both show the same picture; below the jaw's line background may lie.
    ring[model.SIDE // 2 :] = False
    return pixels[ring].mean(axis=0) if ring.any() else None
