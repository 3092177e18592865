"""The report beside every output: what was made, from what, by what, and what is wrong with it.

It names lines by id and time, never their text: the subtitles hold that. Everything but `run` depends on the
work alone, so a run that finds everything made writes the same report, and the file is left as it is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

import loc
from loc.app.feasibility import Choices
from loc.app.record import StageTime
from loc.app.walk import Slots
from loc.artifacts import (
    SAMPLE_RATE,
    Casting,
    Clip,
    Cut,
    DubTrack,
    Line,
    LipSync,
    Render,
    Score,
    Silent,
    Slowed,
    Source,
    Transcript,
    Translation,
)
from loc.backend import QUALITIES, Card, Rejected
from loc.events import Defect, Notice
from loc.media.retiming import Clock
from loc.media.timeline import Timeline
from loc.media.titles import shown_size
from loc.policy.licences import table
from loc.stage import FINALS, Job


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LicenceUsed(_Part):
    item: str
    kind: str
    licence: str
    """Name of the licence."""
    terms: str | None
    """What must be observed or passed on, credits among it."""


class BackendUsed(_Part):
    stage: str
    name: str
    model: str | None = None
    """Id of the weights, where the backend loads one of several."""
    version: str
    quality: str
    """basic | good | best: what its technique can reach."""
    family: str
    licences: tuple[LicenceUsed, ...]


class NotTaken(_Part):
    """A backend of better quality than the one that was taken, and why it was not."""

    stage: str
    name: str
    """With its model, where it has several: of these the one that would be taken first stands for all."""
    models: int
    """How many of its models were left for this."""
    quality: str
    gate: str
    """licence | remote | language | needs | name (another was asked for)."""
    reason: str


class SourceFacts(_Part):
    sha256: str
    bytes: int
    container: str
    width: int
    """As it is coded."""
    height: int
    shown_width: int
    """As a player shows it: turned, with square pixels."""
    shown_height: int
    frames: int
    rate: str
    """Average frames per second, a rational."""
    seconds: float
    audio_tracks: int
    audio_track: int | None
    """The track localized, counted from 1."""
    shots: int
    speakers: int
    language: str | None
    subtitles_in_picture: int
    """How many subtitles that are part of its picture were seen to appear; 0: it has none."""


class LineFit(_Part):
    line: str
    speaker: str | None
    voice: str
    start: float
    """Seconds from the first frame."""
    seconds: float
    slot_seconds: float
    rate: float
    stretch: float
    borrowed_seconds: float
    overrun_seconds: float
    unknown_words: int
    notes: tuple[str, ...] = ()
    """Of its translation: a code, a colon and words for people. `term`, `number`, `name`: it seems to lack
    one; `shortened`: it was rewritten to fit; `long`: it is longer than is said with ease."""
    backend: str | None = None
    """The engine that says it; null where it is the source's own voice."""
    model: str | None = None
    take: int = 0
    """Which take of that engine it is."""
    heard_error: float | None = None
    """Share of its text's sounds that a recogniser does not hear in it, or hears besides: 0 all is as
    written; null where none listened, or the line is too short to be judged."""
    similarity: float | None = None
    """How like the recording that it imitates its voice is, -1..1; null where nothing compared them."""


class SlowedReport(_Part):
    """A stretch of the picture that is shown slower, so that what is said over it fits."""

    frames: tuple[int, int]
    start: float
    """Seconds of the output."""
    seconds: float
    """As it is shown."""
    source_seconds: float
    """As it is in the source."""


class LineFailed(_Part):
    line: str
    reason: str
    start: float | None
    """Where the source speaks it, seconds of the output."""
    seconds: float | None


class CastReport(_Part):
    """Who in the picture says some lines of one speaker in one shot, and how that is known."""

    shot: int
    """Counted from 1."""
    speaker: str | None
    segments: tuple[str, ...]
    """Lines of the source."""
    face: str | None
    """`3b` is the second face from the left in shot 3; null where nobody in view says it or it is unknown."""
    by: str
    """cast-file | only-face | lips | syncnet, stable-syncnet (others' lips move as well, but this judge finds
    that only it says what is said) | visemes (likewise, by the phones of what is said) |
    framing (where the speaker is seen in shots framed alike) | listener
    (the only face rests its lips, but not for others, or the speaker's move in other shots) | unsure."""
    certain: bool
    lip_speed: float | None
    """Of the face, or of the fastest, while the lines are heard: face scales per second."""
    runner_up: float | None
    """The same of the next face."""
    seconds: float
    """Speech that the two rest on."""
    p: float | None
    """How often chance gives as large a difference of the two."""
    agreement: float | None = None
    """How well the face's lips, or the best of any, follow what is said; where `by` is syncnet, its
    confidence, where it is stable-syncnet, its cosine. Null where that is not known."""
    agreement_p: float | None = None
    """How often chance does as well."""


