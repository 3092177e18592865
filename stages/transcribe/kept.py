"""Which voices stay in the sound: laughs, breaths, song, and what the user marks. Pure functions on samples.

A separator that takes out every voice takes out those too. What is dubbed is where lines are; a stretch of
voice without any, and all voice between stretches, stays as it was. So do laughs that go on from a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loc.artifacts import SAMPLE_RATE, Kept, Segment
from stages.transcribe import phrases

Range = tuple[int, int]

MARGIN = SAMPLE_RATE // 8
"""On each side of a stretch that is spoken: soft onsets and the room's answer to the last word lie there."""


def without(regions: Iterable[Range], holes: Sequence[Range]) -> list[Range]:
    """Regions less holes; both in order and apart."""
    left: list[Range] = []
    for start, stop in regions:
        at = start
        for low, high in holes:
            if high <= at or low >= stop:
                continue
            if low > at:
                left.append((at, low))
            at = max(at, high)
        if at < stop:
            left.append((at, stop))
    return left


def kept(
    samples: int,
    regions: Sequence[Range],
    said: Sequence[Range],
    marked: Sequence[Range],
    *,
    all_voices: bool,
    laughs: Sequence[Range] = (),
    sung: Sequence[Range] = (),
) -> tuple[Kept, ...]:
    """What of the parted voice is put back.

    Args:
        samples: length of the programme.
        regions: where voice was found, in order and apart.
        said: the lines.
        marked: by the user, in order and apart.
        all_voices: whether the separator takes out every voice; else laughs and what has no words are in the
            bed already.
        laughs: beside lines, in order and apart.
        sung: passages of song, in order of time.
    """
    user = [
        Kept(start=start, stop=min(stop, samples), by="marked") for start, stop in marked if start < samples
    ]
    around = _apart((max(0, start - MARGIN), min(samples, stop + MARGIN)) for start, stop in sung)
    songs = without(without(around, _apart(said)), marked)
    if not all_voices:
        return _in_order([*user, *(Kept(start=start, stop=stop, by="song") for start, stop in songs)])
    # A whole stretch counts as spoken where a line touches it: times of words and cues are rough.
    lines = sorted(said)
    spoken = [region for region in regions if phrases.overlap(region, _apart(lines)) > 0]
    wide = _apart(
        [(max(0, start - MARGIN), min(samples, stop + MARGIN)) for start, stop in [*spoken, *lines]]
    )
    rest = without(without(without([(0, samples)], wide), songs), marked)
    others = sorted([*marked, *rest, *songs])
    found = [Kept(start=start, stop=stop, by="no-words") for start, stop in rest]
    found += [Kept(start=start, stop=stop, by="song") for start, stop in songs]
    beside = without([(start, min(stop, samples)) for start, stop in laughs], others)
    found += [Kept(start=start, stop=stop, by="laugh") for start, stop in beside if start < stop]
    return _in_order([*user, *found])


def _in_order(found: Iterable[Kept]) -> tuple[Kept, ...]:
    return tuple(sorted(found, key=lambda item: item.start))


def beside_lines(regions: Sequence[Range], segments: Sequence[Segment], least: int) -> list[Range]:
    """Voice in stretches that are spoken, but beside what is said there: where laughs may be.

    Args:
        regions: where voice was found, in order and apart.
        segments: the lines. Of those with words, what lies between these is beside them too.
        least: samples that are worth looking at.
    """
    said = [(one.start, one.stop) for one in segments]
    spoken = [region for region in regions if phrases.overlap(region, _apart(said)) > 0]
    parts = [(part.start, part.stop) for one in segments for part in (one.words or (one,))]
    wide = _apart([(start - MARGIN, stop + MARGIN) for start, stop in parts])
    return [(start, stop) for start, stop in without(spoken, wide) if stop - start >= least]


def _apart(ranges: Iterable[Range]) -> list[Range]:
    """Ranges joined where they meet, in order."""
    joined: list[Range] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined
