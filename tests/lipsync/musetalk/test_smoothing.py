"""One-Euro filters: trembling is more than halved, and lips that part are not late."""

from __future__ import annotations

import numpy as np

from stages.lipsync.musetalk.boxes import Quantities
from stages.lipsync.musetalk.smoothing import PIXEL_CUTOFF, PIXEL_RISE, OneEuro, SteadyBoxes

FRAME = 0.04


def steady_boxes(faces: list[Quantities]) -> list[Quantities]:
    held = SteadyBoxes()
    steady = [held(face, FRAME) for face in faces]
    return [face for face in steady if face is not None]


def test_trembling_pixels_are_held() -> None:
    rng = np.random.default_rng(0)
    passing = OneEuro(PIXEL_CUTOFF, PIXEL_RISE)
    given = 0.5 + rng.normal(0, 2 / 255, (100, 500))
    kept = np.stack([passing(values, FRAME) for values in given])
    assert np.diff(kept[10:], axis=0).std() < 0.5 * np.diff(given[10:], axis=0).std()


def test_lips_that_part_pass() -> None:
    passing = OneEuro(PIXEL_CUTOFF, PIXEL_RISE)
    given = np.concatenate([np.full(20, 0.7), [0.45], np.full(10, 0.2)])
    kept = np.array([float(passing(np.array([value]), FRAME)[0]) for value in given])
    assert (given[20] - kept[20]) / (given[20] - 0.7) < 0.5
    # Of a change of half the scale within two frames four fifths are seen one frame after it ended.
    assert kept[22] < 0.2 + 0.5 * 0.2


def test_boxes_stand_still_and_follow_a_nod() -> None:
    rng = np.random.default_rng(0)
    base = np.array([200.0, 190.0, 210.0, 300.0, 120.0, 260.0])
    still = [Quantities(*(base + rng.normal(0, 0.4, 6))) for _ in range(100)]
    steady = steady_boxes(still)
    trembling = np.diff([face.bottom for face in still]).std()
    assert np.diff([face.bottom for face in steady[10:]]).std() < 0.5 * trembling
    nod = [Quantities(*(base + 30 * np.sin(index * 0.2))) for index in range(100)]
    followed = steady_boxes(nod)
    late = max(abs(a.middle - b.middle) for a, b in zip(nod, followed, strict=True))
    assert late < 6


def test_a_face_that_was_away_stands_for_itself_again() -> None:
    held = SteadyBoxes()
    face = Quantities(200.0, 190.0, 210.0, 300.0, 120.0, 260.0)
    other = Quantities(240.0, 230.0, 250.0, 340.0, 160.0, 300.0)
    assert held(face, FRAME) == face
    assert held(None, FRAME) is None
    assert held(other, FRAME) == other
