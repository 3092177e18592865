"""Plates: still pictures, or pictures in sequence, with a sound track, made a video that can be worked on.

Everything after reads a plate as it would read any video. Pictures are taken as sRGB, whose primaries are
those of BT.709, and become BT.709 at 8 bits and 4:2:0, limited range; H.264 without loss, so that a later
encode is the first.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import ffmpeg as graph
import numpy as np

from loc.errors import ChildError, InputError
from loc.media.ffmpeg import BITEXACT, LOCAL_ONLY, file_url, run, start

if TYPE_CHECKING:
    from loc.media.colour import Rgb

Motion = Literal["none", "gentle"]

LONGEST_SIDE = 1920
"""Pixels: a larger picture is made smaller. Photographs have four times what players show, and a mouth in
them would be drawn from fewer pixels than it has."""

ORIENTATION = 0x0112
"""EXIF's tag of how a picture is to be turned."""

SWAY_S, ZOOM_S = 11.0, 17.0
"""Periods of the gentle motion, seconds: slower than breath, and without a common beat for three minutes."""
SWAY, ZOOM = 0.004, 0.012
"""How far it goes: the sway in shares of the longer side, the zoom around its middle."""

_PIXELS = {
    "pix_fmt": "yuv420p",
    "color_range": "tv",
    "colorspace": "bt709",
    "color_primaries": "bt709",
    "color_trc": "bt709",
}
_LOSSLESS = {"vcodec": "libx264", "qp": 0, "preset": "veryfast", "threads": 2, "g": 250}


def read_picture(path: Path) -> Rgb:
    """A picture as people see it, uint8 [h, w, 3] RGB: turned as its EXIF data says, transparency dropped.

    Both sides are even, a last odd line left out, and at most `LONGEST_SIDE`.

    Raises:
        InputError: it is no picture that can be read.
    """
    import cv2

    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read.", why=error.strerror or "") from error
    # OpenCV's own words about broken files go to stderr and cannot be told from ours.
    try:
        picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # more pixels than OpenCV takes
        picture = None
    if picture is None:
        raise InputError(
            f"{path} cannot be read as a picture.", fix="Save it again as PNG or JPEG, or name another."
        )
    picture = _turned(np.asarray(picture, dtype=np.uint8), _webp_orientation(data))
    height, width = picture.shape[:2]
    shrink = min(1.0, LONGEST_SIDE / max(height, width))
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    height, width = picture.shape[0] & ~1, picture.shape[1] & ~1
    if min(height, width) < 2:
        raise InputError(f"{path} is too small to be seen.", why="A side has under two pixels.")
    return np.ascontiguousarray(picture[:height, :width, ::-1])


def _webp_orientation(data: bytes) -> int:
    """What EXIF says of a WebP, 1 to 8; 1 where it says nothing, and of other formats, which OpenCV turns
    itself."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return 1
    place, block = 12, b""
    with contextlib.suppress(struct.error):
        while not block:
            name, size = struct.unpack_from("<4sI", data, place)
            block = data[place + 8 : place + 8 + size] if name == b"EXIF" else b""
            place += 8 + size + size % 2
        # JPEG's beginning of such a block, which some programs write here too.
        block = block.removeprefix(b"Exif\0\0")
        order = "<" if block[:2] == b"II" else ">"
        (first,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, first)
        for entry in range(first + 2, first + 2 + 12 * count, 12):
            tag, _type, _count, value = struct.unpack_from(f"{order}HHIH", block, entry)
            if tag == ORIENTATION:
                return value if 1 <= value <= 8 else 1
    return 1


def _turned(picture: Rgb, orientation: int) -> Rgb:
    """A picture as EXIF's orientation says it is shown."""
    shown = picture.transpose(1, 0, 2) if orientation >= 5 else picture
    across, down = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    return np.ascontiguousarray(shown[:: -1 if down else 1, :: -1 if across else 1])


