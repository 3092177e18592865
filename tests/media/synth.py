"""Media made for tests: every picture carries its number in its pixels, every second has a flash and a click.

So a test can say which picture it was given, and whether sound and picture belong together, whatever the
codec did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import numpy.typing as npt
import soundfile

from loc.media.ffmpeg import file_url, run

RATE = 25
WIDTH, HEIGHT = 192, 128
SAMPLE_RATE = 48_000
BITS = 10
CELL = 16
DARK, BRIGHT = 50, 200
CLICK_SAMPLES = 48
"""1 ms."""

Luma = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Recipe:
    """How to encode: output options of ffmpeg, and the suffix that chooses the container."""

    suffix: str
    options: Mapping[str, Any]
    pix_fmt: str = "yuv420p"
    pts: str | None = None
    """`setpts` expression, for rates that vary."""
    sound: str | None = "aac"
    """Codec of the sound tracks; None for none."""
    extra: Mapping[str, Any] = field(default_factory=dict)


_X264 = {"vcodec": "libx264", "preset": "veryfast", "threads": 2}
_OPEN = "open-gop=1:bframes=3:keyint=24:min-keyint=24:scenecut=0"

RECIPES: Mapping[str, Recipe] = {
    "h264": Recipe(".mp4", {**_X264, "bf": 3, "g": 24}),
    "h264-open": Recipe(".mkv", {**_X264, "x264-params": _OPEN}),
    "h264-refresh": Recipe(".mp4", {**_X264, "x264-params": "intra-refresh=1:keyint=24:bframes=0"}),
    "h264-ts": Recipe(".ts", {**_X264, "x264-params": _OPEN}),
    "h264-444": Recipe(".mp4", {**_X264, "g": 24}, pix_fmt="yuv444p"),
    "hevc-open": Recipe(
        ".mp4", {"vcodec": "libx265", "preset": "ultrafast", "x265-params": f"{_OPEN}:log-level=none"}
    ),
    "hevc-ten": Recipe(
        ".mkv",
        {"vcodec": "libx265", "preset": "ultrafast", "x265-params": f"{_OPEN}:log-level=none"},
        pix_fmt="yuv420p10le",
    ),
    "mpeg4": Recipe(".avi", {"vcodec": "mpeg4", "bf": 2, "g": 24, "q:v": 3}, sound="pcm_s16le"),
    "mpeg2-ts": Recipe(".ts", {"vcodec": "mpeg2video", "bf": 2, "g": 12, "q:v": 3}, sound="mp2"),
    "vp9": Recipe(
        ".webm", {"vcodec": "libvpx-vp9", "deadline": "realtime", "cpu-used": 8, "g": 24}, sound="libopus"
    ),
    "vfr": Recipe(".mp4", {**_X264, "bf": 3, "g": 24}, pts="(4*N+mod(N*N,5))/(100*TB)"),
    "mjpeg": Recipe(".mov", {"vcodec": "mjpeg", "q:v": 3}, pix_fmt="yuvj422p", sound="pcm_s16le"),
}


def vfr_ticks(count: int) -> npt.NDArray[np.int64]:
    """Times of the pictures of the recipe `vfr`, in 1/100 s."""
    number = np.arange(count)
    return 4 * number + number * number % 5


def draw(number: int) -> Luma:
    """The luma of picture `number`, uint8 [HEIGHT, WIDTH]: its bits, a flash on whole seconds, and motion."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    luma = (110 + 30 * np.sin(x / 9 + number / 3) + 25 * np.cos(y / 7 - number / 5)).astype(np.uint8)
    for bit in range(BITS):
        level = BRIGHT if number >> bit & 1 else DARK
        luma[:CELL, bit * CELL : (bit + 1) * CELL] = level
        luma[CELL : 2 * CELL, bit * CELL : (bit + 1) * CELL] = BRIGHT + DARK - level
    luma[-2 * CELL :, : 2 * CELL] = BRIGHT if number % RATE == 0 else DARK
    return luma


