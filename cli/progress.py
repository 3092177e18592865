"""What a run tells while it works: bars on a terminal, plain lines elsewhere, JSON where asked."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from loc import events
from loc.events import Event, Sink


@contextlib.contextmanager
def reporter(*, as_json: bool, quiet: bool) -> Iterator[Sink]:
    """The reader of events that suits where the output goes. Once nothing can be written there any more, it
    tells nothing more: a full log must not end the work of a night."""
    if as_json:
        yield _Lasting(_print_json)
    elif quiet:
        yield _nothing
    elif sys.stderr.isatty():
        with Bars() as bars:
            yield _Lasting(bars)
    else:
        yield _Lasting(_print_line)


class _Lasting:
    """Tells events as long as that is possible."""

    def __init__(self, tell: Sink) -> None:
        self._tell = tell
        self._failed = False

    def __call__(self, event: Event) -> None:
        if self._failed:
            return
        try:
            self._tell(event)
        except OSError:
            self._failed = True


def _nothing(_event: Event) -> None:
    return


def _print_json(event: Event) -> None:
    sys.stdout.write(event.model_dump_json() + "\n")
    sys.stdout.flush()


def _print_line(event: Event) -> None:
    if (text := describe(event)) is not None:
        typer.echo(text, err=True)


def describe(event: Event) -> str | None:
    """An event as one line; None for those that only move bars."""
    match event:
        case events.StageStarted():
            return f"{_stage(event.stage, event.language)} ..."
        case events.StageDone():
            return (
                f"{_stage(event.stage, event.language)} done: {event.misses} made, {event.hits} found made, "
                f"{event.seconds:.1f} s"
            )
        case events.Notice():
            return f"{_stage('note', event.language)}: {event.message}"
        case events.Defect():
            return f"defect: {_stage(event.stage, event.language)} {event.unit}: {event.message}"
    return None


def _stage(stage: str, language: str | None) -> str:
    return f"{stage} {language}" if language else stage


class RateColumn(ProgressColumn):
    """Units finished in a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


class Bars:
    """A bar for each batch of actions and for each long action, with rate and time left; a line for each
    finished stage above them."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._batches: dict[tuple[str, ...], TaskID] = {}
        self._inside: dict[tuple[str, ...], TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        match event:
            case events.WorkPlanned():
                self._plan(event)
            case events.Progress():
                self._advance_inside(event)
            case events.ActionDone():
                self._finish(event)
            case events.StageDone():
                self._clear(event.stage)
                self._say(event)
            case events.Notice() | events.Defect():
                self._say(event)

    def _say(self, event: Event) -> None:
        self._progress.console.print(Text(describe(event) or ""), highlight=False)

    def _plan(self, event: events.WorkPlanned) -> None:
        key, name = (event.stage, event.action), event.action.removeprefix(f"{event.stage}.")
        if key in self._batches:
            self._progress.remove_task(self._batches[key])
        self._batches[key] = self._progress.add_task(
            f"{_stage(event.stage, event.language)}: {name}", total=event.total
        )

    def _advance_inside(self, event: events.Progress) -> None:
        key = (event.stage, event.action, event.unit)
        if key not in self._inside:
            name = event.unit or event.action.removeprefix(f"{event.stage}.")
            self._inside[key] = self._progress.add_task(f"{event.stage}: {name}", total=event.total)
        self._progress.update(self._inside[key], completed=event.done)

    def _finish(self, event: events.ActionDone) -> None:
        inside = self._inside.pop((event.stage, event.action, event.unit), None)
        if inside is not None:
            self._progress.remove_task(inside)
        batch = self._batches.get((event.stage, event.action))
        if batch is not None:
            self._progress.advance(batch)

    def _clear(self, stage: str) -> None:
        """Remove every bar of a stage that has ended."""
        for tasks in (self._batches, self._inside):
            for key in [key for key in tasks if key[0] == stage]:
                self._progress.remove_task(tasks.pop(key))
