"""Transcribe: supplied text, or windows of speech to a recogniser; then lines, and who says them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, cast

from loc import packages
from loc.analysis import voice_activity
from loc.analysis.voice_activity import FRAME_48K, RATIO, VoiceFrames, read_analysis
from loc.artifacts import SAMPLE_RATE, Dropped, Frozen, Kept, Segment, Sound, Speaker, Transcript, Word
from loc.errors import InputError, MissingError
from loc.media.sound import slice_key
from loc.media.subtitles import Cue
from loc.media.wrapping import join_lines
from loc.runner import Action, Make, Out
from loc.stage import Context, Job, SuppliedText
from loc.store.keys import digest_bytes
from stages.transcribe import guard, kept, laughter, phrases, seams, speaking
from stages.transcribe.contract import Detector, Inputs, Passage, Prompted, Recogniser
from stages.transcribe.guard import Said
from stages.transcribe.speaking import NAME, Telling

CUE_MERGE = 14_400
"""Cues that begin within 0.3 s of each other are one line: too short to be spoken one after the other."""

MARKED = "the cast file keeps this as it is"
PAST_END = "the cue begins after the end of the video"

LANGUAGE_WINDOWS = 3
"""Windows from which the language is told: one may be a quotation, or a song."""
SURE_LANGUAGE = 0.5
"""Probability under which it is asked for instead: more likely than all others together."""
TRIED_WINDOWS = 3
"""Windows heard twice, with and without background; never more than one in four."""
SEAM_FRAMES = voice_activity.MIN_PAUSE_FRAMES
"""Frames over which the level is taken where a speech without pauses is cut: as long as a pause is at
least."""
LOST_SHARE = 0.3
"""Share of the whole sound that must be voice for certain, where speech has none, for separation to be at
fault: of music it is a tenth, of a talk two thirds."""
CLEARER_BY = 0.02
"""How much surer the recogniser must be of the whole sound: less is chance."""


class Laughs(Frozen):
    """What `transcribe.laughs` makes: in samples at 48 kHz from the stretch's start, in order and apart."""

    ranges: tuple[tuple[int, int], ...]


Origin = Literal["recognised", "supplied", "cues"]


class Passages(Frozen):
    """What `transcribe.window` makes: passages in samples at 48 kHz from the window's start."""

    passages: tuple[Said, ...]


