"""Dub: every line spoken, fitted to its time, and mixed over the background.

Work goes in rounds, each one batch of independent actions: all lines at normal speed, until they pass
(`saying`), then those that need it faster, then the clips, then the mix block by block, then its measures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loc.artifacts import (
    BLOCK_SAMPLES,
    SAMPLE_RATE,
    Clip,
    DubTrack,
    Line,
    Loudness,
    Silent,
    Slowed,
    Sound,
    Source,
    Stems,
    Transcript,
)
from loc.backend import Card
from loc.errors import LocError
from loc.media.retiming import Clock, clock, steady
from loc.media.timeline import load_timeline
from loc.retimed import retimed
from loc.runner import Made
from loc.stage import Context
from loc.store.keys import digest_value
from stages.dub import bank, casting, mix, own_voice, saying, speech
from stages.dub.bed import bed
from stages.dub.contract import Inputs, Synthesiser, VoiceRequest
from stages.dub.fit import MAX_RATE, MAX_STRETCH, Placed, Slot, choose_rates, place_lines
from stages.dub.hearing import Judged
from stages.dub.saying import Said, Wish
from stages.dub.slowing import Lines, in_programme, slow_picture
from stages.dub.speech import Speech

SILENCE_CHANNELS = 2
"""Channels of the mix where the source has no sound track."""


@dataclass(frozen=True)
class _Spoken:
    """A line, its slot, and its utterance at normal speed and as needed; and which engine says it."""

    line: Line
    slot: Slot
    natural: Speech
    speech: Speech
    rate: float
    card: Card
    take: int
    heard: Judged


def run(context: Context, inputs: Inputs) -> DubTrack:
    """Dub one language. Lines that fail are defects and silent; the others go on."""
    assert context.language is not None
    translation, transcript = inputs.translation.get(), inputs.transcript.get()
    source = inputs.source.get()
    silent: list[Silent] = []
    if context.job.as_spoken:
        return _own_voice(context, source, inputs.stems.get(), transcript, translation.lines)
    lines = list(_speakable(context, translation.lines, source.samples, silent))
    heard = {line.speaker for line in lines}
    cast_as = casting.cast_speakers(context, inputs.stems, transcript, heard)
    spoken, slowed = _speak(context, lines, cast_as.requests, source, silent)
    shown = _clock(context, source, slowed)
    _tell_slowed(context, slowed, shown.samples - source.samples)
    placed = place_lines(
        [one.slot for one in spoken],
        [one.natural.about.samples for one in spoken],
        [one.rate for one in spoken],
        [one.speech.about.samples for one in spoken],
        shown.samples,
    )
    made = context.runner.map(
        [
            speech.clip(context, _unit(one.line), one.speech, where.samples)
            for one, where in zip(spoken, placed, strict=True)
        ],
        parallel=True,
    )
    clips = [_clip(*parts) for parts in zip(spoken, placed, made, strict=True)]
    _flag_overruns(context, clips)
    stems = inputs.stems.get()
    below = bed(context, stems, transcript.kept)
    if below is not None:
        below = retimed(context, "dub", "bed", below, shown)
    mixed, loudness = _mix(context, stems.speech, below, clips, made, shown.samples)
    return DubTrack(
        language=context.language,
        clips=tuple(clips),
        silent=tuple(silent),
        mix=mixed,
        loudness=loudness,
        slowed=slowed,
        matches=cast_as.matched,
        bank_voices=bank.spoken_by(
            context, {name: one for name, one in cast_as.requests.items() if name in heard}
        ),
    )


def _own_voice(
    context: Context, source: Source, stems: Stems, transcript: Transcript, lines: Sequence[Line]
) -> DubTrack:
    """The source's sound as it is; lines are spoken only to learn when which sound is heard in it."""
    assert context.language is not None
    assert source.master is not None, "pictures without a sound are not taken as spoken"
    heard = stems.speech or source.master
    silent: list[Silent] = []
    speakable = list(_speakable(context, lines, source.samples, silent))
    spoken = _natural(context, speakable, casting.by_class(transcript.speakers), silent)
    known = [line for line in speakable if line.id in spoken]
    made = context.runner.map(
        [
            own_voice.follow(context, _unit(line), spoken[line.id], heard, line.start, line.stop)
            for line in known
        ],
        parallel=True,
    )
    channels = source.master.channels
    level = _level(context, stems.speech, channels)
    meters = context.runner.map(mix.meter(context, "mix", source.master, true_peak=True), parallel=True)
    measured = context.runner.do(*mix.measured(context, meters, [], level, channels))
    loudness = measured.model("loudness", Loudness)
    return DubTrack(
        language=context.language,
        clips=tuple(own_voice.clip_of(line, one) for line, one in zip(known, made, strict=True)),
        silent=tuple(silent),
        mix=source.master,
        loudness=loudness.model_copy(update={"speech_lufs": loudness.source_speech_lufs}),
    )


