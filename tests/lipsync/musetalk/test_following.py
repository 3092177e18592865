"""A film's face, given in blocks from a file, is the face that following it whole gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from loc.analysis.faces import Faces, foremost
from loc.media.frames import Planes
from stages.lipsync.musetalk.following import follow_film
from stages.lipsync.tracks import prepare

COUNT = 90
RATE = Fraction(25)


def track(seed: int, size: float, absent: tuple[tuple[int, int], ...]) -> Faces:
    """A trembling face of some size, with gaps."""
    rng = np.random.default_rng(seed)
    face = Faces.absent(COUNT)
    mesh = rng.uniform(100, 100 + size, face.points.shape[1:])
    face.points[:] = mesh + rng.normal(0, 0.3, face.points.shape) + np.arange(COUNT)[:, None, None] * 0.2
    face.box[:], face.pose[:] = rng.uniform(0, 300, face.box.shape), rng.uniform(-9, 9, face.pose.shape)
    face.size[:], face.sharpness[:] = size, rng.uniform(0, 9, COUNT)
    face.confidence[:], face.rival[:] = 0.9, rng.uniform(0, 1, COUNT)
    face.mouth[:] = rng.integers(-90, 90, face.mouth.shape)
    for start, stop in absent:
        for item in fields(Faces):
            getattr(face, item.name)[start:stop] = getattr(Faces.absent(1), item.name)
    return face


class Tracker:
    """Tells what tracks say of each frame."""

    def __init__(self, tracks: Mapping[int, Faces]) -> None:
        self._tracks = tracks

    def track(self, _planes: Planes, index: int) -> dict[int, Faces]:
        return {number: one[index : index + 1] for number, one in self._tracks.items()}


@pytest.mark.parametrize("block", [1, 7, 32, 1000])
def test_blocks_are_the_whole(tmp_path: Path, block: int) -> None:
    """Gaps of all lengths, across the edges of blocks, and a second, smaller face."""
    tracks = {
        4: track(4, 40, ((0, 3), (30, 60))),
        7: track(7, 90, ((10, 15), (20, 26), (31, 33), (38, 44), (61, 62), (85, 90))),
    }
    nothing = Planes(*(np.zeros((2, 2), np.uint8) for _ in range(3)))
    followed = follow_film(Tracker(tracks), [nothing] * COUNT, tmp_path / "rows", RATE)  # type: ignore[arg-type]
    whole = prepare(foremost([tracks[7], tracks[4]], COUNT), RATE)
    found = Faces.join(followed.prepared(block))
    for item in fields(Faces):
        np.testing.assert_array_equal(getattr(found, item.name), getattr(whole, item.name), item.name)


def test_a_film_without_a_face_has_none(tmp_path: Path) -> None:
    nothing = Planes(*(np.zeros((2, 2), np.uint8) for _ in range(3)))
    followed = follow_film(Tracker({}), [nothing] * 3, tmp_path / "rows", RATE)  # type: ignore[arg-type]
    assert followed.seen == 0
    assert list(followed.points()) == [None] * 3
