"""`loc status`: the runs of a work directory, alive, finished, or killed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loc.app.record import RunRecord, events, is_alive, runs, runs_of
from loc.errors import ExitCode
from loc.events import ActionDone, StageDone, StageStarted, WorkPlanned
from loc.store.workdir import WorkDir

State = Literal["running", "finished", "stopped", "interrupted", "killed"]


@dataclass(frozen=True)
class StageProgress:
    """How far a stage of a run came. `planned` counts announced batches; None where none was announced."""

    stage: str
    language: str | None
    done: int
    planned: int | None
    seconds: float | None
    """None while it is under way, and for ever where the run ended in it."""


@dataclass(frozen=True)
class RunStatus:
    record: RunRecord
    state: State
    stages: tuple[StageProgress, ...]


def status(store: WorkDir, path: Path | None = None) -> Iterator[RunStatus]:
    """Every run, newest first; with `path` only those of that input, by name or by content."""
    is_one = runs_of(store, path) if path is not None else None
    for record in runs(store):
        same_name = path is not None and Path(record.input).resolve() == path.resolve()
        if is_one is None or same_name or is_one(record):
            yield RunStatus(record, _state(store, record), tuple(_stages(store, record.id)))


def _state(store: WorkDir, record: RunRecord) -> State:
    if record.exit_code is None:
        return "running" if is_alive(store, record.id) else "killed"
    ends: dict[int, State] = {ExitCode.DEADLINE: "stopped", ExitCode.INTERRUPTED: "interrupted"}
    return ends.get(record.exit_code, "finished")


def _stages(store: WorkDir, run: str) -> Iterator[StageProgress]:
    found: dict[tuple[str, str | None], StageProgress] = {}
    current: str | None = None
    for event in events(store, run):
        match event:
            case StageStarted():
                current = event.language
                found[event.stage, current] = StageProgress(event.stage, current, 0, None, None)
            case WorkPlanned() | ActionDone():
                # An action that serves every language is logged without one; it counts where it was met.
                place = (event.stage, current)
                if place in found:
                    found[place] = _count(found[place], event)
            case StageDone():
                place = (event.stage, event.language)
                known = found.get(place, StageProgress(*place, event.hits + event.misses, None, None))
                found[place] = dataclasses.replace(known, seconds=event.seconds)
    yield from found.values()


def _count(known: StageProgress, event: WorkPlanned | ActionDone) -> StageProgress:
    planned, done = known.planned, known.done
    if isinstance(event, WorkPlanned):
        planned = (planned or 0) + event.total
    else:
        done += 1
    return dataclasses.replace(known, done=done, planned=planned)
