"""The second round: lines that take longer than their room are said in other words, once.

How fast the voice of a line speaks is a calibration (`pace`), made before any line is judged and the same for
all. A line's key holds its limit, never the times or the pace that the limit came from: one that is moved, or
said by a voice as fast, is not rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loc.app.languages import NAMES
from loc.artifacts import Frozen, Line, Reason, Stems, Transcript
from loc.backend import Backend
from loc.errors import LocError, MissingError
from loc.glossary import occurring
from loc.runner import Action, Made, Make, Out
from loc.stage import Context, Slot
from loc.store.keys import digest_value
from stages.translate import pace, sentences
from stages.translate.batches import Batches
from stages.translate.checks import missing_terms
from stages.translate.contract import SceneTranslator, SentenceTranslator, Voices
from stages.translate.dialogue import Answer
from stages.translate.faults import failure
from stages.translate.fitting import counting, limit, rooms, units
from stages.translate.scene import Long
from stages.translate.spending import spent

NAME = "translate"
FIT_VERSION = 6

LEAST = 0.5
"""Share of a line's length that its rewriting has at least: what is shorter has left something out."""

TOGETHER = 12
"""Lines that a language model is asked to shorten at a time."""


class Fitted(Frozen):
    """What the action `translate.fit` stores: the line as it is now, shorter or as it was."""

    text: str


@dataclass(frozen=True)
class _Overlong:
    """A line that is too long, and what a translator is told of it."""

    line: Line
    long: Long


def fit(
    ctx: Context,
    translator: Backend,
    programs: Mapping[str, str],
    transcript: Transcript,
    lines: Sequence[Line],
    stems: Slot[Stems],
    voices: Voices,
) -> tuple[list[Line], list[Made | LocError]]:
    """Lines with those rewritten that do not fit, and what was made for it or failed.

    Nothing happens where the translator cannot rewrite, no voice speaks the lines, or none can be timed.

    Raises:
        NotMade: in look mode, when a recording that a voice imitates has not been cut.
        InputError: a voice that the user named cannot be used.
    """
    source = transcript.language or ctx.job.source_language
    if source is None or not isinstance(translator, SceneTranslator | SentenceTranslator):
        return list(lines), []
    paces = _paces(ctx, stems, transcript, voices)
    overlong = _overlong(ctx, source, transcript, lines, paces) if paces else []
    if isinstance(translator, SentenceTranslator):
        # Part of a sentence has no other wording of its own.
        alone = _whole(transcript)
        overlong = [one for one in overlong if set(one.line.segments) <= alone]
    made = _rewrite(ctx, translator, programs, overlong)
    by_id = {one.line.id: result for one, result in zip(overlong, made, strict=True)}
    longs = {one.line.id: one.long for one in overlong}
    return [
        _rewritten(line, longs[line.id], by_id[line.id]) if line.id in by_id else line for line in lines
    ], made


def _whole(transcript: Transcript) -> set[str]:
    """Ids of the segments that are translated by themselves."""
    spoken = [segment for segment in transcript.segments if segment.text.strip()]
    return {spoken[span.start].id for span in sentences.passages(spoken) if len(span) == 1}


def _paces(
    ctx: Context, stems: Slot[Stems], transcript: Transcript, voices: Voices
) -> dict[str | None, float]:
    """Speaker -> units per second of their voice; without those of whom it cannot be known."""
    assert ctx.language is not None
    try:
        engine = ctx.backend("dub", ctx.language)
    except MissingError:
        # The lines are not going to be spoken.
        return {}
    if not isinstance(engine, pace.Speaks):
        return {}
    if ctx.language not in pace.SAMPLES:
        ctx.notice(
            "no-pace",
            f"How fast {NAMES.get(ctx.language, ctx.language)} is spoken cannot be measured, for there is no "
            "text for it here: no line is shortened to fit.",
        )
        return {}
    speaking = voices(ctx, stems, transcript)
    made = ctx.runner.attempt(
        [pace.measure(ctx, engine, _unit_of(speaker), voice) for speaker, voice in speaking.items()]
    )
    untimed = [speaker for speaker, one in zip(speaking, made, strict=True) if isinstance(one, LocError)]
    if untimed:
        reason = next(one for one in made if isinstance(one, LocError))
        ctx.notice(
            "no-pace",
            f"{engine.card.name} could not be timed, and no line is shortened for the "
            f"{', the '.join(map(_unit_of, untimed))}: {reason}",
        )
    return {
        speaker: one.model("pace", pace.Pace).units_per_second
        for speaker, one in zip(speaking, made, strict=True)
        if isinstance(one, Made)
    }


def _unit_of(speaker: str | None) -> str:
    return f"voice of {speaker}" if speaker is not None else "voice of lines without a speaker"


