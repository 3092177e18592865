"""Text that is drawn into the picture: set by libass (through ffmpeg), and laid over planar YUV.

Nothing but the text's own pixels is touched: where its coverage is 0, every sample stays the input's. White
is the white of paper, in HDR too (BT.2408: 203 cd/m²), the outline black.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from loc.artifacts import VideoStream
from loc.errors import ChildError, MissingError
from loc.media import ffmpeg
from loc.media.arrays import load_arrays, save_arrays
from loc.media.colour import Box, Floats, chroma_siting, yuv_from_rgb
from loc.media.compose import blended, gathered
from loc.media.fonts import Font, config
from loc.media.frames import Planes, plane_depth
from loc.media.subtitles import PARTED, Cue, timed
from loc.media.tonemap import graphics_white
from loc.media.wrapping import wrap_to
from loc.process import inherited, run
from loc.store.keys import digest_bytes

Place = Literal["bottom", "top"]

EM = 0.05
"""Height of a full-width sign in heights of the picture: 54 lines of 1080, as broadcasters set them."""

SMALLEST = 14
"""Pixels of a full-width sign below which Han signs are blots, however small the picture."""

SIGNS_ACROSS = 16
"""Full-width signs that a line holds at least, however narrow the picture: Japanese subtitles are written for
that."""

SAFE = 0.05
"""Share of width and height at each edge that stays free of text: EBU R 95 for 16:9."""

LINE = 1.448
"""Line height in ems. libass wants the former as font size; the figure is that of Noto Sans CJK."""

OUTLINE = 0.09
"""Width of the outline in ems: a white sign is read on white paper by it."""

TALLEST = 0.45
"""Share of the picture's height that text may take."""

SECOND = 0.75
"""Size of a second language under the first: the one is read, the other looked up."""

SIZES = (1.0, 0.85, 0.7, 0.55, 0.45, 0.35)
"""Sizes tried one after the other where text is wider or taller than it may be."""

_MARGIN = 4
"""Luma pixels around the text that chroma, half as fine, may need."""

_HEAD = """[Script Info]
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}
WrapStyle: 0
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, \
MarginR, MarginV, Encoding
Style: Default,{family},{size:.3f},&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,-1,0,0,0,100,100,0,0,1,\
{outline:.3f},0,{alignment},{across},{across},{down},-1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""

_EVENT = "Dialogue: 0,{start},{stop},Default,,0,0,0,,{text}\n"

CENTISECONDS = 100
"""Units of ASS's times in a second."""

_ALIGNMENT: dict[Place, int] = {"bottom": 2, "top": 8}

_VERSION = re.compile(r"\] (libass|Raster|Shaper)")

Coverage = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Title:
    """Text as pixels of the coded picture.

    Args:
        x, y: coded pixel of its upper left corner.
        cover: uint8 [h, w], how much of a pixel is text or outline.
        light: uint8 [h, w], how much of it is text; nowhere more than `cover`.
    """

    x: int
    y: int
    cover: Coverage
    light: Coverage


def save_title(title: Title) -> bytes:
    """The bytes of a title: an .npz."""
    place = np.array([title.x, title.y], np.int32)
    return save_arrays({"cover": title.cover, "light": title.light, "place": place})


def load_title(path: Path) -> Title:
    """A title read back.

    Raises:
        StorageError: the file holds none.
    """
    arrays = load_arrays(path)
    x, y = map(int, arrays["place"])
    return Title(x, y, arrays["cover"], arrays["light"])


@functools.cache
def fingerprint(program: str) -> str:
    """What of this ffmpeg sets text: the versions of libass, HarfBuzz and FriBidi, by their own words.

    Raises:
        MissingError: it cannot set text, or does not exist.
    """
    if "subtitles" not in ffmpeg.listed(program, "filters"):
        raise MissingError(
            f"{program} cannot draw subtitles: it was built without libass.",
            fix="Name another ffmpeg with --ffmpeg, or leave out --burn-subtitles.",
        )
    # `ass` names its libraries as it is set up, and fails then: this is no script.
    args = [program, "-v", "verbose", "-hide_banner", "-f", "lavfi", "-i", "color=size=16x16"]
    try:
        said = run([*args, "-vf", "ass=/dev/null", "-frames:v", "1", "-f", "null", "-"]).decode()
    except ChildError as error:
        said = error.why
    versions = [line.partition("]")[2] for line in said.splitlines() if _VERSION.search(line)]
    return f"libass {digest_bytes(' '.join(versions).encode())[:16]}"


