"""What the report's page shows: both sounds as peaks, and cuts as they were filmed and as they became.

A part that cannot be had is missing on the page, with a notice, and never ends a run: the video is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.artifacts import (
    PEAKS_PER_SECOND,
    SAMPLE_RATE,
    Cut,
    DubTrack,
    Evidence,
    FrameRange,
    LipSync,
    PatchTrack,
    Ref,
    Source,
    Still,
    VideoStream,
)
from loc.errors import LocError
from loc.media import ffmpeg
from loc.media.patches import Placement, load_placement
from loc.media.sound import in_parts
from loc.media.timeline import Timeline
from loc.runner import Action, Made, Make, Out
from loc.stage import Context
from stages.deliver.picture import STAGE

if TYPE_CHECKING:
    from pathlib import Path

    from loc.media.colour import Box, Rgb
    from loc.media.frames import Plane, Planes

    Coded = tuple[Planes, VideoStream]

Work = tuple[Action, Make]

MAX_STILLS = 60
"""Stills on one page: 12 kB each as measured, so a page of any length stays under 2 MB."""

MAX_STILLS_OF_CUT = 3
"""A cut of many patches is shown in each third: what goes wrong in one is not seen in the others."""

MAX_PASSED = 20
"""Of these, kept for cuts that were left as filmed."""

NOTHING_SAID = "no-speech"
"""The one reason to leave a cut as it is that no picture explains."""

WINDOW = 25
"""Frames around the middle of what was drawn among which the one that changed most is shown."""

WIDTH = 360
"""Pixels across: two side by side fill a phone, and one is sharp enough to judge a mouth."""

QUALITY = 72
"""WebP quality at which lips show no blocks."""

AROUND_MOUTH = 2.4
"""Width of what is shown in widths of the mask: the whole face, so that the mouth is judged in it."""

ASPECT = Fraction(4, 3)

PADDING = 4
"""Fewer pixels than this is a coded picture wider or higher than its source only to have even sides, or whole
fields."""


@dataclass(frozen=True)
class Shown:
    """A cut to be shown: frames to choose from, and what was drawn on them (None: nothing).

    `frames` lie inside `patch`, whose first frame is `first`.
    """

    number: int
    cut: Cut
    frames: FrameRange
    patch: PatchTrack | None = None
    first: int = 0


@dataclass
class Gathered:
    """The work of a page's evidence, and how it is read once it is done."""

    work: list[Work]
    shown: Sequence[Shown]
    source_blocks: int

    def evidence(self, ctx: Context, done: Sequence[Made | LocError]) -> Evidence:
        """What was made; a part that failed is left out, and said."""
        made = [item for item in done if isinstance(item, Made)]
        if len(made) < len(done):
            ctx.notice(
                "page-incomplete", f"{len(done) - len(made)} parts of the report's page could not be made."
            )
        peaks = len(self.work) - len(self.shown)
        pairs = zip(self.shown, done[peaks:], strict=True)
        return Evidence(
            stills=tuple(_still_of(shown, item) for shown, item in pairs if isinstance(item, Made)),
            source_peaks=_refs(done[: self.source_blocks]),
            dub_peaks=_refs(done[self.source_blocks : peaks]),
        )


def gather(
    ctx: Context,
    source: Source,
    timeline: Timeline,
    dub: DubTrack,
    lipsync: LipSync,
    chunks: Sequence[Made],
) -> Gathered:
    """The actions behind a page, as far as the settings want one.

    Args:
        chunks: the coded pictures, in order.
    """
    if ctx.settings.page == "none":
        return Gathered([], [], 0)
    blocks = source.master.blocks if source.master else ()
    work = [_peaks(ctx, "source", index, block) for index, block in enumerate(blocks)]
    work += [_peaks(ctx, "dub", index, block) for index, block in enumerate(dub.mix.blocks)]
    shown = select(lipsync, source) if ctx.settings.page == "full" else []
    work += [_still(ctx, source, timeline, chunks, item) for item in shown]
    return Gathered(work, shown, len(blocks))


