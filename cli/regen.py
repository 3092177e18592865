"""`loc regen`: another take of a line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.graph import load_graph
from cli.options import RUN_FIELDS, with_settings
from cli.output import print_outcome, say, write_json
from cli.progress import reporter
from loc.app.batch import run_all
from loc.app.outcome import overall, told
from loc.app.regen import ask
from loc.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
@with_settings(*RUN_FIELDS)
def regen(
    video: Annotated[Path, typer.Argument(help="A video that is dubbed already.", show_default=False)],
    segment: Annotated[
        list[str],
        typer.Option("--segment", help="Line or segment to be said again, by its id.", show_default=False),
    ],
    settings: Settings,
    take: Annotated[
        int | None,
        typer.Option("--take", min=0, help="Which take (default: the one after that which is heard now)."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print events, then the result, as JSON lines on stdout.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; results and errors.")] = False,
) -> None:
    """Have lines of a dub said again, another way, and make the dub anew with them.

    Everything else stays as it is. The take is kept for later runs until the line's text changes; `--take 0`
    goes back to the first. Engines whose takes do not differ are refused.
    """
    graph = load_graph()
    for words in ask(video, graph, settings, tuple(segment), take):
        say(words)
    with reporter(as_json=as_json, quiet=quiet) as sink:
        outcomes = run_all([video], graph, settings, [sink])
    if as_json:
        inputs = [told(item).model_dump(mode="json") for item in outcomes]
        write_json({"type": "result", "exit_code": int(overall(outcomes)), "inputs": inputs})
    for outcome in outcomes:
        print_outcome(outcome, paths=not as_json)
    raise typer.Exit(int(overall(outcomes)))
