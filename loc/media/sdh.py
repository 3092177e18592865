"""What of a subtitle is said, and by whom; what of it tells of sounds and speakers, as in subtitles for the
deaf.

What is told apart, after the guidelines of broadcasters and streaming services, which differ in the signs:

- `[door slams]`, `【...】`, and `(sighs)`, `（...）` where no sentence is around or in them: descriptions;
- `♪ ... ♪`, and rows that begin with such a note: what is sung;
- `ANNA:` in capitals before a row, and `>>`: who speaks, or that another does;
- rows that each begin with a dash, and `- Hi. - Hello.`: what one says and another answers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

_SQUARE = re.compile(r"(?:\[[^\[\]]*\]|［[^［］]*］|【[^【】]*】)[ \t]*:?")
_ROUND = re.compile(r"\(([^()]*)\)|（([^（）]*)）")
_ENDS_SENTENCE = re.compile(r"[.!?…。！？♪♫\"”»」』:]\s*\Z")
_IS_SENTENCE = re.compile(r"[.!?。！？]\s*\Z")
_DASHES = "-\u2010\u2013\u2014\u2015\uff0d"
_NOTE = re.compile("[♩♪♫♬]+")
_LEAD = rf"\s*(?:[{_DASHES}]\s*)?"
_BEGINS_SONG = re.compile(rf"{_LEAD}[♩♪♫♬]")
_HASHED = re.compile(rf"{_LEAD}#\s.*\s#\s*\Z")
_CHANGE = re.compile(rf"\A({_LEAD})>{{2,3}}\s*")
_DASH = re.compile(rf"\A\s*[{_DASHES}](?:\s+|(?!\d))(?=.*\w)")
_END = r"[.!?…。！？\"”»」』]"
_ENDS_TURN = re.compile(rf"{_END}\s*\Z")
_ANSWER = re.compile(rf"(?<={_END})\s+(?=[{_DASHES}]\s?\S*\w)")
"""Where another answers on the same row."""
_NAME = re.compile(rf"({_LEAD})([^\W\d_][^:\n]{{1,31}}):(?:\s+|\Z)")

MOST_WORDS = 4
"""Of a name: `WOMAN ON THE PHONE` is one, a sentence in capitals is none."""

LEAST_NAMES = 2
"""Names in a file before one is taken for one: a single `WARNING:` is said."""


@dataclass(frozen=True)
class Turn:
    """What one speaker says of a text.

    Args:
        text: in its rows; not empty.
        name: of the speaker, where the text has it.
        changes: whether the text says that another spoke before.
    """

    text: str
    name: str | None = None
    changes: bool = False


@dataclass(frozen=True)
class Said:
    """What is said in a text.

    Args:
        turns: of its speakers, one after the other; none where nothing is said.
        descriptions: how many were left out.
        sung: rows with song that were left out.
        names: how many names of speakers were left out.
    """

    turns: tuple[Turn, ...]
    descriptions: int = 0
    sung: int = 0
    names: int = 0

    @property
    def text(self) -> str:
        """All of it, in its rows."""
        return "\n".join(turn.text for turn in self.turns)


def said(texts: Sequence[str]) -> list[Said]:
    """What is said in each text of a subtitle file. Where nothing was found, what one speaker says stays to
    the letter.

    Args:
        texts: of all its cues, without markup, in rows.
    """
    shouted = not any(char.islower() for text in texts for char in text)
    found = Counter(name for text in texts for row in text.split("\n") if (name := _name(row)))
    enough = found.total() >= LEAST_NAMES
    known = {name for name, count in found.items() if enough and (count > 1 or not shouted)}
    return [_said(text, known) for text in texts]


def summary(parts: Iterable[Said]) -> str:
    """What was left out of a file, in words; empty where nothing was."""
    parts = list(parts)
    counts = (
        (sum(one.descriptions for one in parts), "description"),
        (sum(one.sung for one in parts), "row of song"),
        (sum(one.names for one in parts), "name of a speaker"),
    )
    words = [f"{count} {_plural(what, count)}" for count, what in counts if count]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _plural(what: str, count: int) -> str:
    head, *rest = what.split(" ", 1)
    return " ".join([head if count == 1 else f"{head}s", *rest])


@dataclass(frozen=True)
class _Row:
    """A row of a text without what tells of its speaker."""

    text: str
    name: str | None
    changes: bool


def _said(text: str, known: set[str]) -> Said:
    rest, square = _SQUARE.subn("", text)
    rest, asides = _without_asides(rest)
    written, sung = _without_song(rest.split("\n"))
    rows = [_row(row, known) for row in written]
    names = sum(row.name is not None for row in rows)
    turns = [turn for turn in _turns(rows) if any(char.isalnum() for row in turn for char in row.text)]
    if [row.text for row in rows] == text.split("\n") and len(turns) < 2:
        return Said((Turn(text),) if text.strip() else ())
    found = _answered(_turn(turn, among=len(turns)) for turn in turns)
    return Said(tuple(found), square + asides, sung, names)


def _row(row: str, known: set[str]) -> _Row:
    rest, changes = _CHANGE.subn(r"\1", row, count=1)
    name = _name(rest)
    if name not in known:
        return _Row(rest, None, changes > 0)
    return _Row(_NAME.sub(r"\1", rest, count=1), name, changes > 0)


def _turns(rows: Sequence[_Row]) -> list[list[_Row]]:
    """The rows of each speaker."""
    dashed = next((bool(_DASH.match(row.text)) for row in rows if row.text.strip()), False)
    if dashed:
        rows = [
            _Row(part, row.name, row.changes) if not place else _Row(part, None, changes=True)
            for row in rows
            for place, part in enumerate(_ANSWER.split(row.text) if _DASH.match(row.text) else [row.text])
        ]
    turns: list[list[_Row]] = []
    before = ""
    for row in rows:
        answers = _DASH.match(row.text) and (dashed or _ENDS_TURN.search(before))
        if not turns or row.name or row.changes or answers:
            turns.append([])
        turns[-1].append(row)
        before = row.text if row.text.strip() else before
    return turns


def _answered(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Turns with the change of speaker between them, but where both have the same name."""
    before: Turn | None = None
    for turn in turns:
        changes = turn.changes if before is None else turn.name is None or turn.name != before.name
        yield replace(turn, changes=changes)
        before = turn


