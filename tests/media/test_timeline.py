"""Frames and samples of one clock, exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loc.artifacts import FrameTable
from loc.media.timeline import Timeline, load_timeline, save_table
from loc.store.workdir import WorkDir


def timeline(pts: list[int], time_base: Fraction, last: int) -> Timeline:
    ticks = np.array(pts, dtype=np.int64)
    return Timeline(ticks, np.ones(len(pts), bool), time_base, pts[-1] - pts[0] + last)


def test_ntsc_frames_fall_on_whole_and_rounded_samples() -> None:
    clock = timeline([1000 + 1001 * index for index in range(31)], Fraction(1, 30_000), 1001)
    assert clock.seconds(30) == Fraction(1001, 1000)
    assert [clock.sample(frame) for frame in (0, 1, 2, 30, 31)] == [0, 1602, 3203, 48_048, 49_650]
    assert clock.samples()[-1] == clock.sample(31) == 49_650


@given(
    steps=st.lists(st.integers(1, 10_000), min_size=1, max_size=50),
    first=st.integers(-(10**9), 10**12),
    base=st.sampled_from(
        [Fraction(1, 90_000), Fraction(1, 1000), Fraction(1001, 30_000), Fraction(1, 12_800)]
    ),
)
def test_samples_are_the_nearest_to_the_time_of_frames(steps: list[int], first: int, base: Fraction) -> None:
    pts = [first, *(first + int(total) for total in np.cumsum(steps[:-1]))] if len(steps) > 1 else [first]
    clock = timeline(pts, base, steps[-1])
    starts = clock.samples()
    assert len(starts) == clock.count + 1
    for frame in range(clock.count):
        assert abs(starts[frame] - clock.seconds(frame) * 48_000) <= Fraction(1, 2)
        assert starts[frame] == clock.sample(frame)


def test_a_table_comes_back(store: WorkDir) -> None:
    pts, key = np.array([5, 9, 20]), np.array([True, False, True])
    ref = store.put_bytes(save_table(pts, key))
    back = load_timeline(store, FrameTable(count=3, table=ref, duration=22), Fraction(1, 10))
    assert back.pts.tolist() == [5, 9, 20]
    assert back.key.tolist() == [True, False, True]
    assert back.sample(3) == 22 * 4800
