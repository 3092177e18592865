"""Finding the speed setting at which an engine really is as fast as asked."""

from __future__ import annotations

from collections.abc import Callable

TOLERANCE = 0.01
"""How near the sound's length must come to its length at normal speed / rate."""

TRIALS = 4
"""Syntheses spent on reaching it; the second or third is usually within the tolerance."""


def settle_speed(
    length_at: Callable[[float], int], wanted: float, speed: float, limits: tuple[float, float]
) -> None:
    """Synthesise until the sound is about `wanted` samples long; the last trial stands.

    Speed settings are nominal: asking espeak-ng for 1.35 times as many words per minute shortens a line by
    anything from 1.32 (English) to 1.49 (Mandarin). So each trial corrects the setting by the last one's
    error.

    Args:
        length_at: synthesises at a speed setting and returns the number of samples.
        wanted: samples.
        speed: first setting to try.
        limits: lowest and highest setting the engine takes.
    """
    for _ in range(TRIALS):
        error = length_at(speed) / wanted
        if abs(error - 1) <= TOLERANCE:
            return
        speed = min(max(speed * error, limits[0]), limits[1])
