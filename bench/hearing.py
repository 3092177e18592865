"""What voice activity saves Whisper on a clip half of which is silence, and its real-time factor.

    python -m bench.hearing [--model tiny|base|small|medium|large-v3|turbo] [--device cpu|cuda]
                            [--seconds 100] [--tokens 32] [--repeats 1] [-o bench/results/hearing.json]

A Whisper of the published size without its knowledge, registered as a fine-tune is: it says one word again
and again. Both ways go through the recogniser itself, alternating in one run: the windows that the transcribe
stage makes of the speech it finds, the finding included, and all of the sound, 30 s at a time. Voices of
espeak-ng and silence, which is noise at -60 dBFS, take turns.

Weights of chance never end a window, so these are set to take `--tokens` for each, at one temperature and not
at rising ones: real speech takes about 100 in 30 s, and real silence few, or invented ones without end. So
the ratio is that of the windows; what a real model saves on a window of silence, or loses by inventing, is
not in it. On a CPU it is one of processor seconds, else of seconds that passed; the real-time factor is of
the latter, and grows with the tokens.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from whisper.model import ModelDimensions
from whisper.tokenizer import get_tokenizer

from bench.machine import Result, machine, show
from loc.analysis import voice_activity, whisper
from loc.analysis.voice_activity import RATIO
from loc.artifacts import SAMPLE_RATE
from loc.backend import Host
from loc.settings import Settings
from stages.transcribe.stage import spans
from tests.tiny_whisper import blank, checkpoint
from tests.voices import SENTENCES, speak
from tests.weights.shelving import place, registered

Floats = npt.NDArray[np.float32]

SIZES = {
    "tiny": ModelDimensions(80, 1500, 384, 6, 4, 51865, 448, 384, 6, 4),
    "base": ModelDimensions(80, 1500, 512, 8, 6, 51865, 448, 512, 8, 6),
    "small": ModelDimensions(80, 1500, 768, 12, 12, 51865, 448, 768, 12, 12),
    "medium": ModelDimensions(80, 1500, 1024, 16, 24, 51865, 448, 1024, 16, 24),
    "large-v3": ModelDimensions(128, 1500, 1280, 20, 32, 51866, 448, 1280, 20, 32),
    "turbo": ModelDimensions(128, 1500, 1280, 20, 32, 51866, 448, 1280, 20, 4),
}
"""As published."""

TURN_S = 25
SILENCE = 1e-3

STAMPS_PER_S = 50
"""Tokens of time in a second."""

LOUD = 100.0
"""A position's own part of the state: what was said before, 1, does not tell."""


def clip(seconds: int) -> Floats:
    """Speech and silence in turns of `TURN_S`, float32 [n], mono, 16 kHz."""
    said = np.concatenate([speak(text, "en+m3") for text in SENTENCES])
    turn = np.resize(said, TURN_S * SAMPLE_RATE)
    speech = voice_activity.to_analysis(turn[:, None])
    sound = np.random.default_rng(0).standard_normal(seconds * voice_activity.ANALYSIS_RATE) * SILENCE
    for start in range(0, len(sound), 2 * len(speech)):
        stop = min(len(sound), start + len(speech))
        sound[start:stop] += speech[: stop - start]
    return sound.astype(np.float32)


def chatterer(name: str, tokens: int) -> bytes:
    """A checkpoint of this size that says one word, `tokens` times in every window, and then that the window
    is over. Its blocks add nothing, in the time that all take: the position alone tells what comes next."""
    model = blank(SIZES[name])
    decoder = model.decoder
    tokenizer = get_tokenizer(True, num_languages=model.num_languages, language="en", task="transcribe")
    begun = len(tokenizer.sot_sequence)
    last = tokenizer.timestamp_begin + whisper.MAX_WINDOW // voice_activity.ANALYSIS_RATE * STAMPS_PER_S
    with torch.no_grad():
        for block in decoder.blocks:
            for layer in (block.attn.out, block.cross_attn.out, block.mlp[-1]):
                layer.weight.zero_()
                layer.bias.zero_()
        decoder.token_embedding.weight.zero_()
        decoder.positional_embedding.zero_()
        for place, token in enumerate((tokenizer.encode(" again")[0], last, tokenizer.eot)):
            decoder.token_embedding.weight[token, place] = 1
        # The first that is said is by rule a time.
        decoder.positional_embedding[: begun + tokens, 0] = LOUD
        decoder.positional_embedding[begun + tokens, 1] = LOUD
        decoder.positional_embedding[begun + tokens + 1 :, 2] = LOUD
    return checkpoint(model)


def whole(sound: Floats) -> list[Floats]:
    """All of it."""
    return [sound[at : at + whisper.MAX_WINDOW] for at in range(0, len(sound), whisper.MAX_WINDOW)]


def guided(sound: Floats) -> list[Floats]:
    """The windows in which somebody speaks."""
    frames = voice_activity.measure(sound)
    samples = len(sound) * RATIO
    regions = voice_activity.in_samples(voice_activity.regions(frames), samples)
    found = spans(whisper.MAX_WINDOW * RATIO, samples, frames, regions)
    return [sound[start // RATIO : stop // RATIO] for start, stop in found]


def measure(name: str, device: str, seconds: int, tokens: int, repeats: int, folder: Path) -> Result:
    """Both ways on one clip, medians of the repeats."""
    whisper.TEMPERATURES = (0.0,)  # type: ignore[assignment]
    row = registered("bench", "whisper", "bench.pt", memory_mb=1000)
    place(folder, row, ("bench.pt", chatterer(name, tokens)))
    settings = Settings(data_dir=folder, device=device)
    recogniser = whisper.Recogniser(Host(settings, folder, model="bench"), "bench")
    sound = clip(seconds)
    ways: dict[str, Callable[[Floats], list[Floats]]] = {"whole file": whole, "by voice activity": guided}
    counted = time.process_time if device == "cpu" else time.perf_counter
    passed: dict[str, list[float]] = {way: [] for way in ways}
    spent: dict[str, list[float]] = {way: [] for way in ways}
    heard: dict[str, list[float]] = {}
    recogniser.recognise(sound[: whisper.MAX_WINDOW], "en")
    for number in range(repeats):
        for way, windows_of in ways.items():
            started, began = time.perf_counter(), counted()
            windows = windows_of(sound)
            for window in windows:
                recogniser.recognise(window, "en")
            passed[way].append(time.perf_counter() - started)
            spent[way].append(counted() - began)
            heard[way] = [round(len(window) / voice_activity.ANALYSIS_RATE, 1) for window in windows]
            print(number, way, round(passed[way][-1], 1), file=sys.stderr)
    recogniser.close()
    medians = {way: statistics.median(each) for way, each in spent.items()}
    return {
        "model": name,
        "clip_seconds": seconds,
        "tokens_of_a_window": tokens,
        "windows_seconds": heard,
        "processor_seconds" if device == "cpu" else "seconds": {k: round(v, 2) for k, v in medians.items()},
        "real_time_factor": {
            way: round(statistics.median(each) / seconds, 3) for way, each in passed.items()
        },
        "times_as_fast": round(medians["whole file"] / medians["by voice activity"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", choices=SIZES, default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("-o", type=Path)
    asked = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked.model, asked.device, asked.seconds, asked.tokens, asked.repeats, Path(folder))
    show({"machine": before, "threads": torch.get_num_threads(), "device": asked.device, **found}, asked.o)


if __name__ == "__main__":
    main()
