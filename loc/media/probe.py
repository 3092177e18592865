"""What a media file is: its picture, its sound tracks, its words about itself.

ffprobe reads the container; the decoder that will be used later opens the picture and shows one frame, so
that what cannot be worked on is refused here, within a second, and not in the middle of a night.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

from loc.artifacts import (
    HDR_TRANSFERS,
    AudioStream,
    ContentLight,
    Frozen,
    MasteringDisplay,
    Ratio,
    VideoStream,
)
from loc.errors import ChildError, InputError, UsageError
from loc.media import ffmpeg

HD_LINES = 720
"""From this height up an undeclared matrix is BT.709, as players assume."""

_ISO_BOXES = (b"ftyp", b"mdat", b"free", b"skip", b"wide", b"pnot")
"""Boxes a QuickTime or MP4 file begins with; by its name alone ffmpeg takes anything for one."""

_NO_PICTURES = ("attached_pic", "timed_thumbnails", "still_image")
"""Dispositions of video streams that are not the programme's picture."""

_MATRICES: Mapping[str, Literal["bt601", "bt709", "bt2020nc"]] = {
    "bt709": "bt709",
    "smpte170m": "bt601",
    "bt470bg": "bt601",
    "bt2020nc": "bt2020nc",
}

_NEAR_MATRICES: Mapping[str, Literal["bt601", "bt709", "bt2020nc"]] = {
    "fcc": "bt601",
    "smpte240m": "bt709",
    "bt2020c": "bt2020nc",
}
"""Declared matrices that are handled as the nearest one: coefficients within 0.03."""

_SITINGS: Mapping[str, Literal["left", "center", "topleft"]] = {
    "left": "left",
    "center": "center",
    "topleft": "topleft",
}

_QUARTERS: tuple[Literal[0], Literal[90], Literal[180], Literal[270]] = (0, 90, 180, 270)

_CHROMATICITY_SCALE, _LUMINANCE_SCALE = 50_000, 10_000
"""Units per 1 and per cd/m² of the metadata of SMPTE ST 2086."""

_DYNAMIC_LIGHT: Mapping[str, str] = {"DOVI": "Dolby Vision", "SMPTE2094-40": "HDR10+"}
"""Words in ffprobe's names of side data that changes from picture to picture, and what people call it."""

_UNKNOWN = frozenset({"unknown", "unspecified", "reserved", "und", ""})


_RGB = frozenset({"gbr", "rgb"})
"""The matrix of a stream that has none."""


class Programs(Protocol):
    """What `probe_source` needs of the settings."""

    @property
    def ffprobe(self) -> str:
        """The ffprobe program."""
        ...


class Chapter(Frozen):
    """A named part of the programme."""

    start: Ratio
    """Seconds on the container's clock."""
    stop: Ratio
    title: str | None


OWN_MARK = "Localized by loc"
"""The handler's name of every picture track that loc writes: every container has room for it, and what copies
or encodes the track keeps it."""


class Facts(Frozen):
    """What a file says about itself, and what was assumed where it does not say.

    `duration` is the container's claim for the picture (else for the file), seconds; it is not trusted, but
    a decode that falls far short of it means a truncated file. Tags may hold personal data: they go into
    the output, never into a log.
    """

    container: str
    video: VideoStream
    audio: tuple[AudioStream, ...]
    subtitles: int
    """Subtitle tracks."""
    duration: Ratio | None
    tags: Mapping[str, str]
    chapters: tuple[Chapter, ...]
    assumptions: tuple[str, ...]


def probe_source(path: Path, settings: Programs) -> Facts:
    """Open a file and read its facts; the first picture is decoded, the rest is not.

    Raises:
        InputError: missing, empty, truncated beyond use, not media, without a picture, or not decodable.
        MissingError: there is no ffprobe.
    """
    return probe_input(path, settings)[0]


