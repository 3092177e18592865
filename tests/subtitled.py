"""A drawn film with subtitles in its picture, in any style, over as busy a scene as a person can wear."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

RATE = 25
SIZE = (640, 360)
LINES = ("Watch my mouth.", "It will follow the new voice,", "whatever it says.", "Thank you all.")
SECONDS = 8

Picture = npt.NDArray[np.uint8]
Paint = Callable[[Picture, int], None]


def scene(number: int) -> Picture:
    """A room with a striped wall and somebody in a checked shirt who moves, never the same twice; RGB."""
    return np.repeat(_grey(number)[:, :, None], 3, axis=2)


@functools.cache
def _grey(number: int) -> Picture:
    width, height = SIZE
    y, x = np.mgrid[0:height, 0:width]
    wall = 110 + 40 * ((x // 9) % 2) * (y < 330) + 20 * np.sin(y / 40)
    shift = 14 * np.sin(number / 7)
    inside = ((x - 320 - shift) / 120) ** 2 + ((y - 330) / 150) ** 2 < 1
    shirt = 90 + 90 * (((x - round(shift)) // 6 + y // 6) % 2)
    picture = np.where(inside, shirt, wall) + np.random.default_rng(number).normal(0, 3, (height, width))
    return np.asarray(picture.clip(0, 255), dtype=np.uint8)


def line_at(number: int) -> str | None:
    """Two seconds for each line, the last quarter of a second without."""
    which, inside = divmod(number, 2 * RATE)
    return LINES[which % len(LINES)] if inside < 1.75 * RATE else None


def put(picture: Picture, text: str, foot: int, colour: int, edge: int | None, box: int | None) -> None:
    font, scale = cv2.FONT_HERSHEY_DUPLEX, 0.75
    (wide, high), below = cv2.getTextSize(text, font, scale, 1)
    at = ((picture.shape[1] - wide) // 2, foot)
    if box is not None:
        corners = (at[0] - 6, foot - high - 6), (at[0] + wide + 6, foot + below + 2)
        cv2.rectangle(picture, *corners, (box,) * 3, -1)
    if edge is not None:
        cv2.putText(picture, text, at, font, scale, (edge,) * 3, 5, cv2.LINE_AA)
    cv2.putText(picture, text, at, font, scale, (colour,) * 3, 2, cv2.LINE_AA)


def subtitles(colour: int, edge: int | None = None, box: int | None = None) -> Paint:
    def paint(picture: Picture, number: int) -> None:
        text = line_at(number)
        if text is not None:
            put(picture, text, picture.shape[0] - 25, colour, edge, box)

    return paint


def film(path: Path, paint: Paint) -> Path:
    """A silent film of `SECONDS`, H.264."""
    command = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "{}x{}".format(*SIZE)]
    command += ["-r", str(RATE), "-i", "-", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    frames = []
    for number in range(SECONDS * RATE):
        picture = scene(number)
        paint(picture, number)
        frames.append(picture.tobytes())
    subprocess.run([*command, str(path)], input=b"".join(frames), check=True)
    return path
