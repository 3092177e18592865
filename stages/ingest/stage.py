"""Ingest: what the file is, when each picture shows, the sound to localize, shots and chunks.

Kinds of action, each keyed on the file's digest or on what an earlier one made of it:
    ingest.plate    where the input is pictures: the video made of them, which stands for the file;
    ingest.probe    container facts;
    ingest.scan     one decode of the picture: frame table, shots, stillness, text that appears;
    ingest.master   the chosen sound track on the picture's clock, 48 kHz;
    ingest.cuts     chunks, from the table, the shots and the pauses of speech.
Nothing here depends on any setting but the sound track (and the programs in use).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from loc import packages
from loc.analysis.voice_activity import speech_regions
from loc.artifacts import (
    SAMPLE_RATE,
    AudioStream,
    Chunk,
    FrameRange,
    FrameTable,
    Frozen,
    Join,
    Sound,
    Source,
    Subtitled,
)
from loc.media import ffmpeg
from loc.media.arrays import load_arrays
from loc.media.probe import Facts, chosen_track, probe_source
from loc.media.sound import Samples, store_sound
from loc.media.timeline import Timeline, load_timeline, save_table
from loc.runner import Action, Made, Out
from loc.stage import Context
from stages.ingest.chunks import cut_chunks
from stages.ingest.contract import Inputs
from stages.ingest.plate import make_plate

STAGE = "ingest"

TRUNCATED_BELOW = 0.95
"""A decode that gives less than this share of the length the container states is called truncated; stated
lengths are often off by some frames, and by a second in short files."""

GAPS_TOLD = SAMPLE_RATE // 10
"""Silence in gaps of the sound that is told of, samples: less is a lost packet or two."""

PROGRESS_FRAMES = 50
"""Frames between two reports of progress."""


class ScanFacts(Frozen):
    """What a scan found, besides the table: `Source.frames` without the reference, and what it met."""

    count: int
    duration: int
    """Ticks."""
    lead: int
    """Ticks from the first picture's timestamp to its place among the sounds, see `loc.media.frames.Scan`."""
    shots: tuple[FrameRange, ...]
    joins: tuple[Join, ...]
    repaired: int
    """Timestamps made up."""
    damaged: int
    """Packets that could not be decoded."""


class MasterFacts(Frozen):
    """What was lost while the sound was decoded, see `loc.media.audio.Losses`."""

    damaged: int
    missing: int
    ended: int


class Chunks(Frozen):
    """The chunks, as an object of the store."""

    chunks: tuple[Chunk, ...]


def run(ctx: Context, _inputs: Inputs) -> Source:
    """Everything later stages know about the source.

    Raises:
        InputError: the file cannot be used.
        UsageError: there is no sound track of the number asked for.
        MissingError: there is no ffprobe.
    """
    plate = None
    if ctx.job.pictures is not None:
        plate = make_plate(ctx, ctx.job.pictures)
        job = replace(ctx.job, path=ctx.store.open_object(plate), digest=plate.sha256, size=plate.size)
        ctx = replace(ctx, job=job)
    facts = _probe(ctx).model("facts", Facts)
    track = chosen_track(facts.audio, ctx.settings.audio_track)
    scanned = _scan(ctx, facts)
    scan = scanned.model("scan", ScanFacts)
    table = FrameTable(
        count=scan.count,
        table=scanned.ref("table"),
        duration=scan.duration,
        positions=scanned.ref("positions"),
        joins=scan.joins,
    )
    timeline = load_timeline(ctx.store, table, facts.video.time_base)
    _tell(ctx, facts, scan, timeline, track)
    start = (int(timeline.pts[0]) + scan.lead) * timeline.time_base
    master = None
    if track is not None:
        made = _master(ctx, track, timeline, start)
        master = made.model("sound", Sound)
        _tell_lost(ctx, made.model("lost", MasterFacts), timeline.sample(timeline.count))
    speech = [] if master is None else speech_regions(ctx.runner, ctx.site(STAGE), master)
    chunks = _cuts(ctx, scanned, scan, timeline, speech).model("chunks", Chunks)
    subtitled = _subtitled(scanned, scan, timeline, speech)
    if subtitled is not None:
        _tell_subtitled(ctx, subtitled)
    return Source(
        digest=ctx.job.digest,
        size=ctx.job.size,
        container=facts.container,
        video=facts.video,
        audio=facts.audio,
        chosen_audio=None if track is None else track.index,
        frames=table,
        shots=scan.shots,
        chunks=chunks.chunks,
        sound_start=start,
        master=master,
        samples=timeline.sample(timeline.count) if master is None else master.samples,
        subtitled=subtitled,
        plate=plate,
    )


