"""The one place that compiles ffmpeg command lines and runs them.

Graphs are built with ffmpeg-python (`ffmpeg.input(...).filter(...).output(...)`) and compiled to argument
lists; ffmpeg always runs as a child process. Inputs and outputs are named with `file_url`, so that no file
name is ever read as an option, a protocol or a numbered pattern.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from loc.errors import ChildError, LocError, MissingError
from loc.process import Child
from loc.process import run as run_child
from loc.store.keys import digest_bytes

BITEXACT: Mapping[str, str] = {"fflags": "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact"}
"""Output options that keep clocks, random identifiers and version strings out of a file, so that making it
again gives the same bytes. (x264 still writes its settings, the number of threads among them, into the
stream: pin `threads` where the bytes count.)"""

_CONTAINERS = (
    *(
        "mov",
        "matroska",
        "webm",
        "avi",
        "mpegts",
        "mpeg",
        "asf",
        "flv",
        "ogg",
        "mxf",
        "nut",
        "rm",
        "dv",
        "ivf",
    ),
    *("wtv", "gif", "h264", "hevc", "m4v", "mpegvideo", "mjpeg", "obu", "av1", "yuv4mpegpipe", "nsv", "gxf"),
    *(
        "wav",
        "mp3",
        "flac",
        "aac",
        "ac3",
        "eac3",
        "aiff",
        "amr",
        "caf",
        "w64",
        "ape",
        "wv",
        "tta",
        "ac4",
        "dts",
    ),
)
"""Formats with their picture and sound inside, and nothing but sound: the latter so that it can be said."""

LOCAL_ONLY: Mapping[str, str] = {
    "protocol_whitelist": "file,pipe",
    "format_whitelist": ",".join(_CONTAINERS),
}
"""Input options for files of unknown origin. Playlists are shut out: they point at other files or at the
network, which the digest of the input would not cover, and a live one is waited for without end. So are the
demuxers that draw text, and pictures in numbered files."""

LONG_LOOK: Mapping[str, str] = {"analyzeduration": str(120 * 10**6), "probesize": str(200 * 10**6)}
"""Input options for files whose sound begins late: microseconds and bytes in which a demuxer looks for what a
stream is. By itself it looks at 5 to 7 seconds and 5 MB."""

_X264_BANNER = re.compile(rb"x264 - core (\d+[^-]*?) - ")


def file_url(path: Path) -> str:
    """A path as ffmpeg must be given it: behind `file:`, `-x.mp4` and `http:b.mp4` are plain names."""
    return f"file:{path}"


def compile_args(stream: Any, program: str, *, stdin: bool = False) -> list[str]:
    """The argument list of a graph, quiet, overwriting, and deaf to the terminal unless `stdin` is a pipe.

    Args:
        stream: what `ffmpeg.output(...)` or `ffmpeg.merge_outputs(...)` returned.
        program: the ffmpeg program.
    """
    import ffmpeg

    head = [program, "-v", "error", "-hide_banner", "-y"]
    if not stdin:
        head.append("-nostdin")
    args: list[str] = ffmpeg.compile(stream, cmd=head)
    return args


def run(stream: Any, program: str, stdin: bytes | None = None) -> bytes:
    """Run a graph to its end and return what it wrote to `pipe:1`, if anything.

    Raises:
        MissingError: no such program.
        ChildError: ffmpeg failed; carries its last lines and its signal.
    """
    return run_child(compile_args(stream, program, stdin=stdin is not None), stdin=stdin)


def start(stream: Any, program: str, *, stdin: bool = False, stdout: bool = False) -> Child:
    """Start a graph whose `pipe:0` the caller feeds, or whose `pipe:1` the caller reads, piece by piece.

    Use as a context manager; leaving it waits, and raises `ChildError` if ffmpeg failed. A caller that does
    both must read in a thread of its own, or the two wait for each other.
    """
    return Child(compile_args(stream, program, stdin=stdin), stdin=stdin, stdout=stdout)


def _once(find: Callable[[str], str]) -> Callable[[str], str]:
    """Remember what is found out about each program; a thread that asks while another finds it out waits."""
    remembered, asking = functools.cache(find), threading.Lock()

    @functools.wraps(find)
    def ask(program: str) -> str:
        with asking:
            return remembered(program)

    return ask


@_once
def fingerprint(program: str) -> str:
    """What of this ffmpeg shapes a result: version, x264 core, and a digest over libraries and configuration.

    Read once per process. Another ffmpeg build or another libx264 behind it gives another string.

    Raises:
        MissingError: no such program, or it is not ffmpeg.
    """
    version, text = _version(program, "ffmpeg")
    x264 = _x264_core(program)
    digest = digest_bytes(text + b"\n" + x264.encode())
    return f"{version} x264 {x264} {digest[:16]}"


@_once
def probe_fingerprint(program: str) -> str:
    """The same for ffprobe, which encodes nothing: version, and a digest over libraries and configuration.

    Raises:
        MissingError: no such program, or it is not ffprobe.
    """
    version, text = _version(program, "ffprobe")
    return f"{version} {digest_bytes(text)[:16]}"


@functools.cache
def listed(program: str, kind: Literal["filters", "encoders"]) -> frozenset[str]:
    """The names of this ffmpeg's filters or encoders.

    Raises:
        MissingError: no such program.
    """
    text = run_child([program, "-hide_banner", f"-{kind}"]).decode("utf-8", "replace")
    # Flags first, then the name.
    return frozenset(words[1] for words in map(str.split, text.splitlines()) if len(words) > 1)


def foresee(program: str, probe: str) -> None:
    """Begin to find out both fingerprints beside other work; whoever asks later gets them, or the error.

    Their three children take a fifth of a second, much of a run that has nothing to do. What they say cannot
    be remembered from run to run: the libraries behind a program may be replaced while its file stays.
    """

    def ask() -> None:
        for find, name in ((probe_fingerprint, probe), (fingerprint, program)):
            with contextlib.suppress(LocError):
                find(name)

    threading.Thread(target=ask, name="fingerprints", daemon=True).start()


def _version(program: str, name: str) -> tuple[str, bytes]:
    """(version, everything the program says about its build)."""
    text = run_child([program, "-version"])
    words = text.split(maxsplit=3)
    if words[:2] != [name.encode(), b"version"]:
        raise MissingError(f"{program!r} is not {name}.", fix=f"Name the program with LOC_{name.upper()}.")
    return words[2].decode("utf-8", "replace"), text


def _x264_core(program: str) -> str:
    """The x264 core, as it signs every stream (in an SEI message); `none` where ffmpeg lacks it."""
    import ffmpeg

    picture = ffmpeg.input("color=size=64x64:rate=25:duration=0.04", f="lavfi")
    try:
        stream = run(picture.output("pipe:1", vcodec="libx264", f="h264", threads=1), program)
    except ChildError:
        return "none"
    banner = _X264_BANNER.search(stream)
    return banner.group(1).decode() if banner else "unknown"


@functools.cache
def decoder_fingerprint() -> str:
    """The version of PyAV and of the ffmpeg libraries inside it, which decode frames and sound."""
    import av

    libraries = " ".join(
        f"{name}-{'.'.join(str(part) for part in version)}"
        for name, version in sorted(av.library_versions.items())
        if name in ("libavcodec", "libavformat", "libswscale", "libswresample")
    )
    return f"PyAV {av.__version__} {libraries}"


def probe(path: Path, program: str, options: Mapping[str, str] | None = None) -> dict[str, Any]:
    """ffprobe's JSON of a local file: `format`, `streams` (with side data), `chapters`.

    Args:
        options: the demuxer's, e.g. `LONG_LOOK`.

    Raises:
        MissingError: no such program.
        ChildError: ffprobe cannot open the file.
    """
    given = [word for name, value in (options or {}).items() for word in (f"-{name}", value)]
    return _probe(path, program, "-show_format", "-show_streams", "-show_chapters", *given)


def first_picture(path: Path, stream_index: int, program: str) -> dict[str, Any]:
    """ffprobe's JSON of the first picture of a stream, with its side data; empty where there is none.

    Raises:
        MissingError: no such program.
        ChildError: ffprobe cannot open the file.
    """
    wanted = ["-show_frames", "-select_streams", str(stream_index), "-read_intervals", "%+#1"]
    return next(iter(_probe(path, program, *wanted).get("frames", [])), {})


def _probe(path: Path, program: str, *wanted: str) -> dict[str, Any]:
    args = [program, "-v", "error", "-hide_banner", "-print_format", "json", *wanted]
    for name, value in LOCAL_ONLY.items():
        args += [f"-{name}", value]
    found: dict[str, Any] = json.loads(run_child([*args, "-i", file_url(path)]))
    return found
