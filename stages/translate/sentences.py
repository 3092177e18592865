"""Sentences and lines: what is read as one text, where sentences end, how a translation goes back to lines.

All pure, over text alone. A recogniser or a subtitle file cuts a sentence where a breath or a row ends;
translators want it whole. So lines are joined to passages that end where a sentence does, the sentences of a
passage are translated, and each translation is divided among the lines its sentence came from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from loc.artifacts import SAMPLE_RATE

MAX_PAUSE = SAMPLE_RATE
"""Samples of silence within a sentence; after a longer pause a speaker has begun anew."""

MAX_LINES = 4
"""Lines of one passage: a longer one is rather a text whose punctuation cannot be trusted."""

MAX_CHARACTERS = 400
"""Of one passage. Translators are trained on sentences of up to about half of that."""

UNSPACED = frozenset({"ja", "zh", "yue"})
"""Languages written without spaces between words."""

_FINAL = ".!?…。！？．؟।։።۔។။"
_CLOSING = "\"'”’»›)]」』）】"
_CLAUSE = ",;:–—，、；：،؛"
_SMALL = "ー々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ"
_NO_BREAK_BEFORE = frozenset("、，・：；〉》％" + _SMALL + _CLOSING + _FINAL)
_NO_BREAK_AFTER = frozenset("「『（【〈《“‘¿¡([")

_ENDS = re.compile(rf"[{re.escape(_FINAL)}][{re.escape(_CLOSING)}]*\s*\Z")
_OF_NUMBERS = "[0-9０-９A-Za-zＡ-Ｚａ-ｚ]"
"""Between two of these a full-width stop is a decimal point, or one of an abbreviation."""
_BOUNDARY = re.compile(
    rf"[.!?…؟।։።۔។။]+[{re.escape(_CLOSING)}]*(?P<space>\s+)(?=[\"'“‘«(¿¡\[]*(?P<next>[^\W_]))"
    rf"|(?:[。！？]|(?<!{_OF_NUMBERS})．|．(?!{_OF_NUMBERS}))+[{re.escape(_CLOSING)}]*(?P<none>\s*)(?=.)"
)
_ABBREVIATED = re.compile(r"\b(?i:mr|mrs|ms|dr|prof|st|vs|jr|sr|mt|gen|sen|rep|[a-z])\.\Z")
"""A stop that ends no sentence where another word follows: after a title, or an initial."""
_LEFT_OPEN = re.compile(r"\b(?i:mr|mrs|ms|dr|prof|st|vs|mt|gen|sen|rep)\.\Z|\b[A-HJ-Z]\.\Z")
"""One that ends no line's sentence: "Jr.", "p.m." and "So do I." mostly do."""
_NUMERO = re.compile(r"\b(?i:no)\.\Z")
"""Short for a number before digits, and a word elsewhere."""


