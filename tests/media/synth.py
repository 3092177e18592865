"""Media made for tests: every picture carries its number in its pixels, every second has a flash and a click.

So a test can say which picture it was given, and whether sound and picture belong together, whatever the
codec did.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
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
TS_PACKET = 188
"""Bytes."""
PICTURE, SOUND = 0xE0, 0xC0
"""Identifiers of the streams of a transport stream by ffmpeg."""

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
    rate: Fraction = Fraction(RATE)
    filters: Sequence[tuple[str, ...]] = ()
    """Name and arguments of what the drawn pictures go through first."""


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
    "mpeg2-ps": Recipe(".mpg", {"vcodec": "mpeg2video", "bf": 2, "g": 12, "q:v": 3}, sound="mp2"),
    "vp9": Recipe(
        ".webm", {"vcodec": "libvpx-vp9", "deadline": "realtime", "cpu-used": 8, "g": 24}, sound="libopus"
    ),
    "h264-avi": Recipe(".avi", {**_X264, "bf": 3, "g": 24}, sound="pcm_s16le"),
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
    luma: Luma = (110 + 30 * np.sin(x / 9 + number / 3) + 25 * np.cos(y / 7 - number / 5)).astype(np.uint8)
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


def beside(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 [n, 2]: on both sides in opposite phase, so that no separation takes it for speech."""
    return np.stack([sound, -sound], axis=1)


