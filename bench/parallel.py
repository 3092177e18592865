"""Four `loc run` at once: how long, and how much memory at the peak, against one after the other.

    python bench/parallel.py [--apart] [-o bench/results/parallel.json]

Four small films are drawn. `--apart` gives each run a work directory of its own. The peak of one run is the
kernel's (`ru_maxrss`), of the run itself without its short-lived children. *together_mib* is the largest sum
seen of all runs and their children, read as `bench/memory.py` reads it: an upper bound, since pages that
runs share, of libraries above all, count for each.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from bench.machine import Result, machine, show
from bench.memory import INTERVAL_S, Watch
from tests.presenter import HUGO, MINA, NORA, OTTO, SHORT, Said, Shot, render, write_subtitles

SPEAKERS = (
    (MINA, "My mum baked apple pie.", "母がパイを焼きました。"),
    (OTTO, "Maybe people move.", "人が動くかもしれない。"),
    (NORA, "Bob saw a papa bear.", "ボブが熊を見た。"),
    (HUGO, "We may meet at the map.", "地図の前で会いましょう。"),
)

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Input:
    video: Path
    translation: Path


def draw(folder: Path) -> list[Input]:
    """Four films of two seconds with their texts."""
    inputs = []
    for number, (who, said, text) in enumerate(SPEAKERS):
        video = folder / f"film{number}.mp4"
        script = replace(
            SHORT,
            lines=(Said(who, said, pause=0.3),),
            shots=(Shot(0, "close", "plain", (who,)),),
            size=(320, 180),
            fps=Fraction(12),
        )
        truth = render(script, video)
        write_subtitles(folder / f"film{number}.en.srt", truth.lines, [said])
        write_subtitles(folder / f"text{number}.srt", truth.lines, [text])
        inputs.append(Input(video, folder / f"text{number}.srt"))
    return inputs


def arguments(given: Input, work: Path, out: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "cli", "run", str(given.video), "--lang", "ja", "--quiet"),
        *("--translation", f"ja={given.translation}", "--work-dir", str(work), "-o", f"{out}/"),
    ]


@dataclass(frozen=True)
class Ended:
    """How one run ended, after how long, and its own peak."""

    code: int
    seconds: float
    peak_mib: float


def run_at_once(commands: Sequence[Sequence[str]]) -> tuple[list[Ended], float]:
    """Start all, wait for all; how each ended, and the largest sum seen of them and their children, MiB."""
    started = time.monotonic()
    nowhere = subprocess.DEVNULL
    processes = [subprocess.Popen(command, stdout=nowhere, stderr=nowhere) for command in commands]
    watches = {process.pid: Watch(process.pid) for process in processes}
    ended: dict[int, Ended] = {}
    together = 0
    while watches:
        together = max(together, sum(watch.look() for watch in watches.values()))
        time.sleep(INTERVAL_S)
        for process in processes:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG) if process.pid in watches else (0, 0, None)
            if pid and usage is not None:
                del watches[pid]
                process.returncode = os.waitstatus_to_exitcode(status)
                ended[pid] = Ended(process.returncode, time.monotonic() - started, usage.ru_maxrss / 1024)
    return [ended[process.pid] for process in processes], together / MEBIBYTE


def measure(folder: Path, *, apart: bool) -> Result:
    """The four alone, one after the other, each in a fresh work directory; then all at once."""
    about, inputs = machine(), draw(folder)
    alone = []
    for number, given in enumerate(inputs):
        [[one], _] = run_at_once([arguments(given, folder / f"alone{number}", folder / "alone")])
        alone.append(one)
    works = [folder / (f"work{number}" if apart else "work") for number in range(len(inputs))]
    commands = [arguments(given, work, folder / "out") for given, work in zip(inputs, works, strict=True)]
    ended, together = run_at_once(commands)
    return {
        "machine": about,
        "work_directories": len(set(works)),
        "seconds_one_after_the_other": round(sum(one.seconds for one in alone), 2),
        "seconds_at_once": round(max(one.seconds for one in ended), 2),
        "together_mib": round(together, 1),
        "runs": [
            {
                "exit_code": one.code,
                "peak_mib": round(one.peak_mib, 1),
                "peak_mib_alone": round(by_itself.peak_mib, 1),
                "sha256": digest(folder / "out" / f"{given.video.stem}.ja.mp4"),
                "sha256_alone": digest(folder / "alone" / f"{given.video.stem}.ja.mp4"),
            }
            for given, one, by_itself in zip(inputs, ended, alone, strict=True)
        ],
    }


def digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apart", action="store_true", help="a work directory for each run")
    parser.add_argument("-o", "--output", type=Path, default=Path("bench/results/parallel.json"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        show(measure(Path(name), apart=given.apart), given.output)


if __name__ == "__main__":
    main()
