"""From speech to windows for the recogniser, and from words to lines. Pure functions on samples at 48 kHz."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Sequence
from operator import itemgetter

from loc.artifacts import SAMPLE_RATE, Dropped, Word

Range = tuple[int, int]

BREAK_GAP = round(0.45 * SAMPLE_RATE)
"""A pause between words that ends a line: longer than a stop or a breath within a phrase."""
MAX_LINE = 7 * SAMPLE_RATE
"""The longest line: two rows of subtitle are read in 7 s, and a dub drifts no further from the mouth."""
MIN_PART = SAMPLE_RATE
"""A long line is not broken closer to its ends than this, where there is a choice."""

WINDOW_PAUSE = 2 * SAMPLE_RATE
"""Regions this close are heard in one window: the recogniser's language model spans the pause."""
WINDOW_PAD = SAMPLE_RATE // 5
"""Silence heard on each side of a window: recognisers expect it, and soft onsets lie there."""

MIN_VOICED_SHARE = 0.3
"""Share of a word that must lie in speech: word times are rough, but music alone has none."""
MIN_UNHEARD = SAMPLE_RATE // 2
"""Speech without a word is listed from this length: shorter is a breath or an "um"."""

NO_VOICE = "no voice where the word was heard"
NO_WORDS = "voice, but no word was recognised"


def windows(regions: Sequence[Range], limit: int, quietest: Callable[[int, int], int]) -> list[Range]:
    """What the recogniser is given to hear: regions joined while they fit, cut in pauses.

    Args:
        regions: speech, in order and apart.
        limit: longest window.
        quietest: (start, stop) -> a sample between them where a region too long for one window may be cut.
    """
    room = limit - 2 * WINDOW_PAD
    parts = [part for region in regions for part in _fitting(region, room, quietest)]
    joined: list[Range] = []
    for start, stop in parts:
        if joined and start - joined[-1][1] <= WINDOW_PAUSE and stop - joined[-1][0] <= room:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return _padded(joined)


def _fitting(region: Range, room: int, quietest: Callable[[int, int], int]) -> list[Range]:
    """A region in parts of at most `room`, halved where it is quietest around the middle."""
    start, stop = region
    if stop - start <= room:
        return [region]
    quarter = (stop - start) // 4
    cut = quietest(start + quarter, stop - quarter)
    return _fitting((start, cut), room, quietest) + _fitting((cut, stop), room, quietest)


def _padded(parts: Sequence[Range]) -> list[Range]:
    """Parts with up to `WINDOW_PAD` on each side; neighbours share a shorter pause."""
    padded = []
    for index, (start, stop) in enumerate(parts):
        before = start - parts[index - 1][1] if index else 2 * start
        after = parts[index + 1][0] - stop if index + 1 < len(parts) else 2 * WINDOW_PAD
        padded.append((start - min(WINDOW_PAD, before // 2), stop + min(WINDOW_PAD, after // 2)))
    return padded


def voiced(words: Sequence[Word], regions: Sequence[Range]) -> tuple[list[Word], list[Dropped]]:
    """The words that lie in speech; and what did not match, words without voice and voice without words."""
    kept, dropped = [], []
    for word in words:
        share = _overlap((word.start, word.stop), regions) / max(1, word.stop - word.start)
        if share >= MIN_VOICED_SHARE:
            kept.append(word)
        else:
            dropped.append(Dropped(start=word.start, stop=word.stop, reason=NO_VOICE))
    spoken = [(word.start, word.stop) for word in kept]
    for start, stop in regions:
        if stop - start >= MIN_UNHEARD and not _overlap((start, stop), spoken):
            dropped.append(Dropped(start=start, stop=stop, reason=NO_WORDS))
    return kept, sorted(dropped, key=lambda item: (item.start, item.stop))


def _overlap(part: Range, regions: Sequence[Range]) -> int:
    """How much of a part lies in regions, which are in order and apart."""
    total = 0
    for index in range(bisect.bisect_right(regions, part[0], key=itemgetter(1)), len(regions)):
        start, stop = regions[index]
        if start >= part[1]:
            break
        total += min(part[1], stop) - max(part[0], start)
    return total


def lines(words: Sequence[Word]) -> list[list[Word]]:
    """Words in lines: broken at pauses first, then, where a line is too long, at its longest gap."""
    grouped: list[list[Word]] = []
    for word in words:
        if grouped and word.start - grouped[-1][-1].stop < BREAK_GAP:
            grouped[-1].append(word)
        else:
            grouped.append([word])
    return [part for line in grouped for part in _short_enough(line)]


def _short_enough(line: list[Word]) -> list[list[Word]]:
    start, stop = line[0].start, line[-1].stop
    if stop - start <= MAX_LINE or len(line) == 1:
        return [line]
    places = range(1, len(line))
    inner = [
        place
        for place in places
        if line[place - 1].stop - start >= MIN_PART and stop - line[place].start >= MIN_PART
    ]

    def worth(place: int) -> tuple[int, int]:
        gap = line[place].start - line[place - 1].stop
        return gap, -abs(line[place].start + line[place - 1].stop - start - stop)

    cut = max(inner or places, key=worth)
    return _short_enough(line[:cut]) + _short_enough(line[cut:])


def sentence(text: str, language: str | None) -> str:
    """Bare words as a sentence: a capital, a full stop, and in English a capital "I".

    Translators take an uncapitalised fragment for something else. Text that has any case or punctuation of
    its own is left as it is.
    """
    if not text or text != text.lower() or not text[-1].isalnum():
        return text
    if language == "en":
        text = re.sub(r"\bi\b", "I", text)
    return f"{text[0].upper()}{text[1:]}."
