"""The report's figures: what a slowed picture makes of the source's times."""

from __future__ import annotations

from loc.app.report import _dropped, _overlaps, _unsure
from loc.artifacts import SAMPLE_RATE, Dropped, Overlap, Segment, Transcript, Unsure
from loc.media.retiming import Clock, Piece


def segment(number: int, start: int, stop: int) -> Segment:
    return Segment(
        id=f"s{number}",
        start=start * SAMPLE_RATE,
        stop=stop * SAMPLE_RATE,
        speaker="S1",
        text="A line.",
        words=(),
        confidence=None,
    )


def piece(start: int, stop: int, shown: int, until: int) -> Piece:
    return Piece(*(SAMPLE_RATE * second for second in (start, stop, shown, until)))


def test_what_is_told_of_the_source_lies_where_the_slowed_picture_shows_it() -> None:
    said = Transcript(
        language="en",
        origin="recognised",
        segments=(segment(1, 2, 4), segment(2, 6, 8)),
        dropped=(
            Dropped(start=3 * SAMPLE_RATE, stop=4 * SAMPLE_RATE, reason="a loop", text="so it is so it is"),
        ),
        speakers=(),
        overlaps=(Overlap(segment="s1", speakers=("S1", "S2"), by="turns", samples=SAMPLE_RATE),),
        unsure=(Unsure(segment="s2", speaker="S1", other="S2", margin=0.01),),
    )
    clock = Clock((piece(0, 2, 0, 2), piece(2, 4, 2, 5), piece(4, 10, 5, 11)))
    for heard, times in ((clock, [(2, 3), (7, 2)]), (None, [(2, 2), (6, 2)])):
        overlaps, unsure = _overlaps(said, None, heard), _unsure(said, None, heard)
        assert [(one.start, one.seconds) for one in overlaps] == times[:1]
        assert [(one.start, one.seconds) for one in unsure] == times[1:]
    [listed] = _dropped(said, clock)
    assert listed.model_dump() == {"start": 3.5, "seconds": 1.5, "reason": "a loop"}
    [listed] = _dropped(said, None)
    assert (listed.start, listed.seconds) == (3, 1)
