"""Glossaries: what a term of one language is called in another.

A table with a column for each language, named by its tag in the first row:

    en,ja,es
    bear,熊,oso
    Zorblatt,ゾーブラット,Zorblatt

CSV or TSV, UTF-8. An empty cell says nothing. A column `note` is for people. There may be one for all work,
in the data folder, and others for a project; where both have a term, the project's holds.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loc.errors import UsageError

GLOBAL_NAMES = ("glossary.csv", "glossary.tsv")
"""Names of the glossary that holds for all work, in the data folder."""

NOTE = "note"

_TAG = re.compile(r"[a-z]{2,3}")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
"""Scripts without spaces between words: kana, Han, Thai, Lao, Burmese, Khmer."""

_HANGUL = re.compile(r"[가-힣]+")

_PARTICLE_TABLE = """
은 는 이 가 을 를 의 에 에서 에게 에게서 께 께서 한테 한테서 와 과 하고 랑 이랑 도 만 로 으로 로서
으로서 로써 으로써 부터 까지 마저 조차 밖에 뿐 처럼 같이 만큼 보다 마다 나 이나 라도 이라도 든지 이든지
요 야 아 여 이여 씨 님 네 들 라 이라 라고 이라고 란 이란 라는 이라는 다 이다 였다 이었다 입니다 입니까
였습니다 이었습니다 예요 이에요 였어요 이었어요 이야 인 고 이고 며 이며 지 이지 지만 이지만 인데 면 이면
죠 이죠
"""
_PARTICLES = re.compile(f"(?:{'|'.join(_PARTICLE_TABLE.split())}){{1,3}}")
"""What Korean writes to a noun without a space: particles, up to three in a row, titles and the copula. What
else follows makes another word of it: 곰팡이, mould, is no 곰, bear."""

_NAME = re.compile(r"(?<=[\w,;:]\s)[A-ZÀ-ÖØ-Þ][^\W\d_]{2,}(?:\s[A-ZÀ-ÖØ-Þ][^\W\d_]{2,})*")
"""Words with a capital within a sentence."""

_KATAKANA = re.compile("[ァ-ヴー・]{3,}")
"""What Japanese writes foreign words in, names for the most part."""

_CAPITAL_NOUNS = frozenset({"de", "lb"})
"""Languages that write every noun with a capital."""

_CALENDAR_WORDS = """
monday tuesday wednesday thursday friday saturday sunday january february march april june july august
september october november december english spanish french german italian japanese chinese
"""
_CALENDAR = frozenset(_CALENDAR_WORDS.split())
"""What English writes with a capital and others translate."""

OFTEN = 2
"""Times a name must occur to be proposed as a term."""

Terms = tuple[tuple[str, str], ...]
"""(term of the source, term of the target)."""


@dataclass(frozen=True)
class Glossary:
    """Rows of one or several files, the strongest first: language -> term."""

    rows: tuple[Mapping[str, str], ...] = ()

    def terms(self, source: str, target: str) -> Terms:
        """The terms of a pair of languages, each once, longest first."""
        found: dict[str, tuple[str, str]] = {}
        for row in self.rows:
            if source in row and target in row:
                found.setdefault(row[source].casefold(), (row[source], row[target]))
        return tuple(sorted(found.values(), key=lambda term: (-len(term[0]), term)))


def occurring(terms: Terms, text: str) -> Terms:
    """Those of some terms that a text of the source language holds: whole words, however capitalised, with
    what Korean attaches to them.

    Args:
        terms: longest first; a shorter one that lies within a longer one found does not count.
        text: of the source.
    """
    found = []
    rest = _plain(text)
    for term in terms:
        without = _without(_plain(term[0]), rest)
        if without != rest:
            found.append(term)
            rest = without
    return tuple(found)


def holds(text: str, term: str) -> bool:
    """Whether a text of the target language has a term, however capitalised; endings may follow it."""
    return _plain(term) in _plain(text)


def _plain(text: str) -> str:
    """A text as it is compared: letters and marks however they are coded, capitals and spaces alike."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _without(term: str, text: str) -> str:
    """A text with a term blanked wherever it is a word; both plain."""
    at = text.find(term)
    while at >= 0:
        stop = at + len(term)
        if (at == 0 or _may_part(term[0], text[at - 1])) and _may_end(term[-1], text, stop):
            text = text[:at] + "\0" * len(term) + text[stop:]
        at = text.find(term, at + 1)
    return text


