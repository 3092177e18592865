"""Write compact copies of parity files: `python -m tests.parity FOLDER NAME...`.

An array that takes more than `LIMIT` bytes is thinned along its widest axes; what tests feed in stays whole.
How it was thinned goes into the JSON, under `compact`, where `Golden.part` reads it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from tests.parity import COMPACT, Array

LIMIT = 24_000
WHOLE = (
    "keypoints",
    "margin",
    "scores",
    "flip_table",
    "labels_",
    "sample_noise",
    "noise",
    "draw",
    "landmarks",
    "aligned",
    "matrices",
    "matrix_",
    "nms_boxes",
    "candidates",
)
"""How arrays begin that tests feed in."""


def thinned(values: Array) -> tuple[Array, list[list[int]]]:
    """A sample of an array of at most `LIMIT` bytes, and its spec."""
    steps = [1] * values.ndim
    while values[tuple(slice(None, None, step) for step in steps)].nbytes > LIMIT:
        widest = max(range(values.ndim), key=lambda axis: (values.shape[axis] / steps[axis], axis))
        # Odd, so that what repeats every two, four or eight rows is met in all its phases.
        steps[widest] += 2
    spec = [[0, size, step] for size, step in zip(values.shape, steps, strict=True)]
    return values[tuple(slice(*axis) for axis in spec)], spec


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.parity")
    parser.add_argument("folder", type=Path)
    parser.add_argument("name", nargs="+")
    asked = parser.parse_args()
    for name in asked.name:
        meta = json.loads((asked.folder / f"{name}.json").read_text("utf-8"))
        packed = asked.folder / f"{name}.npz"
        if packed.is_file():
            kept: dict[str, Array] = {}
            compact: dict[str, list[list[int]]] = {}
            with np.load(packed, allow_pickle=False) as held:
                for key in held.files:
                    kept[key] = held[key]
                    if held[key].nbytes > LIMIT and not key.startswith(WHOLE):
                        kept[key], compact[key] = thinned(held[key])
            meta["compact"] = compact
            np.savez_compressed(COMPACT / f"{name}.npz", **kept)
        (COMPACT / f"{name}.json").write_text(json.dumps(meta, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
