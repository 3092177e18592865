"""`loc run` with tiny translation models on the shelf, from a transcript to a dub in two languages."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from cli.graph import load_graph
from loc.app.page.attention import attention
from loc.app.run import RunResult, prepare, run_job
from loc.errors import ExitCode, MissingError
from loc.events import ActionDone, Defect, Event
from loc.media.subtitles import Cue, read_cues, write_srt
from loc.settings import Settings
from loc.store.workdir import WorkDir
from tests.translate import tiny

SECOND = 48_000
ENGLISH = ("Dogs move.", "Bob saw a bear.", "And so, my fellow Americans,", "ask what you can do.")
SPANISH = ("Los perros se mueven.", "Bob vio un oso.", "Y así, compatriotas, pregunten qué pueden hacer.")
JAPANESE = ("犬は動きます。", "ボブは熊を見ました。", "だから、同胞よ、何ができるかを問うて下さい。")
SENTENCES = (*ENGLISH[:2], " ".join(ENGLISH[2:]))
CATS = ("Cats sleep.", "Los gatos duermen.", "猫は眠ります。")

Run = Callable[..., tuple[RunResult, list[Event]]]


@pytest.fixture(scope="module")
def m2m100(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    """Knows the sentences of the transcript in two languages, and one more."""
    lines = {
        ("en", "es"): [*zip(SENTENCES, SPANISH, strict=True), (CATS[0], CATS[1])],
        ("en", "ja"): [*zip(SENTENCES, JAPANESE, strict=True), (CATS[0], CATS[2])],
    }
    return tiny.m2m100(tmp_path_factory.mktemp("m2m100") / "model", lines)


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> tiny.Tiny:
    lines = [*zip(SENTENCES, SPANISH, strict=True)]
    return tiny.marian(tmp_path_factory.mktemp("marian") / "model", ("en", "es"), lines)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of a test picture with a tone."""
    path = tmp_path_factory.mktemp("film") / "talk.mp4"
    args = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10:duration=12"]
    args += ["-f", "lavfi", "-i", "sine=frequency=200:duration=12", "-shortest", str(path)]
    subprocess.run(args, check=True)
    return path


@pytest.fixture
def folder(film: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "talk.mp4").write_bytes(film.read_bytes())
    say(folder, ENGLISH)
    return folder


def say(folder: Path, texts: Sequence[str]) -> None:
    """Write the transcript: a line every three seconds, the next half a second after it."""
    cues = [
        Cue(number * 3 * SECOND, number * 3 * SECOND + 5 * SECOND // 2, text)
        for number, text in enumerate(texts)
    ]
    (folder / "talk.en.srt").write_bytes(write_srt(cues))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("something opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def run(folder: Path, no_network: None) -> Run:
    def go(**changes: Any) -> tuple[RunResult, list[Event]]:
        given = {"languages": ("es",), "lipsync": False, "work_dir": folder / "work", "overwrite": True}
        settings = Settings(**{**given, "data_dir": folder / "data", "page": "none", **changes})
        store, graph, events = WorkDir(settings.work_dir), load_graph(), list[Event]()
        prepared = prepare(folder / "talk.mp4", graph, store, settings)
        return run_job(prepared, graph, store, settings, [events.append]), events

    return go


def spoken(folder: Path, language: str) -> list[str]:
    path = folder / f"talk.{language}.dub.srt"
    return [" ".join(cue.text.split()) for cue in read_cues(path.read_bytes(), path.name, lambda *_: None)]


def missed(events: Sequence[Event], action: str = "translate.line") -> list[str]:
    return [
        f"{event.language} {event.unit}"
        for event in events
        if isinstance(event, ActionDone) and event.action == action and not event.hit
    ]


def test_two_languages_each_with_its_own_text(folder: Path, run: Run, m2m100: tiny.Tiny) -> None:
    m2m100.register(folder / "data", "mine")
    result, events = run(languages=("es", "ja"))
    assert result.exit_code is ExitCode.DONE, result.error
    assert result.choices.card("translate", "ja").choice == "translate/m2m100:mine"  # type: ignore[union-attr]
    assert spoken(folder, "es") == [*SPANISH[:2], "Y así, compatriotas,", "pregunten qué pueden hacer."]
    assert spoken(folder, "ja") == [*JAPANESE[:2], "だから、同胞よ、", "何ができるかを問うて下さい。"]
    assert len(missed(events)) == 8
    again, events = run(languages=("es", "ja"))
    assert again.misses == 0


def test_an_edited_line_is_translated_with_its_sentence_and_no_other(
    folder: Path, run: Run, m2m100: tiny.Tiny
) -> None:
    m2m100.register(folder / "data", "mine")
    run(until="translate")
    say(folder, (CATS[0], *ENGLISH[1:]))
    assert missed(run(until="translate")[1]) == ["es l0001"]
    say(folder, (CATS[0], *ENGLISH[1:3], "ask what you can do!"))
    assert missed(run(until="translate")[1]) == ["es l0003", "es l0004"]


def test_another_model_is_never_taken_for_the_one_before(
    folder: Path, run: Run, m2m100: tiny.Tiny, marian: tiny.Tiny
) -> None:
    m2m100.register(folder / "data", "mine")
    marian.register(folder / "data", "other")
    run(until="translate", backend={"translate": "m2m100"})
    events = run(until="translate", backend={"translate": "marian"})[1]
    assert len(missed(events)) == 4
    assert missed(run(until="translate", backend={"translate": "mine"})[1]) == []


def test_one_overlong_line_is_a_defect_and_the_others_are_dubbed(
    folder: Path, run: Run, m2m100: tiny.Tiny
) -> None:
    m2m100.register(folder / "data", "mine")
    say(folder, ("bear " * 600, *ENGLISH[1:]))
    result, events = run()
    assert result.exit_code is ExitCode.DEFECTS
    [defect] = [event for event in events if isinstance(event, Defect) and event.stage == "translate"]
    assert (defect.unit, defect.message) == ("line l0001", "The sentence is too long for the translator.")
    report = json.loads((folder / "talk.es.report.json").read_text())
    [item] = [item for item in attention(report) if "l0001" in item.title]
    assert [(place.kind, report[place.kind][place.number]["line"]) for place in item.places] == [
        ("silent", "l0001")
    ]
    assert spoken(folder, "es") == [SPANISH[1], "Y así, compatriotas,", "pregunten qué pueden hacer."]
    unspoken = {
        event.unit for event in events if isinstance(event, ActionDone) and event.action == "dub.speak"
    }
    assert "line l0001" not in unspoken


def test_a_model_that_knows_nothing_ends_the_language_before_anything_is_spoken(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    lines = {("en", "es"): [*zip(SENTENCES, SPANISH, strict=True)]}
    tiny.m2m100(tmp_path / "untrained", lines, steps=0).register(folder / "data", "mine")
    result, events = run()
    assert isinstance(result.error, MissingError)
    assert "4 of 4 lines could not be translated to es." in result.error.what
    assert "--translation es=FILE" in result.error.fix
    assert not [event for event in events if isinstance(event, ActionDone) and event.stage == "dub"]
    assert not list(folder.glob("talk.es*"))


def test_a_checkpoint_that_does_not_fit_ends_the_language_with_its_reason(
    folder: Path, run: Run, m2m100: tiny.Tiny
) -> None:
    m2m100.register(folder / "data", "mine", architecture="madlad")
    result, _ = run()
    assert result.error is not None
    assert "'m2m_100', not 't5'" in str(result.error)
