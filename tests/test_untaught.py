"""Models in their official forms that were taught nothing, through all of `loc run`: each ends where the
documentation says. For Whisper see `transcribe/test_whisper.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli.graph import load_graph
from loc.app.run import RunResult, prepare, run_job
from loc.errors import ExitCode
from loc.events import Defect, Event, StageStarted
from loc.settings import Settings
from loc.store.workdir import WorkDir
from tests.presenter import Film
from tests.tiny_demucs import blank, package
from tests.translate import tiny
from tests.weights.shelving import place, registered

LEARNT = (("Dogs move.", "Los perros se mueven."), ("Bob saw a bear.", "Bob vio un oso."))
"""What the vocabularies are from; nothing of it was taught."""


def run(film: Film, folder: Path, **backend: str) -> tuple[RunResult, list[Event]]:
    settings = Settings(
        languages=("es",), source_language="en", lipsync=False, work_dir=folder / "store",
        data_dir=folder / "data", output=f"{folder}/", backend=backend, device="cpu",
    )  # fmt: skip
    events: list[Event] = []
    store, graph = WorkDir(settings.work_dir), load_graph()
    prepared = prepare(film.path, graph, store, settings)
    return run_job(prepared, graph, store, settings, [events.append]), events


def defects(events: list[Event]) -> list[Any]:
    return [(event.stage, event.code) for event in events if isinstance(event, Defect)]


def test_a_translator_that_knows_nothing_ends_its_language_before_anything_is_dubbed(
    two_shot_film: Film, tmp_path: Path
) -> None:
    tiny.marian(tmp_path / "marian", ("en", "es"), LEARNT, 0).register(tmp_path / "data", "random")
    result, events = run(two_shot_film, tmp_path, translate="marian")
    assert result.exit_code == ExitCode.MISSING
    [language] = result.languages
    assert language.error is not None
    assert "lines could not be translated" in language.error.what
    assert "dub" not in {event.stage for event in events if isinstance(event, StageStarted)}


def test_a_separator_that_knows_nothing_is_marked_where_no_speech_is_left(
    two_shot_film: Film, tmp_path: Path
) -> None:
    row = registered("random", "htdemucs", "random.th")
    place(tmp_path / "data", row, ("random.th", package(blank())))
    result, events = run(two_shot_film, tmp_path, separate="demucs")
    assert result.exit_code == ExitCode.DEFECTS
    assert ("transcribe", "speech-lost") in defects(events)
