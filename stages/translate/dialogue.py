"""Talking to a language model about a scene: what it is asked, and what is made of what it says.

The model is asked for one JSON object whose names are the numbers of the lines. Of what it answers, lines
that are there are kept, missing ones are asked for again, and a request that brings none, be it that it is
turned down or not answered in time, is cut in half, down to single lines. A single line is at last asked for
without what is said around it, which may be what a model refuses, and without JSON, which small models cannot
write. A refusal is told from a malformed reply, so that one line that is refused does not take the others
with it.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from loc.app.languages import NAMES
from loc.errors import InputError, LocError, MissingError, UsageError
from loc.glossary import occurring
from stages.translate.checks import lacks
from stages.translate.scene import Long, Said, Scene

Messages = Sequence[Mapping[str, str]]
"""`role` and `content` of each, as chat models take them."""

TRIES = 3
"""Times a single line is asked for before it fails."""

PLAIN_FACTOR, PLAIN_MORE = 3, 40
"""Signs that an answer without JSON may have: this many times its line's, and this many. What is longer talks
about the line."""

_CODE_FENCE = re.compile(r"\A\s*```[a-z]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
"""What models that reason aloud put before their answer."""

_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"))

_REFUSALS = re.compile(
    r"\A\W*(?:i(?:'|’)?m (?:very |so )?sorry\b|sorry[,.]|i (?:can(?:'|’)?t|cannot|won(?:'|’)?t)\b"
    r"|i am (?:not able|unable)\b|as an ai\b|unfortunately, i\b|申し訳|すみませんが|lo siento, pero"
    r"|je suis désolé|es tut mir leid, aber)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reply:
    """One answer of a model.

    Args:
        content: its text.
        raw: what came over the wire, whole.
        tokens_in, tokens_out: as it counted them; 0 where it does not say.
        refused: it says by a field of its own that it will not.
        cut: it was stopped by its limit of length.
    """

    content: str
    raw: bytes
    tokens_in: int = 0
    tokens_out: int = 0
    refused: bool = False
    cut: bool = False


class Complete(Protocol):
    """Sends messages to a model, and the names of the lines it is to answer in JSON: none where it is to
    answer in plain text.

    Raises:
        LocError: there is no answer.
    """

    def __call__(self, messages: Messages, wanted: Sequence[str]) -> Reply: ...


@dataclass(frozen=True)
class Answer:
    """A line as it was answered."""

    text: str
    replies: tuple[Reply, ...] = field(default=())
    """What its translation, and those that came with it, took: given to one line alone, so that the sum over
    all lines, with `InVain` where none was had, is what was spent."""


class InVain(LocError):  # noqa: N818 - what happened, as its replies tell
    """No line of a request could be had. `replies`: what was answered and paid for all the same."""

    def __init__(self, error: LocError, replies: tuple[Reply, ...]) -> None:
        super().__init__(error.what, why=error.why, fix=error.fix)
        self.code = error.code
        self.replies = replies


class Conversation(ABC):
    """A translator that shows a language model scenes, wherever that model is."""

    @abstractmethod
    def complete(self, messages: Messages, wanted: Sequence[str]) -> Reply:
        """Have the model answer; see `Complete`."""

    def translate_scene(self, scene: Scene, wanted: Sequence[int]) -> Mapping[int, Answer | LocError]:
        """Ask for some lines of a scene; see `stages.translate.contract.SceneTranslator`."""
        return converse(
            wanted,
            lambda places, complaints: translate_messages(scene, places, complaints),
            self.complete,
            lambda place, texts: lacking(scene, place, texts),
            Alone(lambda place: alone_messages(scene, place), lambda place: scene.lines[place]),
        )

    def shorten(self, longs: Sequence[Long]) -> Mapping[int, Answer | LocError]:
        """Ask for lines in fewer words."""
        return converse(range(len(longs)), lambda places, _: shorten_messages(longs, places), self.complete)


# What is asked


def translate_messages(
    scene: Scene, wanted: Sequence[int], complaints: Mapping[int, str] = MappingProxyType({})
) -> Messages:
    """The request for some lines of a scene.

    Args:
        scene: what is shown.
        wanted: positions of the lines asked for.
        complaints: position -> what was wrong with its line before.
    """
    rules = [
        f"You translate dialogue of a film from {_name(scene.source)} to {_name(scene.target)}. It will be"
        " spoken by actors over the same pictures.",
        "Write what a native speaker would say aloud, about as long as the source.",
        "Each numbered line stays a line of its own; where a sentence goes on over several, so may its"
        " translation. Leave nothing out and add nothing.",
        "Keep names, and every number with its value.",
        "Answer with one JSON object and nothing else: its names are the numbers asked for, its values the"
        " translations.",
    ]
    if scene.terms:
        rules.append("Translate these terms as given: " + _terms(scene.terms))
    if scene.manners:
        rules.append("How they speak: " + " ".join(scene.manners))
    parts = [
        *_block("Said before, not to be translated:", (f"{one.speaker}: {one.text}" for one in scene.before)),
        *_block("The lines:", _numbered(scene.lines)),
        *_block("Said after, not to be translated:", (f"{one.speaker}: {one.text}" for one in scene.after)),
        *(f"{place + 1}: {complaints[place]}" for place in wanted if place in complaints),
        f"Translate {_which(wanted, len(scene.lines))}.",
    ]
    return _messages(rules, parts)


def alone_messages(scene: Scene, place: int) -> Messages:
    """The request for one line of a scene, without what is said around it, and without JSON."""
    line = scene.lines[place]
    rules = [
        f"You translate dialogue of a film from {_name(scene.source)} to {_name(scene.target)}.",
        "Answer with the translation of the line and nothing else.",
    ]
    if terms := occurring(scene.terms, line.text):
        rules.append("Translate these terms as given: " + _terms(terms))
    return _messages(rules, [f"{place + 1}. {line.speaker}: {line.text}"])


def lacking(scene: Scene, place: int, texts: Mapping[int, str]) -> tuple[str, ...]:
    """What the translation of a line lacks, in words: terms of the glossary, numbers, names. A word may have
    moved to the line before or after.

    Args:
        texts: position -> translation.
    """
    nearby = " ".join(texts.get(other, "") for other in (place - 1, place + 1))
    languages, target = (scene.source, scene.target), _name(scene.target)
    lost = lacks(scene.lines[place].text, texts[place], languages, scene.terms, nearby)
    return (
        *(f"translate {_terms([term])}" for term in lost.terms),
        *(f"the number {number} is missing" for number in lost.numbers),
        *(f"the name {name} is missing, if it is none other in {target}" for name in lost.names),
    )


def shorten_messages(longs: Sequence[Long], wanted: Sequence[int]) -> Messages:
    """The request for some of several lines in fewer words."""
    first = longs[0]
    unit = "morae" if first.target == "ja" else "letters"
    rules = [
        f"Lines of a film were translated from {_name(first.source)} to {_name(first.target)}, and some take"
        " longer to say than there is time.",
        f"Say each in fewer words, with at most the {unit} that are given for it. Keep its sense, its tone,"
        " names and numbers; leave out what matters least.",
        "Answer with one JSON object and nothing else: its names are the numbers of the lines, its values the"
        " shorter lines.",
    ]
    if terms := tuple(dict.fromkeys(term for place in wanted for term in longs[place].terms)):
        rules.append("Keep these terms as given: " + _terms(terms))
    parts = [
        f"{place + 1}. At most {longs[place].limit} {unit}, now {longs[place].length}:"
        f" {longs[place].text} (source: {' '.join(longs[place].source_text.split())})"
        for place in wanted
    ]
    return _messages(rules, parts)


def _messages(rules: Iterable[str], parts: Iterable[str]) -> Messages:
    return [
        {"role": "system", "content": "\n".join(rules)},
        {"role": "user", "content": "\n".join(parts)},
    ]


def _name(language: str) -> str:
    return NAMES.get(language, language)


def _terms(terms: Sequence[tuple[str, str]]) -> str:
    return "; ".join(
        f"{json.dumps(a, ensure_ascii=False)} as {json.dumps(b, ensure_ascii=False)}" for a, b in terms
    )


def _block(title: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return [title, *found, ""] if found else []


def _numbered(lines: Sequence[Said]) -> Iterable[str]:
    return (f"{number}. {one.speaker}: {one.text}" for number, one in enumerate(lines, 1))


def _which(wanted: Sequence[int], total: int) -> str:
    if len(wanted) == total:
        return "every line"
    return f"line{'s' if len(wanted) > 1 else ''} " + ", ".join(str(one + 1) for one in wanted)


def schema(wanted: Sequence[str]) -> dict[str, Any]:
    """JSON schema of the answer: a string for each name, and nothing else."""
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in wanted},
        "required": list(wanted),
        "additionalProperties": False,
    }


# What is made of the answer


def read_lines(content: str, wanted: Sequence[str]) -> dict[str, str]:
    """The lines a reply holds, of those wanted: texts that are not empty, under their own name, once.

    A name that comes twice with different texts counts for neither.
    """
    text = _THOUGHTS.sub("", content, count=1).strip()
    fenced = _CODE_FENCE.match(text)
    found: dict[str, str] = {}
    twice: set[str] = set()

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for name, value in pairs:
            if name in seen and seen[name] != value:
                twice.add(name)
            seen[name] = value
        return seen

    try:
        said = json.loads(fenced[1] if fenced else text, object_pairs_hook=collect)
    except (ValueError, RecursionError):
        return {}
    if isinstance(said, dict):
        for name in wanted:
            value = said.get(name)
            if isinstance(value, str) and value.strip() and _is_whole(value) and name not in twice:
                found[name] = " ".join(value.split())
    return found


def _is_whole(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON may name half a character of UTF-16."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuses(reply: Reply) -> bool:
    """Whether a reply in which there are no lines says that the model will not."""
    return reply.refused or bool(_REFUSALS.match(_THOUGHTS.sub("", reply.content, count=1)))


@dataclass(frozen=True)
class Alone:
    """How a single line is asked for at last.

    Args:
        ask: position -> the request.
        said: position -> the line, and who says it.
    """

    ask: Callable[[int], Messages]
    said: Callable[[int], Said]


def read_plain(content: str, place: int, said: Said) -> str | None:
    """A line answered without JSON; None where it is something else, as words about it.

    Args:
        content: of the reply.
        place: position at which the line was shown.
        said: the line that was to be translated, and who says it.
    """
    line = said.text
    text = _THOUGHTS.sub("", content, count=1).strip()
    if fenced := _CODE_FENCE.match(text):
        text = fenced[1].strip()
    text = _unnumbered(text, place, said)
    for opening, closing in _QUOTES:
        if text[:1] == opening and text[-1:] == closing and line.strip()[:1] != opening:
            text = text[1:-1].strip()
    labelled = any(colon in text and colon not in line for colon in ":：")
    long = len(text) > PLAIN_FACTOR * len(line) + PLAIN_MORE
    if "\n" in text or labelled or long or not any(map(str.isalpha, text)) or text[0] in "{[":
        return None
    return " ".join(text.split()) if _is_whole(text) else None


def _unnumbered(text: str, place: int, said: Said) -> str:
    """A text without the number and the speaker that its line was shown with, where it came back with them. A
    number that the line holds itself, and no speaker follows, is the translation's: a date begins so."""
    number, speaker = f"{place + 1}. ", f"{said.speaker}: "
    bare = text.removeprefix(number).strip()
    if bare.startswith(speaker):
        return bare.removeprefix(speaker).strip()
    return text if re.search(rf"(?<!\d){place + 1}(?!\d)", said.text) else bare


