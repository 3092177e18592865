"""Frames by their place in the frame table: native planes, bit for bit what the decoder gives.

The table lists the pictures a decode from the file's start presents, so it is made by decoding
(`scan_frames`), never guessed from packets: packets do not tell about hidden frames of edit lists,
undecodable leading pictures, packed B-frames or missing timestamps. Reading a range (`read_frames`) seeks,
and trusts what it gets only if it is exactly the frames the table lists.

Pictures keep their coded orientation; a display matrix is the player's business.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

from loc.artifacts import FrameRange, Join, VideoStream
from loc.errors import InputError
from loc.media.demux import packets
from loc.media.ffmpeg import LOCAL_ONLY, file_url
from loc.media.timeline import LEAP_S, STREAMED, Timeline
from loc.store.keys import digest_bytes

Plane = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

DECODER_THREADS = 1
"""Threads of one decoder: of damaged H.264, two showed other pictures from one decode to the next in two of
three files (measured), one never; and several chunks are read side by side."""

DISCONTINUITY_S = 1
"""A timestamp this many seconds behind its predecessor begins a new clock (a joined recording) and all that
follow are moved with it; a smaller step back is one bad timestamp."""

RUN_UP_BYTES = 1 << 20
"""How far before a key frame a seek by position goes, for the parser to find where pictures begin: program
streams cut them anywhere."""

HELD_PACKETS = 64
"""More packets than a decoder holds back: 16 pictures, two fields each, and one for each of its threads."""

_CLEAN_KEYS = frozenset(
    {
        *("hevc", "av1", "vp8", "vp9", "libdav1d", "libvpx", "libvpx-vp9"),
        *("mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "prores", "dnxhd", "ffv1"),
    }
)
"""Decoders whose key frames are clean by their standards: pictures shown after one refer to nothing before it
(in HEVC and MPEG-2 those that do are shown before it). H.264 has that of IDR pictures only."""

_SLICE, _SLICE_PARTITION_A, _IDR_SLICE = 1, 2, 5
_START_CODE = re.compile(rb"\x00\x00\x01(.)", re.DOTALL)

_PACKED = re.compile(rb"DivX\d+(?:Build|b)\d+p")
"""The mark of packed B-pictures in the headers of MPEG-4: two pictures in one packet, an empty one behind."""

ASSUMED_RATE = 25
"""Frames per second where a stream states none; only spaces pictures that have no timestamps."""

SEEK_MARGIN_S = 1
"""Seconds before a key frame that a seek by time aims at. Indices are of decoding times, which run ahead by
up to 16 pictures; packets before the key frame are read past, not decoded, so it costs little."""

_PLANE_FORMATS = frozenset(
    {
        *("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"),
        *("yuv420p10le", "yuv422p10le", "yuv444p10le"),
    }
)


@dataclass(frozen=True)
class Planes:
    """One picture as coded, without line padding.

    uint8 for 8-bit sources, uint16 with values 0..1023 for deeper ones. `y` is [height, width]; `u` and `v`
    are [height / sy, width / sx], rounded up, with the subsampling (sx, sy) of `plane_format`.
    C-contiguous.
    """

    y: Plane
    u: Plane
    v: Plane


@dataclass(frozen=True)
class Scan:
    """What a decode from start to end presented.

    Args:
        pts: int64 [n], ticks, strictly increasing.
        key: bool [n], pictures the decoder calls key frames.
        positions: int64 [n], see `loc.media.timeline.Timeline`.
        joins: where the file's own timestamps begin anew.
        duration: ticks from the first picture to the end of the last.
        lead: ticks by which all pictures are later on the container's clock than `pts` says.
        repaired: timestamps that were missing or did not advance, and were made up.
        damaged: packets the decoder refused.
    """

    pts: npt.NDArray[np.int64]
    key: npt.NDArray[np.bool_]
    positions: npt.NDArray[np.int64]
    joins: tuple[Join, ...]
    duration: int
    lead: int
    repaired: int
    damaged: int

    def timeline(self, time_base: Fraction) -> Timeline:
        """The frame table, with all that reading needs of it.

        Args:
            time_base: seconds per tick.
        """
        return Timeline(self.pts, self.key, time_base, self.duration, self.positions, self.joins)


@dataclass(frozen=True)
class Look:
    """What the decoder says about a stream once it has shown a picture.

    Args:
        pix_fmt: its own pixel format.
        bit_depth: bits of its deepest colour component.
        is_rgb: RGB or a palette of RGB.
        interlaced: the picture is two fields.
        time_base: seconds per tick of `pts`.
        average_rate: frames per second.
    """

    pix_fmt: str
    bit_depth: int
    is_rgb: bool
    interlaced: bool
    time_base: Fraction
    average_rate: Fraction


def first_look(path: Path, stream_index: int) -> Look:
    """Decode one picture of a stream.

    Raises:
        InputError: there is no decoder for it, or no decodable picture.
    """
    with _open(path, stream_index) as decoder:
        for picture in decoder.pictures():
            layout = picture.frame.format
            return Look(
                pix_fmt=layout.name,
                bit_depth=max(component.bits for component in layout.components),
                is_rgb=layout.is_rgb or layout.has_palette,
                interlaced=bool(picture.frame.interlaced_frame),
                time_base=decoder.time_base,
                average_rate=decoder.rate,
            )
        raise _nothing_decodable(path)


def _nothing_decodable(path: Path) -> InputError:
    return InputError(
        f"{path} has no picture that can be decoded.",
        why="It is damaged, truncated, encrypted, or in a codec that this decoder does not know.",
        fix="Check that the file plays from its start, and is complete.",
    )


def plane_format(pix_fmt: str) -> str:
    """The planar format in which pictures of `pix_fmt` are handled: itself, or the nearest one supported.

    Semi-planar and deeper layouts keep their subsampling (12 bits and more become 10); RGB and palettes
    become 4:4:4, grey becomes 4:2:0. Alpha is dropped.
    """
    if pix_fmt in _PLANE_FORMATS:
        return pix_fmt
    layout = av.VideoFormat(pix_fmt)
    colours = [component for component in layout.components if not component.is_alpha]
    depth = "10le" if max(component.bits for component in colours) > 8 else ""
    if layout.is_rgb or layout.has_palette:
        return f"yuv444p{depth}"
    if len(colours) < 3:
        return f"yuv420p{depth}"
    narrow, low = layout.chroma_width(64) < 64, layout.chroma_height(64) < 64
    sampling = "444" if not narrow else "420" if low else "422"
    return f"yuv{sampling}p{depth}"


def plane_depth(video: VideoStream) -> int:
    """Bits per sample of this stream's `Planes`: 8 or 10."""
    return 10 if video.bit_depth > 8 else 8


