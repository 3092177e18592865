"""Scenes: a few lines of dialogue with what is said around them, as a language model is given them.

Pure. A scene ends at a long pause, or when it is full; then the next begins. What a line becomes may depend
on all that its scene holds, and on nothing else: so all of it, and no more, stands in the line's key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from loc.artifacts import SAMPLE_RATE, Segment
from loc.cast import Manner
from loc.glossary import Terms, occurring
from loc.store.keys import digest_value
from stages.translate.fitting import units

MAX_LINES = 12
"""Lines of one scene: an edit of one of them costs all, a request of more is more often answered wrongly."""

PAUSE = 5 * SAMPLE_RATE
"""Samples of silence that end a scene: whatever was talked about, it is resumed or changed after it."""

BEFORE, AFTER = 4, 2
"""Lines shown around a scene: who `he` is stands before more often than after."""


@dataclass(frozen=True)
class Said:
    """A line and who says it: by name, else by a letter, in the order in which they appear in the scene."""

    speaker: str
    text: str


@dataclass(frozen=True)
class Scene:
    """What a language model is shown.

    Args:
        source: language of the lines.
        target: language wanted.
        lines: to be translated; named 1, 2, ... in this order.
        before: what is said before them.
        after: what is said after them.
        manners: how speakers talk to one another, in words.
        terms: words of the source and what they must become.
    """

    source: str
    target: str
    lines: tuple[Said, ...]
    before: tuple[Said, ...] = ()
    after: tuple[Said, ...] = ()
    manners: tuple[str, ...] = ()
    terms: Terms = ()

    def slice(self, place: int) -> Mapping[str, object]:
        """What the line at a place reads beyond its own text, for its key."""
        return {
            "scene": {
                "place": place,
                **{
                    name: [[one.speaker, digest_value(one.text)] for one in part]
                    for name, part in (("lines", self.lines), ("before", self.before), ("after", self.after))
                },
                "manners": digest_value(list(self.manners)),
                "terms": digest_value([list(term) for term in self.terms]),
            }
        }


@dataclass(frozen=True)
class Long:
    """A line that is to be said in fewer words.

    Args:
        source: language of the source.
        target: language of the line.
        source_text: what it translates.
        text: the line.
        limit: most morae, of Japanese, or letters and digits it may have.
        terms: of the glossary, that occur in the source.
    """

    source: str
    target: str
    source_text: str
    text: str
    limit: int
    terms: Terms = ()

    @property
    def length(self) -> int:
        """In the units of the limit."""
        return units(self.text, self.target)


def spans(segments: Sequence[Segment]) -> list[range]:
    """Which lines make a scene: positions, every line in one range, in order."""
    found: list[range] = []
    start = 0
    for index in range(1, len(segments) + 1):
        full = index - start == MAX_LINES
        if index == len(segments) or full or segments[index].start - segments[index - 1].stop >= PAUSE:
            found.append(range(start, index))
            start = index
    return found


def scene_of(
    segments: Sequence[Segment],
    span: range,
    source: str,
    target: str,
    manners: Sequence[Manner] = (),
    terms: Terms = (),
    names: Mapping[str, str] = MappingProxyType({}),
) -> Scene:
    """The scene of some lines.

    Args:
        segments: all lines with text.
        span: positions of the scene's own.
        source, target: languages.
        manners: of all speakers, from the cast file.
        terms: of the glossary; those that occur in the scene's lines are shown.
        names: of speakers, by their ids; each of one alone.
    """
    first, last = max(0, span.start - BEFORE), min(len(segments), span.stop + AFTER)
    called: dict[str | None, str] = {}
    for segment in segments[first:last]:
        called.setdefault(segment.speaker, names.get(segment.speaker or "", _letter(len(called))))

    def said(start: int, stop: int) -> tuple[Said, ...]:
        return tuple(Said(called[one.speaker], " ".join(one.text.split())) for one in segments[start:stop])

    speaking = {segment.speaker for segment in segments[span.start : span.stop]}
    return Scene(
        source,
        target,
        said(span.start, span.stop),
        said(first, span.start),
        said(span.stop, last),
        tuple(
            manner.in_words(called)
            for manner in manners
            if manner.speaker in speaking
            and (manner.to is None or manner.to in called)
            and manner.language in (None, target)
        ),
        occurring(terms, "\n".join(segment.text for segment in segments[span.start : span.stop])),
    )


def _letter(number: int) -> str:
    """A, B, ... Z, A2, B2, ..."""
    turn, place = divmod(number, 26)
    return chr(ord("A") + place) + (str(turn + 1) if turn else "")