class BankReport(_Part):
    """The voice of the bank that is nearest to a speaker."""

    voice: str
    similarity: float
    """Cosine of vectors, -1..1."""
    following: float | None
    """That of the next voice."""
    limit: float
    """Similarity that is asked for."""
    outcome: str
    """taken | unlike (under the limit) | close (the next voice is nearly as near) | nearer-speaker."""


class BankVoiceReport(_Part):
    """The voice of the bank in which a speaker's lines are said, and what the user noted of the rights to
    it."""

    voice: str
    own: str | None
    """Which of its own voices the engine takes for it; null where it imitates the recording."""
    person: str | None
    """Whose voice it is."""
    rights: str | None
    """What that person has agreed to; null where nothing is noted."""


class SpeakerReport(_Part):
    """Somebody who is heard in the source."""

    id: str
    name: str | None
    """What the cast file calls the speaker, or else the supplied subtitles; null where neither does."""
    seconds: float
    """Length of the lines."""
    lines: int
    median_f0_hz: float | None
    voice_class: str
    """low | high: which side of 165 Hz; chooses between stock voices."""
    bank: BankReport | None = None
    """The voice of the bank that is nearest; null where it was not asked."""
    bank_voice: BankVoiceReport | None = None
    """The voice of the bank that speaks, named or matched; null where none does. Lines that fell back to
    another engine name theirs."""


class OverlapReport(_Part):
    """A line of the source in which another voice sounds beside its speaker's; nobody is imitated from it."""

    segment: str
    lines: tuple[str, ...]
    """That translate it."""
    start: float
    seconds: float
    speakers: tuple[str, ...]
    """The line's own first."""
    by: str
    """turns (both are heard at the same time) | voices (a part of the line sounds like the other)."""
    together_seconds: float | None
    """How long both are heard in the source; null where that is not known."""


class UnsureReport(_Part):
    """A line of the source whose speaker might be another."""

    segment: str
    lines: tuple[str, ...]
    start: float
    seconds: float
    speaker: str
    other: str
    """The next speaker."""
    margin: float
    """By how much the line is more similar to its own speaker than to the other: cosine of vectors."""


class DroppedReport(_Part):
    """Something that was recognised, heard or supplied and is no line. What it says stands on the full page
    alone."""

    start: float
    """Where it is heard or shown, seconds of the output."""
    seconds: float
    reason: str
    """For people."""


class PersonReport(_Part):
    """Faces that are taken for one person who is seen speaking."""

    name: str
    faces: tuple[str, ...]
    certain: bool
    """Whether it is one face of one shot; several are joined by speaker and place, not by their looks."""


class PictureReport(_Part):
    """What drawing did to the picture of a cut, measured on the pixels that reach the video. Differences of
    colour are CIE 1976, in which about 2.3 is just noticeable."""

    seam: float
    """At the mask's edge: 95 of 100 frames stay under it."""
    lip_colour: float | None
    """Of the lips, median of frames; null where none were found."""
    sharpness: float
    """Detail over that of the filmed picture; 1 = kept."""
    shape: float | None = None
    """Share by which the jaw is wider or narrower than the filmed one; null where no face was found."""
    jitter: float | None
    """Trembling of resting lips over that of eyes and nose; null where they do not rest."""
    at_rest: float | None = None
    """How far open the drawn lips are where they should rest, over the face's scale; null where they never
    should."""
    outside: int
    """Largest change outside the mask, in code values: 0."""


