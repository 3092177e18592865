"""Lines and speakers from vectors and turns, on vectors made by hand."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from loc.analysis.diarization.contract import Embedding, Scale, Turn
from loc.analysis.diarization.grouping import LEAST_OVERLAP, by_turns, by_vectors, judge, together
from loc.artifacts import SAMPLE_RATE

S = SAMPLE_RATE
SCALE = Scale(joined=0.6, bank=0.75, lead=0.05, other=0.6, unsure=0.05, shortest=16_000)
VOICES = np.eye(8, dtype=np.float32)[:3]


def like(*voices: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Vectors near those of voices: the cosine of two of one voice is about 0.8, of two voices about 0."""
    rng = np.random.default_rng(seed)
    near = VOICES[list(voices)] + rng.normal(scale=0.18, size=(len(voices), 8))
    return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), dtype=np.float32)


def test_voices_that_are_apart_are_told_apart_whatever_their_order() -> None:
    spoken = [0, 1, 0, 2, 1, 0, 2, 2]
    labels = by_vectors(like(*spoken), [True] * 8, SCALE.joined, 1, 8)
    for one in range(8):
        for other in range(8):
            assert (labels[one] == labels[other]) == (spoken[one] == spoken[other])


def test_the_least_and_the_most_speakers_are_kept() -> None:
    vectors = like(0, 0, 1, 1, 2, 2)
    found = [len(set(by_vectors(vectors, [True] * 6, SCALE.joined, 1, most))) for most in (1, 2, 3, 8)]
    assert found == [1, 2, 3, 3]
    assert len(set(by_vectors(vectors, [True] * 6, SCALE.joined, 5, 8))) == 5
    assert len(set(by_vectors(vectors[:2], [True] * 2, SCALE.joined, 5, 8))) == 2


def test_short_lines_shape_no_group_and_join_the_nearest() -> None:
    spoken = [0, 0, 1, 1, 2]
    labels = by_vectors(like(*spoken), [True, True, True, True, False], SCALE.joined, 1, 8)
    assert len(set(labels)) == 2
    alone = by_vectors(like(2), [False], SCALE.joined, 1, 8)
    assert alone.tolist() == [0]
    all_short = by_vectors(like(0, 1), [False, False], SCALE.joined, 1, 8)
    assert len(set(all_short)) == 2


def test_a_line_is_the_speakers_who_is_heard_in_most_of_it() -> None:
    turns = (Turn(start=0, stop=2 * S, speaker="b"), Turn(start=S, stop=5 * S, speaker="a"))
    assert by_turns(turns, [(0, S), (S // 2, 3 * S), (6 * S, 7 * S)]) == ["b", "a", None]


@pytest.mark.parametrize(("shared", "flagged"), [(LEAST_OVERLAP - 1, False), (LEAST_OVERLAP, True)])
def test_two_at_once_are_flagged_from_a_stated_length_on(shared: int, flagged: bool) -> None:
    turns = (
        Turn(start=0, stop=2 * S, speaker="a"),
        Turn(start=2 * S - shared, stop=4 * S, speaker="b"),
    )
    lines = [(0, 3 * S), (0, 2 * S - shared), (0, 3 * S)]
    found = {"b": shared} if flagged else {}
    assert together(turns, lines, ["a", "a", None]) == [found, {}, {}]


def test_a_turn_that_goes_on_under_shorter_ones_is_heard_to_its_end() -> None:
    long = Turn(start=0, stop=9 * S, speaker="a")
    short = [Turn(start=start * S, stop=(start + 1) * S, speaker="b") for start in (1, 3, 7)]
    lines = [(4 * S, 6 * S), (6 * S, 8 * S), (9 * S, 10 * S)]
    assert by_turns((long, *short), lines) == ["a", "a", None]
    assert together((long, *short), lines, ["a", "a", None]) == [{}, {"b": S}, {}]


def test_a_programme_of_twice_the_length_is_read_twice_as_long() -> None:
    reads = []
    for length in (100, 200):
        Counted.reads = 0
        turns = [Counted(start=at * S, stop=(at + 1) * S, speaker=f"{at % 3}") for at in range(length)]
        lines = [(turn.start, turn.stop) for turn in turns]
        assert together(turns, lines, by_turns(turns, lines)) == [{}] * length
        reads.append(Counted.reads)
    assert reads[1] == 2 * reads[0]


class Counted(Turn):
    """Counts how often it is asked who speaks."""

    reads: ClassVar[int] = 0

    def __getattribute__(self, name: str) -> Any:
        if name == "speaker":
            Counted.reads += 1
        return super().__getattribute__(name)


def judged(*lines: tuple[int, npt.NDArray[np.float32]]) -> tuple[list[int], list[tuple[int, int]]]:
    """Places of doubtful lines, and of mixed ones with whose voice is in them."""
    made = [Embedding(_unit(parts.mean(axis=0)), parts) for _, parts in lines]
    found = judge(made, np.array([label for label, _ in lines]), SCALE)
    return [item.line for item in found.doubts], [(item.line, item.other) for item in found.mixed]


def _unit(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def test_lines_of_clear_voices_are_neither_doubtful_nor_mixed() -> None:
    clear = [(voice, like(*[voice] * 4, seed=seed)) for voice in (0, 1) for seed in range(3)]
    assert judged(*clear) == ([], [])


def test_a_line_between_two_voices_is_doubtful() -> None:
    clear = [(voice, like(*[voice] * 4, seed=seed)) for voice in (0, 1) for seed in range(3)]
    between = np.repeat(_unit(VOICES[0] + VOICES[1])[None], 4, axis=0)
    assert judged(*clear, (0, between)) == ([6], [])
    other, _ = judged(*clear, (0, like(1, 1, 1, 1)))
    assert 6 in other


def test_a_voice_in_part_of_a_line_is_found_and_one_window_is_not_enough() -> None:
    clear = [(voice, like(*[voice] * 4, seed=seed)) for voice in (0, 1) for seed in range(3)]
    _, mixed = judged(*clear, (0, like(0, 0, 0, 0, 1, 1)))
    assert mixed == [(6, 1)]
    _, mixed = judged(*clear, (0, like(0, 0, 0, 1, 0, 0)))
    assert mixed == []


def test_a_single_speaker_is_never_doubted() -> None:
    assert judged((0, like(0, 0)), (0, like(1, 1))) == ([], [])
