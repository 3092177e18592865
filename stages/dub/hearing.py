"""What a spoken line is to others: its words to a recogniser, its voice to what tells voices.

A recogniser of the language writes down what it hears. That and the text are both read aloud by the plainest
engine of the language, whose phones are compared: figures, spellings and signs that sound alike are alike.
Where no engine tells phones, letters are compared. A line is blamed only where the recogniser hears
that engine's own reading of it right: what cannot follow a plain voice is no judge of another. A line that
imitates a recording is held against it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from loc import packages
from loc.analysis.diarization.chosen import embedder
from loc.analysis.diarization.contract import Embedder
from loc.analysis.recognition import RECOGNISER_RATE, Detector, Recogniser
from loc.analysis.voice_activity import to_analysis
from loc.artifacts import Frozen, Reason
from loc.errors import LocError, MissingError
from loc.media.sound import Samples, decode_flac
from loc.runner import Action, Made, Make, Out
from loc.stage import HEAR, Context
from loc.store.keys import digest_value
from stages.dub.contract import Reference, Synthesiser, VoiceRequest
from stages.dub.matching import recording
from stages.dub.speech import Speech, resampled

LIMIT = 0.6
"""Share of phones that may differ."""
SHORTEST = 8
"""Sounds, or letters, of a text under which its words are not judged: recognisers guess at interjections."""

LANGUAGE_S = 3.0
"""Seconds of speech under which its language is not judged."""
OTHER, OWN = 0.8, 0.05
"""Another language must be at least as probable as the first, and the line's own under the second."""

LIKENESS_SAMPLES = 8 * RECOGNISER_RATE // 5
"""Samples at 16 kHz, 1.6 s, under which a line is not held against a recording."""

PAUSES = frozenset({"", "pau", "sil", "xx", "SIL"})
_READER = VoiceRequest("low", 0)


@dataclass(frozen=True)
class Ears:
    """What listens. `reader`: the engine whose phones are compared."""

    recogniser: Recogniser | None
    reader: Synthesiser | None
    teller: Embedder | None


class Words(Frozen):
    """What `dub.hear` makes."""

    faults: tuple[Reason, ...]
    error: float | None
    """Share of the text's phones, or letters, that differ; None where the text is too short to be judged."""


class Likeness(Frozen):
    """What `dub.liken` makes."""

    similarity: float | None
    """Cosine of the voices' vectors; None where the line is too short."""


@dataclass(frozen=True)
class Judged:
    """What was heard of a line: its faults; how much of its phones differ, and how like the recording it is,
    where that was asked."""

    faults: tuple[Reason, ...] = ()
    error: float | None = None
    similarity: float | None = None


@dataclass(frozen=True)
class Spoken:
    """A line to be listened to.

    `unit`: what its actions are called by.
    """

    unit: str
    text: str
    speech: Speech
    reference: Reference | None


def ears(context: Context, engines: Sequence[Synthesiser]) -> Ears:
    """What can listen in this language."""
    recogniser = None
    if context.settings.listen:
        try:
            found = context.backend(HEAR, context.language)
            recogniser = found if isinstance(found, Recogniser) else None
        except MissingError:
            recogniser = None
    reader = next((engine for engine in reversed(engines) if engine.traits.times_phones), None)
    teller = embedder(context) if any(engine.traits.clones for engine in engines) else None
    return Ears(recogniser, reader, teller)


def listen(context: Context, by: Ears, lines: Sequence[Spoken]) -> list[Judged]:
    """Listen to lines; where what listens fails, that is said, and it judges nothing."""
    judged = {line.unit: Judged() for line in lines}
    if by.recogniser is not None:
        work = [_hear(context, by.recogniser, by.reader, line) for line in lines]
        for line, made in zip(lines, _tried(context, work), strict=True):
            if made is not None:
                heard = made.model("words", Words)
                judged[line.unit] = Judged(heard.faults, heard.error)
    if by.teller is not None:
        alike = [(line, line.reference) for line in lines if line.reference is not None]
        work = [_liken(context, by.teller, line, reference) for line, reference in alike]
        for (line, _), made in zip(alike, _tried(context, work), strict=True):
            if made is not None:
                judged[line.unit] = _with_voice(
                    judged[line.unit], made.model("likeness", Likeness), by.teller
                )
    return [judged[line.unit] for line in lines]


def _tried(context: Context, work: Sequence[tuple[Action, Make]]) -> list[Made | None]:
    """What was made; None for what failed, of which the first is told."""
    made = context.runner.attempt(work)
    failed = [item for item in made if isinstance(item, LocError)]
    if failed:
        context.notice("not-listened", f"{len(failed)} lines could not be listened to: {failed[0]}")
    return [None if isinstance(item, LocError) else item for item in made]


def _with_voice(judged: Judged, found: Likeness, teller: Embedder) -> Judged:
    value, limit = found.similarity, teller.scale.other
    if value is None or value >= limit:
        return replace(judged, similarity=value)
    detail = f"Its voice is {value:.2f} like the recording it imitates; {limit:.2f} is asked for."
    return replace(
        judged, similarity=value, faults=(*judged.faults, Reason(code="other-voice", detail=detail))
    )


