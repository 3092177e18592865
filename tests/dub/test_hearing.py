"""Spoken lines listened to: words, language and voice, by stated limits; what listens badly judges nothing.

Recognisers are doubles that know a few sentences by their lengths; texts are compared by the phones of
espeak-ng and of Open JTalk, as they are in the product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from cli.graph import load_graph
from loc.analysis.diarization.contract import Embedding, Scale
from loc.analysis.recognition import Heard, Passage
from loc.app.run import Graph, RunResult, prepare, run_job
from loc.backend import Backend, Card, Host, Languages
from loc.errors import ChildError, ExitCode
from loc.events import ActionDone, Event, EventBus, Notice
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Context, Job
from loc.store.workdir import WorkDir
from stages.dub import speech
from stages.dub.command import Command
from stages.dub.contract import Reference, VoiceRequest
from stages.dub.espeak import Espeak
from stages.dub.hearing import (
    LIMIT,
    Ears,
    difference,
    distance,
    judge,
    letters,
    listen,
    read_aloud,
    sounds,
)
from stages.dub.hearing import Spoken as Line
from stages.dub.openjtalk import OpenJTalk
from stages.dub.reference import wav
from tests.dub.speaking_engine import FAULT, OTHER
from tests.dub.test_command import command
from tests.presenter import Film, write_subtitles
from tests.voices import SENTENCES, speak

LOW = VoiceRequest("low", 0)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Espeak]:
    engine = Espeak(Host(settings=Settings(), scratch=tmp_path_factory.mktemp("reader")))
    yield engine
    engine.close()


class Says:
    """A recogniser that hears one thing in everything."""

    card: ClassVar = Card(
        "transcribe", "says", "1", "", "neural", "good", "in-process", languages=Languages(source=("es",))
    )
    max_window_samples = 10**9
    hears_mixes = True

    def __init__(self, text: str, shares: Mapping[str, float] | None = None) -> None:
        self.text = text
        self.shares = dict({"es": 1.0} if shares is None else shares)

    def fingerprint(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None: ...

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        return [Passage((Heard(self.text, 0, len(audio), 1.0),))] if self.text else []

    def languages(self, audio: npt.NDArray[np.float32]) -> dict[str, float]:
        return self.shares


# What is compared.


def test_figures_spellings_and_marks_that_sound_alike_are_alike(reader: Espeak) -> None:
    assert difference("Compré 3 libros, ¿no?", "compré tres libros no", "es", reader) < 0.15  # type: ignore[operator]
    assert difference("It costs 20 dollars.", "it costs twenty dollars", "en", reader) < 0.1  # type: ignore[operator]


def test_kanji_and_kana_that_sound_alike_are_alike(tmp_path: Path) -> None:
    engine = OpenJTalk(Host(settings=Settings(), scratch=tmp_path))
    try:
        alike = difference("明日は雨が降るでしょう。", "あしたは雨がふるでしょう", "ja", engine)
        assert alike is not None
        assert alike < 0.1
        other = difference("明日は雨が降るでしょう。", "駅前の店で靴を買いました", "ja", engine)
        assert other is not None
        assert other > LIMIT
    finally:
        engine.close()


def test_other_words_are_over_the_limit_and_a_wrong_word_is_not(reader: Espeak) -> None:
    """Every sentence against every other: none is as near as the limit."""
    read = {text: sounds(text, "en", reader) for text in SENTENCES}
    shares = [
        distance(one, other) / len(one)
        for text, one in read.items()
        for against, other in read.items()
        if one and other and text != against
    ]
    assert len(shares) == len(SENTENCES) * (len(SENTENCES) - 1)
    assert min(shares) > LIMIT
    slip = difference(SENTENCES[1], SENTENCES[1].replace("machine", "marine"), "en", reader)
    assert slip is not None
    assert 0 < slip < 0.2


def test_a_line_of_which_two_thirds_are_missing_is_over_the_limit(reader: Espeak) -> None:
    heard = " ".join(SENTENCES[4].split()[:4])
    assert difference(SENTENCES[4], heard, "en", reader) > LIMIT  # type: ignore[operator]


@pytest.mark.parametrize("text", ["Yes.", "", "..."])
def test_the_shortest_texts_are_not_judged(reader: Espeak, text: str) -> None:
    assert difference(text, "something else altogether", "en", reader) is None


def test_without_an_engine_that_reads_letters_are_compared() -> None:
    assert difference("ＦＵＬＬ width, Big letters", "full width big letters", "xx", None) == 0
    assert letters("A-b, 3!") == ["a", "b", "3"]
    assert distance("kitten", "sitting") == 3
    assert distance("", "abc") == 3


# What is made of it.


TEXT = "Los perros corren por la calle."
WRONG = "Mañana compraremos otra cosa."


def test_right_words_pass_and_others_are_named(reader: Espeak) -> None:
    sound = np.zeros(80_000, np.float32)
    assert judge(Says(TEXT), sound, TEXT, "es", reader) == ((), 0.0)
    faults, error = judge(Says(WRONG), sound, TEXT, "es", reader)
    assert [fault.code for fault in faults] == ["other-words"]
    assert error is not None
    assert error > LIMIT
    assert [fault.code for fault in judge(Says(""), sound, TEXT, "es", reader)[0]] == ["no-words"]


@pytest.mark.parametrize(
    ("shares", "seconds", "found"),
    [
        ({"pt": 0.9, "es": 0.02}, 4.0, ["other-language"]),
        ({"pt": 0.9, "es": 0.02}, 2.9, []),
        ({"pt": 0.9, "es": 0.08}, 4.0, []),
        ({"pt": 0.7, "es": 0.02}, 4.0, []),
        ({"es": 0.99}, 4.0, []),
        ({}, 4.0, []),
    ],
)
def test_another_language_must_be_plain(
    reader: Espeak, shares: Mapping[str, float], seconds: float, found: list[str]
) -> None:
    sound = np.zeros(round(seconds * 16_000), np.float32)
    faults, _ = judge(Says(TEXT, shares), sound, TEXT, "es", reader)
    assert [fault.code for fault in faults] == found


class Windowed(Says):
    """Takes a second at a time."""

    max_window_samples = 16_000

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        assert len(audio) <= self.max_window_samples
        return super().recognise(audio, language)


def test_a_line_longer_than_a_window_is_heard_in_parts(reader: Espeak) -> None:
    _, error = judge(Windowed("sol"), np.zeros(40_000, np.float32), "Sol, sol y sol.", "es", reader)
    assert error is not None
    assert error < 0.4


@dataclass
class Desk:
    """A run in which lines are listened to."""

    folder: Path
    reader: Espeak

    def __post_init__(self) -> None:
        self.store = WorkDir(self.folder / "store")
        self.events: list[Event] = []
        self.runner = Runner(self.store, EventBus(self.events.append))

    def line(self, text: str, reference: Reference | None = None) -> tuple[Context, Line]:
        job = Job(Path("talk.mp4"), "0" * 64, 1, ("es",), "en")
        context = Context(self.runner, Settings(), job, lambda *_: None, "es")  # type: ignore[arg-type]
        made = self.runner.do(*speech.speak(context, self.reader, "line l1", text, LOW, 1.0))
        return context, Line("line l1", text, speech.speech_of(made), reference)

    def made(self, action: str) -> int:
        return sum(
            isinstance(event, ActionDone) and event.action == action and not event.hit
            for event in self.events
        )


@pytest.fixture
def desk(tmp_path: Path, reader: Espeak) -> Iterator[Desk]:
    desk = Desk(tmp_path, reader)
    yield desk
    desk.runner.close()


class HearsPlain(Says):
    """Hears something else in the line, which it is asked first, and the text in the plain reading of it."""

    def __init__(self, text: str, other: str) -> None:
        super().__init__(text)
        self.next = [other]

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        text = self.next.pop() if self.next else self.text
        return [Passage((Heard(text, 0, len(audio), 1.0),))]


def test_a_line_is_blamed_where_the_plain_reading_is_heard_right(desk: Desk) -> None:
    context, line = desk.line(TEXT)
    [judged] = listen(context, Ears(HearsPlain(TEXT, WRONG), desk.reader, None), [line])
    assert [fault.code for fault in judged.faults] == ["other-words"]
    listen(context, Ears(HearsPlain(TEXT, WRONG), desk.reader, None), [line])
    assert desk.made("dub.hear") == 1


def test_a_line_is_heard_again_with_another_version_of_what_reads(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, line = desk.line(TEXT)
    listen(context, Ears(Says(TEXT), desk.reader, None), [line])
    monkeypatch.setattr(Espeak, "card", replace(Espeak.card, version="0"))
    listen(context, Ears(Says(TEXT), desk.reader, None), [line])
    assert desk.made("dub.hear") == 2


def test_a_recogniser_that_cannot_follow_a_plain_voice_judges_nothing(desk: Desk) -> None:
    context, line = desk.line(TEXT)
    [judged] = listen(context, Ears(Says(WRONG), desk.reader, None), [line])
    assert judged.faults == ()
    assert judged.error is not None
    assert judged.error > LIMIT


class Broken(Says):
    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        raise ChildError("It died.")


def test_a_recogniser_that_fails_is_told_once_and_judges_nothing(desk: Desk) -> None:
    context, line = desk.line(TEXT)
    [judged] = listen(context, Ears(Broken(TEXT), desk.reader, None), [line])
    assert judged.faults == ()
    assert [event.code for event in desk.events if isinstance(event, Notice)] == ["not-listened"]


class Tells:
    """Tells two voices: that of the recording, and any other."""

    card: ClassVar = Card("speakers", "tells", "1", "", "neural", "good", "in-process")
    scale: ClassVar = Scale(joined=0.6, bank=0.75, lead=0.05, other=0.6, unsure=0.05, shortest=16_000)

    def __init__(self, similarity: float) -> None:
        self.similarity = similarity

    def fingerprint(self) -> Mapping[str, str]:
        return {"similarity": str(self.similarity)}

    def close(self) -> None: ...

    def embed(self, audio: npt.NDArray[np.float32]) -> Embedding:
        recording = len(audio) > 60_000
        x = 1.0 if recording else self.similarity
        whole = np.array([x, np.sqrt(1 - x * x)], np.float32)
        return Embedding(whole, whole[None])


@pytest.mark.parametrize(("similarity", "found"), [(0.61, []), (0.59, ["other-voice"])])
def test_a_line_that_imitates_is_held_against_the_recording(
    desk: Desk, similarity: float, found: list[str]
) -> None:
    sound = desk.store.put_bytes(wav(speak(" ".join(SENTENCES[:2]))))
    reference = Reference(sound, desk.store.object_path(sound.sha256))
    context, line = desk.line("Los perros corren por la calle y no paran.", reference)
    [judged] = listen(context, Ears(None, None, Tells(similarity)), [line])
    assert [fault.code for fault in judged.faults] == found
    assert judged.similarity == pytest.approx(similarity, abs=1e-3)
    context, short = desk.line("Sí.", reference)
    [judged] = listen(context, Ears(None, None, Tells(0.1)), [short])
    assert (judged.faults, judged.similarity) == ((), None)


# Through the whole job.


class Knows(Says):
    """Knows sentences by how long they are spoken: those of the engine and of the plain reading."""

    known: ClassVar[list[tuple[int, str]]] = []
    card: ClassVar = replace(Says.card, name="knows")

    def __init__(self, host: Host) -> None:
        del host
        super().__init__("")

    def recognise(self, audio: npt.NDArray[np.float32], language: str) -> list[Passage]:
        _, text = min(self.known, key=lambda item: abs(item[0] - len(audio)))
        return [Passage((Heard(text, 0, len(audio), 1.0),))]


LINES = ("Mi mamá baila bien.", "Papá bebe poca agua.")


def dubbed(
    film: Film, folder: Path, reader: Espeak, *texts: str, **settings: Any
) -> tuple[RunResult, list[Event]]:
    """A film spoken by the double of an engine, and heard by the double of a recogniser."""
    Knows.known = []
    for voice in (LOW, VoiceRequest("high", 0)):
        for text in (*LINES, OTHER):
            spoken = reader.speak(text, "es", voice, 1.0)
            audio, _ = speech.trim(speech.resampled(spoken.audio, spoken.sample_rate))
            Knows.known += [(len(audio) // 3, text), (len(spoken.audio) * 16_000 // spoken.sample_rate, text)]
    for text in texts:
        # The plain reading reads the mark aloud, too.
        plain = read_aloud(text, "es", reader)
        assert plain is not None
        Knows.known.append((len(plain), FAULT.sub("", text).strip()))
    video = folder / "film.mp4"
    video.symlink_to(film.path)
    lines = film.truth.lines
    write_subtitles(folder / "film.en.srt", lines, [line.text for line in lines])
    write_subtitles(folder / "film.es.srt", lines, texts)
    found = load_graph()
    backends: dict[str, type[Backend]] = {Command.card.id: Command, Knows.card.id: Knows}
    graph = Graph(found.stages, {**found.backends, **backends})
    store = WorkDir(folder / "store")
    given = Settings(
        languages=("es",), source_language="en", work_dir=store.root, data_dir=folder / "data", lipsync=False,
        until="dub", backend={"dub": "command"}, dub_command=command(), **settings,
    )  # fmt: skip
    events: list[Event] = []
    return run_job(prepare(video, graph, store, given), graph, store, given, [events.append]), events


def spoken_by(events: list[Event]) -> list[tuple[str, int]]:
    return [
        (event.backend or "", int(event.params.get("take", 0)))
        for event in events
        if isinstance(event, ActionDone) and event.action == "dub.speak" and "guide" not in event.unit
    ]


def test_lines_that_say_their_text_pass(two_shot_film: Film, tmp_path: Path, reader: Espeak) -> None:
    result, events = dubbed(two_shot_film, tmp_path, reader, *LINES)
    assert result.exit_code in (ExitCode.DONE, ExitCode.DEFECTS)
    assert not [defect for defect in result.defects if defect.code in ("doubtful", "other-engine")]
    heard = [event for event in events if isinstance(event, ActionDone) and event.action == "dub.hear"]
    assert {event.detail["error"] for event in heard if event.unit in ("line l0001", "line l0002")} <= {0.0}
    assert {event.backend for event in heard} == {"transcribe/knows"}


def test_a_take_that_says_something_else_is_asked_for_again(
    two_shot_film: Film, tmp_path: Path, reader: Espeak
) -> None:
    result, events = dubbed(two_shot_film, tmp_path, reader, f"{LINES[0]} «wrong once»", LINES[1])
    assert ("dub/command", 1) in spoken_by(events)
    [failed] = [event for event in events if isinstance(event, Notice) and event.code == "take-failed"]
    assert failed.message.startswith("line l0001, take 0")
    assert "other words" in failed.message
    assert not [defect for defect in result.defects if defect.code in ("doubtful", "other-engine")]


def test_an_engine_that_never_says_it_is_replaced_and_that_is_marked(
    two_shot_film: Film, tmp_path: Path, reader: Espeak
) -> None:
    result, events = dubbed(two_shot_film, tmp_path, reader, f"{LINES[0]} «wrong»", LINES[1])
    assert {take for backend, take in spoken_by(events) if backend == "dub/command"} >= {0, 1, 2}
    assert [defect.code for defect in result.defects if defect.code != "overrun"][:1] == ["other-engine"]
    assert result.exit_code == ExitCode.DEFECTS


def test_nobody_listens_where_that_was_turned_off(
    two_shot_film: Film, tmp_path: Path, reader: Espeak
) -> None:
    _, events = dubbed(two_shot_film, tmp_path, reader, f"{LINES[0]} «wrong»", LINES[1], listen=False)
    assert not [event for event in events if isinstance(event, ActionDone) and event.action == "dub.hear"]
    assert {take for _, take in spoken_by(events)} == {0}
