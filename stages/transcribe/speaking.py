"""Who says each line: told by what its subtitle says of that, and else by the chosen diarizer, or by the next
where it fails.

Pitch and timbre of every line are measured in any case: a speaker's voice class is from them. Where an
embedder is there, vectors of the lines are made too, also where another backend tells the speakers apart: a
voice is known again by them, and a line whose speaker is doubtful is found by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loc import packages
from loc.analysis import speakers
from loc.analysis.diarization import grouping
from loc.analysis.diarization.chosen import diarizers, embedder
from loc.analysis.diarization.contract import Embedder, Embedding, Turn, TurnFinder
from loc.analysis.diarization.grouping import Doubt, Mark, Mixed
from loc.analysis.marks import hold
from loc.analysis.voice_activity import read_analysis, write_analysis
from loc.artifacts import Frozen, Overlap, Segment, Sound, Speaker, Unsure
from loc.errors import InputError, Interrupted, LocError, StorageError
from loc.media.arrays import load_arrays, save_arrays
from loc.media.sound import slice_key
from loc.runner import Action, Made, Make, Out
from loc.stage import Context

NAME = "transcribe"

NAMED = 5
"""Lines that a notice names; the report has them all."""


class Turns(Frozen):
    """What `transcribe.turns` makes."""

    turns: tuple[Turn, ...]


class Grouped(Frozen):
    """What `transcribe.speakers` makes: the grouping, and what vectors say of it; lines by their places."""

    grouping: speakers.Grouping
    doubts: tuple[Doubt, ...] = ()
    mixed: tuple[Mixed, ...] = ()


@dataclass(frozen=True)
class Telling:
    """Lines with their speakers, and what of that is doubtful."""

    segments: tuple[Segment, ...]
    speakers: tuple[Speaker, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    unsure: tuple[Unsure, ...] = ()


@dataclass(frozen=True)
class _By:
    """By what the speakers of lines are told apart: turns, an embedder's vectors, or neither.

    `names`: of each line's speaker in the turns, where there are any.
    """

    turns: tuple[Turn, ...] = ()
    names: Sequence[str | None] | None = None
    embedder: Embedder | None = None


def tell(ctx: Context, speech: Sound, segments: tuple[Segment, ...]) -> Telling:
    """Say who speaks each line.

    Raises:
        NotMade: in look mode, when a part has not been made.
    """
    prints = ctx.runner.map([_print(ctx, speech, segment) for segment in segments], parallel=True)
    vectors = _vectors(ctx, speech, segments)
    by = _told_by(ctx, speech, segments, vectors)
    made = _grouped(ctx, segments, prints, vectors, by)
    told = made.grouping
    named = _by_grouping(segments, told)
    ids = [speaker.id for speaker in told.speakers]
    overlaps = [*_together(named, by), *_mixed(named, made.mixed, ids)]
    unsure = tuple(
        Unsure(
            segment=named[item.line].id,
            speaker=told.assignment[item.line],
            other=ids[item.other],
            margin=item.margin,
        )
        for item in made.doubts
        if not _has_name(named[item.line])
    )
    return Telling(named, told.speakers, _once(overlaps), unsure)


def tell_by_marks(segments: tuple[Segment, ...]) -> Telling:
    """Say who speaks each line, where there is no sound to tell it by; `speaker` stays None where the
    subtitles say nothing of it."""
    if not any(segment.mark for segment in segments):
        return Telling(segments)
    silent = speakers.VoicePrint(voiced_frames=0, f0_hz=None, cepstrum=())
    lines = [speakers.Spoken(silent, segment.stop - segment.start) for segment in segments]
    held = hold(lines, [0] * len(lines), [segment.mark for segment in segments])
    told = speakers.named(lines, held.labels, held.names)
    return Telling(_by_grouping(segments, told), told.speakers)


def _by_grouping(segments: Sequence[Segment], told: speakers.Grouping) -> tuple[Segment, ...]:
    return tuple(
        segment.model_copy(update={"speaker": speaker})
        for segment, speaker in zip(segments, told.assignment, strict=True)
    )


def _has_name(segment: Segment) -> bool:
    return segment.mark is not None and segment.mark.name is not None


def say(ctx: Context, told: Telling) -> None:
    """Tell of lines that need ears."""
    if told.overlaps:
        where = _listed([item.segment for item in told.overlaps])
        ctx.runner.notice(
            "speakers-overlap",
            f"Another voice is heard beside the speaker's in {where}. The report lists them.",
        )
    if told.unsure:
        where = _listed([item.segment for item in told.unsure])
        ctx.runner.notice(
            "speakers-unsure",
            f"Who speaks is doubtful in {where}: two voices are as near. The report lists them.",
        )


def _listed(lines: Sequence[str]) -> str:
    named = ", ".join(lines[:NAMED])
    count = f"{len(lines)} line{'s' if len(lines) > 1 else ''}"
    return f"{count} ({named}{', ...' if len(lines) > NAMED else ''})"


def _vectors(ctx: Context, speech: Sound, segments: Sequence[Segment]) -> list[Made | None] | None:
    """The voice of each line, None where nothing is heard in it; None at all without an embedder, or where it
    fails, which is said."""
    found = embedder(ctx)
    if found is None:
        return None
    try:
        made = ctx.runner.attempt([_embedding(ctx, found, speech, segment) for segment in segments])
        for item in made:
            if isinstance(item, LocError) and not isinstance(item, InputError):
                raise item
    except (Interrupted, StorageError):
        raise
    except LocError as error:
        ctx.runner.notice("speakers-fallback", f"{found.card.id} does not tell voices here: {error}")
        return None
    return [None if isinstance(item, LocError) else item for item in made]


def _told_by(
    ctx: Context, speech: Sound, segments: Sequence[Segment], vectors: Sequence[Made | None] | None
) -> _By:
    """What tells the speakers apart: the first of the diarizers that can."""
    for one in diarizers(ctx):
        if isinstance(one, TurnFinder):
            try:
                turns = ctx.runner.do(*_turns(ctx, one, speech)).model("turns", Turns).turns
            except (Interrupted, StorageError):
                raise
            except LocError as error:
                ctx.runner.notice("speakers-fallback", f"{one.card.id} does not tell the speakers: {error}")
                continue
            spans = [(segment.start, segment.stop) for segment in segments]
            return _By(turns, grouping.by_turns(turns, spans))
        if isinstance(one, Embedder):
            if vectors is not None and any(item is not None for item in vectors):
                return _By(embedder=one)
        else:
            break
    return _By()


def _grouped(
    ctx: Context,
    segments: Sequence[Segment],
    prints: Sequence[Made],
    vectors: Sequence[Made | None] | None,
    by: _By,
) -> Grouped:
    """`transcribe.speakers`: who speaks each line.

    Reads: pitch and timbre, lengths and, where they are there, vectors of all lines, in order; whose turn
        each line is, where turns were heard; what supplied subtitles say of who speaks.
    Leaves out: their texts and times.
    """
    least, most = ctx.settings.min_speakers, ctx.settings.max_speakers
    lengths = [segment.stop - segment.start for segment in segments]
    known = embedder(ctx) if vectors is not None else None
    marks = [segment.mark for segment in segments]

    def make(out: Out) -> None:
        lines = [
            speakers.Spoken(item.model("print", speakers.VoicePrint), length)
            for item, length in zip(prints, lengths, strict=True)
        ]
        embedded = [None if item is None else embedding_of(item) for item in vectors or ()]
        if by.names is not None:
            told = speakers.named(lines, _by_names(by.names))
        elif by.embedder is not None:
            told = speakers.named(lines, _by_vectors(embedded, lengths, by.embedder, least, most))
        else:
            told = speakers.group(lines, min_speakers=least, max_speakers=most)
        if any(marks):
            held = hold(lines, _labels(told), marks, most)
            told = speakers.named(lines, held.labels, held.names)
        made = Grouped(grouping=told)
        if known is not None and any(item is not None for item in embedded):
            made = _judged(told, embedded, known)
        out.detail["speakers"] = len(told.speakers)
        out.model("grouped", made)

    action = Action(
        name="transcribe.speakers",
        version=3,
        site=ctx.site(NAME),
        inputs={
            "prints": [item.ref("print") for item in prints],
            "samples": lengths,
            **(
                {"vectors": [item.ref("vectors") if item is not None else None for item in vectors]}
                if vectors is not None
                else {}
            ),
            **({"turns": list(by.names)} if by.names is not None else {}),
            **({"marks": [mark and mark.model_dump() for mark in marks]} if any(marks) else {}),
        },
        params={
            "min_speakers": least,
            "max_speakers": most,
            **({"by_vectors": True} if by.embedder is not None else {}),
            # What its similarities mean decides, and is part of its version.
            **({"embedder": f"{known.card.id} {known.card.version}"} if known is not None else {}),
        },
        programs={"scipy": packages.version("scipy")},
    )
    return ctx.runner.do(action, make).model("grouped", Grouped)


def _labels(told: speakers.Grouping) -> list[int]:
    places = {speaker.id: place for place, speaker in enumerate(told.speakers)}
    return [places[ident] for ident in told.assignment]


def _by_names(names: Sequence[str | None]) -> list[int]:
    """Labels of lines by the turns they lie in; one in which nobody is heard goes with the line before, or
    else the one after."""
    known: dict[str, int] = {}
    last = next((name for name in names if name is not None), "")
    labels = []
    for name in names:
        last = name if name is not None else last
        labels.append(known.setdefault(last, len(known)))
    return labels


def _by_vectors(
    embedded: Sequence[Embedding | None], lengths: Sequence[int], backend: Embedder, least: int, most: int
) -> list[int]:
    """Labels of lines by their vectors; one without goes with the line before, or else the one after."""
    there = [index for index, item in enumerate(embedded) if item is not None]
    vectors = np.stack([item.whole for item in embedded if item is not None])
    firm = [lengths[index] // 3 >= backend.scale.shortest for index in there]
    found = grouping.by_vectors(vectors, firm, backend.scale.joined, least, most)
    labels = dict(zip(there, found.tolist(), strict=True))
    spread, last = [], labels[there[0]]
    for index in range(len(embedded)):
        last = labels.get(index, last)
        spread.append(last)
    return spread


def _judged(told: speakers.Grouping, embedded: Sequence[Embedding | None], backend: Embedder) -> Grouped:
    """A grouping with the voice of each speaker, and the lines that are doubtful by vectors."""
    there = [index for index, item in enumerate(embedded) if item is not None]
    heard = [told.assignment[index] for index in there]
    order = [speaker.id for speaker in told.speakers if speaker.id in heard]
    labels = np.array([order.index(ident) for ident in heard])
    made = grouping.judge([item for item in embedded if item is not None], labels, backend.scale)
    voices = {
        ident: tuple(round(float(value), 6) for value in voice)
        for ident, voice in zip(order, made.voices, strict=True)
    }
    places = [speaker.id for speaker in told.speakers]

    def moved(item: Mark) -> Mark:
        return item.model_copy(update={"line": there[item.line], "other": places.index(order[item.other])})

    people = tuple(
        speaker.model_copy(update={"voice": voices.get(speaker.id, ())}) for speaker in told.speakers
    )
    return Grouped(
        grouping=told.model_copy(update={"speakers": people}),
        doubts=tuple(moved(item) for item in made.doubts),
        mixed=tuple(moved(item) for item in made.mixed),
    )


def _together(segments: Sequence[Segment], by: _By) -> list[Overlap]:
    """Lines in which turns of two speakers sound together."""
    heard = by.names or [None] * len(segments)
    ids = {
        name: segment.speaker
        for name, segment in zip(heard, segments, strict=True)
        if name is not None and segment.speaker is not None
    }
    spans = [(segment.start, segment.stop) for segment in segments]
    found = []
    for segment, others in zip(segments, grouping.together(by.turns, spans, heard), strict=True):
        if others:
            people = (segment.speaker, *(ids.get(other) for other in sorted(others)))
            found.append(
                Overlap(
                    segment=segment.id,
                    speakers=tuple(ident for ident in people if ident is not None),
                    by="turns",
                    samples=max(others.values()),
                )
            )
    return found


def _mixed(segments: Sequence[Segment], mixed: Sequence[Mixed], ids: Sequence[str]) -> list[Overlap]:
    """Lines of which a part sounds like another speaker."""
    return [
        Overlap(
            segment=segments[item.line].id,
            speakers=tuple(
                ident for ident in (segments[item.line].speaker, ids[item.other]) if ident is not None
            ),
            by="voices",
        )
        for item in mixed
    ]


def _once(overlaps: Sequence[Overlap]) -> tuple[Overlap, ...]:
    """One for each line: the first, which is the surest."""
    return tuple({item.segment: item for item in reversed(overlaps)}.values())[::-1]


def _turns(ctx: Context, finder: TurnFinder, speech: Sound) -> tuple[Action, Make]:
    """Hear who speaks when.

    Reads: the whole speech: who is who is told by all they say.
    Leaves out: the lines, their texts and times.
    """
    least, most = ctx.settings.min_speakers, ctx.settings.max_speakers

    def make(out: Out) -> None:
        file = out.folder / "speech.wav"
        write_analysis(ctx.store, speech, file)
        found = finder.turns(file, least, most)
        out.detail["turns"] = len(found)
        out.model("turns", Turns(turns=found))

    action = Action(
        name="transcribe.turns",
        version=1,
        site=ctx.site(NAME),
        inputs={"speech": slice_key(speech, 0, speech.samples)},
        params={"min_speakers": least, "max_speakers": most},
        backend=(finder.card.id, finder.card.version),
        programs={**finder.fingerprint(), "soxr": packages.version("soxr")},
    )
    return action, make


def _embedding(ctx: Context, backend: Embedder, speech: Sound, segment: Segment) -> tuple[Action, Make]:
    """Make the vector of the voice in one line.

    Reads: what is heard in the line's time.
    Leaves out: its text; the other lines.
    """

    def make(out: Out) -> None:
        found = backend.embed(read_analysis(ctx.store, speech, segment.start, segment.stop))
        out.bytes("vectors", save_arrays({"whole": found.whole, "parts": found.parts}))

    action = Action(
        name="transcribe.vector",
        version=1,
        site=ctx.site(NAME, f"line {segment.id}"),
        inputs={"speech": slice_key(speech, segment.start, segment.stop)},
        backend=(backend.card.id, backend.card.version),
        programs={**backend.fingerprint(), "soxr": packages.version("soxr")},
    )
    return action, make


def embedding_of(made: Made) -> Embedding:
    """What `transcribe.vector` made."""
    arrays = load_arrays(made.path("vectors"))
    return Embedding(arrays["whole"], arrays["parts"])


def _print(ctx: Context, speech: Sound, segment: Segment) -> tuple[Action, Make]:
    """Measure the voice of one line.

    Reads: what is heard in the line's time.
    Leaves out: its text.
    """

    def make(out: Out) -> None:
        audio = read_analysis(ctx.store, speech, segment.start, segment.stop)
        out.model("print", speakers.measure(audio))

    action = Action(
        name="transcribe.voice",
        version=1,
        site=ctx.site(NAME, f"line {segment.id}"),
        inputs={"speech": slice_key(speech, segment.start, segment.stop)},
        programs={"scipy": packages.version("scipy"), "soxr": packages.version("soxr")},
    )
    return action, make
