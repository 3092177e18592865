"""The check Whisper brings: a model that was taught what the voices say passes, a deaf one does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("whisper")

import soxr

from cli.graph import load_graph
from loc.app.run import Graph
from loc.app.self_check import BuiltInVoices, Checked, self_check
from loc.settings import Settings
from loc.weights.table import Row, Spoken
from stages.transcribe.whisper import KNOWN, Whisper
from tests.tiny_whisper import RATE, SMALL, Lesson, blank, checkpoint, deaf, evenly, overfit
from tests.weights.shelving import place, registered

Check = Callable[..., Checked]


def row(**changes: object) -> Row:
    return registered("mine", "whisper", "tiny.pt", **changes)


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Puts a checkpoint on the shelf and runs its check."""

    def run(content: bytes, **changes: object) -> Checked:
        settings = Settings(data_dir=tmp_path / "data", device="cpu")
        place(settings.data_dir, row(**changes), ("tiny.pt", content))
        found = load_graph()
        voices = {name: one for name, one in found.backends.items() if name.startswith("dub/")}
        graph = Graph((), {**voices, Whisper.card.id: Whisper})
        [tested] = self_check(graph, settings, ["mine"], tmp_path, lambda *_: None)
        return tested

    return run


def lesson(text: str, language: str, tmp_path: Path) -> Lesson:
    speech = BuiltInVoices(load_graph(), Settings(data_dir=tmp_path / "data"), tmp_path)(text, language)
    audio = np.asarray(soxr.resample(speech, 48_000, RATE, quality="VHQ"), dtype=np.float32)
    words = text if language == "en" else "。 ".join(text.split("。"))
    return Lesson(audio, evenly(words.strip(), 0.1, len(audio) / RATE - 0.1), language)


def test_a_model_that_was_taught_passes(check: Check, tmp_path: Path) -> None:
    tested = check(overfit([lesson(text, language, tmp_path) for language, text in KNOWN.items()]))
    assert tested.fault is None
    assert [item.ok for item in tested.tried] == [True] * 6, tested.tried


def test_a_model_that_takes_speech_for_song_is_found_out(check: Check, tmp_path: Path) -> None:
    lessons = [lesson(text, language, tmp_path) for language, text in KNOWN.items()]
    tested = check(overfit([replace(lessons[0], sung=True), *lessons[1:]]))
    assert {item.what: item.ok for item in tested.tried if "sings" in item.what} == {
        "that nobody sings in 'en'": False,
        "that nobody sings in 'ja'": True,
    }


def test_a_model_of_english_alone_that_is_said_to_know_all_is_found_out(check: Check) -> None:
    english = replace(SMALL, n_vocab=SMALL.n_vocab - 1, n_text_ctx=24)
    tested = check(checkpoint(blank(english)))
    assert tested.fault is None
    assert {"cannot tell: a model of English alone"} == {
        item.found for item in tested.tried if "its language" in item.what
    }


def test_a_model_that_hears_nothing_is_found_out(check: Check) -> None:
    tested = check(deaf("en"))
    assert [item.ok for item in tested.tried] == [False, False, True, False, False, False], tested.tried


def test_a_model_of_one_language_is_asked_for_that_alone(check: Check) -> None:
    tested = check(deaf("en"), languages=Spoken(source=("en",)))
    assert [(item.what, item.ok) for item in tested.tried] == [
        ("a built-in voice in 'en'", False),
        ("that nobody sings in 'en'", False),
    ]
