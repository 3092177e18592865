"""Lines of text in rows of a subtitle: joined, broken where the language lets them be, and divided in time.

Widths are columns: two for a full-width sign, none for a mark that stands on another.

Thai is broken between words (BudouX knows them), Khmer, Lao and Burmese, for which nothing here does, at
blanks and where the text itself marks a place with a `ZERO_WIDTH_SPACE`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from loc.media.line_rules import LineRules, line_rules, phrase_ends

FULL_WIDTH = 32
"""Columns of a row of full-width signs where the language is not known, or is one of narrow letters."""

PUNCTUATION = 8
"""Columns by which two rows may be the less even for breaking after punctuation."""
CLAUSE = 4
"""The same for breaking before a word that begins a clause."""
HELD = 10
"""Columns by which they had rather be uneven than parted after a word that belongs to the next; twice that
where the word before it does as well: "on | the roof" is better than "on the | roof"."""

ORPHAN = 8
"""Columns of a sentence's beginning that are not left alone at the end of a row."""

SENTENCE = 3
"""Where one subtitle becomes two, breaks after punctuation count so many times as much: a sentence that is
divided in time is read twice."""

ZERO_WIDTH_SPACE = "\u200b"
"""Where words meet without a blank. One ends a row, or a part, that the next follows without a blank although
its script has blanks, so that `join_lines` puts none in."""

_BLANKS = " \t\r\n\f\v\u00a0\u3000"
_NO_ENDS = _BLANKS + ZERO_WIDTH_SPACE
_BLANK_RUN = re.compile(r"\u200b*[ \t\r\n\f\v\u00a0][ \t\r\n\f\v\u00a0\u200b]*")
_CLOSING = "\"'”’»)]」』）"
_NOT_FIRST = frozenset(
    "、。，．・：；？！!?,.:;ー〜～…‥」』）】〉》〕］｝)]}”’々％\u3000"
    "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ"
    "ๆฯ"
)
"""Signs that Japanese typesetting does not begin a line with (JIS X 4051), the small kana among them; and the
signs of Thai that repeat or shorten the word before them."""
_NOT_LAST = frozenset("「『（【〈《〔［｛([{“‘\u3000")
_UNSPACED_RANGES = (
    ("\u3000", "\u30ff"),  # CJK punctuation, hiragana, katakana
    ("\u3400", "\u9fff"),  # Han
    ("\uf900", "\ufaff"),  # Han, compatibility
    ("\uff01", "\uff60"),  # full-width forms
    ("\U00020000", "\U0003ffff"),  # Han, supplementary planes
)
_CLAUSED_RANGES = (
    ("\u0e00", "\u0eff"),  # Thai, Lao
    ("\u1000", "\u109f"),  # Burmese
    ("\u1780", "\u17ff"),  # Khmer
    ("\ua9e0", "\ua9ff"),  # Burmese, extended
    ("\uaa60", "\uaa7f"),
)
_WIDTHLESS = frozenset({"Mn", "Me", "Cf"})
"""Categories of signs that take no room of their own: marks on a sign, and what only says how signs join."""


def _unspaced(char: str) -> bool:
    """Whether a sign belongs to a script that puts no spaces anywhere."""
    return any(low <= char <= high for low, high in _UNSPACED_RANGES)


def _claused(char: str) -> bool:
    """Whether a sign belongs to a script that puts spaces between clauses, and none between words."""
    return any(low <= char <= high for low, high in _CLAUSED_RANGES)


def join_lines(lines: Iterable[str]) -> str:
    """Displayed lines as one: a space between them, but none inside a script that has none."""
    text = ""
    for line in lines:
        part = _BLANK_RUN.sub(" ", line).strip(_BLANKS)
        if text and part:
            if text.endswith(ZERO_WIDTH_SPACE):
                text = text[:-1]
            elif not (_unspaced(text[-1]) and _unspaced(part[0])):
                text += " "
        text += part
    return text.strip(ZERO_WIDTH_SPACE)


def columns(text: str) -> int:
    """Width of a text on one row."""
    return sum(
        0
        if unicodedata.category(char) in _WIDTHLESS
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )


def row_columns(text: str, language: str | None) -> int:
    """Width of a row for a text of a language; a text in full-width signs counts as such whatever is said."""
    rules = line_rules(language)
    return FULL_WIDTH if not rules.wide and any(map(_unspaced, text)) else rules.columns


@dataclass(frozen=True)
class _Break:
    """A place where a text may be broken: a row ends before sign `end` and the next begins with sign `begin`.

    `worth`: how well, in columns of evenness. `mark`: what is put at the end of the row.
    """

    end: int
    begin: int
    worth: int
    mark: str = ""


def wrap(text: str, language: str | None = None) -> str:
    """One line as at most two rows, of about equal width; `join_lines` gives the line back.

    Text that is too long for two keeps two: `split` divides it first.
    """
    most = row_columns(text, language)
    if columns(text) <= most:
        return text
    breaks = _breaks(text, language)
    if not breaks:
        return text

    def cost(place: _Break) -> tuple[int, int]:
        wider = max(columns(text[: place.end]), columns(text[place.begin :]))
        return max(0, wider - most), wider - place.worth

    best = min(breaks, key=cost)
    return f"{text[: best.end]}{best.mark}\n{text[best.begin :]}"


def wrap_to(text: str, most: int, language: str | None = None) -> str:
    """One line as so many rows as it takes for none to be wider than `most` columns, of about equal width;
    for drawing at a size.

    Two rows as of `wrap` where they fit. A word or an unbroken run that is wider stays whole.
    """
    halves = wrap(text, language)
    if all(columns(line) <= most for line in halves.splitlines()):
        return halves
    fewest = -(-columns(text) // most)
    for count in range(fewest, len(text) + 1):
        # The narrowest at which this many lines hold it all: even lines, not a last one of two signs.
        for limit in range(-(-columns(text) // count), most + 1):
            lines = _filled(text, limit, language)
            if len(lines) <= count and all(columns(line) <= limit for line in lines):
                return "\n".join(lines)
    return "\n".join(_filled(text, most, language))


def _filled(text: str, most: int, language: str | None) -> list[str]:
    """Lines as full as they can be."""
    lines = []
    while columns(text) > most:
        breaks = _breaks(text, language)
        fitting = [place for place in breaks if columns(text[: place.end]) <= most]
        if not breaks:
            break
        place = fitting[-1] if fitting else breaks[0]
        lines.append(text[: place.end] + place.mark)
        text = text[place.begin :]
    return [*lines, text]


def fits(text: str, language: str | None) -> bool:
    """Whether a text goes into one subtitle, without a sentence's first word left at the end of a row."""
    rules = line_rules(language)
    rows = wrap(text, language).splitlines()
    most = row_columns(text, language)
    fit = len(rows) <= rules.rows and all(columns(row) <= most for row in rows)
    return fit and not any(_orphaned(row, rules) for row in rows[:-1])


def split(text: str, language: str | None, count: int = 1) -> list[str]:
    """A text as subtitles that are shown one after the other: as few as it takes for each to fit, but at
    least `count`; fewer where it cannot be broken. They are about equally long, and end where sentences and
    clauses do, if these are near."""
    if count == 1 and fits(text, language):
        return [text]
    capacity = line_rules(language).rows * row_columns(text, language)
    places = [_Break(0, 0, 0), *_breaks(text, language), _Break(len(text), len(text), 0)]
    # How each place is best reached in so many parts: (cost, the place before).
    ways: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for stop, place in enumerate(places[1:], start=1):
        here: dict[int, tuple[float, int]] = {}
        for start in range(stop - 1, -1, -1):
            part = text[places[start].begin : place.end]
            # What cannot be broken is taken as it is.
            if start < stop - 1 and not (columns(part) <= capacity and fits(part, language)):
                if columns(part) > capacity:
                    break
                continue
            for parts, (cost, _) in ways[start].items():
                # Squares of lengths are least where these are equal.
                total = cost + columns(part) ** 2 / capacity - SENTENCE * place.worth
                if total < here.get(parts + 1, (math.inf, 0))[0]:
                    here[parts + 1] = (total, start)
        ways.append(here)
    number = min((parts for parts in ways[-1] if parts >= count), default=max(ways[-1]))
    cuts = [len(places) - 1]
    for left in range(number, 0, -1):
        cuts.append(ways[cuts[-1]][left][1])
    cuts.reverse()
    return [
        text[places[first].begin : places[last].end] + places[last].mark for first, last in pairwise(cuts)
    ]


def _breaks(text: str, language: str | None) -> list[_Break]:
    """Where a text may be broken, in order: at blanks; in scripts without them between phrases, or between
    any two signs where nothing tells phrases."""
    rules = line_rules(language)
    ends = phrase_ends(text, rules)
    found = [index for index in range(1, len(text)) if _may_break(text, index, ends)]
    if not found and ends is not None:
        found = [index for index in range(1, len(text)) if _may_break(text, index, None)]
    return [
        _Break(
            index,
            index + (text[index] == " "),
            _worth(text[:index], text[index:], rules),
            "" if text[index] == " " or _unspaced(text[index - 1]) else ZERO_WIDTH_SPACE,
        )
        for index in found
    ]


def _may_break(text: str, index: int, ends: frozenset[int] | None) -> bool:
    """Whether a row may end before a sign.

    Args:
        ends: where phrases end, if that is known.
    """
    left, right = text[index - 1], text[index]
    if right == " ":
        after = text[index + 1 : index + 2]
        if not after or left in _NO_ENDS or after in _NO_ENDS:
            return False
        return not (_unspaced(left) and _unspaced(after))
    if left in _BLANKS or left in _NOT_LAST or right in _NOT_FIRST or right == ZERO_WIDTH_SPACE:
        return False
    if left == ZERO_WIDTH_SPACE:
        return right not in _BLANKS and bool(text[:index].strip(_NO_ENDS))
    if _claused(left) and _claused(right):
        return ends is not None and index in ends
    return _unspaced(left) and _unspaced(right) and (ends is None or index in ends)


def _worth(left: str, right: str, rules: LineRules) -> int:
    """How well a text is broken in two; `right` begins with the blank, if there is one."""
    left, blank, right = left.rstrip(ZERO_WIDTH_SPACE), right.startswith(" "), right.lstrip(" ")
    *_, before, last = ["", *left.lower().split(" ")]
    if last in rules.short:
        return -HELD
    # Commas, stops and dashes (Po, Pd) of any script. What belongs to a closing bracket often follows it.
    bare = left.rstrip(_CLOSING)
    if bare.endswith(tuple(rules.ends + rules.pauses)) or unicodedata.category(left[-1]) in ("Po", "Pd"):
        return PUNCTUATION
    if blank and _claused(left[-1]) and _claused(right[0]):
        return PUNCTUATION
    if last in rules.holds:
        return -2 * HELD if before in rules.holds else -HELD
    if _orphaned(left, rules):
        return -HELD
    return CLAUSE if right.partition(" ")[0].lower() in rules.before else 0


def _orphaned(row: str, rules: LineRules) -> bool:
    """Whether a sentence begins shortly before the end of a row."""
    at = max((row.rfind(sign) for sign in rules.ends), default=-1)
    rest = row[at + 1 :].strip(_NO_ENDS + _CLOSING)
    if at < 0 or not rest or row[: at + 1].lower().rpartition(" ")[2] in rules.short:
        return False
    return columns(rest) <= ORPHAN


def reading_seconds(text: str, rules: LineRules) -> float:
    """How long a text takes to be read. Signs of the other width than the language's count by the usual rates
    of theirs."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    narrow = len(text) - wide
    slow = rules.cps if rules.wide else WIDE_CPS
    quick = NARROW_CPS if rules.wide else rules.cps
    return wide / slow + narrow / quick


NARROW_CPS, WIDE_CPS = 17, 4
"""Letters, and full-width signs, of another language's script that are read in a second: the general figure,
and that of Japanese."""
