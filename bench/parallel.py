"""Four `loc run` at once: how long, and how much memory at the peak, against one after the other.

    python bench/parallel.py [--apart] [-o RESULT.json]

Four small films are drawn. `--apart` gives each run a work directory of its own. Writes one
JSON file. Peaks are those of the kernel (`ru_maxrss`), of the run itself without its short-lived children.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.presenter import HUGO, MINA, NORA, OTTO, SHORT, Said, Shot, render, write_subtitles

SPEAKERS = (
    (MINA, "My mum baked apple pie.", "母がパイを焼きました。"),
    (OTTO, "Maybe people move.", "人が動くかもしれない。"),
    (NORA, "Bob saw a papa bear.", "ボブが熊を見た。"),
    (HUGO, "We may meet at the map.", "地図の前で会いましょう。"),
)


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


def run_at_once(commands: Sequence[Sequence[str]]) -> Iterator[tuple[int, float, float]]:
    """Start all, wait for all; exit code, seconds and peak in MiB of each."""
    started = time.monotonic()
    nowhere = subprocess.DEVNULL
    for process in [subprocess.Popen(command, stdout=nowhere, stderr=nowhere) for command in commands]:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        yield process.returncode, time.monotonic() - started, usage.ru_maxrss / 1024


def measure(folder: Path, *, apart: bool) -> dict[str, Any]:
    """The four alone, one after the other, each in a fresh work directory; then all at once."""
    inputs = draw(folder)
    alone = [
        next(run_at_once([arguments(given, folder / f"alone{number}", folder / "alone")]))
        for number, given in enumerate(inputs)
    ]
    works = [folder / (f"work{number}" if apart else "work") for number in range(len(inputs))]
    commands = [arguments(given, work, folder / "out") for given, work in zip(inputs, works, strict=True)]
    together = list(run_at_once(commands))
    return {
        "work_directories": len(set(works)),
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "seconds_one_after_the_other": round(sum(seconds for _, seconds, _ in alone), 2),
        "seconds_at_once": round(max(seconds for _, seconds, _ in together), 2),
        "runs": [
            {
                "exit_code": code,
                "peak_mib": round(peak, 1),
                "peak_mib_alone": round(peak_alone, 1),
                "sha256": digest(folder / "out" / f"{given.video.stem}.ja.mp4"),
                "sha256_alone": digest(folder / "alone" / f"{given.video.stem}.ja.mp4"),
            }
            for given, (code, _, peak), (_, _, peak_alone) in zip(inputs, together, alone, strict=True)
        ],
    }


def digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--apart", action="store_true", help="a work directory for each run")
    parser.add_argument("-o", "--output", type=Path, default=Path("bench/out/parallel.json"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        result = measure(Path(name), apart=given.apart)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
