"""Why a text is no translation of a line, as far as the two texts tell. Pure.

What is found here fails a line, so that it stays silent: it must not be wrong about names, numbers, cries and
words that many languages share.
"""

from __future__ import annotations

import re

from stages.translate import kin
from stages.translate.scripts import LATIN, USUAL, letters, unspaced, words

ECHO_WORDS = 5
ECHO_SIGNS = 8
"""Source text of at least this many words, or letters of a script without spaces, that comes back unchanged
was not translated, whatever the translator says; shorter ones, or one word again and again, may be names, or
the same in both languages: 中華人民共和国 has seven signs."""

NEAR_ECHO_WORDS = 12
NEAR_ECHO_SIGNS = 20
"""The same between languages that are near each other (`kin.NEAR`): of lines of five words, with two of three
shared, one in eight is the same in both; of those of twelve, one in a hundred. Between names of one language
(`kin.ONE`) nothing tells an echo from a translation."""

NAME_WORDS = 6
"""Latin words that a line in another script may have and no letter of its own: `iPhone 15`, `The New York
Times`. What is longer is a sentence, and so is what has at least two words, more than half of them without a
capital."""

_LOOP = re.compile(r"([^\W\d_].{0,30}?\S)(?:\s*\1){7,}", re.DOTALL)
"""The same again, eight times in a row: what a model says that has lost its way. People stop before, unless
they laugh or call."""
OFTENER = 2
"""Times as often as in the source that something may be said in a row: another language laughs otherwise."""

_ERRORS = tuple(
    tuple(said.split())
    for said in (
        "translation failed", "translation error", "translation unavailable", "translation not available",
        "failed to translate", "unable to translate", "error translating",
    )
)  # fmt: skip
"""What programs put where a translation should stand; a line in another language than English does not begin
so."""

_LATIN_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def failure(source: str, text: str, languages: tuple[str | None, str], unknown_words: int = 0) -> str | None:
    """Why a text is no translation of a line; None if it may be one.

    Args:
        source: the line.
        text: what the translator made of it.
        languages: of the line, None where it is not known, and the one it should be in.
        unknown_words: words of the line that the translator did not know.
    """
    said = words(source)
    if not said:
        return None
    if not text.strip():
        return "The translator gave nothing back."
    if languages[1] != "en" and any(tuple(words(text)[: len(one)]) == one for one in _ERRORS):
        return "The translator gave the words of an error back."
    if _loops(text, source):
        return "The translator repeated itself without end."
    if words(text) == said:
        if unknown_words >= len(said):
            return "The translator knew none of its words."
        if _is_echo(said, languages) or _is_foreign(text, languages[1]):
            return "The translator gave the source back."
    return _script_fault(said, text, languages[1])


def _is_echo(said: list[str], languages: tuple[str | None, str]) -> bool:
    """Whether a line that came back as it was is too long to be the same in both languages."""
    if len({*said}) == 1 or kin.are_one(*languages):
        return False
    if kin.are_near(*languages):
        return _is_long(said, NEAR_ECHO_WORDS, NEAR_ECHO_SIGNS)
    return _is_long(said)


def _is_long(said: list[str], most_words: int = ECHO_WORDS, most_signs: int = ECHO_SIGNS) -> bool:
    signs = unspaced(said)
    return len(said) - signs >= most_words or signs >= most_signs


def _is_foreign(text: str, target: str) -> bool:
    """Whether most letters are of scripts the language is not written in; Latin ones stand in all."""
    found = letters(text)
    usual = USUAL.get(target)
    return usual is not None and 2 * sum(one != LATIN and one not in usual for one in found) > len(found)


def _script_fault(said: list[str], text: str, target: str) -> str | None:
    found, usual = letters(text), USUAL.get(target)
    if not found:
        # Numbers may be all there is to say.
        mute = _is_long(said) and not any(map(str.isalnum, text))
        return "The translator gave no word back." if mute else None
    if usual is None or not usual.isdisjoint(found):
        return None
    if set(found) == {LATIN}:
        latin = _LATIN_WORD.findall(text)
        small = sum(word[0].islower() for word in latin)
        if len(latin) <= NAME_WORDS and (small < 2 or 2 * small <= len(latin)):
            return None
    return "The translator answered in a script that is not the language's."


def _loops(text: str, source: str) -> bool:
    """Whether a text repeats itself as no speaker does, and the source not nearly so; a cry of one vowel is
    no loop."""
    times = [loop[0].count(loop[1]) for loop in _LOOP.finditer(text) if len({*loop[1].casefold()}) > 1]
    return bool(times) and not _repeats(source, -(-max(times) // OFTENER))


def _repeats(text: str, times: int) -> bool:
    """Whether something, be it a single letter, is said so many times in a row; capitals do not matter."""
    pattern = rf"([^\W\d_](?:.{{0,30}}?\S)?)(?:\s*\1){{{times - 1},}}"
    return re.search(pattern, text.casefold(), re.DOTALL) is not None
