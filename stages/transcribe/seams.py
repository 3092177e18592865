"""One run of words from windows that overlap where speech had to be cut.

Two windows hear the words around a cut, each with `phrases.SEAM` of sound beyond it, so that a word on the
cut is whole in both. They are joined at a word that both hear, else in the middle of what both hear.
"""

from __future__ import annotations

from collections.abc import Sequence

from loc.artifacts import SAMPLE_RATE, Word
from stages.transcribe import phrases
from stages.transcribe.guard import Said

SAME = SAMPLE_RATE * 3 // 10
"""Samples by which the middles of one word may differ in two windows: word times of recognisers are off by a
tenth of a second and more."""


def joined(windows: Sequence[phrases.Range], heard: Sequence[Sequence[Said]]) -> list[Said]:
    """The passages of all windows, in time order, with no word of an overlap twice.

    Args:
        windows: in order of time, samples at 48 kHz.
        heard: passages of each, in time order and in samples of the programme.
    """
    kept: list[list[Said]] = [list(passages) for passages in heard]
    for index in range(1, len(windows)):
        start, stop = windows[index][0], windows[index - 1][1]
        if start >= stop:
            continue
        left, right = _words(kept[index - 1]), _words(kept[index])
        last, first = _join(left, right, (start, stop))
        kept[index - 1] = _part(kept[index - 1], 0, last)
        kept[index] = _part(kept[index], first, len(right))
    return [passage for passages in kept for passage in passages]


def _join(left: Sequence[Word], right: Sequence[Word], both: phrases.Range) -> tuple[int, int]:
    """How many words of the left window are kept, and from which on of the right one; `both`: what both
    hear."""
    seam = sum(both) // 2
    pairs = [
        (abs(_middle(one) + _middle(other) - 2 * seam), before + 1, after + 1)
        for before, one in enumerate(left)
        for after, other in enumerate(right)
        if both[0] <= _middle(one) < both[1]
        and abs(_middle(one) - _middle(other)) <= SAME
        and one.text.casefold() == other.text.casefold()
    ]
    if pairs:
        return min(pairs)[1:]
    last = sum(_middle(word) < seam for word in left)
    first = sum(_middle(word) < seam for word in right)
    if last and first < len(right) and _alike(left[last - 1], right[first]):
        # Heard as two words, on this side of the seam and on that.
        first += 1
    elif last < len(left) and first and _alike(left[last], right[first - 1]):
        # Each window leaves it to the other.
        last += 1
    return last, first


def _alike(one: Word, other: Word) -> bool:
    """Whether two words are mostly the same stretch of sound."""
    common = min(one.stop, other.stop) - max(one.start, other.start)
    return 2 * common > min(one.stop - one.start, other.stop - other.start)


def _middle(word: Word) -> int:
    return (word.start + word.stop) // 2


def _words(passages: Sequence[Said]) -> list[Word]:
    return [word for passage in passages for word in passage.words]


def _part(passages: Sequence[Said], first: int, last: int) -> list[Said]:
    """Passages with the words from one to another, counted through all of them."""
    found, at = [], 0
    for passage in passages:
        words = passage.words[max(0, first - at) : max(0, last - at)]
        at += len(passage.words)
        if words:
            found.append(passage.model_copy(update={"words": words}))
    return found
