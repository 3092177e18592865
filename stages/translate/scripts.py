"""Which scripts languages are written in, as Unicode names them, and what texts are made of. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

LATIN = "LATIN"

_LATIN_TAGS = """
af ast az bs ca ceb cs cy da de en eo es et eu fi fil fo fr fy ga gd gl ha haw hr ht hu id ig ilo is it jv lb
lg ln lt lv mg mi ms mt nb nl nn no ny oc pl pt ro sk sl sm sn so sq ss st su sv sw tl tn tr uz vi wo xh yo zu
"""
WRITTEN_IN_LATIN = frozenset(_LATIN_TAGS.split())
"""Languages in whose script names are written as in English."""

_OTHER_TABLE = """
am ti: ETHIOPIC
ar fa ps ur: ARABIC
as bn: BENGALI
az bs uz: LATIN CYRILLIC
ba be bg ce cv kv ky mk os ru tg tt uk: CYRILLIC
bo dz: TIBETAN
dv: THAANA
el: GREEK
gu: GUJARATI
ha ku ms: LATIN ARABIC
he yi: HEBREW
hi mr ne sa: DEVANAGARI
hy: ARMENIAN
ja: HIRAGANA KATAKANA CJK
ka: GEORGIAN
kk ug: ARABIC CYRILLIC LATIN
km: KHMER
kn: KANNADA
ko: HANGUL
ks sd: ARABIC DEVANAGARI
lo: LAO
ml: MALAYALAM
mn: CYRILLIC MONGOLIAN
my: MYANMAR
or: ORIYA
pa: GURMUKHI ARABIC
si: SINHALA
sr tk: CYRILLIC LATIN
ta: TAMIL
te: TELUGU
th: THAI
yue zh: CJK
"""

USUAL: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(WRITTEN_IN_LATIN, frozenset({LATIN})),
    **{
        tag: frozenset(names.split())
        for line in _OTHER_TABLE.strip().splitlines()
        for tags, names in [line.split(":")]
        for tag in tags.split()
    },
}
"""Language -> the scripts it is written in, by the first word of their letters' names (`CJK`: Han). Of
languages that are not here nothing is judged."""

_UNSPACED = frozenset({"HIRAGANA", "KATAKANA", "CJK", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"})
"""Scripts that set no spaces between words."""


def letters(text: str) -> list[str]:
    """The script of every letter of a text, in order; without those that all scripts share, as the long vowel
    of kana."""
    return [_script(sign) for sign in unicodedata.normalize("NFKC", text) if _is_letter(sign)]


def words(text: str) -> list[str]:
    """Words of a text, capitals made small: runs of letters and their marks; of a run in a script without
    spaces, the letters."""
    found: list[str] = []
    within = False
    for sign in unicodedata.normalize("NFKC", text).casefold():
        if sign.isalpha():
            alone = _script(sign) in _UNSPACED
            if within and not alone:
                found[-1] += sign
            else:
                found.append(sign)
            within = not alone
        elif found and unicodedata.category(sign).startswith("M"):
            found[-1] += sign
        else:
            within = False
    return found


def unspaced(found: Iterable[str]) -> int:
    """How many of some words are single letters of a script without spaces."""
    return sum(_script(word[0]) in _UNSPACED for word in found)


def _is_letter(sign: str) -> bool:
    return unicodedata.category(sign) in ("Lu", "Ll", "Lt", "Lo")


def _script(sign: str) -> str:
    return unicodedata.name(sign, "").partition(" ")[0]
