"""`loc licences`: what code, weights, voices and data stand under."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import JsonFlag
from cli.output import table, write_json
from loc.app.credits import credits_of
from loc.policy import licences

app = typer.Typer(add_completion=False)

_WORDS = {"yes": "allowed", "terms": "allowed, with terms", "no": "research only"}
"""What the table says of commercial use, in words."""


@app.command(name="licences")
def show(
    report: Annotated[
        Path | None,
        typer.Argument(
            help="VIDEO.LANG.report.json: only what that dub was made with.",
            metavar="REPORT",
            show_default=False,
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show every licence loc knows, with where its text was read, or those of one finished dub.

    Commercial use: what is "research only" is never chosen unless --purpose research is given.
    """
    if report is not None:
        used = credits_of(report)
        if as_json:
            write_json([item.model_dump(mode="json") for item in used])
            return
        rows = [(item.backend, item.kind, item.item, item.licence) for item in used]
        for line in table(rows, ("backend", "part", "what", "licence")):
            typer.echo(line)
        for terms in dict.fromkeys(f"{item.licence}: {item.terms}" for item in used if item.terms):
            typer.echo(terms)
        return
    known = licences.table()
    if as_json:
        write_json({name: row.model_dump(mode="json") for name, row in known.items()})
        return
    cells = [(name, _WORDS[row.commercial], row.spdx or "-", row.name) for name, row in known.items()]
    for line in table(cells, ("id", "commercial use", "SPDX", "name")):
        typer.echo(line)
