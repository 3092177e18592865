"""When each line is shown: where it is really spoken, long enough to be read, never two at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loc.artifacts import SAMPLE_RATE, DubTrack, Line, Transcript
from loc.media.line_rules import line_rules
from loc.media.retiming import Clock
from loc.media.subtitles import Cue
from loc.media.wrapping import columns, join_lines, reading_seconds, split

LINGER = 2 * SAMPLE_RATE
"""Samples a subtitle may outlast its speech for the sake of slow readers."""

TOGETHER = SAMPLE_RATE // 2
"""Lines that begin within this many samples of one another are shown as one: neither could be read alone."""


@dataclass(frozen=True)
class Languages:
    """Of what is shown, and of what is shown under it; None where that is not known, or nothing is."""

    text: str | None
    below: str | None = None


def cues(
    lines: Sequence[Line],
    dub: DubTrack,
    clock: Clock,
    languages: Languages,
    source: Transcript | None = None,
) -> list[Cue]:
    """The subtitles of a dub in time order, without overlap.

    A line that could not be spoken is shown where the source speaks it. One that does not go into the rows of
    one subtitle, or is spoken longer than one is shown, becomes several, one after the other: they share its
    time by their lengths.

    Args:
        lines: all lines of the language.
        dub: where they are spoken.
        clock: of the programme; nothing is shown after its end.
        source: what is shown under each line; None: nothing.
    """
    under = {segment.id: segment.text for segment in source.segments} if source else {}
    spoken = sorted(_spoken(lines, dub, clock, under), key=lambda cue: (cue.start, cue.stop))
    together: list[Cue] = []
    for cue in spoken:
        if together and cue.start - together[-1].start < TOGETHER:
            before = together.pop()
            text, below = (join_lines(pair) for pair in ((before.text, cue.text), (before.below, cue.below)))
            together.append(Cue(before.start, max(before.stop, cue.stop), text, below))
        else:
            together.append(cue)
    shown = [part for cue, after in _with_next(together) for part in _parts(cue, after, languages)]
    gap = _samples(line_rules(languages.text).gap)
    return [
        Cue(
            cue.start,
            min(after.start - gap if after else clock.samples, cue.stop + _linger(cue, languages)),
            cue.text,
            cue.below,
        )
        for cue, after in _with_next(shown)
    ]


def _with_next(cues: Sequence[Cue]) -> Iterator[tuple[Cue, Cue | None]]:
    return itertools.zip_longest(cues, cues[1:])


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _spoken(lines: Sequence[Line], dub: DubTrack, clock: Clock, under: dict[str, str]) -> Iterator[Cue]:
    clips = {clip.line: clip for clip in dub.clips}
    for line in lines:
        clip = clips.get(line.id)
        start = max(0, clip.place if clip else clock.shown(line.start))
        stop = min(clock.samples, start + clip.samples if clip else clock.shown(line.stop))
        if line.text.strip() and start < stop:
            below = join_lines(under.get(segment, "") for segment in line.segments)
            yield Cue(start, stop, join_lines([line.text]), below)


def _parts(cue: Cue, after: Cue | None, languages: Languages) -> list[Cue]:
    """A cue as one subtitle, or as several; none of them shorter than a subtitle is shown."""
    rules = line_rules(languages.text)
    end = min(cue.stop, after.start) if after else cue.stop
    most = max(1, int((end - cue.start) // _samples(rules.shortest)))
    wanted = math.ceil((end - cue.start) / _samples(rules.seconds))
    needed = [len(split(cue.text, languages.text)), len(split(cue.below, languages.below))]
    count = min(most, max(wanted, *needed))
    texts = split(cue.text, languages.text, count)
    if count == 1 or len(texts) > most:
        return [cue]
    belows = _as_many(split(cue.below, languages.below, len(texts)), len(texts))
    edges = _shared(cue.start, end, [columns(text) for text in texts], _samples(rules.shortest))
    return [
        Cue(start, stop, text, below)
        for start, stop, text, below in zip(edges[:-1], [*edges[1:-1], cue.stop], texts, belows, strict=True)
    ]


def _as_many(parts: Sequence[str], count: int) -> list[str]:
    """Parts of a text as so many: neighbours joined where there are more, the same ones again where there are
    fewer."""
    starts = [number * len(parts) // count for number in range(count + 1)]
    return [join_lines(parts[start : max(start + 1, stop)]) for start, stop in itertools.pairwise(starts)]


def _shared(start: int, end: int, lengths: Sequence[int], least: int) -> list[int]:
    """A time divided by lengths, each part at least `least` long: where the parts begin, and the end.

    There must be room for that.
    """
    whole = sum(lengths)
    edges = [start + (end - start) * upto // whole for upto in (0, *itertools.accumulate(lengths))]
    for place in range(1, len(lengths)):
        edges[place] = max(edges[place], edges[place - 1] + least)
    for place in range(len(lengths) - 1, 0, -1):
        edges[place] = min(edges[place], edges[place + 1] - least)
    return edges


def _linger(cue: Cue, languages: Languages) -> int:
    """Samples that reading takes longer than hearing. Of two languages the slower one counts: somebody reads
    the one, and somebody else the other."""
    rules = line_rules(languages.text)
    seconds = reading_seconds(cue.text, rules)
    if cue.below:
        seconds = max(seconds, reading_seconds(cue.below, line_rules(languages.below)))
    needed = max(_samples(rules.shortest), _samples(seconds))
    return min(LINGER, max(0, needed - (cue.stop - cue.start)))
