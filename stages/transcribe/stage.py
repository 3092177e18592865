"""Transcribe: supplied text, or windows of speech to a recogniser; then lines, and who says them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from loc import packages
from loc.analysis import speakers, voice_activity
from loc.analysis.voice_activity import FRAME_48K, RATIO, VoiceFrames, read_analysis
from loc.artifacts import Dropped, Frozen, Segment, Sound, Speaker, Transcript, Word
from loc.errors import InputError, MissingError
from loc.media.sound import slice_key
from loc.media.subtitles import Cue, join_lines, read_cues
from loc.runner import Action, Made, Make, Out
from loc.stage import Context, Job, SuppliedText
from stages.transcribe import guard, phrases
from stages.transcribe.contract import Inputs, Passage, Recogniser
from stages.transcribe.guard import Said

NAME = "transcribe"

CUE_MERGE = 14_400
"""Cues that begin within 0.3 s of each other are one line: too short to be spoken one after the other."""

PAST_END = "the cue begins after the end of the video"

Origin = Literal["recognised", "supplied", "cues"]


class Passages(Frozen):
    """What `transcribe.window` makes: passages in samples at 48 kHz from the window's start."""

    passages: tuple[Said, ...]


def origin(job: Job) -> Origin:
    """Where a job's lines come from: its transcript, the cues of its translations where every target language
    has one, or a recogniser (the only case that needs a backend)."""
    if job.transcript is not None:
        return "supplied"
    if job.languages and all(language in job.translations for language in job.languages):
        return "cues"
    return "recognised"


def run(ctx: Context, inputs: Inputs) -> Transcript:
    """The lines of the programme, with their speakers.

    Raises:
        InputError: no sound and no text; or supplied subtitles that do not fit the video.
        MissingError: recognition is needed, and the source language is not known.
        NotMade: in look mode, when a part has not been made.
    """
    kind = origin(ctx.job)
    if kind == "recognised":
        segments, dropped = _recognised(ctx, inputs)
        language = ctx.job.source_language
    elif kind == "supplied":
        assert ctx.job.transcript is not None
        segments, dropped = _supplied(ctx, inputs, ctx.job.transcript, with_text=True)
        language = ctx.job.transcript.language or ctx.job.source_language
    else:
        cues = ctx.job.translations[ctx.job.languages[0]]
        segments, dropped = _supplied(ctx, inputs, cues, with_text=False)
        language = ctx.job.source_language
    segments, people = _with_speakers(ctx, inputs, segments)
    return Transcript(
        language=language, origin=kind, segments=segments, dropped=tuple(dropped), speakers=people
    )


def _supplied(
    ctx: Context, inputs: Inputs, text: SuppliedText, *, with_text: bool
) -> tuple[tuple[Segment, ...], list[Dropped]]:
    """Lines from a subtitle file. They are kept where no voice is found: the author knows better."""
    samples = inputs.source.get().samples
    cues = read_cues(ctx.store.read_bytes(text.ref), text.name, ctx.runner.notice)
    inside = [cue for cue in cues if cue.start < samples]
    past = [Dropped(start=cue.start, stop=cue.stop, reason=PAST_END) for cue in cues if cue.start >= samples]
    if not inside:
        raise InputError(
            f"{text.name} does not belong to this video.",
            why="All of its cues begin after the end.",
            fix="Name the right file with --transcript or --translation.",
        )
    if past:
        ctx.runner.notice("cues-past-end", f"{text.name}: left out {len(past)} cues after the video's end.")
    apart = one_after_another(inside)
    if len(apart) < len(inside):
        ctx.runner.notice("cues-joined", f"{text.name}: joined cues that are shown at the same time.")
    kept = with_text and len(text.ids) == len(cues) == len(apart)
    ids = text.ids if kept else [_id(index) for index in range(len(apart))]
    segments = tuple(
        Segment(
            id=ids[index],
            start=cue.start,
            stop=min(cue.stop, samples),
            speaker=None,
            text=cue.text if with_text else "",
            words=(),
            confidence=None,
        )
        for index, cue in enumerate(apart)
    )
    return segments, past


def one_after_another(cues: Sequence[Cue]) -> list[Cue]:
    """Cues in order of time without overlap: one that begins with its neighbour joins it, one that is still
    shown when the next begins ends there."""
    apart: list[Cue] = []
    for cue in sorted(cues, key=lambda item: (item.start, item.stop)):
        last = apart[-1] if apart else None
        if last is None or cue.start >= last.stop:
            apart.append(cue)
        elif cue.start - last.start < CUE_MERGE:
            apart[-1] = Cue(last.start, max(last.stop, cue.stop), join_lines([last.text, cue.text]))
        else:
            apart[-1] = Cue(last.start, cue.start, last.text)
            apart.append(cue)
    return apart


def _recognised(ctx: Context, inputs: Inputs) -> tuple[tuple[Segment, ...], list[Dropped]]:
    """Lines from the speech stem by the chosen recogniser."""
    language = ctx.job.source_language
    if inputs.source.get().master is None:
        raise InputError(
            "The video has no sound to transcribe.",
            fix="Supply the text beside it: VIDEO.LANG.srt with the translation.",
        )
    if language is None:
        raise MissingError(
            "The language spoken in the source is not known.",
            why="There is no transcript, and a recogniser must be told what to listen for.",
            fix="Name it with --from LANG, or put a transcript beside the video: VIDEO.LANG.srt.",
        )
    speech = inputs.stems.get().speech
    if speech is None:
        return _nothing_said(ctx)
    frames = voice_activity.voice_frames(ctx.runner, ctx.site(NAME), speech)
    regions = voice_activity.in_samples(voice_activity.regions(frames), speech.samples)
    if not regions:
        return _nothing_said(ctx)
    recogniser = cast(Recogniser, ctx.backend(NAME, None))
    passages = _passages(ctx, recogniser, speech, frames, regions, language)
    believed, invented = guard.sort(passages, regions, language)
    kept, dropped = phrases.voiced([word for passage in believed for word in passage.words], regions)
    dropped += [Dropped(start=passage.start, stop=passage.stop, reason=why) for passage, why in invented]
    dropped.sort(key=lambda item: (item.start, item.stop))
    segments = tuple(
        _segment(index, line, language) for index, line in enumerate(phrases.lines(kept, language))
    )
    _pass_gate(ctx, passages, segments, invented, sum(stop - start for start, stop in regions))
    if not kept:
        ctx.runner.defect(
            NAME, "", "nothing-recognised", "Speech was found, but not one word of it was recognised."
        )
    return segments, dropped


def _pass_gate(
    ctx: Context,
    passages: Sequence[Said],
    segments: Sequence[Segment],
    invented: Sequence[tuple[Said, str]],
    voiced: int,
) -> None:
    """Refuse a transcript that is not worth translating; say what was dropped of one that is.

    Raises:
        InputError: it is degenerate.
    """
    words = [word for segment in segments for word in segment.words]
    dropped = sum(word.stop - word.start for passage, _ in invented for word in passage.words)
    judges = any(passage.logprob is not None for passage in passages)
    reasons = guard.gate([segment.text for segment in segments], words, dropped, voiced, judges=judges)
    if reasons:
        raise InputError(
            f"What was recognised in {ctx.job.path.name} is no transcript.",
            why=f"{'; '.join(reason.detail for reason in reasons)}.".capitalize(),
            fix="Supply what is said with --transcript FILE, check --from, or name another recogniser with "
            "--backend transcribe=NAME.",
        )
    if invented:
        count = len(invented)
        ctx.runner.notice(
            "invented-text",
            f"Left out {count} recognised passage{'s' if count > 1 else ''} that nobody seems to have said; "
            "the report lists them.",
        )


def _nothing_said(ctx: Context) -> tuple[tuple[Segment, ...], list[Dropped]]:
    ctx.runner.notice("no-speech", "No speech was found: there is nothing to localize.")
    return (), []


def _passages(
    ctx: Context,
    recogniser: Recogniser,
    speech: Sound,
    frames: VoiceFrames,
    regions: Sequence[phrases.Range],
    language: str,
) -> list[Said]:
    """Passages of the whole programme, in time order, in samples at 48 kHz."""
    heard = spans(recogniser.max_window_samples * RATIO, speech.samples, frames, regions)
    made = ctx.runner.map(
        [_window(ctx, recogniser, speech, span, language, index) for index, span in enumerate(heard)],
        parallel=True,
    )
    return [
        passage.model_copy(
            update={
                "words": tuple(
                    word.model_copy(update={"start": word.start + start, "stop": word.stop + start})
                    for word in passage.words
                )
            }
        )
        for (start, _), item in zip(heard, made, strict=True)
        for passage in item.model("passages", Passages).passages
    ]