def probe_input(path: Path, settings: Programs) -> tuple[Facts, bool]:
    """(a file's facts, whether loc wrote it, with whatever work directory). Raises as `probe_source`."""
    _check_file(path)
    try:
        found = ffmpeg.probe(path, settings.ffprobe)
        if _may_sound_later(found):
            found = ffmpeg.probe(path, settings.ffprobe, ffmpeg.LONG_LOOK)
    except ChildError as error:
        raise _unreadable(path, error) from error
    container = str(found.get("format", {}).get("format_name", ""))
    streams: list[dict[str, Any]] = found.get("streams", [])
    stream = _choose_picture(path, streams)
    assumptions: list[str] = []
    video = _video_stream(path, stream, settings.ffprobe, assumptions)
    facts = Facts(
        container=container,
        video=video,
        audio=_audio_streams(streams),
        subtitles=sum(stream.get("codec_type") == "subtitle" for stream in streams),
        duration=_duration(stream, found["format"]),
        tags=found["format"].get("tags", {}),
        chapters=tuple(_chapter(chapter) for chapter in found.get("chapters", [])),
        assumptions=tuple(assumptions),
    )
    # Matroska's tags are in capitals.
    tags = {name.lower(): value for name, value in stream.get("tags", {}).items()}
    return facts, tags.get("handler_name") == OWN_MARK


def chosen_track(audio: Sequence[AudioStream], wanted: int | None) -> AudioStream | None:
    """The sound track to localize: the `wanted` one (1-based), else the default one, else the first; None
    where there is none with sound in it.

    Raises:
        UsageError: there is no track of that number; names those there are.
    """
    if wanted is not None:
        for stream in audio:
            if stream.track == wanted:
                return stream
        listed = "; ".join(describe_track(stream) for stream in audio)
        raise UsageError(
            f"There is no sound track {wanted}.",
            why=f"The file has: {listed}." if audio else "The file has no sound.",
            fix="Name one of these with --audio-track." if audio else "Leave out --audio-track.",
        )
    # Broadcasts announce tracks for which nothing is sent.
    heard = [stream for stream in audio if stream.sample_rate]
    return next((stream for stream in heard if stream.default), heard[0] if heard else None)


def describe_track(stream: AudioStream) -> str:
    """For people: `2 (aac, 48000 Hz, stereo, en)`."""
    facts = [stream.codec, f"{stream.sample_rate} Hz", stream.layout]
    facts += [fact for fact in (stream.language, stream.title) if fact]
    return f"{stream.track} ({', '.join(facts)})"


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if not path.is_file():
            raise InputError(f"{path} is not a file.", fix="Name a video file.")
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.", fix="Check the name.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read.", why=error.strerror or "") from error
    if status.st_size == 0:
        raise InputError(f"{path} is empty.", why="It has 0 bytes.", fix="Copy or download it again.")


def _unreadable(path: Path, error: ChildError) -> InputError:
    """The error for a file that ffprobe cannot open, in words for what is usually behind it."""
    if "moov atom not found" in error.why and _begins_like_iso(path):
        return InputError(
            f"{path} is truncated.",
            why="The index of the file (its moov atom), which is written last, is missing.",
            fix="Copy or record it again; some tools can mend a recording that broke off.",
        )
    if "not on whitelist" in error.why:
        why = "ffmpeg takes it for text, a still picture, a list of other files, or a format rare for video."
        return InputError(
            f"{path} is not a video file that loc reads.",
            why=why,
            fix="If it holds video, rewrap it: ffmpeg -i FILE -c copy video.mkv",
        )
    return InputError(
        f"{path} is not a media file that ffmpeg can read.",
        why="It is something else, or damaged at its start.",
        fix="Name a video file.",
    )


