"""The stage: supplied cues, recognised windows, speakers, and what is said when something is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from loc.analysis.recognition import Heard, Passage
from loc.app.walk import informed
from loc.artifacts import SAMPLE_RATE, Source, Stems, Transcript
from loc.backend import Card, Host
from loc.cast import CastFile, Manner
from loc.errors import InputError, MissingError, UsageError
from loc.events import Defect, EventBus, Notice
from loc.media.sound import store_sound
from loc.media.subtitles import Cue
from loc.runner import NotMade, Runner
from loc.stage import Slot, SuppliedText
from loc.store.workdir import WorkDir
from stages.transcribe import guard
from stages.transcribe.contract import Inputs
from stages.transcribe.phrases import NO_WORDS
from stages.transcribe.pocketsphinx import Pocketsphinx
from stages.transcribe.stage import PAST_END, one_after_another, origin, run
from tests.hearing import context, silent_source, source_of
from tests.voices import SENTENCES, pause, speak

S = SAMPLE_RATE
HOST = Host(settings=None, scratch=Path())


NUMBERS = ("one", "two", "three", "four", "five", "six", "seven")


class Scripted:
    """Hears one word for each window, in its middle, another each time; counts what it was asked."""

    card: ClassVar = Card("transcribe", "scripted", "1", "scripted", "embedded", "basic", "in-process")
    max_window_samples = 15 * 8_000
    hears_mixes = False
    asked: ClassVar[list[int]] = []

    def __init__(self, words: int = 1) -> None:
        self.words = words
        self.asked.clear()

    def fingerprint(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None: ...

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        assert language == "en"
        self.asked.append(len(audio))
        middle = len(audio) // 2
        text = NUMBERS[len(self.asked) % len(NUMBERS)]
        words = (Heard(text, middle - 3200, middle + 3200, 0.5),) * self.words
        return [Passage(words)] if words else []


class Inventing(Scripted):
    """Hears a number in each window as a model does that can doubt itself, but in the second and third that
    it is asked for a line of credits and a loop."""

    LOOP = ("you", "know") * 6
    WRITTEN: ClassVar = {2: ("Subtitles", "by", "the", "Amara.org", "community"), 3: LOOP}

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        [passage] = super().recognise(audio, language)
        texts, middle = self.WRITTEN.get(len(self.asked), ()), len(audio) // 2
        invented = tuple(
            Heard(text, middle + at * 400, middle + at * 400 + 400, 0.9) for at, text in enumerate(texts, -3)
        )
        return [Passage(invented or passage.words, logprob=-0.2, no_speech=0.01)]


class Singing(Scripted):
    """Hears a number in each window as a model does that can tell song, and takes one of so many for it."""

    def __init__(self, one_of: int = 2) -> None:
        super().__init__()
        self.one_of = one_of

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        [passage] = super().recognise(audio, language)
        sung = float(len(self.asked) % self.one_of == 0)
        return [Passage(passage.words, logprob=-0.2, no_speech=0.01, sung=sung)]


@pytest.fixture
def events() -> list[object]:
    return []


@pytest.fixture
def listening(store: WorkDir, events: list[object]) -> Runner:
    """A runner whose events are kept."""
    return Runner(store, EventBus(events.append), run="test")


def heard(store: WorkDir, audio: npt.NDArray[np.float32]) -> tuple[Source, Inputs]:
    """A source whose speech stem is the whole sound, float32 [n]."""
    source = source_of(store, audio)
    stems = Stems(speech=store_sound(store, [audio[:, None]], 1), background=None, speech_snr_db=None)
    return source, Inputs(Slot("ingest", source), Slot("separate", stems))


def srt(*cues: tuple[float, float, str]) -> bytes:
    def clock(seconds: float) -> str:
        ms = round(seconds * 1000)
        return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}"

    return "".join(
        f"{i}\n{clock(a)} --> {clock(b)}\n{text}\n\n" for i, (a, b, text) in enumerate(cues, 1)
    ).encode()


def supplied(store: WorkDir, data: bytes, language: str | None = "en") -> SuppliedText:
    return SuppliedText(language=language, ref=store.put_bytes(data), name="film.en.srt")


def dialogue() -> tuple[npt.NDArray[np.float32], list[tuple[float, float]]]:
    """Two voices in turn, 1 s apart, and the places of the six lines in seconds."""
    parts, places, at = [pause(1.0)], [], 1.0
    for index, text in enumerate(SENTENCES[:6]):
        line = speak(text, ("en+m3", "en+f3")[index % 2])
        parts += [line, pause(1.0)]
        places.append((at, at + len(line) / S))
        at += len(line) / S + 1.0
    return np.concatenate(parts), places


def test_supplied_cues_are_the_lines_with_their_speakers(listening: Runner) -> None:
    audio, places = dialogue()
    _, inputs = heard(listening.store, audio)
    text = supplied(listening.store, srt(*[(a, b, f"Line {i}.") for i, (a, b) in enumerate(places)]))
    found = run(context(listening, transcript=text, source_language=None), inputs)
    assert found.origin == "supplied"
    assert found.language == "en"
    assert [segment.text for segment in found.segments] == [f"Line {i}." for i in range(6)]
    assert [segment.id for segment in found.segments] == [f"s000{i}" for i in range(1, 7)]
    assert [segment.speaker for segment in found.segments] == ["speaker1", "speaker2"] * 3
    assert [speaker.voice_class for speaker in found.speakers] == ["low", "high"]


def test_translations_for_all_languages_give_bare_cues(listening: Runner) -> None:
    audio, places = dialogue()
    _, inputs = heard(listening.store, audio)
    text = supplied(listening.store, srt(*[(a, b, "こんにちは") for a, b in places]), "ja")
    ctx = context(listening, languages=("ja",), translations={"ja": text}, source_language=None)
    found = run(ctx, inputs)
    assert found.origin == "cues"
    assert found.language is None
    assert {segment.text for segment in found.segments} == {""}
    assert len(found.segments) == 6


def test_who_answers_in_a_cue_is_another_speaker(listening: Runner) -> None:
    audio, places = dialogue()
    _, inputs = heard(listening.store, audio)
    both = (places[1][0], places[2][1], "- Two, which is said.\n- Three, which is.")
    cues = [(*places[0], "One."), both]
    text = supplied(listening.store, srt(*cues))
    found = run(context(listening, transcript=text, source_language=None), inputs)
    assert [segment.text for segment in found.segments][1:] == ["Two, which is said.", "Three, which is."]
    assert [segment.speaker for segment in found.segments] == ["speaker1", "speaker2", "speaker1"]


def test_speakers_are_those_that_the_subtitles_name(listening: Runner) -> None:
    audio, places = dialogue()
    _, inputs = heard(listening.store, audio)
    said = ["TOM: Nought.", "ANNA: One.", "BOB: Two.", "ANNA: Three.", "Four.", "Five."]
    cues = [(*place, line) for place, line in zip(places, said, strict=True)]
    text = supplied(listening.store, srt(*cues))
    found = run(context(listening, transcript=text, source_language=None), inputs)
    assert [speaker.name for speaker in found.speakers] == ["TOM", "ANNA", "BOB"]
    speakers = [segment.speaker for segment in found.segments]
    assert speakers[:4] == ["speaker1", "speaker2", "speaker3", "speaker2"]
    assert speakers[4] in ("speaker1", "speaker3"), "the low voice is Tom's or Bob's"
    assert speakers[5] == "speaker2"


def test_the_cast_file_names_speakers(listening: Runner) -> None:
    audio, places = dialogue()
    _, inputs = heard(listening.store, audio)
    text = supplied(listening.store, srt(*[(a, b, f"Line {i}.") for i, (a, b) in enumerate(places)]))
    said = CastFile("talk.cast.toml", frozenset(), names={"speaker2": "Anna"})
    found = run(context(listening, transcript=text, source_language=None, cast=said), inputs)
    assert [speaker.name for speaker in found.speakers] == [None, "Anna"]
    nobody = replace(said, names={"speaker3": "Anna"})
    with pytest.raises(UsageError, match="'speaker3', who is not in this video"):
        run(context(listening, transcript=text, source_language=None, cast=nobody), inputs)


def test_a_name_of_the_subtitles_means_its_speaker_in_the_cast_file(listening: Runner) -> None:
    audio, places = dialogue()
    _, inputs = heard(listening.store, audio)
    said = ["TOM: Nought.", "ANNA: One.", "TOM: Two.", "ANNA: Three.", "Four.", "Five."]
    cues = [(*place, line) for place, line in zip(places, said, strict=True)]
    cast = CastFile("talk.cast.toml", frozenset({"Tom"}), voices={"Anna": {"": "hana"}})
    ctx = context(listening, transcript=supplied(listening.store, srt(*cues)), cast=cast)
    after = informed(ctx, run(ctx, inputs)).job.cast
    assert after is not None
    assert after.off_screen == {"speaker1"}
    assert after.voices == {"speaker2": {"": "hana"}}


def test_a_speaker_whom_the_cast_file_renames_still_goes_by_the_name_of_the_subtitles(
    listening: Runner,
) -> None:
    audio, places = dialogue()
    _, inputs = heard(listening.store, audio)
    said = ["TOM: Nought.", "ANNA: One.", "TOM: Two.", "ANNA: Three.", "Four.", "Five."]
    cues = [(*place, line) for place, line in zip(places, said, strict=True)]
    cast = CastFile(
        "talk.cast.toml",
        frozenset({"TOM"}),
        faces={"ANNA": ("left",)},
        manners=(Manner("ANNA", "Tom", register="polite"), Manner("Anna Berg", register="plain")),
        leads=frozenset({"ANNA"}),
        voices={"ANNA": {"": "hana"}},
        # Tom is called what the subtitles call her: that still means her.
        names={"ANNA": "Anna Berg", "TOM": "Anna"},
    )
    ctx = context(listening, transcript=supplied(listening.store, srt(*cues)), cast=cast)
    found = run(ctx, inputs)
    assert [speaker.name for speaker in found.speakers] == ["Anna", "Anna Berg"]
    after = informed(ctx, found).job.cast
    assert after is not None
    assert after.off_screen == {"speaker1"}
    assert after.faces == {"speaker2": ("left",)}
    assert after.leads == {"speaker2"}
    assert after.voices == {"speaker2": {"": "hana"}}
    assert [(one.speaker, one.to) for one in after.manners] == [("speaker2", "speaker1"), ("speaker2", None)]
    ids = [speaker.id for speaker in found.speakers]
    after.check_speakers(ids)
    unknown = replace(cast, manners=(Manner("ANNA", "Tim", register="polite"),))
    with pytest.raises(UsageError, match="'Tim', who is not in this video"):
        run(context(listening, transcript=ctx.job.transcript, cast=unknown), inputs)


def test_without_sound_the_subtitles_tell_the_speakers(listening: Runner) -> None:
    inputs = Inputs(
        Slot("ingest", silent_source(10 * S)),
        Slot("separate", Stems(speech=None, background=None, speech_snr_db=None)),
    )
    text = supplied(listening.store, srt((1, 2, "ANNA: One."), (3, 4, "BOB: Two."), (5, 6, "Three.")))
    found = run(context(listening, transcript=text, source_language=None), inputs)
    assert [speaker.name for speaker in found.speakers] == ["ANNA", "BOB"]
    assert [segment.speaker for segment in found.segments] == ["speaker1", "speaker2", "speaker2"]


def test_one_language_without_a_translation_needs_recognition(store: WorkDir, runner: Runner) -> None:
    text = supplied(store, srt((0, 1, "x")), "ja")
    job = context(runner, languages=("ja", "es"), translations={"ja": text}).job
    assert origin(job) == "recognised"


def test_supplied_text_over_silence_needs_no_sound(listening: Runner) -> None:
    inputs = Inputs(
        Slot("ingest", silent_source(10 * S)),
        Slot("separate", Stems(speech=None, background=None, speech_snr_db=None)),
    )
    text = supplied(listening.store, srt((1, 2, "Hello."), (4, 30, "Too long.")))
    found = run(context(listening, transcript=text), inputs)
    assert [(segment.start, segment.stop) for segment in found.segments] == [(S, 2 * S), (4 * S, 10 * S)]
    assert {segment.speaker for segment in found.segments} == {None}
    assert found.speakers == ()


def test_cues_after_the_end_are_dropped_and_said(listening: Runner, events: list[object]) -> None:
    inputs = Inputs(Slot("ingest", silent_source(10 * S)), Slot.pending("separate"))
    text = supplied(listening.store, srt((1, 2, "In."), (11, 12, "Out.")))
    found = run(context(listening, transcript=text), inputs)
    assert len(found.segments) == 1
    assert [(item.start, item.reason, item.text) for item in found.dropped] == [(11 * S, PAST_END, "Out.")]
    assert any(isinstance(event, Notice) and event.code == "cues-past-end" for event in events)
    with pytest.raises(InputError, match="does not belong"):
        run(context(listening, transcript=supplied(listening.store, srt((20, 21, "Out.")))), inputs)


def test_cues_follow_one_another() -> None:
    cues = [Cue(5 * S, 6 * S, "c"), Cue(0, 3 * S, "a"), Cue(2 * S, 4 * S, "b"), Cue(5 * S + 10, 7 * S, "d")]
    assert one_after_another(cues) == [
        Cue(0, 2 * S, "a"),
        Cue(2 * S, 4 * S, "b"),
        Cue(5 * S, 7 * S, "c d"),
    ]


def test_windows_fit_the_recogniser_and_words_land_in_the_programme(listening: Runner) -> None:
    audio, places = dialogue()
    _, inputs = heard(listening.store, audio)
    backend = Scripted()
    found = run(context(listening, {"transcribe": backend}), inputs)
    assert found.origin == "recognised"
    assert len(backend.asked) == 6
    assert max(backend.asked) <= Scripted.max_window_samples
    for segment, (start, stop) in zip(found.segments, places, strict=True):
        assert segment.text.removesuffix(".").lower() in NUMBERS
        assert start * S < segment.start < segment.stop < stop * S
        assert segment.confidence == 0.5


def test_the_second_run_hears_nothing_again(listening: Runner) -> None:
    audio, _ = dialogue()
    backend = Scripted()
    ctx = context(listening, {"transcribe": backend})
    first = run(ctx, heard(listening.store, audio)[1])
    assert run(ctx, heard(listening.store, audio)[1]) == first
    assert len(backend.asked) == 6


def test_speech_without_a_word_is_a_defect(listening: Runner, events: list[object]) -> None:
    audio, _ = dialogue()
    found = run(context(listening, {"transcribe": Scripted(words=0)}), heard(listening.store, audio)[1])
    assert found.segments == ()
    assert {item.reason for item in found.dropped} == {NO_WORDS}
    assert any(isinstance(event, Defect) and event.code == "nothing-recognised" for event in events)


def test_what_nobody_seems_to_have_said_is_listed_with_its_words_and_told_once(
    listening: Runner, events: list[object]
) -> None:
    audio, places = dialogue()
    found = run(context(listening, {"transcribe": Inventing()}), heard(listening.store, audio)[1])
    listed = {item.reason: item for item in found.dropped}
    assert listed[guard.CREDIT].text == "Subtitles by the Amara.org community"
    assert listed[guard.REPEATS].text == " ".join(Inventing.LOOP)
    for item in (listed[guard.CREDIT], listed[guard.REPEATS]):
        assert any(start * S < item.start < item.stop < stop * S for start, stop in places)
    assert len(found.segments) == 4
    assert {segment.text.removesuffix(".").lower() for segment in found.segments} < {*NUMBERS}
    told = [event for event in events if isinstance(event, Notice) and event.code == "invented-text"]
    assert [event.message.partition(" that")[0] for event in told] == ["Left out 2 recognised passages"]


@pytest.mark.parametrize("all_voices", [True, False])
def test_song_is_no_line_and_stays_in_the_dub(
    listening: Runner, events: list[object], all_voices: bool
) -> None:
    audio, _ = dialogue()
    _, inputs = heard(listening.store, audio)
    stems = inputs.stems.get().model_copy(update={"all_voices": all_voices})
    ctx = context(listening, {"transcribe": Singing()})
    found = run(ctx, replace(inputs, stems=Slot("separate", stems)))
    assert len(found.segments) == 3
    songs = [item for item in found.dropped if item.reason == guard.SONG]
    assert len(songs) == 3
    for song in songs:
        assert any(one.start < song.start and song.stop < one.stop for one in found.kept)
        assert song.text.lower() in NUMBERS
    for line in found.segments:
        assert not any(one.start < line.stop and line.start < one.stop for one in found.kept)
    told = [event for event in events if isinstance(event, Notice)]
    assert [event.message for event in told if event.code == "song-kept"] == [
        "Left 3 passages of song as they are; the report lists them. What is spoken after all can be "
        "supplied with --transcript."
    ]
    assert not [event for event in told if event.code == "invented-text"]


def test_a_concert_is_left_as_it_is(listening: Runner, events: list[object]) -> None:
    audio, _ = dialogue()
    long = np.concatenate([audio] * (1 + round(100 * S) // len(audio)))
    source, inputs = heard(listening.store, long)
    found = run(context(listening, {"transcribe": Singing(one_of=1)}), inputs)
    assert found.segments == ()
    assert {item.reason for item in found.dropped} == {guard.SONG}
    assert sum(item.stop - item.start for item in found.kept) > 0
    assert all(item.stop <= source.samples for item in found.kept)
    assert not [event for event in events if isinstance(event, Defect)]


def test_much_voice_without_words_ends_before_anything_is_spent(listening: Runner) -> None:
    audio, _ = dialogue()
    long = np.concatenate([audio] * (1 + round(100 * S) // len(audio)))
    _, inputs = heard(listening.store, long)
    with pytest.raises(InputError, match="no transcript") as refused:
        run(context(listening, {"transcribe": Scripted(words=0)}), inputs)
    assert "0.0% of" in refused.value.why


def test_no_speech_is_said_and_asks_no_recogniser(listening: Runner, events: list[object]) -> None:
    found = run(context(listening), heard(listening.store, pause(5.0))[1])
    assert found == Transcript(language="en", origin="recognised", segments=(), dropped=(), speakers=())
    assert any(isinstance(event, Notice) and event.code == "no-speech" for event in events)


def test_an_unknown_source_language_names_the_ways_out(runner: Runner) -> None:
    _, inputs = heard(runner.store, dialogue()[0])
    with pytest.raises(MissingError) as missing:
        run(context(runner, {"transcribe": Scripted()}, source_language=None), inputs)
    assert missing.value.code == 5
    assert "--from" in missing.value.fix
    assert "VIDEO.LANG.srt" in missing.value.fix


class Fluent(Scripted):
    """Tells languages, hears more in one of two sounds, and can be told what to expect."""

    hears_mixes = True

    def __init__(self, shares: Mapping[str, float], surer_of: float = 0.0) -> None:
        super().__init__()
        self.shares = shares
        self.surer_of = surer_of
        self.told: list[str] = []

    def languages(self, audio: npt.NDArray[np.float32]) -> dict[str, float]:
        return dict(self.shares)

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        passages = super().recognise(audio, "en")
        loud = float(np.abs(audio).max()) > self.surer_of > 0
        return [
            Passage(
                tuple(replace(word, confidence=0.9 if loud else 0.5) for word in passage.words), -0.1, 0.0
            )
            for passage in passages
        ]

    def recognise_with(self, audio: npt.NDArray[np.float32], language: str, vocabulary: str) -> list[Passage]:
        self.told.append(vocabulary)
        return self.recognise(audio, language)


def test_a_language_that_is_heard_clearly_is_taken(listening: Runner, events: list[object]) -> None:
    audio, _ = dialogue()
    backend = Fluent({"en": 0.9, "de": 0.1})
    found = run(
        context(listening, {"transcribe": backend}, source_language=None), heard(listening.store, audio)[1]
    )
    assert found.language == "en"
    assert len(found.segments) == 6
    assert any(isinstance(event, Notice) and event.code == "language-heard" for event in events)


def test_a_language_that_is_not_clear_is_asked_for(listening: Runner) -> None:
    audio, _ = dialogue()
    backend = Fluent({"no": 0.4, "da": 0.35, "sv": 0.25})
    with pytest.raises(MissingError) as missing:
        run(
            context(listening, {"transcribe": backend}, source_language=None),
            heard(listening.store, audio)[1],
        )
    assert "no 40%, da 35%, sv 25%" in missing.value.why
    assert "--from" in missing.value.fix
    assert backend.asked == []


def test_a_model_that_cannot_tell_asks_for_the_language(listening: Runner) -> None:
    backend = Fluent({})
    with pytest.raises(MissingError, match="language spoken in the source is not known") as missing:
        run(
            context(listening, {"transcribe": backend}, source_language=None),
            heard(listening.store, dialogue()[0])[1],
        )
    assert "--from" in missing.value.fix


def test_the_sound_that_is_heard_better_is_heard(listening: Runner, events: list[object]) -> None:
    audio, _ = dialogue()
    _, inputs = heard(listening.store, audio * 0.5)
    master = source_of(listening.store, audio)
    inputs = Inputs(Slot("ingest", master), inputs.stems)
    peak = float(np.abs(audio).max())
    for surer_of, chosen in ((0.6 * peak, 0.9), (2.0, 0.5)):
        backend = Fluent({}, surer_of)
        found = run(context(listening, {"transcribe": renamed(backend, str(surer_of))}), inputs)
        # One of six windows is heard in both sounds; only the louder one is loud enough in every window.
        assert len(backend.asked) == 7
        assert {segment.confidence for segment in found.segments} == {chosen}
    said = [event for event in events if isinstance(event, Notice) and event.code == "whole-sound-heard"]
    assert len(said) == 1


def renamed(backend: Fluent, name: str) -> Fluent:
    """The backend with a card of its own, so that what it hears is not taken for what another heard."""
    backend.card = replace(backend.card, name=name)  # type: ignore[misc]
    return backend


def test_names_are_told_to_who_can_be_told(listening: Runner) -> None:
    audio, _ = dialogue()
    backend = Fluent({})
    ctx = context(listening, {"transcribe": backend})
    told = replace(ctx, settings=ctx.settings.model_copy(update={"vocabulary": ("Tanaka", "Shinjuku")}))
    run(told, heard(listening.store, audio)[1])
    assert set(backend.told) == {"Tanaka, Shinjuku"}
    asked = len(backend.asked)
    run(told, heard(listening.store, audio)[1])
    assert len(backend.asked) == asked
    run(ctx, heard(listening.store, audio)[1])
    assert len(backend.asked) > asked


def test_no_sound_and_no_text_cannot_be_used(runner: Runner) -> None:
    inputs = Inputs(Slot("ingest", silent_source(S)), Slot.pending("separate"))
    with pytest.raises(InputError, match="no sound"):
        run(context(runner), inputs)


def test_look_mode_makes_nothing(store: WorkDir) -> None:
    looker = Runner(store, EventBus(), mode="look")
    with pytest.raises(NotMade):
        run(context(looker, {"transcribe": Scripted()}), heard(store, dialogue()[0])[1])
    assert {look.action.name for look in looker.looks} == {"analysis.voice"}
    looker.close()


def test_pocketsphinx_refuses_what_it_does_not_know() -> None:
    with pytest.raises(MissingError):
        Pocketsphinx(HOST).recognise(np.zeros(16_000, np.float32), "ja")
