"""What a cached re-run, one edited line and a second language cost against a cold run, on a long film.

    python bench/figures.py [--minutes 10] [--size 640x360] [-o bench/results/figures.json]
    python bench/figures.py VIDEO --first es=FIRST.srt --second de=SECOND.srt [--minutes 10]

Without a VIDEO one is drawn. It is repeated until it is `--minutes` long (0: as it is), each repetition with
other texts. All runs happen one after the other on the same machine: the ratios mean something, the seconds
little. Of the runs that are short, the median of three counts: three edits of three lines.

Next to each ratio stands that of processor seconds, children included, which another process that runs beside
disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.film import Film, draw, edit_one_line, lengthen, pixels
from bench.machine import Result, goal, machine, show
from bench.prediction import Event, Ran, Unit, difference, edited_line_misses, misses
from loc.store.workdir import WorkDir

CACHED_LIMIT, EDITED_LIMIT, SECOND_LIMIT = 0.02, 0.05, 0.60

REPEATS = 3


class Job:
    """One film, one work directory, one run after the other."""

    def __init__(self, film: Film, folder: Path) -> None:
        self._film = film
        self._folder = folder
        (folder / "out").mkdir()

    def run(self, language: str, text: Path) -> tuple[Result, Ran]:
        """Run `loc run` once: what it cost and what was made; and the run itself."""
        command = [
            str(Path(sys.executable).with_name("loc")), "run", str(self._film.video), "--lang", language,
            "--translation", f"{language}={text}", "--work-dir", str(self._folder / "store"),
            "-o", f"{self._folder / 'out'}/", "--json",
        ]  # fmt: skip
        started, spent = time.monotonic(), _children_seconds()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds, processor = time.monotonic() - started, _children_seconds() - spent
        if done.returncode not in (0, 3):
            raise SystemExit(f"loc run ended with {done.returncode}:\n{done.stderr}")
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        cost = {
            "seconds": round(seconds, 2),
            "processor_seconds": round(processor, 2),
            "misses": counted(misses(events)),
            "stages": stage_seconds(events),
        }
        print(language, cost, file=sys.stderr)
        report = Path(
            next(event for event in events if event["type"] == "result")["inputs"][0]["languages"][0][
                "report"
            ]
        )
        return cost, Ran(events, json.loads(report.read_bytes()), WorkDir(self._folder / "store"))


def _children_seconds() -> float:
    """Processor seconds of all children that have ended, with theirs."""
    times = os.times()
    return times.children_user + times.children_system


def stage_seconds(events: Sequence[Event]) -> dict[str, float]:
    """Wall seconds of each stage."""
    times: Counter[str] = Counter()
    for event in events:
        if event["type"] == "stage-done":
            times[event["stage"]] += event["seconds"]
    return {stage: round(seconds, 2) for stage, seconds in times.items()}


def compared(name: str, runs: Sequence[Result], cold: Result, limit: float) -> Result:
    """A goal on the median ratio of some runs to the cold one."""
    ratios = {
        key: statistics.median(run[key] for run in runs) / cold[key]
        for key in ("seconds", "processor_seconds")
    }
    return {
        **goal(f"{name}, share of the cold run", ratios["seconds"], limit),
        "measured_by_processor": round(ratios["processor_seconds"], 4),
    }


def measure(film: Film, first: str, second: str, folder: Path) -> Result:
    """Cold, cached, one line edited, second language."""
    job = Job(film, folder)
    cold, before = job.run(first, film.texts[first])
    cached = [job.run(first, film.texts[first])[0] for _ in range(REPEATS)]
    edited, surprises = [], []
    for number in range(REPEATS):
        text = folder / f"edited-{number}.srt"
        line = edit_one_line(film.texts[first], text, (number + 1) / (REPEATS + 1))
        cost, after = job.run(first, text)
        expected = edited_line_misses(before, after, f"l{line + 1:04d}")
        edited.append({**cost, "line": line + 1, "predicted": counted(expected)})
        surprises.append(difference(misses(after.events), expected))
    other, _ = job.run(second, film.texts[second])
    return {
        "machine": machine(),
        "film": {"seconds": before.report["source"]["seconds"], "width": before.report["source"]["width"],
                 "height": before.report["source"]["height"], "lines": len(before.report["lines"])},
        "goals": [
            compared("cached re-run", cached, cold, CACHED_LIMIT),
            {"goal": "cached re-run, actions made", "limit": 0, "measured": sum(total(run) for run in cached),
             "met": not any(total(run) for run in cached)},
            compared("one line edited", edited, cold, EDITED_LIMIT),
            {"goal": "one line edited, actions made against those predicted", "limit": {},
             "measured": surprises, "met": not any(surprises)},
            compared("second language", [other], cold, SECOND_LIMIT),
        ],
        "runs": {"cold": cold, "cached": cached, "one_line_edited": edited, "second_language": other},
    }  # fmt: skip


def total(cost: Result) -> int:
    """Actions made in a run."""
    return sum(cost["misses"].values())


def counted(units: Iterable[Unit]) -> dict[str, int]:
    """Action -> how many."""
    return dict(sorted(Counter(action for action, _ in units).items()))


def pair(text: str) -> tuple[str, Path]:
    """`es=FILE`."""
    language, _, path = text.partition("=")
    return language, Path(path).absolute()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--first", type=pair, help="es=FILE, with a VIDEO")
    parser.add_argument("--second", type=pair, help="de=FILE, with a VIDEO")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--size", type=pixels, default=(640, 360), help="of the drawn film")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.video is None:
            film, languages = draw(folder, options.size), ("ja", "es")
        elif options.first and options.second:
            clip = shutil.copy(options.video, folder)
            film = Film(Path(clip), dict([options.first, options.second]))
            languages = (options.first[0], options.second[0])
        else:
            parser.error("with a VIDEO, name its subtitles with --first and --second")
        if options.minutes:
            film = lengthen(film, options.minutes, folder)
        show(measure(film, *languages, folder), options.output)


if __name__ == "__main__":
    main()
