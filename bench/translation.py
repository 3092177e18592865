"""How much faster batches are than line by line, and whether a sentence comes out of both as the same.

    python -m bench.translation [--sentences 48] [--layers 3] [--width 256] [--repeats 3] [--out F.json]

Marian with random weights, which say nothing and take as long as others; the published models have 6 + 6
layers of 512. The vocabulary is learned from the text. A random model seldom comes to an end, so every
sentence takes all the room it has: no batch is kept waiting by one long translation, as it would be by real
ones. Both ways go through the backend itself, in one run, alternating.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from bench.machine import machine, show
from loc.backend import Host
from loc.settings import Settings
from stages.translate.seq2seq import BATCH, BEAMS, ROOM, ROOM_FACTOR, Marian
from tests.translate import tiny

WORDS = (
    "the a one some my your old red small good house bear dog street river night friend sees takes brings "
    "knows and or under over before now never again quickly in with"
)


def sentences(count: int) -> list[str]:
    """Sentences of 3 to 18 words, each another."""
    rng, words = random.Random(5), WORDS.split()
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(rng.choice(words) for _ in range(rng.randint(3, 18))) + "."] = None
    return list(found)


def line_by_line(backend: Marian, lines: list[str]) -> dict[str, str]:
    return {line: str(backend.translate_batch([line], "en", "es")[0]) for line in lines}


def batched(backend: Marian, lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for batch in backend.batches(lines, "en", "es"):
        found |= zip(batch, map(str, backend.translate_batch(batch, "en", "es")), strict=True)
    return found


def measure(count: int, layers: int, width: int, repeats: int, device: str, folder: Path) -> dict[str, Any]:
    """Processor seconds of both ways, median of the repeats, and how many sentences came out alike."""
    lines = sentences(count)
    size = {
        **dict.fromkeys(("encoder_layers", "decoder_layers"), layers),
        **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 8),
        **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 4 * width),
        "d_model": width,
    }
    model = tiny.marian(folder / "model", ("en", "es"), [(line, line) for line in lines], steps=0, **size)
    model.register(folder / "data", "bench", memory_mb=700)
    settings = Settings(data_dir=folder / "data", device=device)
    backend = Marian(Host(settings, folder / "scratch", model="bench"))
    line_by_line(backend, lines[:2])
    taken: dict[str, list[float]] = {"line by line": [], "batched": []}
    results: dict[str, dict[str, str]] = {}
    for _ in range(repeats):
        for name, way in (("line by line", line_by_line), ("batched", batched)):
            started = time.process_time()
            results[name] = way(backend, lines)
            taken[name].append(time.process_time() - started)
    sizes = [len(batch) for batch in backend.batches(lines, "en", "es")]
    backend.close()
    medians = {name: round(statistics.median(seconds), 3) for name, seconds in taken.items()}
    return {
        "layers": layers,
        "width": width,
        "sentences": count,
        "words": sum(len(line.split()) for line in lines),
        "batches": len(sizes),
        "largest_batch": max(sizes),
        "batch_limit": BATCH,
        "beams": BEAMS,
        "room": f"{ROOM} + {ROOM_FACTOR} x length",
        "processor_seconds": medians,
        "processor_seconds_of_each_run": {
            name: [round(one, 3) for one in seconds] for name, seconds in taken.items()
        },
        "times_as_fast": round(medians["line by line"] / medians["batched"], 2),
        "alike": sum(results["line by line"][line] == results["batched"][line] for line in lines),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=48)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked.sentences, asked.layers, asked.width, asked.repeats, asked.device, Path(folder))
    show({"machine": before, "threads": torch.get_num_threads(), "device": asked.device, **found}, asked.out)


if __name__ == "__main__":
    main()