class Tongues(Frozen):
    """What `transcribe.language` makes: BCP-47 primary tag -> probability."""

    shares: dict[str, float]


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
        MissingError: recognition is needed, and the source language is neither known nor heard.
        NotMade: in look mode, when a part has not been made.
    """
    kind = origin(ctx.job)
    if kind == "recognised":
        language, segments, dropped = _recognised(ctx, inputs)
    elif kind == "supplied":
        assert ctx.job.transcript is not None
        segments, dropped = _supplied(ctx, inputs, ctx.job.transcript, with_text=True)
        language = ctx.job.transcript.language or ctx.job.source_language
    else:
        cues = ctx.job.translations[ctx.job.languages[0]]
        segments, dropped = _supplied(ctx, inputs, cues, with_text=False)
        language = ctx.job.source_language
    songs = [(item.start, item.stop) for item in dropped if item.reason == guard.SONG]
    segments, marked = _unmarked(ctx, segments)
    told = _told(ctx, inputs, segments)
    speaking.say(ctx, told)
    speakers = _called(ctx, told)
    return Transcript(
        language=language,
        origin=kind,
        segments=told.segments,
        dropped=tuple(sorted((*dropped, *marked), key=lambda item: (item.start, item.stop))),
        speakers=speakers,
        kept=_kept(ctx, inputs, told.segments, songs),
        overlaps=told.overlaps,
        unsure=told.unsure,
    )


def _called(ctx: Context, told: Telling) -> tuple[Speaker, ...]:
    """Speakers by the names that the cast file gives them.

    Raises:
        UsageError: it names one nobody knows.
    """
    if ctx.job.cast is None:
        return told.speakers
    said = ctx.job.cast.by_ids(told.speakers, told.segments)
    called = tuple(
        speaker.model_copy(update={"name": said.names.get(speaker.id, speaker.name)})
        for speaker in told.speakers
    )
    # The file may go by the names that it gives itself.
    known = ctx.job.cast.by_ids(called, told.segments)
    known.check_speakers(speaker.id for speaker in called)
    return called


def _unmarked(ctx: Context, segments: tuple[Segment, ...]) -> tuple[tuple[Segment, ...], list[Dropped]]:
    """Lines that are to be dubbed, and what is said of those whose middle the user keeps as it is."""
    holes = ctx.job.cast.keep if ctx.job.cast else ()
    inside = {
        segment.id
        for segment in segments
        if any(start <= (segment.start + segment.stop) // 2 < stop for start, stop in holes)
    }
    dropped = [
        Dropped(start=item.start, stop=item.stop, reason=MARKED, text=item.text)
        for item in segments
        if item.id in inside
    ]
    return tuple(segment for segment in segments if segment.id not in inside), dropped


def _kept(
    ctx: Context, inputs: Inputs, segments: Sequence[Segment], songs: Sequence[phrases.Range]
) -> tuple[Kept, ...]:
    """The voices that stay in the dub. Without sound there are none."""
    holes = ctx.job.cast.keep if ctx.job.cast else ()
    if inputs.source.get().master is None:
        return ()
    stems = inputs.stems.get()
    if stems.speech is None or not (stems.all_voices or holes or songs):
        return ()
    regions = voice_activity.speech_regions(ctx.runner, ctx.site(NAME), stems.speech)
    said = [(segment.start, segment.stop) for segment in segments]
    found = _laughs(ctx, stems.speech, regions, segments) if stems.all_voices else []
    return kept.kept(
        stems.speech.samples, regions, said, holes, all_voices=stems.all_voices, laughs=found, sung=songs
    )


def _laughs(
    ctx: Context, speech: Sound, regions: Sequence[phrases.Range], segments: Sequence[Segment]
) -> list[phrases.Range]:
    """Laughs in the stretches that are spoken."""
    stretches = kept.beside_lines(regions, segments, laughter.LEAST * SAMPLE_RATE // 100)
    made = ctx.runner.map(
        [_listened(ctx, speech, stretch, number) for number, stretch in enumerate(stretches, start=1)],
        parallel=True,
    )
    return [
        (start + begin, min(stop, start + end))
        for (start, stop), item in zip(stretches, made, strict=True)
        for begin, end in item.model("laughs", Laughs).ranges
    ]


def _listened(ctx: Context, speech: Sound, stretch: phrases.Range, number: int) -> tuple[Action, Make]:
    """Look for laughs beside what is said.

    Reads: a stretch of voice beside words and cues.
    Leaves out: the lines, but for where they leave it.
    """

    def make(out: Out) -> None:
        found = laughter.laughs(read_analysis(ctx.store, speech, *stretch))
        out.detail["laughs"] = len(found)
        out.model("laughs", Laughs(ranges=tuple(found)))

    action = Action(
        name="transcribe.laughs",
        version=1,
        site=ctx.site(NAME, f"stretch {number}"),
        inputs={"speech": slice_key(speech, *stretch)},
        programs={"soxr": packages.version("soxr")},
    )
    return action, make


def _supplied(
    ctx: Context, inputs: Inputs, text: SuppliedText, *, with_text: bool
) -> tuple[tuple[Segment, ...], list[Dropped]]:
    """Lines from a subtitle file. They are kept where no voice is found: the author knows better."""
    samples = inputs.source.get().samples
    cues = ctx.cues(text)
    inside = [cue for cue in cues if cue.start < samples]
    past = [
        Dropped(start=cue.start, stop=cue.stop, reason=PAST_END, text=cue.text if with_text else "")
        for cue in cues
        if cue.start >= samples
    ]
    if not inside:
        raise InputError(
            f"{text.name} does not belong to this video.",
            why="All of its cues begin after the end.",
            fix="Name the right file with --transcript or --translation.",
        )
    if past:
        cues_past = f"{len(past)} cue{'s' if len(past) > 1 else ''}"
        ctx.runner.notice("cues-past-end", f"{text.name}: left out {cues_past} after the video's end.")
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
            mark=cue.mark,
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
            text = join_lines([last.text, cue.text])
            mark = last.mark if last.mark == cue.mark else None
            apart[-1] = Cue(last.start, max(last.stop, cue.stop), text, mark=mark)
        else:
            apart[-1] = replace(last, stop=cue.start)
            apart.append(cue)
    return apart


def _recognised(ctx: Context, inputs: Inputs) -> tuple[str | None, tuple[Segment, ...], list[Dropped]]:
    """The language, and lines by the chosen recogniser."""
    master = inputs.source.get().master
    if master is None:
        raise InputError(
            "The video has no sound to transcribe.",
            fix="Supply the text beside it: VIDEO.LANG.srt with the translation.",
        )
    speech = inputs.stems.get().speech
    if speech is None:
        return _nothing_said(ctx)
    frames = voice_activity.voice_frames(ctx.runner, ctx.site(NAME), speech)
    regions = voice_activity.in_samples(voice_activity.regions(frames), speech.samples)
    if not regions:
        _tell_lost(ctx, master)
    if ctx.job.cast is not None:
        regions = kept.without(regions, ctx.job.cast.keep)
    if not regions:
        return _nothing_said(ctx)
    recogniser = cast(Recogniser, ctx.backend(NAME, None))
    heard = spans(recogniser.max_window_samples * RATIO, speech.samples, frames, regions)
    language = ctx.job.source_language or _language(ctx, recogniser, speech, heard, regions)
    sound = _clearer(ctx, recogniser, master, speech, heard, regions, language)
    passages = _passages(ctx, recogniser, sound, list(enumerate(heard)), language)
    believed, left_out = guard.sort(passages, regions, language)
    words = [word for passage in believed for word in passage.words]
    sung = [(passage.start, passage.stop) for passage, why in left_out if why == guard.SONG]
    voiced, dropped = phrases.voiced(words, regions, sung)
    for said, why in left_out:
        text = phrases.join_words(said.words, language)
        dropped.append(Dropped(start=said.start, stop=said.stop, reason=why, text=text))
    grouped = phrases.lines(voiced, language)
    segments = tuple(
        _segment(index, line, text)
        for index, (line, text) in enumerate(zip(grouped, phrases.written(grouped, language), strict=True))
    )
    _pass_gate(ctx, passages, segments, left_out, regions, frames)
    if not voiced and not sung:
        ctx.runner.defect(
            NAME, "", "nothing-recognised", "Speech was found, but not one word of it was recognised."
        )
    return language, segments, dropped


def _pass_gate(
    ctx: Context,
    passages: Sequence[Said],
    segments: Sequence[Segment],
    left_out: Sequence[tuple[Said, str]],
    regions: Sequence[phrases.Range],
    frames: VoiceFrames,
) -> None:
    """Refuse a transcript that is not worth translating; say what was dropped of one that is.

    Raises:
        InputError: it is degenerate.
    """
    words = [word for segment in segments for word in segment.words]
    songs = [passage for passage, why in left_out if why == guard.SONG]
    invented = [passage for passage, why in left_out if why != guard.SONG]
    sung, dropped = (
        sum(word.stop - word.start for passage in some for word in passage.words)
        for some in (songs, invented)
    )
    judges = any(passage.logprob is not None for passage in passages)
    voiced = sum(stop - start for start, stop in regions)
    sure = voice_activity.certain(frames)
    certain = FRAME_48K * sum(
        int(sure[start // FRAME_48K : -(-stop // FRAME_48K)].sum()) for start, stop in regions
    )
    lines = [segment.text for segment in segments]
    reasons = guard.gate(lines, words, dropped, voiced, certain, judges=judges, sung=sung)
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
    if songs:
        count = len(songs)
        left = "1 passage of song as it is" if count == 1 else f"{count} passages of song as they are"
        ctx.runner.notice(
            "song-kept",
            f"Left {left}; the report lists them. What is spoken after all can be supplied with "
            "--transcript.",
        )


def _nothing_said(ctx: Context) -> tuple[str | None, tuple[Segment, ...], list[Dropped]]:
    ctx.runner.notice("no-speech", "No speech was found: there is nothing to localize.")
    return ctx.job.source_language, (), []


def _tell_lost(ctx: Context, master: Sound) -> None:
    """Mark a programme that is full of voice, of which separation has left none."""
    frames = voice_activity.voice_frames(ctx.runner, ctx.site(NAME), master)
    voice = int(voice_activity.certain(frames).sum()) * FRAME_48K
    if voice >= max(guard.GATE_VOICE, LOST_SHARE * master.samples):
        ctx.runner.defect(
            NAME,
            "",
            "speech-lost",
            f"{voice / master.samples:.0%} of the sound is voice, and none of it is in what separation took "
            "for speech. `loc models verify --run` tells whether its weights work; --backend separate=NAME "
            "names another technique.",
        )


def _language(
    ctx: Context,
    recogniser: Recogniser,
    speech: Sound,
    heard: Sequence[phrases.Range],
    regions: Sequence[phrases.Range],
) -> str:
    """The language that is spoken, from the windows with most voice.

    Raises:
        MissingError: the recogniser cannot tell, or is not sure.
    """
    ways_out = "Name it with --from LANG, or put a transcript beside the video: VIDEO.LANG.srt."
    untold = MissingError(
        "The language spoken in the source is not known.",
        why="There is no transcript, and this recogniser must be told what to listen for.",
        fix=ways_out,
    )
    if not isinstance(recogniser, Detector):
        raise untold
    fullest = _fullest(heard, regions, LANGUAGE_WINDOWS)
    made = ctx.runner.map([_tongue(ctx, recogniser, speech, heard[index], index) for index in fullest])
    weights = [phrases.overlap(heard[index], regions) for index in fullest]
    sure = phrases.likeliest([item.model("languages", Tongues).shares for item in made], weights)
    if not sure:
        raise untold
    best, share = sure[0]
    if share < SURE_LANGUAGE:
        said = ", ".join(f"{tag} {value:.0%}" for tag, value in sure[:3])
        raise MissingError(
            f"It is not clear which language {ctx.job.path.name} is spoken in.",
            why=f"The recogniser's guesses: {said}.",
            fix=ways_out,
        )
    ctx.runner.notice("language-heard", f"The source is spoken in {best!r}, as heard ({share:.0%} sure).")
    return best


def _fullest(heard: Sequence[phrases.Range], regions: Sequence[phrases.Range], count: int) -> list[int]:
    """Which windows have most voice, in order of time: one of each of `count` parts of the programme."""
    parts = min(count, len(heard))
    edges = [len(heard) * part // parts for part in range(parts + 1)]
    return [
        max(range(first, last), key=lambda index: (phrases.overlap(heard[index], regions), -index))
        for first, last in itertools.pairwise(edges)
    ]


def _tongue(
    ctx: Context, detector: Detector, speech: Sound, span: phrases.Range, index: int
) -> tuple[Action, Make]:
    """Hear which language a window is in.

    Reads: the window, at most as long as the backend takes.
    Leaves out: the windows around it; the target languages.
    """
    recogniser = cast(Recogniser, detector)

    def make(out: Out) -> None:
        shares = detector.languages(read_analysis(ctx.store, speech, *span))
        out.model("languages", Tongues(shares={tag: round(value, 6) for tag, value in shares.items()}))

    action = Action(
        name="transcribe.language",
        version=1,
        site=ctx.site(NAME, f"window {index + 1}"),
        inputs={"speech": slice_key(speech, *span)},
        backend=(recogniser.card.id, recogniser.card.version),
        programs={**recogniser.fingerprint(), "soxr": packages.version("soxr")},
    )
    return action, make


def _clearer(
    ctx: Context,
    recogniser: Recogniser,
    master: Sound,
    speech: Sound,
    heard: Sequence[phrases.Range],
    regions: Sequence[phrases.Range],
    language: str,
) -> Sound:
    """The sound that the recogniser is surer of on a few windows: the speech, or that it was parted from.

    Windows of the sound that is chosen are not heard again.
    """
    if not recogniser.hears_mixes:
        return speech
    tried = _fullest(heard, regions, max(1, min(TRIED_WINDOWS, len(heard) // 4)))
    voice = sum(phrases.overlap(heard[index], regions) for index in tried)
    sure = []
    for sound in (speech, master):
        passages = _passages(ctx, recogniser, sound, [(index, heard[index]) for index in tried], language)
        sure.append(guard.certainty(guard.sort(passages, regions, language)[0], voice))
    if sure[1] < sure[0] + CLEARER_BY:
        return speech
    ctx.runner.notice(
        "whole-sound-heard",
        f"The recogniser is surer of the whole sound than of the speech alone ({sure[1]:.0%} against "
        f"{sure[0]:.0%}): it hears that.",
    )
    return master


def _passages(
    ctx: Context,
    recogniser: Recogniser,
    sound: Sound,
    heard: Sequence[tuple[int, phrases.Range]],
    language: str,
) -> list[Said]:
    """Passages of windows, each with its number, in time order; in samples of the programme at 48 kHz."""
    made = ctx.runner.map(
        [_window(ctx, recogniser, sound, span, language, index) for index, span in heard],
        parallel=True,
    )
    return seams.joined(
        [span for _, span in heard],
        [
            [_moved(passage, start) for passage in item.model("passages", Passages).passages]
            for (_, (start, _)), item in zip(heard, made, strict=True)
        ],
    )


def _moved(passage: Said, by: int) -> Said:
    words = (
        word.model_copy(update={"start": word.start + by, "stop": word.stop + by}) for word in passage.words
    )
    return passage.model_copy(update={"words": tuple(words)})


def spans(
    limit: int, samples: int, frames: VoiceFrames, regions: Sequence[phrases.Range]
) -> list[phrases.Range]:
    """The windows of a sound of `samples` samples, each of at most `limit`; all in samples at 48 kHz."""

    from scipy.ndimage import uniform_filter1d

    # As loud as it is around each frame: a stop within a word is shorter.
    power = uniform_filter1d(10 ** (frames.level_db.astype("float64") / 10), SEAM_FRAMES, mode="nearest")

    def quietest(start: int, stop: int) -> int:
        first = start // FRAME_48K
        return (first + int(power[first : stop // FRAME_48K].argmin())) * FRAME_48K + FRAME_48K // 2

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

    Reads: the window, at most as long as the backend takes: 20 s for `pocketsphinx`, 30 s for
        `whisper`.
    Leaves out: the windows around it; the target languages.
    """
    told = ", ".join(ctx.settings.vocabulary) if isinstance(recogniser, Prompted) else ""

    def make(out: Out) -> None:
        audio = read_analysis(ctx.store, speech, *span)
        if told and isinstance(recogniser, Prompted):
            heard = recogniser.recognise_with(audio, language, told)
        else:
            heard = recogniser.recognise(audio, language)
        out.detail["words"] = sum(len(passage.words) for passage in heard)
        out.model("passages", Passages(passages=tuple(_said(passage) for passage in heard)))

    action = Action(
        name="transcribe.window",
        version=3,
        site=ctx.site(NAME, f"window {index + 1}"),
        inputs={
            "speech": slice_key(speech, *span),
            **({"vocabulary": digest_bytes(told.encode())} if told else {}),
        },
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
        sung=passage.sung,
    )


def _segment(index: int, words: Sequence[Word], text: str) -> Segment:
    known = [(word.confidence, word.stop - word.start) for word in words if word.confidence is not None]
    length = sum(samples for _, samples in known)
    return Segment(
        id=_id(index),
        start=words[0].start,
        stop=words[-1].stop,
        speaker=None,
        text=text,
        words=tuple(words),
        confidence=round(sum(value * samples for value, samples in known) / length, 4) if length else None,
    )


def _id(index: int) -> str:
    return f"s{index + 1:04d}"


def _told(ctx: Context, inputs: Inputs, segments: tuple[Segment, ...]) -> Telling:
    """Segments with their speakers' ids."""
    silent = not segments or inputs.source.get().master is None
    speech = None if silent else inputs.stems.get().speech
    return speaking.tell_by_marks(segments) if speech is None else speaking.tell(ctx, speech, segments)