def _begins_like_iso(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(8)[4:] in _ISO_BOXES


def _choose_picture(path: Path, streams: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The default picture stream, else the first; cover art and thumbnails are no pictures.

    Raises:
        InputError: there is none.
    """
    pictures = [
        stream
        for stream in streams
        if stream.get("codec_type") == "video" and not _has(stream, *_NO_PICTURES)
    ]
    if pictures:
        return next((stream for stream in pictures if _has(stream, "default")), pictures[0])
    kinds = {stream.get("codec_type") for stream in streams}
    if "audio" in kinds:
        why = "It has sound and cover art." if "video" in kinds else "It has sound only."
        fix = "To dub sound alone, put a picture under it first."
    else:
        why, fix = "It has neither picture nor sound.", "Name a video file."
    raise InputError(f"{path} has no video picture.", why=why, fix=fix)


def _has(stream: Mapping[str, Any], *dispositions: str) -> bool:
    return any(stream.get("disposition", {}).get(name) for name in dispositions)


def _video_stream(path: Path, stream: Mapping[str, Any], program: str, assumptions: list[str]) -> VideoStream:
    from loc.media.frames import first_look, plane_format

    index = int(stream["index"])
    look = first_look(path, index)
    height = int(stream["height"])
    matrix, declared = _matrix(stream, height, assumptions)
    planes = plane_format(look.pix_fmt)
    if planes != look.pix_fmt:
        assumptions.append(f"{look.pix_fmt} pictures are worked on as {planes}")
    full_range = look.pix_fmt.startswith("yuvj") or (stream.get("color_range") == "pc" and not look.is_rgb)
    transfer = _known(stream.get("color_transfer"))
    first = ffmpeg.first_picture(path, index, program) if look.interlaced or transfer in HDR_TRANSFERS else {}
    light = _light_data(first, stream, assumptions) if transfer in HDR_TRANSFERS else {}
    rotation, mirrored = _shown(stream, assumptions)
    return VideoStream(
        index=index,
        codec=str(stream.get("codec_name", "unknown")),
        profile=_known(stream.get("profile")),
        width=int(stream["width"]),
        height=height,
        pix_fmt=look.pix_fmt,
        bit_depth=look.bit_depth,
        time_base=look.time_base,
        average_rate=look.average_rate,
        sample_aspect=_aspect(stream.get("sample_aspect_ratio")),
        rotation=rotation,
        mirrored=mirrored,
        matrix=matrix,
        matrix_declared=declared,
        full_range=full_range,
        primaries=_known(stream.get("color_primaries")),
        transfer=transfer,
        chroma_location=_siting(stream, look.pix_fmt, assumptions),
        first_field=_first_field(first) if look.interlaced else None,
        mastering=_mastering(light.get("Mastering display metadata")),
        content_light=_content_light(light.get("Content light level metadata")),
    )


def _first_field(first: Mapping[str, Any]) -> Literal["top", "bottom"]:
    """As the first picture says: what containers say of it is often wrong."""
    return "top" if first.get("top_field_first", 1) else "bottom"


def _light_data(
    first: Mapping[str, Any], stream: Mapping[str, Any], assumptions: list[str]
) -> dict[str, Mapping[str, Any]]:
    """HDR side data by its kind, of the container, else of the first picture; what would be lost is noted."""
    sides = [*first.get("side_data_list", []), *stream.get("side_data_list", [])]
    found = {str(side.get("side_data_type")): side for side in sides}
    for kind, name in _DYNAMIC_LIGHT.items():
        if any(kind in present for present in found):
            assumptions.append(f"{name} metadata is left out; the static metadata stays")
    return found


def _mastering(side: Mapping[str, Any] | None) -> MasteringDisplay | None:
    """None where a part is missing: half of it says nothing."""
    if side is None or not {"red_x", "white_point_x", "max_luminance", "min_luminance"} <= set(side):
        return None

    def corner(name: str) -> tuple[int, int]:
        x, y = (round(Fraction(side[f"{name}_{axis}"]) * _CHROMATICITY_SCALE) for axis in "xy")
        return x, y

    return MasteringDisplay(
        red=corner("red"),
        green=corner("green"),
        blue=corner("blue"),
        white=corner("white_point"),
        brightest=round(Fraction(side["max_luminance"]) * _LUMINANCE_SCALE),
        darkest=round(Fraction(side["min_luminance"]) * _LUMINANCE_SCALE),
    )


def _content_light(side: Mapping[str, Any] | None) -> ContentLight | None:
    if side is None or not int(side.get("max_content", 0)):
        return None
    return ContentLight(most=int(side["max_content"]), average=int(side.get("max_average", 0)))


def _matrix(
    stream: Mapping[str, Any], height: int, assumptions: list[str]
) -> tuple[Literal["bt601", "bt709", "bt2020nc"], bool]:
    """(matrix, whether the file declares it)."""
    declared = stream.get("color_space", "unknown")
    if declared in _MATRICES:
        return _MATRICES[declared], True
    if declared in _NEAR_MATRICES:
        assumptions.append(f"matrix {declared} is handled as {_NEAR_MATRICES[declared]}")
        return _NEAR_MATRICES[declared], True
    assumed: Literal["bt601", "bt709"] = "bt709" if height >= HD_LINES else "bt601"
    if declared not in _UNKNOWN | _RGB:
        assumptions.append(f"matrix {declared} is handled as {assumed}")
    return assumed, False


def _siting(
    stream: Mapping[str, Any], pix_fmt: str, assumptions: list[str]
) -> Literal["left", "center", "topleft"]:
    """Chroma location; where not declared, JPEG's for JPEG-range formats, else MPEG-2's and H.264's."""
    declared = stream.get("chroma_location", "unspecified")
    if declared in _SITINGS:
        return _SITINGS[declared]
    if declared not in _UNKNOWN:
        assumptions.append(f"chroma location {declared} is handled as left")
    return "center" if pix_fmt.startswith("yuvj") else "left"


def _shown(stream: Mapping[str, Any], assumptions: list[str]) -> tuple[Literal[0, 90, 180, 270], bool]:
    """Degrees counter-clockwise that a player turns the picture by, and whether it mirrors it then, from the
    display matrix (a b u c d v x y w, of which ffprobe's `rotation` reads a and b)."""
    for side in stream.get("side_data_list", []):
        if side.get("side_data_type") == "Display Matrix":
            degrees, mirrored = float(side.get("rotation", 0)), False
            lines = str(side.get("displaymatrix", "")).strip().split("\n")
            rows = [line.partition(":")[2].split() for line in lines]
            if len(rows) == 3 and all(len(row) == 3 for row in rows):
                (a, b), (c, d) = ([int(value) for value in row[:2]] for row in rows[:2])
                mirrored = a * d - b * c < 0
                degrees = math.degrees(math.atan2(-b, -a)) if mirrored else degrees
            turned = round(degrees / 90) * 90
            if abs(degrees - turned) > 1:
                assumptions.append(f"a rotation of {degrees:g} degrees is handled as {turned}")
            return _QUARTERS[turned // 90 % 4], mirrored
    return 0, False


def _may_sound_later(found: Mapping[str, Any]) -> bool:
    """Whether ffprobe may have stopped before the first sound: a track is announced of which it knows no
    rate, or none where streams come up as they are met."""
    from loc.media.timeline import STREAMED

    sounds = _audio_streams(found.get("streams", []))
    if not sounds:
        return found.get("format", {}).get("format_name") in STREAMED
    return any(not stream.sample_rate for stream in sounds)


def _audio_streams(streams: Sequence[dict[str, Any]]) -> tuple[AudioStream, ...]:
    sounds = [stream for stream in streams if stream.get("codec_type") == "audio"]
    return tuple(_audio_stream(stream, track) for track, stream in enumerate(sounds, start=1))


def _audio_stream(stream: Mapping[str, Any], track: int) -> AudioStream:
    tags = stream.get("tags", {})
    channels = int(stream.get("channels", 0))
    return AudioStream(
        index=int(stream["index"]),
        track=track,
        codec=str(stream.get("codec_name", "unknown")),
        sample_rate=int(stream.get("sample_rate", 0)),
        channels=channels,
        layout=stream.get("channel_layout") or {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels"),
        language=_known(tags.get("language")),
        title=_known(tags.get("title")),
        default=_has(stream, "default"),
    )


def _chapter(chapter: Mapping[str, Any]) -> Chapter:
    base = Fraction(chapter["time_base"])
    return Chapter(
        start=int(chapter["start"]) * base,
        stop=int(chapter["end"]) * base,
        title=_known(chapter.get("tags", {}).get("title")),
    )


def _known(value: str | None) -> str | None:
    return None if value is None or value in _UNKNOWN else value


def _duration(stream: Mapping[str, Any], whole: Mapping[str, Any]) -> Fraction | None:
    """Seconds of the picture: by its stream, in Matroska by the stream's tag, else those of the file, whose
    sound may be longer."""
    clock = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.get("tags", {}).get("DURATION", ""))
    tagged = (int(clock[1]) * 60 + int(clock[2])) * 60 + Fraction(clock[3]) if clock else None
    return _seconds(stream.get("duration")) or tagged or _seconds(whole.get("duration"))


def _seconds(value: str | None) -> Fraction | None:
    """ffprobe's decimal seconds; None where it has none."""
    try:
        return Fraction(value) if value else None
    except ValueError:
        return None


def _aspect(value: str | None) -> Fraction:
    """`4:3` as a rational; 1 where unknown or nonsense."""
    width, _, height = (value or "").partition(":")
    if not (width.isdecimal() and height.isdecimal()) or int(width) == 0 or int(height) == 0:
        return Fraction(1)
    return Fraction(int(width), int(height))
