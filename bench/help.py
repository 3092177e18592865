"""What `loc --help` costs against the `--help` of an empty Typer app with two commands.

    python bench/help.py [--runs 21] [-o bench/results/help.json]

The two take turns, so that what else the machine does falls on both alike; medians are compared.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.machine import Result, goal, machine, show

LIMIT = 2.5

EMPTY_APP = """\
import typer

app = typer.Typer()


@app.command()
def one() -> None:
    pass


@app.command()
def two() -> None:
    pass


app()
"""


def seconds(command: Sequence[str]) -> float:
    """Wall seconds of one run."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def measure(runs: int) -> Result:
    """Medians of alternating runs, after one of each that fills the caches."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "empty.py"
        script.write_text(EMPTY_APP, encoding="utf-8")
        empty = [sys.executable, str(script), "--help"]
        ours = [str(Path(sys.executable).with_name("loc")), "--help"]
        both = [(seconds(empty), seconds(ours)) for _ in range(runs + 1)][1:]
    base, own = (statistics.median(times) for times in zip(*both, strict=True))
    return {
        "machine": machine(),
        "runs": runs,
        "empty_app_seconds": round(base, 4),
        "loc_seconds": round(own, 4),
        "goals": [goal("`loc --help` over an empty two-command Typer app", own / base, LIMIT)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    show(measure(options.runs), options.output)


if __name__ == "__main__":
    main()
