"""Which voices stay in the sound: laughs, breaths, song, and what the user marks. Pure functions on samples.

A separator that takes out every voice takes out those too. What is dubbed is where lines are; a stretch of
voice without any, and all voice between stretches, stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loc.artifacts import SAMPLE_RATE, Kept
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
) -> tuple[Kept, ...]:
    """What of the parted voice is put back.

    Args:
        samples: length of the programme.
        regions: where voice was found, in order and apart.
        said: the lines.
        marked: by the user, in order and apart.
        all_voices: whether the separator takes out every voice; else only marks are kept.
    """
    user = [
        Kept(start=start, stop=min(stop, samples), by="marked") for start, stop in marked if start < samples
    ]
    if not all_voices:
        return tuple(user)
    # A whole stretch counts as spoken where a line touches it: times of words and cues are rough.
    lines = sorted(said)
    spoken = [region for region in regions if phrases.overlap(region, _apart(lines)) > 0]
    wide = _apart(
        [(max(0, start - MARGIN), min(samples, stop + MARGIN)) for start, stop in [*spoken, *lines]]
    )
    rest = without(without([(0, samples)], wide), marked)
    found = [Kept(start=start, stop=stop, by="no-words") for start, stop in rest]
    return tuple(sorted([*user, *found], key=lambda item: item.start))


def _apart(ranges: Iterable[Range]) -> list[Range]:
    """Ranges joined where they meet, in order."""
    joined: list[Range] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined
