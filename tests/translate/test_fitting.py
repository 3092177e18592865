"""How long a line may be, and what becomes of one that is longer."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc import packages
from loc.artifacts import SAMPLE_RATE, Transcript
from loc.backend import Card
from loc.errors import ChildError, DamagedObjectError, MissingError
from loc.events import Notice
from loc.stage import Context
from loc.store.workdir import WorkDir
from stages.translate import pace
from stages.translate.contract import Translated
from stages.translate.fitting import BORROW, GAP, LEAST, limit, morae, rooms, units
from stages.translate.rewriting import is_better
from stages.translate.scene import Long
from tests.endpoint import Answered, Asked, Endpoint, chat, serving
from tests.translate.test_llm import Open, opened, told_of  # noqa: F401 - fixtures
from tests.translate.test_stage import (  # noqa: F401
    SECOND,
    Role,
    Talker,
    context,
    events,
    shouter,
    transcript,
    translate,
)


@dataclass(frozen=True)
class At:
    start: int
    stop: int


ROOT = Path(__file__).resolve().parents[2]


def test_letters_and_morae() -> None:
    assert units("¡Hola, 3 osos!", "es") == 9
    assert morae("東京へ行きます。") == 9  # to-u-kyo-u-e-i-ki-ma-su
    assert units("ちょっと待って", "ja") == 6
    assert units("。、", "ja") == 0


def test_counting_morae_says_nothing_where_data_goes() -> None:
    words = "from stages.translate.fitting import units; assert units('十分です。', 'ja')"
    done = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b""


def test_the_room_of_a_line_is_its_time_and_some_of_the_silence_after_it() -> None:
    lines = [At(0, SECOND), At(SECOND + 1000, 2 * SECOND), At(9 * SECOND, 10 * SECOND)]
    assert rooms(lines) == [SECOND, SECOND - 1000 + BORROW, SECOND + BORROW]
    beside = [At(0, SECOND), At(SECOND // 2, SECOND), At(SECOND + GAP + 500, 2 * SECOND)]
    assert rooms(beside)[:2] == [SECOND + 500, SECOND // 2 + 500]


@given(st.integers(1, 100 * SAMPLE_RATE), st.floats(1, 40))
def test_a_limit_is_a_little_under_what_is_said_with_ease(room: int, units_per_second: float) -> None:
    found = limit(room, units_per_second)
    most = room / SAMPLE_RATE * units_per_second * 1.15
    assert found >= LEAST
    assert found <= max(LEAST, most)
    assert found >= 0.9 * most - 1


def test_what_is_taken_for_better() -> None:
    long = Long("en", "es", "A bear sleeps.", "El oso duerme mucho", 5, (("bear", "oso"),))
    assert is_better("Oso duerme", long)
    for text in ("", "…", "El oso duerme muchísimo", "Duerme", "Un oso"):
        assert not is_better(text, long)
    echoed = Long("en", "es", "He said that it was late.", "Dijo que ya se había hecho muy tarde.", 20)
    assert not is_better("He said that it was late.", echoed)


# In the stage


class Voice:
    """Says ten letters in a second, after half a second of silence; with the higher voice, twice as many."""

    card: ClassVar[Card] = Card(
        stage="dub",
        name="voice",
        version="1",
        summary="",
        family="embedded",
        quality="basic",
        runs="in-process",
    )

    def __init__(self, letters_per_second: float = 10, says: Callable[[str], None] | None = None) -> None:
        self.letters_per_second = letters_per_second
        self.says = says or (lambda text: None)

    def fingerprint(self) -> Mapping[str, str]:
        return {"tongue": str(self.letters_per_second)}

    def speak(self, text: str, language: str, voice: Role, rate: float) -> Any:
        self.says(text)
        assert rate == 1.0
        speed = self.letters_per_second * (2 if voice.voice_class == "high" else 1)
        sound = np.ones(int(1000 * units(text, language) / speed), np.float32)
        return SimpleNamespace(audio=np.pad(sound, (500, 0)), sample_rate=1000)

    def close(self) -> None:
        pass


class Short(Talker):
    """Can say it shorter."""

    def alternatives(self, sentence: str, source: str, target: str) -> list[str]:
        self.heard.append(sentence)
        return [sentence.upper(), "A LITTLE SHORTER SENTENCE.", "SHORT."]


def dubbed(given: Context, translator: Any, voice: Any) -> Context:
    def backend(stage: str, language: str | None) -> Any:
        if stage == "translate":
            return translator
        if voice is None:
            raise MissingError("There is no backend for dub.")
        return voice

    return replace(given, backend=backend)


def two_speakers(*texts: str) -> Transcript:
    """What `transcript` makes of it, said by a and b in turn."""
    said = transcript(*texts)
    in_turn = zip(said.segments, itertools.cycle("ab"))
    segments = tuple(one.model_copy(update={"speaker": speaker}) for one, speaker in in_turn)
    return said.model_copy(update={"segments": segments})


LONG = "Extraordinary verbosity continues immeasurably."
"""43 letters; a line here has two seconds, and none after them: 23 letters at ten a second."""


def test_a_line_that_does_not_fit_is_said_in_other_words_once(context: Any) -> None:  # noqa: F811
    talker = Short()
    first = dubbed(context(), talker, Voice())
    made = translate(first, transcript("Go.", LONG, "Stay."))
    assert [line.text for line in made.lines] == ["GO.", "A LITTLE SHORTER SENTENCE.", "STAY."]
    assert talker.heard == [LONG]
    assert [note.code for note in made.lines[1].notes] == ["shortened"]
    again = dubbed(context(), talker, Voice())
    assert translate(again, transcript("Go.", LONG, "Stay.")) == made
    assert (again.runner.misses, talker.heard) == (0, [LONG])


def test_each_line_is_held_against_the_pace_of_its_own_speaker(context: Any) -> None:  # noqa: F811
    def roles(*_: object) -> Mapping[str | None, Role]:
        return {"a": Role("high"), "b": Role("low")}

    talker = Short()
    made = translate(dubbed(context(), talker, Voice()), two_speakers(LONG, LONG), roles)
    assert [line.text for line in made.lines] == [LONG.upper(), "A LITTLE SHORTER SENTENCE."]


def test_a_voice_is_timed_again_where_it_imitates_another_recording(context: Any, store: WorkDir) -> None:  # noqa: F811
    heard: list[str] = []
    recordings = [store.put_bytes(b"one"), store.put_bytes(b"other")]
    for recording in (recordings[0], recordings[1], recordings[0]):
        voices = {"a": Role(recording=recording), "b": Role(recording=recordings[0])}
        given = dubbed(context(), Talker(), Voice(says=heard.append))
        translate(given, two_speakers("Go.", "Stay."), lambda *_, voices=voices: voices)
    assert heard == 2 * list(pace.SAMPLES["es"])


def test_a_recording_that_was_damaged_is_not_imitated(context: Any, store: WorkDir) -> None:  # noqa: F811
    recording = store.put_bytes(b"a voice")
    damaged = store.object_path(recording.sha256)
    damaged.chmod(0o644)
    damaged.write_bytes(b"another")
    heard: list[str] = []
    given = dubbed(context(), Short(), Voice(says=heard.append))
    with pytest.raises(DamagedObjectError):
        translate(given, transcript(LONG), lambda *_: {"a": Role(recording=recording)})
    assert heard == []


def test_of_a_speaker_whose_voice_cannot_be_timed_no_line_is_shortened(
    context: Any, events: list[Any]  # noqa: F811
) -> None:  # fmt: skip
    class Hoarse(Voice):
        def speak(self, text: str, language: str, voice: Role, rate: float) -> Any:
            if voice.voice_class == "high":
                raise ChildError("The voice is hoarse.")
            return super().speak(text, language, voice, rate)

    def roles(*_: object) -> Mapping[str | None, Role]:
        return {"a": Role("high"), "b": Role("low")}

    made = translate(dubbed(context(), Short(), Hoarse()), two_speakers(LONG, LONG), roles)
    assert [line.text for line in made.lines] == [LONG.upper(), "A LITTLE SHORTER SENTENCE."]
    [notice] = [event for event in events if isinstance(event, Notice)]
    assert (notice.code, "the voice of a: " in notice.message) == ("no-pace", True)


def test_what_is_still_too_long_is_taken_shorter_and_noted(context: Any) -> None:  # noqa: F811
    class Wordy(Talker):
        def alternatives(self, sentence: str, source: str, target: str) -> list[str]:
            return [sentence.upper(), "THIS SENTENCE TAKES A BIT LONGER."]

    made = translate(dubbed(context(), Wordy(), Voice()), transcript("Go.", LONG, "Stay."))
    assert made.lines[1].text == "THIS SENTENCE TAKES A BIT LONGER."
    assert [note.code for note in made.lines[1].notes] == ["shortened", "long"]


def test_a_sentence_without_a_letter_is_given_no_words(context: Any) -> None:  # noqa: F811
    talker = Short()
    made = translate(dubbed(context(), talker, Voice()), transcript("Go.", f"... {LONG}", "Stay."))
    assert "..." not in talker.heard
    assert made.lines[1].text == "A LITTLE SHORTER SENTENCE."


def test_the_limit_is_in_the_key_and_not_where_it_came_from(context: Any) -> None:  # noqa: F811
    talker = Short()
    spoken = transcript("Go.", LONG, "Stay.")
    translate(dubbed(context(), talker, Voice()), spoken)
    moved = spoken.model_copy(
        update={"segments": tuple(one.model_copy(update={"start": one.start + 480, "stop": one.stop + 480})
                                  for one in spoken.segments)}
    )  # fmt: skip
    later = dubbed(context(), talker, Voice())
    translate(later, moved)
    assert later.runner.misses == 0
    slower = dubbed(context(), talker, Voice(8))
    translate(slower, spoken)
    assert talker.heard == [LONG, LONG]
    faster = dubbed(context(), talker, Voice(20))
    made = translate(faster, spoken)
    assert [line.text for line in made.lines][1] == LONG.upper()
    assert talker.heard == [LONG, LONG]


def test_another_dictionary_counts_again(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    class Interpreter(Short):
        def translate_batch(self, sentences: Sequence[str], source: str, target: str) -> list[Any]:
            return [Translated(2 * pace.SAMPLES["ja"][0], 0) for _ in sentences]

    talker = Interpreter()
    talker.pairs["en", "ja"] = "1"
    spoken = transcript("Go.", LONG, "Stay.")
    translate(dubbed(replace(context(), language="ja"), talker, Voice()), spoken)
    once = list(talker.heard)
    assert once
    installed = packages.version
    monkeypatch.setattr(
        packages, "version", lambda name: "0" if name == "SudachiDict-core" else installed(name)
    )
    translate(dubbed(replace(context(), language="ja"), talker, Voice()), spoken)
    assert talker.heard == 2 * once


def test_lines_that_nobody_speaks_are_not_shortened(context: Any) -> None:  # noqa: F811
    talker = Short()
    made = translate(dubbed(context(), talker, None), transcript("Go.", LONG, "Stay."))
    assert made.lines[1].text == LONG.upper()
    assert talker.heard == []


def test_a_voice_that_cannot_be_timed_shortens_nothing_and_says_so(context: Any, events: list[Any]) -> None:  # noqa: F811
    def fail(text: str) -> None:
        raise ChildError("The voice is hoarse.")

    made = translate(dubbed(context(), Short(), Voice(says=fail)), transcript("Go.", LONG, "Stay."))
    assert made.lines[1].text == LONG.upper()
    assert [event.code for event in events if isinstance(event, Notice)] == ["no-pace"]


def test_a_language_without_a_text_to_time_shortens_nothing_and_says_so(
    context: Any, events: list[Any]  # noqa: F811
) -> None:  # fmt: skip
    talker = Short()
    talker.pairs["en", "sw"] = "1"
    given = replace(dubbed(context(), talker, Voice()), language="sw")
    assert translate(given, transcript("Go.", LONG, "Stay.")).lines[1].text == LONG.upper()
    [notice] = [event for event in events if isinstance(event, Notice)]
    assert (notice.code, "Swahili" in notice.message) == ("no-pace", True)


def test_every_text_to_time_can_be_counted() -> None:
    for language, texts in pace.SAMPLES.items():
        assert all(units(text, language) > 10 for text in texts), language


def test_pace_is_measured_once_by_a_fixed_text(context: Any) -> None:  # noqa: F811
    heard: list[str] = []
    for texts in (("Go.",), ("Stay.", "Sit.")):
        translate(dubbed(context(), Talker(), Voice(says=heard.append)), transcript(*texts))
    assert heard == list(pace.SAMPLES["es"])


# By a language model


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as found:
        yield found


def test_a_language_model_is_asked_for_fewer_words(
    endpoint: Endpoint, opened: Open, context: Any  # noqa: F811
) -> None:  # fmt: skip
    def wordy_then_short(asked: Asked) -> Answered:
        if "fewer words" in asked.prompt:
            return chat(json.dumps(dict.fromkeys(asked.wanted, "Frase bastante más corta")))
        wordy = {name: "Palabras y más palabras" * min(int(name), 2) for name in asked.wanted}
        return chat(json.dumps(wordy))

    endpoint.always = wordy_then_short
    model = opened()
    first = dubbed(context(), model, Voice())
    made = translate(first, transcript("Go.", "Stay.", "Sit."))
    assert [line.text for line in made.lines] == [
        "Palabras y más palabras",
        "Frase bastante más corta",
        "Frase bastante más corta",
    ]
    assert [len(wanted) for wanted in endpoint.wanted] == [3, 2]
    assert "At most 23 letters, now 40" in endpoint.asked[1].prompt
    assert made.spent is not None
    assert made.spent.requests == 2
    endpoint.asked.clear()
    assert translate(dubbed(context(), model, Voice()), transcript("Go.", "Stay.", "Sit.")) == made
    assert endpoint.asked == []


def test_a_line_that_is_said_twice_is_paid_for_once(endpoint: Endpoint, opened: Open, context: Any) -> None:  # noqa: F811
    def wordy_then_short(asked: Asked) -> Answered:
        short = "fewer words" in asked.prompt
        said = "Frase bastante más corta" if short else "Palabras y más palabras de nuevo"
        return chat(json.dumps(dict.fromkeys(asked.wanted, said)))

    endpoint.always = wordy_then_short
    made = translate(dubbed(context(), opened(), Voice()), transcript("Go on.", "Go on.", "Go on."))
    assert [line.text for line in made.lines[:2]] == 2 * ["Frase bastante más corta"]
    assert made.spent is not None
    assert made.spent.requests == len(endpoint.asked) == 2


def test_a_language_model_that_shortens_to_the_source_is_not_heeded(
    endpoint: Endpoint, opened: Open, context: Any  # noqa: F811
) -> None:  # fmt: skip
    source = "We all went to bed late."

    def source_for_short(asked: Asked) -> Answered:
        said = source if "fewer words" in asked.prompt else "Todos nosotros nos fuimos a la cama."
        return chat(json.dumps(dict.fromkeys(asked.wanted, said)))

    endpoint.always = source_for_short
    made = translate(dubbed(context(), opened(), Voice(8)), transcript(source))
    assert len(endpoint.asked) == 2
    assert made.lines[0].text == "Todos nosotros nos fuimos a la cama."
    assert [note.code for note in made.lines[0].notes] == ["long"]
