"""The one muxer: packets of coded chunks and of the parts of a sound, at the timestamps of the frame table.

Nothing is decoded or encoded here. Every picture gets exactly the source's time, counted from the first
picture; an MP4 has the source's time base, or one in which its times are as exact, so nothing is rounded
unless pictures of a clock of nanoseconds stand for longer than MP4 can count (`time_scale`). Matroska and
WebM know milliseconds only, and have no times below zero: there all tracks stand behind the 21 ms that AAC is
primed with (7 ms of Opus), in step with each other.
"""

from __future__ import annotations

import heapq
import html
import io
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import av
import av.error
import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE, Container, ContentLight, MasteringDisplay
from loc.errors import StorageError
from loc.media.ffmpeg import file_url
from loc.media.languages import three_letters
from loc.media.probe import OWN_MARK
from loc.media.subtitles import Cue
from loc.store.workdir import storage_error

_FORMATS: Mapping[Container, str] = {"mp4": "mp4", "mkv": "matroska", "webm": "webm"}
_SUBTITLE_CODECS: Mapping[Container, str] = {"mp4": "mov_text", "mkv": "subrip", "webm": "webvtt"}

MAX_TIMESCALE = (1 << 31) - 1
"""Largest time scale that libavformat takes for an MP4 track."""

MAX_TICKS = 1 << 28
"""Ticks from decoding an MP4's picture to showing it beyond which libavformat takes the table of them for
damaged, and plays pictures in decode order. It is far below the 31 bits that a picture's own ticks have."""

REORDERED = 16
"""Pictures between the one that is decoded and the one that is shown, at most: the slowest presets of x264
and x265 have 8 B-pictures in a row, and hold back 4."""

SUBTITLE_BASE = Fraction(1, 1000)
"""Subtitles are timed in milliseconds, as in the .srt file beside the video."""

_TECHNICAL_TAGS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "encoded_by", "duration", "timecode"}
)
"""What a container says about its own making; it would be untrue of another file."""

