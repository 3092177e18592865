"""Pictures shown to and fro under a sound that is longer than they are."""

from __future__ import annotations


def pick(index: int, count: int) -> int:
    """Which of `count` items is the `index`-th of a walk to the end and back, the items at both ends twice.

    Args:
        index: from 0.
        count: at least 1.
    """
    place = index % (2 * count)
    return min(place, 2 * count - 1 - place)