@dataclass(frozen=True)
class Text:
    """What is to be set, plain, and broken into rows where it is set.

    Args:
        above: the text. `below`: the same in another language, which is set smaller under it; or nothing.
        languages: of both; None where it is not known.
    """

    above: str
    below: str = ""
    languages: tuple[str | None, str | None] = (None, None)


def set_text(
    text: Text, fonts: Sequence[Font], video: VideoStream, place: Place, folder: Path, program: str
) -> Title | None:
    """Set a text where subtitles stand; None where there is nothing to see.

    It is set on the picture as it is shown, upright and with square pixels, and turned and squeezed with it
    then. Text that would leave the safe area is set smaller.

    Args:
        fonts: the first is used for all it has.
        folder: private, for the script and the renderer's files.

    Raises:
        ChildError: ffmpeg failed.
    """
    size = shown_size(video)
    environment = {**inherited(), "FONTCONFIG_FILE": str(config(fonts, folder))}
    for scale in SIZES:
        script = folder / "title.ass"
        script.write_text(_script(text, fonts[0].family, size, place, scale), encoding="utf-8")
        canvas = _rendered(script, size, environment, program)
        box = _box(canvas)
        if box is None or _is_safe(box, size):
            break
    return None if box is None else _coded(canvas, video)


def shown_size(video: VideoStream) -> tuple[int, int]:
    """(width, height) of the picture upright and with square pixels."""
    wide = max(1, round(video.width * video.sample_aspect))
    return (video.height, wide) if video.rotation in (90, 270) else (wide, video.height)


def em_of(size: tuple[int, int]) -> float:
    """Height of a full-width sign in pixels."""
    width, height = size
    return max(SMALLEST, min(EM * height, (1 - 2 * SAFE) * width / SIGNS_ACROSS))


def write_ass(
    cues: Iterable[Cue],
    languages: tuple[str | None, str | None],
    family: str,
    size: tuple[int, int],
    place: Place,
) -> bytes:
    """An ASS file that looks as titles in the picture do, where a player has the font; but none of its texts
    is set smaller for being long.

    Args:
        cues: plain, unbroken, in any order.
        languages: of both; None where it is not known.
        family: of the font.
        size: width and height of the picture as it is shown.
    """
    em = em_of(size)
    events = [
        _EVENT.format(
            start=_clock(start),
            stop=_clock(stop),
            text=_rows(Text(cue.text, cue.below, languages), size, em),
        )
        for start, stop, cue in timed(cues, CENTISECONDS)
    ]
    return (_head(family, size, place, em) + "".join(events)).encode("utf-8")


def _clock(ticks: int) -> str:
    """A time of ASS: `0:00:01.50`."""
    seconds, hundredths = divmod(ticks, CENTISECONDS)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}.{hundredths:02d}"


def _script(text: Text, family: str, size: tuple[int, int], place: Place, scale: float) -> str:
    """A script that shows one text from its beginning on."""
    em = em_of(size) * scale
    event = _EVENT.format(start="0:00:00.00", stop="0:00:10.00", text=_rows(text, size, em))
    return _head(family, size, place, em) + event


def _rows(text: Text, size: tuple[int, int], em: float) -> str:
    """A text broken for the width of the picture, as it stands in a script."""
    # Two columns for a full-width sign.
    across = 2 * (1 - 2 * SAFE) * size[0] / em
    lines = _escaped(wrap_to(text.above, int(across), text.languages[0]))
    if text.below:
        below = wrap_to(text.below, int(across / SECOND), text.languages[1])
        lines += rf"\N{{\fs{em * SECOND * LINE:.3f}}}{_escaped(below)}"
    return lines


def _head(family: str, size: tuple[int, int], place: Place, em: float) -> str:
    width, height = size
    return _HEAD.format(
        width=width,
        height=height,
        family=family.replace(",", " "),
        size=em * LINE,
        outline=em * OUTLINE,
        alignment=_ALIGNMENT[place],
        across=round(SAFE * width),
        down=round(SAFE * height),
    )


def _escaped(text: str) -> str:
    """Text in which libass finds no commands: a brace is escaped, a backslash parted from what follows."""
    plain = text.replace("\\", f"\\{PARTED}").replace("{", r"\{").replace("}", r"\}")
    return r"\N".join(plain.splitlines())


