"""How our mesh's three points meet LatentSync's template, on real clips and beside published aligned faces.

    python bench/latentsync_points.py CLIPS [--figure framework.png] [-o bench/results/latentsync_points.json]

The published weights were trained on faces aligned by brows and nose of other detectors, one of which may not
be used commercially and is not asked here. What can be asked:

- *clips*: the template. After the similarity that brings our points onto it, where do they lie, over the
  width of the face between the ears? *offset* is of the middle of the three points, *scale* the distance of
  the brows over the template's, *miss* how far brows and nose lie from their places, medians over frames;
  *spread* is the standard deviation over frames of the nose's place after a face's own median is taken off,
  in whole of tracking and of the head's turning.
- *published*: the same for the mesh's points that LatentSync's own code names for the 68 landmarks which 1.0
  and 1.5 were trained on.
- *figure*: what the authors' detector made of a face. `docs/framework.png` of github.com/bytedance/LatentSync
  shows pictures as the network is given them. Their corners are found by the mask that is drawn in one of
  them, whose place is known. Where would our points lay the same face? *scale* and *offset* of that, the
  latter over the face's width, right and down above 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.machine import machine, show
from stages.lipsync.latentsync import align, mask
from stages.lipsync.latentsync.drawing import THREE

CLIPS = ("address.mp4", "portrait_hevc.mp4", "studio_silent.mp4")
EARS = (234, 454)
MIDDLE = (*EARS, 10, 152)
"""Both ears, forehead and chin."""
FRAMES = 40
SIDE = 256
PUBLISHED = (
    (71, 63, 105, 66, 107),
    (336, 296, 334, 293, 301),
    (168, 197, 5, 4, 75, 97, 2, 326, 305),
)
"""Of 68 landmarks the brows, 17 to 21 and 22 to 26, and the nose, 27 to 35, as mesh points."""
BORDERS = {
    "ground truth": (3090, 261, 3266, 435),
    "estimated": (2737, 487, 2913, 662),
    "reference": (82, 603, 259, 779),
}
"""In the figure, about: left, top, right and bottom of the lines around three pictures."""
MASKED = (87, 326, 266, 504)
"""Of the picture with the mask."""
GREY = 128
FINE = 3
"""Pixels of the canvas are drawn this many times as large for the mesh."""


def mesh_of(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64] | None:
    """Mesh points of a picture uint8 [h, w, 3] BGR, float64 [468, 2] pixels."""
    seen = _mesh().process(np.ascontiguousarray(picture[:, :, ::-1]))
    if not seen.multi_face_landmarks:
        return None
    points = seen.multi_face_landmarks[0].landmark
    places = np.array([(point.x, point.y) for point in points], dtype=np.float64)
    return places * np.array(picture.shape[1::-1], dtype=np.float64)


@cache
def _mesh() -> Any:
    import mediapipe

    return mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True)


def faces(path: Path) -> npt.NDArray[np.float64]:
    """Mesh points of some frames of a clip, float64 [n, 468, 2]."""
    import cv2

    film = cv2.VideoCapture(str(path))
    found = []
    for index in np.linspace(0, film.get(cv2.CAP_PROP_FRAME_COUNT) - 1, FRAMES).astype(int):
        film.set(cv2.CAP_PROP_POS_FRAMES, int(index))
        there, frame = film.read()
        points = mesh_of(np.asarray(frame, dtype=np.uint8)) if there else None
        if points is not None:
            found.append(points)
    return np.array(found)


def measured(points: npt.NDArray[np.float64], groups: Any) -> dict[str, Any]:
    """Figures of one clip."""
    three = align.mean_points(points, groups)
    goal = align.template(SIDE)
    offsets, scales, misses, noses = [], [], [], []
    for face, mesh in zip(three, points, strict=True):
        matrix, _ = align.similarity(face, goal)
        laid = face @ matrix[:, :2].T + matrix[:, 2]
        ears = mesh[list(EARS)] @ matrix[:, :2].T
        width = float(np.linalg.norm(ears[0] - ears[1]))
        offsets.append(np.linalg.norm((laid - goal).mean(axis=0)) / width)
        scales.append(np.linalg.norm(laid[1] - laid[0]) / np.linalg.norm(goal[1] - goal[0]))
        misses.append(np.linalg.norm(laid - goal, axis=1) / width)
        noses.append((laid[2] - goal[2]) / width)
    brows, nose = np.median(misses, axis=0)[:2].mean(), np.median(misses, axis=0)[2]
    return {
        "frames": len(points),
        "offset": round(float(np.median(offsets)), 4),
        "scale": round(float(np.median(scales)), 3),
        "miss_brows": round(float(brows), 4),
        "miss_nose": round(float(nose), 4),
        "spread": round(float(np.std(noses - np.median(noses, axis=0), axis=0).max()), 4),
    }


def line(profile: npt.NDArray[np.float64], near: int) -> float:
    """The middle of a dark line, by how dark it is."""
    part = np.clip(90 - profile[near - 10 : near + 11].astype(float), 0, None)
    return float(near - 10 + (part * np.arange(len(part))).sum() / part.sum())


def border(figure: npt.NDArray[np.uint8], box: tuple[int, int, int, int]) -> npt.NDArray[np.float64]:
    """The middles of the lines round a picture: left, top, right, bottom."""
    light = figure.max(axis=2)
    x0, y0, x1, y1 = box
    across = light[y0 + 20 : y1 - 20].mean(axis=0)
    down = light[:, x0 + 20 : x1 - 20].mean(axis=1)
    return np.array([line(across, x0), line(down, y0), line(across, x1), line(down, y1)])


def inset(figure: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """How far the corners of a picture lie inside the lines around it, right and down: told by the mask."""
    import cv2
    from scipy.optimize import minimize

    x0, y0, x1, y1 = MASKED
    edges = border(figure, MASKED) - np.array([x0, y0, x0, y0])
    part = figure[y0:y1, x0:x1].astype(int)
    grey = ((np.abs(part - GREY).max(axis=2) < 8) & (np.ptp(part, axis=2) < 6)).astype(np.float32)
    ours = cv2.GaussianBlur((mask.kept(SIDE) < 1).astype(np.float32), (0, 0), 1.5)
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]] + 0.5

    def apart(corners: npt.NDArray[np.float64]) -> float:
        left, top, right, bottom = corners
        across = ((columns - left) * SIDE / (right - left) - 0.5).astype(np.float32)
        down = ((rows - top) * SIDE / (bottom - top) - 0.5).astype(np.float32)
        return float(np.square(cv2.remap(ours, across, down, cv2.INTER_LINEAR) - grey).sum())

    starts = [edges + by * np.array([1, 1, -1, -1]) for by in (0.0, 3.0, 6.0)]
    best = min((minimize(apart, start, method="Nelder-Mead") for start in starts), key=lambda one: one.fun)
    return np.asarray(best.x - 0.5 - edges)


def beside_published(path: Path) -> dict[str, Any]:
    """Where our points lay the faces that the authors' detector laid."""
    import cv2

    figure = np.asarray(cv2.imread(str(path)), dtype=np.uint8)
    inside, found = inset(figure), {}
    goal, (width, height) = align.template(SIDE), align.canvas_size(SIDE)
    for name, box in BORDERS.items():
        left, top, right, bottom = border(figure, box) + inside
        onto = np.array([[width / (right - left), 0, 0], [0, height / (bottom - top), 0]])
        onto[:, 2] = -onto[:, 0] * left - onto[:, 1] * top
        laid = cv2.warpAffine(figure, onto * FINE, (width * FINE, height * FINE), flags=cv2.INTER_CUBIC)
        around = width
        framed = cv2.copyMakeBorder(laid, around, around, around, around, cv2.BORDER_REPLICATE)
        seen = mesh_of(np.asarray(framed, dtype=np.uint8))
        assert seen is not None
        found[name] = _apart((seen - around) / FINE, goal)
    return found


def _apart(points: npt.NDArray[np.float64], goal: npt.NDArray[np.float64]) -> Mapping[str, Any]:
    (three,) = align.mean_points(points[None], THREE)
    matrix, _ = align.similarity(three, goal)
    middle = points[list(MIDDLE)].mean(axis=0)
    width = np.linalg.norm(points[EARS[0]] - points[EARS[1]])
    moved = (matrix[:, :2] @ middle + matrix[:, 2] - middle) / width
    scale = np.sqrt(np.linalg.det(matrix[:, :2]))
    return {"scale": round(float(scale), 4), "offset": [round(float(one), 4) for one in moved]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/latentsync_points.py")
    parser.add_argument("clips", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    points = {name: faces(asked.clips / name) for name in CLIPS}
    result = {
        "machine": machine(),
        "clips": {name: measured(each, THREE) for name, each in points.items()},
        "published": {name: measured(each, PUBLISHED) for name, each in points.items()},
        "figure": beside_published(asked.figure) if asked.figure else None,
    }
    show(result, asked.output)


if __name__ == "__main__":
    main()
