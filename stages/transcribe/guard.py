"""What a recogniser wrote that nobody said, or that is sung, and when a transcript as a whole is not worth
going on with.

A model that was taught on subtitles writes something for every sound: the credits of the subtitles it learnt
from, one phrase over and over, a sentence over music. Each passage is judged by what the model thinks of it,
by its own text, and by where voice was found without the model. Pure functions; limits have their reasons.
"""

from __future__ import annotations

import re
import tomllib
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib import resources

from loc.artifacts import SAMPLE_RATE, Frozen, Reason, Word
from stages.transcribe import phrases

Range = tuple[int, int]

NO_SPEECH, IMPROBABLE = 0.6, -1.0
"""Probability of silence over which, and mean log probability under which, a passage is taken for silence;
both at once, as the model's authors found them to tell silence only together."""
REPETITIVE = 2.4
"""Text over its compressed length above which it repeats itself: prose reaches 1.6, a loop 4 and more."""
REPETITIVE_BYTES = 60
"""A shorter text tells nothing by that measure."""
LOOP = 6
"""Times that the same few words follow one another: a speaker insists four times, a loop goes on."""
LOOP_WORDS = 8
"""Longest phrase looked for in loops, in words."""
ECHO = 3
"""Passages one after the other with the same text, from which the later ones are an echo."""
ECHO_WORDS = 3
"""A shorter answer may well be given three times."""
VOICED_PASSAGE = 0.5
"""Share of a passage's time that must lie in voice."""
DOUBTFUL_NO_SPEECH, DOUBTFUL_LOGPROB = 0.2, -0.5
"""Where the model is less sure than this, what people also say, a farewell, is taken for a credit."""

SUNG = 0.5
"""Probability of song over which a passage is sung: the model would sooner write a note before it than a
word. Not tried on published weights."""

NOT_TEXT = "\ufffd"
"""Stands for bytes that are no text: a tokeniser's pieces that do not fit together."""

SONG = "it is sung, and stays as it is"
CREDIT = "a line of credits that the model learnt from subtitles"
SILENCE = "the model itself takes it for silence"
REPEATS = "the text repeats itself"
ECHOES = "the same text as before, again and again"
NO_TEXT = "signs without a word in them"
UNVOICED = "most of it lies where there is no voice"

GATE_LINES = 6
"""Fewer lines may well be alike."""
GATE_SAME = 0.5
"""Share of all lines that may be one and the same."""
GATE_CONFIDENCE = 0.2
"""Mean confidence of words under which a transcript is noise: hard sound stays over 0.4."""
GATE_DROPPED = 0.7
"""Share of the recognised time that may have been dropped as invented."""
GATE_VOICE = 48_000
"""Samples of voice from which the gate judges at all."""

UNHEARD_VOICE = 60 * SAMPLE_RATE
"""Samples of certain voice from which it is asked how much of it has words: a minute of laughter or song may
well have none."""
UNHEARD_SHARE = 0.01
"""Share of the certain voice that must have words. Of recorded speech they cover 84 % and
more (pocketsphinx on three recordings). But of a film in which little is said most of it may be none: three
quarters of bursts of noise pass for certain voice. 1 % is half a minute of words in an hour."""


class Said(Frozen):
    """One passage: words in samples at 48 kHz, and what the recogniser thinks of it (None: nothing)."""

    words: tuple[Word, ...]
    logprob: float | None
    no_speech: float | None
    sung: float | None = None

    @property
    def start(self) -> int:
        return self.words[0].start

    @property
    def stop(self) -> int:
        return self.words[-1].stop


def sort(
    passages: Sequence[Said], regions: Sequence[Range], language: str
) -> tuple[list[Said], list[tuple[Said, str]]]:
    """Passages that are lines, and those that are invented or sung, each with the reason; both in order of
    time.

    Args:
        passages: in order of time.
        regions: where voice was found, samples at 48 kHz, in order and apart.
    """
    kept: list[Said] = []
    dropped: list[tuple[Said, str]] = []
    last, times = "", 0
    for passage in passages:
        text = phrases.join_words(passage.words, language)
        plain = _plain(text)
        times = times + 1 if plain == last else 1
        last = plain
        why = _doubt(passage, text, regions, language)
        if why is None and times >= ECHO and len(_tokens(text, language)) >= ECHO_WORDS:
            why = ECHOES
        if why is None:
            kept.append(passage)
        else:
            dropped.append((passage, why))
    return kept, dropped


