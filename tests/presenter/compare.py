"""A picture of what a run did: the same frames of source and result, one above the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from tests.presenter.canvas import Pixels
from tests.presenter.samples import load_truth
from tests.presenter.script import Truth

COLUMNS = 5
TILE = 240
"""Side of a tile, pixels."""

CROP = 1.9
"""Side of what is shown over the width of the face."""

JPEG_QUALITY = 88

CLOSED = 0.15
"""Aperture below which the source's mouth counts as closed."""


@dataclass(frozen=True)
class _View:
    """What is shown of a frame: left, top and side of a square in pixels, and how the mouth stands."""

    left: int
    top: int
    side: int
    closed: bool


def draw_comparison(source: Path, dub: Path, picture: Path) -> None:
    """Write a JPEG: source above, result below, in each column the frame of its span that differs most.

    By turns the source's mouth is closed and open in it. Needs the `.truth.json` beside the source.
    """
    truth = load_truth(source.with_suffix(".truth.json"))
    views = dict(_views(truth))
    best: dict[int, tuple[float, Pixels]] = {}
    for frame, (before, after) in enumerate(zip(_pictures(source), _pictures(dub), strict=True)):
        column = frame * COLUMNS // truth.frames
        view = views.get(frame)
        if view is None or view.closed != (column % 2 == 0):
            continue
        pair = np.vstack([_tile(before, view), _tile(after, view)])
        change = float(cv2.absdiff(pair[:TILE], pair[TILE:]).mean())
        if column not in best or change > best[column][0]:
            best[column] = (change, pair)
    sheet = np.hstack([best[column][1] for column in sorted(best)])
    picture.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(
        str(picture), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )


def _views(truth: Truth) -> Iterator[tuple[int, _View]]:
    """For every frame with a face, the square about it."""
    for face in truth.faces:
        for offset, (left, top, right, bottom) in enumerate(face.box):
            side = round(CROP * (right - left))
            x, y = max(0, round((left + right - side) / 2)), max(0, round((top + bottom - side) / 2))
            yield face.start + offset, _View(x, y, side, face.aperture[offset] < CLOSED)


def _tile(picture: Pixels, view: _View) -> Pixels:
    part = picture[view.top : view.top + view.side, view.left : view.left + view.side]
    return np.asarray(cv2.resize(part, (TILE, TILE), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _pictures(path: Path) -> Iterator[Pixels]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
