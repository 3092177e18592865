"""First figures: what a cached re-run, one edited line and a second language cost against a cold run.

    python bench/figures.py VIDEO --first es=FIRST.srt --second de=SECOND.srt [-o RESULT.json]

All runs happen one after the other on the same machine: the ratios mean something, the seconds little.
Needs nothing but an installed `loc`; writes one JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pysubs2

Event = dict[str, Any]


def loc_run(
    video: Path, language: str, translation: Path, work: Path, out: Path
) -> tuple[float, list[Event]]:
    """Run `loc run` once; wall seconds and its events."""
    started = time.monotonic()
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("loc")), "run", str(video), "--lang", language,
            "--translation", f"{language}={translation}", "--work-dir", str(work), "-o", str(out), "--json",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    seconds = time.monotonic() - started
    if done.returncode not in (0, 3):
        raise SystemExit(f"loc run ended with {done.returncode}:\n{done.stderr}")
    return seconds, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def edit_one_line(source: Path, target: Path) -> None:
    """Copy a subtitle file with the middle cue's text shortened by its last word."""
    subtitles = pysubs2.load(str(source))
    middle = subtitles[len(subtitles) // 2]
    words = middle.plaintext.split()
    middle.plaintext = " ".join(words[:-1]) if len(words) > 1 else middle.plaintext[:-1]
    subtitles.save(str(target), format_="srt")


def actions(events: list[Event], *, hit: bool) -> dict[str, int]:
    """How often each action hit or missed."""
    return dict(
        sorted(Counter(e["action"] for e in events if e["type"] == "action-done" and e["hit"] is hit).items())
    )


def stage_seconds(events: list[Event]) -> dict[str, float]:
    """Wall seconds of each stage."""
    times: Counter[str] = Counter()
    for event in events:
        if event["type"] == "stage-done":
            times[event["stage"]] += event["seconds"]
    return {stage: round(seconds, 2) for stage, seconds in times.items()}


def measure(video: Path, first: tuple[str, Path], second: tuple[str, Path]) -> dict[str, Any]:
    """Cold, cached, one line edited, second language: seconds, ratios to cold, and the misses."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = folder / f"clip{video.suffix}"
        shutil.copyfile(video, clip)
        edited = folder / "edited.srt"
        edit_one_line(first[1], edited)
        work, out = folder / "store", folder / "out"
        out.mkdir()
        plan = [
            ("cold", first[0], first[1]),
            ("cached", first[0], first[1]),
            ("one_line_edited", first[0], edited),
            ("second_language", second[0], second[1]),
        ]
        runs: dict[str, Any] = {}
        for label, language, text in plan:
            seconds, events = loc_run(clip, language, text, work, out)
            runs[label] = {
                "seconds": round(seconds, 2),
                "misses": actions(events, hit=False),
                "stages": stage_seconds(events),
            }
    cold = runs["cold"]["seconds"]
    return {
        "video": video.name,
        "machine": {"cpu": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "ratio_to_cold": {
            label: round(run["seconds"] / cold, 4) for label, run in runs.items() if label != "cold"
        },
        "runs": runs,
    }


def pair(text: str) -> tuple[str, Path]:
    """`es=FILE`."""
    language, _, path = text.partition("=")
    return language, Path(path).absolute()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("--first", type=pair, required=True)
    parser.add_argument("--second", type=pair, required=True)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    result = json.dumps(measure(options.video.absolute(), options.first, options.second), indent=2)
    if options.output:
        options.output.write_text(result + "\n", encoding="utf-8")
    print(result)


if __name__ == "__main__":
    main()
