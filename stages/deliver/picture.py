"""The picture: each chunk's frames with their patches and texts on, encoded; without them once for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loc import packages
from loc.artifacts import Chunk, FrameRange, PatchTrack, Ref, Source, VideoStream
from loc.media import ffmpeg
from loc.media.patches import Pixels, Placement, load_placement, read_patches
from loc.media.timeline import Timeline
from loc.runner import Action, Make, Out
from loc.stage import Context
from loc.store.workdir import WorkDir

if TYPE_CHECKING:
    from loc.media.encode import Coding
    from loc.media.frames import Planes
    from loc.media.titles import Overlay, Title

STAGE = "deliver"

PROGRESS_FRAMES = 25
"""Frames between two reports of progress."""


@dataclass(frozen=True)
class Layer:
    """A patch track, opened: frames `frames` of the source, with their pixels in order."""

    frames: FrameRange
    pixels: Iterator[Pixels]
    placement: Placement


@dataclass(frozen=True)
class Standing:
    """Text in the picture, and the frames it stands in."""

    frames: FrameRange
    title: Ref


def encode_chunks(
    ctx: Context,
    source: Source,
    timeline: Timeline,
    patches: Sequence[PatchTrack],
    texts: Sequence[Standing] = (),
) -> list[tuple[Action, Make]]:
    """An action for each chunk, which codes it: output `video`, an MP4 of its pictures alone."""
    coding = coding_of(ctx, source.video)
    _tell(ctx, source.video, coding)
    by_chunk: dict[int, list[PatchTrack]] = defaultdict(list)
    for patch in patches:
        by_chunk[patch.chunk].append(patch)
    return [
        _encode(ctx, source, timeline, coding, index, by_chunk[index], _inside(texts, chunk.frames))
        for index, chunk in enumerate(source.chunks)
    ]


def _inside(texts: Sequence[Standing], frames: FrameRange) -> list[Standing]:
    """The texts of some frames, in those frames alone."""
    found = ((text, text.frames.intersect(frames)) for text in texts)
    return [Standing(part, text.title) for text, part in found if part is not None]


def coding_of(ctx: Context, video: VideoStream) -> Coding:
    """How the settings want this stream coded."""
    from loc.media.encode import coding_for

    codec = ctx.settings.codec_for(hdr=video.is_hdr)
    return coding_for(video, codec, ctx.settings.crf, ctx.settings.preset)


def _tell(ctx: Context, video: VideoStream, coding: Coding) -> None:
    """Say aloud where the output's picture is not the source's in every respect."""
    if (coding.width, coding.height) != (video.width, video.height):
        sizes = f"{video.width}x{video.height} becomes {coding.width}x{coding.height}"
        ctx.runner.notice("odd-size", f"The codec needs even sides here: {sizes}, the last line repeated.")
    if coding.tone_map is not None:
        ctx.runner.notice(
            "tone-mapped", f"{coding.codec} is for players without HDR: the picture becomes SDR (BT.709)."
        )
    if coding.sample_aspect != video.sample_aspect:
        ctx.runner.notice(
            "squared",
            f"{coding.codec} has square pixels only: {coding.width}x{coding.height} is stretched to "
            f"{coding.shown_width}x{coding.shown_height}.",
        )
    if coding.deinterlaces:
        ctx.runner.notice(
            "deinterlaced", f"The source is interlaced; {coding.codec} is not, so each picture is made whole."
        )


def composite(
    frames: Iterable[Planes], first: int, video: VideoStream, layers: Sequence[Layer]
) -> Iterator[Planes]:
    """Frames from number `first` of the source on, each with its patches on, in the layers' order."""
    from loc.media.compose import apply_patch

    for number, planes in enumerate(frames, start=first):
        picture = planes
        for layer in layers:
            if layer.frames.start <= number < layer.frames.stop:
                at = number - layer.frames.start
                picture = apply_patch(
                    picture,
                    video,
                    next(layer.pixels),
                    layer.placement.matrix[at],
                    layer.placement.polygon[at],
                    float(layer.placement.feather[at]),
                    float(layer.placement.opacity[at]),
                )
        yield picture


