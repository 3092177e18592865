"""Recognition of a public speech, by word error rate."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from loc.analysis.recognition import FRAME, RECOGNISER_RATE, Heard, recognise_english, share_heard
from loc.analysis.voice_activity import detect

TRUTH = (
    *("and", "so", "my", "fellow", "americans"),
    *("ask", "not", "what", "your", "country", "can", "do", "for", "you"),
    *("ask", "what", "you", "can", "do", "for", "your", "country"),
)


def errors(heard: list[str], truth: Sequence[str]) -> int:
    """Word edits (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, expected in enumerate(truth, 1):
        last, row[0] = row[0], i
        for j, word in enumerate(heard, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != expected))
    return row[-1]


@pytest.fixture(scope="module")
def speech(clips: Path) -> npt.NDArray[np.float32]:
    audio, rate = soundfile.read(clips / "jfk.flac", dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(audio.mean(axis=1), rate, RECOGNISER_RATE), dtype=np.float32)


@pytest.fixture(scope="module")
def words(speech: npt.NDArray[np.float32]) -> list[Heard]:
    return recognise_english(speech)


def test_one_word_in_four_wrong_at_most(words: list[Heard]) -> None:
    assert errors([word.text for word in words], TRUTH) / len(TRUTH) <= 0.25


def test_words_are_in_order_on_the_grid_and_within_speech(
    words: list[Heard], speech: npt.NDArray[np.float32]
) -> None:
    regions = detect(speech)
    for word, following in itertools.pairwise(words):
        assert word.start < word.stop <= following.start
    for word in words:
        assert word.start % FRAME == 0
        assert word.stop % FRAME == 0
        assert word.confidence is not None
        assert 0 <= word.confidence <= 1
        middle = (word.start + word.stop) // 2
        assert any(start <= middle < stop for start, stop in regions), word


def test_what_was_heard_before_does_not_matter(speech: npt.NDArray[np.float32]) -> None:
    phrase = speech[: 2 * RECOGNISER_RATE]
    first = recognise_english(phrase)
    assert {"my", "fellow"} <= {word.text for word in first}
    assert recognise_english(phrase) == first


@pytest.mark.parametrize("samples", [0, 100, 16_000])
def test_silence_has_no_words(samples: int) -> None:
    assert recognise_english(np.zeros(samples, np.float32)) == []


SENTENCE = "In the evening we walked down to the river again."


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ("in the evening WE walked, down to the river again", 1.0),
        ("the evening we went to the river", 0.6),
        ("again river", 0.1),
        ("", 0.0),
    ],
)
def test_words_count_in_their_order(said: str, share: float) -> None:
    assert share_heard(SENTENCE, said, "en") == pytest.approx(share)


def test_signs_count_in_japanese() -> None:
    assert share_heard("今日は、良い。", "今日は よい", "ja") == pytest.approx(0.8)
