"""Which font files draw a language, found by fontconfig and pinned by their bytes.

Chosen are files, not names: what is drawn with them is recorded under their digests, and the renderer is
shown these files alone, so that the machine's other fonts cannot take part unseen.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from loc.errors import ChildError, MissingError
from loc.process import run
from loc.store.keys import digest_file

BOLD = 200
"""fontconfig's weight of bold, which stays readable over a moving picture."""

_FORMAT = "%{family[0]}\t%{file}\t%{weight}\t%{slant}\t%{width}\t%{charset}\n"
_UPRIGHT, _NORMAL = "0", "100"

_PREFERRED: Mapping[str, str] = {"zh": "Noto Sans CJK SC", "ko": "Noto Sans CJK KR"}
"""By language; Han signs are drawn otherwise in each of the three."""

_ANY = ("Noto Sans CJK JP", "Noto Sans", "DejaVu Sans")

_SIGNS: Mapping[str, str] = {
    "ja": "あア漢。",
    "zh": "汉字。",
    "ko": "한글",
    "ar": "عربي",
    "fa": "پچگ",
    "ur": "ٹڈ",
    "he": "עברית",
    "hi": "हिन्दी",
    "mr": "मराठी",
    "ne": "नेपाली",
    "kok": "कोंकणी",
    "bn": "বাংলা",
    "as": "অসমীয়া",
    "gu": "ગુજ",
    "pa": "ਪੰਜ",
    "or": "ଓଡ଼ିଆ",
    "ta": "தமிழ்",
    "te": "తెలుగు",
    "kn": "ಕನ್ನಡ",
    "ml": "മലയാളം",
    "si": "සිංහල",
    "my": "မြန်မာ",
    "km": "ខ្មែរ",
    "th": "ไทย",
    "lo": "ລາວ",
    "ka": "ქართული",
    "hy": "հայերեն",
    "am": "አማርኛ",
    "ru": "Жж",
    "uk": "Її",
    "bg": "Жж",
    "sr": "Ђђ",
    "mk": "Ѓѓ",
    "be": "Ўў",
    "kk": "Әә",
    "el": "Ωω",
}
"""Signs that a font for the language must have; where none is named, those of Latin script."""

_LATIN = "Aaéñ"

_CJK = frozenset({"ja", "zh", "ko"})

_UNSEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""Categories of signs that are not drawn."""

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Font:
    """One face of a font file."""

    family: str
    """As the renderer is asked for it."""
    path: Path
    weight: int
    charset: Ranges
    """First and last code points of what it can draw."""

    def lacks(self, text: str) -> str:
        """The signs of a text that it cannot draw, each once, in order."""
        seen = dict.fromkeys(sign for sign in text if unicodedata.category(sign) not in _UNSEEN)
        return "".join(sign for sign in seen if not self._has(ord(sign)))

    def _has(self, point: int) -> bool:
        return any(first <= point <= last for first, last in self.charset)

    def fingerprint(self) -> str:
        """SHA-256 of its file."""
        return _digest(self.path)


@functools.cache
def _digest(path: Path) -> str:
    return digest_file(path)


def font_for(language: str) -> Font:
    """The font of a language: the same on every machine that has it.

    Args:
        language: BCP-47 primary tag.

    Raises:
        MissingError: there is no fontconfig, or no font has the language's signs.
    """
    signs = _SIGNS.get(language, _LATIN)
    fitting = [font for font in _installed() if not font.lacks(signs)]
    if not fitting:
        package = "fonts-noto-cjk" if language in _CJK else "fonts-noto-core"
        raise MissingError(
            f"No font on this machine can draw subtitles in {language!r}.",
            why=f"{signs[0]!r} is in none of them.",
            fix=f"sudo apt-get install fontconfig {package}; or leave out --burn-subtitles: players draw the "
            "subtitle track themselves.",
        )
    wanted = [_PREFERRED.get(language, _ANY[0]), *_ANY]
    return min(fitting, key=lambda font: _rank(font, wanted))


def fonts_for(text: str, first: Font) -> tuple[list[Font], str]:
    """(the first font and others for what it lacks, the signs that no font has)."""
    chosen, left = [first], first.lacks(text)
    while left:
        others = [font for font in _installed() if len(font.lacks(left)) < len(left)]
        if not others:
            break
        best = min(others, key=lambda font: (len(font.lacks(left)), _rank(font, _ANY)))
        chosen.append(best)
        left = best.lacks(left)
    return chosen, left


def config(fonts: Sequence[Font], folder: Path) -> Path:
    """A fontconfig file under which these fonts are the only ones.

    Args:
        folder: private; links to the fonts and fontconfig's cache go there.
    """
    there = folder / "fonts"
    there.mkdir()
    for number, path in enumerate(dict.fromkeys(font.path for font in fonts)):
        (there / f"{number}{path.suffix}").symlink_to(path)
    file = folder / "fonts.conf"
    file.write_text(
        '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n'
        f"<fontconfig><dir>{escape(str(there))}</dir>"
        f"<cachedir>{escape(str(folder / 'cache'))}</cachedir></fontconfig>\n",
        encoding="utf-8",
    )
    return file


def _rank(font: Font, wanted: Sequence[str]) -> tuple[object, ...]:
    """Lower is better: the families wanted, in order, then sans before serif, bold before others, by name."""
    place = wanted.index(font.family) if font.family in wanted else len(wanted)
    odd = any(word in font.family for word in ("Serif", "Mono", "Condensed", "Emoji", "Math"))
    noto = not font.family.startswith("Noto Sans")
    return place, odd, noto, abs(font.weight - BOLD), font.family, str(font.path)


@functools.cache
def _installed() -> tuple[Font, ...]:
    """Every upright font that fontconfig knows, read once per process.

    Raises:
        MissingError: no fontconfig.
    """
    try:
        listed = run(["fc-list", "-f", _FORMAT]).decode("utf-8", "replace")
    except (MissingError, ChildError) as error:
        raise MissingError(
            "Fonts cannot be looked for: fc-list does not run.",
            why=error.why,
            fix="sudo apt-get install fontconfig fonts-noto-cjk",
        ) from error
    return tuple(_fonts(listed))


def _fonts(listed: str) -> Iterator[Font]:
    for line in listed.splitlines():
        family, path, weight, slant, width, charset = (line.split("\t") + [""] * 6)[:6]
        # A variable font has ranges here, and no weight of its own that could be asked for.
        if slant == _UPRIGHT and width == _NORMAL and weight.isdigit() and family:
            yield Font(family, Path(path), int(weight), _ranges(charset))


def _ranges(charset: str) -> Ranges:
    """`20-7e a0` as pairs of code points."""
    parts = (part.partition("-") for part in charset.split())
    return tuple((int(first, 16), int(last or first, 16)) for first, _, last in parts)
