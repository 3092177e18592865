"""How well a voice is known again: similarities of one person's speech and of two people's.

python bench/voices.py CLIP CLIP ... --data-dir DIR --out bench/results/voices.json

Each clip is one person. Its speech is cut into lines, which are grouped, and into longer pieces, which are
compared as they are and as another night might have recorded them: through a codec, a telephone's band,
another equaliser, in noise, in a room. The same is asked of pitch and timbre alone, by their distance in
scatters.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import fftconvolve, lfilter

from bench.machine import machine, show
from loc.analysis.diarization.contract import Embedder
from loc.analysis.diarization.grouping import by_vectors
from loc.analysis.diarization.resemblyzer import Resemblyzer
from loc.analysis.speakers import measure, placed
from loc.analysis.voice_activity import ANALYSIS_RATE, detect
from loc.backend import Host
from loc.settings import Settings

Audio = Any
LINE_S, PIECE_S = 2.5, 4.0
JOINED = (0.54, 0.56, 0.58, 0.60, 0.62, 0.64, 0.66)


def ffmpeg(audio: Audio, *arguments: str) -> Audio:
    """Sound at 16 kHz through ffmpeg, encoded and decoded where the arguments name a codec."""
    coded = subprocess.run(
        [
            "ffmpeg",
            "-v",
            "error",
            "-f",
            "f32le",
            "-ar",
            str(ANALYSIS_RATE),
            "-ac",
            "1",
            "-i",
            "-",
            *arguments,
            "-",
        ],
        input=audio.astype("<f4").tobytes(),
        capture_output=True,
        check=True,
    ).stdout
    return decoded(coded)


def decoded(file: Path | bytes) -> Audio:
    """Mono sound at 16 kHz, float32 [n]."""
    source = ("-", file) if isinstance(file, bytes) else (str(file), None)
    pcm = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", source[0], "-ac", "1", "-ar", str(ANALYSIS_RATE), "-f", "f32le", "-"],
        input=source[1],
        capture_output=True,
        check=True,
    ).stdout
    return np.frombuffer(pcm, np.float32)


def in_noise(audio: Audio) -> Audio:
    noise = np.random.default_rng(0).normal(size=len(audio)).astype(np.float32)
    return audio + noise * np.std(audio) * np.float32(10 ** (-15 / 20))


def in_a_room(audio: Audio) -> Audio:
    length = round(0.35 * ANALYSIS_RATE)
    tail = np.random.default_rng(0).normal(size=length) * np.exp(-np.arange(length) / (0.06 * ANALYSIS_RATE))
    tail[0] = 6
    return (fftconvolve(audio, tail)[: len(audio)] / 6).astype(np.float32)


NIGHTS: Mapping[str, Callable[[Audio], Audio]] = {
    "as it is": lambda audio: audio,
    "MP3, 24 kbit/s": lambda audio: ffmpeg(audio, "-b:a", "24k", "-f", "mp3"),
    "telephone, 300 to 3400 Hz": lambda audio: ffmpeg(
        audio, "-af", "highpass=f=300,lowpass=f=3400", "-f", "wav"
    ),
    "brighter": lambda audio: lfilter([1, -0.5], [1], audio).astype(np.float32),
    "darker": lambda audio: lfilter([0.35], [1, -0.65], audio).astype(np.float32),
    "noise, 15 dB under": in_noise,
    "a room": in_a_room,
}


def spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "n": len(values),
        "least": round(min(values), 3),
        "median": round(float(np.median(values)), 3),
        "p95": round(float(np.percentile(values, 95)), 3),
        "most": round(max(values), 3),
    }


def compared(
    points: Mapping[tuple[str, int, str], Audio], night: str, like: Callable[[Audio, Audio], float]
) -> dict[str, Any]:
    """Pieces as they are against the others of the same person, and those of others, on another night."""
    plain = [key for key in points if key[2] == "as it is"]
    same: list[float] = []
    other: list[float] = []
    for one, another in itertools.permutations(plain, 2):
        value = like(points[one], points[another[0], another[1], night])
        (same if one[0] == another[0] else other).append(value)
    return {"same": spread(same), "other": spread(other)}


def measured(clips: Sequence[Path], embedder: Embedder) -> dict[str, Any]:
    speech, lines = {}, []
    for clip in clips:
        audio = decoded(clip)
        spans = detect(audio)
        speech[clip.stem] = np.concatenate([audio[start:stop] for start, stop in spans])
        for start, stop in spans:
            count = max(1, round((stop - start) / ANALYSIS_RATE / LINE_S))
            lines += [(clip.stem, part) for part in np.array_split(audio[start:stop], count)]
    vectors = np.stack([embedder.embed(part).whole for _, part in lines])
    firm = [len(part) >= embedder.scale.shortest for _, part in lines]
    truth = [name for name, _ in lines]
    grouped = {str(limit): right(vectors, firm, truth, limit) for limit in JOINED}
    pieces = {
        (name, index, night): change(part)
        for name, audio in speech.items()
        for index, part in enumerate(np.array_split(audio, max(2, int(len(audio) / ANALYSIS_RATE / PIECE_S))))
        for night, change in NIGHTS.items()
    }
    by_vector = {key: embedder.embed(part).whole for key, part in pieces.items()}
    by_print = {key: placed([measure(part.astype(np.float32))])[0] for key, part in pieces.items()}
    return {
        "people": len(speech),
        "lines": len(lines),
        "groups_that_are_right": grouped,
        "similarity": {
            night: compared(by_vector, night, lambda one, other: float(one @ other)) for night in NIGHTS
        },
        "distance_by_pitch_and_timbre": {
            night: compared(by_print, night, lambda one, other: float(np.linalg.norm(one - other)))
            for night in NIGHTS
        },
    }


def right(vectors: Audio, firm: Sequence[bool], truth: Sequence[str], limit: float) -> dict[str, str]:
    """How many of the single people, of the pairs and of all together come out as they are."""
    people = sorted(set(truth))
    counts = {}
    for size in sorted({1, 2, len(people)}):
        sets = list(itertools.combinations(people, size))
        good = 0
        for chosen in sets:
            among = [index for index, name in enumerate(truth) if name in chosen]
            labels = by_vectors(vectors[among], [firm[index] for index in among], limit, 1, 8)
            pairs = {(truth[index], label) for index, label in zip(among, labels.tolist(), strict=True)}
            good += len(pairs) == size == len(set(labels.tolist()))
        counts[f"of {size}"] = f"{good} of {len(sets)}"
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory() as scratch:
        embedder = Resemblyzer(Host(Settings(data_dir=asked.data_dir), Path(scratch)))
        try:
            found = measured(asked.clips, embedder)
        finally:
            embedder.close()
    show({"machine": before, "clips": [clip.name for clip in asked.clips], **found}, asked.out)


if __name__ == "__main__":
    main()
