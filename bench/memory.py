"""How memory grows with the length of the video: the peak of `loc run` and its children, by minutes.

    python bench/memory.py [--minutes 1 3 6] [--size 640x360] [-o bench/results/memory.json]

The runs that the goal is stated for, each of which replaces the results of its own size in the file:

    python bench/memory.py --minutes 1 5 10 --size 1920x1080 -o bench/results/memory.json
    python bench/memory.py --minutes 1 60 --size 320x180 -o bench/results/memory.json

Each length is a cold run of its own in an empty work directory. Memory is read from /proc every tenth of a
second: of `loc` alone the high-water mark of its resident size, which misses nothing; of `loc` with all its
children the largest sum seen of its resident size and of the pages that are each child's own (what a child
shares, with `loc` until it becomes another program, or with other ffmpegs, would count twice). The mark is
taken down and set back whenever a stage begins: `stages_mb` says in which of them it was reached.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from bench.film import Film, draw, lengthen, pixels
from bench.machine import Result, goal, machine, show

LIMIT_MB_PER_MINUTE = 1.0

INTERVAL_S = 0.1

MEGABYTE = 1_000_000


def memory(pid: int, file: str, field: str) -> int:
    """What the kernel says of a process, summed over all fields that match; bytes, 0 once it is gone."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8")
        return sum(int(size) * 1024 for size in re.findall(rf"^{field}:\s+(\d+)", text, re.MULTILINE))
    return 0


class Watch:
    """The memory of a process and of its descendants, over its life."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self.own = 0
        self.tree = 0
        self.children: dict[str, int] = defaultdict(int)
        """Largest sum seen of all children of one program."""
        self.stages: dict[str, int] = {}
        """High-water mark of the process itself in each stage."""

    def enter(self, stage: str) -> None:
        """Begin another stage: the high-water mark of the one before is taken down, and set back."""
        self.look()
        self.stages[stage] = 0
        # See proc(5): the kernel starts again from the resident size of now.
        Path(f"/proc/{self._root.pid}/clear_refs").write_text("5", encoding="ascii")

    def look(self) -> int:
        """Read once. Returns what process and descendants take together now, bytes."""
        high = memory(self._root.pid, "status", "VmHWM")
        self.own = max(self.own, high)
        if self.stages:
            stage = next(reversed(self.stages))
            self.stages[stage] = max(self.stages[stage], high)
        programs = defaultdict[str, int](int)
        for process in self._descendants():
            with contextlib.suppress(psutil.Error):
                programs[_program(process)] += memory(process.pid, "smaps_rollup", "Private_.*")
        together = memory(self._root.pid, "status", "VmRSS") + sum(programs.values())
        self.tree = max(self.tree, together)
        for name, size in programs.items():
            self.children[name] = max(self.children[name], size)
        return together

    def _descendants(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return self._root.children(recursive=True)
        return []


def _program(process: psutil.Process) -> str:
    """A worker's module, else the program's name."""
    words = process.cmdline()
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return process.name()


def measure_one(film: Film, language: str, folder: Path) -> Result:
    """A cold run of one film, in megabytes (10^6 bytes)."""
    (folder / "out").mkdir(parents=True)
    command = [
        str(Path(sys.executable).with_name("loc")), "run", str(film.video), "--lang", language,
        "--translation", f"{language}={film.texts[language]}", "--work-dir", str(folder / "store"),
        "-o", f"{folder / 'out'}/", "--json",
    ]  # fmt: skip
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    watch = Watch(process.pid)
    begun: queue.SimpleQueue[str] = queue.SimpleQueue()
    listener = threading.Thread(target=_hear_stages, args=(process, begun))
    listener.start()
    ended = 0
    while not ended:
        with contextlib.suppress(queue.Empty):
            while True:
                watch.enter(begun.get_nowait())
        watch.look()
        time.sleep(INTERVAL_S)
        ended, status = os.waitpid(process.pid, os.WNOHANG)
    listener.join()
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 3):
        raise SystemExit(f"loc run ended with {code}.")
    return {
        "seconds": round(time.monotonic() - started, 1),
        "loc_mb": round(watch.own / MEGABYTE, 1),
        "tree_mb": round(watch.tree / MEGABYTE, 1),
        "stages_mb": {name: round(size / MEGABYTE, 1) for name, size in watch.stages.items()},
        "children_mb": {name: round(size / MEGABYTE, 1) for name, size in sorted(watch.children.items())},
    }


def _hear_stages(process: subprocess.Popen[str], begun: queue.SimpleQueue[str]) -> None:
    """Hand over the stages of a run as they begin, from its events."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "stage-started":
            begun.put(event["stage"])


def slope(minutes: Sequence[float], megabytes: Sequence[float]) -> float:
    """Least squares, MB per minute."""
    return float(np.polyfit(minutes, megabytes, 1)[0])


def measure(minutes: Sequence[float], size: tuple[int, int], language: str) -> Result:
    """One cold run for each length."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        clip = draw(Path(name), size)
        for length in minutes:
            with tempfile.TemporaryDirectory(dir=name) as own:
                film = lengthen(clip, length, Path(own))
                rows.append({"minutes": length, **measure_one(film, language, Path(own))})
            print(rows[-1], file=sys.stderr)
    goals = [
        goal(what, slope(minutes, [row[key] for row in rows]), LIMIT_MB_PER_MINUTE)
        for what, key in (
            ("growth of loc, MB per minute of video", "loc_mb"),
            ("growth of loc with its children, MB per minute of video", "tree_mb"),
        )
        if len(rows) > 1
    ]
    return {"machine": machine(), "runs": rows, "goals": goals}


def recorded(path: Path | None) -> Result:
    """Results by size, `1920x1080`, of a file; none where it is not there."""
    with contextlib.suppress(FileNotFoundError):
        found: Result = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
        return found
    return {}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 3, 6])
    parser.add_argument("--size", type=pixels, default=(640, 360))
    parser.add_argument("--lang", default="ja", choices=("ja", "es"))
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    found = measure(options.minutes, options.size, options.lang)
    width, height = options.size
    show({**recorded(options.output), f"{width}x{height}": found}, options.output)


if __name__ == "__main__":
    main()