class ScoreReport(_Part):
    """How well the lips of a drawn cut follow the dub. It chooses finals where its measure has a limit, and
    drops them where the draft has the same measure: `docs/explanation/cut-by-cut.md`."""

    measure: str
    """`renderer-obedience`: the dub's phones moved the lips, so the score says no more than that the renderer
    did as it was told. `viseme-agreement`: something else moved them. `syncnet`: confidence of SyncNet v2.
    `stable-syncnet`: cosine of StableSyncNet."""
    value: float | None
    """Correlation of seen and expected movement at the best lag, -1..1; of `syncnet` by how much the least
    distance lies under the median. Null where it is unscored."""
    offset: int | None
    """That lag in frames; above 0 the lips are late."""
    offset_ms: float | None
    n: int
    """Frames of speech compared; of `syncnet` windows of five frames."""
    closures: int
    """Closures of the lips among them."""
    p: float | None
    """How often random movement of the same rhythm agrees as well."""
    confidence: float | None
    """The value over the median of all lags."""
    distance: float | None = None
    """Of `syncnet`: the least mean distance of lips and sound."""
    unscored: str | None
    """Why there is no value."""
    picture: PictureReport | None
    beside: tuple[ScoreReport, ...] = ()
    """What other networks say, each in its own measure: never compared with this one."""


class CutReport(_Part):
    shot: int
    """Counted from 1."""
    face: str | None
    """As in `cast`. Cuts of two faces may share frames."""
    frames: tuple[int, int]
    start: float
    """Seconds from the first frame."""
    seconds: float
    speaker: str | None
    route: str
    reasons: tuple[str, ...]
    """Why it passes through, got a final, or did not get one that was to be: a code, a colon and words for
    people. `docs/explanation/cut-by-cut.md` lists the codes with their limits."""
    backend: str | None
    model: str | None = None
    drawn_frames: int
    skipped_frames: int
    score: ScoreReport | None
    """None where nothing was drawn."""
    draft_score: ScoreReport | None = None
    """Of the draft, where a final took its place."""


class SpentReport(_Part):
    """What a remote translator was asked for the lines that are used, whenever that was."""

    requests: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    """In the money of `--llm-price`; null where none was said."""


class LoudnessReport(_Part):
    integrated_lufs: float | None
    true_peak_dbtp: float | None
    speech_lufs: float | None
    source_speech_lufs: float | None


class CutSpentReport(_Part):
    """How long a device computed for a cut, whenever that was, seconds."""

    cut: int
    """Counted from 1."""
    draft: float
    final: float
    """Of all takes, those that were dropped among them."""


class RunReport(_Part):
    """This run alone."""

    id: str
    stages: tuple[StageTime, ...]
    not_taken: tuple[NotTaken, ...] = ()
    """Better backends than those taken: what is installed and allowed here decides, not the work."""
    device_seconds: tuple[CutSpentReport, ...] = ()
    """Of cuts for which a device was metered; time is of the machine, not of the work."""
    notices: tuple[str, ...]
    bytes_kept: int
    """Size of all objects in the work directory."""


class DefectReport(_Part):
    stage: str
    unit: str
    code: str
    message: str


class Report(_Part):
    """`video.ja.report.json`."""

    schema_version: Literal[2] = 2
    loc_version: str
    language: str
    translation: Literal["translated", "supplied", "as-spoken"] | None
    transcript: Literal["recognised", "supplied", "cues"] | None
    source: SourceFacts | None
    output_sha256: str
    backends: tuple[BackendUsed, ...]
    lines: tuple[LineFit, ...]
    silent: tuple[LineFailed, ...]
    speakers: tuple[SpeakerReport, ...] = ()
    overlaps: tuple[OverlapReport, ...] = ()
    unsure: tuple[UnsureReport, ...] = ()
    dropped: tuple[DroppedReport, ...] = ()
    cast: tuple[CastReport, ...]
    people: tuple[PersonReport, ...] = ()
    cuts: tuple[CutReport, ...]
    slowed: tuple[SlowedReport, ...] = ()
    """Only with `--retime-video`. All times but those of `source` are then of the longer output."""
    loudness: LoudnessReport | None
    translation_spent: SpentReport | None = None
    """Null where no remote translator was asked."""
    defects: tuple[DefectReport, ...]
    run: RunReport


