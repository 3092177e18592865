"""What of a subtitle is said, and by whom; what of it tells of sounds and speakers, as in subtitles for the
deaf.

What is told apart, after the guidelines of broadcasters and streaming services, which differ in the signs:

- `[door slams]`, `【...】`, and `(sighs)`, `（...）` where no sentence is around or in them: descriptions;
- `♪ ... ♪`, and rows that begin with such a note: what is sung;
- `ANNA:` in capitals before a row, and `>>`: who speaks, or that another does;
- `[Anna]` before what is said, in a file that writes `[door slams]` small, and `（太郎）`: who speaks, too;
- rows that each begin with a dash, and `- Hi. - Hello.`: what one says and another answers.
"""

from __future__ import annotations

import re
import unicodedata
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

_BRACKETS = r"\[([^\[\]\n]+)\]|［([^［］\n]+)］|【([^【】\n]+)】|\(([^()\n]+)\)|（([^（）\n]+)）"
_LABEL = re.compile(rf"({_LEAD}(?:>{{2,3}}\s*)?)(?:{_BRACKETS})[ \t\u3000]*[:：]?[ \t\u3000]*")
"""What stands in brackets before a row."""
_HALF_ROUND = 5
"""Its group of `(...)`."""
_SMALL_WORDS = frozenset({"and", "at", "de", "from", "in", "of", "on", "the", "to", "van", "von"})
_VOICE_OF = re.compile("の声\\Z")
_NUMBERED = re.compile(r"(?<=\w)\s*[A-Z0-9]{1,2}\Z")
"""What tells two of a kind apart: `男A`."""
_CJK = re.compile(r"[\u3005\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3・ー\s]+\Z")
_NO_NAME = re.compile(
    "(?:て|で|に|を|ながら|つつ|げ|そう|声|音|鳴|息|笑|笑い|泣き|叫び|咳|せき|払い|打ち|歌|唄|笛|楽|拍手|歓喜|嗚咽"
    "|くしゃみ|あくび|いびき|ノック|チャイム|ベル|ブザー|アラーム|着信|爆発|沈黙|無言|独り言|回想|モノローグ"
    "|手紙|字幕|テロップ|語|口調|訛り|方言|注|註|略|例|中"
    "|며|고|면서|아서|어서|해서|에서|하게|으로|어|듯|리|박수|환호|비명|음악|노크|정적|침묵|주"
    "|聲|哭|着|著|地|的|语|气|氣|叹|嘆|咳|嗽|掌|乐|樂|唱|鸣|响|響|默|叫|喊|呼|门|門)\\Z"
)
"""Ends of what tells of sounds and manners, or is a note, in Japanese, Korean and Chinese."""
_SEVERAL = re.compile("(?:たち|達|一同|全員|们|們|众人|眾人|全体|全體|들|모두|일동)\\Z")
_ONE_LETTER = frozenset("男女父母兄姉姐弟妹夫妻娘王")
"""Who is called by one sign; `（株）` and `(주)` belong to names of firms."""

MOST_LETTERS = 12
"""Of a name in a script without capitals."""

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
    labels = _labels(texts)
    return [_said(text, known, labels) for text in texts]


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


def _labels(texts: Iterable[str]) -> set[str]:
    """What in brackets names a speaker in a file, by how the file writes the rest.

    Such stands before what is said and never alone. With capitals it is told from a description by those that
    stand alone and begin small, as most must; in Japanese, Korean and Chinese, by its coming twice, being
    short, and not ending as what tells of sounds or of how something is said. What is no name and is taken
    for one joins speakers; a name that is missed joins none, so doubt is no name.
    """
    before, alone = Counter[str](), Counter[str]()
    for text in texts:
        rows = text.split("\n")
        for place, match in _labelled(rows):
            rest = rows[place][match.end() :]
            if _speaks(rest):
                before[_inside(match)] += 1
            elif not any(row.strip() for row in [rest, *rows[place + 1 :]]):
                alone[_inside(match)] += 1
    small = sum(count for inside, count in alone.items() if inside[0].islower())
    capitals = sum(count for inside, count in alone.items() if inside[0].isupper())
    named = {inside for inside in before if inside not in alone and _is_capital(inside)}
    if small <= capitals or sum(before[inside] for inside in named) < LEAST_NAMES:
        named = set()
    plain = {inside for inside, count in before.items() if count > 1 and _is_plain_name(inside)}
    return named | (plain - set(alone))