def converse(
    wanted: Sequence[int],
    ask: Callable[[Sequence[int], Mapping[int, str]], Messages],
    complete: Complete,
    lacking: Callable[[int, Mapping[int, str]], Sequence[str]] = lambda _place, _texts: (),
    alone: Alone | None = None,
) -> dict[int, Answer | LocError]:
    """Ask for lines until each has an answer or has failed; once more for those that lack something.

    Args:
        wanted: positions of the lines to be asked for.
        ask: positions, and what is wrong with them so far -> the request.
        complete: sends a request.
        lacking: position, and all texts answered -> what the one there lacks, in words.
        alone: how a line is asked for at last; None: as before.
    """
    answers: dict[int, Answer | LocError] = {}
    replies: list[Reply] = []
    _Asking(lambda places: ask(places, {}), complete, alone, answers, replies).lines(tuple(wanted), TRIES)
    texts = {place: answer.text for place, answer in answers.items() if isinstance(answer, Answer)}
    lost = {place: words for place in texts if (words := lacking(place, texts))}
    if lost:
        complaints = {place: "; ".join(words) + "." for place, words in lost.items()}
        better: dict[int, Answer | LocError] = {}
        again = _Asking(lambda places: ask(places, complaints), complete, None, better, replies)
        again.lines(tuple(complaints), 1)
        for place, answer in better.items():
            if isinstance(answer, Answer) and len(lacking(place, {**texts, place: answer.text})) < len(
                lost[place]
            ):
                answers[place] = answer
    return _charged(answers, wanted, tuple(replies))


