"""How results and tables are printed: data on stdout, words for people on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from cli.main import print_error
from loc.app.outcome import Outcome, State
from loc.app.report import used
from loc.app.run import LanguageResult, RunResult
from loc.errors import printable

MAX_DEFECTS_SHOWN = 20
"""More are in the report; a wall of text hides the first ones."""


_PREFIXES: Mapping[State, str] = {"skipped": "skipped", "waiting": "not begun", "stopped": "stopped"}
"""How what is no error is told."""


def say(text: str = "") -> None:
    """One line for people; nowhere, where stderr takes no more."""
    with contextlib.suppress(OSError):
        typer.echo(text, err=True)


def write_json(value: Any) -> None:
    """One JSON value on a line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_outcome(outcome: Outcome, *, paths: bool) -> None:
    """Tell what became of one input; with `paths` the finished videos go to stdout, one a line."""
    if outcome.result is None:
        if outcome.error is not None:
            print_error(outcome.error, _PREFIXES.get(outcome.state, "error"))
        return
    result = outcome.result
    for language in result.languages:
        _print_language(result, language, paths=paths)
    if result.error is not None:
        print_error(result.error, _PREFIXES.get(outcome.state, "error"))
    _print_defects(result)
    made = f"{result.misses} action{'s' if result.misses != 1 else ''} made"
    pace = f", {result.seconds / result.media_seconds:.2f} times its length" if result.media_seconds else ""
    say(f"{outcome.path.name}: {made}, {result.hits} found made, {result.seconds:.1f} s{pace}.")


def _print_language(result: RunResult, item: LanguageResult, *, paths: bool) -> None:
    if item.error is not None:
        if item.error is not result.error:
            print_error(item.error, f"error ({item.language})")
        return
    if item.targets is None:
        return
    state = "written" if item.targets.video in item.written else "unchanged"
    say(f"{item.language}: {item.targets.video} {state}, with {item.targets.subtitles.name} and "
        f"{item.targets.report.name}")  # fmt: skip
    if item.targets.with_page:
        say(f"    report: {item.targets.page}")
    say(f"    {item.lines} lines spoken, {item.cuts_drawn} of {item.cuts} cuts drawn")
    basic = [f"{name} {card.name}" for name, card in used(result.choices, item.language)
             if card.quality == "basic"]  # fmt: skip
    if basic:
        say(f"    basic quality: {', '.join(basic)} (`loc plan` shows what else there is)")
    if paths:
        typer.echo(str(item.targets.video))


def _print_defects(result: RunResult) -> None:
    for defect in result.defects[:MAX_DEFECTS_SHOWN]:
        where = f"{defect.language} " if defect.language else ""
        say(f"defect: {where}{defect.stage} {defect.unit}: {defect.message}")
    if (more := len(result.defects) - MAX_DEFECTS_SHOWN) > 0:
        say(f"defect: and {more} more, listed in the report")


def print_summary(outcomes: Sequence[Outcome]) -> None:
    """The table at the end of several inputs."""
    names = [printable(outcome.path.name) for outcome in outcomes]
    width = max(map(len, names))
    say()
    for name, outcome in zip(names, outcomes, strict=True):
        state = "skipped: written by loc" if outcome.skipped else _state(outcome)
        say(f"{name:{width}}  {int(outcome.code):3}  {state}")


def _state(outcome: Outcome) -> str:
    error = outcome.trouble
    return error.what if error is not None else outcome.code.meaning.split(":")[0]


def table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> list[str]:
    """Columns aligned by spaces; the last is never padded."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [f"{cell:{width}}" for cell, width in zip(row[:-1], widths[:-1], strict=True)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return lines
