"""Faults planted in what loc does: each turns the measure of its kind red, and what follows from it, no more.

A film is localized from nothing and accepted; then the stages that a fault is in are done again by a loc that
has it, in a copy of the same work directory.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.options import RUN_FIELDS
from cli.regress import loc_run
from loc.app.regress.compare import Comparison
from loc.app.regress.measures import tolerances
from loc.app.regress.session import Request, accept, run
from loc.app.regress.work import Command
from loc.errors import ExitCode
from loc.settings import Settings, as_flags
from tests.app.regress.faulty import FAULTS
from tests.presenter import SHORT_TWO_SHOTS, shoot, write_subtitles

SPANISH = ("Quizás la gente se mueva un poco.", "Bob vio un papá oso muy grande.")
"""Longer than there is room for without haste."""

NO_TIME = ("time=1000",)
"""Machines that run tests are busy: of time, only the fault in it is judged."""


@dataclass(frozen=True)
class Samples:
    """A folder with one film, and a work directory in which it has been localized."""

    folder: Path
    store: Path

    @property
    def baseline(self) -> Path:
        return self.folder.parent / "baseline.json"

    @property
    def spanish(self) -> Path:
        return self.folder / "film.es.srt"

    def request(self, *, cold: bool = False, tolerance: Sequence[str] = NO_TIME) -> Request:
        return Request(self.folder, self.baseline, tolerances(tolerance), cold=cold)

    def settings(self, *force: str) -> Settings:
        return Settings(source_language="en", work_dir=self.store, force=force)


def faulty(fault: str) -> Command:
    def command(video: Path, settings: Settings) -> Sequence[str]:
        flags = as_flags(settings, RUN_FIELDS)
        return [
            sys.executable,
            "-m",
            "tests.app.regress.faulty",
            fault,
            "run",
            "--json",
            *flags,
            "--",
            str(video),
        ]

    return command


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    folder = tmp_path_factory.mktemp("regress")
    samples = Samples(folder / "samples", folder / "store")
    samples.folder.mkdir()
    film = shoot(SHORT_TWO_SHOTS, samples.folder / "film.mp4")
    write_subtitles(
        samples.folder / "film.en.srt", film.truth.lines, [line.text for line in film.truth.lines]
    )
    write_subtitles(samples.spanish, film.truth.lines, SPANISH)
    comparison, written = accept(samples.request(cold=True), loc_run, samples.settings())
    assert written, comparison.failures
    return samples


@pytest.fixture(scope="module")
def unchanged(accepted: Samples) -> Comparison:
    """The same again, which also fills the work directory."""
    return run(accepted.request(), loc_run, accepted.settings())


@pytest.fixture
def plant(accepted: Samples, unchanged: Comparison, tmp_path: Path) -> Callable[..., Comparison]:
    def planted(fault: str, *force: str) -> Comparison:
        shutil.copytree(accepted.store, tmp_path / "store")
        copy = Samples(accepted.folder, tmp_path / "store")
        return run(copy.request(), faulty(fault), copy.settings(*force))

    return planted


def red(comparison: Comparison) -> set[str]:
    assert not comparison.failures, comparison.failures
    return {finding.measure for finding in comparison.red}


def test_a_second_run_is_as_the_first(unchanged: Comparison) -> None:
    assert red(unchanged) == set()
    assert unchanged.code is ExitCode.DONE
    moved = [f for f in unchanged.findings if f.verdict not in ("same", "skipped")]
    assert moved == []
    assert {f.now for f in unchanged.findings if f.measure.startswith(("picture.m", "picture.f"))} == {0.0}


LOOKS = {"picture.mouth", "picture.seam", "picture.lips", "picture.sharpness", "picture.jitter"}
"""What moves where a mouth moves otherwise."""

FAULT_AND_RED = [
    ("late", ("dub", "lipsync", "deliver"), {"timing.start", "timing.heard"}, LOOKS),
    ("louder", ("deliver",), {"loudness.integrated", "loudness.peak"}, set()),
    (
        "overlong",
        ("dub", "lipsync", "deliver"),
        {"fit.overrun", "defects"},
        {"timing.start", *LOOKS},
    ),
    ("undrawn", ("deliver",), {"picture.mouth"}, set()),
    ("blurred", ("deliver",), {"picture.mouth"}, set()),
    ("undrawable", ("lipsync", "deliver"), {"picture.drawn", "picture.mouth", "defects"}, LOOKS),
]
"""Fault, the stages done again, what must turn red, and what else may."""


@pytest.mark.parametrize(
    ("fault", "force", "must", "may"), FAULT_AND_RED, ids=[row[0] for row in FAULT_AND_RED]
)
def test_a_fault_turns_its_measure_red(
    plant: Callable[..., Comparison], fault: str, force: tuple[str, ...], must: set[str], may: set[str]
) -> None:
    comparison = plant(fault, *force)
    assert must <= red(comparison) <= must | may, [f for f in comparison.findings if f.verdict != "same"]
    assert comparison.code is ExitCode.DEFECTS


def test_every_fault_is_planted() -> None:
    assert {row[0] for row in FAULT_AND_RED} | {"late_sound", "slow_and_fat", "dead"} == FAULTS.keys()


def test_a_shift_that_no_report_knows_of_is_measured(plant: Callable[..., Comparison]) -> None:
    comparison = plant("late_sound", "deliver")
    assert red(comparison) == {"timing.heard"}
    assert comparison.red[0].now == pytest.approx(0.2, abs=0.01)


def test_another_text(accepted: Samples, unchanged: Comparison, tmp_path: Path) -> None:
    folder = shutil.copytree(accepted.folder, tmp_path / "samples")
    text = (folder / "film.es.srt").read_text(encoding="utf-8")
    (folder / "film.es.srt").write_text(text.replace("oso", "gato"), encoding="utf-8")
    copy = Samples(folder, shutil.copytree(accepted.store, tmp_path / "store"))
    comparison = run(
        Request(folder, accepted.baseline, tolerances(NO_TIME), cold=False), loc_run, copy.settings()
    )
    assert "text" in red(comparison)
    assert red(comparison) <= {"text", "timing.heard", "fit.pace", "fit.overrun", *LOOKS}


def test_a_slower_and_fatter_run(accepted: Samples) -> None:
    comparison = run(accepted.request(cold=True, tolerance=()), faulty("slow_and_fat"), accepted.settings())
    assert red(comparison) == {"time", "memory"}


def test_a_run_that_dies(accepted: Samples) -> None:
    comparison = run(accepted.request(), faulty("dead"), accepted.settings())
    assert comparison.code is ExitCode.INTERNAL
    assert "Signal 6" in str(comparison.failures["film.mp4"])