def _refs(peaks: Sequence[Made | LocError]) -> tuple[Ref, ...]:
    """Peaks of a whole sound, or none: with a gap they would stand at wrong times."""
    made = [item.ref("peaks") for item in peaks if isinstance(item, Made)]
    return tuple(made) if len(made) == len(peaks) else ()


def _still_of(shown: Shown, made: Made) -> Still:
    return Still(
        frames=shown.cut.frames,
        face=shown.cut.face,
        frame=shown.frames.start + int(made.detail["chosen"]),
        before=made.ref("before"),
        after=made.outputs.get("after"),
    )


def select(lipsync: LipSync, source: Source) -> list[Shown]:
    """The cuts that get stills, in order: those of which most was drawn, and the longest of those that were
    left as filmed although somebody speaks. Room that is left goes to further thirds of cuts."""
    starts = [chunk.frames.start for chunk in source.chunks]
    drawn, further, passed = [], list[Shown](), []
    for number, cut in enumerate(lipsync.cuts, start=1):
        if cut.drawn_frames:
            parts = _drawn(number, cut, lipsync.patches, starts)
            drawn += parts[:1]
            further += parts[1:]
        elif all(reason.code != NOTHING_SAID for reason in cut.reasons):
            passed.append(Shown(number, cut, _middle(cut.frames, 1)))
    drawn.sort(key=lambda item: -item.cut.drawn_frames)
    passed.sort(key=lambda item: -len(item.cut.frames))
    kept = drawn[: MAX_STILLS - min(MAX_PASSED, len(passed))]
    kept += passed[: MAX_STILLS - len(kept)]
    further.sort(key=lambda item: -item.cut.drawn_frames)
    kept += further[: MAX_STILLS - len(kept)]
    return sorted(kept, key=lambda item: (item.number, item.frames.start))


def _drawn(number: int, cut: Cut, patches: Sequence[PatchTrack], starts: Sequence[int]) -> list[Shown]:
    """The middles of the longest patch in each third of a cut, that of the longest of all first."""
    thirds: dict[int, tuple[int, Shown]] = {}
    for patch in (patch for patch in patches if patch.face == cut.face):
        first = starts[patch.chunk] + patch.offset
        frames = FrameRange(start=first, stop=first + patch.count).intersect(cut.frames)
        if frames is None:
            continue
        middle = (frames.start + frames.stop) / 2 - cut.frames.start
        third = int(MAX_STILLS_OF_CUT * middle / len(cut.frames))
        if len(frames) > thirds.get(third, (0,))[0]:
            thirds[third] = len(frames), Shown(number, cut, _middle(frames, WINDOW), patch, first)
    return [shown for _, shown in sorted(thirds.values(), key=lambda item: -item[0])]


def _middle(frames: FrameRange, count: int) -> FrameRange:
    """The `count` frames around the middle, or as many as there are."""
    count = min(count, len(frames))
    start = frames.start + (len(frames) - count) // 2
    return FrameRange(start=start, stop=start + count)


def _peaks(ctx: Context, name: str, index: int, block: Ref) -> Work:
    """Take the peaks of one block of a sound.

    Reads: the block.
    Leaves out: which sound it is, and where in it the block lies.
    """

    def make(out: Out) -> None:
        out.bytes(
            "peaks", b"".join(peaks_of(part).tobytes() for part in in_parts(ctx.store, block, PEAKS_PART))
        )

    action = Action(
        name="deliver.peaks",
        version=1,
        site=ctx.site(STAGE, f"{name}, block {index + 1}"),
        inputs={"block": block},
        params={"per_second": PEAKS_PER_SECOND},
    )
    return action, make


PEAKS_PART = 2 * SAMPLE_RATE
"""Samples of a block held at once: a multiple of a step."""


