"""What is accepted, and what of it stays; what is compared where only some samples are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from loc.app.regress import baseline as file
from loc.app.regress import session
from loc.app.regress.baseline import Machine, Sample, Work
from loc.app.regress.compare import Failure
from loc.app.regress.measures import tolerances
from loc.app.regress.samples import SampleFile
from loc.app.regress.session import REPORTS, Request, accept, run
from loc.app.regress.work import Measured
from loc.errors import ExitCode, UsageError
from loc.events import Event, Notice
from loc.settings import Settings
from tests.app.regress.made_up import MACHINE, dub, sample


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Sample | Failure]:
    """What running each sample gives; the files are there to be found."""
    results: dict[str, Sample | Failure] = {"one.mp4": sample(), "two.mp4": sample()}
    (tmp_path / "samples").mkdir()
    for name in results:
        (tmp_path / "samples" / name).touch()

    def measure(samples: Sequence[SampleFile], *_args: Any, **_more: Any) -> Measured:
        found = {each.name: results[each.name] for each in samples}
        return Measured(
            MACHINE,
            {name: item for name, item in found.items() if isinstance(item, Sample)},
            {name: item for name, item in found.items() if isinstance(item, Failure)},
        )

    monkeypatch.setattr(session, "measure_samples", measure)
    return results


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accepted.json"


@pytest.fixture
def ask(tmp_path: Path, path: Path) -> Callable[..., Any]:
    def asked(what: Callable[..., Any], *only: str, said: list[Event] | None = None, **more: Any) -> Any:
        sinks = (said.append,) if said is not None else ()
        request = Request(tmp_path / "samples", path, tolerances(()), only, sinks=sinks, **more)
        return what(request, lambda *_: (), Settings(work_dir=tmp_path / "work"))

    return asked


def test_the_first_time_everything_is_new(
    measured: dict[str, Sample | Failure], ask: Callable[..., Any], path: Path
) -> None:
    comparison, written = ask(accept)
    assert written
    assert [finding.verdict for finding in comparison.findings] == ["new", "new"]
    assert set(file.read(path).samples) == {"one.mp4", "two.mp4"}
    assert ask(run).code is ExitCode.DONE


def test_accepting_again_changes_nothing(
    measured: dict[str, Sample | Failure], ask: Callable[..., Any], path: Path
) -> None:
    ask(accept)
    before = path.read_bytes()
    measured["one.mp4"] = sample(work=Work(processor=21.0, peak_mb=520.0))
    ask(accept)
    assert path.read_bytes() == before


def test_costs_that_creep_up_are_held_against_the_first(
    measured: dict[str, Sample | Failure], ask: Callable[..., Any], path: Path
) -> None:
    measured["one.mp4"] = sample(work=Work(processor=20.0, peak_mb=500.0))
    ask(accept)
    for processor in (22.0, 24.0, 25.9):
        measured["one.mp4"] = sample(work=Work(processor=processor, peak_mb=500.0))
        assert ask(run).code is ExitCode.DONE
        ask(accept)
    measured["one.mp4"] = sample(work=Work(processor=26.5, peak_mb=500.0))
    assert [finding.measure for finding in ask(run).red] == ["time"]
    ask(accept)
    assert file.read(path).samples["one.mp4"].work == Work(processor=26.5, peak_mb=500.0)


def test_some_alone(measured: dict[str, Sample | Failure], ask: Callable[..., Any], path: Path) -> None:
    ask(accept)
    measured |= {"one.mp4": sample(dubs={"es": dub(frames=1)}), "two.mp4": sample(dubs={"es": dub(frames=2)})}
    assert {finding.sample for finding in ask(run, "t*").findings} == {"two.mp4"}
    ask(accept, "two.mp4")
    found = file.read(path).samples
    assert (found["one.mp4"].dubs["es"].frames, found["two.mp4"].dubs["es"].frames) == (250, 2)
    with pytest.raises(UsageError, match="is called three or four"):
        ask(run, "three", "four")


def test_some_alone_on_another_machine_leave_no_costs_of_theirs_under_the_old_one(
    measured: dict[str, Sample | Failure], ask: Callable[..., Any], path: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ask(accept)
    was = file.read(path).samples["two.mp4"].work
    (tmp_path / "samples" / "three.mp4").touch()
    new = sample(dubs={"es": dub(frames=2)}, work=Work(processor=99.0, peak_mb=999.0))
    measured |= {"two.mp4": new, "three.mp4": new}
    monkeypatch.setattr("tests.app.regress.test_session.MACHINE", Machine(processor="Example 2", cores=8))
    said: list[Event] = []
    ask(accept, "two.mp4", "three.mp4", said=said)
    found = file.read(path)
    assert (found.machine.processor, found.samples["two.mp4"].dubs["es"].frames) == ("Example 1", 2)
    assert (found.samples["two.mp4"].work, found.samples["three.mp4"].work) == (was, None)
    assert [event.code for event in said if isinstance(event, Notice)] == ["costs-not-accepted"]
    ask(accept)
    found = file.read(path)
    assert (found.machine.processor, found.samples["two.mp4"].work) == ("Example 2", new.work)


def test_a_sample_that_goes_is_red_until_that_is_accepted(
    measured: dict[str, Sample | Failure], ask: Callable[..., Any], path: Path, tmp_path: Path
) -> None:
    ask(accept)
    (tmp_path / "samples" / "two.mp4").unlink()
    assert [(finding.sample, finding.verdict) for finding in ask(run).red] == [("two.mp4", "missing")]
    comparison, written = ask(accept)
    assert (written, len(comparison.red)) == (True, 1)
    assert set(file.read(path).samples) == {"one.mp4"}


def test_with_a_failure_nothing_is_accepted(
    measured: dict[str, Sample | Failure], ask: Callable[..., Any], path: Path
) -> None:
    ask(accept)
    before = path.read_bytes()
    measured |= {"one.mp4": sample(dubs={}), "two.mp4": Failure(ExitCode.INPUT, "It is empty.")}
    comparison, written = ask(accept)
    assert (written, comparison.code) == (False, ExitCode.SOME_FAILED)
    assert path.read_bytes() == before


def test_a_baseline_of_another_version_is_replaced_as_a_whole_and_said(
    measured: dict[str, Sample | Failure], ask: Callable[..., Any], path: Path
) -> None:
    path.write_text('{"kind": "loc-baseline", "schema_version": 0}')
    said: list[Event] = []
    _, written = ask(accept, said=said)
    assert written
    assert [event.code for event in said if isinstance(event, Notice)] == ["baseline-replaced"]


def test_the_reports(
    measured: dict[str, Sample | Failure], ask: Callable[..., Any], path: Path, tmp_path: Path
) -> None:
    ask(accept)
    measured["one.mp4"] = sample(dubs={"es": dub(frames=1), "ja": dub()})
    folder = tmp_path / "report"
    assert ask(run, report=folder).code is ExitCode.DEFECTS
    assert {each.name for each in folder.iterdir()} == REPORTS.keys()
    path.write_bytes((folder / "measured.json").read_bytes())
    assert ask(run, report=folder).code is ExitCode.DONE


@pytest.mark.parametrize("what", [run, accept])
def test_reports_that_cannot_be_written_are_found_before_work(
    measured: dict[str, Sample | Failure], ask: Callable[..., Any], tmp_path: Path, what: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ask(accept)
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / next(iter(REPORTS))).write_text("of somebody else")
    begun: list[object] = []
    monkeypatch.setattr(session, "measure_samples", lambda *args, **_: begun.append(args))
    with pytest.raises(UsageError, match="exists and is not replaced"):
        ask(what, report=folder)
    assert not begun


def test_a_name_with_brackets_can_be_asked_for(
    measured: dict[str, Sample | Failure], ask: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "samples" / "clip[1].mp4").touch()
    measured["clip[1].mp4"] = sample()
    comparison, _ = ask(accept, "clip[1].mp4")
    assert set(comparison.measured.samples) == {"clip[1].mp4"}