def _doubt(passage: Said, text: str, regions: Sequence[Range], language: str) -> str | None:
    if passage.logprob is None or passage.no_speech is None:
        # A recogniser without an opinion of its own work is no language model: it writes what it hears.
        return None
    if not _plain(text) or NOT_TEXT in text:
        return NO_TEXT
    inside = sum(phrases.overlap((word.start, word.stop), regions) for word in passage.words)
    voiced = inside >= VOICED_PASSAGE * sum(word.stop - word.start for word in passage.words)
    if voiced and is_song(passage):
        return SONG  # whose refrain may well repeat itself
    if passage.no_speech > NO_SPEECH and passage.logprob < IMPROBABLE:
        return SILENCE
    if repeats(text, language):
        return REPEATS
    if not voiced:
        return UNVOICED
    unsure = passage.no_speech > DOUBTFUL_NO_SPEECH or passage.logprob < DOUBTFUL_LOGPROB
    return CREDIT if is_credit(text, unsure=unsure) else None


def is_song(passage: Said) -> bool:
    """Whether the recogniser takes a passage for song."""
    return passage.sung is not None and passage.sung > SUNG


def certainty(passages: Sequence[Said], voice: int) -> float:
    """How sure a recogniser is of what it heard in `voice` samples, 0..1: voice without words counts as 0."""
    words = [word for passage in passages for word in passage.words]
    return sum((word.confidence or 0.0) * (word.stop - word.start) for word in words) / max(1, voice)


def repeats(text: str, language: str) -> bool:
    """Whether a text is a loop: it compresses too well, or a phrase follows itself too often."""
    data = text.encode()
    if len(data) >= REPETITIVE_BYTES and len(data) / len(zlib.compress(data)) > REPETITIVE:
        return True
    tokens = _tokens(text, language)
    return any(_run(tokens, length) >= LOOP for length in range(1, LOOP_WORDS + 1))


def _run(tokens: Sequence[str], length: int) -> int:
    """How often a phrase of `length` tokens follows itself at most, itself counted."""
    best = same = 0
    for index in range(length, len(tokens)):
        same = same + 1 if tokens[index] == tokens[index - length] else 0
        best = max(best, same)
    return best // length + 1 if len(tokens) >= length else 0


def is_credit(text: str, *, unsure: bool) -> bool:
    """Whether a text is a known line of credits.

    Args:
        unsure: whether the recogniser doubts it; then farewells count too.
    """
    plain = _plain(text)
    always, farewells = _credits()
    return any(part in plain for part in always) or (unsure and plain in farewells)


@cache
def _credits() -> tuple[tuple[str, ...], frozenset[str]]:
    raw = tomllib.loads(resources.files("stages.transcribe").joinpath("credits.toml").read_text("utf-8"))
    return tuple(map(_plain, raw["always"])), frozenset(map(_plain, raw["farewells"]))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


_UNSPACED_TOKEN = re.compile(r"\d+(?:[.,，．]\d+)*|[a-zß-öø-ɏ]+|\w")
"""A number, a word in Latin letters, else one sign: what is said as one does not follow itself."""


def _tokens(text: str, language: str) -> list[str]:
    return _UNSPACED_TOKEN.findall(text.casefold()) if language in phrases.UNSPACED else _plain(text).split()


def gate(
    lines: Sequence[str],
    words: Sequence[Word],
    dropped: int,
    voiced: int,
    certain: int,
    *,
    judges: bool,
    sung: int = 0,
) -> list[Reason]:
    """Why a transcript must not be worked on; empty: it may.

    Args:
        lines: text of all lines.
        words: all of them.
        dropped: samples of passages that were dropped as invented.
        voiced: samples of voice.
        certain: samples of it that every detector takes for voice.
        judges: whether the confidences are probabilities of a model that knows them.
        sung: samples of passages that are song.
    """
    reasons = []
    if voiced < GATE_VOICE:
        return []
    recognised = sum(word.stop - word.start for word in words) + sung
    if dropped > GATE_DROPPED * (dropped + recognised):
        share = dropped / (dropped + recognised)
        reasons.append(
            Reason(code="invented", detail=f"{share:.0%} of what was recognised is invented, not heard")
        )
    if certain >= UNHEARD_VOICE and recognised < UNHEARD_SHARE * certain:
        minutes = certain / SAMPLE_RATE / 60
        reasons.append(
            Reason(
                code="unheard",
                detail=f"there are words in {recognised / certain:.1%} of {minutes:.0f} minutes of voice",
            )
        )
    counts = Counter(_plain(line) for line in lines)
    if len(lines) >= GATE_LINES and (most := max(counts.values())) > GATE_SAME * len(lines):
        reasons.append(Reason(code="one-phrase", detail=f"{most} of {len(lines)} lines are the same"))
    known = [word for word in words if word.confidence is not None]
    length = sum(word.stop - word.start for word in known)
    if judges and length:
        mean = sum((word.confidence or 0.0) * (word.stop - word.start) for word in known) / length
        if mean < GATE_CONFIDENCE:
            reasons.append(Reason(code="unsure", detail=f"words are {mean:.0%} sure on average"))
    return reasons
