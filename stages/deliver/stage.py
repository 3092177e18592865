"""Deliver: patches on the picture, chunks encoded, one sound, subtitles, one file.

Eight kinds of action:
    deliver.title      a subtitle as pixels, where it is drawn into the picture;
    deliver.encode     a chunk of the picture with patches and texts on it; knows no language;
    deliver.audio      a part of the mix as AAC, or all of it as Opus for WebM;
    deliver.original   the source's own sound as a second track; knows no language;
    deliver.subtitles  the .srt file;
    deliver.mux        everything in one container;
    deliver.peaks      a block of a sound as the report's page shows it;
    deliver.still      a cut before and after, for the same page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from loc.artifacts import SAMPLE_RATE, DubTrack, Render, Slowed, Sound, Source, Transcript
from loc.errors import LocError
from loc.media import ffmpeg
from loc.media.probe import Facts, probe_source
from loc.media.retiming import Clock, clock, slow_down
from loc.media.sound import iter_blocks, read_sound, slice_key
from loc.media.subtitles import Cue, in_rows, write_srt
from loc.media.timeline import Timeline, load_timeline
from loc.retimed import retimed
from loc.runner import Action, Made, Make, NotMade, Out
from loc.stage import Context
from loc.store.keys import digest_value
from stages.deliver.contract import Inputs
from stages.deliver.evidence import gather
from stages.deliver.picture import STAGE, Standing, coding_of, encode_chunks
from stages.deliver.subtitles import Languages, cues
from stages.deliver.titles import drawn

if TYPE_CHECKING:
    from loc.media.encode import SoundPart
    from loc.media.mux import About
    from loc.media.titles import Place

Work = tuple[Action, Make]

SOUND_PIECE = 4 * SAMPLE_RATE
"""Samples of the mix held at once while it is encoded."""


def run(ctx: Context, inputs: Inputs) -> Render:
    """The finished video of one language.

    Raises:
        NotMade: in look mode, when a part has not been made; all parts have been looked at then.
    """
    source = inputs.source.get()
    timeline = load_timeline(ctx.store, source.frames, source.video.time_base)

    def programme() -> Programme:
        return _programme(source, timeline, inputs.dub.get())

    def shown() -> list[Cue]:
        lines, dub = inputs.translation.get().lines, inputs.dub.get()
        return cues(lines, dub, programme().clock, languages(), under())

    def under() -> Transcript | None:
        return inputs.transcript.get() if ctx.settings.subtitles == "bilingual" else None

    def languages() -> Languages:
        source = under()
        return Languages(ctx.language, source.language if source else None)

    def rows() -> list[Cue]:
        both = languages()
        return [in_rows(cue, both.text, both.below) for cue in shown()]

    def texts() -> list[Standing]:
        if not ctx.settings.burn_subtitles:
            return []
        place: Place = "top" if source.subtitled else "bottom"
        return drawn(ctx, source, programme().timeline, shown(), languages(), place)

    sound, (subtitles,), originals, chunks = _side_by_side(
        ctx,
        lambda: _sound(ctx, inputs.dub.get()),
        lambda: [_subtitles(ctx, rows())],
        # Only where the picture may be retimed does the original's sound depend on the dub.
        lambda: _original(ctx, source, programme().clock if ctx.settings.retime_video else None),
        lambda: encode_chunks(ctx, source, timeline, inputs.lipsync.get().patches, texts()),
    )
    original = originals[0] if originals else None
    if original is not None:
        _tell_coding(ctx, original)
    gathered = gather(ctx, source, timeline, inputs.dub.get(), inputs.lipsync.get(), chunks)
    # A player that shows the track by itself would show everything twice.
    track = [] if ctx.settings.burn_subtitles else rows()
    _tell_missing(ctx, under(), shown)
    mux = _mux(ctx, source, programme(), chunks, inputs.dub.get().mix, sound, original, track)
    media, *done = ctx.runner.attempt([mux, *gathered.work], parallel=True)
    if isinstance(media, LocError):
        raise media
    assert ctx.language is not None
    return Render(
        language=ctx.language,
        media=media.ref("media"),
        container=ctx.settings.file_type,
        subtitles=subtitles.ref("subtitles"),
        evidence=gathered.evidence(ctx, done) if ctx.settings.page != "none" else None,
    )


@dataclass(frozen=True)
class Programme:
    """When the source's pictures are shown, and its samples heard, in the output."""

    timeline: Timeline
    clock: Clock
    slowed: tuple[Slowed, ...]


def _programme(source: Source, timeline: Timeline, dub: DubTrack) -> Programme:
    slowed = dub.slowed
    return Programme(slow_down(timeline, slowed), clock(timeline, slowed, source.samples), slowed)