def _turn(rows: Sequence[_Row], among: int) -> Turn:
    """A turn, without its dash where there are others."""
    texts = [" ".join(row.text.split()) for row in rows]
    if among > 1:
        texts[0] = _DASH.sub("", texts[0], count=1)
    text = "\n".join(row for row in texts if row.strip(f"{_DASHES}: "))
    return Turn(text, next((row.name for row in rows if row.name), None), rows[0].changes)


def _name(row: str) -> str | None:
    """Who a row says that speaks, if it does."""
    match = _NAME.match(_CHANGE.sub(r"\1", row, count=1))
    if match is None:
        return None
    name = match[2].strip()
    letters = sum(char.isalpha() for char in name)
    return name if letters > 1 and name.isupper() and len(name.split()) <= MOST_WORDS else None


def _without_asides(text: str) -> tuple[str, int]:
    """A text without what stands in round brackets outside its sentences, and how much that was.

    What begins a row in full-width brackets is such, too: Chinese and Japanese subtitles end no sentence with
    a sign.
    """
    kept, count, at = "", 0, 0
    for match in _ROUND.finditer(text):
        before = kept + text[at : match.start()]
        inner = match[1] if match[1] is not None else match[2]
        begins = not before.strip(f"{_DASHES}> \t\n") or _ENDS_SENTENCE.search(before) is not None
        in_row = match[2] is not None and before.endswith("\n")
        if inner.strip() and not _IS_SENTENCE.search(inner) and (begins or in_row):
            kept, count = before, count + 1
        else:
            kept = before + match[0]
        at = match.end()
    return kept + text[at:], count


def _without_song(rows: Sequence[str]) -> tuple[list[str], int]:
    """Rows without what is sung in them, and in how many of them that was.

    Song goes to its closing note, over rows too; where none closes it, to the end.
    """
    kept, sung, singing = [], 0, False
    for row in rows:
        notes = list(_NOTE.finditer(row))
        begins = _BEGINS_SONG.match(row) is not None
        if _HASHED.match(row):
            rest = ""
        elif begins or singing:
            closing = notes[-1] if len(notes) > begins else None
            alone = len(notes) == 1 and not _NOTE.sub("", row).strip(f"{_DASHES} ") and len(notes[0][0]) > 1
            rest = row[closing.end() :] if closing else ""
            singing = not (closing or alone)
        elif notes:
            rest = row[: notes[0].start()] + row[notes[-1].end() :]
        else:
            rest = row
        sung += rest != row
        kept.append(rest)
    return kept, sung
