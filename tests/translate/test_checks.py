"""What a translation is seen to lack."""

from __future__ import annotations

import pytest

from stages.translate.checks import notes

NOUGHTS = {code: "0" for code in range(0x110000) if chr(code).isdecimal()}

TERMS = (("bear", "oso"),)


@pytest.mark.parametrize(
    ("source", "text", "target", "codes"),
    [
        ("A bear sleeps.", "Un oso duerme.", "es", []),
        ("A bear sleeps.", "Un animal duerme.", "es", ["term"]),
        ("It has 27 rooms.", "Tiene 27 habitaciones.", "es", []),
        ("It has 27 rooms.", "Tiene 72 habitaciones.", "es", ["number"]),
        ("It has 3 rooms.", "Tiene tres habitaciones.", "es", []),
        ("It cost 1,250.50 dollars.", "Costó 1.250,50 dólares.", "es", []),
        ("It cost 12,000 yen.", "1万2千円でした。", "ja", []),
        ("In 1984 it rained.", "１９８４年は雨でした。", "ja", []),
        ("In 1984 it rained.", "あの年は雨でした。", "ja", ["number"]),
        ("We met Zorblatt there.", "Allí encontramos a Zorblatt.", "es", []),
        ("We met Zorblatt there.", "Allí encontramos a alguien.", "es", ["name"]),
        ("We went to London.", "Fuimos a Londres.", "es", []),
        ("We met Zorblatt there.", "そこで会いました。", "ja", []),
        ("See you on Monday.", "Hasta el lunes.", "es", []),
        ("Zorblatt sleeps.", "Alguien duerme.", "es", []),
    ],
)
def test_terms_numbers_and_names(source: str, text: str, target: str, codes: list[str]) -> None:
    assert [note.code for note in notes(source, text, ("en", target), TERMS)] == codes


@pytest.mark.parametrize(
    ("source", "text", "languages"),
    [
        ("予算は120万円です。", "The budget is 1.2 million yen.", ("ja", "en")),
        ("3億5000万人", "350 million people", ("ja", "en")),
        ("There are 150 million.", "15 करोड़ हैं।", ("en", "hi")),
        ("It cost 1,500 euros.", "Il a coûté 1\u202f500 euros.", ("en", "fr")),
        ("Il a coûté 1\u00a0500\u00a0euros.", "It cost 1,500 euros.", ("fr", "en")),
        ("It cost 1,500 euros.", "كلف ١٬٥٠٠ يورو.", ("en", "ar")),
    ],
)
def test_numbers_are_the_same_however_they_are_grouped(
    source: str, text: str, languages: tuple[str, str]
) -> None:
    assert notes(source, text, languages, ()) == []


def test_a_space_that_holds_to_a_word_is_in_no_number() -> None:
    [note] = notes("In 2020\u00a015 came.", "En 202015 vinieron.", ("en", "es"), ())
    assert note.detail.startswith("2 of 2")


def test_what_moved_to_the_next_line_is_not_missed() -> None:
    assert notes("A bear of 27 years", "Un", ("en", "es"), TERMS, "oso de 27 años") == []


def test_german_nouns_are_no_names() -> None:
    assert notes("Ich sah das Haus.", "I saw it.", ("de", "en"), ()) == []


def test_notes_hold_figures_and_no_text() -> None:
    [note] = notes("A bear sleeps.", "Nada.", ("en", "es"), TERMS)
    assert note.detail == "1 of 1 terms of the glossary are not found in the translation."


@pytest.mark.parametrize(
    ("source", "text", "target"),
    [
        ("I have 35 apples", "لدي ٣٥ تفاحة", "ar"),
        ("I have 35 apples", "मेरे पास ३५ सेब हैं", "hi"),
        ("room 214", "اتاق ۲۱۴", "fa"),
        ("at 3:15", "3時15分に", "ja"),
    ],
)
def test_numbers_are_found_in_digits_of_every_script(source: str, text: str, target: str) -> None:
    assert notes(source, text, ("en", target), ()) == []
    assert [one.code for one in notes(source, text.translate(NOUGHTS), ("en", target), ())] == ["number"]
