"""`loc cache`: look after the work directory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from cli.options import JsonFlag, with_settings
from cli.output import say, table, write_json
from loc.app.cache import Share, collect, survey
from loc.app.verify import Verified, verify
from loc.errors import ExitCode
from loc.settings import Settings
from loc.store.workdir import WorkDir

app = typer.Typer(add_completion=False, no_args_is_help=True)

_SHORT = 16
"""Digits of a source's digest that are shown."""


@app.callback()
def _group() -> None:
    """Look after the work directory."""


class Division(StrEnum):
    """By what `loc cache ls` divides the objects."""

    KIND = "kind"
    LANGUAGE = "language"
    SOURCE = "source"
    RUN = "run"


@app.command(name="ls")
@with_settings("work_dir")
def show(
    settings: Settings,
    by: Annotated[
        Division, typer.Option("--by", help="Divide by what made it, language, source or run.")
    ] = Division.KIND,
    as_json: JsonFlag = False,
) -> None:
    """Show what the work directory holds: objects and bytes by kind, language, source or run.

    What several share is counted for each of them. JSON has all four divisions.
    """
    store = WorkDir(settings.work_dir)
    found = survey(store)
    if as_json:
        write_json({"work_dir": str(store.root), **dataclasses.asdict(found)})
        return
    shares = {
        Division.KIND: found.kinds,
        Division.LANGUAGE: found.languages,
        Division.SOURCE: found.sources,
        Division.RUN: found.runs,
    }[by]
    for line in table([*map(_row, shares), _row(found.total)], (by.value, "objects", "size", "")):
        typer.echo(line)


def _row(share: Share) -> Sequence[str]:
    name = share.name if len(share.name) != 64 else share.name[:_SHORT]
    return name, f"{share.objects:7}", _size(share.bytes), share.note


def _size(count: int) -> str:
    return f"{count / (1 << 20):9.1f} MiB"


@app.command(name="gc")
@with_settings("work_dir")
def tidy(
    settings: Settings,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove what no run needs any more. Runs may be at work meanwhile; they lose nothing.

    Kept for each source, language and variant of the settings: what its newest finished run made or found,
    its newest unfinished one, and all unfinished ones since the newest finished; everything of a source that
    is being worked on; imported subtitles. Run again, these make nothing.
    """
    store = WorkDir(settings.work_dir)
    found = collect(store, dry_run=dry_run)
    if as_json:
        write_json({"work_dir": str(store.root), "dry_run": dry_run, **dataclasses.asdict(found)})
        return
    verb = "would be removed" if dry_run else "removed"
    typer.echo(f"{_size(found.bytes).strip()} {verb}: {found.objects} objects, {found.actions} records")
    if found.damaged:
        typer.echo(f"{found.damaged} objects {verb} that had been set aside as damaged")
    typer.echo(
        f"{_size(found.kept_bytes).strip()} kept: {found.kept_objects} objects, {found.kept_actions} records"
    )


@app.command(name="verify")
@with_settings("work_dir")
def check(settings: Settings, as_json: JsonFlag = False) -> None:
    """Read every object and record. Damaged ones are set aside and made again by the next run.

    Ends with 0 when all that is there is whole, else with 7.
    """
    found = verify(WorkDir(settings.work_dir))
    if as_json:
        write_json({**dataclasses.asdict(found), "intact": found.intact})
    else:
        _print(found)
    if not found.intact:
        say(f"{found.forgotten} actions are forgotten and will be made again by the next run.")
        raise typer.Exit(int(ExitCode.STORAGE))


def _print(found: Verified) -> None:
    for sha256 in found.damaged:
        typer.echo(f"damaged         {sha256}")
    for sha256 in found.missing:
        typer.echo(f"missing         {sha256}")
    for key in found.damaged_records:
        typer.echo(f"damaged record  {key}")
    for key in found.unrecorded:
        typer.echo(f"no record       {key}")
    typer.echo(f"{found.objects} objects, {_size(found.bytes).strip()}, {found.records} records read")