def build(
    *,
    job: Job,
    language: str,
    render: Render,
    slots: Slots,
    choices: Choices,
    stages: Sequence[StageTime],
    defects: Sequence[Defect],
    notices: Sequence[Notice],
    run: str,
    bytes_kept: int,
    timeline: Timeline | None,
    clock: Clock | None = None,
) -> Report:
    """Gather the report of one language from the artifacts and the run.

    Args:
        timeline: of the output's frames; needed where there are cuts, or the picture is slowed.
        clock: of the output, where it is not the source's.
    """
    source: Source | None = slots.value("source")
    transcript: Transcript | None = slots.value("transcript")
    translation: Translation | None = slots.value("translation", language)
    dub: DubTrack | None = slots.value("dub", language)
    lipsync: LipSync | None = slots.value("lipsync", language)
    return Report(
        loc_version=loc.__version__,
        language=language,
        translation=translation.origin if translation else None,
        transcript=transcript.origin if transcript else None,
        source=_source(source, transcript, job) if source else None,
        output_sha256=render.media.sha256,
        backends=tuple(_backend(*one) for one in contributors(choices, language, dub, lipsync)),
        lines=_lines(dub, translation),
        silent=_silent(dub, translation, clock),
        speakers=_speakers(transcript, dub) if transcript else (),
        overlaps=_overlaps(transcript, translation, clock) if transcript else (),
        unsure=_unsure(transcript, translation, clock) if transcript else (),
        dropped=_dropped(transcript, clock) if transcript else (),
        cast=tuple(_casting(one) for one in lipsync.cast.castings) if lipsync else (),
        people=tuple(PersonReport(**one.model_dump()) for one in lipsync.cast.people) if lipsync else (),
        cuts=tuple(_cut(cut, timeline) for cut in lipsync.cuts) if lipsync and timeline else (),
        slowed=tuple(_slowed(one, timeline) for one in dub.slowed) if dub and timeline else (),
        loudness=LoudnessReport(**dub.loudness.model_dump()) if dub else None,
        translation_spent=SpentReport(**translation.spent.model_dump())
        if translation and translation.spent
        else None,
        defects=tuple(_defect(item) for item in defects if item.language in (None, language)),
        run=RunReport(
            id=run,
            stages=tuple(stage for stage in stages if stage.language in (None, language)),
            not_taken=tuple(not_taken(choices, language)),
            device_seconds=tuple(CutSpentReport(**one.model_dump()) for one in lipsync.spent)
            if lipsync
            else (),
            notices=tuple(
                dict.fromkeys(item.message for item in notices if item.language in (None, language))
            ),
            bytes_kept=bytes_kept,
        ),
    )


def used(choices: Choices, language: str) -> list[tuple[str, Card]]:
    """The cards chosen for one language, each with what it was asked for: a stage, or what a stage has
    besides; shared stages included, in the order of the graph."""
    return [
        (name, resolution.choice)
        for (name, target), resolution in choices.resolutions.items()
        if resolution.choice is not None and target in (None, language)
    ]


def contributors(
    choices: Choices, language: str, dub: DubTrack | None, lipsync: LipSync | None
) -> list[tuple[str, Card]]:
    """The cards behind one language's output, each with what it was asked for.

    Those that were chosen; but of voices, drafts and finals those that spoke a line or drew a cut of it,
    since another may stand in for the chosen one.
    """
    spoke = {(clip.backend, clip.model) for clip in dub.clips} if dub else set()
    drew = {(cut.backend, cut.model) for cut in lipsync.cuts if cut.route == "final"} if lipsync else set()
    found = []
    for place, card in used(choices, language):
        among = (card, *choices.others(place, language))
        if place == "dub":
            found += [(place, one) for one in among if (one.id, one.model) in spoke]
        elif place == FINALS:
            found += [(place, one) for one in among if (one.name, one.model) in drew]
        elif place == "lipsync" and lipsync is not None and lipsync.drafter is not None:
            found += [(place, one) for one in among if one.choice == lipsync.drafter]
        else:
            found.append((place, card))
    return found


def not_taken(choices: Choices, language: str) -> list[NotTaken]:
    """Why a stage was not done by something better, once for each backend and gate."""
    found: dict[tuple[str, str, str], list[Rejected]] = {}
    for (stage, target), resolution in choices.resolutions.items():
        if target not in (None, language) or resolution.choice is None:
            continue
        least = QUALITIES.index(resolution.choice.quality)
        for one in resolution.rejected:
            if QUALITIES.index(one.card.quality) > least:
                found.setdefault((stage, one.card.name, one.gate), []).append(one)
    return [_not_taken(stage, rejected) for (stage, _, _), rejected in found.items()]


