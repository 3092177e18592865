"""Numbers in a text, in digits of any script and however they are grouped."""

from __future__ import annotations

import re
import unicodedata

_HARD_SPACES = "\u00a0\u202f"
_NUMBER = re.compile(rf"\d+(?:[.,'’٬٫]\d+|[{_HARD_SPACES}]\d{{3}}(?!\d))*")


def numbers(text: str) -> list[tuple[str, str]]:
    """(digits, what follows) of each number, in order; the digits 0 to 9 alone, the rest in plain signs."""
    # Sign by sign, that the spaces within a number stay apart from those around it.
    usual = "".join(one if one in _HARD_SPACES else unicodedata.normalize("NFKC", one) for one in text)
    plain = "".join(str(unicodedata.decimal(sign, sign)) for sign in usual)
    return [(re.sub(r"\D", "", match[0]), plain[match.end() :]) for match in _NUMBER.finditer(plain)]
