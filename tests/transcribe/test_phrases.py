"""Windows, lines and sentences: pure functions on known places."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc.artifacts import SAMPLE_RATE, Segment, Word
from loc.media.line_rules import line_rules
from stages.transcribe.phrases import (
    BREAK_GAP,
    NO_VOICE,
    NO_WORDS,
    SEAM,
    WINDOW_PAD,
    join_words,
    lines,
    voiced,
    windows,
    written,
)
from stages.translate.sentences import passages

S = SAMPLE_RATE


def word(text: str, start: float, stop: float) -> Word:
    return Word(text=text, start=round(start * S), stop=round(stop * S), confidence=None)


def spoken(text: str, start: float = 0, seconds: float = 1) -> list[Word]:
    """A text's words, one after the other in a time."""
    words = text.split()
    each = seconds / max(1, len(words))
    return [word(item, start + i * each, start + (i + 1) * each) for i, item in enumerate(words)]


def texts(found: list[list[Word]]) -> list[str]:
    return [" ".join(item.text for item in line) for line in found]


def test_a_pause_ends_a_line() -> None:
    words = [word("a", 0, 1), word("b", 1.4, 2), word("c", 2.5, 3)]
    assert texts(lines(words)) == ["a b", "c"]


def test_a_long_line_breaks_at_its_longest_gap() -> None:
    words = [word(str(i), i, i + 0.95) for i in range(10)]
    words[6] = word("6", 6.2, 6.95)
    assert texts(lines(words)) == ["0 1 2 3 4 5", "6 7 8 9"]


def test_a_line_without_gaps_breaks_in_its_middle() -> None:
    words = [word(str(i), i, i + 1) for i in range(10)]
    assert texts(lines(words)) == ["0 1 2 3 4", "5 6 7 8 9"]


def test_one_long_word_stays() -> None:
    assert texts(lines([word("oooh", 0, 9)])) == ["oooh"]


@given(st.lists(st.tuples(st.integers(1, S), st.integers(0, S)), max_size=60))
def test_lines_keep_every_word_in_order_and_stay_short(steps: list[tuple[int, int]]) -> None:
    words, at = [], 0
    for length, gap in steps:
        words.append(Word(text="w", start=at, stop=at + length, confidence=None))
        at += length + gap
    found = lines(words)
    assert [item for line in found for item in line] == words
    assert all(line[-1].stop - line[0].start <= line_rules(None).seconds * S for line in found)
    for line in found:
        assert all(b.start - a.stop < BREAK_GAP for a, b in itertools.pairwise(line))


def test_a_sentence_ends_a_line_where_it_is_long_enough() -> None:
    parts = ("So", "it.", "Dr.", "A.", "Bo", "sang.", "We", "left.")
    words = [word(text, i / 4, i / 4 + 0.2) for i, text in enumerate(parts)]
    assert texts(lines(words, "en")) == ["So it. Dr. A. Bo sang.", "We left."]
    # Of a language that has no such abbreviation, "Dr." is the end of a sentence.
    doctor = [word("Wir", 0, 1), word("Dr.", 1, 2), word("Bo", 2, 3)]
    assert texts(lines(doctor, "de")) == ["Wir Dr. Bo"]
    assert texts(lines(doctor, "fi")) == ["Wir Dr.", "Bo"]


SEA = ("we", "saw", "the", "sea,", "then", "we", "ate", "fish")


def test_a_long_line_breaks_at_a_clause_before_a_gap() -> None:
    words = [word(text, i, i + 0.9) for i, text in enumerate(SEA)]
    words[6] = word("ate", 6.2, 6.9)
    assert texts(lines(words, "en")) == ["we saw the sea,", "then we ate fish"]
    plain = [item.model_copy(update={"text": "and" if i == 3 else "x"}) for i, item in enumerate(words)]
    assert texts(lines(plain, "en")) == ["x x x", "and x x x x"]
    assert texts(lines(plain, "fi")) == ["x x x and x x", "x x"]


def test_more_signs_than_a_subtitle_holds_break_a_short_line() -> None:
    words = [word("あいうえおかき", i, i + 1) for i in range(6)]
    assert all(len(join_words(line, "ja")) <= 26 for line in lines(words, "ja"))
    assert len(lines(words, "en")) == 1