class Spoken(Protocol):
    """A line as far as its place matters."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def speaker(self) -> str | None: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class Sentence:
    """A sentence of a passage, and the lines it lies in.

    `lines`: positions in the passage, in order. `lengths`: characters in each, at least 1.
    """

    text: str
    lines: tuple[int, ...]
    lengths: tuple[int, ...]


def ends_sentence(text: str) -> bool:
    """Whether a text ends where a sentence does."""
    return bool(_ENDS.search(text)) and not _LEFT_OPEN.search(text.rstrip())


def passages(lines: Sequence[Spoken]) -> list[range]:
    """Which lines are read as one text: positions, every line in one range, in order.

    A line that ends no sentence is joined with those after it up to one that does; where none does soon, or
    another speaks, or a pause comes first, it stays alone. So text without punctuation is never joined.
    """
    found: list[range] = []
    start = 0
    while start < len(lines):
        stop = _passage_end(lines, start)
        found.append(range(start, stop))
        start = stop
    return found


def _passage_end(lines: Sequence[Spoken], start: int) -> int:
    length = 0
    for index in range(start, min(start + MAX_LINES, len(lines))):
        line, before = lines[index], lines[max(start, index - 1)]
        length += len(line.text)
        if not line.text.strip():
            break
        broken = line.speaker != before.speaker or line.start - before.stop > MAX_PAUSE
        if index > start and (broken or length > MAX_CHARACTERS):
            break
        if ends_sentence(line.text):
            return index + 1
    return start + 1


def sentences(texts: Sequence[str], language: str) -> list[Sentence]:
    """The sentences of a passage, in order; lines without text have none.

    Args:
        texts: of its lines.
        language: that they are in.
    """
    space = "" if language in UNSPACED else " "
    joined = ""
    owners: list[int] = []
    for number, text in enumerate(texts):
        words = " ".join(text.split())
        if joined and words:
            joined += space
            owners += owners[-1:] * len(space)
        joined += words
        owners += [number] * len(words)
    found = []
    for start, stop in _spans(joined):
        inside = owners[start:stop]
        lines = tuple(dict.fromkeys(inside))
        lengths = tuple(inside.count(line) for line in lines)
        found.append(Sentence(joined[start:stop].strip(), lines, lengths))
    return found


def translatable(texts: Sequence[str], language: str) -> list[Sentence]:
    """As `sentences`, but for those without a letter or digit, from which translators only invent."""
    return [one for one in sentences(texts, language) if any(map(str.isalnum, one.text))]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _BOUNDARY.finditer(text):
        stop = match.end()
        following = match["next"]
        if following is not None:
            before = text[: match.start("space")]
            numbered = following.isdecimal() and _NUMERO.search(before)
            if following.islower() or numbered or _ABBREVIATED.search(before):
                continue
        yield start, stop
        start = stop
    if text[start:].strip():
        yield start, len(text)


def give_back(texts: int, parts: Sequence[tuple[Sentence, str]], language: str) -> list[str] | None:
    """The text of every line of a passage, from the translations of its sentences; None where a line would
    be left without any.

    Args:
        texts: how many lines the passage has.
        parts: each sentence with its translation.
        language: of the translations.
    """
    lines: list[list[str]] = [[] for _ in range(texts)]
    for sentence, translation in parts:
        pieces = divide(translation, sentence.lengths, language)
        if pieces is None:
            return None
        for line, piece in zip(sentence.lines, pieces, strict=True):
            lines[line].append(piece)
    space = "" if language in UNSPACED else " "
    return [space.join(pieces) for pieces in lines]


# Dividing

_CLAUSE_COST, _WORD_COST, _LETTER_COST = 0.0, 0.15, 0.6
"""What a break costs beside its distance from where the source breaks, in shares of the text: a clause end
is worth 15 % of distance over a word end, a break within what may be one word is a last resort."""


def divide(text: str, lengths: Sequence[int], language: str) -> list[str] | None:
    """Divide a text in as many parts as there are lengths, in their proportion as far as its own clauses and
    words allow; None where it has not enough of them.

    Args:
        text: of one sentence.
        lengths: positive, one for each part.
        language: of the text.
    """
    text = text.strip()
    if len(lengths) == 1:
        return [text]
    breaks = _breaks(text, language)
    total, wanted, passed = sum(lengths), [], 0
    for length in lengths[:-1]:
        passed += length
        wanted.append(passed / total * len(text))
    chosen = _cheapest(breaks, wanted, len(text))
    if chosen is None:
        return None
    edges = [0, *chosen, len(text)]
    pieces = [text[start:stop].strip() for start, stop in pairwise(edges)]
    return pieces if all(any(map(str.isalnum, piece)) for piece in pieces) else None


def _breaks(text: str, language: str) -> list[tuple[int, float]]:
    """(position, cost) of every place where a text may be broken, with a letter or digit on either side."""
    first = next((index for index, char in enumerate(text) if char.isalnum()), len(text))
    last = next((index for index in range(len(text) - 1, -1, -1) if text[index].isalnum()), 0)
    found = []
    for index in range(first + 1, last + 1):
        before, after = text[index - 1], text[index]
        if before.isspace() or after in _NO_BREAK_BEFORE or before in _NO_BREAK_AFTER:
            continue
        if before in _CLAUSE or before in _FINAL:
            if after.isspace() or language in UNSPACED:
                found.append((index, _CLAUSE_COST))
        elif after.isspace():
            found.append((index, _WORD_COST))
        elif language in UNSPACED and _kind(before) != "latin":
            # Japanese writes endings and particles in hiragana: what follows one begins a new phrase.
            new = _kind(before) == "hiragana" and _kind(after) != "hiragana"
            found.append((index, _WORD_COST if new else _LETTER_COST))
    return found


def _kind(char: str) -> str:
    if "\u3041" <= char <= "\u309f":
        return "hiragana"
    if "\u30a0" <= char <= "\u30ff":
        return "katakana"
    return "latin" if char.isascii() else "other"


def _cheapest(breaks: Sequence[tuple[int, float]], wanted: Sequence[float], length: int) -> list[int] | None:
    """The breaks, one for each wanted place and in order, of least distance and cost together."""
    nothing: tuple[float, list[int]] = (math.inf, [])
    row: list[tuple[float, list[int]]] = []
    for number, place in enumerate(wanted):
        before: tuple[float, list[int]] = nothing if number else (0.0, [])
        ending = []
        for index, (position, cost) in enumerate(breaks):
            ending.append((before[0] + cost + abs(position - place) / length, [*before[1], position]))
            if number:
                before = min(before, row[index], key=lambda item: item[0])
        row = ending
    total, chosen = min(row, key=lambda item: item[0], default=nothing)
    return chosen if total < math.inf else None