def _charged(
    answers: dict[int, Answer | LocError], wanted: Sequence[int], replies: tuple[Reply, ...]
) -> dict[int, Answer | LocError]:
    """Answers of which the first that is there, or else the first failure, tells what all of them took."""
    for place in wanted:
        answer = answers[place]
        if isinstance(answer, Answer):
            return {**answers, place: Answer(answer.text, replies)}
    if replies:
        failed = answers[wanted[0]]
        assert isinstance(failed, LocError)
        return {**answers, wanted[0]: InVain(failed, replies)}
    return answers


@dataclass(frozen=True)
class _Asking:
    """One round of asking; `converse` says what for. `answers` and `replies` are what comes of it."""

    ask: Callable[[Sequence[int]], Messages]
    complete: Complete
    alone: Alone | None
    answers: dict[int, Answer | LocError]
    replies: list[Reply]

    def lines(self, wanted: tuple[int, ...], tries: int) -> None:
        """Ask for lines, a single one up to so many times."""
        if not wanted:
            return
        try:
            reply = self.complete(self.ask(wanted), [str(place + 1) for place in wanted])
        except (MissingError, UsageError) as error:
            # The endpoint is gone, or turned so much down that the rest of the scene would fare no better.
            self.answers.update(dict.fromkeys(wanted, error))
            return
        except LocError as error:
            if len(wanted) > 1:
                self._in_halves(wanted, tries)
            else:
                self._last(wanted[0], error)
            return
        self.replies.append(reply)
        found = read_lines(reply.content, [str(place + 1) for place in wanted])
        for place in wanted:
            if text := found.get(str(place + 1)):
                self.answers[place] = Answer(text)
        missing = tuple(place for place in wanted if str(place + 1) not in found)
        refused = not found and refuses(reply)
        # The last of the tries is the line alone.
        left = tries - 1 if self.alone is None else tries - 2
        if found:
            self.lines(missing, tries)
        elif len(missing) > 1:
            self._in_halves(missing, tries)
        elif left > 0 and not refused:
            self.lines(missing, tries - 1)
        else:
            self._last(missing[0], _failure(reply, refused))

    def _in_halves(self, wanted: tuple[int, ...], tries: int) -> None:
        half = len(wanted) // 2
        self.lines(wanted[:half], tries)
        self.lines(wanted[half:], tries)

    def _last(self, place: int, failure: LocError) -> None:
        """Ask for a line alone, which failed before."""
        self.answers[place] = failure
        if self.alone is None:
            return
        try:
            reply = self.complete(self.alone.ask(place), ())
        except (MissingError, UsageError) as error:
            self.answers[place] = error
            return
        except LocError:
            return
        self.replies.append(reply)
        name = str(place + 1)
        if found := read_lines(reply.content, [name]).get(name):
            self.answers[place] = Answer(found)
        elif refuses(reply):
            self.answers[place] = _failure(reply, refused=True)
        elif not reply.cut and (plain := read_plain(reply.content, place, self.alone.said(place))):
            self.answers[place] = Answer(plain)


def _failure(reply: Reply, refused: bool) -> LocError:
    if refused:
        return InputError("The translator refused this line.")
    if reply.cut:
        return InputError("The translator's answer was cut short each time.")
    return InputError("The translator's answer could not be read.")
