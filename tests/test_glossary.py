"""Glossaries: files, layers, and which terms a text holds."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from loc.errors import UsageError
from loc.glossary import Glossary, holds, layered, occurring, proposed, read_glossary


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_and_tsv_with_a_column_for_each_language(tmp_path: Path) -> None:
    comma = write(tmp_path / "a.csv", '\ufeffen,ja,note,es\nbear,熊,an animal,oso\n"tea, green",緑茶,,\n\n')
    tab = write(tmp_path / "a.tsv", "EN\tja\nbear\t熊\n")
    assert read_glossary(comma).terms("en", "ja") == (("tea, green", "緑茶"), ("bear", "熊"))
    assert read_glossary(comma).terms("en", "es") == (("bear", "oso"),)
    assert read_glossary(comma).terms("ja", "es") == (("熊", "oso"),)
    assert read_glossary(tab).terms("en", "ja") == (("bear", "熊"),)


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "too few"), ("en\nbear\n", "too few"), ("bear,oso\n", "'bear'"), ('en,ja\n"bear', "unexpected end"),
     ("en,en\nbear,oso\n", "too few")],
)  # fmt: skip
def test_what_is_no_glossary_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_glossary(write(tmp_path / "a.csv", text))
    assert why in caught.value.why


def test_bytes_that_are_no_text_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("a.csv", "b.csv"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_glossary(tmp_path / name)


def test_a_project_overrides_what_holds_for_all_work(tmp_path: Path) -> None:
    write(tmp_path / "glossary.csv", "en,es\nbear,oso\ndog,perro\n")
    project = write(tmp_path / "film.tsv", "en\tes\nBear\tosito\n")
    assert layered([project], tmp_path).terms("en", "es") == (("Bear", "osito"), ("dog", "perro"))
    assert layered([], tmp_path / "nowhere") == Glossary()


def test_terms_are_whole_words_and_the_longest_counts() -> None:
    terms = Glossary(({"en": "bear", "es": "oso"}, {"en": "polar bear", "es": "oso polar"})).terms("en", "es")
    assert occurring(terms, "The Polar  bear sleeps.") == (("polar bear", "oso polar"),)
    assert occurring(terms, "A bear and a polar bear.") == (("polar bear", "oso polar"), ("bear", "oso"))
    assert occurring(terms, "I cannot bearly see; unbearable.") == ()
    japanese = Glossary(({"ja": "熊", "en": "bear"},)).terms("ja", "en")
    assert occurring(japanese, "白熊を見た。") == (("熊", "bear"),)


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        # Korean attaches particles, titles and the copula to the noun.
        ("서울", "서울에서 만나요.", True),
        ("서울", "저는 서울까지는 안 가요.", True),
        ("곰", "곰들에게도 집이 있어요.", True),
        ("곰", "저것은 곰입니다.", True),
        ("곰", "벽에 곰팡이가 있어요.", False),
        ("서울", "북서울에 살아요.", False),
        ("민수", "민수씨는 왔어요?", True),
        ("BTS", "BTS는 한국 그룹이에요.", True),
        ("서울", unicodedata.normalize("NFD", "서울은 커요."), True),
        # Vowel signs of Indic scripts are marks: part of the word, on both sides.
        ("राम", "राम घर में है।", True),
        ("राम", "रामी घर में है।", False),
        ("राम", "अभिराम घर में है।", False),
        ("दिल्ली", "वह दिल्ली में रहता है।", True),
        ("लड़का", unicodedata.normalize("NFD", "वह लड़का है।"), True),
        ("কলকাতা", "আমি কলকাতা যাব।", True),
        ("কল", "আমি কলা খাই।", False),
        ("சென்னை", "இது சென்னை.", True),
        # Thai, Lao, Khmer and Burmese set no spaces, and a mark belongs to the letter before it.
        ("กรุงเทพ", "ฉันอยู่กรุงเทพกับแม่", True),
        ("นก", "นี่คือนกของฉัน", True),
        ("ปลา", "ปล่าวนะ", False),
        ("คน", "เขาคนึง", False),
        ("ភ្នំពេញ", "ខ្ញុំនៅភ្នំពេញជាមួយម៉ាក់", True),
        ("က", "ကာ", False),
        # A word in another script stands alone among letters of one without spaces.
        ("iPhone", "新しいiPhoneを買った。", True),
        ("iPhone", "ฉันซื้อiPhoneใหม่", True),
        ("iPhone", "iPhones are new.", False),
        ("ABC", "ＡＢＣの歌", True),
        ("U.S.", "The U.S.A. won.", False),
        ("STRASSE", "Die Straße ist lang.", True),
    ],
)
def test_terms_are_words_of_every_script(term: str, text: str, found: bool) -> None:
    assert bool(occurring(((term, "x"),), text)) == found


def test_a_translation_holds_a_term_however_its_letters_are_coded() -> None:
    assert holds(unicodedata.normalize("NFD", "저는 서울에 가요."), "서울")
    assert holds("Đi Hà Nội", unicodedata.normalize("NFD", "Hà Nội"))


def test_a_term_is_found_with_endings_and_other_capitals() -> None:
    assert holds("Los Osos duermen.", "oso")
    assert holds("熊を見ました。", "熊")
    assert not holds("El perro.", "oso")


def test_names_that_come_often_are_proposed(tmp_path: Path) -> None:
    texts = [
        "Then Zorblatt met Anna Blum.",
        "Was it Zorblatt? On Monday, Anna Blum said no.",
        "Zorblatt, you see, and London.",
    ]
    known = Glossary(({"en": "anna blum", "ja": "アンナ"},))
    assert proposed(texts, "en", "ja", Glossary()).decode().splitlines() == [
        "en,ja,note",
        "Anna Blum,,2 times",
        "Zorblatt,,2 times",
    ]
    filled = proposed(texts, "en", "ja", known)
    assert filled.decode().splitlines()[1:] == ["Zorblatt,,2 times"]
    (tmp_path / "a.csv").write_bytes(filled)
    assert read_glossary(tmp_path / "a.csv").terms("en", "ja") == ()
    assert b"\xe3" in proposed(["ロンドンとロンドン"], "ja", "en", known)
