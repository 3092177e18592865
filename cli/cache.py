"""`loc cache`: look after the work directory."""

from __future__ import annotations

import dataclasses

import typer

from cli.options import JsonFlag, with_settings
from cli.output import say, write_json
from loc.app.verify import verify
from loc.errors import ExitCode
from loc.settings import Settings
from loc.store.workdir import WorkDir

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look after the work directory."""


@app.command(name="verify")
@with_settings("work_dir")
def check(settings: Settings, as_json: JsonFlag = False) -> None:
    """Read every object and record. Damaged ones are set aside and made again by the next run.

    Ends with 0 when all is whole, else with 7.
    """
    found = verify(WorkDir(settings.work_dir))
    if as_json:
        write_json({**dataclasses.asdict(found), "intact": found.intact})
    else:
        for sha256 in found.damaged:
            typer.echo(f"damaged  {sha256}")
        for sha256 in found.missing:
            typer.echo(f"missing  {sha256}")
        typer.echo(
            f"{found.objects} objects, {found.bytes / (1 << 20):.1f} MiB, {found.records} records read"
        )
    if not found.intact:
        say(f"{found.forgotten} actions are forgotten and will be made again by the next run.")
        raise typer.Exit(int(ExitCode.STORAGE))
