"""Encode a chunk's planes, and a programme's sound: the only generation of loss between source and output.

Chunks are encoded by x264 each on its own, with the same settings, closed groups of pictures and headers
that do not depend on content, so that `loc.media.mux` can lay their packets one behind the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import ffmpeg
import numpy as np

from loc.artifacts import SAMPLE_RATE, Frozen, Ratio, VideoStream
from loc.media.ffmpeg import BITEXACT, file_url, start
from loc.media.frames import Planes, plane_format
from loc.media.sound import Samples

KEY_SECONDS = 2
"""Seconds between key frames at most: how far a player may have to decode to seek. Cuts get their own."""

X264_THREADS = 3
"""Part of the encode, not of the machine: x264 gives other bytes for another number of threads."""

FASTEST_RATE = 1000
"""Frames per second above which a stated rate is taken for an error of the container."""

_MATRIX_NAMES = {"bt601": "smpte170m", "bt709": "bt709", "bt2020nc": "bt2020nc"}
_PRIMARIES = frozenset(
    {
        *("bt709", "bt470m", "bt470bg", "smpte170m", "smpte240m", "film", "bt2020"),
        *("smpte428", "smpte431", "smpte432"),
    }
)
_TRANSFERS = frozenset(
    {
        *("bt709", "bt470m", "bt470bg", "smpte170m", "smpte240m", "linear", "log100", "log316"),
        *("iec61966-2-4", "bt1361e", "iec61966-2-1", "bt2020-10", "bt2020-12"),
        *("smpte2084", "smpte428", "arib-std-b67"),
    }
)
"""Names that ffmpeg and x264 share; H.264 has no others."""

_CHROMA_LOCATIONS = {"left": 0, "center": 1, "topleft": 2}
"""chroma_sample_loc_type of H.264, table E-2."""


class Coding(Frozen):
    """Everything that shapes a coded picture besides its samples; the same for every chunk of a programme."""

    pix_fmt: str
    """Planar format, as `plane_format` gives it: the source's own depth and subsampling."""
    width: int
    """Even where chroma is halved across: H.264 cannot code half a chroma sample."""
    height: int
    rate: Ratio
    """Nominal frames per second, for rate control and key frames; true times are the muxer's."""
    crf: int
    preset: str
    tags: tuple[str, ...]
    """x264 parameters that describe colour, siting and sample aspect."""


def coding_for(video: VideoStream, crf: int, preset: str) -> Coding:
    """How pictures of this stream are coded: as they are, with the source's own depth, subsampling and tags.

    8 and 10 bits, 4:2:0, 4:2:2 and 4:4:4 are kept (High, High 10, High 4:2:2 and High 4:4:4 profiles). What
    the source does not declare stays undeclared, so that players go on making the same guess.
    """
    pix_fmt = plane_format(video.pix_fmt)
    across = 1 if "444" in pix_fmt else 2
    down = 2 if "420" in pix_fmt else 1
    return Coding(
        pix_fmt=pix_fmt.replace("yuvj", "yuv"),
        width=-(-video.width // across) * across,
        height=-(-video.height // down) * down,
        rate=_nominal_rate(video.average_rate),
        crf=crf,
        preset=preset,
        tags=_tags(video, subsampled=down == 2),
    )


def _nominal_rate(rate: Fraction) -> Fraction:
    """A rate whose parts fit x264's and MP4's 32-bit fields."""
    return rate.limit_denominator(1001) if 0 < rate <= FASTEST_RATE else Fraction(25)


def _tags(video: VideoStream, *, subsampled: bool) -> tuple[str, ...]:
    tags = [f"sar={video.sample_aspect.numerator}/{video.sample_aspect.denominator}"]
    tags.append(f"fullrange={'on' if video.full_range else 'off'}")
    if video.matrix_declared:
        tags.append(f"colormatrix={_MATRIX_NAMES[video.matrix]}")
    if video.primaries in _PRIMARIES:
        tags.append(f"colorprim={video.primaries}")
    if video.transfer in _TRANSFERS:
        tags.append(f"transfer={video.transfer}")
    if subsampled:
        tags.append(f"chromaloc={_CHROMA_LOCATIONS[video.chroma_location]}")
    return tuple(tags)


def encode_chunk(
    frames: Iterable[Planes],
    coding: Coding,
    path: Path,
    program: str,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Encode frames into one MP4 file: H.264, one picture per tick in presentation order, from 0.

    The same frames and coding give the same bytes, on any number of cores. Returns how many frames were
    written; `progress` is told after each.

    Raises:
        ChildError: ffmpeg failed.
    """
    count = 0
    with start(_encoder(coding, path), program, stdin=True) as child:
        for planes in frames:
            _write(child.stdin, planes, coding)
            count += 1
            if progress is not None:
                progress(count)
    return count


def _encoder(coding: Coding, path: Path) -> Any:
    picture = ffmpeg.input(
        "pipe:0",
        f="rawvideo",
        pix_fmt=coding.pix_fmt,
        s=f"{coding.width}x{coding.height}",
        framerate=f"{coding.rate.numerator}/{coding.rate.denominator}",
    )
    parameters = {
        "keyint": max(1, round(KEY_SECONDS * coding.rate)),
        "open-gop": 0,
        "stitchable": 1,
        "sliced-threads": 0,
    }
    options = {
        "vcodec": "libx264",
        "preset": coding.preset,
        "crf": coding.crf,
        "pix_fmt": coding.pix_fmt,
        "threads": X264_THREADS,
        "x264-params": ":".join([*(f"{name}={value}" for name, value in parameters.items()), *coding.tags]),
        "f": "mp4",
    }
    return picture.output(file_url(path), **options, **BITEXACT)


def _write(pipe: IO[bytes], planes: Planes, coding: Coding) -> None:
    """One picture into the pipe, its last line and column repeated where the coded size is larger."""
    height, width = planes.y.shape
    y: Any = planes.y
    if (width, height) != (coding.width, coding.height):
        y = np.pad(y, ((0, coding.height - height), (0, coding.width - width)), mode="edge")
    for plane in (y, planes.u, planes.v):
        pipe.write(np.ascontiguousarray(plane).data)


def encode_sound(blocks: Iterable[Samples], channels: int, bitrate: int, path: Path, program: str) -> int:
    """Encode 48 kHz sound into one M4A file of AAC-LC; returns the samples per channel that were written.

    The file's edit list hides the encoder's priming: sample 0 sounds at time 0.

    Args:
        blocks: float32 [n, channels], full scale 1.0, one after the other.
        bitrate: kbit/s.

    Raises:
        ChildError: ffmpeg failed.
    """
    sound = ffmpeg.input("pipe:0", f="f32le", ar=SAMPLE_RATE, ac=channels)
    options = {
        "acodec": "aac",
        "b:a": f"{bitrate}k",
        "threads": 1,
        "f": "ipod",
        # The edit list counts in this scale; the default of 1000 would round the length to milliseconds.
        "movie_timescale": SAMPLE_RATE,
    }
    samples = 0
    with start(sound.output(file_url(path), **options, **BITEXACT), program, stdin=True) as child:
        for block in blocks:
            child.stdin.write(np.ascontiguousarray(block, dtype="<f4").data)
            samples += len(block)
    return samples
