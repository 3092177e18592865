"""The translate stage over a translator of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from loc.app.languages import is_language
from loc.artifacts import Ref, Segment, Stems, Transcript, Translation
from loc.backend import Card, Host
from loc.errors import ChildError, InputError, MissingError
from loc.events import ActionDone, Event, EventBus
from loc.glossary import Glossary
from loc.media.subtitles import Cue, write_srt
from loc.runner import NotMade, Runner
from loc.settings import Settings
from loc.stage import Context, Job, Slot, SuppliedText
from loc.store.workdir import WorkDir
from stages.translate.contract import Inputs, Translated, Voice, Voices
from stages.translate.faults import failure
from stages.translate.kin import NEAR, ONE
from stages.translate.stage import run

SECOND = 48_000


class Shouter:
    """Translates by shouting; `down` fails, `fails` does so in words, `echo` comes back with every word
    unknown."""

    card: ClassVar[Card] = Card(
        stage="translate", name="shouter", version="1", summary="", family="embedded", quality="basic",
        runs="in-process",
    )  # fmt: skip

    def __init__(self, host: Host | None = None) -> None:
        self.heard: list[str] = []
        self.pairs = {("en", "es"): "1"}

    def fingerprint(self) -> Mapping[str, str]:
        return {"lungs": "2"}

    def pair_fingerprint(self, source: str, target: str) -> Mapping[str, str]:
        return {"pair": self.pairs[source, target]}

    def translate(self, text: str, source: str, target: str) -> Translated:
        self.heard.append(text)
        if text == "down":
            raise ChildError("The shouter is hoarse.")
        if text.startswith("echo"):
            return Translated(text, len(text.split()))
        if text == "fails":
            return Translated("TRANSLATION FAILED", 0)
        return Translated(text.upper() + "!", 1 if "zorb" in text else 0)

    def close(self) -> None:
        pass


def transcript(*texts: str, origin: str = "recognised", language: str | None = "en") -> Transcript:
    """Lines of two seconds each, spoken by a and b in turn."""
    segments = tuple(
        Segment(
            id=f"s{index + 1:04d}",
            start=2 * index * SECOND,
            stop=2 * (index + 1) * SECOND,
            speaker="ab"[index % 2],
            text=text,
            words=(),
            confidence=None,
        )
        for index, text in enumerate(texts)
    )
    return Transcript.model_validate(
        {"language": language, "origin": origin, "segments": segments, "dropped": (), "speakers": ()}
    )


@pytest.fixture
def shouter() -> Shouter:
    return Shouter()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def context(store: WorkDir, shouter: Shouter, events: list[Event]) -> Callable[..., Context]:
    """Makes contexts that share the store; `cues` are the supplied translation."""

    def make(cues: Sequence[Cue] | None = None, mode: str = "make", ids: tuple[str, ...] = ()) -> Context:
        translations = {}
        if cues is not None:
            ref = store.put_bytes(write_srt(cues))
            translations["es"] = SuppliedText(language="es", ref=ref, name="talk.es.srt", ids=ids)
        job = Job(Path("talk.mp4"), "0" * 64, 1, ("es",), "en", None, translations)
        runner = Runner(store, EventBus(events.append), run="test", mode=mode)  # type: ignore[arg-type]
        return Context(runner, Settings(), job, lambda stage, language: shouter, "es")

    return make


@dataclass(frozen=True)
class Role:
    """A voice by class alone, or one that imitates a recording."""

    voice_class: str = "low"
    recording: Ref | None = None

    def params(self) -> Mapping[str, str | int]:
        return {"voice_class": self.voice_class}


def all_alike(context: Context, stems: Slot[Stems], spoken: Transcript) -> Mapping[str | None, Voice]:
    """Everybody who says something has the same voice."""
    return dict.fromkeys((segment.speaker for segment in spoken.segments), Role())


def translate(context: Context, spoken: Transcript, voices: Voices = all_alike) -> Translation:
    return run(context, Inputs(Slot("transcript", spoken), Slot.pending("separate")), voices)


def test_every_segment_becomes_a_line_in_its_place(context: Any) -> None:
    made = translate(context(), transcript("hello", "a zorb"))
    assert (made.language, made.source_language, made.origin) == ("es", "en", "translated")
    assert [line.model_dump() for line in made.lines] == [
        {"id": "l0001", "start": 0, "stop": 2 * SECOND, "speaker": "a", "segments": ("s0001",),
         "text": "HELLO!", "unknown_words": 0, "failed": None, "notes": ()},
        {"id": "l0002", "start": 2 * SECOND, "stop": 4 * SECOND, "speaker": "b", "segments": ("s0002",),
         "text": "A ZORB!", "unknown_words": 1, "failed": None, "notes": ()},
    ]  # fmt: skip


def test_only_the_changed_line_is_translated_again(context: Any, shouter: Shouter) -> None:
    lines = ["one", "two", "three", "four", "five"]
    translate(context(), transcript(*lines))
    shouter.heard.clear()
    lines[2] = "drei"
    changed = context()
    translate(changed, transcript(*lines))
    assert shouter.heard == ["drei"]
    assert (changed.runner.hits, changed.runner.misses) == (4, 1)


def test_place_order_and_repetition_cost_nothing(context: Any, shouter: Shouter) -> None:
    translate(context(), transcript("one", "two"))
    shouter.heard.clear()
    translate(context(), transcript("two", "one", "two", "", "one"))
    assert shouter.heard == []


def test_new_data_of_the_pair_is_a_miss(context: Any, shouter: Shouter) -> None:
    translate(context(), transcript("one"))
    shouter.pairs["en", "es"] = "2"
    translate(context(), transcript("one"))
    assert shouter.heard == ["one", "one"]


def test_a_failed_line_is_a_defect_without_text_and_is_tried_again(context: Any, shouter: Shouter) -> None:
    first = context()
    made = translate(first, transcript("one", "down", "echo this", "", "two"))
    assert [line.text for line in made.lines] == ["ONE!", "", "", "", "TWO!"]
    assert [line.failed is not None for line in made.lines] == [False, True, True, False, False]
    assert [defect.unit for defect in first.runner.defects] == ["line l0002", "line l0003"]
    shouter.heard.clear()
    translate(context(), transcript("one", "down", "two"))
    assert shouter.heard == ["down"]


@pytest.mark.parametrize(
    ("source", "text", "unknown", "fails"),
    [
        ("Hello there", "Hola", 0, False),
        ("Zorblatt!", "Zorblatt.", 1, True),
        ("Zorblatt sleeps", "Zorblatt duerme", 1, False),
        ("No.", "No.", 0, False),
        ("1984?", "1984?", 0, False),
        ("...", "", 0, False),
        ("Hello", " ", 0, True),
        ("this is not a translation", "This is not a translation.", 0, True),
        ("Where are you?", "dónde estás " * 8, 0, True),
        ("Where are you?", "どこですか" * 9, 0, True),
        ("Where are you?", "ja " * 20, 0, True),
        ("Aah!", "¡" + "A" * 30 + "h!", 0, False),
        ("It cost a billion...", "Costó 100000000000.............", 0, False),
        ("No, no, no, no!", "¡No, no, no, no!", 0, False),
        ("No, no, no, no, no!", "¡No, no, no, no, no!", 0, False),
        ("No, no, no, no!", "no " * 200, 0, True),
        ("Ha" + " ha" * 8 + "!", "¡Ja" + " ja" * 8 + "!", 0, False),
        ("Ha ha ha ha ha!", "Jajajajajajajajajaja", 0, False),
        ("Ha ha ha!", "Jajajajajajajajajaja", 0, True),
        ("哈哈哈哈哈哈哈哈", "Ha" + " ha" * 8, 0, False),
        ("Where are you?", "TRANSLATION FAILED", 0, True),
        ("Where are you?", "[Translation failed: timed out]", 0, True),
        ("Where are you?", "Translation error.", 0, True),
        ("The translation failed.", "La traducción falló.", 0, False),
        ("Error!", "¡Error!", 0, False),
    ],
)
def test_what_counts_as_a_translation(source: str, text: str, unknown: int, fails: bool) -> None:
    assert (failure(source, text, ("en", "es"), unknown) is not None) == fails


@pytest.mark.parametrize(
    ("source", "text", "target"),
    [
        (
            "彼のことは知りませんが、昨日ここに来たそうですよ。",
            "彼のことは知りませんが、昨日ここに来たそうですよ。",
            "zh",
        ),
        ("我昨天在这里见到了他的妹妹。", "我昨天在这里见到了他的妹妹。", "ja"),
        ("元気ですか。", "元気ですか。", "zh"),
        ("ありがとう。", "ありがとう。", "en"),
        ("ผมไม่รู้จักเขา", "ผมไม่รู้จักเขา", "fr"),
        ("Я его не знаю.", "Я его не знаю.", "de"),
        ("Come with me now.", "Come with me now.", "ja"),
        ("I love you.", "i love you", "ko"),
        ("Where do you live?", "Watashi wa koko ni sunde imasu.", "ja"),
        ("Have you ever seen him before?", "HAVE YOU EVER SEEN HIM IN HERE?", "ru"),
        ("Where do you live?", "Где ты живёшь?", "ja"),
        ("राम घर में रोज़ आता है", "राम घर में रोज़ आता है", "mr"),
        ("I have never been here before.", "…", "ja"),
        ("I have never been here before.", "TRANSLATION FAILED", "ja"),
    ],
)
def test_the_source_and_other_languages_are_no_translation(source: str, text: str, target: str) -> None:
    assert failure(source, text, (None, target)) is not None


@pytest.mark.parametrize(
    ("source", "text", "target"),
    [
        ("翻訳に失敗しました。", "Translation failed.", "en"),
        ("OK.", "OK.", "ja"),
        ("The iPhone 15.", "iPhone 15。", "ja"),
        ("The New York Times.", "The New York Times", "ja"),
        ("Juan de la Cruz.", "Juan de la Cruz.", "ru"),
        ("Made by IBM in New York.", "IBMがニューヨークで作った。", "ja"),
        ("中华人民共和国。", "中华人民共和国。", "ja"),
        ("東京大学。", "東京大学。", "zh"),
        ("One hundred and twenty-three thousand.", "123,000。", "ja"),
        ("राहुल द्रविड़।", "राहुल द्रविड़।", "mr"),
        ("Нет, Иван!", "いいえ、Иван!", "ja"),
        ("I do not know him.", "Не познајем га.", "sr"),
        ("I do not know him.", "Ne poznajem ga.", "sr"),
        ("I do not know him.", "𐤀𐤁𐤂", "phn"),
        ("Hm?", "…", "ja"),
        ("A β test.", "A β test.", "es"),
    ],
)
def test_names_numbers_and_shared_words_are_one(source: str, text: str, target: str) -> None:
    assert failure(source, text, (None, target)) is None


SHARED = "Vi har en god dag i dag"
LONG = "On je juče kupio novi auto i vozio ga kući kroz grad. Sad spava."


@pytest.mark.parametrize(
    ("source", "languages", "fails"),
    [
        (SHARED, ("nb", "da"), False),
        (SHARED, ("da", "nn"), False),
        (SHARED, ("nb", "en"), True),
        (SHARED, (None, "da"), True),
        (" ".join([SHARED] * 3), ("nb", "da"), True),
        (" ".join([SHARED] * 3), ("nb", "no"), False),
        ("To je moja sestra Ana Nováková.", ("cs", "sk"), False),
        ("Saya mahu makan nasi di rumah.", ("ms", "id"), False),
        ("Todo o mundo fala de Ana.", ("gl", "pt"), False),
        (LONG, ("hr", "bs"), False),
        (LONG, ("sr", "hr"), False),
        (LONG, ("hr", "sl"), True),
        ("我昨天在这里见到了他。", ("zh", "yue"), False),
        ("我昨天在这里见到了他的妹妹和她的朋友们，今天没有。", ("zh", "yue"), True),
        # Cyrillic is no Croatian, whatever the words.
        ("Не познајем га", ("sr", "hr"), True),
    ],
)
def test_a_line_may_be_the_same_in_languages_that_are_near(
    source: str, languages: tuple[str | None, str], fails: bool
) -> None:
    assert (failure(source, source, languages) is not None) == fails


def test_a_word_unknown_to_the_translator_is_no_translation_between_near_languages_either() -> None:
    assert failure("Zorblatt", "Zorblatt", ("cs", "sk"), 1) is not None


def test_languages_that_are_near_are_known_to_loc() -> None:
    assert all(is_language(tag) for pair in ONE | NEAR for tag in pair)


def test_a_stage_knows_which_languages_are_near(context: Any, shouter: Shouter) -> None:
    shouter.pairs |= {(source, "da"): "1" for source in ("en", "nb")}
    said = [
        translate(replace(context(), language="da"), transcript(SHARED, "two", "three", language=source))
        for source in ("nb", "en")
    ]
    assert [made.lines[0].failed is None for made in said] == [True, False]


def test_no_text_in_keys_records_or_events(context: Any, store: WorkDir, events: list[Event]) -> None:
    translate(context(), transcript("confidential", "down"))
    told = "".join(event.model_dump_json() for event in events)
    kept = "".join(str(record) for record in store.actions())
    assert any(isinstance(event, ActionDone) for event in events)
    for text in ("confidential", "CONFIDENTIAL"):
        assert text not in told
        assert text not in kept


def test_looking_makes_nothing(context: Any, shouter: Shouter) -> None:
    translate(context(), transcript("one"))
    shouter.heard.clear()
    look = context(mode="look")
    with pytest.raises(NotMade):
        translate(look, transcript("one", "two"))
    assert [item.hit for item in look.runner.looks] == [True, False]
    assert shouter.heard == []
    assert translate(context(mode="look"), transcript("one")).lines[0].text == "ONE!"


def test_without_any_source_text_there_is_nothing_to_translate(context: Any) -> None:
    with pytest.raises(MissingError, match="nothing to translate"):
        translate(context(), transcript("", "", origin="cues", language=None))


def test_no_speech_is_no_lines(context: Any) -> None:
    assert translate(context(), transcript()).lines == ()


# Sentences over lines


class Talker(Shouter):
    """Shouts sentences, in batches of two; knows that `bear` may be called `oso`."""

    def __init__(self, host: Host | None = None) -> None:
        super().__init__(host)
        self.batched: list[list[str]] = []

    def batches(self, sentences: Sequence[str], source: str, target: str) -> list[list[str]]:
        unique = list(dict.fromkeys(sentences))
        return [unique[first : first + 2] for first in range(0, len(unique), 2)]

    def translate_batch(self, sentences: Sequence[str], source: str, target: str) -> list[Any]:
        self.batched.append(list(sentences))
        return [
            ChildError("The talker is hoarse.") if "down" in one else Translated(one.upper(), 0)
            for one in sentences
        ]

    def alternatives(self, sentence: str, source: str, target: str) -> list[str]:
        self.heard.append(sentence)
        return [sentence.upper(), sentence.upper().replace("BEAR", "OSO")]


def with_talker(context: Context, talker: Talker, glossary: Glossary | None = None) -> Context:
    job = replace(context.job, glossary=glossary or Glossary())
    return replace(context, backend=lambda stage, language: talker, job=job)


def one_voice(*texts: str) -> Transcript:
    spoken = transcript(*texts)
    same = tuple(segment.model_copy(update={"speaker": "a"}) for segment in spoken.segments)
    return spoken.model_copy(update={"segments": same})


def test_a_sentence_over_lines_is_translated_whole_and_given_back(context: Any) -> None:
    talker = Talker()
    made = translate(with_talker(context(), talker), one_voice("I think", "we should go.", "Now. Or never."))
    assert [line.text for line in made.lines] == ["I THINK", "WE SHOULD GO.", "NOW. OR NEVER."]
    assert talker.batched == [["I think we should go.", "Now."], ["Or never."]]


def test_an_edit_costs_its_sentence_and_no_other(context: Any) -> None:
    talker = Talker()
    lines = ["I think", "we should go.", "Now.", "Or never."]
    translate(with_talker(context(), talker), one_voice(*lines))
    talker.batched.clear()
    lines[0] = "He thinks"
    changed = with_talker(context(), talker)
    translate(changed, one_voice(*lines))
    assert talker.batched == [["He thinks we should go."]]
    assert (changed.runner.hits, changed.runner.misses) == (2, 2)


def test_batches_are_in_no_key(context: Any) -> None:
    """Lines translated beside others, and alone, are the same actions."""
    talker = Talker()
    translate(with_talker(context(), talker), one_voice("One.", "Two.", "Three."))
    alone = with_talker(context(), talker)
    translate(alone, one_voice("Two."))
    assert (alone.runner.hits, alone.runner.misses) == (1, 0)


def test_a_failed_sentence_takes_its_lines_and_no_others(context: Any) -> None:
    talker = Talker()
    lines = one_voice("Go", "down.", "Stay.", "Sit.", "Lie.")
    made = translate(with_talker(context(), talker), lines)
    assert [line.text for line in made.lines] == ["", "", "STAY.", "SIT.", "LIE."]
    assert {line.failed for line in made.lines[:2]} == {"The talker is hoarse."}


def test_a_translation_too_short_to_be_divided_is_made_line_by_line(context: Any) -> None:
    class Curt(Talker):
        def translate_batch(self, sentences: Sequence[str], source: str, target: str) -> list[Any]:
            short = {"Go now.": "FUERA", "Go": "VETE", "now.": "YA."}
            return [Translated(short[one], 0) for one in sentences]

    made = translate(with_talker(context(), Curt()), one_voice("Go", "now."))
    assert [line.text for line in made.lines] == ["VETE", "YA."]


def test_another_hypothesis_is_taken_for_a_term_of_the_glossary(context: Any) -> None:
    talker = Talker()
    glossary = Glossary(({"en": "bear", "es": "oso"},))
    lines = one_voice("A bear.", "A dog.")
    translate(with_talker(context(), talker), lines)
    told = with_talker(context(), talker, glossary)
    made = translate(told, lines)
    assert [line.text for line in made.lines] == ["A OSO.", "A DOG."]
    assert talker.heard == ["A bear."]
    assert (told.runner.hits, told.runner.misses) == (1, 1), "the dog's line knows nothing of bears"


def test_a_translation_that_lacks_a_term_is_kept_where_there_is_no_other(context: Any) -> None:
    class Small(Talker):
        def alternatives(self, sentence: str, source: str, target: str) -> list[str]:
            raise InputError("Memory ended.")

    told = with_talker(context(), Small(), Glossary(({"en": "bear", "es": "oso"},)))
    [line] = translate(told, one_voice("A bear.")).lines
    assert (line.text, [note.code for note in line.notes]) == ("A BEAR.", ["term"])


def test_a_batch_that_fails_as_a_whole_is_made_once(context: Any) -> None:
    class Broken(Talker):
        def translate_batch(self, sentences: Sequence[str], source: str, target: str) -> list[Any]:
            self.batched.append(list(sentences))
            if "One." in sentences:
                raise ChildError("The talker is hoarse.")
            return [Translated(one.upper(), 0) for one in sentences]

    talker = Broken()
    made = translate(with_talker(context(), talker), one_voice("One.", "Two.", "Three.", "Four."))
    assert [bool(line.failed) for line in made.lines] == [True, True, False, False]
    assert talker.batched == [["One.", "Two."], ["Three.", "Four."]]


def test_a_failure_is_never_spoken(context: Any) -> None:
    """Neither an error's words nor the source stand where a translation should."""
    made = translate(context(), transcript("one", "down", "echo this", "fails", "two", "three", "four"))
    assert [line.failed is None for line in made.lines] == [True, False, False, False, True, True, True]
    for line in made.lines:
        assert (line.failed is None) == bool(line.text)
        assert "hoarse" not in line.text
        assert "FAILED" not in line.text
        assert "echo" not in line.text


