"""How spoken lines are made to fit the programme: pure decisions over lengths and places, in samples.

A ladder, climbed only as far as a line needs, words never lost, the leading edge kept:

1. its slot: the time the source speaks the line;
2. borrowed silence: up to `BORROW` after the slot, never nearer than `GAP` to the next line;
   then time of a neighbour of the same speaker that needs it less (`sharing`);
3. the engine speaks faster, up to `MAX_RATE`;
4. the sound is compressed in time with its formants kept, up to `MAX_STRETCH`;
   where it was asked for, the picture of the line is then shown slower (`slowing`);
5. overrun, which is flagged: the clip runs on; what it runs into is placed later, `GAP` behind it, and
   has that much less room of its own; so on, until silence takes it up;
6. at the programme's end lines are moved earlier into the free time before them;
7. if even that is not enough, all lines and gaps are compressed alike, beyond `MAX_STRETCH`. Only text that
   cannot be said within the whole programme at the fastest comes here.

A line is never slowed down: a short one keeps its natural tempo and the background fills the rest.

Who may overlap whom: lines of one speaker, or of an unknown one, never. Lines of two speakers may overlap
by as much as they do in the source, and a line within another speaker's line may lie anywhere in it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loc.artifacts import SAMPLE_RATE, Fit
from stages.dub.sharing import Room, Standing, shared

GAP = 60 * SAMPLE_RATE // 1000
"""Silence kept before the next line: about a stop consonant's closure, so that two lines do not fuse."""

BORROW = 800 * SAMPLE_RATE // 1000
"""Most silence taken after a slot; longer, and a voice is heard from a mouth long at rest."""

MAX_RATE = 1.35
"""Fastest engine rate: on four chains the fastest that was still easy to follow."""

MAX_STRETCH = 1.25
"""Strongest compression: beyond it consonants smear."""

STEP = 100
"""Rates and stretches are rounded up to 1/STEP, so that equal needs give equal keys."""

_ANYWHERE = 1 << 62


@dataclass(frozen=True)
class Slot:
    """The time of a line in the source, samples; and who speaks it."""

    start: int
    stop: int
    speaker: str | None


@dataclass(frozen=True)
class Placed:
    """Where a line's clip goes: its first sample, its length, and how it came about."""

    place: int
    samples: int
    fit: Fit


Settle = Callable[[int, int], int]
"""(index of a line, samples of room) -> the length it takes."""


def rate_for(natural: int, room: int, fastest: float = MAX_RATE) -> float:
    """The engine rate at which `natural` samples fit in `room`, 1.0..`fastest`.

    One step more than the lengths say: engines keep their rate to a percent, and the silence at a line's
    edges does not shrink with it. A line just too long would be compressed by a hair on top.
    """
    needed = _needed(natural, room, fastest)
    return needed if needed == 1.0 else min(fastest, round(needed + 1 / STEP, 2))


def stretch_for(spoken: int, room: int) -> float:
    """The tempo factor at which `spoken` samples fit in `room`, 1.0..`MAX_STRETCH`."""
    return _needed(spoken, room, MAX_STRETCH)


def _needed(length: int, room: int, limit: float) -> float:
    if length <= room:
        return 1.0
    if room <= 0:
        return limit
    return min(limit, math.ceil(length / room * STEP) / STEP)


def stretched(samples: int, stretch: float) -> int:
    """Length of a clip compressed by `stretch`; rounded down, so that a fit stays a fit; at least 1."""
    return max(1, math.floor(samples / stretch))


def choose_rates(
    slots: Sequence[Slot], natural: Sequence[int], end: int, fastest: Sequence[float] | None = None
) -> list[float]:
    """The engine rate of every line, from its length at rate 1.0.

    Args:
        slots: in order of `start`, each beginning before `end`.
        natural: samples of each line at rate 1.0.
        end: samples of the programme.
        fastest: the highest rate at which each can be said, 1.0..`MAX_RATE`, which it is where not given.
    """
    limits = [MAX_RATE] * len(slots) if fastest is None else fastest
    rates = [1.0] * len(slots)

    def settle(index: int, room: int) -> int:
        rates[index] = rate_for(natural[index], room, limits[index])
        predicted = round(natural[index] / rates[index])
        return stretched(predicted, stretch_for(predicted, room))

    _place_forward(slots, rooms(slots, natural, end), settle, GAP)
    return rates


