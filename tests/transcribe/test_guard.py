"""What is dropped as invented, and which transcripts are refused; and what must not be."""

from __future__ import annotations

import pytest

from loc.artifacts import SAMPLE_RATE, Word
from stages.transcribe import guard
from stages.transcribe.guard import Said, gate, is_credit, repeats, sort

S = SAMPLE_RATE


def said(text: str, at: float = 0, logprob: float | None = -0.2, no_speech: float | None = 0.01) -> Said:
    """A passage of a word each half second."""
    words = tuple(
        Word(text=word, start=round((at + i / 2) * S), stop=round((at + i / 2 + 0.5) * S), confidence=0.9)
        for i, word in enumerate(text.split())
    )
    return Said(words=words, logprob=logprob, no_speech=no_speech)


def reason(passage: Said, regions: list[tuple[int, int]] | None = None, language: str = "en") -> str | None:
    kept, dropped = sort([passage], regions or [(0, 1000 * S)], language)
    assert len(kept) + len(dropped) == 1
    return dropped[0][1] if dropped else None


def test_what_was_said_is_believed() -> None:
    for text in (
        "Good morning, and thank you all for coming here today.",
        "No, no, no, no!",
        "Thank you for watching.",
        "Row, row, row your boat, gently down the stream.",
        "Subtitles are text.",
    ):
        assert reason(said(text)) is None


def test_silence_needs_both_of_the_models_doubts() -> None:
    assert reason(said("So it is.", logprob=-1.5, no_speech=0.8)) == guard.SILENCE
    assert reason(said("So it is.", logprob=-1.5, no_speech=0.1)) is None
    assert reason(said("So it is.", logprob=-0.3, no_speech=0.8)) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [("you know " * 6, "en"), ("no " * 6, "en"), ("the end of the world is " * 6, "en"), ("はい" * 6, "ja")],
)
def test_loops_are_dropped(text: str, language: str) -> None:
    assert repeats(text, language)
    assert reason(said(text), language=language) == guard.REPEATS


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("売上は1,000,000円でした。", "ja"),
        ("売上は１，０００，０００円でした。", "ja"),
        ("一共1000000元", "zh"),
        ("ยอดขาย 1,000,000 บาท", "th"),
        ("wwwwwwを見て", "ja"),
    ],
)
def test_a_number_or_a_foreign_word_is_no_loop_of_its_signs(text: str, language: str) -> None:
    assert not repeats(text, language)
    assert reason(said(text), language=language) is None


def test_long_prose_is_no_loop() -> None:
    text = (
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
        "foolishness, it was the epoch of belief, it was the epoch of incredulity"
    )
    assert not repeats(text, "en")


def test_signs_without_words_are_dropped() -> None:
    assert reason(said("♪ ♪♪")) == guard.NO_TEXT
    assert reason(said("so\ufffd it")) == guard.NO_TEXT


def test_a_passage_beside_the_voice_is_dropped() -> None:
    passage = said("one two three four")
    assert reason(passage, [(0, round(0.9 * S))]) == guard.UNVOICED
    assert reason(passage, [(0, round(1.1 * S))]) is None


def test_credits_are_dropped_wherever_and_farewells_where_they_are_doubted() -> None:
    assert reason(said("And so Subtitles by the Amara.org community")) == guard.CREDIT
    assert reason(said("Untertitel im Auftrag des ZDF für funk, 2017"), language="de") == guard.CREDIT
    assert reason(said("ご視聴ありがとうございました。", logprob=-0.8), language="ja") == guard.CREDIT
    assert reason(said("Thank you for watching!", no_speech=0.4)) == guard.CREDIT
    assert not is_credit("Thank you for watching over me.", unsure=True)


def test_the_third_of_the_same_in_a_row_is_an_echo() -> None:
    kept, dropped = sort([said("We will see you there.", at=10 * i) for i in range(4)], [(0, 99 * S)], "en")
    assert len(kept) == 2
    assert [why for _, why in dropped] == [guard.ECHOES] * 2
    assert len(sort([said("Yes.", at=10 * i) for i in range(4)], [(0, 99 * S)], "en")[0]) == 4


def test_a_recogniser_without_an_opinion_is_not_judged() -> None:
    assert reason(said("no " * 20, logprob=None, no_speech=None)) is None


def test_song_is_left_out_whatever_its_text() -> None:
    for text in ("Down by the river.", "la " * 20, "Thank you for watching."):
        line = said(text, no_speech=0.3)
        assert reason(line.model_copy(update={"sung": 0.6})) == guard.SONG
        assert reason(line.model_copy(update={"sung": 0.4})) != guard.SONG
    sung = said("Down by the river.").model_copy(update={"sung": 0.6})
    assert reason(sung, regions=[(50 * S, 60 * S)]) == guard.UNVOICED, "nobody sings where no voice is"


def test_song_is_not_held_against_a_transcript() -> None:
    words, lines = said("a b").words, ["a", "b"]
    assert [item.code for item in gate(lines, words, 3 * S, 10 * S, 0, judges=True)] == ["invented"]
    assert gate(lines, words, 3 * S, 10 * S, 0, judges=True, sung=5 * S) == []
    assert [item.code for item in gate([], (), 0, 99 * S, 99 * S, judges=True)] == ["unheard"]
    assert gate([], (), 0, 99 * S, 99 * S, judges=True, sung=90 * S) == []


def test_the_gate() -> None:
    words = said("a b c d e f g h").words
    lines = list("abcdefgh")
    assert gate(lines, words, 0, 10 * S, 0, judges=True) == []

    def codes(*args: object, judges: bool = True) -> list[str]:
        return [item.code for item in gate(*args, judges=judges)]  # type: ignore[arg-type]

    assert codes(lines, words, 20 * S, 10 * S, 0) == ["invented"]
    assert codes([], (), 2 * S, 10 * S, 0) == ["invented"]
    assert codes(["Same."] * 5 + ["x", "y"], words, 0, 10 * S, 0) == ["one-phrase"]
    assert codes(["Same."] * 3, words, 0, 10 * S, 0) == []
    doubtful = tuple(word.model_copy(update={"confidence": 0.1}) for word in words)
    assert codes(lines, doubtful, 0, 10 * S, 0) == ["unsure"]
    assert codes(lines, doubtful, 0, 10 * S, 0, judges=False) == []
    assert codes(lines, words, 20 * S, S // 2, 0) == []


def test_voice_without_words_is_no_transcript() -> None:
    def codes(words: float, voice: float, certain: float) -> list[str]:
        heard = (Word(text="a", start=0, stop=round(words * S), confidence=0.9),) if words else ()
        lines = ["a"] if words else []
        return [
            item.code for item in gate(lines, heard, 0, round(voice * S), round(certain * S), judges=True)
        ]

    assert codes(0, 7200, 5400) == ["unheard"]
    assert codes(30, 7200, 5400) == ["unheard"]
    assert codes(90, 7200, 5400) == [], "a film in which little is said"
    assert codes(0, 7200, 40) == [], "music that one detector takes for voice"
    assert codes(0, 50, 50) == [], "a minute of laughter"
