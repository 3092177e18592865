"""Where `loc run` spends its processor time: by function of ours, in a cold run and after one edited line.

    python bench/hot_spots.py [--minutes 1] [--size 1280x720] [-o bench/results/hot_spots.json]

A thread of the run looks every `INTERVAL_S` at which of the others the kernel has given processor time since
it last looked (/proc/self/task), and books that time on the innermost function of `loc/`, `stages/` or `cli/`
on that thread's stack: what a function spends in NumPy, OpenCV or a network counts as its own. Threads that
run none of our code (a decoder's, a network's) stand under `elsewhere`, programs run beside us under
`children`. The clock of /proc ticks a hundred times a second: under half a second a figure says little.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from bench.film import Film, draw, edit_one_line, lengthen, pixels
from bench.machine import Result, machine, show

INTERVAL_S = 0.02

SHOWN = 25

ROOT = Path(__file__).resolve().parents[1]


def _spent(thread: int) -> float:
    """Processor seconds of a thread of this process, by its native id; 0 once it is gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/self/task/{thread}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _ours(frame: FrameType | None) -> str | None:
    """The innermost function of ours on a stack, as `path:function`."""
    while frame is not None:
        with contextlib.suppress(ValueError):
            path = Path(frame.f_code.co_filename).relative_to(ROOT)
            if path.parts[0] in {"loc", "stages", "cli"}:
                return f"{path}:{frame.f_code.co_qualname}"
        frame = frame.f_back
    return None


class Sampler:
    """Books the processor time of all threads of this process, from `start` to `stop`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._booked: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin; from here on one thread more."""
        self._thread.start()

    def stop(self) -> None:
        """End, with a last look."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            self._look()
        self._look()

    def _look(self) -> None:
        python = {thread.native_id: thread.ident for thread in threading.enumerate()}
        stacks = sys._current_frames()
        for task in Path("/proc/self/task").iterdir():
            thread = int(task.name)
            spent = _spent(thread)
            gained = spent - self._booked.get(thread, 0.0)
            self._booked[thread] = max(spent, self._booked.get(thread, 0.0))
            if gained <= 0 or thread == self._thread.native_id:
                continue
            ident = python.get(thread)
            self.seconds[_ours(stacks.get(ident) if ident else None) or "elsewhere"] += gained


def sampled(arguments: Sequence[str], output: Path) -> None:
    """Run the command line in this process and write what was booked."""
    from cli.main import main as run

    sampler = Sampler()
    sampler.start()
    sys.argv = ["loc", *arguments]
    code: object = 0
    try:
        run()
    except SystemExit as ended:
        code = ended.code
    sampler.stop()
    times = os.times()
    output.write_text(
        json.dumps(
            {
                "code": code,
                "seconds": dict(sampler.seconds),
                "own": times.user + times.system,
                "children": times.children_user + times.children_system,
            }
        ),
        encoding="utf-8",
    )


def shares(booked: Result) -> Result:
    """What a run spent, the dearest first."""
    seconds: dict[str, float] = booked["seconds"]
    elsewhere = seconds.pop("elsewhere", 0.0)
    dearest = sorted(seconds.items(), key=lambda item: -item[1])[:SHOWN]
    return {
        "processor_seconds": {
            "loc": round(booked["own"], 2),
            "of that seen": round(elsewhere + sum(seconds.values()), 2),
            "of that elsewhere": round(elsewhere, 2),
            "children": round(booked["children"], 2),
        },
        "functions": {name: round(value, 2) for name, value in dearest},
    }


@contextlib.contextmanager
def _job(minutes: float, size: tuple[int, int]) -> Iterator[tuple[Film, Path]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield lengthen(draw(folder, size), minutes, folder), folder


def measure(minutes: float, size: tuple[int, int]) -> Result:
    """A cold run into Japanese, then one of its lines edited."""
    with _job(minutes, size) as (film, folder):
        edited = folder / "edited.srt"
        edit_one_line(film.texts["ja"], edited)
        runs = {}
        for name, text in (("cold", film.texts["ja"]), ("one_line_edited", edited)):
            output = folder / f"{name}.json"
            done = subprocess.run(
                [sys.executable, "-m", "bench.hot_spots", "--sampled", str(output), "--",
                 "run", str(film.video), "--lang", "ja", "--translation", f"ja={text}",
                 "--work-dir", str(folder / "store"), "-o", f"{folder / 'out'}/", "--quiet"],
                cwd=ROOT, stdout=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            booked = json.loads(output.read_text(encoding="utf-8"))
            if done.returncode or booked["code"] not in (0, 3, None):
                raise SystemExit(f"loc run ended with {booked['code']}.")
            runs[name] = shares(booked)
    return {"machine": machine(), "minutes": minutes, "size": list(size), "runs": runs}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--size", type=pixels, default=(1280, 720))
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--sampled", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sampled:
        sampled(options.arguments, options.sampled)
    else:
        show(measure(options.minutes, options.size), options.output)


if __name__ == "__main__":
    main()