def _labelled(rows: Sequence[str]) -> Iterator[tuple[int, re.Match[str]]]:
    """Rows with something in brackets before them. Half-width round ones stand in sentences too: there, the
    row before must have ended its own."""
    before = ""
    for place, row in enumerate(rows):
        if match := _LABEL.match(row):
            within = match[_HALF_ROUND] is not None and not match[1].strip()
            if not (within and before.strip() and not _ENDS_TURN.search(before)):
                yield place, match
        before = row


def _inside(match: re.Match[str]) -> str:
    """What stands in the brackets of a label."""
    return next(group for group in match.groups()[1:] if group is not None).strip() or " "


def _speaks(text: str) -> bool:
    """Whether something is left of a text without its brackets; song is not spoken."""
    return not _NOTE.search(text) and any(map(str.isalnum, _ROUND.sub("", _SQUARE.sub("", text))))


def _is_capital(inside: str) -> bool:
    """Whether every word begins with a capital but the small ones between: `Man 2 on the Phone`."""
    words = inside.split()
    if not 1 <= len(words) <= MOST_WORDS or _IS_SENTENCE.search(inside) or "," in inside:
        return False
    rest = (word[0].isupper() or word in _SMALL_WORDS or word.lstrip("#").isdecimal() for word in words[1:])
    return words[0][0].isupper() and all(rest)


def _is_plain_name(inside: str) -> bool:
    """Whether this may be a name in a script without capitals."""
    name = _called(inside)
    bare = _NUMBERED.sub("", unicodedata.normalize("NFKC", name))
    if not _CJK.match(bare) or not any(map(str.isalpha, bare)) or len(bare) > MOST_LETTERS:
        return False
    # The Korean noun of a verb ends in m: a laugh, a sigh, a cough.
    noun = "\uac00" <= bare[-1] <= "\ud7a3" and (ord(bare[-1]) - 0xAC00) % 28 == 16
    short = len(bare) == 1 and bare not in _ONE_LETTER
    return not (noun or short or bare == "心" or _NO_NAME.search(bare) or _SEVERAL.search(bare))


def _called(inside: str) -> str:
    """Whose a voice is, where that is said: `太郎の声`."""
    return _VOICE_OF.sub("", inside)


def _without_labels(rows: Sequence[str], labels: set[str]) -> Iterator[tuple[str, str | None]]:
    """Each row without the name in brackets before it, and that name."""
    found = {place: match for place, match in _labelled(rows) if _inside(match) in labels}
    for place, row in enumerate(rows):
        match = found.get(place)
        yield (match[1] + row[match.end() :], _called(_inside(match))) if match else (row, None)


def _said(text: str, known: set[str], labels: set[str]) -> Said:
    named = list(_without_labels(text.split("\n"), labels))
    rest, square = _SQUARE.subn(_rows_of, "\n".join(row for row, _ in named))
    rest, asides = _without_asides(rest)
    written, sung = _without_song(rest.split("\n"))
    rows = [_row(row, known, name) for row, (_, name) in zip(written, named, strict=True)]
    names = sum(row.name is not None for row in rows)
    turns = [turn for turn in _turns(rows) if any(char.isalnum() for row in turn for char in row.text)]
    if [row.text for row in rows] == text.split("\n") and len(turns) < 2:
        return Said((Turn(text),) if text.strip() else ())
    found = _answered(_turn(turn, among=len(turns)) for turn in turns)
    return Said(tuple(found), square + asides, sung, names)


def _rows_of(match: re.Match[str]) -> str:
    """The ends of rows in what is left out: rows keep their numbers."""
    return "\n" * match[0].count("\n")


def _row(row: str, known: set[str], label: str | None) -> _Row:
    rest, changes = _CHANGE.subn(r"\1", row, count=1)
    name = None if label else _name(rest)
    if name not in known:
        return _Row(rest, label, changes > 0)
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
            kept, count = before + _rows_of(match), count + 1
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
