"""Is the embedded path faster than the video plays? A cold `loc run`, by stage.

    python bench/real_time.py [--seconds 60] [--runs 3] [-o bench/results/real_time.json]

A drawn presenter at 1280x720 and at 1920x1080, every default of `loc run`, an empty work directory each time;
of the runs the median counts. Seconds of work over those of video: below 1, a night of video takes less than
a night.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import stage_seconds
from bench.film import Film, draw, lengthen
from bench.machine import Result, goal, machine, show

LIMITS = {(1280, 720): 1.0, (1920, 1080): 1.5}
"""Size of the picture -> most seconds of work for each second of video."""


def run_once(film: Film, language: str, folder: Path) -> Result:
    """A cold run: its seconds, and those of each stage."""
    command = [
        str(Path(sys.executable).with_name("loc")), "run", str(film.video), "--lang", language,
        "--translation", f"{language}={film.texts[language]}", "--work-dir", str(folder / "store"),
        "-o", f"{folder / 'out'}/", "--json",
    ]  # fmt: skip
    (folder / "out").mkdir(parents=True)
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode not in (0, 3):
        raise SystemExit(f"loc run ended with {done.returncode}:\n{done.stderr}")
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {"seconds": round(seconds, 2), "stages": stage_seconds(events)}


def measure(size: tuple[int, int], seconds: float, runs: int, folder: Path) -> Result:
    """Some cold runs of one size."""
    clip = draw(folder, size)
    film = lengthen(clip, seconds / 60, folder)
    done = []
    for number in range(runs):
        with tempfile.TemporaryDirectory(dir=folder) as own:
            done.append(run_once(film, "ja", Path(own)))
        print(size, number, done[-1], file=sys.stderr)
    return {"size": list(size), "video_seconds": round(length_of(film), 2), "runs": done}


def length_of(film: Film) -> float:
    """Seconds of video."""
    from loc.media import ffmpeg

    return float(ffmpeg.probe(film.video, "ffprobe")["format"]["duration"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="of video, at least")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    results = []
    for size in LIMITS:
        with tempfile.TemporaryDirectory() as name:
            results.append(measure(size, options.seconds, options.runs, Path(name)))
    goals = [
        goal(
            f"seconds of work for each second of video, {result['size'][0]}x{result['size'][1]}",
            statistics.median(run["seconds"] for run in result["runs"]) / result["video_seconds"],
            LIMITS[result["size"][0], result["size"][1]],
        )
        for result in results
    ]
    show({"machine": machine(), "sizes": results, "goals": goals}, options.output)


if __name__ == "__main__":
    main()
