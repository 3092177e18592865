"""When each line is shown: where it is really spoken, long enough to be read, never two at once."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Sequence

from loc.artifacts import SAMPLE_RATE, DubTrack, Line
from loc.media.retiming import Clock
from loc.media.subtitles import Cue, join_lines

SHORTEST = SAMPLE_RATE * 5 // 6
"""Samples a subtitle is shown at least, where the next leaves room: broadcasters' 20 frames of 24."""

LINGER = 2 * SAMPLE_RATE
"""Samples a subtitle may outlast its speech for the sake of slow readers."""

GAP = SAMPLE_RATE // 12
"""Samples between two subtitles, two frames of 24, so that the change is seen."""

TOGETHER = SAMPLE_RATE // 2
"""Lines that begin within this many samples of one another are shown as one: neither could be read alone."""

NARROW_RATE = 17
"""Letters read per second: the usual limit for adults."""

WIDE_RATE = 4
"""Full-width signs read per second: the usual limit for Japanese."""


def cues(lines: Sequence[Line], dub: DubTrack, clock: Clock) -> list[Cue]:
    """The subtitles of a dub in time order, without overlap.

    A line that could not be spoken is shown where the source speaks it.

    Args:
        lines: all lines of the language.
        dub: where they are spoken.
        clock: of the programme; nothing is shown after its end.
    """
    end = clock.samples
    spoken = sorted(_spoken(lines, dub, clock), key=lambda cue: (cue.start, cue.stop))
    shown: list[Cue] = []
    for cue in spoken:
        if shown and cue.start - shown[-1].start < TOGETHER:
            before = shown.pop()
            shown.append(Cue(before.start, max(before.stop, cue.stop), join_lines([before.text, cue.text])))
        else:
            shown.append(cue)
    return [
        Cue(cue.start, min(after.start - GAP if after else end, cue.stop + _linger(cue)), cue.text)
        for cue, after in itertools.zip_longest(shown, shown[1:])
    ]


def _spoken(lines: Sequence[Line], dub: DubTrack, clock: Clock) -> Iterator[Cue]:
    clips = {clip.line: clip for clip in dub.clips}
    for line in lines:
        clip = clips.get(line.id)
        start = max(0, clip.place if clip else clock.shown(line.start))
        stop = min(clock.samples, start + clip.samples if clip else clock.shown(line.stop))
        if line.text.strip() and start < stop:
            yield Cue(start, stop, line.text)


def _linger(cue: Cue) -> int:
    """Samples that reading takes longer than hearing."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in cue.text)
    reading = wide / WIDE_RATE + (len(cue.text) - wide) / NARROW_RATE
    needed = max(SHORTEST, round(reading * SAMPLE_RATE))
    return min(LINGER, max(0, needed - (cue.stop - cue.start)))
