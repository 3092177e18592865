"""What of subtitles for the deaf is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc.media.sdh import Said, Turn, said, summary

NAMED = ["ANNA: Two.", "BOB: Names."]
"""So many that names are taken for such."""


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("[door slams]", ""),
        ("[door\nslams] Who is there?", "Who is there?"),
        ("[Anna]: Who is there?", "Who is there?"),
        ("Who is [thunder] there?", "Who is there?"),
        ("（ドアの音）", ""),
        ("（アンナ）おはよう\n（トム）やあ", "おはよう\nやあ"),
        ("【拍手】ありがとう", "ありがとう"),
        ("(sighs) I know.", "I know."),
        ("- (sighs)\n- I know.", "- I know."),
        ("I know. (sighs)", "I know."),
        ("He came (finally) home.", "He came (finally) home."),
        ("He came\n(finally) home.", "He came\n(finally) home."),
        ("I know. (He did not.) So what?", "I know. (He did not.) So what?"),
        ("田中（たなか）さん", "田中（たなか）さん"),
        ("[unclosed", "[unclosed"),
        ("♪ La la la ♪", ""),
        ("♪ La la la\nla la ♪", ""),
        ("♪ La la la\n♪ la la", ""),
        ("- ♪ La la ♪\n- Turn it off!", "- Turn it off!"),
        ("♪ La la ♪ Turn it off!", "Turn it off!"),
        ("♪♪\nTurn it off!", "Turn it off!"),
        ("Listen. ♪ La la ♪", "Listen."),
        ("# La la la #", ""),
        ("#1 is here.", "#1 is here."),
        ("ANNA: Who is there?", "Who is there?"),
        ("ANNA:\nWho is there?", "Who is there?"),
        ("- ANNA: Who?\n- MAN ON THE PHONE: Me.", "Who?\nMe."),
        (">> ANNA: Who?", "Who?"),
        (">>> Good evening.", "Good evening."),
        ("ÉMILIE: Oui.", "Oui."),
        ("АННА: Да.", "Да."),
        ("At 10:30 it begins.", "At 10:30 it begins."),
        ("Remember: never again.", "Remember: never again."),
        ("Q: How long?", "Q: How long?"),
        ("THIS IS WHAT I SAID TO YOU: never.", "THIS IS WHAT I SAID TO YOU: never."),
        ("...", "..."),
        ("-  Hi.\nthere.", "-  Hi.\nthere."),
    ],
)
def test_what_is_said(text: str, rest: str) -> None:
    found = said([text, *NAMED])[0]
    assert found.text == rest


def test_one_name_alone_is_said_and_so_is_one_in_a_file_of_capitals() -> None:
    assert said(["WARNING: do not enter.", "Why?"])[0] == Said((Turn("WARNING: do not enter."),))
    shouted = ["REMEMBER: NEVER AGAIN.", "ANNA: WHO?", "ANNA: YOU?"]
    assert [one.text for one in said(shouted)] == ["REMEMBER: NEVER AGAIN.", "WHO?", "YOU?"]


SMALL = ["[door slams]", "[thunder]", "[Anna sighs]"]
"""A file that writes descriptions small."""


@pytest.mark.parametrize(
    ("texts", "turns"),
    [
        (["[Anna] Who?", "[Ben] Me.", *SMALL], [Turn("Who?", "Anna")]),
        (["(Anna) Who?", "(Ben) Me.", *SMALL], [Turn("Who?", "Anna")]),
        (["-[Anna] Who?\n-[Ben] Me.", *SMALL], [Turn("Who?", "Anna"), Turn("Me.", "Ben", changes=True)]),
        (["[Woman on TV]\nWho?", "[Woman on TV] Me.", "[Ben] I.", *SMALL], [Turn("Who?", "Woman on TV")]),
        (["[whispering] Who?", "[Ben] Me.", "[Ben] I.", *SMALL], [Turn("Who?")]),
        (["[Sighs] Who?", "[Laughs] Me.", "[Door slams]", "[Thunder]"], [Turn("Who?")]),
        (["[Sighs] Who?", "[Laughs] Me."], [Turn("Who?")]),
        (["[Sighs] Who?", "[Sighs]", "[Ben] Me.", "[Ben] I.", *SMALL], [Turn("Who?")]),
        (["[Anna] Who?", *SMALL], [Turn("Who?")]),
        (["（太郎）誰だ", "（花子）私", "（太郎）そうか", "（足音）"], [Turn("誰だ", "太郎")]),
        (["（太郎の声）誰だ", "（太郎の声）そうか"], [Turn("誰だ", "太郎")]),
        (["（太郎）\n誰だ", "（太郎）そうか", "（太郎）え"], [Turn("誰だ", "太郎")]),
        (["（太郎）誰だ\n（花子）私よ", "（太郎）そうか", "（花子）ええ"],
         [Turn("誰だ", "太郎"), Turn("私よ", "花子", changes=True)]),
        (["（泣きながら）誰だ", "（泣きながら）私"], [Turn("誰だ")]),
        (["（ため息）誰だ", "（ため息）私"], [Turn("誰だ")]),
        (["（雷鳴）誰だ", "（雷鳴）私", "（雷鳴）"], [Turn("誰だ")]),
        (["（生徒たち）誰だ", "（生徒たち）先生"], [Turn("誰だ")]),
        (["(민수) 누구야", "(민수) 나야", "[문 닫히는 소리]"], [Turn("누구야", "민수")]),
        (["(웃으며) 누구야", "(웃으며) 나야"], [Turn("누구야")]),
        (["(민서) 누구야", "(민서) 나야"], [Turn("누구야", "민서")]),
        (["（小明）谁", "（小明）我", "（笑声）"], [Turn("谁", "小明")]),
        (["（男Ａ）誰だ", "（男Ａ）私", "（男Ｂ）俺"], [Turn("誰だ", "男Ａ")]),
        (["[Man 1] Who?", "[Man 2] Me.", *SMALL], [Turn("Who?", "Man 1")]),
        (["[Anna] Who?", "[Anna] ♪ Me ♪", "[Anna] (laughs)", "[Anna]\n♪ Me ♪", "[Ben] I.", *SMALL],
         [Turn("Who?", "Anna")]),
        (["우리 회사는\n(주)한국과 함께", "그래서\n(주)한국이"], [Turn("우리 회사는\n(주)한국과 함께")]),
        (["이 책은\n(김철수)가 썼다", "(김철수) 네", "(김철수) 아"], [Turn("이 책은\n(김철수)가 썼다")]),
    ],
)  # fmt: skip
def test_a_name_in_brackets_is_told_from_a_description(texts: list[str], turns: list[Turn]) -> None:
    assert list(said(texts)[0].turns) == turns


@pytest.mark.parametrize(
    "what",
    ["笑聲", "掌聲", "叹气", "咳嗽", "音乐", "拍手", "悲鳴", "舌打ち", "咳払い", "手紙", "注1", "株",
     "心の声", "泣いて", "英語", "한숨", "속삭임", "기침", "박수", "웃으면서", "문 닫히는 소리",
     "يضحك", "צוחק", "หัวเราะ"],
)  # fmt: skip
def test_no_sound_no_manner_and_no_note_becomes_a_speaker(what: str) -> None:
    for signs in ("（{}）", "[{}]", "({})"):
        texts = [f"{signs.format(what)} {line}" for line in ("一", "二", "三")]
        assert [turn.name for one in said(texts) for turn in one.turns] == [None] * 3


def test_what_was_left_out_is_counted() -> None:
    texts = ["[door] [steps]", "(sighs) No.", "♪ La ♪", "ANNA: Yes.", "- ANNA: No?\n- BOB: No."]
    found = said(texts)
    assert [one.names for one in found] == [0, 0, 0, 1, 2]
    assert summary(found) == "3 descriptions, 1 row of song and 3 names of a speaker"
    assert summary(found[:1]) == "2 descriptions"
    assert summary([Said((Turn("Yes."),))]) == ""


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("- Hi.\n- Hello.", [Turn("Hi."), Turn("Hello.", changes=True)]),
        ("-Hi.\n-Hello.", [Turn("Hi."), Turn("Hello.", changes=True)]),
        ("Hi.\n- Hello.", [Turn("Hi."), Turn("Hello.", changes=True)]),
        ("- Hi. - Hello.", [Turn("Hi."), Turn("Hello.", changes=True)]),
        ("- ¿Qué? - ¡Nada!", [Turn("¿Qué?"), Turn("¡Nada!", changes=True)]),
        ("- Who is\nthere?\n- Me.", [Turn("Who is\nthere?"), Turn("Me.", changes=True)]),
        ("- I said - no.\n- Oh.", [Turn("I said - no."), Turn("Oh.", changes=True)]),
        ("ANNA: Hi.\nBOB: Hello.", [Turn("Hi.", "ANNA"), Turn("Hello.", "BOB", changes=True)]),
        ("ANNA: Hi.\n- Hello.", [Turn("Hi.", "ANNA"), Turn("Hello.", changes=True)]),
        ("ANNA: Hi.\nANNA: Hello.", [Turn("Hi.", "ANNA"), Turn("Hello.", "ANNA")]),
        ("ANNA:\nHi.", [Turn("Hi.", "ANNA")]),
        (">> Hi.\n>> Hello.", [Turn("Hi.", changes=True), Turn("Hello.", changes=True)]),
        ("- (sighs)\n- I know.", [Turn("- I know.")]),
        ("- Hi.", [Turn("- Hi.")]),
        ("I thought\n—or did I?", [Turn("I thought\n—or did I?")]),
        ("He said:\n- Hello.", [Turn("He said:\n- Hello.")]),
        ("Well - no. - Yes.", [Turn("Well - no. - Yes.")]),
        ("-5 degrees.\n-10 tomorrow.", [Turn("-5 degrees.\n-10 tomorrow.")]),
    ],
)
def test_what_two_say_in_one_text_is_told_apart(text: str, turns: list[Turn]) -> None:
    assert list(said([text, *NAMED])[0].turns) == turns


@given(st.lists(st.text(alphabet="aB .!?[]()（）♪#>-:\n", max_size=40), max_size=6))
def test_the_rest_is_in_the_text_in_its_order(texts: list[str]) -> None:
    for text, one in zip(texts, said(texts), strict=True):
        left = iter(char for char in text if not char.isspace())
        assert all(char in left for char in one.text if not char.isspace())
