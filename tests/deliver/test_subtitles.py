"""Display times: where the line is spoken, long enough to read, never two at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from loc.artifacts import (
    SAMPLE_RATE,
    Clip,
    DubTrack,
    Fit,
    Line,
    Loudness,
    Ref,
    Segment,
    Sound,
    Transcript,
)
from loc.media.retiming import steady
from loc.media.subtitles import Cue
from stages.deliver.subtitles import LINGER, TOGETHER, Languages, cues

SECOND = SAMPLE_RATE
SPANISH = Languages("es")
SHORTEST, GAP = (round(value * SECOND) for value in (0.833, 0.083))
NOTHING = Ref(sha256="0" * 64, size=0)


def line(name: str, start: int, stop: int, text: str) -> Line:
    return Line(
        id=name,
        start=start,
        stop=stop,
        speaker=None,
        segments=(),
        text=text,
        unknown_words=0,
        failed=None if text else "no translation",
    )


def dub(spoken: dict[str, tuple[int, int]]) -> DubTrack:
    """A dub whose lines sound at (place, samples)."""
    fit = Fit(natural=1, slot=1, borrowed=0, rate=1.0, stretch=1.0, overrun=0)
    clips = [
        Clip(
            line=name,
            speaker=None,
            voice="test",
            place=place,
            samples=samples,
            audio=NOTHING,
            phones=NOTHING,
            fit=fit,
        )
        for name, (place, samples) in spoken.items()
    ]
    loudness = Loudness(integrated_lufs=None, true_peak_dbtp=None, speech_lufs=None, source_speech_lufs=None)
    mix = Sound(channels=2, samples=0, blocks=())
    return DubTrack(language="es", clips=tuple(clips), silent=(), mix=mix, loudness=loudness)


def test_a_line_is_shown_while_it_is_spoken() -> None:
    lines = [line("1", 0, SECOND, "Hello there.")]
    found = cues(lines, dub({"1": (1000, 2 * SECOND)}), steady(10 * SECOND), SPANISH)
    assert found == [Cue(1000, 1000 + 2 * SECOND, "Hello there.")]


def test_a_short_line_stays_long_enough_to_read() -> None:
    lines = [line("1", 0, SECOND, "No."), line("2", 0, SECOND, "これは長い一行の字幕です。")]
    found = cues(lines, dub({"1": (0, 4800), "2": (4 * SECOND, SECOND)}), steady(20 * SECOND), SPANISH)
    assert found[0].stop == SHORTEST
    assert found[1].stop == 4 * SECOND + SECOND + LINGER, "13 signs at 4 a second would need 3.25 s"


def test_the_next_line_and_the_end_cut_it_short() -> None:
    texts = ("A somewhat longer first line of text.", "And the second one here.")
    lines = [line(str(number), 0, 1, text) for number, text in enumerate(texts, start=1)]
    found = cues(
        lines, dub({"1": (0, SECOND), "2": (SECOND + GAP, SECOND)}), steady(2 * SECOND + GAP + 100), SPANISH
    )
    assert found[0].stop == SECOND
    assert found[1].stop == 2 * SECOND + GAP + 100


def test_lines_that_begin_together_are_shown_together() -> None:
    lines = [line("1", 0, 1, "One."), line("2", 0, 1, "Two.")]
    found = cues(lines, dub({"1": (0, SECOND), "2": (TOGETHER - 1, SECOND)}), steady(9 * SECOND), SPANISH)
    assert found == [Cue(0, TOGETHER - 1 + SECOND, "One. Two.")]


def test_a_line_that_could_not_be_spoken_is_still_read() -> None:
    lines = [line("1", SECOND, 3 * SECOND, "Unspoken."), line("2", 5 * SECOND, 6 * SECOND, "")]
    assert cues(lines, dub({}), steady(9 * SECOND), SPANISH) == [Cue(SECOND, 3 * SECOND, "Unspoken.")]


@given(st.lists(st.tuples(st.integers(0, 20 * SECOND), st.integers(1, 5 * SECOND)), max_size=12))
def test_nothing_overlaps_or_outlasts_the_programme(places: Sequence[tuple[int, int]]) -> None:
    end = 18 * SECOND
    lines = [line(str(number), 0, 1, "Some words to read.") for number in range(len(places))]
    found = cues(
        lines, dub({str(number): place for number, place in enumerate(places)}), steady(end), SPANISH
    )
    assert all(cue.start < cue.stop <= end for cue in found)
    assert all(one.stop <= other.start for one, other in itertools.pairwise(found))
    spoken = sum(place < end for place, _ in places)
    assert sum(cue.text.count("Some") for cue in found) == spoken


def transcript(*texts: str) -> Transcript:
    return Transcript(
        language="en",
        origin="supplied",
        segments=tuple(
            Segment(id=f"s{n}", start=0, stop=1, speaker=None, text=text, words=(), confidence=None)
            for n, text in enumerate(texts, 1)
        ),
        dropped=(),
        speakers=(),
    )


def test_a_long_line_becomes_subtitles_one_after_the_other() -> None:
    text = "口元を見てください。新しい声に合わせて動きます。"
    lines, japanese = [line("1", 0, 1, text)], Languages("ja")
    found = cues(lines, dub({"1": (SECOND, 4 * SECOND)}), steady(9 * SECOND), japanese)
    assert [cue.text for cue in found] == ["口元を見てください。", "新しい声に合わせて動きます。"]
    assert found[0].start == SECOND
    share = len(found[0].text) / len(text)
    assert found[1].start == SECOND + round(share * 4 * SECOND)
    assert found[0].stop == found[1].start - GAP
    # There is no time for two: what is said is shown whole.
    found = cues(lines, dub({"1": (0, SECOND)}), steady(9 * SECOND), japanese)
    assert [cue.text for cue in found] == [text]


def test_a_line_spoken_longer_than_a_subtitle_is_shown_becomes_two() -> None:
    lines = [line("1", 0, 1, "One thing, and another.")]
    found = cues(lines, dub({"1": (0, 10 * SECOND)}), steady(20 * SECOND), Languages("en"))
    assert [cue.text for cue in found] == ["One thing,", "and another."]


def test_what_the_source_says_stands_under_it() -> None:
    lines = [
        line("1", 0, 1, "Hola.").model_copy(update={"segments": ("s1", "s2")}),
        line("2", 0, 1, "Nadie lo dijo."),
    ]
    both = Languages("es", "en")
    spoken = dub({"1": (0, 2 * SECOND), "2": (5 * SECOND, SECOND)})
    found = cues(lines, spoken, steady(20 * SECOND), both, transcript("Hello.", "All of you."))
    assert [(cue.text, cue.below) for cue in found] == [
        ("Hola.", "Hello. All of you."),
        ("Nadie lo dijo.", ""),
    ]
    alone = cues(lines, spoken, steady(20 * SECOND), SPANISH)
    assert [cue.below for cue in alone] == ["", ""]


def test_both_languages_are_divided_alike_and_lose_nothing() -> None:
    source = (
        "Watch the mouth closely while it speaks. It follows the new voice in every frame, "
        "and nobody can tell that it was made later on."
    )
    text = "Mira la boca. Sigue la nueva voz."
    lines = [line("1", 0, 1, text).model_copy(update={"segments": ("s1",)})]
    spoken = dub({"1": (0, 6 * SECOND)})
    found = cues(lines, spoken, steady(20 * SECOND), Languages("es", "en"), transcript(source))
    assert len(found) == 2
    assert " ".join(cue.text for cue in found) == text
    assert " ".join(cue.below for cue in found) == source
    slower = cues(lines, spoken, steady(20 * SECOND), SPANISH)
    assert found[-1].stop >= slower[-1].stop, "the longer text is the one that takes longer to be read"


def test_a_source_text_that_is_not_divided_so_often_stands_under_each_part() -> None:
    lines = [line("1", 0, 1, "One thing, and another.").model_copy(update={"segments": ("s1",)})]
    spoken = dub({"1": (0, 10 * SECOND)})
    found = cues(lines, spoken, steady(20 * SECOND), Languages("en", "de"), transcript("Dies."))
    assert [(cue.text, cue.below) for cue in found] == [("One thing,", "Dies."), ("and another.", "Dies.")]


def test_a_source_text_of_more_parts_is_shared_evenly() -> None:
    sentence = "This sentence alone is as long as one subtitle may be, which is two full rows."
    lines = [line("1", 0, 1, "Uno. Dos.").model_copy(update={"segments": ("s1",)})]
    source = " ".join([sentence] * 4)
    spoken = dub({"1": (0, 6 * SECOND)})
    found = cues(lines, spoken, steady(20 * SECOND), Languages("es", "en"), transcript(source))
    assert [cue.below.count("This") for cue in found] == [2, 2]
