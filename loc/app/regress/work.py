"""Runs samples, each in a process of its own, as its user would, and measures what comes out.

A process of its own: its memory and its processor time are those of the sample and of nothing else, a crash
is the end of one sample, and what is measured is `loc run` itself.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from loc.app.export import targets_for
from loc.app.regress.baseline import Baseline, Dub, Machine, Sample, Work
from loc.app.regress.compare import Failure
from loc.app.regress.measure import measure_dub
from loc.app.regress.samples import SampleFile, languages_of
from loc.app.report import Report
from loc.errors import ExitCode, Interrupted, LocError
from loc.events import Event, Notice, Sink
from loc.process import Child
from loc.settings import Settings
from loc.store.workdir import WorkDir

_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)

Command = Callable[[Path, Settings], Sequence[str]]
"""(video, settings) -> program and arguments of a `loc run --json` of it."""

GRACE_S = 30.0
"""Seconds that a run has to end by itself after its last word."""

ROUNDS = 5
"""Times that the calibration's work is done, of which the quickest counts: what disturbs only ever slows."""


@dataclass(frozen=True)
class Ran:
    """How the process of one sample ended.

    Args:
        result: the last line of `loc run --json`; empty where it never came.
        said: its last words on stderr.
    """

    code: int
    result: Mapping[str, Any]
    said: str

    @property
    def failure(self) -> Failure | None:
        """Why there is nothing to measure; None where there is."""
        if self.code in (ExitCode.DONE, ExitCode.DEFECTS) and self.result:
            return None
        known = set(ExitCode) - {ExitCode.DONE, ExitCode.DEFECTS}
        code = ExitCode(self.code) if self.code in known else ExitCode.INTERNAL
        for outcome in self.result.get("inputs", ()):
            error = outcome.get("error")
            if error:
                return Failure(code, error["what"], error["why"], error["fix"])
        how = f"loc run ended with {self.code}." if self.code >= 0 else f"Signal {-self.code} ended loc run."
        return Failure(code, how, self.said)


@dataclass
class Measured:
    """What was measured, and which samples could not be."""

    machine: Machine
    samples: dict[str, Sample] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)

    @property
    def baseline(self) -> Baseline:
        return Baseline(machine=self.machine, samples=dict(sorted(self.samples.items())))


def measure_samples(
    samples: Sequence[SampleFile],
    command: Command,
    settings: Settings,
    accepted: Baseline | None,
    sinks: Sequence[Sink] = (),
    *,
    cold: bool = True,
) -> Measured:
    """Run and measure every sample. One that fails keeps none of the others from being measured.

    Args:
        accepted: pictures are taken where its pictures were.
        cold: in an empty work directory each; else in that of the settings, and without time and memory.

    Raises:
        UsageError: a sample whose target languages nobody says.
        StorageError: the work directory cannot be written.
        Interrupted.
    """
    languages = {sample.name: languages_of(sample.path, settings) for sample in samples}
    measured = Measured(this_machine())
    store = WorkDir(settings.work_dir)
    for number, sample in enumerate(samples, start=1):
        targets = languages[sample.name]
        words = f"Sample {number} of {len(samples)}: {sample.name} into {', '.join(targets)}."
        for sink in sinks:
            sink(Notice(code="sample", message=words))
        before = accepted.samples.get(sample.name) if accepted else None
        with store.scratch() as folder:
            own: dict[str, Any] = {"languages": targets, "output": f"{folder / 'out'}/"}
            if cold:
                own["work_dir"] = folder / "store"
            try:
                done = _measure_one(sample, command, settings.model_copy(update=own), before, sinks, cold)
            except Interrupted:
                raise
            except LocError as error:
                done = Failure(error.code, error.what, error.why, error.fix)
        if isinstance(done, Failure):
            measured.failures[sample.name] = done
        else:
            measured.samples[sample.name] = done
    return measured


def _measure_one(
    sample: SampleFile,
    command: Command,
    settings: Settings,
    accepted: Sample | None,
    sinks: Sequence[Sink],
    cold: bool,
) -> Sample | Failure:
    first = calibrate() if cold else 0.0
    ran = run(command(sample.path, settings), sinks)
    if ran.failure is not None:
        return ran.failure
    worth = (first + calibrate()) / 2 if cold else 0.0
    dubs: dict[str, Dub] = {}
    source, seconds = "", 0.0
    languages = ran.result["inputs"][0]["languages"]
    for item in languages:
        # Accepted without it, the language would never be compared again.
        if error := item["error"]:
            what = f"{item['language']}: {error['what']}"
            return Failure(ExitCode(error["code"]), what, error["why"], error["fix"])
    for item in languages:
        language = item["language"]
        if item["report"] is None:
            continue
        targets = targets_for(sample.path, language, settings)
        report = Report.model_validate_json(targets.report.read_bytes())
        if report.source is not None:
            source, seconds = report.source.sha256, report.source.seconds
        before = accepted.dubs.get(language) if accepted else None
        dubs[language] = measure_dub(sample.path, targets, report, settings, before)
    return Sample(
        sha256=source, seconds=seconds, dubs=dubs, work=_work(ran, seconds, worth) if cold else None
    )


def _work(ran: Ran, seconds: float, worth: float) -> Work | None:
    usage = ran.result["usage"]
    if not seconds:
        return None
    return Work(
        processor=round(usage["processor_seconds"] / seconds / worth, 3),
        peak_mb=round(usage["peak_bytes"] / 1e6, 1),
    )


def run(args: Sequence[str], sinks: Sequence[Sink]) -> Ran:
    """Run one `loc run --json` to its end; what it tells on the way goes to `sinks`.

    Raises:
        Interrupted: it was, and so is this.
    """
    # Of all children this one is loc itself, and may have an endpoint to ask.
    child = Child(args, stdout=True, env=os.environ)
    result: Mapping[str, Any] = {}
    try:
        for value in _values(child):
            if value.get("type") == "result":
                result = value
            else:
                _pass_on(value, sinks)
        code = child.end(GRACE_S)
    except BaseException:
        child.kill()
        child.end(GRACE_S)
        raise
    if code == ExitCode.INTERRUPTED:
        raise Interrupted("Interrupted.", why="What the samples cost so far is lost.")
    return Ran(code, result, child.tail())


def _values(child: Child) -> Iterator[dict[str, Any]]:
    for line in child.stdout:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def _pass_on(value: Mapping[str, Any], sinks: Sequence[Sink]) -> None:
    try:
        event = _EVENTS.validate_python(value)
    except ValidationError:
        return
    for sink in sinks:
        sink(event)


def this_machine() -> Machine:
    """The processor's name and the number of its cores that this process may use."""
    import os
    import platform
    import re

    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return Machine(
        processor=found[1].strip() if found else platform.machine(), cores=len(os.sched_getaffinity(0))
    )


def calibrate() -> float:
    """Processor seconds of a fixed piece of work on this machine at this moment, about 0.2.

    Transforms, sorting, compressing and a loop of Python, one thread, no child: a little of all that a run
    does, and nothing that loc or ffmpeg could be quicker or slower at.
    """
    import numpy as np

    rng = np.random.default_rng(1)
    picture = rng.random((768, 768))
    numbers = rng.random(400_000)
    data = (rng.random(1_500_000) * 60).astype(np.uint8).tobytes()

    def once() -> float:
        started = time.process_time()
        np.fft.irfft2(np.fft.rfft2(picture))
        np.sort(numbers)
        zlib.compress(data, 6)
        total = 0
        for number in range(400_000):
            total += number & 7
        return time.process_time() - started

    return min(once() for _ in range(ROUNDS))