def _voice(line: Line, requests: Mapping[str, VoiceRequest]) -> VoiceRequest:
    return requests.get(line.speaker or "", casting.UNKNOWN_VOICE)


def _unit(line: Line) -> str:
    return f"line {line.id}"


def _speakable(context: Context, lines: Sequence[Line], end: int, silent: list[Silent]) -> Iterator[Line]:
    """The lines that can be spoken, in order of time; the others go to `silent`.

    A line that failed is translate's defect already.
    """
    for line in sorted(lines, key=lambda line: (line.start, line.stop)):
        if line.failed is not None:
            silent.append(Silent(line=line.id, reason=line.failed))
        elif not line.text.strip():
            silent.append(Silent(line=line.id, reason="It has no text."))
        elif line.start >= end:
            _give_up(context, silent, line, "outside", "It begins after the end of the programme.")
        else:
            yield line


def _give_up(context: Context, silent: list[Silent], line: Line, code: str, reason: str) -> None:
    silent.append(Silent(line=line.id, reason=reason))
    context.runner.defect("dub", _unit(line), code, reason, context.language)


def _slot(line: Line, end: int) -> Slot:
    start = max(0, line.start)
    return Slot(start, max(start + 1, min(line.stop, end)), line.speaker)


def _speak(
    context: Context,
    lines: Sequence[Line],
    requests: Mapping[str, VoiceRequest],
    source: Source,
    silent: list[Silent],
) -> tuple[list[_Spoken], tuple[Slowed, ...]]:
    """Speak every line at normal speed, then again those that do not fit; and where the picture is slowed.
    Slots are those of the slowed programme."""
    engines = casting.engines(context)
    wishes = {line.id: Wish(line, _voice(line, requests), take=_wanted_take(context, line)) for line in lines}
    natural = _heard(context, saying.say(context, engines, list(wishes.values())), lines, silent)
    lines = [line for line in lines if line.id in natural]
    said = [natural[line.id] for line in lines]
    fitting = Lines(
        slots=[_slot(line, source.samples) for line in lines],
        natural=[item.speech.about.samples for item in said],
        fastest=[MAX_RATE if engines[item.engine].traits.keeps_rate else 1.0 for item in said],
    )
    # What would be slowed if rates were kept says which rates are needed; what is, their true lengths.
    expected = _clock(context, source, _slowed(context, source, fitting))
    slots = in_programme(fitting.slots, expected)
    rates = choose_rates(slots, fitting.natural, expected.samples, fitting.fastest)
    hurried = [
        replace(wishes[line.id], rate=rate, take=item.take, engine=item.engine)
        for line, item, rate in zip(lines, said, rates, strict=True)
        if rate != 1.0
    ]
    faster = _faster(context, engines, hurried)
    rate_of = {wish.line.id: wish.rate for wish in hurried if wish.line.id in faster}
    final = saying.timed(context, engines, {**natural, **faster}, list(wishes.values()))
    said_at = [(rate_of.get(line.id, 1.0), final[line.id].speech.about.samples) for line in lines]
    slowed = _slowed(context, source, replace(fitting, said=said_at))
    slots = in_programme(fitting.slots, _clock(context, source, slowed))
    spoken = [
        _Spoken(
            line,
            slot,
            natural[line.id].speech,
            final[line.id].speech,
            rate_of.get(line.id, 1.0),
            context.card_of(engines[final[line.id].engine]),
            final[line.id].take,
            final[line.id].heard,
        )
        for line, slot in zip(lines, slots, strict=True)
    ]
    return spoken, slowed


def _slowed(context: Context, source: Source, lines: Lines) -> tuple[Slowed, ...]:
    """Where the picture is shown slower, if it may be."""
    if not context.settings.retime_video:
        return ()
    timeline = load_timeline(context.store, source.frames, source.video.time_base)
    return slow_picture(lines, timeline, source.samples)


def _tell_slowed(context: Context, slowed: Sequence[Slowed], longer: int) -> None:
    """Say aloud that the picture is not as it was filmed, and by how many samples it is longer."""
    if slowed:
        context.notice(
            "retimed",
            f"{context.language}: the picture is shown slower in {len(slowed)} "
            f"{'stretch' if len(slowed) == 1 else 'stretches'}, so that lines fit; "
            f"the video is {longer / SAMPLE_RATE:.2f} s longer.",
        )


def _clock(context: Context, source: Source, slowed: Sequence[Slowed]) -> Clock:
    """The clock of the programme when stretches of it are slowed."""
    if not slowed:
        return steady(source.samples)
    timeline = load_timeline(context.store, source.frames, source.video.time_base)
    return clock(timeline, slowed, source.samples)


