"""Durations as counts of frames: what is meant as a time lasts as long at every rate."""

from __future__ import annotations

from fractions import Fraction


def frames_lasting(seconds: float | Fraction, rate: Fraction) -> int:
    """How many frames last so long at `rate` frames per second, at least one."""
    return max(1, round(seconds * rate))


def window_lasting(seconds: float | Fraction, rate: Fraction) -> int:
    """As `frames_lasting`, an odd number: a window with a frame in its middle."""
    return 2 * (frames_lasting(seconds, rate) // 2) + 1
