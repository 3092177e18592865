"""Translate: a transcript in, lines of the target language out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from loc.artifacts import Ref, Stems, Transcript
from loc.backend import Backend
from loc.errors import LocError
from loc.stage import Context, Slot
from stages.translate.dialogue import Answer
from stages.translate.scene import Long, Scene


@dataclass(frozen=True)
class Inputs:
    transcript: Slot[Transcript]
    stems: Slot[Stems]


class Voice(Protocol):
    """A voice as it will be asked for when lines are spoken."""

    @property
    def recording(self) -> Ref | None:
        """What is imitated, where something is."""
        ...

    def params(self) -> Mapping[str, str | int]:
        """What else tells it from others."""
        ...


Voices = Callable[[Context, Slot[Stems], Transcript], Mapping[str | None, Voice]]
"""The voice of every speaker who says something, and, under None, of lines whose speaker is not known. Raises
InputError where one that the user named cannot be used."""


@dataclass(frozen=True)
class Translated:
    """One line's translation. `unknown_words` counts words the translator did not know."""

    text: str
    unknown_words: int


class Translator(Backend, Protocol):
    """A machine translator that takes a line at a time."""

    def translate(self, text: str, source: str, target: str) -> Translated:
        """Translate one line. Language tags are BCP-47 primary tags.

        Raises:
            LocError: it failed; the line becomes a defect. Never return the source as if translated.
        """
        ...


@runtime_checkable
class SentenceTranslator(Backend, Protocol):
    """A machine translator that takes sentences, many at a time.

    The stage joins lines to sentences and splits the translations back to lines. What a sentence becomes must
    not depend on the sentences it is handed over with.
    """

    def batches(self, sentences: Sequence[str], source: str, target: str) -> list[list[str]]:
        """The sentences in groups that are fit to be translated together, each sentence once."""
        ...

    def translate_batch(
        self, sentences: Sequence[str], source: str, target: str
    ) -> Sequence[Translated | LocError]:
        """Translate one of these groups: for each sentence its translation, or why there is none."""
        ...

    def alternatives(self, sentence: str, source: str, target: str) -> Sequence[str]:
        """Other ways to say it, the best first: from among them one is taken where the first lacks a term of
        the glossary, or is too long."""
        ...


@runtime_checkable
class SceneTranslator(Backend, Protocol):
    """A language model, which is shown a few lines with what is said around them."""

    def translate_scene(self, scene: Scene, wanted: Sequence[int]) -> Mapping[int, Answer | LocError]:
        """Translate some lines of a scene.

        Args:
            scene: all that may be shown.
            wanted: positions of the lines asked for.

        Returns:
            For each of these positions its line, or why there is none.
        """
        ...

    def shorten(self, longs: Sequence[Long]) -> Mapping[int, Answer | LocError]:
        """Say lines of one pair of languages in fewer words: by position, as above."""
        ...


@runtime_checkable
class PairTranslator(Backend, Protocol):
    """A translator whose data differ from pair to pair: so that a pair installed or updated leaves the lines
    of the others as they are."""

    def pair_fingerprint(self, source: str, target: str) -> Mapping[str, str]:
        """Name -> version or digest of what shapes this pair's results, beyond `fingerprint`."""
        ...