def _wanted_take(context: Context, line: Line) -> int:
    """The take of a line that was asked for, if its text is still the same; else the first."""
    asked = context.job.takes.get(context.language or "", {}).get(line.id)
    return asked.take if asked is not None and asked.text == digest_value(line.text) else 0


def _faster(context: Context, engines: Sequence[Synthesiser], hurried: Sequence[Wish]) -> dict[str, Said]:
    """Lines at the rates they need, by id; of those that fail, what was said at normal speed stands."""
    done: dict[str, Said] = {}
    for ident, result in saying.say_as_before(context, engines, hurried).items():
        if isinstance(result, LocError):
            why = f"It could not be spoken faster: {result}"
            context.runner.defect("dub", f"line {ident}", "not-faster", why, context.language)
        else:
            done[ident] = result
    return done


def _natural(
    context: Context, lines: Sequence[Line], requests: Mapping[str, VoiceRequest], silent: list[Silent]
) -> dict[str, Speech]:
    """Every line by an engine that knows its phones, at normal speed, by id; those that failed go to
    `silent`."""
    engines = casting.engines(context)
    timing = [engine for engine in engines if engine.traits.times_phones] or engines
    wishes = [Wish(line, _voice(line, requests)) for line in lines]
    said = _heard(context, saying.say(context, timing, wishes), lines, silent)
    return {ident: item.speech for ident, item in saying.timed(context, timing, said, wishes).items()}


def _heard(
    context: Context, results: Mapping[str, Said | LocError], lines: Sequence[Line], silent: list[Silent]
) -> dict[str, Said]:
    """What was said, by line id; lines that failed go to `silent`."""
    done: dict[str, Said] = {}
    for line in lines:
        result = results[line.id]
        if isinstance(result, LocError):
            _give_up(context, silent, line, "not-spoken", str(result))
        else:
            done[line.id] = result
    return done


def _clip(spoken: _Spoken, placed: Placed, made: Made) -> Clip:
    return Clip(
        line=spoken.line.id,
        speaker=spoken.line.speaker,
        voice=spoken.speech.about.voice,
        place=placed.place,
        samples=placed.samples,
        audio=made.ref("audio"),
        phones=made.ref("phones"),
        fit=placed.fit,
        backend=spoken.card.id,
        model=spoken.card.model,
        take=spoken.take,
        heard_error=spoken.heard.error,
        similarity=spoken.heard.similarity,
    )


def _flag_overruns(context: Context, clips: Sequence[Clip]) -> None:
    for clip in clips:
        unit = f"line {clip.line}"
        if clip.fit.overrun > 0:
            seconds = clip.fit.overrun / SAMPLE_RATE
            context.runner.defect(
                "dub", unit, "overrun", f"It runs {seconds:.2f} s past its time.", context.language
            )
        if clip.fit.stretch > MAX_STRETCH:
            context.runner.defect(
                "dub",
                unit,
                "squeezed",
                f"It was compressed {clip.fit.stretch:.2f} times: the text is too long for the programme.",
                context.language,
            )


def _mix(
    context: Context,
    voice: Sound | None,
    below: Sound | None,
    clips: Sequence[Clip],
    made: Sequence[Made],
    end: int,
) -> tuple[Sound, Loudness]:
    """The finished mix, `end` samples long, and its measures, over the sound `below`; clips that cannot be
    heard are defects."""
    channels = below.channels if below is not None else SILENCE_CHANNELS
    level = _level(context, voice, channels)
    placements = [mix.Placement(clip.audio, clip.place, clip.samples) for clip in clips]
    ranges = [(start, min(start + BLOCK_SAMPLES, end)) for start in range(0, end, BLOCK_SAMPLES)]
    indices = [mix.block_clips(placements, *span) for span in ranges]
    blocks = context.runner.map(
        [
            mix.mix_block(context, below, [placements[i] for i in among], *span, channels, level.gain_db)
            for span, among in zip(ranges, indices, strict=True)
        ],
        parallel=True,
    )
    found = [block.model("presence", mix.Presence) for block in blocks]
    for index in mix.missing(placements, list(zip(indices, found, strict=True))):
        unit, why = f"line {clips[index].line}", "It cannot be heard in the mix."
        context.runner.defect("dub", unit, "not-heard", why, context.language)
    mixed = Sound(channels=channels, samples=end, blocks=tuple(block.ref("audio") for block in blocks))
    meters = context.runner.map(mix.meter(context, "mix", mixed, true_peak=True), parallel=True)
    report = context.runner.do(*mix.measured(context, meters, made, level, channels))
    return mixed, report.model("loudness", Loudness)


def _level(context: Context, speech_stem: Sound | None, channels: int) -> mix.Level:
    meters: list[Made] = []
    if speech_stem is not None:
        meters = context.runner.map(mix.meter(context, "speech", speech_stem, true_peak=False), parallel=True)
    return context.runner.do(*mix.level(context, meters, channels)).model("level", mix.Level)
