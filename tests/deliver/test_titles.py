"""Which pictures a text is drawn in, where some of them stand for seconds."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from loc.artifacts import SAMPLE_RATE, FrameRange
from loc.media.subtitles import Cue
from loc.media.timeline import Timeline
from stages.deliver.subtitles import Languages
from stages.deliver.titles import placed

ENGLISH = Languages("en")


def timeline(times: Sequence[float], end: float) -> Timeline:
    """Pictures that appear at some seconds, to the millisecond."""
    pts = np.array([round(1000 * time) for time in times], np.int64)
    return Timeline(pts, np.ones(len(pts), np.bool_), Fraction(1, 1000), round(1000 * end))


def cue(start: float, stop: float, text: str = "Said.", below: str = "") -> Cue:
    return Cue(round(start * SAMPLE_RATE), round(stop * SAMPLE_RATE), text, below)


def standing(cues: Sequence[Cue], of: Timeline) -> list[tuple[str, range]]:
    stand, _ = placed(cues, ENGLISH, of)
    return [(one.text, range(frames.start, frames.stop)) for one, frames in stand]


@pytest.mark.parametrize(
    ("start", "stop", "frames"),
    [
        (2, 4, range(1)),  # while it stands
        (2, 9.5, range(2)),  # the next one is not all there is to see it in
        (8.5, 12, range(1, 4)),  # most of it in the next ones
        (2, 11, range(3)),
        (21, 24, range(11, 12)),  # the last picture
        (0, 3, range(1)),
    ],
)
def test_what_is_said_while_a_picture_stands_is_drawn_in_it(start: float, stop: float, frames: range) -> None:
    of = timeline([0, *range(9, 20)], 25)
    assert standing([cue(start, stop)], of) == [("Said.", frames)]


def test_at_a_steady_rate_a_text_begins_with_the_first_picture_of_its_time() -> None:
    of = timeline([number / 25 for number in range(100)], 4)
    assert standing([cue(0.55, 1.8)], of) == [("Said.", range(14, 45))]
    assert standing([cue(0.55, 0.56)], of) == [("Said.", range(13, 14))]


def test_texts_that_fall_in_one_picture_are_drawn_as_one_where_they_fit() -> None:
    of = timeline([0, 20], 30)
    pair = [cue(1, 3, "Who is there?", "Qui?"), cue(5, 7, "It is me.", "Moi.")]
    ((one, frames),), lost = placed(pair, Languages("en", "fr"), of)
    assert (one.text, one.below, frames) == (
        "Who is there? It is me.",
        "Qui? Moi.",
        FrameRange(start=0, stop=1),
    )
    assert lost == []


def test_texts_that_no_picture_has_room_for_are_told() -> None:
    of = timeline([0, 20], 22)
    long = "This is as much as goes into one subtitle, which has two rows and no more."
    said = [cue(1, 4, long), cue(5, 8, long), cue(9, 10, "Yes."), cue(23, 24, "Behind the end.")]
    stand, lost = placed(said, ENGLISH, of)
    assert [(one.text, len(frames)) for one, frames in stand] == [(f"{long} Yes.", 1)]
    assert lost == [said[1], said[3]]


def test_a_picture_is_given_up_by_a_text_that_is_mostly_seen_in_others() -> None:
    of = timeline([number / 25 for number in range(50)], 12)
    said = [cue(0.5, 2, "Before."), cue(4, 6, "While it stands.")]
    assert standing(said, of) == [("Before.", range(13, 49)), ("While it stands.", range(49, 50))]
