"""Chunks: inside shots, at most ten seconds, cut in pauses and where the picture is still."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from loc.artifacts import SAMPLE_RATE, Chunk, FrameRange
from loc.media.timeline import Timeline
from stages.ingest.chunks import LEAST, LIMIT, cut_chunks

RATE = 25


def clock(frames: int) -> Timeline:
    return Timeline(np.arange(frames), np.ones(frames, bool), Fraction(1, RATE), frames)


def cut(
    frames: int,
    shots: list[int] | None = None,
    speech: list[tuple[float, float]] | None = None,
    changes: npt.NDArray[np.float32] | None = None,
) -> list[tuple[int, int]]:
    edges = [0, *(shots or []), frames]
    ranges = [FrameRange(start=a, stop=b) for a, b in itertools.pairwise(edges)]
    heard = [(int(a * SAMPLE_RATE), int(b * SAMPLE_RATE)) for a, b in speech or []]
    moved = np.ones(frames, np.float32) if changes is None else changes
    return [spread(chunk) for chunk in cut_chunks(clock(frames), ranges, moved, heard)]


def spread(chunk: Chunk) -> tuple[int, int]:
    return chunk.frames.start, chunk.frames.stop


def test_a_short_shot_is_one_chunk() -> None:
    assert cut(250) == [(0, 250)]
    assert cut(3, shots=[1]) == [(0, 1), (1, 3)]


def test_a_long_shot_is_cut_in_its_pause() -> None:
    chunks = cut(400, speech=[(0, 7.0), (7.6, 16)])
    assert len(chunks) == 2
    assert 7.1 <= chunks[0][1] / RATE <= 7.5


def test_within_a_pause_the_stillest_frame() -> None:
    changes = np.ones(400, np.float32)
    changes[182] = 0.2
    assert cut(400, speech=[(0, 7.0), (7.6, 16)], changes=changes)[0] == (0, 182)


def test_without_a_pause_the_stillest_frame_before_the_limit() -> None:
    changes = np.ones(400, np.float32)
    changes[[150, 215]] = 0.1, 0.3
    assert cut(400, speech=[(0, 16)], changes=changes)[0] == (0, 215)


def test_nothing_tiny_is_left_over() -> None:
    assert cut(255, speech=[(0, 11)]) == [(0, 230), (230, 255)]


def test_pictures_of_many_seconds_are_cut_one_by_one() -> None:
    slides = Timeline(np.array([0, 12, 30, 31]), np.ones(4, bool), Fraction(1), 50)
    chunks = cut_chunks(slides, [FrameRange(start=0, stop=4)], np.ones(4, np.float32), [])
    assert [spread(chunk) for chunk in chunks] == [(0, 1), (1, 2), (2, 3), (3, 4)]


@given(
    lengths=st.lists(st.integers(1, 900), min_size=1, max_size=5),
    speech=st.lists(st.integers(1, 9000), max_size=20),
    seed=st.integers(0, 9),
)
def test_what_holds_of_all_chunks(lengths: list[int], speech: list[int], seed: int) -> None:
    frames = sum(lengths)
    edges = np.cumsum([0, *lengths])
    shots = [FrameRange(start=int(a), stop=int(b)) for a, b in itertools.pairwise(edges)]
    times = np.cumsum(speech) * 480
    heard = list(zip(times[::2].tolist(), times[1::2].tolist(), strict=False))
    changes = np.random.default_rng(seed).random(frames).astype(np.float32)
    timeline = clock(frames)
    chunks = cut_chunks(timeline, shots, changes, heard)
    starts = timeline.samples()
    assert [frame for chunk in chunks for frame in range(*spread(chunk))] == list(range(frames))
    for chunk in chunks:
        shot = shots[chunk.shot]
        samples = starts[chunk.frames.stop] - starts[chunk.frames.start]
        assert shot.start <= chunk.frames.start < chunk.frames.stop <= shot.stop
        assert samples <= LIMIT
        assert samples >= min(LEAST, starts[shot.stop] - starts[shot.start])