def scan_frames(path: Path, video: VideoStream, visit: Callable[[Any], None] | None = None) -> Scan:
    """Decode the whole stream and list its pictures; `visit` sees each `av.VideoFrame` once, in order, in
    a thread of its own, while the next picture is decoded.

    Memory does not grow with the pictures, except for 17 bytes of table each.

    Raises:
        InputError: it cannot be opened, or not read to its end, or has no decodable picture.
    """
    pts, key, positions = array("q"), bytearray(), array("q")
    with _open(path, video.index) as decoder, ThreadPoolExecutor(1, thread_name_prefix="visit") as visitor:
        length = 0
        visiting: Future[None] | None = None
        for picture in decoder.pictures():
            pts.append(picture.pts)
            key.append(picture.key)
            positions.append(picture.position)
            length = picture.duration
            if visiting is not None:
                visiting.result()
            if visit is not None:
                visiting = visitor.submit(visit, picture.frame)
        if visiting is not None:
            visiting.result()
        if not pts:
            raise _nothing_decodable(path)
        if length <= 0:
            length = pts[-1] - pts[-2] if len(pts) > 1 else decoder.step
        return Scan(
            pts=np.array(pts, dtype=np.int64),
            key=np.array(key, dtype=bool),
            positions=np.array(positions, dtype=np.int64),
            joins=tuple(decoder.joins),
            duration=pts[-1] - pts[0] + length,
            lead=_edit_lead(path, video.index),
            repaired=decoder.repaired,
            damaged=decoder.damaged,
        )


