"""Passages: lines that are read as one text, and their translation given back line by line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from loc.artifacts import Segment
from loc.errors import LocError
from loc.glossary import Terms, occurring
from loc.store.keys import digest_value
from stages.translate import sentences
from stages.translate.batches import Batches
from stages.translate.checks import missing_terms
from stages.translate.contract import Translated

Alternatives = Callable[[str], Sequence[str]]


class Passage:
    """Lines that are translated as one text.

    Args:
        segments: its lines.
        source: their language.
        target: the language wanted.
        whole: the lines are taken as they are, each for a sentence.
        terms: of the glossary; those that occur count.
        alternatives: a sentence -> other translations of it, the best first.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        source: str,
        target: str,
        *,
        whole: bool = False,
        terms: Terms = (),
        alternatives: Alternatives | None = None,
    ) -> None:
        self.segments = segments
        self.source = source
        self.target = target
        self.alternatives = alternatives
        self.terms = () if alternatives is None else occurring(terms, " ".join(one.text for one in segments))
        self._whole = whole

    @cached_property
    def parts(self) -> list[sentences.Sentence]:
        """Its sentences that are translated; see `sentences.translatable`."""
        if self._whole:
            return [
                sentences.Sentence(segment.text, (number,), (1,))
                for number, segment in enumerate(self.segments)
            ]
        return sentences.translatable([segment.text for segment in self.segments], self.source)

    @property
    def reads(self) -> list[str]:
        """The sentences to be translated."""
        return [part.text for part in self.parts]

    def lines(self, batches: Batches[str, Translated]) -> list[PassageLine]:
        """Its lines, to be translated by the way of `batches`."""
        return [PassageLine(self, place, batches) for place in range(len(self.segments))]

    def translate(self, place: int, batches: Batches[str, Translated]) -> Translated:
        """The line at a place.

        Raises:
            LocError: a sentence it is part of could not be translated.
        """
        parts = [(part, self._fitting(part.text, batches.get(part.text))) for part in self.parts]
        texts = sentences.give_back(
            len(self.segments), [(part, made.text) for part, made in parts], self.target
        )
        if texts is None:
            # Too short to be divided among the lines: each by itself says more.
            alone = Passage(
                [self.segments[place]],
                self.source,
                self.target,
                terms=self.terms,
                alternatives=self.alternatives,
            )
            return alone.translate(0, batches)
        unknown = sum(made.unknown_words for part, made in parts if place in part.lines)
        return Translated(texts[place], unknown)

    def _fitting(self, sentence: str, made: Translated) -> Translated:
        """A sentence's translation, or the best other one that has the terms which this one lacks."""
        wanted = occurring(self.terms, sentence)
        if self.alternatives is None or not missing_terms(wanted, made.text):
            return made
        try:
            others = self.alternatives(sentence)
        except LocError:
            # What lacks a term is worth more than nothing; that it lacks is noted with the line.
            return made
        for text in others:
            if not missing_terms(wanted, text):
                return Translated(text, made.unknown_words)
        return made


@dataclass(frozen=True)
class PassageLine:
    """A line of a passage, as an action of its own."""

    passage: Passage
    place: int
    batches: Batches[str, Translated]

    @property
    def segment(self) -> Segment:
        return self.passage.segments[self.place]

    @property
    def source(self) -> str:
        return self.passage.source

    @property
    def target(self) -> str:
        return self.passage.target

    def slice(self) -> Mapping[str, object]:
        """What it reads beyond its own text, for its key."""
        found: dict[str, object] = {}
        if len(self.passage.segments) > 1:
            texts = [digest_value(segment.text) for segment in self.passage.segments]
            found["passage"] = {"place": self.place, "texts": texts}
        if self.passage.terms:
            found["terms"] = digest_value([list(term) for term in self.passage.terms])
        return found

    def translate(self) -> Translated:
        """Its translation.

        Raises:
            LocError: there is none.
        """
        return self.passage.translate(self.place, self.batches)