def peaks_of(audio: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """uint8 [steps], 255 * sqrt(largest sample of any channel) in each step; the last may be shorter.

    Args:
        audio: float32 [n, channels], 48 kHz.
    """
    step = SAMPLE_RATE // PEAKS_PER_SECOND
    loudest = np.abs(audio).max(axis=1, initial=0)
    padded = np.pad(loudest, (0, -len(loudest) % step))
    peaks = padded.reshape(-1, step).max(axis=1)
    return np.asarray(np.rint(255 * np.sqrt(np.minimum(peaks, 1))), dtype=np.uint8)


def _still(ctx: Context, source: Source, timeline: Timeline, chunks: Sequence[Made], shown: Shown) -> Work:
    """Picture a cut before and after.

    Reads: at most `WINDOW` frames of the source around the middle of what was drawn; the coded chunk they are
        in; where the patches lie. Of a cut that was left as filmed, its middle frame.
    Leaves out: the cut's number and length; what drew it.
    """

    from loc.media.frames import frames_key, read_frames
    from loc.media.tonemap import tone_map_for

    video, patch, frames = source.video, shown.patch, shown.frames
    chunk = chunks[patch.chunk].ref("video") if patch else None
    offset = frames.start - source.chunks[patch.chunk].frames.start if patch else 0

    def make(out: Out) -> None:
        filmed = read_frames(ctx.media(source), video, timeline, frames)
        if patch is None or chunk is None:
            out.bytes("before", webp(picture(next(filmed), video, None)))
            out.detail["chosen"] = 0
            return
        placement = load_placement(ctx.store.open_object(patch.placement))
        finished = coded_frames(ctx.store.open_object(chunk), video, offset, len(frames))
        chosen = most_changed(filmed, finished, placement, frames.start - shown.first, video)
        out.bytes("before", webp(chosen.before))
        out.bytes("after", webp(chosen.after))
        out.detail["chosen"] = chosen.index

    drawn = {"chunk": chunk, "offset": offset, "placement": patch.placement,
             "placed": frames.start - shown.first} if patch else None  # fmt: skip
    action = Action(
        name="deliver.still",
        version=3,
        site=ctx.site(STAGE, f"cut {shown.number}"),
        inputs={"pictures": frames_key(source.digest, video, timeline, frames), "drawn": drawn},
        params={
            "width": WIDTH,
            "quality": QUALITY,
            "rotation": video.rotation,
            **({"mirrored": True} if video.mirrored else {}),
            "sample_aspect": video.sample_aspect,
            "chroma_location": video.chroma_location,
            "tone_map": tone_map_for(video) if video.is_hdr else None,
        },
        programs={
            "decoder": ffmpeg.decoder_fingerprint(),
            "opencv": packages.version("opencv-contrib-python"),
        },
    )
    return action, make


@dataclass(frozen=True)
class Chosen:
    """The frame to show, counted from the first looked at, and the `picture` of the face in it."""

    index: int
    before: Rgb
    after: Rgb


def most_changed(
    filmed: Iterator[Planes], finished: Iterator[Coded], placement: Placement, first: int, video: VideoStream
) -> Chosen:
    """The frame whose luma differs most inside the mask's box, counting it by the patch's opacity.

    Args:
        video: of what was filmed.
        first: index into `placement` of the first frame.
    """
    boxes: list[Box] = []
    became: list[tuple[Plane, Rgb]] = []
    # What came out is seen to its end before what was filmed is opened: at 1080p a decoder holds 30 MB
    # (measured), and stills are made side by side.
    for index, (after, coded) in enumerate(finished):
        boxes.append(mask_box(placement, first + index, after.y.shape))
        shown = picture(after, coded, face_box(boxes[-1], after.y.shape, video))
        became.append((_inside(after, boxes[-1]), shown))
    best: Chosen | None = None
    most = -1.0
    for index, (before, (luma, shown)) in enumerate(zip(filmed, became, strict=True)):
        change = np.abs(_inside(before, boxes[index]).astype(np.int32) - luma).mean()
        change *= float(placement.opacity[first + index])
        if change > most:
            most = change
            box = face_box(boxes[index], before.y.shape, video)
            best = Chosen(index, picture(before, video, box), shown)
    assert best is not None
    return best


def _inside(planes: Planes, box: Box) -> Plane:
    """A copy of the luma inside a box."""
    x0, y0, x1, y1 = box
    return planes.y[y0:y1, x0:x1].copy()


def mask_box(placement: Placement, index: int, size: tuple[int, ...]) -> Box:
    """The box of a patch's mask in coded pixels, inside the picture, at least a pixel in size."""
    corners = placement.polygon[index] @ placement.matrix[index, :, :2].T + placement.matrix[index, :, 2]
    height, width = size
    x0, y0 = np.floor(corners.min(axis=0)).astype(int)
    x1, y1 = np.ceil(corners.max(axis=0)).astype(int) + 1
    x0, y0 = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
    return int(x0), int(y0), int(max(x0 + 1, min(x1, width))), int(max(y0 + 1, min(y1, height)))


def face_box(mask: Box, size: tuple[int, ...], video: VideoStream) -> Box:
    """A box of `ASPECT`, as seen, around a mask, moved rather than cut where the picture ends."""
    height, width = size
    aspect = ASPECT if video.rotation in (0, 180) else 1 / ASPECT
    shape = float(aspect / (video.sample_aspect or 1))
    wide = min(AROUND_MOUTH * max(mask[2] - mask[0], (mask[3] - mask[1]) * shape), width, height * shape)
    high = min(wide / shape, height)
    x = min(max((mask[0] + mask[2] - wide) / 2, 0), width - wide)
    y = min(max((mask[1] + mask[3] - high) / 2, 0), height - high)
    return round(x), round(y), max(round(x) + 1, round(x + wide)), max(round(y) + 1, round(y + high))


def coded_frames(path: Path, video: VideoStream, first: int, count: int) -> Iterator[Coded]:
    """Frames of a coded chunk of a stream, as coded, in presentation order from number `first` on.

    Raises:
        LocError: it has fewer.
    """
    import av

    from loc.media.frames import to_planes

    given = 0
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if first <= number < first + count:
                given += 1
                coded = _as_coded(video, frame)
                yield to_planes(frame, coded), coded
            if given == count:
                return
    raise LocError(f"The coded chunk {path.name[:12]} has no frame {first + given}.")


def _as_coded(video: VideoStream, frame: Any) -> VideoStream:
    """The stream with the layout of its coded picture, which then is copied, and SDR where it was made SDR;
    one that was stretched to square pixels is scaled back."""
    from av.video.reformatter import ColorTrc

    depth = max(component.bits for component in frame.format.components)
    padded = 0 <= frame.width - video.width < PADDING and 0 <= frame.height - video.height < PADDING
    size = {"width": frame.width, "height": frame.height} if padded else {}
    mapped = video.is_hdr and frame.color_trc == ColorTrc.BT709
    return video.model_copy(
        update={"pix_fmt": frame.format.name, "bit_depth": depth, **size, **(_SDR if mapped else {})}
    )


_SDR = {"matrix": "bt709", "full_range": False, "transfer": "bt709", "chroma_location": "left"}
"""What becomes of an HDR stream with `loc.media.encode.SDR`."""


def picture(planes: Planes, video: VideoStream, box: Box | None) -> Rgb:
    """A picture or the part of it inside `box`, upright, square pixels, `WIDTH` across, SDR."""
    from loc.media.colour import to_rgb
    from loc.media.tonemap import shown_in_sdr

    rgb = upright(to_rgb(planes, video, box), video)
    if video.is_hdr:
        rgb = shown_in_sdr(rgb, video)
    return rgb


def webp(rgb: Rgb) -> bytes:
    """A picture as a page carries it.

    Raises:
        LocError: it could not be coded.
    """
    import cv2

    ok, data = cv2.imencode(".webp", rgb[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not ok:
        raise LocError("OpenCV could not write a still.")
    return bytes(data)


def upright(rgb: Rgb, video: VideoStream) -> Rgb:
    """Turned as a player turns it, pixels square, `WIDTH` across."""
    import cv2

    height, width = rgb.shape[:2]
    wide = width * float(video.sample_aspect or 1)
    upended = video.rotation in (90, 270)
    scale = WIDTH / (height if upended else wide)
    size = (max(1, round(wide * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(rgb, size, interpolation=method)
    turned = np.rot90(scaled, video.rotation // 90)
    return np.ascontiguousarray(turned[:, ::-1] if video.mirrored else turned)
