"""Encode a chunk's planes, and a programme's sound: the only generation of loss between source and output.

Chunks are encoded each on its own, by x264, x265 or libvpx, with the same settings, closed groups of pictures
and headers that do not depend on content, so that `loc.media.mux` can lay their packets one behind the other.
AAC is coded in parts too, for the same reason: an edited line costs the parts that it sounds in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Literal

import ffmpeg
import numpy as np

from loc.artifacts import (
    SAMPLE_RATE,
    Codec,
    Container,
    ContentLight,
    Frozen,
    MasteringDisplay,
    Ratio,
    VideoStream,
)
from loc.media.ffmpeg import BITEXACT, file_url, start
from loc.media.frames import Planes, plane_format
from loc.media.sound import Samples
from loc.media.tonemap import ToneMap, tone_map_for, write_table

KEY_SECONDS = 2
"""Seconds between key frames at most: how far a player may have to decode to seek. Cuts get their own."""

THREADS: Mapping[Codec, int] = {"h264": 3, "hevc": 2, "vp9": 2}
"""Part of the encode, not of the machine: other numbers give other bytes."""

FAST_CODER_FROM = 64
"""kbit/s per channel from which the AAC encoder's quick search is used. It takes under half of the other's
time and leaves less noise: on speech, a film and music at 192 kbit/s in stereo 4 to 15 dB less over all, and
4 to 5 dB less in the worst tenth of all critical bands. Below, ffmpeg's manual calls it worse."""

PACKET_SAMPLES = 1024
"""What a packet of AAC-LC adds to the sound. Its window reaches as far back, over the packet before."""

PART_PACKETS = 1406
"""Packets in a part: 29.995 s, as near as whole packets come to a block of the mix."""

RUN_UP_PACKETS = 24
"""How much an AAC encoder hears before a part, until it chooses windows and spends bits like one that has
heard all. With 24, sound coded in parts of a second has the noise at its joints that it has when coded whole,
within 0.3 dB in 95 of 100 packets, as anywhere else (speech, and bursts of noise over tones, 192 kbit/s);
with 4 there is 0.6 to 0.9 dB more."""

LOOK_AHEAD_PACKETS = 3
"""What it hears behind a part: the second half of the last window, and the onset that may follow."""

FASTEST_RATE = 1000
"""Frames per second above which a stated rate is taken for an error of the container."""

INTERLACED_LINES = 4
"""What the height of interlaced 4:2:0 in H.264 is a multiple of: a chroma line in each field."""

_MATRIX_NAMES = {"bt601": "smpte170m", "bt709": "bt709", "bt2020nc": "bt2020nc"}

_MATRICES = {"bt709": 1, "smpte170m": 6, "bt2020nc": 9}
_PRIMARIES = {
    "bt709": 1,
    "bt470m": 4,
    "bt470bg": 5,
    "smpte170m": 6,
    "smpte240m": 7,
    "film": 8,
    "bt2020": 9,
    "smpte428": 10,
    "smpte431": 11,
    "smpte432": 12,
}
_TRANSFERS = {
    "bt709": 1,
    "bt470m": 4,
    "bt470bg": 5,
    "smpte170m": 6,
    "smpte240m": 7,
    "linear": 8,
    "log100": 9,
    "log316": 10,
    "iec61966-2-4": 11,
    "bt1361e": 12,
    "iec61966-2-1": 13,
    "bt2020-10": 14,
    "bt2020-12": 15,
    "smpte2084": 16,
    "smpte428": 17,
    "arib-std-b67": 18,
}
"""Names that ffmpeg, x264 and x265 share, with their code points (ITU-T H.273, tables 2 to 4)."""

_CHROMA_LOCATIONS = {"left": 0, "center": 1, "topleft": 2}
"""chroma_sample_loc_type of H.264 and H.265."""

_VP9_SPEEDS = {
    "ultrafast": 8,
    "superfast": 7,
    "veryfast": 6,
    "faster": 5,
    "fast": 4,
    "medium": 3,
    "slow": 2,
    "slower": 1,
    "veryslow": 0,
}
"""libvpx's `cpu-used` in the place of x264's presets."""

