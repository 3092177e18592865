"""`loc models`: look after the weights of neural models."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.environments import env
from cli.graph import load_graph
from cli.options import JsonFlag, with_settings
from cli.output import say, table, write_json
from loc.app import models
from loc.app.self_check import Checked, self_check
from loc.errors import ExitCode
from loc.settings import Settings
from loc.weights.keep import Keeper, own_row, spoken
from loc.weights.shelf import Shelf

app = typer.Typer(add_completion=False, no_args_is_help=True)

Ids = Annotated[list[str], typer.Argument(help="Ids, as `loc models list` has them.", show_default=False)]
Id = Annotated[str, typer.Argument(help="Id, as `loc models list` has it.", show_default=False)]


@app.callback()
def _group() -> None:
    """Look after the weights of neural models: which there are, fetch, check, register, remove; and after the
    environments that some engines run in."""


app.command(name="env")(env)


@app.command(name="list")
@with_settings("data_dir", "purpose")
def show(settings: Settings, as_json: JsonFlag = False) -> None:
    """List all weights: those that are here, and those that could be, with size and licence."""
    listed = models.listed(Shelf(settings.data_dir), settings.purpose)
    if as_json:
        write_json([item.as_json() for item in listed])
        return
    rows = [(item.row.id, item.state, models.size(item.row), item.licence) for item in listed]
    for line in table(rows, ("id", "state", "size", "licence")):
        typer.echo(line)


@app.command(name="pull")
@with_settings("data_dir", "purpose", "offline", "hub", "mirrors")
def fetch(weights: Ids, settings: Settings) -> None:
    """Fetch weights from where they are published. What was cut goes on where it ended.

    Each file is checked against its published digest; where none is published, the digest of the first pull
    is recorded in DATA_DIR/weights/lock.json and held against every later one.
    """
    with _progress() as progress:
        keeper = Keeper(settings, say, progress)
        for name in weights:
            models.require_allowed(keeper.row(name), settings.purpose)
        for name in weights:
            keeper.pull(name)
    for name in weights:
        typer.echo(name)


@app.command(name="adopt")
@with_settings("data_dir")
def take(
    tree: Annotated[
        Path,
        typer.Argument(
            help="A folder with weights: MuseTalk's models/, a hub's cache, ~/.cache/whisper.",
            show_default=False,
        ),
    ],
    settings: Settings,
    weights: Annotated[
        list[str] | None, typer.Argument(help="Ids (default: all that are found).", show_default=False)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Use weights where they lie, without a copy. They are read once, and never changed or deleted."""
    with _progress() as progress:
        keeper = Keeper(settings, say, progress)
        found = keeper.adopt(tree, weights or ())
    if as_json:
        write_json(found)
        return
    for name, paths in found.items():
        row = keeper.row(name)
        lacks = keeper.shelf.lacks(row)
        typer.echo(f"{name}: {', '.join(paths)}" + (f" (still {lacks}: {row.mended_by})" if lacks else ""))


@app.command(name="add")
@with_settings("data_dir")
def register(
    name: Annotated[str, typer.Argument(metavar="ID", help="A new id for it.", show_default=False)],
    folder: Annotated[
        Path, typer.Argument(help="Folder with the model's files and no others.", show_default=False)
    ],
    settings: Settings,
    architecture: Annotated[
        str, typer.Option("--architecture", help="Which backend loads it, e.g. whisper.", show_default=False)
    ],
    licence: Annotated[
        str,
        typer.Option("--licence", help="Id of its licence, as in `loc licences`.", show_default=False),
    ],
    title: Annotated[str | None, typer.Option("--title", help="What it is called (default: ID).")] = None,
    quality: Annotated[
        str | None, typer.Option("--quality", help="basic, good or best (default: its backend's).")
    ] = None,
    rank: Annotated[
        int, typer.Option("--rank", help="Among models of one backend the lowest comes first.")
    ] = 10,
    memory: Annotated[
        int | None, typer.Option("--memory", help="MiB it takes at work (default: from its size).")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Languages it understands (default: its backend's).")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", help="Languages it speaks or writes (default: its backend's)."),
    ] = None,
    pair: Annotated[
        list[str] | None, typer.Option("--pair", help="Of a translator for single pairs, e.g. en-ja.")
    ] = None,
) -> None:
    """Register a model of your own, e.g. a fine-tune, where it lies: by digest, with its licence."""
    graph = load_graph()
    models.require_known(graph, architecture, licence, quality)
    facts: dict[str, Any] = {
        "quality": quality, "rank": rank, "memory_mb": memory,
        "languages": spoken(source or (), target or (), pair or ()),
    }  # fmt: skip
    row = own_row(
        name, folder, title=title or name, architecture=architecture, licence=licence,
        **{key: value for key, value in facts.items() if value is not None},
    )  # fmt: skip
    models.require_loadable(graph, row)
    with _progress() as progress:
        Keeper(settings, say, progress).register(row, folder)
    typer.echo(f"{name}: {len(row.files)} files, {models.size(row)}")