def _subtitled(
    scanned: Made, scan: ScanFacts, timeline: Timeline, speech: Sequence[tuple[int, int]]
) -> Subtitled | None:
    """Whether what appeared in the picture is subtitles."""
    from loc.analysis import captions

    texts = load_arrays(scanned.path("texts"))
    return captions.find(texts["frames"], texts["boxes"], timeline, scan.shots, speech)


def _tell_subtitled(ctx: Context, subtitled: Subtitled) -> None:
    """Say that the source's picture has subtitles of its own, and what that means for ours."""
    if ctx.settings.burn_subtitles:
        ours = "Ours are drawn at its top instead."
    else:
        ours = "Players show ours over them, unless told otherwise; --burn-subtitles draws them at its top."
    ctx.runner.notice(
        "subtitled-source",
        f"The picture has subtitles of its own: {subtitled.texts} were seen to appear, down to "
        f"{subtitled.foot:.0%} of its height. {ours}",
    )


def _probe(ctx: Context) -> Made:
    """Read the container.

    Reads: what the container says, and the first picture.
    Leaves out: the file's name and dates.
    """

    def make(out: Out) -> None:
        out.model("facts", probe_source(ctx.job.path, ctx.settings))

    action = Action(
        name="ingest.probe",
        version=5,
        site=ctx.site(STAGE),
        inputs={"source": ctx.job.digest},
        programs={
            "ffprobe": ffmpeg.probe_fingerprint(ctx.settings.ffprobe),
            "decoder": ffmpeg.decoder_fingerprint(),
        },
    )
    return ctx.runner.do(action, make)


def _scan(ctx: Context, facts: Facts) -> Made:
    """Decode every picture.

    Reads: every picture of the stream.
    Leaves out: the sound.
    """

    from loc.analysis import captions
    from loc.media import shots
    from loc.media.frames import scan_frames

    video = facts.video

    def make(out: Out) -> None:
        finder = shots.ShotFinder(video.average_rate)
        watch = captions.TextWatch(video.average_rate, video.rotation)
        expected = round(facts.duration * video.average_rate) if facts.duration else 0
        seen = 0

        def visit(frame: Any) -> None:
            nonlocal seen
            finder.look(frame)
            watch.look(frame)
            seen += 1
            if seen % PROGRESS_FRAMES == 0:
                out.progress(seen, max(seen, expected))

        scan = scan_frames(ctx.job.path, video, visit)
        out.bytes("table", save_table(scan.pts, scan.key))
        out.bytes("positions", _array_bytes(scan.positions))
        out.bytes("changes", _array_bytes(finder.changes()))
        out.bytes("texts", watch.result())
        found = ScanFacts(
            count=len(scan.pts),
            duration=scan.duration,
            lead=scan.lead,
            shots=finder.shots(),
            joins=scan.joins,
            repaired=scan.repaired,
            damaged=scan.damaged,
        )
        out.model("scan", found)
        out.detail.update(frames=found.count, shots=len(found.shots), damaged=found.damaged)

    action = Action(
        name="ingest.scan",
        version=4,
        site=ctx.site(STAGE),
        inputs={"source": ctx.job.digest, "stream": video.index},
        params={"rate": video.average_rate, "rotation": video.rotation},
        programs={"decoder": ffmpeg.decoder_fingerprint(), **shots.fingerprint()},
    )
    return ctx.runner.do(action, make)


def _master(ctx: Context, track: AudioStream, timeline: Timeline, start: Fraction) -> Made:
    """Decode the sound track.

    Reads: the sound track, from the first picture on.
    Leaves out: the pictures, but for when they begin and end, and where their clock begins anew.
    """

    from loc.media.audio import Losses, decode_track, output_channels

    picture, stretches = timeline.sample(timeline.count), timeline.stretches()
    channels = output_channels(track)

    def make(out: Out) -> None:
        losses = Losses()
        pieces = decode_track(ctx.job.path, track, start, picture, stretches, losses)
        sound = store_sound(out.store, _reported(pieces, out, picture), channels)
        out.keep("block", sound.blocks)
        out.model("sound", sound)
        out.model("lost", MasterFacts(damaged=losses.damaged, missing=losses.missing, ended=losses.ended))

    action = Action(
        name="ingest.master",
        version=2,
        site=ctx.site(STAGE),
        inputs={
            "source": ctx.job.digest,
            "stream": track.index,
            "start": start,
            "picture": picture,
            "stretches": [[stretch.position, stretch.shift, stretch.last] for stretch in stretches],
        },
        params={"channels": channels, "sample_rate": track.sample_rate},
        programs={"decoder": ffmpeg.decoder_fingerprint(), "soxr": packages.version("soxr")},
    )
    return ctx.runner.do(action, make)


