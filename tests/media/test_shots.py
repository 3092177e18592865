"""Cuts are found where they are, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from loc.media.frames import scan_frames
from loc.media.probe import probe_source
from loc.media.shots import ShotFinder
from loc.settings import Settings

Picture = npt.NDArray[np.uint8]
SIZE = (120, 160)


def scene(seed: int) -> Picture:
    """A picture of coloured patches, uint8 [h, w, 3], twice as wide as shown."""
    random = np.random.default_rng(seed)
    patches = random.integers(30, 226, (6, 16, 3))
    return np.kron(patches, np.ones((20, 20, 1))).astype(np.uint8)


def pan(picture: Picture, frames: int, step: int = 2) -> list[Picture]:
    return [picture[:, step * index : step * index + SIZE[1]] for index in range(frames)]


def found(pictures: Iterable[Picture]) -> list[tuple[int, int]]:
    finder = ShotFinder(Fraction(25))
    for picture in pictures:
        finder.look(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
    return [(shot.start, shot.stop) for shot in finder.shots()]


def test_cuts_between_moving_scenes() -> None:
    pictures = pan(scene(1), 40) + pan(scene(2), 33) + pan(scene(3), 50)
    assert found(pictures) == [(0, 40), (40, 73), (73, 123)]


def test_a_pan_is_no_cut() -> None:
    assert found(pan(scene(1), 75)) == [(0, 75)]


def test_a_fade_is_no_cut() -> None:
    faded = [(scene(4)[:, :160] * (1 - index / 40)).astype(np.uint8) for index in range(40)]
    assert found(faded) == [(0, 40)]


def test_a_shot_is_not_shorter_than_half_a_second() -> None:
    flash = [np.full((*SIZE, 3), 250, np.uint8)] * 2
    pictures = pan(scene(1), 40) + pan(scene(2), 6) + flash + pan(scene(2), 40)
    shots = found(pictures)
    assert shots[0] == (0, 40)
    assert all(stop - start >= 12 for start, stop in shots)


@pytest.mark.parametrize("shape", [(6, 12), (4, 16), (9, 9)])
def test_a_picture_that_changes_its_shape_midway_is_looked_at_on(shape: tuple[int, int]) -> None:
    narrow = [np.ascontiguousarray(picture[: 20 * shape[0], : 20 * shape[1]]) for picture in [scene(2)] * 40]
    assert found([*pan(scene(1), 40), *narrow]) == [(0, 40), (40, 80)]


def test_stillness_is_the_change_from_the_frame_before() -> None:
    finder = ShotFinder(Fraction(25))
    for level in (50, 50, 60, 57):
        picture = np.full((*SIZE, 3), level, np.uint8)
        finder.look(av.VideoFrame.from_ndarray(picture, format="rgb24"))
    changes = finder.changes()
    assert changes[0] == 0
    assert np.allclose(changes[1:], [0, 10, 3], atol=1)


def test_the_real_clips_are_single_shots(clips: Path) -> None:
    for name in ("address.mp4", "portrait_hevc.mp4", "studio_silent.mp4"):
        video = probe_source(clips / name, Settings()).video
        finder = ShotFinder(video.average_rate)
        scan = scan_frames(clips / name, video, finder.look)
        assert [(shot.start, shot.stop) for shot in finder.shots()] == [(0, len(scan.pts))], name
