"""`loc status`: the runs of a work directory."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Annotated

import typer

from cli.options import JsonFlag, with_settings
from cli.output import say, write_json
from loc.app.status import RunStatus, StageProgress, status
from loc.settings import Settings
from loc.store.workdir import WorkDir

app = typer.Typer(add_completion=False)


@app.command(name="status")
@with_settings("work_dir")
def show(
    settings: Settings,
    video: Annotated[Path | None, typer.Argument(help="Only runs of this video.", show_default=False)] = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many runs.")] = 10,
    as_json: JsonFlag = False,
) -> None:
    """Show the newest runs: state, stages, how they ended, and what the work directory holds."""
    store = WorkDir(settings.work_dir)
    found = list(itertools.islice(status(store, video), last))
    kept = store.bytes_kept()
    if as_json:
        runs = [{"state": item.state, **item.record.model_dump(mode="json", exclude={"stages"}),
                 "stages": [dataclasses.asdict(stage) for stage in item.stages]}
                for item in found]  # fmt: skip
        write_json({"work_dir": str(store.root), "bytes_kept": kept, "runs": runs})
        return
    for item in found:
        _print(item)
    if not found:
        say("No runs yet." if video is None else f"No runs of {video} yet.")
    typer.echo(f"{store.root}: {kept / (1 << 20):.1f} MiB kept")


def _print(item: RunStatus) -> None:
    record = item.record
    ended = f"exit {record.exit_code}" if record.exit_code is not None else item.state
    error = f": {record.error}" if record.error else ""
    job = f"{Path(record.input).name} -> {','.join(record.languages)}"
    typer.echo(f"{record.id}  {item.state}  {job}  {ended}{error}")
    for stage in item.stages:
        typer.echo(f"    {_stage(stage)}")


def _stage(stage: StageProgress) -> str:
    name = f"{stage.stage} {stage.language}" if stage.language else stage.stage
    count = (
        f"{stage.done} of {max(stage.planned, stage.done)}" if stage.planned is not None else f"{stage.done}"
    )
    state = f"{stage.seconds:.1f} s" if stage.seconds is not None else "not finished"
    return f"{name:16} {count} actions, {state}"