def click_errors(sound: npt.NDArray[np.float32], first: int = 1) -> list[float]:
    """By how many ms the click of each whole second from `first` on is off, for float32 [n] at 48 kHz."""
    return [click_error(sound, Fraction(second)) for second in range(first, len(sound) // SAMPLE_RATE)]


def click_error(sound: npt.NDArray[np.float32], at: Fraction) -> float:
    """By how many ms the click due `at` seconds is late, for float32 [n] at 48 kHz; 100 ms at most."""
    reach = SAMPLE_RATE // 10
    middle = at * SAMPLE_RATE + CLICK_SAMPLES // 2
    first = round(middle) - reach
    power = np.square(sound[first : first + 2 * reach].astype(np.float64))
    centre = first + (power * (np.arange(len(power)) + 0.5)).sum() / power.sum()
    return float((centre - float(middle)) / SAMPLE_RATE * 1000)


def make(
    folder: Path,
    recipe: str | Recipe,
    *,
    frames: int = 75,
    first: int = 0,
    name: str = "made",
    tracks: Sequence[npt.NDArray[np.float32]] | None = None,
) -> Path:
    """Encode `frames` numbered pictures and sound tracks (default: one with clicks).

    Args:
        first: number of the first picture.
        tracks: float32 [n] or [n, channels] at 48 kHz each.
    """
    how = RECIPES[recipe] if isinstance(recipe, str) else recipe
    path = folder / f"{name}{how.suffix}"
    if tracks is None:
        tracks = [clicks(Fraction(frames, RATE))]
    picture = ffmpeg.input(
        "pipe:0", f="rawvideo", pix_fmt="gray", s=f"{WIDTH}x{HEIGHT}", framerate=how.rate, color_range="tv"
    )
    for name_of_filter, *arguments in how.filters:
        picture = picture.filter(name_of_filter, *arguments)
    if how.pts:
        picture = picture.filter("settb", "1/100").filter("setpts", how.pts)
    streams = [picture.filter("format", how.pix_fmt)]
    if how.sound:
        streams += [ffmpeg.input(file_url(_wav(folder, index, track))) for index, track in enumerate(tracks)]
    options = {**how.options, **({"acodec": how.sound} if how.sound else {}), **how.extra}
    if how.pts:
        options |= {"fps_mode": "passthrough", "enc_time_base": "1/100"}
    output = ffmpeg.output(*streams, file_url(path), **options)
    run(output, "ffmpeg", stdin=b"".join(draw(number).tobytes() for number in range(first, first + frames)))
    return path


def join(target: Path, parts: Sequence[Path]) -> Path:
    """Recordings one behind the other, as `cat` joins them."""
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


def fields(path: Path) -> set[tuple[int, int]]:
    """(whether interlaced, whether the top field is first) of all pictures, 0 or 1 each."""
    wanted = ["-select_streams", "v", "-show_entries", "frame=interlaced_frame,top_field_first"]
    command = ["ffprobe", "-v", "error", "-of", "json", *wanted, str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {(frame["interlaced_frame"], frame["top_field_first"]) for frame in found["frames"]}


TINY = (64, 48)


@dataclass(frozen=True)
class Flashes:
    """A tiny film; `at`: seconds of the pictures with a flash, each with a click, from the first picture."""

    path: Path
    at: tuple[Fraction, ...]


def flashes(path: Path, ticks: npt.NDArray[np.int64], base: Fraction, every: int) -> Flashes:
    """Encode a film of pictures at the given times, with a flash and a click after every `every` seconds.

    Args:
        ticks: int64 [n], from 0.
        base: seconds per tick.
    """
    seconds = [int(tick) * base for tick in ticks]
    due = np.searchsorted(np.array(seconds, dtype=np.float64), np.arange(every, float(seconds[-1]), every))
    at = tuple(seconds[picture] for picture in due)
    silent, sound = path.with_name("silent.mp4"), path.with_name("clicks.wav")
    _write_flashes(silent, ticks, base, set(due.tolist()))
    wave = np.zeros((int((seconds[-1] + 1) * SAMPLE_RATE), 2), dtype=np.int16)
    for second in at:
        start = round(second * SAMPLE_RATE)
        # Beside the middle: no separation takes it for speech.
        wave[start : start + CLICK_SAMPLES] = (26_000, -26_000)
    soundfile.write(sound, wave, SAMPLE_RATE)
    streams = [ffmpeg.input(file_url(silent)), ffmpeg.input(file_url(sound))]
    run(ffmpeg.output(*streams, file_url(path), vcodec="copy", acodec="aac"), "ffmpeg")
    return Flashes(path, at)


def _write_flashes(path: Path, ticks: npt.NDArray[np.int64], base: Fraction, bright: set[int]) -> None:
    width, height = TINY
    pictures = np.full((2, height * 3 // 2, width), 128, dtype=np.uint8)
    pictures[:, :height] = np.linspace(60, 120, width, dtype=np.uint8)
    for picture, level in zip(pictures, (DARK, BRIGHT), strict=True):
        picture[:CELL, :CELL] = level
    with av.open(str(path), "w", options={"video_track_timescale": str(base.denominator)}) as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "bf": "2"})
        stream.width, stream.height = TINY
        stream.codec_context.time_base = base
        for number, tick in enumerate(ticks.tolist()):
            frame = av.VideoFrame.from_ndarray(pictures[int(number in bright)], format="yuv420p")
            frame.pts, frame.time_base = tick, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def is_bright(luma: npt.NDArray[Any]) -> bool:
    """Whether a picture of `flashes` carries the flash."""
    return bool(luma[4 : CELL - 4, 4 : CELL - 4].mean() > (DARK + BRIGHT) / 2)


def copy(source: Path, target: Path, given: Mapping[str, Any], **options: Any) -> Path:
    """Rewrap without encoding: `given` are input options (e.g. `ss`, which leaves an edit list in MP4)."""
    stream = ffmpeg.input(file_url(source), **given)
    run(ffmpeg.output(stream, file_url(target), c="copy", **options), "ffmpeg")
    return target


def slowed(source: Path, target: Path, factor: Fraction) -> Path:
    """Rewrap without encoding, the timestamps of all sound made longer by a factor."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        streams = {stream.index: writer.add_stream_from_template(stream) for stream in reader.streams}
        for packet in reader.demux():
            if packet.pts is not None and packet.dts is not None:
                if packet.stream.type == "audio":
                    packet.pts, packet.dts = round(factor * packet.pts), round(factor * packet.dts)
                packet.stream = streams[packet.stream.index]
                writer.mux(packet)
    return target


def spoil_time(path: Path, number: int, by: Fraction, stream: int = PICTURE) -> Path:
    """Move what a transport stream says of the time of one packet (ISO 13818-1, 2.4.3.7), in place.

    Args:
        number: its place among those of its stream.
        by: seconds.
        stream: the identifier of its stream.
    """
    data = bytearray(path.read_bytes())
    starts = [
        packet + place
        for packet in range(0, len(data), TS_PACKET)
        if (place := data[packet : packet + TS_PACKET].find(bytes((0, 0, 1, stream)))) >= 0
    ]
    at = starts[number] + 9
    ticks = (data[at] >> 1 & 7) << 30 | (data[at + 1] << 7 | data[at + 2] >> 1) << 15
    ticks = (ticks | data[at + 3] << 7 | data[at + 4] >> 1) + round(by * 90_000)
    data[at] = data[at] & 0xF1 | ticks >> 29 & 0x0E
    data[at + 1 : at + 3] = (ticks >> 14 & 0xFFFE | 1).to_bytes(2, "big")
    data[at + 3 : at + 5] = (ticks << 1 & 0xFFFE | 1).to_bytes(2, "big")
    path.write_bytes(data)
    return path


def spoil_sound(path: Path, start: Fraction, stop: Fraction) -> Path:
    """Overwrite the packets of the first sound track between two times in seconds, in place."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.audio[0]):
            if packet.pts is not None and start < packet.pts * Fraction(packet.time_base) < stop:
                assert packet.pos is not None
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    return path


EDIT = 33
"""The picture with which the films of edit lists begin; the group it is in begins earlier."""


@dataclass(frozen=True)
class Kind:
    """A film to be had by rewriting that of a recipe; `first` is the number of its first picture."""

    recipe: str
    suffix: str
    rewrite: Callable[[Path, Path], Path]
    first: int = 0


def _edited(source: Path, target: Path) -> Path:
    return copy(source, target, {"ss": EDIT / RATE})


def _edited_inside(source: Path, target: Path) -> Path:
    """Begin half a picture before picture `EDIT`."""
    return move_edit(_edited(source, target), -Fraction(1, 2 * RATE))


def move_edit(path: Path, by: Fraction) -> Path:
    """Move the beginning of every track's edit list (ISO 14496-12, 8.6.6) by `by` seconds, in place."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        bases = [stream.time_base for stream in container.streams]
    place = 0
    for base in bases:
        assert base is not None
        place = data.index(b"elst", place) + 16
        (begin,) = struct.unpack_from(">i", data, place)
        struct.pack_into(">i", data, place, begin + round(by / base))
    path.write_bytes(data)
    return path


def film(folder: Path, kind: str, *, frames: int = 75, **options: Any) -> Path:
    """`make`, for every recipe and every kind made from one."""
    if kind in RECIPES:
        return make(folder, kind, frames=frames, **options)
    how = KINDS[kind]
    return how.rewrite(make(folder, how.recipe, frames=frames, **options), folder / f"{kind}{how.suffix}")


def first_number(kind: str) -> int:
    """The number drawn into the first picture that a film of this kind shows."""
    return KINDS[kind].first if kind in KINDS else 0


_VOP = b"\x00\x00\x01\xb6"
_USER_DATA = re.compile(rb"\x00\x00\x01\xb2[^\x00]*")
_PACKED_MARK = b"\x00\x00\x01\xb2DivX503b1393p"
_RATE_BITS = (RATE - 1).bit_length()
"""Bits of `vop_time_increment`: ffmpeg's encoder counts in pictures per second."""


def pack(source: Path, target: Path) -> Path:
    """An MPEG-4 AVI as DivX wrote them: the first B-picture rides in its reference's packet, and an empty
    picture (N-VOP) follows the last, so that packets lie at the places of the pictures they show."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        streams = {}
        for stream in reader.streams:
            streams[stream.index] = writer.add_stream_from_template(stream)
        picture = reader.streams.video[0]
        assert picture.time_base is not None
        marked = _USER_DATA.sub(_PACKED_MARK, picture.codec_context.extradata or b"")
        streams[picture.index].codec_context.extradata = marked
        coded = [bytes(packet) for packet in reader.demux(picture) if packet.size]
        for place, data in enumerate(_packed(coded)):
            packet = av.Packet(_USER_DATA.sub(_PACKED_MARK, data))
            packet.stream, packet.time_base = streams[picture.index], picture.time_base
            packet.pts = packet.dts = place
            packet.is_keyframe = _kind(data) == "I"
            writer.mux_one(packet)
        reader.seek(0)
        for packet in reader.demux():
            if packet.size and packet.stream.type == "audio":
                packet.stream = streams[packet.stream.index]
                writer.mux(packet)
    return target


def _packed(coded: Sequence[bytes]) -> list[bytes]:
    """Packets in decode order, each reference with the first B-picture behind it."""
    packets: list[bytes] = []
    reference = b""
    for data, following in zip(coded, [*coded[1:], b""], strict=True):
        if _kind(data) != "B":
            reference = data
            packets.append(data)
        elif packets[-1] is reference:
            packets[-1] += data
        else:
            packets.append(data)
        if _kind(data) == "B" and _kind(following) != "B":
            packets.append(_not_coded(reference))
    return packets


def _kind(data: bytes) -> str:
    """Kind of a packet's first VOP (ISO/IEC 14496-2, 6.3.5)."""
    place = data.find(_VOP)
    return "IPBS"[data[place + 4] >> 6] if place >= 0 else ""


def _not_coded(reference: bytes) -> bytes:
    """A P-VOP at a reference's time in which nothing is coded."""
    place = reference.index(_VOP) + 4
    bits = "".join(f"{byte:08b}" for byte in reference[place : place + 4])
    seconds = bits.index("0", 2) + 1
    time = bits[2 : seconds + 1 + _RATE_BITS + 1]
    unstuffed = "01" + time + "0"
    stuffed = unstuffed + "0" + "1" * (-(len(unstuffed) + 1) % 8)
    return _VOP + int(stuffed, 2).to_bytes(len(stuffed) // 8, "big")


KINDS: Mapping[str, Kind] = {
    "mpeg4-packed": Kind("mpeg4", ".avi", pack),
    "edit-on": Kind("h264", ".mp4", _edited, EDIT),
    "edit-inside": Kind("h264", ".mp4", _edited_inside, EDIT),
}

ALL = (*RECIPES, *KINDS)


def _wav(folder: Path, index: int, sound: npt.NDArray[np.float32]) -> Path:
    path = folder / f"track-{index}.wav"
    soundfile.write(path, sound, SAMPLE_RATE, subtype="FLOAT")
    return path
