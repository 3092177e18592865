"""Faces cut out of frames, and put back where they were as patches."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from loc.analysis.faces import transform, upright_size, upright_transform
from loc.artifacts import VideoStream
from loc.errors import LocError
from loc.media.colour import to_rgb
from loc.media.compose import soft_mask
from loc.media.frames import Planes
from stages.lipsync.contract import Patch
from stages.lipsync.light import Ring, lit, mean_colour, ring_round
from stages.lipsync.musetalk import boxes, model, outline
from stages.lipsync.musetalk.knobs import Knobs

Matrix = npt.NDArray[np.float64]

RING_WIDTH = 12
"""Pixels of a drawn face outside its mask in which light is compared."""
MOST_SHIFT = 24.0
"""Levels by which a drawn face's colour is moved at most: more is no difference of light."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a face lies in its frame.

    Args:
        matrix: pixel centres of its square to coded pixel centres, float64 [2, 3].
        polygon: the mask's outline in the square's pixels, float32 [k, 2].
        feather: width of the mask's soft edge inside it, the square's pixels.
        light: mean colour round the mask, see `light`.
    """

    matrix: Matrix
    polygon: npt.NDArray[np.float32]
    feather: float
    light: npt.NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class Cutting:
    """A face cut out of a frame: its upright square, uint8 [SIDE, SIDE, 3] RGB, and where it lies."""

    pixels: npt.NDArray[np.uint8]
    place: Place


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
    return Cutting(pixels, Place(matrix, polygon, float(soft * scale), light(pixels, polygon)))


def square_matrix(box: boxes.IntBox, rotation: int) -> Matrix:
    """Pixel centres of the upright square to coded pixel centres, float64 [2, 3].

    Args:
        box: what it shows, coded pixels.
        rotation: degrees counter-clockwise by which the coded picture is turned to be shown.
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


def patch(place: Place, drawn: npt.NDArray[np.uint8], knobs: Knobs) -> Patch:
    """A drawn face where it was cut out."""
    pixels = matched(drawn, place) if knobs.colour_match else drawn
    return Patch(pixels, place.matrix, place.polygon, place.feather)


def matched(drawn: npt.NDArray[np.uint8], place: Place) -> npt.NDArray[np.uint8]:
    """A drawn face with the light that the picture has round its mask, where both show the same skin."""
    moved = lit(drawn, _ring(place.polygon, drawn.shape), place.light, MOST_SHIFT)
    return np.asarray(np.clip(np.rint(moved), 0, 255), dtype=np.uint8)


def light(pixels: npt.NDArray[np.uint8], polygon: npt.NDArray[np.float32]) -> npt.NDArray[np.float64] | None:
    """Mean colour of a face in the ring round its mask, float64 [3]; None where there is no such ring."""
    return mean_colour(pixels, _ring(polygon, pixels.shape))


def _ring(polygon: npt.NDArray[np.float32], shape: tuple[int, ...]) -> Ring:
    ring = ring_round(soft_mask(polygon, 1.0, shape) > 0, RING_WIDTH)
    # Above the middle both show the same picture; below the jaw's line background may lie.
    ring[model.SIDE // 2 :] = False
    return ring
