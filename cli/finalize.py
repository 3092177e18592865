"""`loc finalize`: give cuts of a finished run their finals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import with_settings
from cli.run import EventsFlag, QuietFlag, localize
from loc.app.finalize import HERE, settings_for
from loc.settings import Settings
from loc.store.workdir import WorkDir

app = typer.Typer(add_completion=False)


@app.command(name="finalize")
@with_settings(*HERE)
def finalize(
    video: Annotated[Path, typer.Argument(help="Video of a finished run.", show_default=False)],
    settings: Settings,
    cuts: Annotated[
        str, typer.Option("--cuts", help="Numbers of cuts, as in the report: 2 or 1,4-7.", show_default=False)
    ],
    as_json: EventsFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Draw some cuts of a video's newest finished run again, as finals, and write its outputs anew.

    Its other settings are those of that run, and so is everything else in the output.
    """
    store = WorkDir(settings.work_dir)
    again = settings_for(store, video, cuts, settings)
    raise typer.Exit(localize([video], again, as_json=as_json, quiet=quiet))
