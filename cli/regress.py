"""`loc regress`: are the dubs of some samples still as good as those that were accepted?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.options import RUN_FIELDS, with_settings
from cli.output import say, write_json
from cli.progress import reporter
from loc.app.regress import markdown
from loc.app.regress.compare import Comparison
from loc.app.regress.measures import tolerances
from loc.app.regress.session import Request, accept, finding_json, run
from loc.errors import ExitCode
from loc.events import Sink
from loc.settings import Settings, as_flags, flags_of

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Compare the dubs of samples with accepted ones."
)

_OWN = frozenset(
    {"audio_track", "transcript", "translation", "cast", "audio", "rate", "motion"}
    | {"until", "force", "output", "page"}
)
"""Settings of a run that mean something for one video alone, or for pictures."""

_OF_A_NIGHT = {"summary": "", "deadline": "none"}
"""Settings that the run of a sample does not take, wherever they are set, and how that is said."""

_PASSED = tuple(name for name in RUN_FIELDS if name not in _OF_A_NIGHT)
"""Settings that the run of a sample is given."""

FIELDS = tuple(name for name in _PASSED if name not in _OWN)

Samples = Annotated[
    Path,
    typer.Argument(help="Folder of videos, with their subtitles beside them; or one.", show_default=False),
]
BaselineFlag = Annotated[
    Path, typer.Option("--baseline", metavar="FILE", help="What was accepted.", show_default=False)
]
ReportFlag = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FOLDER",
        help="Write regress.html, regress.md, junit.xml and measured.json there.",
    ),
]
OnlyFlag = Annotated[
    list[str],
    typer.Option("--only", metavar="NAME", help="Samples of this name or pattern alone; may be repeated."),
]
ToleranceFlag = Annotated[
    list[str], typer.Option("--tolerance", metavar="MEASURE=N", help="Another tolerance; may be repeated.")
]
CachedFlag = Annotated[
    bool,
    typer.Option("--cached", help="Use what the work directory holds; time and memory are not judged then."),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of Markdown.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; results and errors.")]


@app.command("run")
@with_settings(*FIELDS)
def run_(
    samples: Samples,
    settings: Settings,
    baseline: BaselineFlag,
    report: ReportFlag = None,
    only: OnlyFlag = [],  # noqa: B006 - typer makes a list of each call's own
    tolerance: ToleranceFlag = [],  # noqa: B006
    cached: CachedFlag = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Localize samples and compare the dubs with those that were accepted.

    Each sample is run from nothing, in a process of its own, into the languages of --lang or else of the
    subtitle files beside it. Ends with 3 where something is worse or missing, with 8 where a sample failed;
    where all failed, and in one way, with the code of that.
    """
    with reporter(as_json=False, quiet=quiet) as sink:
        request = Request(samples, baseline, tolerances(tolerance), only, not cached, report, _sinks(sink))
        comparison = run(request, loc_run, settings)
    _print(comparison, as_json=as_json)
    raise typer.Exit(int(comparison.code))


@app.command("accept")
@with_settings(*FIELDS)
def accept_(
    samples: Samples,
    settings: Settings,
    baseline: BaselineFlag,
    report: ReportFlag = None,
    only: OnlyFlag = [],  # noqa: B006
    cached: CachedFlag = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Localize samples and accept the dubs as they are: what later ones are compared with.

    Shows what changes against the file that was there. With --only, other samples stay as accepted. Nothing
    is written where a sample fails.
    """
    with reporter(as_json=False, quiet=quiet) as sink:
        request = Request(samples, baseline, tolerances(()), only, not cached, report, _sinks(sink))
        comparison, written = accept(request, loc_run, settings)
    _print(comparison, as_json=as_json)
    count = len(comparison.measured.samples)
    if written:
        say(f"{baseline} written: {count} sample{'s' * (count != 1)} accepted.")
    else:
        say(f"Nothing was accepted: {baseline} is as it was.")
    raise typer.Exit(int(ExitCode.DONE if written else comparison.code))


def loc_run(video: Path, settings: Settings) -> Sequence[str]:
    """The command that localizes one sample, by this Python and this loc, whatever packages lie in the folder
    it is run in."""
    without = [word for name, none in _OF_A_NIGHT.items() for word in (flags_of(name)[0], none)]
    return [
        sys.executable, "-P", "-m", "cli", "run", "--json", *as_flags(settings, _PASSED), *without, "--",
        str(video),
    ]  # fmt: skip


def _sinks(sink: Sink) -> tuple[Sink, ...]:
    return (sink,)


def _print(comparison: Comparison, *, as_json: bool) -> None:
    if as_json:
        findings = [finding_json(finding) for finding in comparison.findings]
        write_json({"exit_code": int(comparison.code), "findings": findings})
    else:
        typer.echo(markdown.write(comparison), nl=False)