@app.command(name="verify")
@with_settings("data_dir", "device", "purpose")
def check(
    settings: Settings,
    weights: Annotated[
        list[str] | None, typer.Argument(help="Ids (default: all that are here).", show_default=False)
    ] = None,
    run: Annotated[
        bool,
        typer.Option("--run", help="Run every model too, on something known, and compare what it gives."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Read every file again and compare its digest. Ends with 0 when all are whole, else with 5.

    With --run a model that gives something else than is known counts as a fault too.
    """
    with _progress() as progress:
        keeper = Keeper(settings, say, progress)
        names = weights or models.names_here(keeper.shelf)
        found = {name: keeper.verify(name) for name in names}
    faults = [(name, item) for name, items in found.items() for item in items if item.fault]
    tested = (
        _run(settings, [name for name in names if not any(name == other for other, _ in faults)])
        if run
        else []
    )
    if as_json:
        files = {name: {item.path: item.fault for item in items} for name, items in found.items()}
        write_json({"files": files, "runs": [_as_json(item) for item in tested]} if run else files)
    else:
        for name, item in faults:
            typer.echo(f"{name}: {item.path}: {item.fault}")
        say(f"{sum(map(len, found.values()))} files of {len(found)} sets read, {len(faults)} at fault.")
    if faults:
        for name in dict.fromkeys(name for name, _ in faults):
            say(f"fix: {keeper.row(name).mended_by}")
    if faults or not all(item.ok for item in tested):
        raise typer.Exit(int(ExitCode.MISSING))


def _run(settings: Settings, names: list[str]) -> list[Checked]:
    """Run models that are whole, and tell of each when it is done."""
    tested = []
    with tempfile.TemporaryDirectory(prefix="loc-verify-") as scratch:
        for item in self_check(load_graph(), settings, names, Path(scratch), lambda _code, words: say(words)):
            tested.append(item)
            name = item.card.choice.replace("/", " ")
            if item.fault or not item.tried:
                say(f"{name}: {item.fault or 'brings no check of its own'}")
            for one in item.tried:
                say(f"{name}: {one.what}: {'ok' if one.ok else f'{one.found}; expected {one.expected}'}")
    return tested


def _as_json(item: Checked) -> dict[str, Any]:
    return {
        "backend": item.card.choice,
        "ok": item.ok,
        "fault": item.fault,
        "tried": [dataclasses.asdict(one) for one in item.tried],
    }


@app.command(name="remove")
@with_settings("data_dir")
def drop(weights: Ids, settings: Settings) -> None:
    """Delete weights. Files that were adopted or registered are only forgotten, and stay where they lie."""
    keeper = Keeper(settings, say)
    for name in weights:
        typer.echo(f"{name}: {models.in_bytes(keeper.remove(name))} freed")


@app.command(name="path")
@with_settings("data_dir")
def where(name: Id, settings: Settings) -> None:
    """Print where the files of a set lie, one a line."""
    for path in Shelf(settings.data_dir).find(name).files.values():
        typer.echo(str(path))


@contextmanager
def _progress() -> Iterator[Any]:
    """A bar for each file on a terminal; elsewhere a line for each when it is whole."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def move(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield move


class _Lines:
    """Tells of a file every ten seconds, and when it is whole."""

    EVERY_S = 10.0

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        if done == total or time.monotonic() - self._told > self.EVERY_S:
            self._told = time.monotonic()
            say(f"{name}: {models.in_bytes(done)}{f' of {models.in_bytes(total)}' if total else ''}")
