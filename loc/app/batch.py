"""Several inputs in one command: all are looked at first, then worked on one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loc import process
from loc.app import export
from loc.app.feasibility import cut_graph
from loc.app.inputs import OwnOutputError, check_name, found_in, is_own, named, target_languages
from loc.app.outcome import Outcome, overall
from loc.app.pictures import is_folder, pictures_in
from loc.app.run import Graph, Prepared, prepare, run_job
from loc.app.summary import Account
from loc.deadline import Deadline, deadline
from loc.errors import (
    DeadlinePassed,
    ExitCode,
    InputError,
    InternalError,
    Interrupted,
    LocError,
    StorageError,
    UsageError,
)
from loc.events import Notice, Sink
from loc.settings import Settings
from loc.store.workdir import WorkDir


def run_all(
    paths: Sequence[Path], graph: Graph, settings: Settings, sinks: Sequence[Sink] = ()
) -> list[Outcome]:
    """Run every input. One that fails keeps none of the others from being done, not even by a fault in loc.

    Args:
        paths: videos, and folders that stand for the videos in them.

    Raises:
        UsageError: the command itself is wrong: no language, an unknown stage, outputs that all collide.
        StorageError: the work directory cannot be opened, or a summary not written.
        Interrupted.
    """
    end = deadline(settings.deadline) if settings.deadline else None
    languages = target_languages(settings)
    cut_graph(graph.stages, settings)
    process.give_way(settings.nice)
    if settings.offline:
        process.forbid_network()
    store = WorkDir(settings.work_dir)
    inputs = _inputs(paths, sinks)
    _check_texts(inputs, settings, store)
    alone = len(inputs) == 1
    clashes = _check_outputs(inputs, languages, settings, store)
    account = Account(store, settings, languages, end, sinks)
    account.begin(inputs)
    code = ExitCode.INTERNAL
    try:
        batch = _Batch(graph, settings, store, sinks, account, end, clashes, alone=alone)
        outcomes = batch.work(inputs)
        code = overall(outcomes)
    except (KeyboardInterrupt, Interrupted):
        code = ExitCode.INTERRUPTED
        raise
    finally:
        account.finish(code)
    return outcomes


def _check_texts(inputs: Sequence[Path], settings: Settings, store: WorkDir) -> None:
    """Refuse to give several videos the words of one.

    Raises:
        UsageError.
    """
    named = {"--transcript": settings.transcript, "--translation": settings.translation}
    given = " and ".join(flag for flag, value in named.items() if value)
    if not given or len(inputs) == 1:
        return
    videos = [path for path in inputs if not is_own(store, path, settings)]
    if len(videos) > 1:
        raise UsageError(
            f"{given}: the words of one video, and {len(videos)} are named.",
            why="Every one of them would be dubbed with the same text.",
            fix=f"Put the texts of each beside it, as {videos[0].stem}.LANG.srt: names are enough.",
        )


@dataclass(frozen=True)
class _Clashes:
    """Inputs of one command that cannot all be worked on, see `export`."""

    contested: Mapping[Path, UsageError]
    """By `check_distinct`."""
    replaced: Sequence[tuple[Path, Path]]
    """By `replaced_inputs`."""


class _Batch:
    """The inputs of one command, and all that is the same for each."""

    def __init__(
        self,
        graph: Graph,
        settings: Settings,
        store: WorkDir,
        sinks: Sequence[Sink],
        account: Account,
        end: Deadline | None,
        clashes: _Clashes,
        *,
        alone: bool,
    ) -> None:
        self._graph = graph
        self._settings = settings
        self._store = store
        self._sinks = sinks
        self._account = account
        self._end = end
        self._clashes = clashes
        self._alone = alone

    def work(self, inputs: Sequence[Path]) -> list[Outcome]:
        looked_at = [self._look_at(path) for path in inputs]
        refused = [item for item in looked_at if isinstance(item, Outcome)]
        self._account.ended(*refused)
        for outcome in refused:
            if not self._alone:
                self._say(outcome)
        return [item if isinstance(item, Outcome) else self._do(item) for item in looked_at]

    def _look_at(self, path: Path) -> Prepared | Outcome:
        try:
            self._check_time()
            check_name(path)
            self._check_clashes(path)
            return prepare(path, self._graph, self._store, self._settings)
        except OwnOutputError as error:
            return Outcome(path, error=error, skipped=not self._alone)
        except LocError as error:
            return Outcome(path, error=error)
        except Exception as fault:
            if self._alone:
                raise
            return Outcome(path, error=InternalError.of(fault))

    def _check_clashes(self, path: Path) -> None:
        """Refuse an input whose output is that of another too; and one that would replace another, and the
        other too, but not where either is an output of ours, which is skipped.

        Raises:
            UsageError.
        """
        if error := self._clashes.contested.get(path):
            raise error
        for source, other in self._clashes.replaced:
            # Asked of the other file first: mostly that is the output, and known without looking into it.
            if path not in (source, other) or any(self._is_own(one) for one in (other, source)):
                continue
            if path == source:
                raise UsageError(
                    f"An output of {path} would replace an input, {other}.",
                    fix="Choose another name with -o.",
                )
            raise UsageError(
                f"{path} would be replaced by an output of {source}.",
                why="Whether it is an earlier output or a video of its own is not known.",
                fix=f"Choose another name with -o, or leave {path.name} out.",
            )

    def _is_own(self, path: Path) -> bool:
        return is_own(self._store, path, self._settings)

    def _do(self, prepared: Prepared) -> Outcome:
        path = prepared.job.path
        try:
            self._check_time()
        except DeadlinePassed as late:
            outcome = Outcome(path, error=late)
        else:
            self._account.working(path)
            now = self._as_it_is_now(prepared)
            outcome = now if isinstance(now, Outcome) else self._run(now)
        self._account.ended(outcome)
        return outcome

    def _as_it_is_now(self, prepared: Prepared) -> Prepared | Outcome:
        """An input whose turn has come, looked at again where it changed since: hours may have passed."""
        if not prepared.job.has_changed:
            return prepared
        path = prepared.job.path
        again = self._look_at(path)
        if isinstance(again, Outcome):
            if not self._alone:
                self._say(again)
        else:
            self._tell("input-changed", f"{path} changed since this command began; it is taken as it is now.")
        return again

    def _run(self, prepared: Prepared) -> Outcome:
        """The work of one input. Of several, a fault in loc is the end of its own alone."""
        path = prepared.job.path
        try:
            result = run_job(prepared, self._graph, self._store, self._settings, self._sinks, self._end)
            return Outcome(path, result)
        except StorageError as error:
            # Its record could not even be begun.
            return Outcome(path, error=error)
        except LocError:
            raise
        except Exception as fault:
            if self._alone:
                raise
            return Outcome(path, error=InternalError.of(fault))

    def _check_time(self) -> None:
        """See that there is time to begin an input.

        Raises:
            DeadlinePassed.
        """
        if self._end is not None and self._end.passed():
            raise DeadlinePassed(
                f"The deadline ({self._end.text}) came before its turn.", fix="Run the same command again."
            )

    def _say(self, outcome: Outcome) -> None:
        """Tell at once which inputs will not be worked on, not hours later at the end."""
        if outcome.late:
            return
        code = "input-skipped" if outcome.skipped else "input-refused"
        verb = "Skipped" if outcome.skipped else "Cannot be used"
        self._tell(code, f"{verb}: {outcome.error}")

    def _tell(self, code: str, message: str) -> None:
        for sink in self._sinks:
            sink(Notice(code=code, message=message))


def _inputs(paths: Sequence[Path], sinks: Sequence[Sink]) -> list[Path]:
    """Every input once, folders opened. One without videos stays, to be refused in its turn."""
    found: list[Path] = []
    for path in paths:
        if not is_folder(path):
            found.append(named(path))
            continue
        try:
            videos, others = found_in(path)
            is_film = not videos and bool(pictures_in(path))
        except InputError:
            # Refused in its turn, and no other input with it.
            found.append(named(path))
            continue
        found += videos or [named(path)]
        if is_film:
            continue
        left = f" {others} other file{'s are' if others != 1 else ' is'} not looked at." if others else ""
        notice = Notice(
            code="folder", message=f"{path}: {len(videos)} video{'s' if len(videos) != 1 else ''}.{left}"
        )
        for sink in sinks:
            sink(notice)
    once: dict[Path, Path] = {}
    for path in found:
        # By a relative and an absolute path it is the same one still.
        once.setdefault(path.absolute(), path)
    return list(once.values())


def _check_outputs(
    paths: Sequence[Path], languages: Sequence[str], settings: Settings, store: WorkDir
) -> _Clashes:
    """No file is read but those that collide: a kill while a folder is hashed is to find a summary."""
    planned = [
        (path, language, export.targets_for(path, language, settings))
        for path in paths
        for language in languages
    ]
    contested = export.check_distinct(
        planned, settings.summary, lambda path: len(paths) > 1 and is_own(store, path, settings)
    )
    return _Clashes(contested, export.replaced_inputs(planned))
