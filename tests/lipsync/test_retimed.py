"""A slowed picture: mouths follow the dub's clock, pictures are read by the source's."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from loc.artifacts import FrameRange, Segment, Slowed, Source, Transcript
from loc.media.timeline import Timeline
from stages.lipsync.redraw import Film
from stages.lipsync.stage import _retimed

FRAME = 1920
"""Samples of a frame, 25 a second."""


def test_frames_lines_and_speech_are_where_the_dub_has_them() -> None:
    timeline = Timeline(np.arange(10, dtype=np.int64), np.ones(10, bool), Fraction(1, 25), 10)
    source = Source.model_construct(samples=10 * FRAME)
    film = Film(source, Path("film.mp4"), timeline, timeline.samples(), ())
    line = Segment(
        id="s1", start=4 * FRAME, stop=8 * FRAME, speaker=None, text="x", words=(), confidence=None
    )
    transcript = Transcript(language="en", origin="supplied", segments=(line,), dropped=(), speakers=())
    slowed = [Slowed(frames=FrameRange(start=4, stop=8), factor=Fraction(5, 4))]
    shown, told, speech = _retimed(film, slowed, transcript, [(0, 6 * FRAME), (9 * FRAME, 10 * FRAME)])
    assert shown.timeline is film.timeline, "frames are still found by the source's times"
    assert np.diff(shown.edges).tolist() == [FRAME] * 4 + [FRAME * 5 // 4] * 4 + [FRAME] * 2
    assert (told.segments[0].start, told.segments[0].stop) == (4 * FRAME, 9 * FRAME)
    assert speech == [(0, 6 * FRAME + FRAME // 2), (10 * FRAME, 11 * FRAME)]
    first = FrameRange(start=4, stop=6)
    assert shown.times(first).tolist() == [FRAME * 5 // 8, FRAME * 15 // 8]
