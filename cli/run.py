"""`loc run`: localize videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.graph import load_graph
from cli.options import RUN_FIELDS, with_settings
from cli.output import print_outcome, print_summary, write_json
from cli.progress import reporter
from loc.app.batch import run_all
from loc.app.outcome import overall, told
from loc.process import usage
from loc.settings import Settings

app = typer.Typer(add_completion=False)

EventsFlag = Annotated[
    bool, typer.Option("--json", help="Print events, then the result, as JSON lines on stdout.")
]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; results and errors.")]


@app.command()
@with_settings(*RUN_FIELDS)
def run(
    videos: Annotated[list[Path], typer.Argument(help="Videos, or folders of videos.", show_default=False)],
    settings: Settings,
    as_json: EventsFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Localize videos: the same video, speaking another language.

    What was made before is not made again; an interrupted run goes on where it stopped.
    """
    raise typer.Exit(localize(videos, settings, as_json=as_json, quiet=quiet))


def localize(videos: Sequence[Path], settings: Settings, *, as_json: bool, quiet: bool) -> int:
    """Run every video and tell of it; gives the exit code."""
    graph = load_graph()
    with reporter(as_json=as_json, quiet=quiet) as sink:
        outcomes = run_all(videos, graph, settings, [sink])
    if as_json:
        code = int(overall(outcomes))
        inputs = [told(item).model_dump(mode="json") for item in outcomes]
        cost = dataclasses.asdict(usage())
        write_json({"type": "result", "exit_code": code, "inputs": inputs, "usage": cost})
    for outcome in outcomes:
        print_outcome(outcome, paths=not as_json)
    if len(outcomes) > 1:
        print_summary(outcomes)
    return int(overall(outcomes))
