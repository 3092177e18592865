"""`loc regress run` and `loc regress accept`: everything between the samples and what is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from loc.app.export import check_writable, put_bytes
from loc.app.regress import baseline as file
from loc.app.regress import junit, markdown, page
from loc.app.regress.baseline import Baseline, Machine, Sample, Work
from loc.app.regress.compare import Comparison, Finding, compare
from loc.app.regress.samples import find_samples
from loc.app.regress.work import Command, Measured, measure_samples
from loc.errors import InputError, UsageError
from loc.events import Notice, Sink
from loc.settings import Settings
from loc.store.workdir import WorkDir

REPORTS: Mapping[str, Callable[[Comparison], bytes]] = {
    "regress.html": page.build,
    "regress.md": lambda comparison: markdown.write(comparison).encode(),
    "junit.xml": junit.write,
    "measured.json": lambda comparison: file.dump(comparison.measured),
}
"""What `--report` writes. The last is a baseline: to accept what was found, put it in the old one's place."""


@dataclass(frozen=True)
class Request:
    """What is asked.

    Args:
        place: the folder of samples, or one video.
        only: patterns of the samples' names; empty: all of them.
        cold: see `measure_samples`.
        report: folder for `REPORTS`.
    """

    place: Path
    baseline: Path
    limits: Mapping[str, float]
    only: Sequence[str] = ()
    cold: bool = True
    report: Path | None = None
    sinks: Sequence[Sink] = field(default_factory=tuple)


def run(request: Request, command: Command, settings: Settings) -> Comparison:
    """Measure the samples and compare them with the accepted baseline.

    Raises:
        InputError: the baseline cannot be compared with, or there are no samples.
        UsageError: a sample whose languages nobody says, or a pattern that no sample has.
        StorageError: a report or the work directory cannot be written.
        Interrupted.
    """
    accepted = file.read(request.baseline)
    _check_reports(request, settings)
    measured = _measured(request, command, settings, accepted)
    asked = {name: sample for name, sample in accepted.samples.items() if _is_asked(request, name)}
    comparison = compare(
        accepted.model_copy(update={"samples": asked}), measured.baseline, request.limits, measured.failures
    )
    _write_reports(request, comparison, settings)
    return comparison


def accept(request: Request, command: Command, settings: Settings) -> tuple[Comparison, bool]:
    """Measure the samples and make them the baseline, in its file alone.

    Returns:
        (against the baseline before, all new where there was none; whether it was written). Where a sample
        failed, nothing is.

    Raises:
        InputError, UsageError, StorageError, Interrupted: as `run`; also where another file is in the way.
    """
    file.check_replaceable(request.baseline)
    _check_reports(request, settings)
    before = _before(request)
    measured = _measured(request, command, settings, before)
    found = measured.baseline
    old = before.samples if before else {}
    asked = {name: sample for name, sample in old.items() if _is_asked(request, name)}
    comparison = compare(
        Baseline(machine=before.machine if before else found.machine, samples=asked), found, request.limits,
        measured.failures,
    )  # fmt: skip
    _write_reports(request, comparison, settings)
    if comparison.failures:
        return comparison, False
    kept = {name: sample for name, sample in old.items() if not _is_asked(request, name)}
    machine = before.machine if before and kept else found.machine
    if machine != found.machine:
        _say(
            request,
            "costs-not-accepted",
            f"Time and memory are not accepted: the other samples have theirs from another machine "
            f"({machine.processor}, {machine.cores} cores). Without --only all are accepted from this one.",
        )
    samples = {**kept, **_accepted(comparison, machine)}
    data = file.dump(Baseline(machine=machine, samples=dict(sorted(samples.items()))))
    store = WorkDir(settings.work_dir)
    put_bytes(store, data, request.baseline, settings.model_copy(update={"overwrite": True}))
    return comparison, True


def _before(request: Request) -> Baseline | None:
    """What was accepted until now; None where nothing was, or nothing that can be compared with."""
    if not request.baseline.exists():
        return None
    try:
        return file.read(request.baseline)
    except InputError as error:
        if request.only:
            raise
        _say(request, "baseline-replaced", f"{error.what} {error.why} All of it is accepted anew.")
        return None


def _accepted(comparison: Comparison, machine: Machine) -> dict[str, Sample]:
    """What was measured, but with the costs as accepted where they are the same within their tolerance.

    So a baseline that is accepted again changes in what has changed, and costs that creep up step by step are
    still compared with those before the first step.

    Args:
        machine: of the baseline that it goes into; costs of another are no part of that.
    """
    same = {
        (finding.sample, finding.measure)
        for finding in comparison.findings
        if finding.verdict == "same" and finding.language is None
    }
    same_machine = comparison.accepted.machine == comparison.measured.machine
    samples = dict(comparison.measured.samples)
    for name, sample in comparison.measured.samples.items():
        was = comparison.accepted.samples.get(name)
        if machine != comparison.measured.machine:
            work = was.work if was is not None else None
            samples[name] = sample.model_copy(update={"work": work})
        elif same_machine and was is not None and was.work is not None and sample.work is not None:
            time = was.work if (name, "time") in same else sample.work
            memory = was.work if (name, "memory") in same else sample.work
            work = Work(processor=time.processor, peak_mb=memory.peak_mb)
            samples[name] = sample.model_copy(update={"work": work})
    return samples


def _measured(request: Request, command: Command, settings: Settings, accepted: Baseline | None) -> Measured:
    samples = [
        sample
        for sample in find_samples(request.place, lambda code, message: _say(request, code, message))
        if _is_asked(request, sample.name)
    ]
    if not samples:
        raise UsageError(f"--only: no sample in {request.place} is called {' or '.join(request.only)}.")
    return measure_samples(samples, command, settings, accepted, request.sinks, cold=request.cold)


def _is_asked(request: Request, name: str) -> bool:
    return not request.only or any(name == one or fnmatchcase(name, one) for one in request.only)


def _say(request: Request, code: str, message: str) -> None:
    for sink in request.sinks:
        sink(Notice(code=code, message=message))


def _check_reports(request: Request, settings: Settings) -> None:
    """Find out before hours of work whether the reports could be written."""
    if request.report is not None:
        check_writable(WorkDir(settings.work_dir), [request.report / name for name in REPORTS], settings)


def _write_reports(request: Request, comparison: Comparison, settings: Settings) -> None:
    if request.report is not None:
        store = WorkDir(settings.work_dir)
        for name, build in REPORTS.items():
            put_bytes(store, build(comparison), request.report / name, settings)


def finding_json(finding: Finding) -> dict[str, object]:
    """A finding as data."""
    return {
        "sample": finding.sample,
        "language": finding.language,
        "measure": finding.measure,
        "verdict": finding.verdict,
        "was": finding.was,
        "is": finding.now,
        "tolerance": finding.tolerance,
        "detail": finding.detail,
    }