def spans(
    limit: int, samples: int, frames: VoiceFrames, regions: Sequence[phrases.Range]
) -> list[phrases.Range]:
    """The windows of a sound of `samples` samples, each of at most `limit`; all in samples at 48 kHz."""

    def quietest(start: int, stop: int) -> int:
        first = start // FRAME_48K
        return (first + int(frames.level_db[first : stop // FRAME_48K].argmin())) * FRAME_48K

    return [(start, min(stop, samples)) for start, stop in phrases.windows(regions, limit, quietest)]


def _window(
    ctx: Context,
    recogniser: Recogniser,
    speech: Sound,
    span: phrases.Range,
    language: str,
    index: int,
) -> tuple[Action, Make]:
    """Recognise one window.

    Reads: the window, at most as long as the backend takes: 20 s for `pocketsphinx`.
    Leaves out: the windows around it; the target languages.
    """

    def make(out: Out) -> None:
        heard = recogniser.recognise(read_analysis(ctx.store, speech, *span), language)
        out.detail["words"] = sum(len(passage.words) for passage in heard)
        out.model("passages", Passages(passages=tuple(_said(passage) for passage in heard)))

    action = Action(
        name="transcribe.window",
        version=2,
        site=ctx.site(NAME, f"window {index + 1}"),
        inputs={"speech": slice_key(speech, *span)},
        params={"language": language},
        backend=(recogniser.card.id, recogniser.card.version),
        programs={**recogniser.fingerprint(), "soxr": packages.version("soxr")},
    )
    return action, make


def _said(passage: Passage) -> Said:
    return Said(
        words=tuple(
            Word(text=word.text, start=word.start * RATIO, stop=word.stop * RATIO, confidence=word.confidence)
            for word in passage.words
        ),
        logprob=passage.logprob,
        no_speech=passage.no_speech,
    )


def _segment(index: int, words: Sequence[Word], language: str) -> Segment:
    known = [(word.confidence, word.stop - word.start) for word in words if word.confidence is not None]
    length = sum(samples for _, samples in known)
    return Segment(
        id=_id(index),
        start=words[0].start,
        stop=words[-1].stop,
        speaker=None,
        text=phrases.sentence(phrases.join_words(words, language), language),
        words=tuple(words),
        confidence=round(sum(value * samples for value, samples in known) / length, 4) if length else None,
    )


def _id(index: int) -> str:
    return f"s{index + 1:04d}"


def _with_speakers(
    ctx: Context, inputs: Inputs, segments: tuple[Segment, ...]
) -> tuple[tuple[Segment, ...], tuple[Speaker, ...]]:
    """Segments with their speakers' ids; without sound nobody is told apart, and `speaker` stays None."""
    if not segments or inputs.source.get().master is None:
        return segments, ()
    speech = inputs.stems.get().speech
    if speech is None:
        return segments, ()
    prints = ctx.runner.map([_print(ctx, speech, segment) for segment in segments], parallel=True)
    lengths = [segment.stop - segment.start for segment in segments]
    grouping = _grouped(ctx, prints, lengths)
    told = tuple(
        segment.model_copy(update={"speaker": speaker})
        for segment, speaker in zip(segments, grouping.assignment, strict=True)
    )
    return told, grouping.speakers


def _grouped(ctx: Context, prints: Sequence[Made], lengths: Sequence[int]) -> speakers.Grouping:
    """Who speaks each line, from the lines' voice prints and lengths in samples.

    Reads: voice prints and lengths of all lines, in order.
    Leaves out: their texts and times.
    """
    least, most = ctx.settings.min_speakers, max(ctx.settings.min_speakers, ctx.settings.max_speakers)

    def make(out: Out) -> None:
        lines = [
            speakers.Spoken(item.model("print", speakers.VoicePrint), length)
            for item, length in zip(prints, lengths, strict=True)
        ]
        grouping = speakers.group(lines, min_speakers=least, max_speakers=most)
        out.detail["speakers"] = len(grouping.speakers)
        out.model("grouping", grouping)

    action = Action(
        name="transcribe.speakers",
        version=1,
        site=ctx.site(NAME),
        inputs={"prints": [item.ref("print") for item in prints], "samples": lengths},
        params={"min_speakers": least, "max_speakers": most},
        programs={"scipy": packages.version("scipy")},
    )
    return ctx.runner.do(action, make).model("grouping", speakers.Grouping)


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
