"""`loc models env`: environments of workers."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import JsonFlag, with_settings
from cli.output import say, table, write_json
from loc.app.environments import make, remove
from loc.environments import find, known
from loc.errors import RefusedError, UsageError
from loc.settings import Settings


@with_settings("data_dir", "offline")
def env(
    settings: Settings,
    names: Annotated[
        list[str] | None, typer.Argument(help="Environments to make; none: show those there are.")
    ] = None,
    delete: Annotated[bool, typer.Option("--remove", help="Delete them, with what is recorded.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make the environment that an engine runs in, apart from loc's own packages.

    Packages come from the package index that pip is set to; what was installed the first time is recorded
    with hashes, and installed again exactly so. Weights are not part of it.
    """
    if delete and not names:
        raise UsageError("Which environments to delete is not said.", fix="loc models env --remove NAME")
    rows = []
    for name in names or sorted(known()):
        environment = find(settings.data_dir, name)
        if delete:
            said = "removed" if remove(environment) else "was not there"
        elif names:
            if settings.offline and environment.lacks():
                raise RefusedError(
                    f"The environment {name} cannot be made offline.", fix="Run it without --offline."
                )
            make(environment, lambda words: typer.echo(f"{words} ...", err=True))
            said = "ready"
        else:
            said = environment.lacks() or "ready"
        rows.append(
            {"name": name, "title": environment.row.title, "state": said, "folder": str(environment.folder)}
        )
    if as_json:
        write_json({"environments": rows})
        return
    for line in table([[row["name"], row["state"], row["title"]] for row in rows], ("name", "state", "what")):
        typer.echo(line)
    if not names:
        say("\nMake one: loc models env NAME")
