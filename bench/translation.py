"""How much faster batches are than line by line, and whether a sentence comes out of both as the same.

    python -m bench.translation [--model opus-mt|m2m100-418m] [--sentences 32] [--repeats 3] [--out F.json]

The architecture at its published size, with random weights, which say nothing and take as long as others. A
random model seldom comes to an end, so every sentence takes all the room it has, several times the tokens of
a real translation. Both ways go through the backend itself, in one run, alternating, and are measured in
processor seconds: what others do on the machine does not count, but for the caches they take.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bench.machine import machine, show
from loc.backend import Host
from loc.settings import Settings
from stages.translate.seq2seq import BATCH, BEAMS, M2M100, ROOM, ROOM_FACTOR, SPREAD, Marian
from tests.translate import tiny

WORDS = (
    "the a one some my your old red small good house bear dog street river night friend sees takes brings "
    "knows and or under over before now never again quickly in with"
)

MARIAN_SIZE: Mapping[str, int] = {
    **dict.fromkeys(("encoder_layers", "decoder_layers"), 6),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 8),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 2048),
    **dict.fromkeys(("vocab_size", "decoder_vocab_size"), 65_001),
    "d_model": 512,
}
"""config.json of Helsinki-NLP/opus-mt-en-es."""

M2M100_SIZE: Mapping[str, int] = {
    **dict.fromkeys(("encoder_layers", "decoder_layers"), 12),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 16),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 4096),
    "vocab_size": 128_112,
    "d_model": 1024,
}
"""config.json of facebook/m2m100_418M."""

Translator = Marian | M2M100


def sentences(count: int) -> list[str]:
    """Sentences of 3 to 18 words, each another."""
    rng, words = random.Random(5), WORDS.split()
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(rng.choice(words) for _ in range(rng.randint(3, 18))) + "."] = None
    return list(found)


def line_by_line(backend: Translator, lines: list[str]) -> dict[str, str]:
    return {line: str(backend.translate_batch([line], "en", "es")[0]) for line in lines}


def batched(backend: Translator, lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for batch in backend.batches(lines, "en", "es"):
        found |= zip(batch, map(str, backend.translate_batch(batch, "en", "es")), strict=True)
    return found


def opened(name: str, device: str, folder: Path) -> Translator:
    """The backend over a checkpoint of random weights, whose vocabulary is that of the words."""
    said = [(line, line) for line in sentences(400)]
    if name == "opus-mt":
        model = tiny.marian(folder / "model", ("en", "es"), said, steps=0, **MARIAN_SIZE)
    else:
        model = tiny.m2m100(folder / "model", {("en", "es"): said}, steps=0, **M2M100_SIZE)
    model.register(folder / "data", "bench", memory_mb=1000)
    settings = Settings(data_dir=folder / "data", device=device)
    kind = Marian if name == "opus-mt" else M2M100
    return kind(Host(settings, folder / "scratch", model="bench"))


def measure(name: str, count: int, repeats: int, device: str, folder: Path) -> dict[str, Any]:
    """Processor seconds of both ways, median of the repeats, and how many sentences came out alike."""
    lines = sentences(count)
    backend = opened(name, device, folder)
    line_by_line(backend, lines[:1])
    taken: dict[str, list[float]] = {"line by line": [], "batched": []}
    results: dict[str, dict[str, str]] = {}
    for _ in range(repeats):
        for way, run in (("line by line", line_by_line), ("batched", batched)):
            started = time.process_time()
            results[way] = run(backend, lines)
            taken[way].append(time.process_time() - started)
    sizes = [len(batch) for batch in backend.batches(lines, "en", "es")]
    backend.close()
    medians = {way: round(statistics.median(seconds), 3) for way, seconds in taken.items()}
    return {
        "model": name,
        "sentences": count,
        "words": sum(len(line.split()) for line in lines),
        "batches": sizes,
        "batch_limit": BATCH,
        "spread": SPREAD,
        "beams": BEAMS,
        "room": f"{ROOM} + {ROOM_FACTOR} x length",
        "processor_seconds": medians,
        "processor_seconds_of_each_run": {
            way: [round(one, 3) for one in seconds] for way, seconds in taken.items()
        },
        "times_as_fast": round(medians["line by line"] / medians["batched"], 2),
        "alike": sum(results["line by line"][line] == results["batched"][line] for line in lines),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=("opus-mt", "m2m100-418m"), default="opus-mt")
    parser.add_argument("--sentences", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked.model, asked.sentences, asked.repeats, asked.device, Path(folder))
    show({"machine": before, "threads": torch.get_num_threads(), "device": asked.device, **found}, asked.out)


if __name__ == "__main__":
    main()
