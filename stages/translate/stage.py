"""Translate: a supplied translation as it is, or every segment through a translator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Literal, cast

from loc.artifacts import Frozen, Line, Segment, Spent, Transcript, Translation
from loc.backend import Backend
from loc.errors import LocError, MissingError
from loc.media.subtitles import Cue, Group, align, name_cues
from loc.runner import Action, Made, Make, Out
from loc.stage import Context, SuppliedText
from loc.store.keys import digest_value
from stages.translate import checks, rewriting, sentences
from stages.translate import scene as scenes
from stages.translate.batches import Batches
from stages.translate.contract import (
    Inputs,
    PairTranslator,
    SceneTranslator,
    SentenceTranslator,
    Translated,
    Translator,
    Voices,
)
from stages.translate.dialogue import Answer, InVain
from stages.translate.faults import failure
from stages.translate.passage import Passage, PassageLine
from stages.translate.scene import Scene
from stages.translate.scene_line import SceneLine
from stages.translate.scripts import words
from stages.translate.spending import spent

NAME = "translate"
LINE_VERSION = 4

MOST_FAILED = 0.5
"""Share of the lines that may fail; where more do, there is no translation to speak of, and no dub."""


class TranslatedLine(Frozen):
    """What the action `translate.line` stores."""

    text: str
    unknown_words: int


def run(ctx: Context, inputs: Inputs, voices: Voices) -> Translation:
    """The lines of the target language.

    Args:
        voices: who will speak them, by whose pace lines that take too long are shortened.

    Raises:
        NotMade: in look mode, when the transcript or a line has not been made.
        MissingError: there is no source text, its language is not known, or most lines failed.
        InputError: the supplied translation cannot be read, or a voice that the user named not be used.
    """
    assert ctx.language is not None
    transcript = inputs.transcript.get()
    supplied = ctx.job.translations.get(ctx.language)
    origin: Literal["translated", "supplied", "as-spoken"]
    cost: Spent | None = None
    if ctx.job.as_spoken:
        origin, lines = "as-spoken", [_as_spoken(segment) for segment in transcript.segments]
    elif supplied:
        origin, lines = "supplied", _supplied(ctx, supplied, transcript)
    else:
        made = _translated(ctx, transcript)
        pair = (transcript.language or ctx.job.source_language, ctx.language)
        lines = [_line(segment, made.get(segment.id), pair) for segment in transcript.segments]
        rewritten: list[Made | LocError] = []
        if made:
            translator = ctx.backend(NAME, ctx.language)
            programs = _programs(ctx, translator, _source_language(ctx, transcript))
            lines, rewritten = rewriting.fit(
                ctx, translator, programs, transcript, lines, inputs.stems, voices
            )
        lines = _noted(ctx, transcript, lines)
        origin, cost = "translated", _sum(ctx, [*made.values(), *rewritten])
    failed = [line for line in lines if line.failed]
    for line in failed:
        ctx.runner.defect(NAME, f"line {line.id}", "untranslated", line.failed or "", ctx.language)
    if len(failed) > MOST_FAILED * len(transcript.segments):
        raise MissingError(
            f"{len(failed)} of {len(lines)} lines could not be translated to {ctx.language}.",
            why="; ".join(sorted({line.failed or "" for line in failed})[:3]),
            fix="Name another translator with --backend translate=NAME, or supply the text with "
            f"--translation {ctx.language}=FILE.",
        )
    return Translation(
        language=ctx.language,
        source_language=transcript.language,
        origin=origin,
        lines=tuple(lines),
        spent=cost,
    )


def line_id(segment: str) -> str:
    """The id of a segment's only or first line: `l0012` for `s0012`."""
    return f"l{segment.removeprefix('s')}"


def _as_spoken(segment: Segment) -> Line:
    return Line(
        id=line_id(segment.id),
        start=segment.start,
        stop=segment.stop,
        speaker=segment.speaker,
        segments=(segment.id,),
        text=segment.text,
        unknown_words=0,
        failed=None,
    )


# Supplied text