_BOX_HEADER = 8
_WAY_TO_ENTRY = (
    *((name, _BOX_HEADER) for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl")),
    # Behind version, flags and the count of entries.
    (b"stsd", _BOX_HEADER + 8),
)
"""The boxes around a sample entry, with the bytes before their first child."""

_SUBTITLE_STYLE = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, \
MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
"""White Arial, bottom centre: the style that ffmpeg's timed-text encoder makes a sample entry of."""


@dataclass(frozen=True)
class Chapter:
    """Part of a programme; `start` and `stop` in seconds from the first picture."""

    start: Fraction
    stop: Fraction
    title: str


@dataclass(frozen=True)
class About:
    """What a file says of itself: tags as ffmpeg names them (`title`, `creation_time`, ...), chapters."""

    tags: Mapping[str, str] = field(default_factory=dict)
    chapters: tuple[Chapter, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A coded picture track.

    Args:
        chunks: files of `encode_chunk`, in order, all of one `Coding`.
        pts: int64 [n], ticks of every picture in presentation order, from 0, strictly increasing.
        duration: ticks from the first picture to the end of the last.
        time_base: seconds per tick.
        rotation: degrees counter-clockwise that a player turns the picture by.
        mirrored: whether it then exchanges left and right.
        mastering, content_light: what the container says of an HDR picture.
    """

    chunks: Sequence[Path]
    pts: npt.NDArray[np.int64]
    duration: int
    time_base: Fraction
    rotation: Literal[0, 90, 180, 270] = 0
    mastering: MasteringDisplay | None = None
    content_light: ContentLight | None = None
    mirrored: bool = False


@dataclass(frozen=True)
class SoundPiece:
    """Packets of one coded file, to be laid behind those of the piece before.

    Args:
        path: a file of `encode_sound`.
        skipped: packets at its beginning that are left out.
        packets: how many of the rest are taken; None: all.
    """

    path: Path
    skipped: int = 0
    packets: int | None = None


@dataclass(frozen=True)
class Original:
    """The source's own sound, as a second track.

    Args:
        sound: an MP4 whose time 0 is the first picture's, of `encode_sound` or `loc.media.remux.take_sound`.
        language: its BCP-47 tag or three-letter code; `und` where nobody knows.
    """

    sound: Path
    language: str


ORIGINAL_TITLE = "Original"
"""What players call the second track."""


@dataclass(frozen=True)
class _Timed:
    """A packet with the second at which a player needs it."""

    seconds: float
    packet: Any


def mux(
    path: Path,
    picture: Picture,
    sound: Sequence[SoundPiece],
    cues: Sequence[Cue],
    language: str,
    about: About,
    container: Container = "mp4",
    original: Original | None = None,
) -> None:
    """Write one file with picture, sound and soft subtitles, marked as loc's own. The same arguments give the
    same bytes.

    Memory holds about a second of packets and the index.

    Args:
        sound: sample 0 of the first piece sounds at the first picture.
        cues: without overlap, in order, in the rows they are shown in; none leaves the subtitle track out.
        language: BCP-47 tag of sound and subtitles.
        original: a second sound track, which players offer and do not choose by themselves.

    Raises:
        StorageError: the file cannot be written, or the chunks do not hold the pictures that `pts` lists.
    """
    options = {"fflags": "+bitexact"}
    if container == "mp4":
        scale = time_scale(picture.pts, picture.duration, picture.time_base)
        picture = _rescaled(picture, scale)
        # The movie scale is that of edit lists, which would round lengths to milliseconds at its default.
        options |= {
            "movflags": "+faststart",
            "video_track_timescale": str(scale),
            "movie_timescale": str(SAMPLE_RATE),
        }
    try:
        with ExitStack() as opened:
            template = opened.enter_context(av.open(_template(picture), format="mp4"))
            source = opened.enter_context(av.open(file_url(sound[0].path)))
            second = original and opened.enter_context(av.open(file_url(original.sound)))
            output = opened.enter_context(
                av.open(file_url(path), "w", format=_FORMATS[container], options=options)
            )
            tracks = [
                _add_picture(output, template, picture),
                _add_sound(output, source, sound, language, container),
            ]
            if original:
                tracks.append(_add_original(output, second, original.language, container))
            if cues:
                tracks.append(_add_subtitles(output, cues, language, container))
            _describe(output, about)
            for timed in heapq.merge(*tracks, key=lambda timed: timed.seconds):
                output.mux_one(timed.packet)
    except av.error.FFmpegError as error:
        cause = OSError(error.errno, error.strerror)
        raise storage_error("The video could not be written.", cause) from error


def time_scale(pts: npt.NDArray[np.int64], duration: int, time_base: Fraction) -> int:
    """Ticks of a second in which an MP4 can count the times of all pictures, and the time that each stands:
    the source's, else the fewest that leave the times exact, else the most that fit.

    Args:
        pts, duration, time_base: as of `Picture`.
    """
    edges = np.append(pts, duration)
    reach = min(REORDERED, len(pts))
    # From decoding to showing; a picture's own time is a part of it.
    longest = int((edges[reach:] - edges[:-reach]).max())
    whole = int(np.gcd.reduce(edges)) * time_base.numerator
    ticks = time_base.denominator
    for scale in (ticks, ticks // math.gcd(ticks, whole)):
        if scale <= MAX_TIMESCALE and longest * time_base * scale <= MAX_TICKS:
            return scale
    return max(1, min(MAX_TIMESCALE, math.floor(MAX_TICKS / (longest * time_base))))


def _rescaled(picture: Picture, scale: int) -> Picture:
    """A picture track in ticks of another scale, each time rounded, and no two alike."""
    if scale == picture.time_base.denominator:
        return picture
    base = picture.time_base * scale
    edges = np.append(picture.pts, picture.duration).astype(object)
    ticks = (2 * edges * base.numerator + base.denominator) // (2 * base.denominator)
    steps = np.arange(len(ticks))
    rising = np.maximum.accumulate(ticks.astype(np.int64) - steps) + steps
    return replace(picture, pts=rising[:-1], duration=int(rising[-1]), time_base=Fraction(1, scale))


def decode_times(pts: npt.NDArray[np.int64], depth: int, duration: int) -> npt.NDArray[np.int64]:
    """The decode times of all packets in decode order, int64 [n], strictly increasing.

    A decoder that holds back `depth` pictures needs packet j when picture j - depth is shown; the first
    packets come at the usual distance before the first picture.

    Args:
        pts: int64 [n], strictly increasing.
        duration: ticks from the first picture to the end of the last.
    """
    step = int(np.median(np.diff(pts))) if len(pts) > 1 else duration
    lead = pts[0] - max(1, step) * np.arange(depth, 0, -1, dtype=np.int64)
    times: npt.NDArray[np.int64] = np.concatenate([lead, pts])[: len(pts)]
    return times


def _template(picture: Picture) -> io.BytesIO:
    """A minimal MP4 with the headers of the first chunk, its display matrix, and HDR boxes.

    libavformat copies these from input to output in every container, but PyAV cannot set them.
    """
    buffer = io.BytesIO()
    with (
        av.open(file_url(picture.chunks[0])) as source,
        av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as output,
    ):
        stream = source.streams.video[0]
        track = output.add_stream_from_template(stream, opaque=True)
        packet = next(source.demux(stream))
        packet.stream = track
        output.mux_one(packet)
        width, height = stream.codec_context.width, stream.codec_context.height
    turned = _with_matrix(buffer.getvalue(), picture.rotation, picture.mirrored, width, height)
    return io.BytesIO(_with_entry_boxes(turned, _light_boxes(picture)))


def _with_matrix(mp4: bytes, rotation: int, mirrored: bool, width: int, height: int) -> bytes:
    """A one-track MP4 with its display matrix (ISO 14496-12, 8.3.2: a b u c d v x y w) replaced."""
    one = 1 << 16
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[rotation]
    # The turned picture is moved back into the quadrant where x and y are positive.
    x = {0: 0, 90: 0, 180: width, 270: height}[rotation]
    y = {0: 0, 90: width, 180: height, 270: 0}[rotation]
    across = 1
    if mirrored:
        across, x = -1, (width if rotation in (0, 180) else height) - x
    rows = (across * cosine, -sine, 0, across * sine, cosine, 0, x, y)
    matrix = (*(value * one for value in rows), 1 << 30)
    header = mp4.rindex(b"tkhd") + 4
    # Version and flags, then times, id and duration (8 or 4 bytes wide), then 16 bytes of layer and volume.
    place = header + 4 + (32 if mp4[header] == 1 else 20) + 16
    return mp4[:place] + struct.pack(">9i", *matrix) + mp4[place + 36 :]


def _light_boxes(picture: Picture) -> bytes:
    """The boxes `mdcv` and `clli` (ISO/IEC 14496-12, 12.1.6), as far as there is something to say."""
    boxes = b""
    if (display := picture.mastering) is not None:
        corners = (*display.green, *display.blue, *display.red, *display.white)
        boxes += struct.pack(">I4s8H2I", 32, b"mdcv", *corners, display.brightest, display.darkest)
    if (light := picture.content_light) is not None:
        boxes += struct.pack(">I4s2H", 12, b"clli", light.most, light.average)
    return boxes


def _with_entry_boxes(mp4: bytes, boxes: bytes) -> bytes:
    """A one-track MP4 whose index comes last, with boxes put at the end of its one sample entry."""
    data = bytearray(mp4)
    place, end = 0, len(data)
    for name, header in _WAY_TO_ENTRY:
        place, end = _find_box(data, place, end, name)
        data[place : place + 4] = struct.pack(">I", end - place + len(boxes))
        place += header
    # The sample entry, whatever its name.
    (size,) = struct.unpack_from(">I", data, place)
    data[place : place + 4] = struct.pack(">I", size + len(boxes))
    data[place + size : place + size] = boxes
    return bytes(data)


def _find_box(data: bytearray, place: int, end: int, name: bytes) -> tuple[int, int]:
    """(begin, end) of the first box called `name` between two places; its size is in the usual 32 bits."""
    while place < end:
        (size,) = struct.unpack_from(">I", data, place)
        if data[place + 4 : place + 8] == name:
            return place, place + size
        # A size of 1 stands for 64 bits behind the name, as of large media data.
        place += size if size != 1 else struct.unpack_from(">Q", data, place + 8)[0]
    raise ValueError(f"no {name!r} box")


def _add_picture(output: Any, template: Any, picture: Picture) -> Iterator[_Timed]:
    stream = template.streams.video[0]
    track = output.add_stream_from_template(stream, opaque=True)
    track.time_base = picture.time_base
    track.metadata["handler_name"] = OWN_MARK
    if stream.codec_context.name == "hevc" and output.format.name == "mp4":
        # Headers in the sample entry alone: Apple's players take no other HEVC.
        track.codec_context.codec_tag = "hvc1"
    return _picture_packets(track, picture, int(stream.codec_context.reorder_depth))


def _picture_packets(track: Any, picture: Picture, depth: int) -> Iterator[_Timed]:
    """All chunks' packets, in decode order, at the frame table's times."""
    total, end = len(picture.pts), int(picture.pts[0]) + picture.duration
    # Python's own integers: taken out of an array one by one, they cost more than the muxing.
    dts = decode_times(picture.pts, depth, picture.duration).tolist()
    pts, shown = picture.pts.tolist(), np.diff(picture.pts, append=end).tolist()
    # MP4 adds up decode times; the last packet sees to it that the sum is the length of the picture.
    rest = picture.duration - (dts[-1] - dts[0])
    base = picture.time_base
    first = count = 0
    for chunk in picture.chunks:
        with av.open(file_url(chunk)) as source:
            for packet in source.demux(video=0):
                if packet.pts is None or not packet.duration:
                    continue
                # In a chunk pictures are one tick of `duration` apart, so their number is their time.
                frame = first + packet.pts // packet.duration
                if frame >= total or pts[frame] < dts[count]:
                    raise StorageError("The chunks do not hold the pictures that the frame table lists.")
                packet.stream, packet.time_base = track, base
                packet.pts, packet.dts, packet.duration = pts[frame], dts[count], shown[frame]
                if count == total - 1:
                    packet.duration = max(1, min(rest, end - pts[frame]))
                yield _Timed(dts[count] * base.numerator / base.denominator, packet)
                count += 1
        first = count
    if count != total:
        raise StorageError(f"The chunks hold {count} pictures, not the {total} that the frame table lists.")


def _add_sound(
    output: Any, source: Any, pieces: Sequence[SoundPiece], language: str, container: Container
) -> Iterator[_Timed]:
    stream = source.streams.audio[0]
    track = output.add_stream_from_template(stream)
    track.metadata["language"] = three_letters(language, bibliographic=container != "mp4")
    track.disposition = av.stream.Disposition.default
    return _timed(track, _joined(pieces))


def _add_original(output: Any, source: Any, language: str, container: Container) -> Iterator[_Timed]:
    stream = source.streams.audio[0]
    track = output.add_stream_from_template(stream)
    track.metadata["language"] = three_letters(language, bibliographic=container != "mp4")
    # MP4 has no titles of tracks; players show the name of the handler.
    track.metadata["handler_name" if container == "mp4" else "title"] = ORIGINAL_TITLE
    track.disposition = av.stream.Disposition.original
    return _timed(track, (packet for packet in source.demux(stream) if packet.dts is not None))


def _timed(track: Any, packets: Iterable[Any]) -> Iterator[_Timed]:
    for packet in packets:
        base = packet.time_base
        packet.stream = track
        yield _Timed(packet.dts * base.numerator / base.denominator, packet)


def _joined(pieces: Iterable[SoundPiece]) -> Iterator[Any]:
    """The packets of all pieces, each beginning where the one before ends."""
    due: int | None = None
    for piece in pieces:
        with av.open(file_url(piece.path)) as source:
            packets: Iterator[Any] = (packet for packet in source.demux(audio=0) if packet.dts is not None)
            stop = None if piece.packets is None else piece.skipped + piece.packets
            shift = None
            for packet in islice(packets, piece.skipped, stop):
                at: int = packet.dts
                if shift is None:
                    shift = 0 if due is None else due - at
                packet.pts = packet.dts = at + shift
                # Before it is handed on, since who takes it moves it.
                due = at + shift + packet.duration
                yield packet


def _add_subtitles(output: Any, cues: Sequence[Cue], language: str, container: Container) -> Iterator[_Timed]:
    track = output.add_stream(_SUBTITLE_CODECS[container])
    track.codec_context.subtitle_header = _SUBTITLE_STYLE
    track.codec_context.time_base = track.time_base = SUBTITLE_BASE
    track.metadata["language"] = three_letters(language, bibliographic=container != "mp4")
    return _subtitle_packets(track, cues, container)


def _subtitle_packets(track: Any, cues: Sequence[Cue], container: Container) -> Iterator[_Timed]:
    for cue in cues:
        start, stop = (round(Fraction(at, SAMPLE_RATE) / SUBTITLE_BASE) for at in (cue.start, cue.stop))
        text = _coded_text(cue.text, container)
        packet = av.Packet(text)
        packet.stream, packet.time_base = track, SUBTITLE_BASE
        packet.pts = packet.dts = start
        packet.duration = max(1, stop - start)
        yield _Timed(float(start * SUBTITLE_BASE), packet)


def _coded_text(text: str, container: Container) -> bytes:
    """Text as a packet holds it: timed text has its length before it, WebVTT takes `<` for a tag."""
    if container == "webm":
        return html.escape(text, quote=False).encode("utf-8")
    data = text.encode("utf-8")
    return struct.pack(">H", len(data)) + data if container == "mp4" else data


def _describe(output: Any, about: About) -> None:
    output.metadata.update(
        {name: value for name, value in about.tags.items() if name.lower() not in _TECHNICAL_TAGS}
    )
    output.set_chapters(
        [
            {
                "id": number,
                "start": round(chapter.start / SUBTITLE_BASE),
                "end": round(chapter.stop / SUBTITLE_BASE),
                "time_base": SUBTITLE_BASE,
                "metadata": {"title": chapter.title} if chapter.title else {},
            }
            for number, chapter in enumerate(about.chapters, start=1)
        ]
    )
