"""What subtitles say of who speaks, against voices told by pitch and timbre."""

from __future__ import annotations

from collections.abc import Sequence

from loc.analysis.marks import hold
from loc.analysis.speakers import CEPSTRA, Spoken, VoicePrint
from loc.artifacts import SpeakerMark

ANNA, BOB, OTHER = SpeakerMark(name="ANNA"), SpeakerMark(name="BOB"), SpeakerMark(changes=True)


def spoken(*pitches: float | None) -> list[Spoken]:
    """Lines that differ in pitch alone; None: voiceless."""
    return [
        Spoken(
            VoicePrint(
                voiced_frames=50 if pitch else 0, f0_hz=pitch, cepstrum=(1.0,) * CEPSTRA if pitch else ()
            ),
            48_000,
        )
        for pitch in pitches
    ]


def told(
    pitches: Sequence[float | None],
    labels: Sequence[int],
    marks: Sequence[SpeakerMark | None],
    most: int | None = None,
) -> list[str]:
    """The speakers, by name, or by `a`, `b` and so on in order."""
    held = hold(spoken(*pitches), labels, marks, most)
    bare = [label for label in dict.fromkeys(held.labels) if label not in held.names]
    return [held.names.get(label) or "abcdef"[bare.index(label)] for label in held.labels]


def test_without_marks_the_sound_decides() -> None:
    assert told([100, 200, 100], [0, 1, 0], [None] * 3) == ["a", "b", "a"]


def test_lines_of_one_name_are_one_speaker_and_those_of_two_are_two() -> None:
    assert told([100, 200], [0, 1], [ANNA, ANNA]) == ["ANNA", "ANNA"]
    assert told([100, 100], [0, 0], [ANNA, BOB]) == ["ANNA", "BOB"]


def test_a_line_without_a_name_belongs_to_the_name_it_sounds_like() -> None:
    assert told([200, 200, 100], [0, 0, 1], [ANNA, None, None]) == ["ANNA", "ANNA", "a"]
    marks = [ANNA, BOB, None, None]
    assert told([200, 150, 152, 195], [0, 0, 0, 0], marks) == ["ANNA", "BOB", "BOB", "ANNA"]


def test_a_voiceless_line_belongs_to_whoever_spoke_last() -> None:
    assert told([200, 150, None], [0, 0, 0], [ANNA, BOB, None]) == ["ANNA", "BOB", "BOB"]
    assert told([None, 200, 150], [0, 0, 0], [None, ANNA, BOB]) == ["ANNA", "ANNA", "BOB"]


def test_of_two_answers_the_one_that_is_nearer_to_another_speaker_is_that_ones() -> None:
    pitches = [100, 100, 200, 105, 150]
    assert told(pitches, [0, 0, 1, 0, 0], [None, None, None, None, OTHER]) == ["a", "a", "b", "a", "b"]
    assert told([*pitches[:3], 150, 105], [0, 0, 1, 0, 0], [None] * 4 + [OTHER]) == ["a", "a", "b", "b", "a"]


def test_where_one_voice_was_heard_whoever_is_least_like_it_is_another() -> None:
    marks = [None, None, None, OTHER, None, OTHER]
    assert told([100, 102, 130, 101, 100, 131], [0] * 6, marks) == ["a", "a", "b", "a", "a", "b"]


def test_a_name_is_not_taken_away_by_a_change_of_speaker() -> None:
    assert told([200, 200], [0, 0], [ANNA, OTHER]) == ["ANNA", "a"]
    assert told([200, 200], [0, 0], [None, SpeakerMark(name="ANNA", changes=True)]) == ["a", "ANNA"]


def test_without_sound_answers_alternate() -> None:
    assert told([None] * 3, [0] * 3, [None, OTHER, OTHER]) == ["a", "b", "a"]


def test_a_speaker_too_many_is_not_added_but_for_names() -> None:
    assert told([100, 130], [0, 0], [None, OTHER], most=1) == ["a", "a"]
    assert told([100, 130], [0, 0], [ANNA, BOB], most=1) == ["ANNA", "BOB"]


def test_nothing_is_held_of_no_lines() -> None:
    assert told([], [], []) == []