def frames_key(source: str, video: VideoStream, timeline: Timeline, frames: FrameRange) -> dict[str, Any]:
    """How a range of frames stands in an action's inputs: all that `read_frames` goes by.

    Args:
        source: digest of the file.
    """
    return {
        "source": source,
        "stream": video.index,
        "frames": [frames.start, frames.stop],
        "pts": digest_bytes(timeline.pts[frames.start : frames.stop].tobytes()),
        "planes": {
            "pix_fmt": video.pix_fmt,
            "bit_depth": video.bit_depth,
            "size": [video.width, video.height],
            "matrix": video.matrix,
            "full_range": video.full_range,
        },
        # With several clocks times alone do not say which picture of the file a frame is.
        **({"joins": [join.frame for join in timeline.joins]} if timeline.joins else {}),
    }


def _edit_lead(path: Path, stream_index: int) -> int:
    """Ticks by which libavformat shows the pictures of an MP4 too early, against its sound.

    Where an edit list begins inside a picture, the first whole one is shown later than the sound begins. Its
    full handling of edit lists puts that picture at 0; the simple one, which hides nothing, has it in place.
    """
    full = _first_packet(path, stream_index, "1")
    simple = _first_packet(path, stream_index, "0")
    if full is None or simple is None or full.pos != simple.pos:
        return 0
    if full.pts is None or simple.pts is None:
        return 0
    lead = int(simple.pts - full.pts)
    return lead if 0 < lead < full.duration else 0


def _first_packet(path: Path, stream_index: int, advanced_editlist: str) -> Any:
    """The first packet of a stream of an MP4; None in other containers."""
    with _open(path, stream_index, advanced_editlist=advanced_editlist) as decoder:
        return decoder.first_packet() if "mp4" in decoder.container else None


def read_frames(path: Path, video: VideoStream, timeline: Timeline, frames: FrameRange) -> Iterator[Planes]:
    """Exactly the pictures `frames` of the table, in presentation order.

    Seeks to a key frame from which the range decodes cleanly. Where a container's seek does not lead there,
    the stream is decoded from its start instead: slow, but the same pictures.

    Raises:
        InputError: the file cannot be opened or read, or no longer gives the pictures the table lists.
        ValueError: `frames` is not inside the table.
    """
    if not 0 <= frames.start <= frames.stop <= timeline.count:
        raise ValueError(f"frames {frames.start}..{frames.stop} of {timeline.count}")
    if not len(frames):
        return
    given = 0
    for entry in _entries(timeline, frames.start):
        rest = FrameRange(start=frames.start + given, stop=frames.stop)
        for planes in _read_from(path, video, timeline, rest, entry):
            given += 1
            yield planes
        if given == len(frames):
            return
    raise InputError(
        f"Frame {frames.start + given} of {path} could not be read again.",
        why="The file no longer decodes to the frames found when it was first read.",
        fix="Check that it has not changed and its disk is sound, then run again.",
    )


@dataclass(frozen=True)
class _Entry:
    """A key frame to begin decoding at; `clean` demands that nothing behind it refers to anything before
    it."""

    frame: int
    clean: bool


def _entries(timeline: Timeline, start: int) -> list[_Entry]:
    """Where to begin for frame `start`, cheapest first: its key frame, the one before, the start of the file.

    Behind a key frame that is not clean pictures may refer to pictures before it (open groups of pictures);
    one whole group of run-up makes their references exact.
    """
    keys = np.flatnonzero(_is_entry(timeline, start + 1))
    near = [
        _Entry(int(key), clean) for key, clean in zip(keys[:-3:-1], (True, False), strict=False) if key > 0
    ]
    return [*near, _Entry(0, clean=False)]


def _is_entry(timeline: Timeline, stop: int) -> npt.NDArray[np.bool_]:
    """bool [stop]: frames with whose packet decoding can begin."""
    if timeline.positions is None:
        return np.zeros(stop, dtype=bool)
    return np.asarray(timeline.key[:stop] & (timeline.positions[:stop] >= 0))


def _read_from(
    path: Path, video: VideoStream, timeline: Timeline, frames: FrameRange, entry: _Entry
) -> Iterator[Planes]:
    """As many of `frames`, from the first on, as a decode from `entry` gives.

    From the entry on every picture has to be the next one of the table, or it is not known to be any.
    """
    with _open(path, video.index, timeline) as decoder:
        if entry.frame > 0 and not decoder.seek(entry):
            return
        expected = range(entry.frame, frames.stop)
        # The numbers come first, so that no picture is decoded behind the last.
        for number, picture in zip(expected, decoder.pictures(), strict=False):
            if picture.pts != timeline.pts[number]:
                return
            if number >= frames.start:
                yield to_planes(picture.frame, video)


