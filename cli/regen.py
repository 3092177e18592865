"""`loc regen`: another take of a line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.graph import load_graph
from cli.options import RUN_FIELDS, with_settings
from cli.output import say
from cli.run import EventsFlag, QuietFlag, localize
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
    as_json: EventsFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Have lines of a dub said again, another way, and make the dub anew with them.

    Everything else stays as it is. The take is kept for later runs until the line's text changes; `--take 0`
    goes back to the first. Engines whose takes do not differ are refused.
    """
    for words in ask(video, load_graph(), settings, tuple(segment), take):
        say(words)
    raise typer.Exit(localize([video], settings, as_json=as_json, quiet=quiet))
