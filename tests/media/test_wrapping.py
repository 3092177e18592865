"""Rows and parts: nothing is lost, and no row ends where a subtitler would not let it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc.media.line_rules import line_rules
from loc.media.wrapping import (
    ZERO_WIDTH_SPACE,
    columns,
    fits,
    join_lines,
    row_columns,
    split,
    wrap,
    wrap_to,
)

WORDS = st.text(
    st.sampled_from("abc é日本語かなッー、。「」　한 .,-\u200bกินข้าวๆ"), min_size=1, max_size=120
).map(lambda text: join_lines([text]))
LANGUAGES = st.sampled_from([None, "en", "ja", "zh", "th", "ko", "de"])


@given(WORDS, LANGUAGES)
def test_wrapping_loses_nothing_and_makes_two_rows_at_most(text: str, language: str | None) -> None:
    rows = wrap(text, language).split("\n")
    assert join_lines(rows) == text
    assert len(rows) <= 2


@given(WORDS, LANGUAGES, st.integers(1, 4))
def test_splitting_loses_nothing(text: str, language: str | None, count: int) -> None:
    parts = split(text, language, count)
    assert join_lines(parts) == text
    assert all(part.strip() for part in parts) or parts == [text]
    # What does not fit has nowhere to be broken.
    for part in parts:
        assert fits(part, language) or len(split(part, language)) == 1


def test_wrapping_is_even_and_prefers_punctuation() -> None:
    assert wrap("x" * 42) == "x" * 42
    text = "When it comes, it comes at once, and nobody is ready."
    assert wrap(text) == "When it comes, it comes at once,\nand nobody is ready."


def test_japanese_rows_do_not_begin_with_what_may_not_stand_there() -> None:
    text = "これはとても長い字幕ですから、「どこか」で折り返さなければなりませんね。"
    first, second = wrap(text, "ja").split("\n")
    assert first.endswith("、")
    assert second.startswith("「")
    assert wrap("あ" * 13, "ja") == "あ" * 13
    assert wrap("あ" * 16 + "ー" + "い" * 16).split("\n")[1][0] != "ー"


@pytest.mark.parametrize(
    ("language", "text", "rows"),
    [
        (
            "ja",
            "誰もがすることで、害はないというのです。",
            ["誰もがすることで、", "害はないというのです。"],
        ),
        (
            "ja",
            "国家安全保障に関わることなのであれば",
            ["国家安全保障に関わる", "ことなのであれば"],
        ),
        (
            "en",
            "That then vice president Joe Biden is on about the unmasking of a general",
            ["That then vice president Joe Biden", "is on about the unmasking of a general"],
        ),
        (
            "de",
            "Wir haben gestern noch lange über den neuen Vorschlag der Kommission geredet",
            ["Wir haben gestern noch lange über", "den neuen Vorschlag der Kommission geredet"],
        ),
        (
            "es",
            "Aquello lo dijo entonces el vicepresidente de los Estados Unidos en persona",
            ["Aquello lo dijo entonces el vicepresidente", "de los Estados Unidos en persona"],
        ),
        ("zh", "她昨天告诉我那家店很快就要关门了", ["她昨天告诉我那家店很快就要关门了"]),
        ("zh", "她昨天告诉我，那家店很快就要关门了。", ["她昨天告诉我，", "那家店很快就要关门了。"]),
    ],
)
def test_rows_end_where_a_subtitler_ends_them(language: str, text: str, rows: list[str]) -> None:
    assert wrap(text, language).split("\n") == rows


def test_marks_take_no_columns() -> None:
    assert columns("ที่นี่") == 2
    assert columns("हिन्दी में") == 7
    assert columns("e\u0301\u200b") == 1
    text = "हिन्दी में लिखी गई यह पंक्ति एक ही कतार में आती है"
    assert len(text) > line_rules("hi").columns
    assert wrap(text, "hi") == text


def test_thai_is_broken_between_words_and_rather_at_its_blanks() -> None:
    text = "วันนี้อากาศดีมากและฉันอยากไปเดินเล่นที่สวนสาธารณะกับเพื่อนๆของฉันทุกคนเลย"
    first, second = wrap(text, "th").split("\n")
    assert first == "วันนี้อากาศดีมากและฉันอยากไปเดินเล่น" + ZERO_WIDTH_SPACE
    assert join_lines([first, second]) == text
    assert max(map(columns, (first, second))) <= 35
    assert not any(row.startswith("ๆ") for row in wrap_to(text, 12, "th").split("\n"))
    long = split(text * 2, "th")
    assert len(long) > 1
    assert join_lines(long) == text * 2
    spaced = "เมื่อวานนี้เขาบอกฉันว่าร้านนั้นจะปิด แต่ฉันไม่เชื่อเขาเลย"
    assert wrap(spaced, "th") == spaced.replace(" ", "\n")


def test_scripts_whose_words_nobody_knows_are_broken_where_they_say() -> None:
    khmer = "ខ្ញុំចង់ទៅផ្សារជាមួយមិត្តភក្តិរបស់ខ្ញុំនៅថ្ងៃនេះ"
    assert wrap(khmer * 2, "km") == khmer * 2
    assert split(khmer * 4, "km") == [khmer * 4]
    marked = ZERO_WIDTH_SPACE.join([khmer, khmer])
    first, second = wrap(marked, "km").split("\n")
    assert (first.rstrip(ZERO_WIDTH_SPACE), second) == (khmer, khmer)
    assert join_lines([first, second]) == marked
    assert wrap(f"{khmer} {khmer}", "km") == f"{khmer}\n{khmer}"


def test_no_row_ends_with_a_word_that_belongs_to_the_next() -> None:
    text = "He told all of his story to the very first one of the people who came by"
    assert wrap(text, "en").split("\n")[0].rpartition(" ")[2] not in line_rules("en").holds


def test_sentences_become_subtitles_of_their_own() -> None:
    text = (
        "This is the first sentence, and it is of a decent length. "
        "Here is another one that is about as long as the first was."
    )
    assert split(text, "en") == [
        "This is the first sentence, and it is of a decent length.",
        "Here is another one that is about as long as the first was.",
    ]
    japanese = "当時の副大統領が将軍の名前を明かすよう求めたのは、大したことではないと皆が言います。"
    parts = split(japanese, "ja")
    assert parts[-1] == "大したことではないと皆が言います。"
    assert all(
        columns(row) <= row_columns(japanese, "ja") for part in parts for row in wrap(part, "ja").split("\n")
    )


def test_what_cannot_be_broken_stays_whole() -> None:
    assert split("x" * 200, "en") == ["x" * 200]
    assert wrap("x" * 200, "en") == "x" * 200
    assert wrap_to("ab " + "c" * 50 + " de", 20).split("\n") == ["ab", "c" * 50, "de"]


def test_every_language_says_all_it_has_to() -> None:
    for language in (
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "ru",
        "ja",
        "zh",
        "yue",
        "ko",
        "th",
        "ar",
        "xx",
    ):
        rules = line_rules(language)
        assert 10 <= rules.row <= 45
        assert 3 <= rules.cps <= 25
        assert rules.shortest < rules.seconds
        assert rules.wide == (language in ("ja", "zh", "yue", "ko"))