_VP9_LIVE_SPEED = 6
"""From this speed up libvpx has only its encoder for live pictures."""

_CRF_SCALE, _VP9_CRF_SCALE = 51, 63
"""Largest rate factors of x264 and x265, and of libvpx."""


SoundCodec = Literal["aac", "opus"]

SOUND_CODECS: Mapping[Container, SoundCodec] = {"mp4": "aac", "mkv": "aac", "webm": "opus"}
"""What every player of a container expects in it."""

ENCODERS: Mapping[Codec | SoundCodec, str] = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "aac": "aac",
    "opus": "libopus",
}
"""ffmpeg's encoders."""


class Colour(Frozen):
    """What a coded picture declares of its colours, in ffmpeg's names; None stays undeclared."""

    matrix: str | None
    primaries: str | None
    transfer: str | None
    full_range: bool
    siting: Literal["left", "center", "topleft"] | None
    """Of chroma that is halved in both directions."""
    mastering: MasteringDisplay | None
    content_light: ContentLight | None


SDR_SITING: Literal["left"] = "left"
SDR = Colour(
    matrix="bt709",
    primaries="bt709",
    transfer="bt709",
    full_range=False,
    siting=SDR_SITING,
    mastering=None,
    content_light=None,
)
SDR_FORMAT = "yuv420p"
"""What HDR becomes where it cannot stay."""


class Coding(Frozen):
    """Everything that shapes a coded picture besides its samples; the same for every chunk of a programme."""

    codec: Codec
    pix_fmt: str
    """Planar format, as `plane_format` gives it: the source's own depth and subsampling."""
    coded_pix_fmt: str
    """The same, or that of SDR."""
    width: int
    """Even where chroma is halved across: H.264 and H.265 cannot code half a chroma sample."""
    height: int
    rate: Ratio
    """Nominal frames per second, for rate control and key frames; true times are the muxer's."""
    crf: int
    """On x264's scale."""
    preset: str
    """x264's name."""
    shown_width: int
    """Of the coded picture: larger than `width` where VP9, which knows square pixels only, needs it to be."""
    shown_height: int
    sample_aspect: Ratio
    colour: Colour
    first_field: Literal["top", "bottom"] | None
    """Of interlaced pictures. H.264 codes them as they are; for other codecs they are deinterlaced."""
    tone_map: ToneMap | None
    """Set where HDR becomes SDR."""

    @property
    def deinterlaces(self) -> bool:
        return self.first_field is not None and self.codec != "h264"