def _side_by_side(ctx: Context, *parts: Callable[[], list[Work]]) -> list[list[Made]]:
    """What each of some independent parts makes, all in one batch. Opus takes one core for long, so the sound
    begins first and the picture is coded beside it.

    In look mode each part is looked at before `NotMade` is raised for any. An earlier stage that has not been
    made is the better news than a part of this one.
    """
    work: list[list[Work]] = []
    missing: list[NotMade] = []
    made: Iterator[Made] = iter(())
    for part in parts:
        try:
            work.append(part())
        except NotMade as error:
            missing.append(error)
    try:
        made = iter(ctx.runner.map([one for some in work for one in some], parallel=True))
    except NotMade as error:
        missing.append(error)
    if missing:
        raise next((error for error in missing if error.stage != STAGE), missing[0])
    return [list(islice(made, len(some))) for some in work]


def _tell_missing(ctx: Context, source: Transcript | None, shown: Callable[[], Sequence[Cue]]) -> None:
    """Say aloud where both languages were asked for and the source's text is not there."""
    if source is not None and (lacking := sum(not cue.below for cue in shown())):
        ctx.notice(
            "one-language",
            f"{lacking} subtitles are in one language: what the source says there is not known. "
            "--transcript supplies it.",
        )


def _sound(ctx: Context, dub: DubTrack) -> list[Work]:
    """Encode the sound, in parts."""
    from loc.media.encode import SOUND_CODECS, sound_parts

    parts = sound_parts(dub.mix.samples, SOUND_CODECS[ctx.settings.file_type])
    return [_sound_part(ctx, dub.mix, number, part) for number, part in enumerate(parts)]


def _sound_part(ctx: Context, mix: Sound, number: int, part: SoundPart) -> Work:
    """Encode a part of the sound.

    Reads: the mix within the part, half a second before it and 64 ms behind it.
    Leaves out: the language; the pictures; the rest of the mix.
    """

    from loc.media.encode import SOUND_CODECS, encode_sound

    settings, codec = ctx.settings, SOUND_CODECS[ctx.settings.file_type]

    def make(out: Out) -> None:
        # Opus has one part, which may be hours.
        blocks = (
            read_sound(ctx.store, mix, at, min(at + SOUND_PIECE, part.stop))
            for at in range(part.start, part.stop, SOUND_PIECE)
        )
        path = out.file("sound", ".m4a")
        encode_sound(blocks, mix.channels, settings.audio_bitrate, path, settings.ffmpeg, codec)

    action = Action(
        name="deliver.audio",
        version=4,
        site=ctx.site(STAGE, f"part {number}"),
        inputs={"mix": slice_key(mix, part.start, part.stop)},
        params={"codec": codec, "channels": mix.channels, "bitrate": settings.audio_bitrate},
        programs={"ffmpeg": ffmpeg.fingerprint(settings.ffmpeg)},
    )
    return action, make


def _original(ctx: Context, source: Source, heard: Clock | None) -> list[Work]:
    """Take over the original sound.

    Reads: the packets of the sound track; where they cannot be copied, its whole sound, slowed where the
        picture is.
    Leaves out: the language.

    Args:
        heard: the programme's clock, where it may be another than the source's.
    """

    from loc.media.encode import SOUND_CODECS, encode_sound
    from loc.media.remux import CannotCopy, take_sound, unfit_codec

    settings, master = ctx.settings, source.master
    if not settings.keep_original_audio or master is None:
        return []
    track = next(track for track in source.audio if track.index == source.chosen_audio)
    codec, unfit = SOUND_CODECS[settings.file_type], unfit_codec(track, settings.file_type)
    if heard is not None and any(piece.is_slowed for piece in heard.pieces):
        master, unfit = retimed(ctx, STAGE, "original", master, heard), "it is slowed with the picture"
    elif unfit is None and source.frames.joins:
        unfit = "its clock begins anew where recordings were joined"

    def make(out: Out) -> None:
        path = out.file("sound", ".m4a")
        try:
            if unfit is not None:
                raise CannotCopy(unfit)
            take_sound(ctx.media(source), track, source.sound_start, path)
        except CannotCopy as reason:
            out.detail["coded"] = str(reason)
            blocks = iter_blocks(ctx.store, master)
            encode_sound(blocks, master.channels, settings.audio_bitrate, path, settings.ffmpeg, codec)

    action = Action(
        name="deliver.original",
        version=1,
        site=ctx.site(STAGE),
        inputs={
            "source": ctx.job.digest,
            "stream": track.index,
            "start": source.sound_start,
            "master": master.blocks,
        },
        params={
            "unfit": unfit,
            "codec": codec,
            "channels": master.channels,
            "bitrate": settings.audio_bitrate,
        },
        programs={
            "ffmpeg": ffmpeg.fingerprint(settings.ffmpeg),
            "muxer": ffmpeg.decoder_fingerprint(),
        },
    )
    return [(action, make)]


