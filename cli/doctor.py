"""`loc doctor`: check this machine."""

from __future__ import annotations

import dataclasses

import typer

from cli.graph import load_graph
from cli.options import JsonFlag, with_settings
from cli.output import say, write_json
from loc.app.doctor import Check, can_run, examine
from loc.errors import ExitCode
from loc.settings import Settings

app = typer.Typer(add_completion=False)


@app.command(name="doctor")
@with_settings("work_dir", "data_dir", "ffmpeg", "ffprobe", "purpose")
def check(settings: Settings, as_json: JsonFlag = False) -> None:
    """Check tools, backends and folders, with the command that brings what is missing.

    Ends with 0 when the main job can run here, else with 5.
    """
    checks = examine(load_graph(), settings)
    ready = can_run(checks)
    if as_json:
        write_json({"can_run": ready, "checks": [dataclasses.asdict(item) for item in checks]})
    else:
        for item in checks:
            _print(item)
        say("The main job can run here." if ready else "The main job cannot run here.")
    if not ready:
        raise typer.Exit(int(ExitCode.MISSING))


def _print(item: Check) -> None:
    mark = "ok" if item.ok else "MISSING" if item.required else "-"
    typer.echo(f"{mark:7}  {item.topic:8}  {item.name}: {item.detail}")
    if item.fix and (not item.ok or item.topic == "backends"):
        typer.echo(f"{'':20}fix: {item.fix}")
