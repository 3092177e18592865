"""`loc explain`: why an action would be made again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from cli.graph import load_graph
from cli.options import LOOK_FIELDS, JsonFlag, with_settings
from cli.output import say, write_json
from loc.app.explain import Explained, explain
from loc.app.run import prepare
from loc.settings import Settings
from loc.store.workdir import WorkDir

app = typer.Typer(add_completion=False)


@app.command(name="explain")
@with_settings(*LOOK_FIELDS)
def show(
    video: Annotated[Path, typer.Argument(help="Video file.", show_default=False)],
    settings: Settings,
    as_json: JsonFlag = False,
) -> None:
    """Show for every action whether it is made; if not, which field of its key changed since the last run."""
    graph = load_graph()
    store = WorkDir(settings.work_dir)
    prepared = prepare(video, graph, store, settings, look=True)
    found = explain(prepared, graph, store, settings)
    if as_json:
        write_json({"input": str(video), "actions": [dataclasses.asdict(item) for item in found]})
        return
    for notice in prepared.notices:
        say(f"note: {notice.message}")
    for item in found:
        _print(item)
    hits = sum(item.hit for item in found)
    say(f"{hits} hit, {sum(bool(item.action) for item in found) - hits} miss")


def _print(item: Explained) -> None:
    name = " ".join(part for part in (item.action or item.stage, item.language, item.unit) if part)
    typer.echo(f"{'hit ' if item.hit else 'miss' if item.action else 'wait'}  {name}"
               f"{f': {item.reason}' if item.reason else ''}")  # fmt: skip
    for change in item.changes:
        typer.echo(f"        {change.field}: {change.before or 'absent'} -> {change.after or 'absent'}")