def _tell_coding(ctx: Context, original: Made) -> None:
    """Say aloud that the original sound went through another generation of loss, and why."""
    if reason := original.detail.get("coded"):
        ctx.runner.notice(
            "original-coded", f"The original sound could not be copied and is coded anew: {reason}."
        )


def _subtitles(ctx: Context, shown: Sequence[Cue]) -> Work:
    """Write the subtitles.

    Reads: what is shown, row by row, and when.
    Leaves out: the languages; whether it was supplied or translated.
    """

    action = Action(
        name="deliver.subtitles",
        version=1,
        site=ctx.site(STAGE),
        inputs={"cues": _cues_key(shown)},
    )
    return action, lambda out: _write_subtitles(out, shown)


def _write_subtitles(out: Out, shown: Sequence[Cue]) -> None:
    out.bytes("subtitles", write_srt(shown))
    out.detail["cues"] = len(shown)


def _cues_key(shown: Sequence[Cue]) -> str:
    return digest_value([[cue.start, cue.stop, cue.text] for cue in shown])


def _mux(
    ctx: Context,
    source: Source,
    programme: Programme,
    chunks: Sequence[Made],
    heard: Sound,
    sound: Sequence[Made],
    original: Made | None,
    shown: Sequence[Cue],
) -> Work:
    """Put everything into one file.

    Reads: the coded chunks and sound, the original sound where it is kept, what is shown as subtitles, the
        times of all frames and where they are slowed, the source's tags and chapters.
    Leaves out: how any of it came about.
    """

    from loc.media.encode import SOUND_CODECS, sound_parts

    language, container = ctx.language or "und", ctx.settings.file_type
    parts = sound_parts(heard.samples, SOUND_CODECS[container])
    spoken = _original_language(ctx, source)
    video, timeline, times = source.video, programme.timeline, source.frames
    colour = coding_of(ctx, video).colour

    def make(out: Out) -> None:
        from loc.media.mux import Original, Picture, SoundPiece, mux

        pts = timeline.pts - timeline.pts[0]
        paths = [chunk.path("video") for chunk in chunks]
        picture = Picture(
            paths,
            pts,
            timeline.duration,
            timeline.time_base,
            video.rotation,
            colour.mastering,
            colour.content_light,
            video.mirrored,
        )
        about = _about(probe_source(ctx.media(source), ctx.settings), programme)
        path = out.file("media", f".{container}")
        second = Original(original.path("sound"), spoken) if original else None
        pieces = [
            SoundPiece(made.path("sound"), part.skipped, part.packets)
            for made, part in zip(sound, parts, strict=True)
        ]
        mux(path, picture, pieces, shown, language, about, container, second)

    action = Action(
        name="deliver.mux",
        version=7,
        site=ctx.site(STAGE),
        inputs={
            "chunks": [chunk.ref("video") for chunk in chunks],
            "frames": {"count": times.count, "duration": times.duration, "table": times.table},
            "sound": [
                [made.ref("sound"), part.skipped, part.packets]
                for made, part in zip(sound, parts, strict=True)
            ],
            "original": original and original.ref("sound"),
            "cues": _cues_key(shown),
            # For its tags and chapters.
            "source": source.digest,
            **({"slowed": programme.slowed} if programme.slowed else {}),
        },
        params={
            "container": container,
            "language": language,
            "original_language": spoken if original else None,
            "time_base": video.time_base,
            "rotation": video.rotation,
            **({"mirrored": True} if video.mirrored else {}),
            "mastering": colour.mastering,
            "content_light": colour.content_light,
        },
        programs={
            "muxer": ffmpeg.decoder_fingerprint(),
            "ffprobe": ffmpeg.probe_fingerprint(ctx.settings.ffprobe),
        },
    )
    return action, make


def _original_language(ctx: Context, source: Source) -> str:
    """What is spoken in the source: as the file says, else as the user does, else `und`."""
    declared = next((track.language for track in source.audio if track.index == source.chosen_audio), None)
    return declared or ctx.job.source_language or "und"


def _about(facts: Facts, programme: Programme) -> About:
    """The source's tags and chapters, the latter counted from the first picture and cut at its end."""
    from loc.media.mux import About, Chapter

    timeline = programme.timeline
    begin = int(timeline.pts[0]) * timeline.time_base
    end = timeline.seconds(timeline.count)

    def shown(at: Fraction) -> Fraction:
        sample = round((at - begin) * SAMPLE_RATE)
        return at - begin + Fraction(programme.clock.shown(sample) - sample, SAMPLE_RATE)

    chapters = []
    for chapter in facts.chapters:
        start, stop = max(Fraction(0), shown(chapter.start)), min(end, shown(chapter.stop))
        if start < stop:
            chapters.append(Chapter(start, stop, chapter.title or ""))
    return About(facts.tags, tuple(chapters))
