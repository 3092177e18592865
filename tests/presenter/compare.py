"""A picture of what a run did: the same frames of source and result, one above the other."""

from __future__ import annotations

from collections.abc import Iterator
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

Square = tuple[int, int, int]
"""Left, top and side, pixels."""


def draw_comparison(source: Path, dub: Path, picture: Path) -> None:
    """Write a JPEG: source above, result below, in each column the frame of its span that differs most.

    Needs the `.truth.json` beside the source, to know where the face is.
    """
    truth = load_truth(source.with_suffix(".truth.json"))
    squares = dict(_squares(truth))
    best: dict[int, tuple[float, Pixels]] = {}
    for frame, (before, after) in enumerate(zip(_pictures(source), _pictures(dub), strict=True)):
        if frame not in squares:
            continue
        pair = np.vstack([_tile(before, squares[frame]), _tile(after, squares[frame])])
        change = float(cv2.absdiff(pair[:TILE], pair[TILE:]).mean())
        column = frame * COLUMNS // truth.frames
        if column not in best or change > best[column][0]:
            best[column] = (change, pair)
    sheet = np.hstack([best[column][1] for column in sorted(best)])
    picture.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(
        str(picture), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )


def _squares(truth: Truth) -> Iterator[tuple[int, Square]]:
    """For every frame with a face, the square about the first one."""
    for face in truth.faces:
        for offset, (left, top, right, bottom) in enumerate(face.box):
            side = round(CROP * (right - left))
            x, y = (left + right - side) / 2, (top + bottom - side) / 2
            yield face.start + offset, (max(0, round(x)), max(0, round(y)), side)


def _tile(picture: Pixels, square: Square) -> Pixels:
    left, top, side = square
    part = picture[top : top + side, left : left + side]
    return np.asarray(cv2.resize(part, (TILE, TILE), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _pictures(path: Path) -> Iterator[Pixels]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
