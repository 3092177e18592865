"""Where a programme is cut into chunks: a pure function of its frame table, shots, stillness and speech.

Of all settings only the chosen sound track has a say, through the pauses of its speech. So a chunk stays
where it is whatever the language, the backend or the quality, and so does everything that is made chunk by
chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE, Chunk, FrameRange
from loc.media.timeline import Timeline

LIMIT = 10 * SAMPLE_RATE
"""Longest chunk in samples (a single picture shown for longer is a chunk all the same): what fits in memory
at any size, and what is lost at most when work breaks off."""

LEAST = 1 * SAMPLE_RATE
"""Shortest chunk that a cut may leave on either side, samples: each costs a key frame and a seek."""

EARLIEST = LIMIT // 2
"""No cut is looked for before this many samples, or a long shot would fall into crumbs."""

STILL_WINDOW = 2 * SAMPLE_RATE
"""Where somebody speaks all the time, the stillest frame is looked for in this many samples before the
limit."""

CLEAR_OF_SPEECH = SAMPLE_RATE // 10
"""A frame this far from speech is in a pause: mouths open before sound and close after it."""


def cut_chunks(
    timeline: Timeline,
    shots: Sequence[FrameRange],
    changes: npt.NDArray[np.float32],
    speech: Iterable[tuple[int, int]],
) -> tuple[Chunk, ...]:
    """The chunks of a programme, in order and without gaps.

    Args:
        shots: in order and without gaps.
        changes: [n], how much each frame differs from the one before it.
        speech: ranges of samples with speech, in order.
    """
    starts = timeline.samples()
    quiet = _clear_of(speech, starts[:-1])
    return tuple(
        Chunk(shot=number, frames=part)
        for number, shot in enumerate(shots)
        for part in _split(shot, starts, quiet, changes)
    )


def _clear_of(speech: Iterable[tuple[int, int]], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """bool [n]: frames that begin in a pause."""
    quiet = np.ones(len(starts), dtype=bool)
    for start, stop in speech:
        first, last = np.searchsorted(starts, (start - CLEAR_OF_SPEECH, stop + CLEAR_OF_SPEECH))
        quiet[first:last] = False
    return quiet


def _split(
    shot: FrameRange,
    starts: npt.NDArray[np.int64],
    quiet: npt.NDArray[np.bool_],
    changes: npt.NDArray[np.float32],
) -> list[FrameRange]:
    parts: list[FrameRange] = []
    begin = shot.start
    while starts[shot.stop] - starts[begin] > LIMIT and shot.stop - begin > 1:
        cut = _cut_after(begin, shot.stop, starts, quiet, changes)
        parts.append(FrameRange(start=begin, stop=cut))
        begin = cut
    return [*parts, FrameRange(start=begin, stop=shot.stop)]


def _cut_after(
    begin: int,
    end: int,
    starts: npt.NDArray[np.int64],
    quiet: npt.NDArray[np.bool_],
    changes: npt.NDArray[np.float32],
) -> int:
    """The frame at which the chunk that begins at `begin` ends: the stillest in a pause, else the stillest
    late one."""
    first, last = starts[begin] + LEAST, min(starts[begin] + LIMIT, starts[end] - LEAST)
    allowed = _frames_between(starts, first, last, begin, end)
    if not len(allowed):
        # Pictures that stand for seconds: cut where the limit falls, at least one picture on.
        return int(np.clip(np.searchsorted(starts, starts[begin] + LIMIT, "right") - 1, begin + 1, end - 1))
    late = allowed[starts[allowed] >= min(starts[begin] + EARLIEST, starts[allowed[-1]])]
    paused = late[quiet[late]]
    candidates = paused if len(paused) else late[starts[late] >= starts[late[-1]] - STILL_WINDOW]
    # Of equally still frames the last, for fewer chunks.
    backwards = candidates[::-1]
    return int(backwards[np.argmin(changes[backwards])])


def _frames_between(
    starts: npt.NDArray[np.int64], first: int, last: int, begin: int, end: int
) -> npt.NDArray[np.int64]:
    """Frames after `begin` and before `end` that begin at samples `first` to `last`, both included."""
    low = max(begin + 1, int(np.searchsorted(starts, first, "left")))
    high = min(end, int(np.searchsorted(starts, last, "right")))
    return np.arange(low, max(low, high), dtype=np.int64)
