"""`loc regen`: one line said again, another way, and nothing else made anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.graph import load_graph
from cli.regen import app
from loc.app.outcome import Outcome
from loc.app.regen import ask
from loc.app.run import Graph, RunResult, prepare, run_job
from loc.artifacts import Speaker, Transcript
from loc.errors import UsageError
from loc.events import ActionDone, Event
from loc.runner import NotMade
from loc.settings import Settings
from loc.stage import Context, Stage
from loc.store.workdir import WorkDir
from stages.dub.command import Command
from tests.app.toy import NoInputs
from tests.dub.test_command import SPANISH, command
from tests.presenter import Film, write_subtitles


class Job:
    """A film with its subtitles, and the ways to dub it."""

    def __init__(self, film: Film, folder: Path) -> None:
        self.video = folder / "film.mp4"
        self.video.symlink_to(film.path)
        self.lines = film.truth.lines
        self.store = WorkDir(folder / "store")
        found = load_graph()
        self.graph = Graph(found.stages, {**found.backends, Command.card.id: Command})
        write_subtitles(folder / "film.en.srt", self.lines, [line.text for line in self.lines])
        self.say(*SPANISH)

    def say(self, *texts: str) -> None:
        write_subtitles(self.video.parent / "film.es.srt", self.lines, texts)

    def settings(self, engine: str = "command", languages: tuple[str, ...] = ("es",)) -> Settings:
        return Settings(
            languages=languages, source_language="en", work_dir=self.store.root, lipsync=False,
            backend={"dub": engine}, dub_command=command(),
        )  # fmt: skip

    def run(self, engine: str = "command") -> tuple[RunResult, list[ActionDone]]:
        events: list[Event] = []
        settings = self.settings(engine)
        prepared = prepare(self.video, self.graph, self.store, settings)
        result = run_job(prepared, self.graph, self.store, settings, [events.append])
        return result, [event for event in events if isinstance(event, ActionDone)]

    def ask(self, line: str, take: int | None = None, engine: str = "command") -> list[str]:
        return ask(self.video, self.graph, self.settings(engine), (line,), take)


@pytest.fixture
def job(two_shot_film: Film, tmp_path: Path) -> Job:
    return Job(two_shot_film, tmp_path)


def takes(done: list[ActionDone]) -> dict[str, int]:
    return {
        item.unit: item.params["take"]
        for item in done
        if item.action == "dub.speak" and item.backend == "dub/command"
    }


def test_one_line_is_said_again_and_nothing_else_is_made(job: Job) -> None:
    with pytest.raises(UsageError, match="not dubbed to es yet"):
        job.ask("l0002")
    _, first = job.run()
    line = sorted(takes(first))[1].removeprefix("line ")
    assert job.ask(line) == [f"es: line {line}, take 1 in place of take 0"]
    result, again = job.run()
    assert result.error is None
    assert takes(again)[f"line {line}"] == 1
    made = sorted({item.action for item in again if not item.hit})
    assert {
        item.unit for item in again if not item.hit and item.action in ("dub.speak", "dub.clip", "dub.align")
    } == {f"line {line}"}
    assert not {name for name in made if name.startswith(("ingest", "separate", "transcribe", "translate"))}
    assert "deliver.encode" not in made
    settled, _ = job.run()
    assert settled.misses == 0

    # Back to the first, by the segment that it translates: all of it is there still.
    job.ask(line.replace("l", "s"), 0)
    back, _ = job.run()
    assert back.misses == 0


def test_a_take_is_of_its_text(job: Job) -> None:
    _, first = job.run()
    line = sorted(takes(first))[1].removeprefix("line ")
    job.ask(line, 7)
    job.say(SPANISH[0], "Mi perro come pan.")
    _, edited = job.run()
    assert takes(edited)[f"line {line}"] == 0


def test_a_request_that_is_refused_for_one_language_is_kept_for_none(job: Job) -> None:
    _, first = job.run()
    line = sorted(takes(first))[1].removeprefix("line ")
    with pytest.raises(UsageError, match="not dubbed to ca yet"):
        ask(job.video, job.graph, job.settings(languages=("es", "ca")), (line,), None)
    settled, _ = job.run()
    assert settled.misses == 0


def test_what_cannot_be_said_another_way_is_refused(job: Job) -> None:
    job.run()
    with pytest.raises(UsageError, match="no line 'nobody'"):
        job.ask("nobody")
    _, spoken = job.run("espeak")
    line = next(item.unit for item in spoken if item.action == "dub.speak").removeprefix("line ")
    with pytest.raises(UsageError, match="dub/espeak says line"):
        job.ask(line, engine="espeak")


def test_its_json_tells_what_a_run_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.regen.ask", lambda *_: [])
    monkeypatch.setattr("cli.run.run_all", lambda *_: [Outcome(Path("talk.mp4"))])
    done = CliRunner().invoke(app, ["talk.mp4", "--segment", "l0001", "--lang", "es", "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert set(result) == {"type", "exit_code", "inputs", "usage"}
    assert result["usage"]["peak_bytes"] > 0


def test_the_dub_is_looked_for_with_what_was_heard(video: Path, settings: Callable[..., Settings]) -> None:
    """The spoken language is known, and who is meant by a name in the cast file, as in a run."""
    video.with_name("talk.en.srt").unlink()
    video.with_name("talk.cast.toml").write_text('[speakers.Anna]\nvoice = "hana"\n')
    seen: list[object] = []

    def transcribe(_context: Context, _inputs: NoInputs) -> Transcript:
        anna = Speaker(id="speaker1", name="Anna", median_f0_hz=None, voice_class="high", speech_samples=1)
        return Transcript(language="en", origin="recognised", segments=(), dropped=(), speakers=(anna,))

    def dub(context: Context, _inputs: NoInputs) -> None:
        assert context.job.cast is not None
        seen.extend((context.job.source_language, context.job.cast.voices))
        raise NotMade("dub")

    graph = Graph(
        (
            Stage("transcribe", "transcript", NoInputs, transcribe),
            Stage("dub", "dub", NoInputs, dub, per_language=True),
        ),
        {},
    )
    with pytest.raises(UsageError, match="not dubbed to ja yet"):
        ask(video, graph, settings(), ("l0001",), None)
    assert seen == ["en", {"speaker1": {"": "hana"}}]