def _reported(pieces: Iterable[Samples], out: Out, expected: int) -> Iterator[Samples]:
    """`pieces`, with progress told about once a second of sound."""
    done = told = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        if done - told >= SAMPLE_RATE:
            told = done
            out.progress(done, max(done, expected))


def _cuts(
    ctx: Context, scanned: Made, scan: ScanFacts, timeline: Timeline, speech: Sequence[tuple[int, int]]
) -> Made:
    """Cut the programme into chunks.

    Reads: times, changes and shots of all pictures, and where somebody speaks.
    Leaves out: the file: programmes with the same times and pauses are cut alike.
    """

    def make(out: Out) -> None:
        changes = np.load(scanned.path("changes"), allow_pickle=False)
        out.model("chunks", Chunks(chunks=cut_chunks(timeline, scan.shots, changes, speech)))

    action = Action(
        name="ingest.cuts",
        version=1,
        site=ctx.site(STAGE),
        inputs={
            "table": scanned.ref("table"),
            "time_base": timeline.time_base,
            "duration": timeline.duration,
            "changes": scanned.ref("changes"),
            "shots": scan.shots,
            "speech": speech,
        },
    )
    return ctx.runner.do(action, make)


def _tell(ctx: Context, facts: Facts, scan: ScanFacts, timeline: Timeline, track: AudioStream | None) -> None:
    """Say aloud what was assumed, repaired or left out."""
    from loc.media.audio import MAX_CHANNELS

    for assumption in facts.assumptions:
        ctx.runner.notice("assumed", f"In the source, {assumption}.")
    if scan.repaired:
        ctx.runner.notice(
            "timestamps-repaired", f"{scan.repaired} timestamps were missing, went back or leapt ahead."
        )
    if scan.damaged:
        ctx.runner.notice("damaged", f"{scan.damaged} damaged packets of the picture were passed over.")
    seconds = float(timeline.seconds(timeline.count))
    if facts.duration and seconds < TRUNCATED_BELOW * facts.duration - 1:
        ctx.runner.notice(
            "truncated", f"The picture ends after {seconds:.1f} s of {float(facts.duration):.1f} s."
        )
    if facts.subtitles:
        ctx.runner.notice("left-out", f"The source's subtitle tracks ({facts.subtitles}) are left out.")
    if track is None:
        told = "announces sound, and nothing of it was sent" if facts.audio else "has no sound track"
        ctx.runner.notice("no-sound", f"The source {told}.")
        return
    if len(facts.audio) > 1 and ctx.settings.audio_track is None:
        ctx.runner.notice(
            "audio-track", f"Sound track {track.track} of {len(facts.audio)} is used, no other is kept."
        )
    if track.channels > MAX_CHANNELS:
        ctx.runner.notice("mixed-down", f"The {track.layout} sound is mixed down to stereo.")


def _tell_lost(ctx: Context, lost: MasterFacts, picture: int) -> None:
    """Say aloud what of the sound is silence instead.

    Args:
        picture: its length in samples.
    """
    if lost.damaged:
        ctx.runner.notice("sound-damaged", f"{lost.damaged} damaged packets of the sound were passed over.")
    if lost.missing >= GAPS_TOLD:
        ctx.runner.notice(
            "sound-gaps", f"The sound has gaps; {lost.missing / SAMPLE_RATE:.1f} s of silence stand for them."
        )
    if lost.ended < TRUNCATED_BELOW * picture - SAMPLE_RATE:
        ctx.runner.notice(
            "sound-short",
            f"The sound ends after {lost.ended / SAMPLE_RATE:.1f} s of {picture / SAMPLE_RATE:.1f} s; "
            "the rest is silent.",
        )


def _array_bytes(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