def _rendered(script: Path, size: tuple[int, int], env: Mapping[str, str], program: str) -> Coverage:
    """uint8 [h, w, 2] light and coverage of the whole picture.

    Over nothing, libass's colours come out weighed by their coverage; text and outline have no hue.
    """
    import ffmpeg as graphs

    width, height = size
    nothing = graphs.input(f"color=black@0:size={width}x{height}:rate=1,format=rgba", f="lavfi")
    drawn = nothing.filter("subtitles", filename=str(script), alpha=1)
    raw = drawn.output("pipe:1", vframes=1, f="rawvideo", pix_fmt="rgba")
    data = run(ffmpeg.compile_args(raw, program), env=env)
    rgba = np.frombuffer(data, np.uint8).reshape(height, width, 4)
    return np.ascontiguousarray(rgba[:, :, [0, 3]])


def _box(canvas: Coverage) -> Box | None:
    """What of a canvas is covered."""
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(canvas[:, :, 1]))
    return (x, y, x + width, y + height) if width and height else None


def _is_safe(box: Box, size: tuple[int, int]) -> bool:
    """Whether text keeps off the sides, give or take its outline, and leaves most of the picture free."""
    width, height = size
    aside = SAFE / 2 * width
    return aside <= box[0] and box[2] <= width - aside and box[3] - box[1] <= TALLEST * height


def _coded(canvas: Coverage, video: VideoStream) -> Title | None:
    """A canvas as it lies in the coded picture."""
    shown = canvas[:, ::-1] if video.mirrored else canvas
    turned = np.ascontiguousarray(np.rot90(shown, -video.rotation // 90))
    if turned.shape[:2] != (video.height, video.width):
        size = (video.width, video.height)
        turned = np.asarray(cv2.resize(turned, size, interpolation=cv2.INTER_AREA), np.uint8)
    box = _box(turned)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    light, cover = (np.ascontiguousarray(turned[y0:y1, x0:x1, part]) for part in (0, 1))
    return Title(x0, y0, cover, np.minimum(light, cover))


@dataclass(frozen=True)
class Overlay:
    """A title made ready for one stream: what is mixed into each plane, and how much of it.

    Args:
        left, top: luma pixel of the corner, on the grid of the chroma samples.
        luma: float32 [h, w], code values.
        cover: float32 [h, w], 0..1.
        neutral: code value of no colour.
        chroma_cover: float32 at the chroma samples.
    """

    left: int
    top: int
    luma: Floats
    cover: Floats
    neutral: float
    chroma_cover: Floats
    grid: tuple[int, int]
    limit: int


def overlay(title: Title, planes: Planes, video: VideoStream) -> Overlay:
    """Make a title ready for pictures like this one."""
    siting = chroma_siting(planes.u.shape, planes.y.shape, video)
    sx, sy = siting[:2]
    height, width = planes.y.shape
    high, wide = title.cover.shape
    left, top = (max(0, (at - _MARGIN) // step * step) for at, step in ((title.x, sx), (title.y, sy)))
    right, bottom = min(width, title.x + wide + _MARGIN), min(height, title.y + high + _MARGIN)
    cover, light = (np.zeros((bottom - top, right - left), np.float32) for _ in range(2))
    inside = (slice(title.y - top, title.y - top + high), slice(title.x - left, title.x - left + wide))
    cover[inside], light[inside] = title.cover / np.float32(255), title.light / np.float32(255)
    grey = yuv_from_rgb(video.matrix, video.full_range, plane_depth(video))
    black, span = float(grey[0, 3]), 255 * float(grey[0, :3].sum()) * graphics_white(video)
    share = np.divide(light, cover, out=np.zeros_like(light), where=cover > 0)
    return Overlay(
        left=left,
        top=top,
        luma=black + span * share,
        cover=cover,
        neutral=float(grey[1, 3]),
        chroma_cover=gathered(cover, siting),
        grid=(sx, sy),
        limit=(1 << plane_depth(video)) - 1,
    )


def lay_over(planes: Planes, text: Overlay) -> Planes:
    """A picture with text on it; the one given is left as it is."""
    sx, sy = text.grid
    y = blended(planes.y, text.left, text.top, text.luma, text.cover, text.limit)
    left, top = text.left // sx, text.top // sy
    neutral = np.full_like(text.chroma_cover, text.neutral)
    u, v = (
        blended(plane, left, top, neutral, text.chroma_cover, text.limit) for plane in (planes.u, planes.v)
    )
    return Planes(y, u, v)
