"""How our mesh's three points meet LatentSync's template on real clips.

    python bench/latentsync_points.py CLIPS [-o bench/results/latentsync_points.json]

The published weights were trained on faces aligned by brows and nose of another detector, which may not be
used commercially and is not asked here. What can be asked is the template: after the similarity that brings
our points onto it, where do they lie, over the width of the face between the ears? *offset* is of the
middle of the three points, *scale* the distance of the brows over the template's, *miss* how far brows and
nose lie from their places, medians over frames; *spread* is the standard deviation over frames of the
nose's place after a face's own median is taken off, in whole of tracking and of the head's turning.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import machine, show
from loc.analysis.faces import BROW_LEFT, BROW_RIGHT
from stages.lipsync.latentsync import align
from stages.lipsync.latentsync.drawing import NOSE

CLIPS = ("address.mp4", "portrait_hevc.mp4", "studio_silent.mp4")
EARS = (234, 454)
FRAMES = 40
SIDE = 256


def faces(path: Path) -> np.ndarray:
    """Mesh points of some frames of a clip, float64 [n, 468, 2]."""
    import cv2
    import mediapipe

    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True)
    film = cv2.VideoCapture(str(path))
    found = []
    for index in np.linspace(0, film.get(cv2.CAP_PROP_FRAME_COUNT) - 1, FRAMES).astype(int):
        film.set(cv2.CAP_PROP_POS_FRAMES, int(index))
        there, frame = film.read()
        seen = mesh.process(frame[:, :, ::-1]) if there else None
        if seen is not None and seen.multi_face_landmarks:
            size = frame.shape[1::-1]
            points = seen.multi_face_landmarks[0].landmark
            found.append([(point.x * size[0], point.y * size[1]) for point in points])
    return np.array(found)


def measured(points: np.ndarray) -> dict[str, Any]:
    """Figures of one clip."""
    three = align.mean_points(points, (BROW_LEFT, BROW_RIGHT, NOSE))
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/latentsync_points.py")
    parser.add_argument("clips", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    clips = {name: measured(faces(asked.clips / name)) for name in CLIPS}
    show({"machine": machine(), "clips": clips}, asked.output)


if __name__ == "__main__":
    main()