def _overlong(
    ctx: Context,
    source: str,
    transcript: Transcript,
    lines: Sequence[Line],
    paces: Mapping[str | None, float],
) -> list[_Overlong]:
    assert ctx.language is not None
    terms = ctx.job.glossary.terms(source, ctx.language)
    found = []
    for segment, line, room in zip(transcript.segments, lines, rooms(lines), strict=True):
        if line.speaker not in paces:
            continue
        most = limit(room, paces[line.speaker])
        if line.text and units(line.text, ctx.language) > most:
            own = occurring(terms, segment.text)
            found.append(_Overlong(line, Long(source, ctx.language, segment.text, line.text, most, own)))
    return found


def _rewrite(
    ctx: Context, translator: SceneTranslator | SentenceTranslator, programs: Mapping[str, str],
    overlong: Sequence[_Overlong],
) -> list[Made | LocError]:  # fmt: skip
    def shorten(longs: Sequence[Long]) -> list[Answer | LocError]:
        if isinstance(translator, SceneTranslator):
            answers = translator.shorten(longs)
            return [answers[place] for place in range(len(longs))]
        return [Answer(_shortest(translator, long)) for long in longs]

    wanted = [
        one.long
        for one in overlong
        if ctx.runner.mode == "make"
        and ctx.runner.lacks(_fit(ctx, translator, programs, one.line, one.long, Batches((), shorten))[0])
    ]
    unique = list(dict.fromkeys(wanted))
    size = TOGETHER if isinstance(translator, SceneTranslator) else 1
    batches = Batches([unique[first : first + size] for first in range(0, len(unique), size)], shorten)
    return ctx.runner.attempt(
        [_fit(ctx, translator, programs, one.line, one.long, batches) for one in overlong]
    )


def _fit(
    ctx: Context,
    translator: Backend,
    programs: Mapping[str, str],
    line: Line,
    long: Long,
    batches: Batches[Long, Answer],
) -> tuple[Action, Make]:
    """Say a line in fewer words.

    Reads: its translation, its source, and how long it may be; the terms of the glossary that occur in it.
    Leaves out: its time and the pace of its voice, from which the limit came; the lines around it.
    """

    def make(out: Out) -> None:
        answer = batches.get(long)
        text = answer.text if is_better(answer.text, long) else long.text
        out.detail.update(limit=long.limit, before=long.length, after=units(text, long.target))
        out.detail.update(spent(answer.replies, ctx.settings.llm_price))
        for number, reply in enumerate(answer.replies):
            out.bytes(f"reply-{number}", reply.raw)
        out.model("line", Fitted(text=text))

    action = Action(
        name="translate.fit",
        version=FIT_VERSION,
        site=ctx.site(NAME, line.id),
        inputs={
            "text": digest_value(long.text),
            "source": digest_value(long.source_text),
            "terms": digest_value([list(term) for term in long.terms]),
        },
        params={"source": long.source, "target": long.target, "limit": long.limit},
        backend=(translator.card.id, translator.card.version),
        programs={**programs, **counting(long.target)},
    )
    return action, make


def is_better(text: str, long: Long) -> bool:
    """Whether a rewritten line may take the place of the long one: it is still a translation, is shorter, but
    not by more than words can be, and has lost no term that the long one has."""
    if failure(long.source_text, text, (long.source, long.target)) is not None:
        return False
    length = units(text, long.target)
    lost, lacked = (missing_terms(long.terms, one) for one in (text, long.text))
    return max(1, LEAST * long.length) <= length < long.length and len(lost) <= len(lacked)


def _shortest(translator: SentenceTranslator, long: Long) -> str:
    """The line of the best hypotheses that fit it; where none do, of the shortest."""
    parts = sentences.translatable([long.source_text], long.source)
    space = "" if long.target in sentences.UNSPACED else " "
    room, chosen = long.limit, []
    for number, part in enumerate(parts):
        others = list(translator.alternatives(part.text, long.source, long.target))
        share = max(1, room // (len(parts) - number))
        fitting = [text for text in others if 0 < units(text, long.target) <= share]
        best = fitting[0] if fitting else min(others, key=lambda text: units(text, long.target), default="")
        room -= units(best, long.target)
        chosen.append(best)
    return space.join(chosen)


def _rewritten(line: Line, long: Long, result: Made | LocError) -> Line:
    text = long.text if isinstance(result, LocError) else result.model("line", Fitted).text
    length = units(text, long.target)
    notes = list(line.notes)
    if text != long.text:
        notes.append(Reason(code="shortened", detail=f"From {long.length} to {length} {_unit(long)}."))
    if length > long.limit:
        notes.append(Reason(code="long", detail=f"{length} {_unit(long)}, {long.limit} are said with ease."))
    return line.model_copy(update={"text": text, "notes": tuple(notes)})


def _unit(long: Long) -> str:
    return "morae" if long.target == "ja" else "letters"
