"""`dub/command`: an engine of the user's own, well and badly behaved, by itself and through the whole job."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cli.graph import load_graph
from loc.app.run import Graph, RunResult, prepare, run_job
from loc.backend import Host
from loc.errors import ChildError, ExitCode, InputError, MissingError, UsageError
from loc.events import ActionDone, Event, Notice
from loc.settings import Settings, load_settings
from loc.store.workdir import WorkDir
from stages.dub.command import Command
from stages.dub.contract import VoiceRequest
from tests.presenter import Film, write_subtitles

ENGINE = Path(__file__).with_name("speaking_engine.py")
LOW = VoiceRequest("low", 0)
SPANISH = ("Mi mamá baila bien.", "Papá bebe poca agua.")


def command(*flags: str) -> str:
    return shlex.join([sys.executable, str(ENGINE), *flags])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    made: list[Command] = []

    def make(*flags: str, program: str | None = None) -> Command:
        settings = Settings(backend={"dub": "command"}, dub_command=program or command(*flags))
        made.append(Command(Host(settings=settings, scratch=tmp_path)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_an_engine_speaks_and_says_what_it_is(engine: Callable[..., Command], tmp_path: Path) -> None:
    backend = engine("--phones")
    fingerprint = backend.fingerprint()
    assert fingerprint["engine"] == "drawn 1"
    assert fingerprint["espeak-ng"]
    spoken = backend.speak("Papá baila.", "es", LOW, 1.0)
    assert spoken.voice == "drawn low"
    assert spoken.phones[-1].stop <= len(spoken.audio)
    again = backend.speak("Papá baila.", "es", LOW, 1.0, 1)
    assert not np.array_equal(spoken.audio, again.audio)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("garbage", "cannot be read"),
        ("nan", "no numbers"),
        ("phones", "follow one another"),
        ("crash", "status 3"),
    ],
)
def test_an_answer_that_is_no_speech_is_an_error_and_the_next_line_is_spoken(
    engine: Callable[..., Command], tmp_path: Path, fault: str, says: str
) -> None:
    backend = engine()
    with pytest.raises(ChildError) as caught:
        backend.speak(f"Hola. «{fault}»", "es", LOW, 1.0)
    assert says in str(caught.value) + caught.value.why
    assert len(backend.speak("Hola.", "es", LOW, 1.0).audio)
    assert not list(tmp_path.iterdir())


def test_a_line_it_refuses_is_refused_for_good(engine: Callable[..., Command]) -> None:
    with pytest.raises(InputError, match="does not say that"):
        engine().speak("«refuse»", "es", LOW, 1.0)


def test_a_program_that_is_not_there_or_no_worker_is_named(engine: Callable[..., Command]) -> None:
    with pytest.raises(MissingError, match="no-such-engine"):
        engine(program="no-such-engine --fast").fingerprint()
    with pytest.raises(ChildError, match="dub-command"):
        engine(program="echo hello").fingerprint()


def test_it_must_be_named_and_have_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="cannot be used") as caught:
        load_settings({"backend": ["dub=command"]})
    assert "dub_command" in caught.value.why
    assert Command.card.only_named


# The whole job.


class Job:
    """A film with its subtitles, dubbed by the engine."""

    def __init__(self, film: Film, folder: Path) -> None:
        self.video = folder / "film.mp4"
        self.video.symlink_to(film.path)
        self.lines = film.truth.lines
        self.store = WorkDir(folder / "store")
        write_subtitles(folder / "film.en.srt", self.lines, [line.text for line in self.lines])

    def run(self, *texts: str, flags: tuple[str, ...] = ()) -> tuple[RunResult, list[Event]]:
        write_subtitles(self.video.parent / "film.es.srt", self.lines[: len(texts)], texts)
        found = load_graph()
        graph = Graph(found.stages, {**found.backends, Command.card.id: Command})
        settings = Settings(
            languages=("es",), source_language="en", work_dir=self.store.root, lipsync=False,
            backend={"dub": "command"}, dub_command=command(*flags),
        )  # fmt: skip
        events: list[Event] = []
        prepared = prepare(self.video, graph, self.store, settings)
        return run_job(prepared, graph, self.store, settings, [events.append]), events


@pytest.fixture(scope="module")
def job(two_shot_film: Film, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Job(two_shot_film, tmp_path_factory.mktemp("job"))


def speaks(events: list[Event]) -> list[ActionDone]:
    return [event for event in events if isinstance(event, ActionDone) and event.action == "dub.speak"]


def test_a_video_is_dubbed_by_an_engine_of_the_users_own(job: Job) -> None:
    result, events = job.run(*SPANISH)
    assert result.error is None
    assert not result.defects
    assert (job.video.parent / "film.es.mp4").is_file()
    report = json.loads((job.video.parent / "film.es.report.json").read_bytes())
    assert result.media_seconds == pytest.approx(report["source"]["seconds"], abs=0.05)
    own = [event for event in speaks(events) if event.backend == "dub/command"]
    assert len(own) == len(SPANISH)
    assert {event.params["take"] for event in own} == {0}
    # Two short lines are too little to be imitated, which is said.
    told = [event.message for event in events if isinstance(event, Notice) and event.code == "not-imitated"]
    assert len(told) == 1
    assert "4 s are needed" in told[0]
    # It does not know its phones: they are found with a guide.
    aligned = [event for event in events if isinstance(event, ActionDone) and event.action == "dub.align"]
    assert len(aligned) == len(SPANISH)
    assert all(event.detail["phones"] > 8 for event in aligned)
    assert {event.backend for event in speaks(events)} == {"dub/command", "dub/espeak"}
    again, _ = job.run(*SPANISH)
    assert again.misses == 0


def test_an_engine_that_knows_its_phones_needs_no_guide(job: Job) -> None:
    _, events = job.run(*SPANISH, flags=("--phones",))
    assert {event.action for event in events if isinstance(event, ActionDone)}.isdisjoint({"dub.align"})


@pytest.mark.parametrize("fault", ["cut", "short", "long", "clipped", "silent"])
def test_a_line_with_a_fault_is_asked_for_again(job: Job, fault: str) -> None:
    result, events = job.run(SPANISH[0], f"{SPANISH[1]} «{fault} once»")
    assert not result.defects
    told = [event.message for event in events if isinstance(event, Notice) and event.code == "take-failed"]
    assert len(told) == 1
    assert "take 0 of dub/command" in told[0]
    takes = [event.params["take"] for event in speaks(events) if event.backend == "dub/command"]
    assert takes.count(1) == 1


def test_a_line_that_fails_every_time_is_spoken_by_the_next_engine_with_a_mark(job: Job) -> None:
    result, _ = job.run(SPANISH[0], f"{SPANISH[1]} «crash»")
    assert result.exit_code is ExitCode.DEFECTS
    assert [(item.code, item.message) for item in result.defects] == [
        ("other-engine", "dub/command failed it; dub/espeak speaks it.")
    ]
    assert result.languages[0].lines == 2
    # Both are credited, since both are heard.
    report = json.loads((job.video.parent / "film.es.report.json").read_bytes())
    assert [one["name"] for one in report["backends"] if one["stage"] == "dub"] == ["command", "espeak"]
    assert [one["backend"] for one in report["lines"]] == ["dub/command", "dub/espeak"]


def test_a_line_the_engine_refuses_is_not_asked_for_twice(job: Job) -> None:
    result, events = job.run(SPANISH[0], f"{SPANISH[1]} «refuse»")
    assert [item.code for item in result.defects] == ["other-engine"]
    told = [event.message for event in events if isinstance(event, Notice) and event.code == "take-failed"]
    assert len(told) == 1
