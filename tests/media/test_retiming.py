"""Times of a programme that is slowed in places: exact where each frame is shown, and the sound with it."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc.artifacts import FrameRange, Slowed
from loc.media import retiming
from loc.media.retiming import Clock, Piece, clock, slow_down, steady
from loc.media.timeline import Timeline


def timeline(count: int, base: Fraction, step: int, first: int = 0) -> Timeline:
    pts = first + step * np.arange(count, dtype=np.int64)
    return Timeline(pts, np.ones(count, bool), base, step * count)


def slowed(*stretches: tuple[int, int, str]) -> list[Slowed]:
    return [
        Slowed(frames=FrameRange(start=start, stop=stop), factor=Fraction(factor))
        for start, stop, factor in stretches
    ]


def test_frames_of_a_stretch_are_shown_longer_and_all_others_as_long_as_ever() -> None:
    source = timeline(10, Fraction(1, 12_800), 512, first=7)
    shown = slow_down(source, slowed((2, 5, "5/4")))
    assert shown.time_base == source.time_base
    assert (np.diff(shown.pts) == [512, 512, 640, 640, 640, 512, 512, 512, 512]).all()
    assert shown.pts[0] == 7
    assert shown.duration == source.duration + 3 * 128


def test_a_coarse_time_base_is_divided() -> None:
    shown = slow_down(timeline(4, Fraction(1, 25), 1), slowed((1, 3, "1.1")))
    assert shown.time_base <= Fraction(1, 10_000)
    assert [float(shown.seconds(frame)) for frame in range(5)] == [0, 0.04, 0.084, 0.128, 0.168]


def test_nothing_slowed_changes_nothing() -> None:
    source = timeline(4, Fraction(1, 25), 1)
    assert slow_down(source, []) is source
    assert clock(source, [], 7680).pieces == steady(7680).pieces == (Piece(0, 7680, 0, 7680),)


def test_a_clock_asks_for_no_frame_but_the_edges_of_what_is_slowed(monkeypatch: pytest.MonkeyPatch) -> None:
    rounded = []
    nearest = retiming._nearest

    def counted(value: Fraction) -> int:
        rounded.append(value)
        return nearest(value)

    monkeypatch.setattr(retiming, "_nearest", counted)
    clock(timeline(10_000, Fraction(1, 25), 1), slowed((10, 2000, "5/4"), (3000, 3001, "9/8")), 20_000_000)
    assert len(rounded) == 2 * 2


@st.composite
def programmes(draw: st.DrawFn) -> tuple[Timeline, list[Slowed]]:
    base = draw(
        st.sampled_from([Fraction(1, 25), Fraction(1, 1000), Fraction(1, 90_000), Fraction(1001, 30_000)])
    )
    step = max(1, round(Fraction(1, 25) / base))
    edges = sorted(draw(st.lists(st.integers(0, 60), min_size=0, max_size=8, unique=True)))
    stretches = [
        (start, stop, f"{draw(st.integers(101, 125))}/100")
        for start, stop in pairwise(edges)
        if draw(st.booleans())
    ]
    return timeline(60, base, step, draw(st.integers(-9, 9))), slowed(*stretches)


@given(programmes())
def test_of_any_programme(programme: tuple[Timeline, list[Slowed]]) -> None:
    source, stretches = programme
    shown = slow_down(source, stretches)
    for frame in range(source.count + 1):
        later = sum(
            (
                (one.factor - 1)
                * (source.seconds(min(frame, one.frames.stop)) - source.seconds(one.frames.start))
                for one in stretches
                if one.frames.start < frame
            ),
            Fraction(0),
        )
        # Rounded once, wherever the frame lies.
        assert abs(shown.seconds(frame) - source.seconds(frame) - later) <= shown.time_base / 2
    heard = clock(source, stretches, int(source.samples()[-1]) + 1000)
    _without_gaps(heard)
    for frame, sample in enumerate(source.samples().tolist()):
        # A sample is where its frame is: the frame is off by half a tick, so is the end of its stretch that
        # the clock goes by, and four times are rounded to samples.
        off = abs(heard.shown(sample) - int(shown.samples()[frame]))
        assert off <= 48_000 * shown.time_base + 2
    for one in stretches:
        end = int(source.samples()[one.frames.stop])
        assert heard.shown(end) == int(shown.samples()[one.frames.stop])


def _without_gaps(heard: Clock) -> None:
    assert heard.pieces[0].start == heard.pieces[0].shown == 0
    for before, after in pairwise(heard.pieces):
        assert (before.stop, before.until) == (after.start, after.shown)
    for piece in heard.pieces:
        assert heard.shown(piece.start) == piece.shown
    times = [heard.shown(sample) for sample in range(-500, heard.pieces[-1].stop + 500, 97)]
    assert times == sorted(times)
    assert times[0] == -500