def with_texts(
    frames: Iterable[Planes], first: int, video: VideoStream, texts: Sequence[tuple[FrameRange, Title]]
) -> Iterator[Planes]:
    """Frames from number `first` of the source on, each with the texts on it that stand there."""
    from loc.media.titles import lay_over, overlay

    ready: dict[int, Overlay] = {}
    for number, planes in enumerate(frames, start=first):
        picture = planes
        for which, (where, title) in enumerate(texts):
            if where.start <= number < where.stop:
                if which not in ready:
                    ready[which] = overlay(title, planes, video)
                picture = lay_over(picture, ready[which])
        yield picture


def _encode(
    ctx: Context,
    source: Source,
    timeline: Timeline,
    coding: Coding,
    index: int,
    patches: Sequence[PatchTrack],
    texts: Sequence[Standing],
) -> tuple[Action, Make]:
    """Encode one chunk.

    Reads: its frames and its patches, and the pixels of texts that are drawn in it.
    Leaves out: subtitles that are not drawn, language and sound; what drew the patches; opencv, where there
        are none.
    """

    from loc.media.encode import THREADS, encode_chunk
    from loc.media.frames import frames_key, read_frames
    from loc.media.tonemap import graphics_white

    video, chunk, program = source.video, source.chunks[index], ctx.settings.ffmpeg

    def make(out: Out) -> None:
        def tell(done: int) -> None:
            if done % PROGRESS_FRAMES == 0 or done == len(chunk.frames):
                out.progress(done, len(chunk.frames))

        frames = read_frames(ctx.media(source), video, timeline, chunk.frames)
        layers = [_layer(ctx.store, chunk, patch) for patch in patches]
        pictures = composite(frames, chunk.frames.start, video, layers)
        if texts:
            pictures = with_texts(pictures, chunk.frames.start, video, _loaded(ctx.store, texts))
        encode_chunk(pictures, coding, out.file("video", ".mp4"), program, tell)
        out.detail.update(frames=len(chunk.frames), patched_frames=sum(patch.count for patch in patches))

    action = Action(
        name="deliver.encode",
        version=3,
        site=ctx.site(STAGE, f"chunk {index + 1}"),
        inputs={
            "pictures": frames_key(source.digest, video, timeline, chunk.frames),
            "patches": [_patch_key(patch) for patch in patches],
            **({"texts": [_text_key(text, chunk) for text in texts]} if texts else {}),
        },
        params={
            "coding": coding,
            "threads": THREADS[coding.codec],
            **({"chroma_location": video.chroma_location} if patches or texts else {}),
            **({"white": graphics_white(video)} if texts else {}),
        },
        programs=_programs(program, patched=bool(patches or texts)),
    )
    return action, make


def _layer(store: WorkDir, chunk: Chunk, patch: PatchTrack) -> Layer:
    start = chunk.frames.start + patch.offset
    pixels = read_patches(store.open_object(patch.pixels), patch.width, patch.height, patch.count)
    placement = load_placement(store.open_object(patch.placement))
    return Layer(FrameRange(start=start, stop=start + patch.count), pixels, placement)


def _loaded(store: WorkDir, texts: Sequence[Standing]) -> list[tuple[FrameRange, Title]]:
    from loc.media.titles import load_title

    return [(text.frames, load_title(store.open_object(text.title))) for text in texts]


def _text_key(text: Standing, chunk: Chunk) -> dict[str, Any]:
    """A text in frames of its chunk: where that lies in the programme does not matter."""
    start = chunk.frames.start
    return {"frames": [text.frames.start - start, text.frames.stop - start], "title": text.title}


def _patch_key(patch: PatchTrack) -> dict[str, Any]:
    """A patch track without its chunk's number, which only says where it lies."""
    return {
        "offset": patch.offset,
        "count": patch.count,
        "size": [patch.width, patch.height],
        "pixels": patch.pixels,
        "placement": patch.placement,
    }


def _programs(program: str, *, patched: bool) -> dict[str, str]:
    programs = {"ffmpeg": ffmpeg.fingerprint(program), "decoder": ffmpeg.decoder_fingerprint()}
    if patched:
        programs["opencv"] = packages.version("opencv-contrib-python")
    return programs
