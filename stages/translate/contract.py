"""Translate: a transcript in, lines of the target language out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from loc.artifacts import Transcript
from loc.backend import Backend
from loc.stage import Slot


@dataclass(frozen=True)
class Inputs:
    transcript: Slot[Transcript]


@dataclass(frozen=True)
class Translated:
    """One line's translation. `unknown_words` counts words the translator did not know."""

    text: str
    unknown_words: int


class Translator(Backend, Protocol):
    """A machine translator."""

    def translate(self, text: str, source: str, target: str) -> Translated:
        """Translate one line. Language tags are BCP-47 primary tags.

        Raises:
            LocError: it failed; the line becomes a defect. Never return the source as if translated.
        """
        ...


@runtime_checkable
class PairTranslator(Translator, Protocol):
    """A translator whose data differ from pair to pair: so that a pair installed or updated leaves the lines
    of the others as they are."""

    def pair_fingerprint(self, source: str, target: str) -> Mapping[str, str]:
        """Name -> version or digest of what shapes this pair's results, beyond `fingerprint`."""
        ...