def to_planes(frame: Any, video: VideoStream) -> Planes:
    """Copy an `av.VideoFrame` out of the decoder; swscale converts it only if it is in no plane format.

    A picture whose size differs from the stream's (some broadcasts change it midway) is scaled to it.
    """
    wanted = plane_format(video.pix_fmt)
    if (frame.format.name, frame.width, frame.height) != (wanted, video.width, video.height):
        frame = _converted(frame, wanted, video)
    return Planes(*_copied(frame.planes, plane_depth(video)))


def _converted(frame: Any, pix_fmt: str, video: VideoStream) -> Any:
    """`frame` in another format and size, in the stream's matrix and range."""
    matrix = {"bt601": "ITU601", "bt709": "ITU709", "bt2020nc": "BT2020"}[video.matrix]
    span = "JPEG" if video.full_range else "MPEG"
    from_rgb = frame.format.is_rgb or frame.format.has_palette
    return frame.reformat(
        width=video.width,
        height=video.height,
        format=pix_fmt,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range="JPEG" if from_rgb else span,
        dst_color_range=span,
    )


def _copied(planes: Sequence[Any], depth: int) -> Iterator[Plane]:
    """Three planes in one block. Big ones come from the system, and leave no holes in the heap behind: see
    `loc.process.keep_heap_small`."""
    samples = sum(plane.height * plane.width for plane in planes)
    block: Plane = np.empty(samples, np.uint16) if depth > 8 else np.empty(samples, np.uint8)
    start = 0
    for plane in planes:
        stop = start + plane.height * plane.width
        own = block[start:stop].reshape(plane.height, plane.width)
        lines = np.frombuffer(plane, block.dtype).reshape(-1, plane.line_size // block.itemsize)
        own[:] = lines[: plane.height, : plane.width]
        yield own
        start = stop


@dataclass(frozen=True)
class _Picture:
    frame: Any
    pts: int
    key: bool
    duration: int
    position: int


@dataclass(frozen=True)
class _Coded:
    """What is known of a packet.

    Args:
        position: the byte at which it begins, or, where one packet of a program stream has several pictures,
            the first of them; -1 where the container does not say.
        key: whether decoding can begin with it.
    """

    position: int
    key: bool


class _Held:
    """The packets that a decoder may still hold, by their timestamps: it hands these on to the pictures."""

    def __init__(self) -> None:
        self._packets: dict[int, _Coded | None] = {}

    def add(self, packet: Any, position: int) -> None:
        time = _time_of(packet)
        if time is None:
            return
        # Of two with one timestamp neither is known by it.
        twice = time in self._packets
        self._packets.pop(time, None)
        self._packets[time] = None if twice else _Coded(position, bool(packet.is_keyframe))
        if len(self._packets) > HELD_PACKETS:
            del self._packets[next(iter(self._packets))]

    def take(self, time: int | None) -> _Coded | None:
        """The packet of the picture with that timestamp, where it is known for sure."""
        return None if time is None else self._packets.pop(time, None)


def _time_of(packet: Any) -> int | None:
    """When the picture of a packet is shown, ticks."""
    time: int | None = packet.pts if packet.pts is not None else packet.dts
    return time


class _Decoder:
    """One stream, decoded packet by packet, with a timestamp for every picture.

    Args:
        path: of the file, to name it.
        timeline: what a scan found; None while scanning.
    """

    def __init__(self, path: Path, container: Any, stream: Any, timeline: Timeline | None) -> None:
        self._path = path
        self._container = container
        self._stream = stream
        self._timeline = timeline
        self.container = str(container.format.name)
        """ffmpeg's name of the format; several, with commas between, where one demuxer reads them."""
        self._streamed = self.container in STREAMED
        watched = self._streamed and timeline is None
        self._demuxed: Iterator[Any] = self._watched() if watched else container.demux(stream)
        self.repaired = 0
        self.damaged = 0
        self.joins: list[Join] = []
        """Where timestamps began anew so far; while reading, where the scan found them to."""
        self.time_base = Fraction(stream.time_base)
        self.rate = Fraction(stream.average_rate or stream.base_rate or ASSUMED_RATE)
        self.step = max(1, round(1 / (self.rate * self.time_base)))
        """Ticks between pictures at the stated rate."""
        packed = _PACKED.search(stream.codec_context.extradata or b"") is not None
        self._on_arrival = packed or self.container == "avi"
        """AVI stores no presentation times; libavformat guesses, and guesses wrong behind packed B-pictures
        and in H.264. There a picture is shown at the time of the packet with which the decoder gives it."""
        self._late = self.step if packed else 0
        """Packing is there to let a picture be shown a packet earlier than this decoder gives it."""
        self._held = _Held()
        self._position = -1
        """Where the packet last decoded begins, see `_Coded`."""
        self._number = 0
        """The next picture's place in the table."""
        self._awaited: int | None = None
        """The timestamp of the key frame that was sought, until the decoder gives it."""
        self._last: int | None = None
        self._pace = self.step
        """Ticks between the last two pictures."""
        self._shift = 0
        self._leapt = 0
        """For how many packets yet the picture's leap is one of the whole file."""

    def seek(self, entry: _Entry) -> bool:
        """Go on with the packet of a key frame of the table.

        False where the container does not lead there, or a clean one is demanded and the key frame is not.
        """
        timeline = self._timeline
        assert timeline is not None
        assert timeline.positions is not None
        if self._on_arrival and timeline.joins:
            return False
        shift = timeline.shift(entry.frame)
        time, position = int(timeline.pts[entry.frame]) - shift, int(timeline.positions[entry.frame])
        try:
            packet = self._sought(time, position)
        except (av.error.FFmpegError, OSError):
            return False
        if packet is None:
            return False
        self._demuxed = itertools.chain([packet], self._container.demux(self._stream))
        self._number, self._shift, self._awaited = entry.frame, shift, time
        return not entry.clean or self._is_clean(packet)

    def _sought(self, time: int, position: int) -> Any:
        """The packet of the key frame that the file shows at `time` and has at `position`, or None."""
        if self._streamed:
            self._container.seek(max(0, position - RUN_UP_BYTES), unsupported_byte_offset=True)
        else:
            margin = 0 if self._on_arrival else round(SEEK_MARGIN_S / self.time_base)
            self._container.seek(time - margin, stream=self._stream, backward=True, any_frame=False)
        for packet in self._container.demux(self._stream):
            self._go_by(packet)
            if self._leads_to(packet, time, position):
                return packet
            late = packet.dts is not None and packet.dts > time
            if self._position > position if self._streamed else late:
                return None
        return None

    def _leads_to(self, packet: Any, time: int, position: int) -> bool:
        """Whether a packet is that of the key frame; on arrival the last key frame before `time`."""
        if self._on_arrival:
            return bool(packet.is_keyframe and packet.dts is not None and packet.dts <= time)
        return bool(packet.is_keyframe and self._position == position and _time_of(packet) == time)

    def _go_by(self, packet: Any) -> None:
        """Note where a packet is."""
        if packet.pos is not None:
            self._position = int(packet.pos)

    def _is_clean(self, packet: Any) -> bool:
        """Whether nothing shown after this key frame refers to anything before it."""
        codec = self._stream.codec_context
        if codec.name == "h264":
            return _begins_with_idr(bytes(packet), codec.extradata or b"")
        return codec.name in _CLEAN_KEYS

    def first_packet(self) -> Any:
        """The first packet in decode order; None without any."""
        return next((packet for packet in self._packets() if packet.size), None)

    def pictures(self) -> Iterator[_Picture]:
        """Every picture from here to the end, from the one that was sought on. Damaged packets are counted
        and passed over."""
        for packet in self._packets():
            if packet.size:
                self._go_by(packet)
                self._held.add(packet, self._position)
            self._leapt = max(0, self._leapt - 1)
            try:
                decoded = packet.decode()
            except av.error.FFmpegError:
                self.damaged += 1
                continue
            for frame in decoded:
                if self._is_expected(frame):
                    yield self._picture(frame)

    def _is_expected(self, frame: Any) -> bool:
        """Whether a picture is the one that was sought, or comes after it."""
        if self._awaited is None:
            return True
        if not frame.key_frame or self._given(frame) != self._awaited:
            return False
        self._awaited = None
        return True

    def _picture(self, frame: Any) -> _Picture:
        coded = self._held.take(frame.pts if frame.pts is not None else frame.dts)
        pts = self._time(frame, coded)
        key = bool(frame.key_frame)
        given = self._given(frame)
        if given is None or pts != given + self._shift:
            position = -1
        elif self._on_arrival:
            position = self._position
        else:
            position = coded.position if coded is not None and coded.key else -1
        self._number += 1
        return _Picture(frame, pts, key, int(frame.duration or 0), position if key else -1)

    def _packets(self) -> Iterator[Any]:
        """Demuxed packets, then the one that flushes the decoder; a file that breaks off ends there.

        Raises:
            InputError: the disk or the network failed.
        """
        return packets(self._path, self._demuxed, self._count_damage)

    def _count_damage(self) -> None:
        self.damaged += 1

    def _watched(self) -> Iterator[Any]:
        """The packets of the stream, while those of the sound are looked at for where all of them leap."""
        streams = (*self._container.streams.video, *self._container.streams.audio)
        met: Fraction | None = None
        for packet in self._container.demux(*streams):
            time = _time_of(packet)
            if time is not None:
                seconds = time * Fraction(packet.time_base)
                if met is not None and abs(seconds - met) > LEAP_S:
                    self._leapt = HELD_PACKETS
                met = seconds
            if packet.stream.index == self._stream.index:
                yield packet

    def _time(self, frame: Any, coded: _Coded | None) -> int:
        """The picture's pts, made up where the file has none or goes back in time."""
        given = self._given(frame)
        if self._last is None:
            self._last = 0 if given is None else given + self._shift
            return self._last
        if given is None:
            now = self._last + self.step
        else:
            shift = self._new_shift(given)
            if shift is not None:
                self._shift = shift
                position = self._position if coded is None else coded.position
                self.joins.append(Join(frame=self._number, shift=shift, position=position))
            now = given + self._shift
            if now <= self._last:
                now = self._last + 1
        self.repaired += given is None or now != given
        self._pace = now - self._last
        self._last = now
        return now

    def _new_shift(self, given: int) -> int | None:
        """The shift of the clock that begins with a picture, where one does."""
        assert self._last is not None
        if self._timeline is not None:
            found = (join.shift for join in self._timeline.joins if join.frame == self._number)
            return next(found, None)
        ahead = given + self._shift - self._last
        back = -ahead * self.time_base >= DISCONTINUITY_S
        leap = self._leapt > 0 and ahead * self.time_base > LEAP_S
        return self._last + self.step - given if back or leap else None

    def _given(self, frame: Any) -> int | None:
        """What the file says of a picture's time."""
        if not self._on_arrival:
            pts: int | None = frame.pts if frame.pts is not None else frame.dts
            return pts
        if frame.dts is not None:
            return int(frame.dts) - self._late
        # The last pictures come with no packet; they go on at the pace of those before them.
        return None if self._last is None else self._last - self._shift + self._pace


def _begins_with_idr(packet: bytes, extradata: bytes) -> bool:
    """Whether an H.264 packet's first slice is that of an IDR picture (ITU-T H.264, table 7-1)."""
    for kind in _nal_kinds(packet, extradata):
        if kind in (_SLICE, _SLICE_PARTITION_A, _IDR_SLICE):
            return kind == _IDR_SLICE
    return False


def _nal_kinds(packet: bytes, extradata: bytes) -> Iterator[int]:
    """The kinds of an H.264 packet's units, behind start codes, or behind lengths where an avcC record says
    so."""
    if not extradata.startswith(b"\x01"):
        yield from (match[1][0] & 31 for match in _START_CODE.finditer(packet))
        return
    width = (extradata[4] & 3) + 1
    place = 0
    while place + width < len(packet):
        yield packet[place + width] & 31
        place += width + int.from_bytes(packet[place : place + width], "big")


@contextmanager
def _open(
    path: Path, stream_index: int, timeline: Timeline | None = None, **options: str
) -> Iterator[_Decoder]:
    """The decoder of one stream of a local file; `options` are the demuxer's.

    Raises:
        InputError: the file or the stream cannot be opened.
    """
    try:
        container = av.open(file_url(path), options={**LOCAL_ONLY, **options}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(
            f"{path} cannot be opened as video.", why=str(error), fix="Check that the file plays."
        ) from error
    with container:
        try:
            stream: Any = container.streams[stream_index]
        except IndexError as error:
            raise InputError(f"{path} has no stream {stream_index} any more.") from error
        if stream.codec_context is None:
            raise _nothing_decodable(path)
        stream.codec_context.thread_count = DECODER_THREADS
        yield _Decoder(path, container, stream, timeline)