# Supplied text


def cue(start: float, stop: float, text: str) -> Cue:
    return Cue(round(start * SECOND), round(stop * SECOND), text)


def test_supplied_lines_keep_their_times_and_take_the_speaker(context: Any, shouter: Shouter) -> None:
    cues = [cue(0.5, 1.5, "uno"), cue(1.9, 4.2, "dos"), cue(9, 10, "suelto")]
    made = translate(context(cues), transcript("one", "two", "three"))
    assert made.origin == "supplied"
    assert [(line.start, line.stop, line.text) for line in made.lines] == [
        (item.start, item.stop, item.text) for item in cues
    ]
    assert [line.speaker for line in made.lines] == ["a", "b", None]
    assert [line.segments for line in made.lines] == [("s0001",), ("s0002",), ()]
    assert [line.id for line in made.lines] == ["l0001", "l0002", "l0002+1"]
    assert shouter.heard == []


def test_split_and_merged_lines_name_their_segments(context: Any) -> None:
    cues = [cue(0, 1, "u"), cue(1, 2, "no"), cue(2, 6, "dos y tres")]
    made = translate(context(cues), transcript("one", "two", "three"))
    assert [line.segments for line in made.lines] == [("s0001",), ("s0001",), ("s0002", "s0003")]
    assert [line.id for line in made.lines] == ["l0001", "l0001-2", "l0002"]


def test_cues_that_are_the_segments_match_them_even_where_they_overlap(context: Any) -> None:
    cues = [cue(0, 4, "uno"), cue(0, 4, "dos")]
    spans = [{"start": item.start, "stop": item.stop} for item in cues]
    spoken = transcript("", "", origin="cues", language=None)
    segments = [segment.model_copy(update=span) for segment, span in zip(spoken.segments, spans, strict=True)]
    made = translate(context(cues), spoken.model_copy(update={"segments": tuple(segments)}))
    assert [line.segments for line in made.lines] == [("s0001",), ("s0002",)]


def test_ids_of_an_import_are_kept(context: Any) -> None:
    cues = [cue(0, 2, "uno"), cue(2, 4, "dos")]
    made = translate(context(cues, ids=("l0007", "l0007+1")), transcript("one", "two"))
    assert [line.id for line in made.lines] == ["l0007", "l0007+1"]