def _supplied(ctx: Context, supplied: SuppliedText, transcript: Transcript) -> list[Line]:
    cues = ctx.cues(supplied)
    marked = [item for item in transcript.kept if item.by == "marked"]
    stays = [any(item.start <= (cue.start + cue.stop) // 2 < item.stop for item in marked) for cue in cues]
    cues = [cue for cue, as_it_is in zip(cues, stays, strict=True) if not as_it_is]
    groups = match_cues(cues, transcript)
    ids: Sequence[str] = supplied.ids
    if len(ids) == len(stays):
        ids = [name for name, as_it_is in zip(ids, stays, strict=True) if not as_it_is]
    if len(ids) != len(cues):
        ids = name_cues(groups, [line_id(segment.id) for segment in transcript.segments], line_id("s0000"))
    partners = {cue: segments for left, segments in groups for cue in left}
    return [
        Line(
            id=ids[index],
            start=cue.start,
            stop=cue.stop,
            speaker=_speaker(cue, transcript.segments),
            segments=tuple(transcript.segments[number].id for number in partners[index]),
            text=cue.text,
            unknown_words=0,
            failed=None,
        )
        for index, cue in enumerate(cues)
    ]


def match_cues(cues: Sequence[Cue], transcript: Transcript) -> list[Group]:
    """Which cues translate which segments, n:m: one to one where the segments are these very cues."""
    places = [(segment.start, segment.stop) for segment in transcript.segments]
    if transcript.origin == "cues" and places == [(cue.start, cue.stop) for cue in cues]:
        return [((index,), (index,)) for index in range(len(cues))]
    return align(cues, transcript.segments)


def _speaker(cue: Cue, segments: Sequence[Segment]) -> str | None:
    """Whoever speaks most of the cue's time; None where nobody does."""

    def shared(segment: Segment) -> int:
        return min(cue.stop, segment.stop) - max(cue.start, segment.start)

    nearest = max(segments, key=shared, default=None)
    return nearest.speaker if nearest is not None and shared(nearest) > 0 else None


# Machine translation

Results = dict[str, Made | LocError]
"""By id of the segment."""


def _translated(ctx: Context, transcript: Transcript) -> Results:
    spoken = [segment for segment in transcript.segments if segment.text.strip()]
    made: Results = {}
    if spoken:
        source = _source_language(ctx, transcript)
        assert ctx.language is not None
        translator = ctx.backend(NAME, ctx.language)
        if isinstance(translator, SceneTranslator):
            made = _by_scene(ctx, translator, spoken, source, _names(transcript))
        elif isinstance(translator, SentenceTranslator):
            made = _by_sentence(ctx, translator, spoken, source)
        else:
            made = _by_line(ctx, cast(Translator, translator), spoken, source)
        if ctx.job.cast and ctx.job.cast.manners and not isinstance(translator, SceneTranslator):
            ctx.notice(
                "manners-ignored",
                f"{ctx.job.cast.name} says how speakers talk, which {translator.card.name} cannot be told.",
            )
    elif transcript.segments:
        raise MissingError(
            f"There is nothing to translate to {ctx.language}.",
            why="Only translations to other languages were supplied, and no transcript.",
            fix="Supply the transcript with --transcript, or this translation with --translation.",
        )
    return made


def _sum(ctx: Context, made: Iterable[Made | LocError]) -> Spent | None:
    """What the lines cost when they were made, and what this run spent on those it could not have; None where
    nothing was spent."""
    results = list(made)
    lost = [spent(one.replies, ctx.settings.llm_price) for one in results if isinstance(one, InVain)]
    # Lines that are alike in all that shapes them are one action, and were paid for once.
    unlike = {one.key: one for one in results if isinstance(one, Made)}
    kept = [one.detail for one in unlike.values() if "requests" in one.detail]
    if in_vain := _added(lost):
        money = "" if in_vain.cost is None else f", {in_vain.cost:g} by --llm-price"
        ctx.notice(
            "spent-in-vain",
            f"{in_vain.requests} requests brought no line: {in_vain.tokens_in} tokens in and"
            f" {in_vain.tokens_out} out{money}.",
        )
    return _added([*kept, *lost])


def _added(details: Sequence[Mapping[str, Any]]) -> Spent | None:
    if not details:
        return None
    return Spent(
        requests=sum(one["requests"] for one in details),
        tokens_in=sum(one["tokens_in"] for one in details),
        tokens_out=sum(one["tokens_out"] for one in details),
        cost=round(sum(one.get("cost", 0.0) for one in details), 6)
        if any("cost" in one for one in details)
        else None,
    )


def _source_language(ctx: Context, transcript: Transcript) -> str:
    language = transcript.language or ctx.job.source_language
    if language is None:
        raise MissingError("The language of the transcript is not known.", fix="Say it with --from.")
    return language


def _programs(ctx: Context, translator: Backend, source: str) -> dict[str, str]:
    assert ctx.language is not None
    programs = dict(translator.fingerprint())
    if isinstance(translator, PairTranslator):
        programs.update(translator.pair_fingerprint(source, ctx.language))
    return programs


def _by_line(ctx: Context, translator: Translator, segments: Sequence[Segment], source: str) -> Results:
    """Every line by itself."""
    target = ctx.language
    assert target is not None
    programs = _programs(ctx, translator, source)
    alone = Batches[str, Translated](
        (), lambda texts: [translator.translate(text, source, target) for text in texts]
    )
    passages = [Passage([segment], source, target, whole=True) for segment in segments]
    work = [_translate(ctx, translator, programs, PassageLine(passage, 0, alone)) for passage in passages]
    return dict(zip([segment.id for segment in segments], ctx.runner.attempt(work), strict=True))


def _by_sentence(
    ctx: Context, translator: SentenceTranslator, segments: Sequence[Segment], source: str
) -> Results:
    """Lines joined to passages, whose sentences are translated in batches and given back to the lines."""
    target = ctx.language
    assert target is not None
    programs = _programs(ctx, translator, source)
    passages = [
        Passage(
            [segments[index] for index in span],
            source,
            target,
            terms=ctx.job.glossary.terms(source, target),
            alternatives=lambda sentence: translator.alternatives(sentence, source, target),
        )
        for span in sentences.passages(segments)
    ]
    nothing = Batches[str, Translated]((), lambda _: ())
    wanted = [
        text
        for passage in passages
        if any(_lacks(ctx, translator, programs, line) for line in passage.lines(nothing))
        for text in passage.reads
    ]
    batches = Batches[str, Translated](
        translator.batches(wanted, source, target) if wanted else (),
        lambda group: translator.translate_batch(group, source, target),
    )
    # What a batch made is stored before the next one begins, so that a stop loses one batch at most.
    passages.sort(key=lambda passage: batches.last(passage.reads))
    lines = [line for passage in passages for line in passage.lines(batches)]
    made = ctx.runner.attempt([_translate(ctx, translator, programs, line) for line in lines])
    return dict(zip([line.segment.id for line in lines], made, strict=True))


def _lacks(
    ctx: Context, translator: Backend, programs: Mapping[str, str], line: PassageLine | SceneLine
) -> bool:
    """Whether a line has to be made. None is, where a run only looks."""
    if ctx.runner.mode == "look":
        return False
    return ctx.runner.lacks(_translate(ctx, translator, programs, line)[0])


def _names(transcript: Transcript) -> Mapping[str, str]:
    """Of speakers, by their ids; without those that two have, who could not be told apart by them."""
    counted = Counter(speaker.name for speaker in transcript.speakers)
    return {one.id: one.name for one in transcript.speakers if one.name and counted[one.name] == 1}


def _by_scene(
    ctx: Context,
    translator: SceneTranslator,
    segments: Sequence[Segment],
    source: str,
    names: Mapping[str, str],
) -> Results:
    """Lines in scenes, those of one scene asked for together."""
    target = ctx.language
    assert target is not None
    programs = _programs(ctx, translator, source)
    manners = ctx.job.cast.manners if ctx.job.cast else ()
    terms = ctx.job.glossary.terms(source, target)
    nothing = Batches[tuple[Scene, int], Answer]((), lambda _: ())
    lines = [
        SceneLine(segments[index], scene, place, nothing)
        for span in scenes.spans(segments)
        for scene in [scenes.scene_of(segments, span, source, target, manners, terms, names)]
        for place, index in enumerate(span)
    ]
    wanted = [line.asks for line in lines if _lacks(ctx, translator, programs, line)]

    def make(group: Sequence[tuple[Scene, int]]) -> list[Answer | LocError]:
        asked = [place for _, place in group]
        answers = translator.translate_scene(group[0][0], asked)
        return [answers[place] for place in asked]

    groups = [list(group) for _, group in groupby(wanted, key=lambda item: item[0])]
    batches = Batches(groups, make)
    # The first lines of all scenes before the second ones: threads then ask for different scenes.
    lines = sorted((replace(line, batches=batches) for line in lines), key=lambda line: line.place)
    made = ctx.runner.attempt(
        [_translate(ctx, translator, programs, line) for line in lines],
        parallel=translator.card.runs == "remote",
    )
    return dict(zip([line.segment.id for line in lines], made, strict=True))


def _translate(
    ctx: Context, translator: Backend, programs: Mapping[str, str], line: PassageLine | SceneLine
) -> tuple[Action, Make]:
    """Translate one line.

    Reads: its text; where it is translated as part of a passage, that of the passage's lines, and its place
        among them; by a language model, its scene: the lines of it and those next to it, with who says which,
        and how the speakers talk to one another; the terms of the glossary that occur there, where the
        translator can heed them.
    Leaves out: the lines further away; who says it, but in a scene; when; the data of other pairs of
        languages; which lines were translated together; the key of an endpoint and its price.
    """

    def make(out: Out) -> None:
        result = line.translate()
        replies = result.replies if isinstance(result, Answer) else ()
        unknown = 0 if isinstance(result, Answer) else result.unknown_words
        out.detail["words"] = len(words(line.segment.text))
        out.detail["unknown_words"] = unknown
        out.detail.update(spent(replies, ctx.settings.llm_price))
        for number, reply in enumerate(replies):
            out.bytes(f"reply-{number}", reply.raw)
        out.model("line", TranslatedLine(text=result.text, unknown_words=unknown))

    action = Action(
        name="translate.line",
        version=LINE_VERSION,
        site=ctx.site(NAME, line_id(line.segment.id)),
        inputs={"text": digest_value(line.segment.text), **line.slice()},
        params={"source": line.source, "target": line.target},
        backend=(translator.card.id, translator.card.version),
        programs=programs,
    )
    return action, make


def _line(segment: Segment, made: Made | LocError | None, languages: tuple[str | None, str]) -> Line:
    """A segment's line: translated, failed, or empty where the segment is. `languages` as of `failure`."""
    result = TranslatedLine(text="", unknown_words=0)
    failed: str | None = None
    if isinstance(made, LocError):
        failed = made.what
    elif made is not None:
        result = made.model("line", TranslatedLine)
        failed = failure(segment.text, result.text, languages, result.unknown_words)
    return Line(
        id=line_id(segment.id),
        start=segment.start,
        stop=segment.stop,
        speaker=segment.speaker,
        segments=(segment.id,),
        text="" if failed else result.text,
        unknown_words=result.unknown_words,
        failed=failed,
    )


def _noted(ctx: Context, transcript: Transcript, lines: Sequence[Line]) -> list[Line]:
    """Lines with what they seem to lack. A word may have moved to the line before or after."""
    language = transcript.language or ctx.job.source_language
    if language is None or ctx.language is None:
        return list(lines)
    terms = ctx.job.glossary.terms(language, ctx.language)
    found = []
    for number, (segment, line) in enumerate(zip(transcript.segments, lines, strict=True)):
        nearby = " ".join(other.text for other in lines[max(0, number - 1) : number + 2])
        notes = (
            checks.notes(segment.text, line.text, (language, ctx.language), terms, nearby)
            if line.text
            else ()
        )
        found.append(line.model_copy(update={"notes": (*notes, *line.notes)}))
    return found