def make_plate(
    pictures: Sequence[Path],
    sound: Path | None,
    rate: Fraction,
    motion: Motion,
    scratch: Path,
    target: Path,
    program: str,
) -> int:
    """Write a plate as Matroska: H.264 without loss, and FLAC.

    One picture is shown for as long as the sound lasts, several for one frame each.

    Args:
        pictures: in order, all of one size.
        sound: any file with a sound track; the first counts. None only with several pictures.
        rate: frames per second.
        motion: of a single picture.
        scratch: a folder for the sound on its way.

    Returns:
        How many frames it has.

    Raises:
        InputError: a picture or the sound cannot be read, or sizes differ.
        ChildError: ffmpeg failed.
    """
    first = read_picture(pictures[0])
    track, seconds = None, Fraction(0)
    if sound is not None:
        track = scratch / "sound.flac"
        seconds = _take_sound(sound, track, program)
    if len(pictures) > 1:
        count, frames = len(pictures), _sequence(pictures, first)
    else:
        count = max(1, math.ceil(seconds * rate))
        frames = _held(first, count, rate, motion)
    height, width = first.shape[:2]
    shown = graph.input(
        "pipe:0", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", framerate=f"{rate}"
    ).filter(
        "scale", in_range="full", out_range="limited", out_color_matrix="bt709", flags="bicubic+accurate_rnd"
    )
    streams = [shown, graph.input(file_url(track)).audio] if track is not None else [shown]
    output = graph.output(*streams, file_url(target), acodec="copy", **_PIXELS, **_LOSSLESS, **BITEXACT)
    with start(output, program, stdin=True) as child:
        for frame in frames:
            child.stdin.write(frame.data)
    return count


def _take_sound(sound: Path, track: Path, program: str) -> Fraction:
    """The first sound track as FLAC of its own rate; its length in seconds."""
    import soundfile

    if not sound.is_file():
        raise InputError(f"{sound} does not exist.", fix="Check the name that --audio gives.")
    heard = graph.input(file_url(sound), **LOCAL_ONLY)["a:0"]
    try:
        run(graph.output(heard, file_url(track), acodec="flac", **BITEXACT), program)
    except ChildError as error:
        raise InputError(
            f"{sound} cannot be read as sound.", why=str(error), fix="Name a file with a sound track."
        ) from error
    facts = soundfile.info(os.fspath(track))
    # FLAC writes 0 for a length that is not known, which libsndfile reads as the largest there is.
    if not 0 < facts.frames < 2**40:
        raise InputError(f"{sound} holds no sound.", why="Its track has no samples.")
    return Fraction(facts.frames, facts.samplerate)


def _sequence(pictures: Sequence[Path], first: Rgb) -> Iterator[Rgb]:
    yield first
    for path in pictures[1:]:
        picture = read_picture(path)
        if picture.shape != first.shape:
            size = "x".join(str(side) for side in (picture.shape[1], picture.shape[0]))
            other = "x".join(str(side) for side in (first.shape[1], first.shape[0]))
            raise InputError(
                f"{path} is of another size than the pictures before it.",
                why=f"It has {size} pixels, they have {other}.",
                fix="Make them of one size, or put them in folders of their own.",
            )
        yield picture


def _held(picture: Rgb, count: int, rate: Fraction, motion: Motion) -> Iterator[Rgb]:
    """One picture for `count` frames."""
    if motion == "none":
        for _ in range(count):
            yield picture
        return
    import cv2

    height, width = picture.shape[:2]
    for index in range(count):
        moved = cv2.warpAffine(
            picture,
            drift(float(index / rate), width, height),
            (width, height),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        yield np.asarray(moved, dtype=np.uint8)


def drift(seconds: float, width: int, height: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Where the gentle motion has the picture at a time, float64 [2, 3], picture to frame.

    It begins at rest, and the picture is always just large enough to fill the frame.
    """
    zoom = 1 + 2 * SWAY * max(width, height) / min(width, height)
    zoom += ZOOM * (1 - math.cos(2 * math.pi * seconds / ZOOM_S)) / 2
    reach = SWAY * max(width, height)
    across = reach * math.sin(2 * math.pi * seconds / SWAY_S)
    down = reach / 2 * math.sin(4 * math.pi * seconds / SWAY_S)
    return np.array(
        [
            [zoom, 0, (1 - zoom) * (width - 1) / 2 + across],
            [0, zoom, (1 - zoom) * (height - 1) / 2 + down],
        ]
    )