def _not_taken(stage: str, rejected: Sequence[Rejected]) -> NotTaken:
    first = min(rejected, key=lambda one: (-QUALITIES.index(one.card.quality), one.card.rank))
    return NotTaken(
        stage=stage,
        name=first.card.choice.partition("/")[2],
        models=len(rejected) if first.card.model else 0,
        quality=first.card.quality,
        gate=first.gate,
        reason=first.reason,
    )


def same_work(data: bytes, report: Report) -> bool:
    """Whether an earlier report tells of the same work: equal but for the run that wrote it."""
    try:
        earlier = json.loads(data)
    except ValueError:
        return False
    mine: dict[str, Any] = report.model_dump(mode="json", exclude={"run"})
    return isinstance(earlier, dict) and {key: earlier[key] for key in earlier if key != "run"} == mine


def _seconds(samples: int) -> float:
    return round(samples / SAMPLE_RATE, 3)


def _source(source: Source, transcript: Transcript | None, job: Job) -> SourceFacts:
    chosen = [stream.track for stream in source.audio if stream.index == source.chosen_audio]
    rate, video = source.video.average_rate, source.video
    shown_width, shown_height = shown_size(video)
    return SourceFacts(
        sha256=source.digest,
        bytes=source.size,
        container=source.container,
        width=video.width,
        height=video.height,
        shown_width=shown_width,
        shown_height=shown_height,
        frames=source.frames.count,
        rate=f"{rate.numerator}/{rate.denominator}",
        seconds=_seconds(source.samples),
        audio_tracks=len(source.audio),
        audio_track=chosen[0] if chosen else None,
        shots=len(source.shots),
        speakers=len(transcript.speakers) if transcript else 0,
        language=transcript.language if transcript else job.source_language,
        subtitles_in_picture=source.subtitled.texts if source.subtitled else 0,
    )


def _backend(stage: str, card: Card) -> BackendUsed:
    rows = table()
    return BackendUsed(
        stage=stage,
        name=card.name,
        model=card.model,
        version=card.version,
        quality=card.quality,
        family=card.family,
        licences=tuple(
            LicenceUsed(
                item=part.item,
                kind=part.kind,
                licence=rows[part.licence].name,
                terms=rows[part.licence].terms,
            )
            for part in card.licences
        ),
    )


def _lines(dub: DubTrack | None, translation: Translation | None) -> tuple[LineFit, ...]:
    if dub is None:
        return ()
    lines = {line.id: line for line in translation.lines} if translation else {}
    return tuple(_line(clip, lines.get(clip.line)) for clip in dub.clips)


def _line(clip: Clip, line: Line | None) -> LineFit:
    return LineFit(
        line=clip.line,
        speaker=clip.speaker,
        voice=clip.voice,
        start=_seconds(clip.place),
        seconds=_seconds(clip.samples),
        slot_seconds=_seconds(clip.fit.slot),
        rate=round(clip.fit.rate, 4),
        stretch=round(clip.fit.stretch, 4),
        borrowed_seconds=_seconds(clip.fit.borrowed),
        overrun_seconds=_seconds(clip.fit.overrun),
        unknown_words=line.unknown_words if line else 0,
        notes=tuple(f"{note.code}: {note.detail}" for note in line.notes) if line else (),
        backend=clip.backend,
        model=clip.model,
        take=clip.take,
        heard_error=clip.heard_error,
        similarity=clip.similarity,
    )


def _silent(
    dub: DubTrack | None, translation: Translation | None, clock: Clock | None
) -> tuple[LineFailed, ...]:
    if dub is None:
        return ()
    lines = {line.id: line for line in translation.lines} if translation else {}
    return tuple(_failed(item, lines.get(item.line), clock) for item in dub.silent)


def _failed(item: Silent, line: Line | None, clock: Clock | None) -> LineFailed:
    if line is None:
        return LineFailed(line=item.line, reason=item.reason, start=None, seconds=None)
    start, stop = _shown(line.start, line.stop, clock)
    return LineFailed(
        line=item.line, reason=item.reason, start=_seconds(start), seconds=_seconds(stop - start)
    )


def _shown(start: int, stop: int, clock: Clock | None) -> tuple[int, int]:
    """Samples of the source on the output's clock."""
    return (clock.shown(start), clock.shown(stop)) if clock else (start, stop)


