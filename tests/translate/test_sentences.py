"""Joining lines to sentences and giving translations back, on text."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc.artifacts import SAMPLE_RATE
from stages.translate.sentences import (
    MAX_LINES,
    Sentence,
    divide,
    ends_sentence,
    give_back,
    passages,
    sentences,
)


@dataclass(frozen=True)
class Said:
    start: int
    stop: int
    speaker: str | None
    text: str


def said(*texts: str, speakers: str = "aaaaaaaa", pause: int = 0) -> list[Said]:
    second = SAMPLE_RATE + pause
    return [
        Said(number * second, number * second + SAMPLE_RATE, speakers[number], text)
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Go home.", True),
        ("Go home!”", True),
        ("Go home", False),
        ("ask not,", False),
        ("I met Mr.", False),
        ("It was J.", False),
        ("行きます。", True),
        ("「行きます。」", True),
        ("行きますが、", False),
        ("Really…", True),
        ("क्या है।", True),
        ("میں ٹھیک ہوں۔", True),
        ("ខ្ញុំសុខសប្បាយ។", True),
        ("ကောင်းပါတယ်။", True),
        ("No.", True),
        ("I said no.", True),
        ("So do I.", True),
        ("He came at 5 p.m.", True),
    ],
)
def test_where_sentences_end(text: str, ends: bool) -> None:
    assert ends_sentence(text) == ends


def test_a_no_is_a_sentence_and_a_number_is_not() -> None:
    assert [one.text for one in sentences(["No. I won't go."], "en")] == ["No.", "I won't go."]
    assert [one.text for one in sentences(["No. 5 is alive."], "en")] == ["No. 5 is alive."]
    assert passages(said("No.", "I never said that.")) == [range(1), range(1, 2)]
    assert len(sentences(["میں ٹھیک ہوں۔ تم کیسے ہو؟"], "ur")) == 2


def test_a_sentence_over_two_lines_is_one_passage() -> None:
    lines = said("And so, my fellow Americans,", "ask not what your country can do.", "Good night.")
    assert passages(lines) == [range(2), range(2, 3)]


def test_text_without_punctuation_is_never_joined() -> None:
    assert passages(said("and so i ask", "what you can do", "for them")) == [
        range(n, n + 1) for n in range(3)
    ]


def test_another_speaker_a_pause_or_a_gap_ends_a_passage() -> None:
    assert passages(said("And so", "we go.", speakers="ab")) == [range(1), range(1, 2)]
    assert passages(said("And so", "we go.", pause=2 * SAMPLE_RATE)) == [range(1), range(1, 2)]
    assert passages(said("And so", "", "we go.")) == [range(n, n + 1) for n in range(3)]


def test_a_sentence_over_too_many_lines_is_not_joined() -> None:
    lines = said(*["and then"] * MAX_LINES, "the end.")
    assert passages(lines)[0] == range(1)
    assert [span.start for span in passages(lines)] == sorted({span.start for span in passages(lines)})


@given(st.lists(st.tuples(st.sampled_from(["Go.", "and", "", "so,"]), st.sampled_from("ab")), max_size=12))
def test_every_line_is_in_one_passage(lines: list[tuple[str, str]]) -> None:
    spans = passages(said(*(text for text, _ in lines), speakers="".join(who for _, who in lines)))
    assert [number for span in spans for number in span] == list(range(len(lines)))


def test_sentences_know_their_lines() -> None:
    found = sentences(["Hello there. I think", "we should go.", "Now!"], "en")
    assert found == [
        Sentence("Hello there.", (0,), (13,)),
        Sentence("I think we should go.", (0, 1), (8, 14)),
        Sentence("Now!", (2,), (4,)),
    ]


def test_titles_initials_and_numbers_end_no_sentence() -> None:
    for text in ("Mr. Smith met J. F. Kennedy.", "It costs 3.50 today.", "He said e.g. nothing."):
        assert [found.text for found in sentences([text], "en")] == [text]


def test_a_full_width_decimal_point_ends_no_sentence() -> None:
    assert [one.text for one in sentences(["身長は３．５メートルです。"], "ja")] == [
        "身長は３．５メートルです。"
    ]
    found = [one.text for one in sentences(["価格は１．５倍だ．次へ．"], "ja")]
    assert found == ["価格は１．５倍だ．", "次へ．"]


def test_japanese_lines_are_joined_without_a_space() -> None:
    found = sentences(["国が何を", "してくれるか。さあ。"], "ja")
    assert [one.text for one in found] == ["国が何をしてくれるか。", "さあ。"]


def test_a_translation_is_divided_at_its_own_clauses() -> None:
    text = "Y así, compatriotas, no pregunten qué puede hacer su país por ustedes."
    assert divide(text, (28, 41), "es") == [
        "Y así, compatriotas,",
        "no pregunten qué puede hacer su país por ustedes.",
    ]


def test_japanese_is_divided_at_punctuation_then_behind_particles() -> None:
    assert divide("だから、国が何をしてくれるかを問うな。", (10, 40), "ja") == [
        "だから、",
        "国が何をしてくれるかを問うな。",
    ]
    assert divide("私は昨日東京で友達に会いました。", (10, 10), "ja") == [
        "私は昨日東京で",
        "友達に会いました。",
    ]


def test_no_word_is_broken_and_no_line_left_without() -> None:
    assert divide("Nothing", (5, 5), "en") is None
    assert divide("One two", (1, 90), "en") == ["One", "two"]
    assert divide("Ja – nein", (3, 3), "de") is not None


@given(
    st.lists(st.sampled_from(["uno", "dos,", "tres", "—", "¿qué?", "x"]), min_size=1, max_size=20),
    st.lists(st.integers(1, 60), min_size=1, max_size=4),
)
def test_dividing_keeps_every_word_in_order(words: list[str], lengths: list[int]) -> None:
    pieces = divide(" ".join(words), lengths, "es")
    if pieces is not None:
        assert len(pieces) == len(lengths)
        assert " ".join(pieces).split() == words


@given(
    st.text("国犬は、動きます。abcアー", min_size=1, max_size=30),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
)
def test_dividing_japanese_loses_no_sign(text: str, lengths: list[int]) -> None:
    pieces = divide(text, lengths, "ja")
    if pieces is not None:
        assert "".join(pieces) == text
        assert all(not piece.startswith(("、", "。", "ー")) for piece in pieces[1:])


def test_every_line_gets_the_parts_of_its_sentences() -> None:
    found = sentences(["Hello there. I think", "we should go."], "en")
    parts = list(zip(found, ["Hola.", "Creo que deberíamos irnos."], strict=True))
    assert give_back(2, parts, "es") == ["Hola. Creo que", "deberíamos irnos."]
    assert give_back(2, [(found[0], "Hola."), (found[1], "Vámonos.")], "es") is None
