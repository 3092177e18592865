"""Deliver: patches on the picture, chunks encoded, one sound, subtitles, one file.

Four kinds of action:
    deliver.encode     a chunk of the picture with the patches on it; knows no language;
    deliver.audio      the mix as one AAC track;
    deliver.subtitles  the .srt file;
    deliver.mux        everything in one container.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

from loc.artifacts import DubTrack, LipSync, Render, Source, Translation
from loc.media import ffmpeg
from loc.media.probe import Facts, probe_source
from loc.media.sound import iter_blocks
from loc.media.subtitles import Cue, write_srt
from loc.media.timeline import Timeline, load_timeline
from loc.runner import Action, Made, NotMade, Out
from loc.stage import Context
from loc.store.keys import digest_value
from stages.deliver.contract import Inputs
from stages.deliver.picture import STAGE, encode_chunks
from stages.deliver.subtitles import cues

if TYPE_CHECKING:
    from loc.media.mux import About, Container

One = TypeVar("One")
Two = TypeVar("Two")
Three = TypeVar("Three")

CONTAINER: Container = "mp4"
"""H.264, AAC and timed text, in whatever depth and subsampling, are at home in it."""


def run(ctx: Context, inputs: Inputs) -> Render:
    """The finished video of one language.

    Raises:
        NotMade: in look mode, when a part has not been made; all parts have been looked at then.
    """
    source = inputs.source.get()
    timeline = load_timeline(ctx.store, source.frames, source.video.time_base)
    subtitles, sound, chunks = _each(
        lambda: _subtitles(ctx, source, inputs.translation.get(), inputs.dub.get()),
        lambda: _sound(ctx, inputs.dub.get()),
        lambda: _picture(ctx, source, timeline, inputs.lipsync.get()),
    )
    shown, written = subtitles
    media = _mux(ctx, source, timeline, chunks, sound, shown)
    assert ctx.language is not None
    return Render(
        language=ctx.language,
        media=media.ref("media"),
        container=CONTAINER,
        subtitles=written.ref("subtitles"),
    )


def _each(
    first: Callable[[], One], second: Callable[[], Two], third: Callable[[], Three]
) -> tuple[One, Two, Three]:
    """What three independent parts give; in look mode each is looked at before `NotMade` is raised for any.

    An earlier stage that has not been made is the better news than a part of this one.
    """
    made: list[One | Two | Three] = []
    missing: list[NotMade] = []
    for part in (first, second, third):
        try:
            made.append(part())
        except NotMade as error:
            missing.append(error)
    if missing:
        raise next((error for error in missing if error.stage != STAGE), missing[0])
    return tuple(made)  # type: ignore[return-value]


def _picture(ctx: Context, source: Source, timeline: Timeline, lipsync: LipSync) -> list[Made]:
    return encode_chunks(ctx, source, timeline, lipsync.patches)


def _sound(ctx: Context, dub: DubTrack) -> Made:
    def make(out: Out) -> None:
        from loc.media.encode import encode_sound

        blocks = iter_blocks(ctx.store, dub.mix)
        path = out.file("sound", ".m4a")
        encode_sound(blocks, dub.mix.channels, ctx.settings.audio_bitrate, path, ctx.settings.ffmpeg)

    action = Action(
        name="deliver.audio",
        version=1,
        site=ctx.site(STAGE),
        inputs={"mix": dub.mix.blocks},
        params={"channels": dub.mix.channels, "bitrate": ctx.settings.audio_bitrate},
        programs={"ffmpeg": ffmpeg.fingerprint(ctx.settings.ffmpeg)},
    )
    return ctx.runner.do(action, make)


def _subtitles(
    ctx: Context, source: Source, translation: Translation, dub: DubTrack
) -> tuple[list[Cue], Made]:
    shown = cues(translation.lines, dub, source.samples)
    action = Action(
        name="deliver.subtitles",
        version=1,
        site=ctx.site(STAGE),
        inputs={"cues": _cues_key(shown)},
    )
    return shown, ctx.runner.do(action, lambda out: _write_subtitles(out, shown))


def _write_subtitles(out: Out, shown: Sequence[Cue]) -> None:
    out.bytes("subtitles", write_srt(shown))
    out.detail["cues"] = len(shown)


def _cues_key(shown: Sequence[Cue]) -> str:
    return digest_value([[cue.start, cue.stop, cue.text] for cue in shown])


def _mux(
    ctx: Context,
    source: Source,
    timeline: Timeline,
    chunks: Sequence[Made],
    sound: Made,
    shown: Sequence[Cue],
) -> Made:
    language = ctx.language or "und"
    video = source.video

    def make(out: Out) -> None:
        from loc.media.mux import Picture, mux

        pts = timeline.pts - timeline.pts[0]
        paths = [chunk.path("video") for chunk in chunks]
        picture = Picture(paths, pts, timeline.duration, timeline.time_base, video.rotation)
        about = _about(probe_source(ctx.job.path, ctx.settings), timeline)
        path = out.file("media", f".{CONTAINER}")
        mux(path, picture, sound.path("sound"), shown, language, about, CONTAINER)

    action = Action(
        name="deliver.mux",
        version=1,
        site=ctx.site(STAGE),
        inputs={
            "chunks": [chunk.ref("video") for chunk in chunks],
            "frames": source.frames,
            "sound": sound.ref("sound"),
            "cues": _cues_key(shown),
            # For its tags and chapters.
            "source": source.digest,
        },
        params={
            "container": CONTAINER,
            "language": language,
            "time_base": video.time_base,
            "rotation": video.rotation,
        },
        programs={
            "muxer": ffmpeg.decoder_fingerprint(),
            "ffprobe": ffmpeg.probe_fingerprint(ctx.settings.ffprobe),
        },
    )
    return ctx.runner.do(action, make)


def _about(facts: Facts, timeline: Timeline) -> About:
    """The source's tags and chapters, the latter counted from the first picture and cut at its end."""
    from loc.media.mux import About, Chapter

    begin = int(timeline.pts[0]) * timeline.time_base
    end = timeline.seconds(timeline.count)
    chapters = []
    for chapter in facts.chapters:
        start, stop = max(Fraction(0), chapter.start - begin), min(end, chapter.stop - begin)
        if start < stop:
            chapters.append(Chapter(start, stop, chapter.title or ""))
    return About(facts.tags, tuple(chapters))