def _speakers(transcript: Transcript, dub: DubTrack | None) -> tuple[SpeakerReport, ...]:
    matched = {
        match.speaker: BankReport(**match.model_dump(exclude={"speaker"}))
        for match in (dub.matches if dub else ())
    }
    speaking = {
        one.speaker: BankVoiceReport(**one.model_dump(exclude={"speaker"}))
        for one in (dub.bank_voices if dub else ())
    }
    counted = Counter(segment.speaker for segment in transcript.segments)
    return tuple(
        SpeakerReport(
            id=speaker.id,
            name=speaker.name,
            seconds=_seconds(speaker.speech_samples),
            lines=counted[speaker.id],
            median_f0_hz=speaker.median_f0_hz,
            voice_class=speaker.voice_class,
            bank=matched.get(speaker.id),
            bank_voice=speaking.get(speaker.id),
        )
        for speaker in transcript.speakers
    )


def _overlaps(
    transcript: Transcript, translation: Translation | None, clock: Clock | None
) -> tuple[OverlapReport, ...]:
    return tuple(
        OverlapReport(
            **_heard_at(item.segment, transcript, translation, clock),
            speakers=item.speakers,
            by=item.by,
            together_seconds=_seconds(item.samples) if item.samples is not None else None,
        )
        for item in transcript.overlaps
    )


def _unsure(
    transcript: Transcript, translation: Translation | None, clock: Clock | None
) -> tuple[UnsureReport, ...]:
    return tuple(
        UnsureReport(
            **_heard_at(item.segment, transcript, translation, clock),
            speaker=item.speaker,
            other=item.other,
            margin=item.margin,
        )
        for item in transcript.unsure
    )


def _dropped(transcript: Transcript, clock: Clock | None) -> tuple[DroppedReport, ...]:
    times = [_shown(item.start, item.stop, clock) for item in transcript.dropped]
    return tuple(
        DroppedReport(start=_seconds(start), seconds=_seconds(stop - start), reason=item.reason)
        for item, (start, stop) in zip(transcript.dropped, times, strict=True)
    )


def _heard_at(
    ident: str, transcript: Transcript, translation: Translation | None, clock: Clock | None
) -> dict[str, Any]:
    """Where in the output a line of the source is spoken, and which lines translate it."""
    segment = next(item for item in transcript.segments if item.id == ident)
    start, stop = _shown(segment.start, segment.stop, clock)
    return {
        "segment": ident,
        "lines": tuple(line.id for line in translation.lines if ident in line.segments)
        if translation
        else (),
        "start": _seconds(start),
        "seconds": _seconds(stop - start),
    }


def _casting(one: Casting) -> CastReport:
    return CastReport(
        shot=one.shot + 1,
        speaker=one.speaker,
        segments=one.segments,
        face=one.face,
        by=one.by,
        certain=one.certain,
        lip_speed=one.lip_speed,
        runner_up=one.runner_up,
        seconds=one.seconds,
        p=one.p,
        agreement=one.agreement,
        agreement_p=one.agreement_p,
    )


def _cut(cut: Cut, timeline: Timeline) -> CutReport:
    start, stop = timeline.seconds(cut.frames.start), timeline.seconds(cut.frames.stop)
    return CutReport(
        shot=cut.shot + 1,
        face=cut.face,
        frames=(cut.frames.start, cut.frames.stop),
        start=round(float(start), 3),
        seconds=round(float(stop - start), 3),
        speaker=cut.speaker,
        route=cut.route,
        reasons=tuple(f"{reason.code}: {reason.detail}" for reason in cut.reasons),
        backend=cut.backend,
        model=cut.model,
        drawn_frames=cut.drawn_frames,
        skipped_frames=cut.skipped_frames,
        score=_score(cut.score),
        draft_score=_score(cut.draft_score),
    )


def _slowed(one: Slowed, timeline: Timeline) -> SlowedReport:
    start, stop = timeline.seconds(one.frames.start), timeline.seconds(one.frames.stop)
    return SlowedReport(
        frames=(one.frames.start, one.frames.stop),
        start=round(float(start), 3),
        seconds=round(float(stop - start), 3),
        source_seconds=round(float((stop - start) / one.factor), 3),
    )


def _score(score: Score | None) -> ScoreReport | None:
    return None if score is None else ScoreReport.model_validate(score.model_dump())


def _defect(defect: Defect) -> DefectReport:
    return DefectReport(stage=defect.stage, unit=defect.unit, code=defect.code, message=defect.message)
