"""Hands, microphones and mugs that do not exist, drawn and laid over the mouths of films.

What an occluder covers is known because it was put there: the ground truth for `loc.analysis.occlusion`.
`TUNING` is what its thresholds were chosen on; `HELD_OUT` differs in shapes, colours, sizes and paths, and is
what rates are reported on. `FRESH` was drawn by chance when both were done, and nothing may be tuned on it.
"""

from tests.occluders.beard import with_beard
from tests.occluders.passing import Passing, Placed, Schedule, cover, lay_over, schedule
from tests.occluders.sets import FRESH, HELD_OUT, TUNING, Occluder

__all__ = [
    "FRESH",
    "HELD_OUT",
    "TUNING",
    "Occluder",
    "Passing",
    "Placed",
    "Schedule",
    "cover",
    "lay_over",
    "schedule",
    "with_beard",
]
