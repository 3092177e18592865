"""Language tags: which are known, and what a mistaken one probably meant.

Tags are BCP-47 primary tags in lower case: the two-letter code of ISO 639-1 where there is one, else the
three-letter code of ISO 639-3 (`yue`).
"""

from __future__ import annotations

import difflib
import re

from loc.errors import UsageError
from loc.media.languages import three_letters

_TWO_LETTER = """
aa Afar|ab Abkhazian|ae Avestan|af Afrikaans|ak Akan|am Amharic|an Aragonese|ar Arabic|as Assamese
av Avaric|ay Aymara|az Azerbaijani|ba Bashkir|be Belarusian|bg Bulgarian|bi Bislama|bm Bambara
bn Bengali|bo Tibetan|br Breton|bs Bosnian|ca Catalan|ce Chechen|ch Chamorro|co Corsican|cr Cree
cs Czech|cu Church Slavic|cv Chuvash|cy Welsh|da Danish|de German|dv Divehi|dz Dzongkha|ee Ewe|el Greek
en English|eo Esperanto|es Spanish|et Estonian|eu Basque|fa Persian|ff Fulah|fi Finnish|fj Fijian
fo Faroese|fr French|fy Western Frisian|ga Irish|gd Gaelic|gl Galician|gn Guarani|gu Gujarati|gv Manx
ha Hausa|he Hebrew|hi Hindi|ho Hiri Motu|hr Croatian|ht Haitian|hu Hungarian|hy Armenian|hz Herero
ia Interlingua|id Indonesian|ie Interlingue|ig Igbo|ii Sichuan Yi|ik Inupiaq|io Ido|is Icelandic
it Italian|iu Inuktitut|ja Japanese|jv Javanese|ka Georgian|kg Kongo|ki Kikuyu|kj Kuanyama|kk Kazakh
kl Kalaallisut|km Khmer|kn Kannada|ko Korean|kr Kanuri|ks Kashmiri|ku Kurdish|kv Komi|kw Cornish
ky Kyrgyz|la Latin|lb Luxembourgish|lg Ganda|li Limburgish|ln Lingala|lo Lao|lt Lithuanian
lu Luba-Katanga|lv Latvian|mg Malagasy|mh Marshallese|mi Maori|mk Macedonian|ml Malayalam|mn Mongolian
mr Marathi|ms Malay|mt Maltese|my Burmese|na Nauru|nb Norwegian Bokmal|nd North Ndebele|ne Nepali
ng Ndonga|nl Dutch|nn Norwegian Nynorsk|no Norwegian|nr South Ndebele|nv Navajo|ny Chichewa|oc Occitan
oj Ojibwa|om Oromo|or Odia|os Ossetian|pa Punjabi|pi Pali|pl Polish|ps Pashto|pt Portuguese|qu Quechua
rm Romansh|rn Rundi|ro Romanian|ru Russian|rw Kinyarwanda|sa Sanskrit|sc Sardinian|sd Sindhi
se Northern Sami|sg Sango|si Sinhala|sk Slovak|sl Slovenian|sm Samoan|sn Shona|so Somali|sq Albanian
sr Serbian|ss Swati|st Southern Sotho|su Sundanese|sv Swedish|sw Swahili|ta Tamil|te Telugu|tg Tajik
th Thai|ti Tigrinya|tk Turkmen|tl Tagalog|tn Tswana|to Tonga|tr Turkish|ts Tsonga|tt Tatar|tw Twi
ty Tahitian|ug Uyghur|uk Ukrainian|ur Urdu|uz Uzbek|ve Venda|vi Vietnamese|vo Volapuk|wa Walloon
wo Wolof|xh Xhosa|yi Yiddish|yo Yoruba|za Zhuang|zh Chinese|zu Zulu
"""

NAMES: dict[str, str] = {
    entry[:2]: entry[3:] for line in _TWO_LETTER.strip().splitlines() for entry in line.split("|")
}
"""Two-letter code -> English name (ISO 639-1)."""

_COUNTRY_TABLE = """
jp:ja cn:zh tw:zh gr:el cz:cs dk:da ua:uk gb:en us:en in:hi il:he iw:he ji:yi vn:vi rs:sr pk:ur
"""
_COUNTRIES = dict(entry.split(":") for entry in _COUNTRY_TABLE.split())
"""Country codes, and codes of old, that people write for a language."""

_MISTAKEN: dict[str, str] = {
    "cmn": "zh",
    **_COUNTRIES,
    **{three_letters(tag, bibliographic=old): tag for tag in NAMES for old in (True, False)},
}
"""What stands for a language that has a two-letter code."""

_THREE_LETTER = re.compile(r"[a-z]{3}")
_NOT_LANGUAGES = frozenset({"dub", "new", "old", "raw", "sdh", "sub", "cut", "tmp", "bak", "out", "mix"})
"""Three letters that stand before `.srt` in file names without being a language anyone means."""


def is_language(tag: str) -> bool:
    """Whether a primary tag in lower case can name a language."""
    if tag in NAMES:
        return True
    return bool(_THREE_LETTER.fullmatch(tag)) and tag not in _MISTAKEN and tag not in _NOT_LANGUAGES


def primary(tag: str) -> str:
    """The primary subtag in lower case: `en` of `en-US` or `EN_us`."""
    return re.split(r"[-_]", tag.strip().lower(), maxsplit=1)[0]


def suggestion(tag: str) -> str | None:
    """The known tag somebody probably meant, or None."""
    lowered = tag.strip().lower()
    first = primary(lowered)
    if is_language(first) and first != lowered:
        return first
    if first in _MISTAKEN:
        return _MISTAKEN[first]
    by_name = {name.lower(): code for code, name in NAMES.items()}
    close = difflib.get_close_matches(lowered, by_name, n=1, cutoff=0.8)
    return by_name[close[0]] if close else None


def check_language(tag: str, flag: str) -> str:
    """A valid tag, as written by a user for `flag`.

    Raises:
        UsageError: no such language; the message says which was probably meant.
    """
    if is_language(tag):
        return tag
    meant = suggestion(tag)
    fix = (
        f"Did you mean {meant} ({NAMES.get(meant, meant)})?"
        if meant
        else "Use a two-letter code such as ja, es or de."
    )
    raise UsageError(f"{flag}: {tag!r} is not a language tag.", fix=fix)
