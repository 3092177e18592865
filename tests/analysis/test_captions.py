"""Subtitles that are part of a source's picture: seen in many styles, and not where there are none."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from loc.analysis.captions import TextWatch, find
from loc.artifacts import SAMPLE_RATE, FrameRange, Subtitled
from loc.media.arrays import load_arrays
from loc.media.timeline import Timeline
from tests.subtitled import LINES, RATE, SECONDS, Paint, Picture, put, scene, subtitles


def title(picture: Picture, number: int) -> None:
    if 50 <= number < 120:
        put(picture, "Jane Doe, Professor", 330, 255, 0, None)


def logo(picture: Picture, number: int) -> None:
    put(picture, "CHANNEL FIVE LIVE", 330, 255, 0, None)


def ticker(picture: Picture, number: int) -> None:
    wide = np.zeros((40, 3000, 3), np.uint8)
    cv2.putText(wide, LINES[1] * 6, (0, 28), cv2.FONT_HERSHEY_DUPLEX, 0.75, (255,) * 3, 2, cv2.LINE_AA)
    picture[310:350] = wide[:, 4 * number : 4 * number + picture.shape[1]]


def nothing(picture: Picture, number: int) -> None:
    pass


def watch(
    paint: Paint,
    tmp_path: Path,
    *,
    turned: bool = False,
    shots: Sequence[int] = (),
    speech: Sequence[tuple[float, float]] = ((0, SECONDS),),
) -> Subtitled | None:
    """What is found in a film of `scene`, painted over.

    Args:
        turned: coded lying on its side, for players to turn by 90 degrees.
        shots: frames at which a new shot begins.
    """
    count = SECONDS * RATE
    looking = TextWatch(Fraction(RATE), 90 if turned else 0)
    for number in range(count):
        picture = scene(number)
        paint(picture, number)
        coded = np.ascontiguousarray(np.rot90(picture, -1) if turned else picture)
        looking.look(av.VideoFrame.from_ndarray(coded, format="rgb24"))
    path = tmp_path / "texts.npz"
    path.write_bytes(looking.result())
    arrays = load_arrays(path)
    timeline = Timeline(np.arange(count), np.ones(count, bool), Fraction(1, RATE), count)
    edges = [0, *shots, count]
    return find(
        arrays["frames"],
        arrays["boxes"],
        timeline,
        [FrameRange(start=a, stop=b) for a, b in itertools.pairwise(edges)],
        [(round(a * SAMPLE_RATE), round(b * SAMPLE_RATE)) for a, b in speech],
    )


@pytest.mark.parametrize(
    "style",
    [
        subtitles(255, edge=0),
        subtitles(200, edge=0),
        subtitles(255, box=0),
        subtitles(0, box=255),
        subtitles(210, box=30),
    ],
    ids=["white", "grey", "box", "dark-on-white", "grey-on-grey"],
)
def test_subtitles_are_seen_in_every_style(style: Paint, tmp_path: Path) -> None:
    found = watch(style, tmp_path)
    assert found is not None
    assert 2 <= found.texts <= 5
    assert 0.8 < found.top < found.foot < 0.99


def test_they_are_seen_in_pictures_that_players_turn(tmp_path: Path) -> None:
    found = watch(subtitles(255, edge=0), tmp_path, turned=True)
    assert found is not None
    assert 0.8 < found.top < found.foot < 0.99


@pytest.mark.parametrize("paint", [nothing, title, logo, ticker])
def test_what_is_no_subtitle_is_not_taken_for_one(paint: Paint, tmp_path: Path) -> None:
    assert watch(paint, tmp_path) is None


def test_what_a_cut_brings_tells_nothing(tmp_path: Path) -> None:
    """Each line comes with a shot of its own: a new background could look so too."""
    assert watch(subtitles(255, edge=0), tmp_path, shots=(50, 100, 150)) is None


def test_they_come_while_somebody_speaks(tmp_path: Path) -> None:
    style = subtitles(255, edge=0)
    assert watch(style, tmp_path, speech=[(0.2, 1.5), (2.2, 3.5), (4.2, 5.5), (6.2, 7.5)]) is not None
    assert watch(style, tmp_path, speech=[(7.8, 8)]) is None
    assert watch(style, tmp_path, speech=[]) is not None, "a source without sound may be subtitled"