def _hear(
    context: Context, recogniser: Recogniser, reader: Synthesiser | None, line: Spoken
) -> tuple[Action, Make]:
    """Compare what a recogniser hears in a line with its text.

    Reads: the utterance; the text.
    Leaves out: engine and voice, rate and take; the lines around it.
    """
    assert context.language is not None
    language = context.language

    def make(out: Out) -> None:
        audio = to_analysis(decode_flac(context.store.read_bytes(line.speech.audio))[:, :1])
        faults, error = judge(recogniser, audio, line.text, language, reader)
        if faults and reader is not None:
            plain = read_aloud(line.text, language, reader)
            known = () if plain is None else judge(recogniser, plain, line.text, language, reader)[0]
            missed = {fault.code for fault in known}
            out.detail["not_judged"] = sorted(missed)
            faults = tuple(fault for fault in faults if plain is not None and not missed)
        out.model("words", Words(faults=faults, error=error))
        out.detail["error"] = error

    action = Action(
        name="dub.hear",
        version=1,
        site=context.site("dub", line.unit),
        inputs={"audio": line.speech.audio, "text": digest_value(line.text)},
        params={"language": language},
        backend=(recogniser.card.id, recogniser.card.version),
        programs={
            **recogniser.fingerprint(),
            **(_as_reader(reader) if reader is not None else {}),
            "soxr": packages.version("soxr"),
        },
    )
    return action, make


def _as_reader(engine: Synthesiser) -> Mapping[str, str]:
    """An engine that reads for another, as programs of a key."""
    return {"reader": f"{engine.card.id} {engine.card.version}", **engine.fingerprint()}


def _liken(context: Context, teller: Embedder, line: Spoken, reference: Reference) -> tuple[Action, Make]:
    """Hold the voice of a line against the recording that it imitates.

    Reads: the utterance; the recording.
    Leaves out: the text; who speaks it.
    """

    def make(out: Out) -> None:
        audio = to_analysis(decode_flac(context.store.read_bytes(line.speech.audio))[:, :1])
        value = None
        if len(audio) >= LIKENESS_SAMPLES:
            own = teller.embed(audio).whole
            value = round(float(own @ teller.embed(recording(context, reference.sound)).whole), 4)
        out.model("likeness", Likeness(similarity=value))
        out.detail["similarity"] = value

    action = Action(
        name="dub.liken",
        version=1,
        site=context.site("dub", line.unit),
        inputs={"audio": line.speech.audio, "recording": reference.sound},
        backend=(teller.card.id, teller.card.version),
        programs={**teller.fingerprint(), "soxr": packages.version("soxr")},
    )
    return action, make


def judge(
    recogniser: Recogniser, audio: Samples, text: str, language: str, reader: Synthesiser | None
) -> tuple[tuple[Reason, ...], float | None]:
    """What a recogniser finds wrong with the words and the language of a line, and how much of it differs.

    Args:
        audio: float32 [n], mono, 16 kHz.
    """
    heard = words_in(recogniser, audio, language)
    error = difference(text, heard, language, reader)
    found = (_wrong_words(error, bool(heard)), _other_language(recogniser, audio, language))
    return tuple(fault for fault in found if fault is not None), error


def read_aloud(text: str, language: str, reader: Synthesiser) -> Samples | None:
    """A text as an engine reads it, mono at 16 kHz; None where it cannot."""
    try:
        spoken = reader.speak(text, language, _READER, 1.0)
    except LocError:
        return None
    return to_analysis(resampled(spoken.audio, spoken.sample_rate)[:, None])


def words_in(recogniser: Recogniser, audio: Samples, language: str) -> str:
    """What a recogniser hears in mono sound at 16 kHz, in parts where it takes no more at once."""
    parts = np.array_split(audio, -(-len(audio) // recogniser.max_window_samples) or 1)
    passages = [passage for part in parts for passage in recogniser.recognise(part, language)]
    return " ".join(word.text for passage in passages for word in passage.words)


def difference(text: str, heard: str, language: str, reader: Synthesiser | None) -> float | None:
    """Share of a text's sounds that are not in what was heard, or too many there: 0 the same, 1 and more
    nothing alike; None where the text is too short to be judged."""
    said = sounds(text, language, reader)
    found = sounds(heard, language, reader) if heard else []
    if said is None or found is None:
        said, found = letters(text), letters(heard)
    if len(said) < SHORTEST:
        return None
    return round(distance(said, found) / len(said), 4)


def sounds(text: str, language: str, reader: Synthesiser | None) -> list[str] | None:
    """The phones of a text as an engine reads it; None where none can."""
    if reader is None:
        return None
    try:
        phones = reader.speak(text, language, _READER, 1.0).phones
    except LocError:
        return None
    return [phone.symbol for phone in phones if not is_pause(phone.symbol)] or None


def is_pause(symbol: str) -> bool:
    """Whether a phone is silence, in the alphabet of any engine."""
    return symbol.startswith("_") or symbol in PAUSES


def letters(text: str) -> list[str]:
    """The letters and figures of a text, whatever their case and width."""
    return [sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum()]


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Fewest insertions, deletions and replacements that turn one into the other (Levenshtein, 1966)."""
    before = list(range(len(other) + 1))
    for row, sign in enumerate(one, 1):
        now = [row]
        for column, against in enumerate(other, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (sign != against)))
        before = now
    return before[-1]


def _wrong_words(error: float | None, anything: bool) -> Reason | None:
    if error is None or error <= LIMIT:
        return None
    if not anything:
        return Reason(code="no-words", detail="A recogniser hears no word in it.")
    share = min(error, 1.0)
    return Reason(
        code="other-words", detail=f"A recogniser hears other words: {share:.0%} of its sounds differ."
    )


def _other_language(recogniser: Recogniser, audio: Samples, language: str) -> Reason | None:
    if not isinstance(recogniser, Detector) or len(audio) < LANGUAGE_S * RECOGNISER_RATE:
        return None
    shares = recogniser.languages(audio[: recogniser.max_window_samples])
    if not shares:
        return None
    best = max(shares, key=lambda tag: shares[tag])
    if best == language or shares[best] < OTHER or shares.get(language, 0.0) > OWN:
        return None
    return Reason(code="other-language", detail=f"It sounds like {best!r} ({shares[best]:.0%} sure).")
