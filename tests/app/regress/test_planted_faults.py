"""Faults planted in what loc does: each turns the measure of its kind red, and what follows from it, no more.

A film is localized and accepted; then the stages that a fault is in are done again by a loc that has it, in a
copy of the same work directory. Faults of the lips are planted in a film with speech enough for a score.
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
from loc.app.regress.measures import MEASURES, tolerances
from loc.app.regress.session import Request, accept, run
from loc.app.regress.work import Command
from loc.errors import ExitCode
from loc.settings import Settings, as_flags
from tests.app.regress.faulty import FAULTS
from tests.lipsync.test_score import SPEECH
from tests.presenter import SHORT_TWO_SHOTS, Script, shoot, write_subtitles

SPANISH = ("Quizás la gente se mueva un poco.", "Bob vio un papá oso muy grande.")
"""Longer than there is room for without haste."""

TALK = ("Mi hermano compró un barco.", "No quedan más manzanas.")
"""Over two seconds in one cut, and short enough for the lips to rest."""

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


def samples_of(script: Script, spanish: Sequence[str], folder: Path) -> Samples:
    samples = Samples(folder / "samples", folder / "store")
    samples.folder.mkdir()
    film = shoot(script, samples.folder / "film.mp4")
    write_subtitles(
        samples.folder / "film.en.srt", film.truth.lines, [line.text for line in film.truth.lines]
    )
    write_subtitles(samples.spanish, film.truth.lines, spanish)
    return samples


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    samples = samples_of(SHORT_TWO_SHOTS, SPANISH, tmp_path_factory.mktemp("regress"))
    comparison, written = accept(samples.request(cold=True), loc_run, samples.settings())
    assert written, comparison.failures
    return samples


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Localized in the work directory that is then copied, which saves doing so twice."""
    samples = samples_of(SPEECH, TALK, tmp_path_factory.mktemp("talking"))
    comparison, written = accept(samples.request(), loc_run, samples.settings())
    assert written, comparison.failures
    return samples


@pytest.fixture(scope="module")
def unchanged(accepted: Samples) -> Comparison:
    """The same again, which also fills the work directory."""
    return run(accepted.request(), loc_run, accepted.settings())


@pytest.fixture
def plant(accepted: Samples, unchanged: Comparison, tmp_path: Path) -> Callable[..., Comparison]:
    return lambda fault, *force: planted(accepted, tmp_path, fault, *force)


def planted(samples: Samples, folder: Path, fault: str, *force: str) -> Comparison:
    copy = Samples(samples.folder, shutil.copytree(samples.store, folder / "store"))
    return run(copy.request(), faulty(fault), copy.settings(*force))


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
    ("faint", ("dub", "deliver"), {"loudness.speech"}, {"loudness.integrated", "timing.heard"}),
    (
        "overlong",
        ("dub", "lipsync", "deliver"),
        {"fit.overrun", "defects"},
        {"timing.start", *LOOKS},
    ),
    (
        "hasty",
        ("dub", "lipsync", "deliver"),
        {"fit.pace"},
        {"timing.heard", "loudness.integrated", "loudness.peak", *LOOKS},
    ),
    (
        "mute",
        ("dub", "lipsync", "deliver"),
        {"fit.silent", "defects"},
        {"timing.heard", "loudness.integrated", "loudness.speech", "picture.drawn", *LOOKS},
    ),
    ("cut_short", ("deliver",), {"timing.frames"}, set()),
    ("stamped", ("deliver",), {"picture.frame"}, set()),
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


AGREEMENT = {"agreement", "agreement.cut"}

FAULT_OF_LIPS_AND_RED = [
    ("late_lips", {"agreement.offset"}, LOOKS),
    ("babbling", AGREEMENT, {"agreement.offset", *LOOKS}),
    ("tinted", {"picture.seam", "picture.lips"}, {*AGREEMENT, *LOOKS}),
    ("soft", {"picture.sharpness"}, {*AGREEMENT, *LOOKS}),
    ("shaken", {"picture.jitter"}, {*AGREEMENT, *LOOKS}),
]


@pytest.mark.parametrize(
    ("fault", "must", "may"), FAULT_OF_LIPS_AND_RED, ids=[row[0] for row in FAULT_OF_LIPS_AND_RED]
)
def test_a_fault_of_the_lips_turns_its_measure_red(
    talking: Samples, tmp_path: Path, fault: str, must: set[str], may: set[str]
) -> None:
    comparison = planted(talking, tmp_path, fault, "lipsync", "deliver")
    assert must <= red(comparison) <= must | may, [f for f in comparison.findings if f.verdict != "same"]


FAULTS_OF_THEIR_OWN = {"late_sound": {"timing.heard"}, "slow_and_fat": {"time", "memory"}, "dead": set[str]()}


def test_every_fault_is_planted() -> None:
    rows = {row[0] for row in (*FAULT_AND_RED, *FAULT_OF_LIPS_AND_RED)}
    assert rows | FAULTS_OF_THEIR_OWN.keys() == FAULTS.keys()


def test_every_measure_is_turned_red() -> None:
    """Text by another text."""
    red = set[str]().union(
        *(row[2] for row in FAULT_AND_RED),
        *(row[1] for row in FAULT_OF_LIPS_AND_RED),
        *FAULTS_OF_THEIR_OWN.values(),
    )
    assert {measure.name for measure in MEASURES if not measure.rare} - red == {"text"}


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
