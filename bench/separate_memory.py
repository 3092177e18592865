"""How the memory of Demucs grows with the length of the sound: the peak of the separation alone, by minutes.

    python bench/separate_memory.py [--minutes 5 30] [-o bench/results/separate_memory.json]

The network has the published depth, spectrum and segment of 7.8 s, with 4 channels instead of 48 and chance
for weights: what is held of the sound is what it is with the real one, the network itself is small. Each
length is a process of its own in an empty work directory; memory is its high-water mark.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.machine import goal, machine, show

LIMIT_MB_PER_MINUTE = 1.0


def sound(minutes: float) -> Iterator[npt.NDArray[np.float32]]:
    """Stereo noise in pieces of a second, float32 [48000, 2]: as loud as a programme, never the same."""
    chance = np.random.default_rng(0)
    for _ in range(round(minutes * 60)):
        yield (chance.standard_normal((48_000, 2)) * 0.05).astype(np.float32)


def separate(minutes: float) -> None:
    """Part a sound of this length; prints seconds and the peak in MB."""
    from loc.artifacts import Source
    from loc.backend import Host
    from loc.events import EventBus
    from loc.media.sound import store_sound
    from loc.runner import Runner
    from loc.settings import Settings
    from loc.stage import Slot
    from loc.store.workdir import WorkDir
    from stages.separate.contract import Inputs
    from stages.separate.demucs import Demucs
    from stages.separate.stage import run
    from tests.hearing import context
    from tests.tiny_demucs import blank, package
    from tests.weights.shelving import place, registered

    row = registered("small", "htdemucs", "small.th")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        place(folder, row, ("small.th", package(blank(segment=Fraction(39, 5), t_layers=0))))
        store = WorkDir(folder / "store")
        runner = Runner(store, EventBus(), workers=2)
        backend = Demucs(Host(Settings(data_dir=folder), folder, model="small"))
        master = store_sound(store, sound(minutes), 2)
        started = time.perf_counter()
        source = Source.model_construct(master=master, samples=master.samples)
        run(context(runner, {"separate": backend}), Inputs(Slot("ingest", source)))
        runner.close()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        print(round(time.perf_counter() - started, 1), round(peak, 1))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", nargs="+", type=float, default=[5, 30])
    parser.add_argument("-o", type=Path)
    parser.add_argument("--one", type=float)
    given = parser.parse_args()
    if given.one is not None:
        separate(given.one)
        return
    runs: list[dict[str, float]] = []
    for minutes in given.minutes:
        said = subprocess.run(
            [sys.executable, __file__, "--one", str(minutes)], capture_output=True, text=True, check=True
        ).stdout
        seconds, peak = map(float, said.split()[-2:])
        runs.append({"minutes": minutes, "seconds": seconds, "peak_mb": peak})
    first, last = runs[0], runs[-1]
    slope = (last["peak_mb"] - first["peak_mb"]) / (last["minutes"] - first["minutes"])
    goals = [goal("MB per minute", slope, LIMIT_MB_PER_MINUTE)]
    what = "peak memory of Demucs by length"
    show({"what": what, "machine": machine(), "runs": runs, "goals": goals}, given.o)


if __name__ == "__main__":
    main()
