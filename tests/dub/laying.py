"""Lines laid out in time, in seconds."""

from __future__ import annotations

from loc.artifacts import SAMPLE_RATE
from stages.dub.fit import Placed, Slot, choose_rates, place_lines


def samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def slot(start: float, stop: float, speaker: str | None = "a") -> Slot:
    return Slot(samples(start), samples(stop), speaker)


def fit(slots: list[Slot], seconds: list[float], end: float) -> list[Placed]:
    """Lay out with an engine that keeps its rate exactly."""
    natural = [samples(length) for length in seconds]
    rates = choose_rates(slots, natural, samples(end))
    spoken = [round(length / rate) for length, rate in zip(natural, rates, strict=True)]
    return place_lines(slots, natural, rates, spoken, samples(end))
