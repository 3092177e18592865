"""How the memory of baking an avatar grows with the length of its film: the peak of the process, by frames.

    python bench/avatar_memory.py [--frames 250 2500] [-o bench/results/avatar_memory.json]

The film is the drawn presenter again and again, 320x180; the nets have MuseTalk's layout, few channels and
chance for weights, so that latents and outlines have their real size: 16 KB and more for a face. Each length
is a process of its own; memory is its high-water mark. The slope is that between the shortest and the longest
film, for an hour at 25 frames a second.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.machine import goal, machine, show

LIMIT_MB_PER_MINUTE = 1.0
FPS = 25


def film(folder: Path, frames: int) -> Path:
    """A film of some frames."""
    from tests.presenter import SHORT, render

    short, long = folder / "short.mp4", folder / "long.mp4"
    render(replace(SHORT, size=(320, 180), music=False), short)
    again = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", str(short), "-frames:v", str(frames)]
    subprocess.run([*again, "-an", "-preset", "ultrafast", str(long)], check=True)
    return long


def bake(path: Path, data: Path) -> None:
    """Bake an avatar; prints the peak in MB."""
    from loc.settings import Settings
    from stages.lipsync.musetalk import MuseTalk, avatar
    from stages.studio import backend_of

    settings = Settings(data_dir=data, device="cpu")
    with backend_of("lipsync", settings) as backend:
        assert isinstance(backend, MuseTalk)
        avatar.bake(path, "long", settings, backend, lambda _: None)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def peak(frames: int) -> int:
    """Of a process of its own, MB."""
    from tests.lipsync.musetalk import tiny

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny.register(folder / "data")
        own = [sys.executable, __file__, "--bake", str(film(folder, frames)), str(folder / "data")]
        ended = subprocess.run(own, stdout=subprocess.PIPE, text=True, check=True)
    return int(ended.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/avatar_memory.py")
    parser.add_argument("--frames", type=int, nargs="+", default=[250, 2500])
    parser.add_argument("--bake", type=Path, nargs=2, metavar=("FILM", "DATA"), help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    if asked.bake:
        bake(*asked.bake)
        return
    peaks = {frames: peak(frames) for frames in sorted(asked.frames)}
    least, most = min(peaks), max(peaks)
    slope = (peaks[most] - peaks[least]) / ((most - least) / FPS / 60)
    show(
        {
            "machine": machine(),
            "peak_mb": {str(frames): size for frames, size in peaks.items()},
            "goals": [goal("memory of a bake, MB per minute of film", slope, LIMIT_MB_PER_MINUTE)],
        },
        asked.output,
    )


if __name__ == "__main__":
    main()
