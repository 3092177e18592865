"""What a translation can be seen to lack, from the texts alone: terms, numbers, names.

None of it fails a line, since each can be wrong: what is found is noted for whoever looks at the report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from loc.artifacts import Reason
from loc.glossary import Terms, holds, names, occurring
from loc.numbers import numbers
from stages.translate.scripts import WRITTEN_IN_LATIN

SPELLED = 12
"""Numbers up to this are as often written in words as in digits."""

NAME_LETTERS = 4
"""Letters a name must have to be looked for, and that must agree: endings change with case and language."""

_LARGE_UNITS = re.compile("[十百千万萬億亿兆만억조]|लाख|करोड़|লাখ|কোটি|لاکھ|کروڑ")
"""With these, numbers are written otherwise: 12,000 is 1万2千."""


def notes(source: str, text: str, languages: tuple[str, str], terms: Terms, nearby: str = "") -> list[Reason]:
    """What a line's translation seems to lack. Figures only, no text.

    Args:
        source: the line's text.
        text: its translation.
        languages: of the two.
        terms: of the glossary.
        nearby: translations of the lines next to it, into which a word may have moved.
    """
    found = []
    lost = lacks(source, text, languages, terms, nearby)
    wanted, figures, named = occurring(terms, source), _numbers(source), _names(source, languages)
    if lost.terms:
        found.append(_reason("term", len(lost.terms), len(wanted), "terms of the glossary are"))
    if lost.numbers:
        found.append(_reason("number", len(lost.numbers), len(figures), "numbers are"))
    if lost.names:
        found.append(_reason("name", len(lost.names), len(named), "names are"))
    return found


@dataclass(frozen=True)
class Lacks:
    """What of a line is not found in its translation: terms with what they must become, numbers by their
    digits, words of names."""

    terms: Terms = ()
    numbers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def lacks(source: str, text: str, languages: tuple[str, str], terms: Terms, nearby: str = "") -> Lacks:
    """What a line's translation seems to lack; arguments as of `notes`."""
    around = f"{text} {nearby}"
    figures = tuple(one for one in _numbers(source) if one not in _numbers(around))
    folded = around.casefold()
    return Lacks(
        tuple(missing_terms(occurring(terms, source), around)),
        () if _LARGE_UNITS.search(around) else figures,
        tuple(one for one in _names(source, languages) if one.casefold()[:NAME_LETTERS] not in folded),
    )


def missing_terms(wanted: Iterable[tuple[str, str]], text: str) -> list[tuple[str, str]]:
    """Those terms whose translation a text does not hold."""
    return [term for term in wanted if not holds(text, term[1])]


def _reason(code: str, lost: int, total: int, what: str) -> Reason:
    return Reason(code=code, detail=f"{lost} of {total} {what} not found in the translation.")


def _numbers(text: str) -> list[str]:
    """Numbers of a text as digits alone, those left out that may be written in words, or otherwise for the
    large unit that they are followed by."""
    digits = (digits for digits, rest in numbers(text) if not _LARGE_UNITS.match(rest))
    return [one for one in digits if len(one) > 9 or int(one) > SPELLED]


def _names(text: str, languages: tuple[str, str]) -> list[str]:
    """Names of a text that ought to look alike in the other language."""
    source, target = languages
    if target not in WRITTEN_IN_LATIN:
        return []
    words = (word for name in names(text, source) for word in name.split())
    return [word for word in words if len(word) >= NAME_LETTERS]