def test_words_are_joined_as_the_language_writes() -> None:
    words = [word(text, i, i + 1) for i, text in enumerate(["今日", "は", "Hello", "World", "です"])]
    assert join_words(words, "ja") == "今日はHello Worldです"
    assert join_words(words[2:4], "en") == "Hello World"


def middle(start: int, stop: int) -> int:
    return (start + stop) // 2


@given(
    st.lists(st.tuples(st.integers(1440, 70 * S), st.integers(1440, 5 * S)), max_size=20),
    st.integers(5 * S, 30 * S),
)
def test_windows_hold_all_speech_within_the_limit(steps: list[tuple[int, int]], limit: int) -> None:
    regions, at = [], 0
    for pause, length in steps:
        regions.append((at + pause, at + pause + length))
        at += pause + length
    found = windows(regions, limit, middle)
    assert all(0 <= start < stop and stop - start <= limit for start, stop in found)
    for before, after in itertools.pairwise(found):
        assert before[0] < after[0]
        common = before[1] - after[0]
        # A region was cut there, and both hear what is around the cut.
        assert common <= 0 or any(start < after[0] and before[1] < stop for start, stop in regions)
        assert common <= 2 * SEAM
    for start, stop in regions:
        missing = [(start, stop)]
        for a, b in found:
            missing = [
                part for c, d in missing for part in ((c, min(d, a)), (max(c, b), d)) if part[0] < part[1]
            ]
        assert not missing


def test_near_regions_share_a_window_and_far_ones_do_not() -> None:
    found = windows([(S, 2 * S), (3 * S, 4 * S), (9 * S, 10 * S)], 20 * S, middle)
    assert found == [(S - WINDOW_PAD, 4 * S + WINDOW_PAD), (9 * S - WINDOW_PAD, 10 * S + WINDOW_PAD)]


def test_words_without_voice_and_voice_without_words_are_listed() -> None:
    words = [word("yes", 1.0, 1.5), word("ghost", 5.0, 5.5), word("edge", 2.8, 3.2)]
    regions = [(S, 3 * S), (8 * S, 9 * S), (10 * S, 10 * S + S // 4)]
    kept, dropped = voiced(words, regions)
    assert [item.text for item in kept] == ["yes", "edge"]
    assert [(item.start, item.reason) for item in dropped] == [(5 * S, NO_VOICE), (8 * S, NO_WORDS)]


@pytest.mark.parametrize(
    ("bare", "language", "expected"),
    [
        ("and so i said i'm here", "en", "And so I said I'm here."),
        ("i", "en", "I."),
        ("in italy", "en", "In italy."),
        ("así i todo", "es", "Así i todo."),
        ("Already done", "en", "Already done"),
        ("already done!", "en", "already done!"),
        ("well, you know", "en", "well, you know"),
        ("こんにちは元気ですか", "ja", "こんにちは元気ですか"),
        ("iphoneを買いました", "ja", "iphoneを買いました"),
        ("გამარჯობა", "ka", "გამარჯობა"),
        ("", "en", ""),
    ],
)
def test_bare_words_become_a_sentence(bare: str, language: str, expected: str) -> None:
    assert written([spoken(bare)], language) == [expected]


def test_whether_words_are_bare_is_told_by_all_of_them() -> None:
    assert written([spoken("at five a.m. i"), spoken("woke")], "en") == ["At five a.m. I.", "Woke."]
    assert written([spoken("I went,"), spoken("and she stayed")], "en") == ["I went,", "and she stayed"]


@pytest.mark.parametrize(
    ("said", "language"),
    [
        (["昨日 私は", "友達と 川に 行きました。"], "ja"),
        (["Yesterday my friend", "and his brother", "went home."], "en"),
    ],
)
def test_a_sentence_over_pauses_is_one_passage(said: list[str], language: str) -> None:
    words = [item for index, text in enumerate(said) for item in spoken(text, 2 * index, 1.4)]
    grouped = lines(words, language)
    segments = [
        Segment(
            id=f"s{index}",
            start=line[0].start,
            stop=line[-1].stop,
            speaker=None,
            text=text,
            words=tuple(line),
            confidence=None,
        )
        for index, (line, text) in enumerate(zip(grouped, written(grouped, language), strict=True))
    ]
    assert len(segments) == len(said)
    assert passages(segments) == [range(len(said))]
