"""Several inputs in one command: all are looked at first, then worked on one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loc.app import export
from loc.app.feasibility import cut_graph
from loc.app.inputs import OwnOutputError, target_languages
from loc.app.run import Graph, Prepared, RunResult, prepare, run_job
from loc.errors import ExitCode, InternalError, LocError, StorageError
from loc.events import Notice, Sink
from loc.settings import Settings
from loc.store.workdir import WorkDir


@dataclass(frozen=True)
class Outcome:
    """What became of one input of a command. `error` is what kept it from being started."""

    path: Path
    result: RunResult | None = None
    error: LocError | None = None
    skipped: bool = False
    """A file this store wrote, left out of several inputs."""

    @property
    def code(self) -> ExitCode:
        if self.result is not None:
            return self.result.exit_code
        if self.error is not None and not self.skipped:
            return self.error.code
        return ExitCode.DONE


def run_all(
    paths: Sequence[Path], graph: Graph, settings: Settings, sinks: Sequence[Sink] = ()
) -> list[Outcome]:
    """Run every input. One that fails keeps none of the others from being done, not even by a fault in loc.

    Raises:
        UsageError: the command itself is wrong: no language, an unknown stage, outputs that collide.
        StorageError: the work directory cannot be opened.
        Interrupted.
    """
    languages = target_languages(settings)
    cut_graph(graph.stages, settings)
    inputs = list(dict.fromkeys(paths))
    _check_outputs(inputs, languages, settings)
    store = WorkDir(settings.work_dir)
    alone = len(inputs) == 1
    looked_at = [_prepare(path, graph, store, settings, alone=alone) for path in inputs]
    for item in looked_at:
        if isinstance(item, Outcome) and item.error is not None and not alone:
            _say(sinks, item)
    return [
        _run(item, graph, store, settings, sinks, alone=alone) if isinstance(item, Prepared) else item
        for item in looked_at
    ]


def _run(
    prepared: Prepared,
    graph: Graph,
    store: WorkDir,
    settings: Settings,
    sinks: Sequence[Sink],
    *,
    alone: bool,
) -> Outcome:
    """The work of one input. Of several, a fault in loc is the end of its own alone."""
    path = prepared.job.path
    try:
        return Outcome(path, run_job(prepared, graph, store, settings, sinks))
    except StorageError as error:
        # Its record could not even be begun.
        return Outcome(path, error=error)
    except LocError:
        raise
    except Exception as fault:
        if alone:
            raise
        return Outcome(path, error=InternalError.of(fault))


def overall(outcomes: Sequence[Outcome]) -> ExitCode:
    """The code of the only input; of several: 8 where one failed, 3 where one has defects, else 0."""
    if len(outcomes) == 1:
        return outcomes[0].code
    codes = {outcome.code for outcome in outcomes}
    if codes - {ExitCode.DONE, ExitCode.DEFECTS}:
        return ExitCode.SOME_FAILED
    if all(outcome.skipped for outcome in outcomes):
        return ExitCode.INPUT
    return ExitCode.DEFECTS if ExitCode.DEFECTS in codes else ExitCode.DONE


def _check_outputs(paths: Sequence[Path], languages: Sequence[str], settings: Settings) -> None:
    export.check_distinct(
        [
            (path, language, export.targets_for(path, language, settings))
            for path in paths
            for language in languages
        ]
    )


def _prepare(
    path: Path, graph: Graph, store: WorkDir, settings: Settings, *, alone: bool
) -> Prepared | Outcome:
    try:
        return prepare(path, graph, store, settings)
    except OwnOutputError as error:
        return Outcome(path, error=error, skipped=not alone)
    except LocError as error:
        return Outcome(path, error=error)
    except Exception as fault:
        if alone:
            raise
        return Outcome(path, error=InternalError.of(fault))


def _say(sinks: Sequence[Sink], outcome: Outcome) -> None:
    """Tell at once which inputs will not be worked on, not hours later at the end."""
    code = "input-skipped" if outcome.skipped else "input-refused"
    verb = "Skipped" if outcome.skipped else "Cannot be used"
    for sink in sinks:
        sink(Notice(code=code, message=f"{verb}: {outcome.error}"))