def place_lines(
    slots: Sequence[Slot], natural: Sequence[int], rates: Sequence[float], spoken: Sequence[int], end: int
) -> list[Placed]:
    """Place and length of every clip.

    Args:
        slots: in order of `start`, each beginning before `end`.
        natural: samples of each line at rate 1.0.
        rates: from `choose_rates`.
        spoken: samples of each line as spoken at its rate.
        end: samples of the programme.
    """
    stretches = [1.0] * len(slots)

    def settle(index: int, room: int) -> int:
        stretches[index] = stretch_for(spoken[index], room)
        return stretched(spoken[index], stretches[index])

    planned = rooms(slots, natural, end)
    places, lengths = _place_forward(slots, planned, settle, GAP)
    places = _pull_back(slots, places, lengths, end, GAP)
    squeeze = 1.0
    while places and (first := min(places)) < 0:
        # Lines and gaps shrink alike, so one step all but solves it; the least step makes sure it ends.
        squeeze = math.ceil(squeeze * max(1.01, (end - first) / end) * STEP) / STEP
        tempos = [min_tempo * squeeze for min_tempo in stretches]
        shorter = [stretched(samples, tempo) for samples, tempo in zip(spoken, tempos, strict=True)]
        gap = math.floor(GAP / squeeze)
        places, lengths = _place_forward(slots, planned, lambda index, _: shorter[index], gap)  # noqa: B023
        places = _pull_back(slots, places, lengths, end, gap)
    return [
        Placed(
            place=places[index],
            samples=lengths[index],
            fit=_fit(
                slot, places[index], lengths[index], planned[index], natural[index], rates[index],
                stretches[index] * squeeze,
            ),
        )
        for index, slot in enumerate(slots)
    ]  # fmt: skip


def _fit(
    slot: Slot, place: int, length: int, planned: Room, natural: int, rate: float, stretch: float
) -> Fit:
    """The report of one line. Room is counted from where the clip begins, or would have begun."""
    begin = max(place, planned.begin)
    room = max(0, planned.end - begin)
    overrun = max(0, length - room)
    used_until = begin + length - overrun
    return Fit(
        natural=natural,
        slot=slot.stop - slot.start,
        borrowed=max(0, used_until - max(slot.stop, place)),
        rate=rate,
        stretch=round(stretch, 4),
        overrun=overrun,
        shift=place - slot.start,
    )


def _overlap(earlier: Slot, later: Slot) -> int:
    """Samples by which the later line may begin before the earlier one ends."""
    if earlier.speaker is None or later.speaker is None or earlier.speaker == later.speaker:
        return 0
    if later.stop <= earlier.stop:
        return _ANYWHERE
    return max(0, earlier.stop - later.start)


def rooms(slots: Sequence[Slot], natural: Sequence[int], end: int) -> list[Room]:
    """The time of every line, its neighbours' needs counted; of natural lengths alone, so that it is the same
    before and after lines were spoken faster. Arguments as of `choose_rates`."""
    ends = own_rooms(slots, end)
    standing = []
    for index, slot in enumerate(slots):
        before = slots[index - 1] if index else None
        follows = (
            before is not None
            and (before.speaker == slot.speaker or None in (before.speaker, slot.speaker))
            and before.start < slot.start
            and ends[index - 1] >= slot.start - GAP
        )
        standing.append(Standing(slot.start, slot.stop, ends[index], natural[index], follows))
    return shared(standing, GAP, MAX_RATE)


def own_rooms(slots: Sequence[Slot], end: int) -> list[int]:
    """Until when each line may sound without overrun, if it begins on time and nobody shares; samples."""
    starts = [slot.start for slot in slots]
    ends = []
    for index, slot in enumerate(slots):
        after = bisect_left(starts, slot.stop, index + 1)
        bounds = [
            later.start + overlap
            for later in slots[index + 1 : after + 1]
            if (overlap := _overlap(slot, later)) < _ANYWHERE
        ]
        bound = min(bounds, default=end + GAP)
        room_end = max(min(slot.stop, bound), min(bound - GAP, slot.stop + BORROW))
        ends.append(min(room_end, end))
    return ends


def _place_forward(
    slots: Sequence[Slot], planned: Sequence[Room], settle: Settle, gap: int
) -> tuple[list[int], list[int]]:
    """(places, lengths): every line when it is planned, or `gap` behind what it has to wait for."""
    places: list[int] = []
    lengths: list[int] = []
    sounding: list[int] = []
    over = 0
    for index, slot in enumerate(slots):
        still = []
        for earlier in sounding:
            if slots[earlier].stop <= slot.start:
                over = max(over, places[earlier] + lengths[earlier])
            else:
                still.append(earlier)
        waits = [places[earlier] + lengths[earlier] - _overlap(slots[earlier], slot) for earlier in still]
        free = max([over, *waits])
        begin = planned[index].begin
        place = begin if free <= begin else free + gap
        places.append(place)
        lengths.append(settle(index, planned[index].end - place))
        sounding = [*still, index]
    return places, lengths


def _pull_back(
    slots: Sequence[Slot], places: Sequence[int], lengths: Sequence[int], end: int, gap: int
) -> list[int]:
    """Places with every clip inside the programme: late ones move earlier and push those before them.

    A place below 0 says that there is not time enough.
    """
    starts = [slot.start for slot in slots]
    moved = list(places)
    earliest_from = [end] * (len(slots) + 1)
    for index in range(len(slots) - 1, -1, -1):
        after = bisect_left(starts, slots[index].stop, index + 1)
        limits = [moved[later] + _overlap(slots[index], slots[later]) for later in range(index + 1, after)]
        limit = min([end, earliest_from[after], *limits])
        if moved[index] + lengths[index] > limit:
            moved[index] = limit - lengths[index] - (gap if limit < end else 0)
        earliest_from[index] = min(earliest_from[index + 1], moved[index])
    return moved