def _may_end(last: str, text: str, stop: int) -> bool:
    """Whether a term whose last sign is `last` may end before `stop`."""
    if stop == len(text):
        return True
    if unicodedata.category(text[stop]).startswith("M"):
        # It belongs to the term's last letter, which it makes another: राम is not in रामी.
        return False
    attached = _HANGUL.match(text, stop) if _HANGUL.match(last) else None
    return bool(_PARTICLES.fullmatch(attached[0])) if attached else _may_part(last, text[stop])


def _may_part(edge: str, neighbour: str) -> bool:
    """Whether a term may be a word of its own beside what is next to its edge."""
    if not (neighbour.isalnum() or neighbour == "_" or unicodedata.category(neighbour).startswith("M")):
        return True
    if _UNSPACED.match(edge) or _UNSPACED.match(neighbour):
        return True
    return bool(_HANGUL.match(edge)) != bool(_HANGUL.match(neighbour))


def names(text: str, language: str) -> list[str]:
    """What looks like names in a text: words with a capital within a sentence, foreign words in Japanese."""
    if language == "ja":
        return _KATAKANA.findall(text)
    if language in _CAPITAL_NOUNS:
        return []
    return [name for name in _NAME.findall(text) if name.casefold() not in _CALENDAR]


def proposed(texts: Iterable[str], source: str, target: str, known: Glossary) -> bytes:
    """A glossary to be filled in, CSV: often occurring names that no glossary has, the most frequent first.

    Args:
        texts: of the lines.
        source: their language.
        target: the language to be translated to.
        known: what there is.
    """
    terms = {term.casefold() for term, _ in known.terms(source, target)}
    counted = Counter(name for text in texts for name in names(text, source))
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow([source, target, NOTE])
    for name, count in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        if count >= OFTEN and name.casefold() not in terms:
            table.writerow([name, "", f"{count} times"])
    return written.getvalue().encode("utf-8")


def read_glossary(path: Path) -> Glossary:
    """Read a glossary.

    Raises:
        UsageError: it cannot be read, or its first row does not name languages.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "It is not UTF-8."
        raise UsageError(f"{path} cannot be read as a glossary.", why=why or "") from error
    try:
        table = list(csv.reader(io.StringIO(text), dialect=_dialect(path), strict=True))
    except csv.Error as error:
        raise UsageError(f"{path} cannot be read as a glossary.", why=f"{error}.") from error
    header = [name.strip().lower() for name in table[0]] if table else []
    languages = [name for name in header if name != NOTE]
    wrong = [name for name in languages if not _TAG.fullmatch(name)]
    if wrong or len(languages) < 2 or len(set(header)) < len(header):
        raise UsageError(
            f"{path} cannot be used as a glossary.",
            why=f"{wrong[0]!r} in its first row is no language." if wrong else "Its first row names too few.",
            fix="Name a language in each column of the first row, e.g. en,ja,es; a column may be `note`.",
        )
    return Glossary(tuple(_row(header, cells) for cells in table[1:] if any(cell.strip() for cell in cells)))


def _dialect(path: Path) -> type[csv.Dialect]:
    return csv.excel_tab if path.suffix.lower() == ".tsv" else csv.excel


def _row(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    return {
        name: " ".join(cell.split())
        for name, cell in zip(header, cells, strict=False)
        if name != NOTE and cell.strip()
    }


def layered(paths: Sequence[Path], data_dir: Path) -> Glossary:
    """The glossaries of a project, the first strongest, and behind them the one for all work.

    Raises:
        UsageError: one cannot be used.
    """
    everywhere = [path for name in GLOBAL_NAMES if (path := data_dir / name).is_file()]
    return Glossary(tuple(row for path in (*paths, *everywhere) for row in read_glossary(path).rows))