def coding_for(video: VideoStream, codec: Codec, crf: int, preset: str) -> Coding:
    """How pictures of this stream are coded: as they are, with the source's own depth, subsampling and tags.

    H.264 is for players of all kinds, which know no HDR: there HDR becomes SDR of 8 bits and 4:2:0.

    8 and 10 bits, 4:2:0, 4:2:2 and 4:4:4 are kept (in H.264 as High, High 10, High 4:2:2 and High 4:4:4, in
    H.265 as Main, Main 10 and range extensions, in VP9 as profiles 0 to 3). What the source does not declare
    stays undeclared, so that players go on making the same guess.
    """
    pix_fmt = plane_format(video.pix_fmt)
    across, down = _grid(codec, pix_fmt, video.first_field is not None)
    width, height = -(-video.width // across) * across, -(-video.height // down) * down
    aspect = Fraction(1) if codec == "vp9" else video.sample_aspect
    stretch = video.sample_aspect / aspect
    tone_map = tone_map_for(video) if video.is_hdr and codec == "h264" else None
    planes = pix_fmt.replace("yuvj", "yuv")
    return Coding(
        codec=codec,
        pix_fmt=planes,
        coded_pix_fmt=planes if tone_map is None else SDR_FORMAT,
        width=width,
        height=height,
        shown_width=round(width * stretch) if stretch > 1 else width,
        shown_height=round(height / stretch) if stretch < 1 else height,
        rate=_nominal_rate(video.average_rate),
        crf=crf,
        preset=preset,
        sample_aspect=aspect,
        colour=_colour(video, pix_fmt) if tone_map is None else SDR,
        first_field=video.first_field,
        tone_map=tone_map,
    )


def _grid(codec: Codec, pix_fmt: str, interlaced: bool) -> tuple[int, int]:
    """What width and height must be multiples of."""
    if codec == "vp9":
        return 1, 1
    across, down = _subsampling(pix_fmt)
    if interlaced and codec == "h264":
        down = INTERLACED_LINES
    return across, down


def _subsampling(pix_fmt: str) -> tuple[int, int]:
    """Luma samples for each chroma sample, across and down."""
    return 1 if "444" in pix_fmt else 2, 2 if "420" in pix_fmt else 1


def _nominal_rate(rate: Fraction) -> Fraction:
    """A rate whose parts fit x264's and MP4's 32-bit fields; times come from the frame table, so a picture
    that is shown for an hour may have any."""
    slowest = Fraction(1, 1001)
    return max(slowest, rate.limit_denominator(1001)) if 0 < rate <= FASTEST_RATE else Fraction(25)


def _colour(video: VideoStream, pix_fmt: str) -> Colour:
    return Colour(
        matrix=_MATRIX_NAMES[video.matrix] if video.matrix_declared else None,
        primaries=video.primaries if video.primaries in _PRIMARIES else None,
        transfer=video.transfer if video.transfer in _TRANSFERS else None,
        full_range=video.full_range,
        siting=video.chroma_location if "420" in pix_fmt else None,
        mastering=video.mastering,
        content_light=video.content_light,
    )


def encode_chunk(
    frames: Iterable[Planes],
    coding: Coding,
    path: Path,
    program: str,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Encode frames into one MP4 file, one picture per tick in presentation order, from 0.

    The same frames and coding give the same bytes, on any number of cores. Returns how many frames were
    written; `progress` is told after each.

    Raises:
        ChildError: ffmpeg failed.
    """
    count = 0
    with _table(coding, path) as table, start(_encoder(coding, path, table), program, stdin=True) as child:
        for planes in frames:
            _write(child.stdin, planes, coding)
            count += 1
            if progress is not None:
                progress(count)
    return count


@contextmanager
def _table(coding: Coding, path: Path) -> Iterator[Path]:
    """The file of the tone map, beside the picture's, while it is needed."""
    table = path.with_suffix(".cube")
    try:
        if coding.tone_map is not None:
            write_table(coding.tone_map, table)
        yield table
    finally:
        table.unlink(missing_ok=True)


def _encoder(coding: Coding, path: Path, table: Path) -> Any:
    picture = ffmpeg.input(
        "pipe:0",
        f="rawvideo",
        pix_fmt=coding.pix_fmt,
        s=f"{coding.width}x{coding.height}",
        framerate=f"{coding.rate.numerator}/{coding.rate.denominator}",
    )
    options = {
        **_CODEC_OPTIONS[coding.codec](coding),
        "pix_fmt": coding.coded_pix_fmt,
        "threads": THREADS[coding.codec],
        "f": "mp4",
    }
    return _filtered(picture, coding, table).output(file_url(path), **options, **BITEXACT)


def _filtered(picture: Any, coding: Coding, table: Path) -> Any:
    """Raw pictures with what raw video cannot say, fields and shape; one picture for each."""
    if coding.tone_map is not None:
        picture = _tone_mapped(picture, coding.tone_map, coding.pix_fmt, table)
    if coding.first_field is not None:
        parity = "tff" if coding.first_field == "top" else "bff"
        picture = picture.filter("setfield", parity)
        if coding.deinterlaces:
            picture = picture.filter("bwdif", mode="send_frame", parity=parity, deint="all")
    if (coding.shown_width, coding.shown_height) != (coding.width, coding.height):
        picture = picture.filter("scale", coding.shown_width, coding.shown_height, flags="bicubic")
    aspect = coding.sample_aspect
    return picture.filter("setsar", f"{aspect.numerator}/{aspect.denominator}")


def _tone_mapped(picture: Any, how: ToneMap, pix_fmt: str, table: Path) -> Any:
    """By way of RGB of 16 bits, chroma interpolated from where it sits to where SDR's does."""
    flags = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
    matrix = {"bt601": "smpte170m", "bt709": "bt709", "bt2020nc": "bt2020"}[how.matrix]
    given = {"in_color_matrix": matrix, "in_range": "pc" if how.full_range else "tv"}
    sits = _chroma_position("in", how.siting, pix_fmt)
    becomes = _chroma_position("out", SDR_SITING, SDR_FORMAT)
    return (
        picture.filter("scale", flags=flags, **given, **sits)
        .filter("format", "gbrp16le")
        .filter("lut3d", file=str(table), interp="tetrahedral")
        .filter("scale", flags=flags, out_color_matrix="bt709", out_range="tv", **becomes)
        .filter("format", SDR_FORMAT)
    )


def _chroma_position(side: Literal["in", "out"], siting: str, pix_fmt: str) -> dict[str, int]:
    """Where chroma sits as ffmpeg's scaler is told: in 1/256 luma pixel, and of halved directions alone."""
    across, down = _subsampling(pix_fmt)
    places = {"h": (across, siting == "center"), "v": (down, siting != "topleft")}
    return {
        f"{side}_{axis}_chr_pos": 128 if between else 0
        for axis, (step, between) in places.items()
        if step == 2
    }


def _key_interval(coding: Coding) -> int:
    return max(1, round(KEY_SECONDS * coding.rate))


def _h264(coding: Coding) -> dict[str, Any]:
    colour = coding.colour
    parameters: dict[str, Any] = {
        "keyint": _key_interval(coding),
        "open-gop": 0,
        "stitchable": 1,
        "sliced-threads": 0,
        "fullrange": "on" if colour.full_range else "off",
        **_declared(colour),
    }
    if coding.first_field is not None:
        parameters["tff" if coding.first_field == "top" else "bff"] = 1
    return {
        "vcodec": ENCODERS["h264"],
        "preset": coding.preset,
        "crf": coding.crf,
        "x264-params": _joined(parameters),
    }


def _hevc(coding: Coding) -> dict[str, Any]:
    colour = coding.colour
    parameters: dict[str, Any] = {
        "keyint": _key_interval(coding),
        "open-gop": 0,
        "frame-threads": 1,
        # The header would name the machine's instruction sets.
        "info": 0,
        "log-level": "error",
        "range": "full" if colour.full_range else "limited",
        **_declared(colour),
        **_light(colour),
    }
    return {
        "vcodec": ENCODERS["hevc"],
        "preset": coding.preset,
        "crf": coding.crf,
        # With headers in the sample entry, as Apple's players ask.
        "tag:v": "hvc1",
        "x265-params": _joined(parameters),
    }


def _declared(colour: Colour) -> dict[str, Any]:
    """x264's and x265's parameters for what is declared."""
    declared = {
        "colormatrix": colour.matrix,
        "colorprim": colour.primaries,
        "transfer": colour.transfer,
        "chromaloc": None if colour.siting is None else _CHROMA_LOCATIONS[colour.siting],
    }
    return {name: value for name, value in declared.items() if value is not None}


def _light(colour: Colour) -> dict[str, Any]:
    """x265's parameters for static HDR metadata."""
    parameters = {}
    if (display := colour.mastering) is not None:
        corners = zip("GBR", (display.green, display.blue, display.red), strict=True)
        gamut = "".join(f"{name}({x},{y})" for name, (x, y) in corners)
        white = f"WP({display.white[0]},{display.white[1]})"
        parameters["master-display"] = f"{gamut}{white}L({display.brightest},{display.darkest})"
    if (light := colour.content_light) is not None:
        parameters["max-cll"] = f"{light.most},{light.average}"
    return parameters


def _vp9(coding: Coding) -> dict[str, Any]:
    colour, speed = coding.colour, _VP9_SPEEDS[coding.preset]
    declared = {
        "colorspace": _MATRICES.get(colour.matrix or ""),
        "color_primaries": _PRIMARIES.get(colour.primaries or ""),
        "color_trc": _TRANSFERS.get(colour.transfer or ""),
        "color_range": "pc" if colour.full_range else "tv",
    }
    return {
        "vcodec": ENCODERS["vp9"],
        "deadline": "realtime" if speed >= _VP9_LIVE_SPEED else "good",
        "cpu-used": speed,
        "crf": round(coding.crf * _VP9_CRF_SCALE / _CRF_SCALE),
        "b:v": 0,
        "g": _key_interval(coding),
        "row-mt": 1,
        **{name: value for name, value in declared.items() if value is not None},
    }


_CODEC_OPTIONS: Mapping[Codec, Callable[[Coding], dict[str, Any]]] = {
    "h264": _h264,
    "hevc": _hevc,
    "vp9": _vp9,
}


def _joined(parameters: Mapping[str, Any]) -> str:
    return ":".join(f"{name}={value}" for name, value in parameters.items())


def _write(pipe: IO[bytes], planes: Planes, coding: Coding) -> None:
    """One picture into the pipe, last lines and columns repeated where the coded size is larger."""
    across, down = _subsampling(coding.pix_fmt)
    coded = coding.height, coding.width
    coded_chroma = -(-coding.height // down), -(-coding.width // across)
    for plane, size in ((planes.y, coded), (planes.u, coded_chroma), (planes.v, coded_chroma)):
        missing = [(0, whole - has) for whole, has in zip(size, plane.shape, strict=True)]
        full = plane if plane.shape == size else np.pad(plane, missing, mode="edge")
        pipe.write(np.ascontiguousarray(full).data)


def _coder(codec: SoundCodec, bitrate: int, channels: int) -> dict[str, str]:
    """How the AAC encoder looks for its quantisers."""
    if codec != "aac":
        return {}
    return {"aac_coder": "fast" if bitrate >= FAST_CODER_FROM * channels else "twoloop"}


@dataclass(frozen=True)
class SoundPart:
    """A part of a sound that is coded by itself.

    Args:
        start, stop: the samples to be coded, with run-up and look-ahead.
        skipped: packets of the coded run-up, which the part before has.
        packets: how many packets follow those; None takes all there are.
    """

    start: int
    stop: int
    skipped: int = 0
    packets: int | None = None


def sound_parts(samples: int, codec: SoundCodec) -> list[SoundPart]:
    """How a sound is coded in parts that `loc.media.mux` lays one behind the other.

    Opus predicts from packet to packet what a decoder must follow, so it is coded whole. The first packet of
    AAC is priming: packet n needs the samples up to (n + 1) * PACKET_SAMPLES.
    """
    total = -(-samples // PACKET_SAMPLES) + 1
    if codec != "aac" or total <= PART_PACKETS:
        return [SoundPart(0, samples)]
    parts = []
    for first in range(0, total, PART_PACKETS):
        heard, behind = max(0, first - RUN_UP_PACKETS), first + PART_PACKETS
        last = behind >= total
        stop = samples if last else min(samples, (behind + LOOK_AHEAD_PACKETS) * PACKET_SAMPLES)
        parts.append(SoundPart(heard * PACKET_SAMPLES, stop, first - heard, None if last else PART_PACKETS))
    return parts


def encode_sound(
    blocks: Iterable[Samples],
    channels: int,
    bitrate: int,
    path: Path,
    program: str,
    codec: SoundCodec = "aac",
) -> int:
    """Encode 48 kHz sound, or a part of it, into an MP4 of AAC-LC or Opus; returns the samples per channel.

    The file's edit list hides the encoder's priming: sample 0 sounds at time 0.

    Args:
        blocks: float32 [n, channels], full scale 1.0, one after the other.
        bitrate: kbit/s.

    Raises:
        ChildError: ffmpeg failed.
    """
    sound = ffmpeg.input("pipe:0", f="f32le", ar=SAMPLE_RATE, ac=channels)
    options = {
        "acodec": ENCODERS[codec],
        **_coder(codec, bitrate, channels),
        "b:a": f"{bitrate}k",
        "threads": 1,
        "f": {"aac": "ipod", "opus": "mp4"}[codec],
        # The edit list counts in this scale; the default of 1000 would round the length to milliseconds.
        "movie_timescale": SAMPLE_RATE,
    }
    samples = 0
    with start(sound.output(file_url(path), **options, **BITEXACT), program, stdin=True) as child:
        for block in blocks:
            child.stdin.write(np.ascontiguousarray(block, dtype="<f4").data)
            samples += len(block)
    return samples