def number_of(luma: npt.NDArray[Any]) -> int:
    """The number drawn into a picture, from its luma of 8 or 10 bits.

    Raises:
        ValueError: the pixels hold no number.
    """
    scale = 4 if luma.dtype == np.uint16 else 1
    cells = luma[: 2 * CELL, : BITS * CELL].reshape(2, CELL, BITS, CELL)[:, 4:-4, :, 4:-4].mean(axis=(1, 3))
    high, low = cells > scale * (DARK + BRIGHT) / 2
    if (high == low).any():
        raise ValueError(f"no number in {cells.round()}")
    return int(sum(1 << bit for bit in range(BITS) if high[bit]))


def has_flash(luma: npt.NDArray[Any]) -> bool:
    """Whether a picture of 8 bits carries the flash."""
    return bool(luma[-2 * CELL + 4 : -4, 4 : 2 * CELL - 4].mean() > (DARK + BRIGHT) / 2)


def clicks(seconds: Fraction, offset: Fraction = Fraction(0)) -> npt.NDArray[np.float32]:
    """float32 [n]: a click of 1 ms at every whole second from 1 on, moved by `offset` seconds."""
    sound = np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32)
    for second in range(1, int(seconds)):
        start = int((second + offset) * SAMPLE_RATE)
        sound[start : start + CLICK_SAMPLES] = 0.8
    return sound


def click_errors(sound: npt.NDArray[np.float32], first: int = 1) -> list[float]:
    """By how many ms the click of each whole second from `first` on is off, for float32 [n] at 48 kHz."""
    errors = []
    for second in range(first, len(sound) // SAMPLE_RATE):
        middle = second * SAMPLE_RATE + CLICK_SAMPLES // 2
        reach = SAMPLE_RATE // 10
        power = np.square(sound[middle - reach : middle + reach].astype(np.float64))
        centre = (power * (np.arange(2 * reach) + 0.5)).sum() / power.sum() - reach
        errors.append(float(centre / SAMPLE_RATE * 1000))
    return errors


def make(
    folder: Path,
    recipe: str | Recipe,
    *,
    frames: int = 75,
    name: str = "made",
    tracks: Sequence[npt.NDArray[np.float32]] | None = None,
) -> Path:
    """Encode `frames` numbered pictures and sound tracks (default: one with clicks).

    Args:
        tracks: float32 [n] or [n, channels] at 48 kHz each.
    """
    how = RECIPES[recipe] if isinstance(recipe, str) else recipe
    path = folder / f"{name}{how.suffix}"
    if tracks is None:
        tracks = [clicks(Fraction(frames, RATE))]
    picture = ffmpeg.input(
        "pipe:0", f="rawvideo", pix_fmt="gray", s=f"{WIDTH}x{HEIGHT}", framerate=RATE, color_range="tv"
    )
    if how.pts:
        picture = picture.filter("settb", "1/100").filter("setpts", how.pts)
    streams = [picture.filter("format", how.pix_fmt)]
    if how.sound:
        streams += [ffmpeg.input(file_url(_wav(folder, index, track))) for index, track in enumerate(tracks)]
    options = {**how.options, **({"acodec": how.sound} if how.sound else {}), **how.extra}
    if how.pts:
        options |= {"fps_mode": "passthrough", "enc_time_base": "1/100"}
    output = ffmpeg.output(*streams, file_url(path), **options)
    run(output, "ffmpeg", stdin=b"".join(draw(number).tobytes() for number in range(frames)))
    return path


def copy(source: Path, target: Path, given: Mapping[str, Any], **options: Any) -> Path:
    """Rewrap without encoding: `given` are input options (e.g. `ss`, which leaves an edit list in MP4)."""
    stream = ffmpeg.input(file_url(source), **given)
    run(ffmpeg.output(stream, file_url(target), c="copy", **options), "ffmpeg")
    return target


def _wav(folder: Path, index: int, sound: npt.NDArray[np.float32]) -> Path:
    path = folder / f"track-{index}.wav"
    soundfile.write(path, sound, SAMPLE_RATE, subtype="FLOAT")
    return path
