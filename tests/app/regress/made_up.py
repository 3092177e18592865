"""A baseline made up for tests: one sample, two dubs, every figure known."""

from __future__ import annotations

import base64
import functools
from typing import Any

import cv2
import numpy as np

from loc.app.regress.baseline import (
    Baseline,
    Cue,
    Cut,
    Dub,
    Line,
    Loudness,
    Machine,
    Sample,
    Score,
    Still,
    Work,
)
from loc.app.regress.sound import envelope_of
from loc.artifacts import SAMPLE_RATE
from loc.media.sound import Samples

MACHINE = Machine(processor="Example 1", cores=2)

TEXTS = ("Una frase.", "Otra frase, más larga.", "La última.")

MOUTH, WHOLE = (100, 80, 180, 140), (0, 0, 320, 180)


@functools.cache
def picture(seed: int, blur: int = 0) -> str:
    """A still of rough shapes; the same for the same seed."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (15, 20, 3), dtype=np.uint8)
    image = cv2.resize(small, (160, 120), interpolation=cv2.INTER_CUBIC)
    if blur:
        image = cv2.blur(image, (blur, blur))
    return base64.b64encode(bytes(cv2.imencode(".webp", image)[1])).decode()


def speech(shift: float = 0.0, lines: int = 3) -> Samples:
    """Lines of two seconds of noise that swells and sinks, one every three, mono, over a quiet hum."""
    rng = np.random.default_rng(7)
    length = 10 * SAMPLE_RATE
    audio = 0.003 * np.sin(np.arange(length) * 0.02)
    for number in range(lines):
        steps = np.repeat(rng.uniform(0.02, 0.5, 20), SAMPLE_RATE // 10)
        start = round((3 * number + 0.5 + shift) * SAMPLE_RATE)
        audio[start : start + len(steps)] += steps * rng.standard_normal(len(steps)) * 0.3
    return np.asarray(audio[:, None], dtype=np.float32)


@functools.cache
def envelope(shift: float = 0.0) -> str:
    return envelope_of(speech(shift))


def line(number: int, **changes: Any) -> Line:
    fields = {"line": f"l{number:04}", "start": 3.0 * (number - 1) + 0.5, "seconds": 2.0, "pace": 1.1}
    return Line(**{**fields, "overrun": 0.0, **changes})


def score(value: float | None = 0.6, **changes: Any) -> Score:
    fields = {"measure": "viseme-agreement", "offset_ms": 0.0, "seam": 1.2, "lip_colour": 1.0}
    return Score(**{"value": value, **fields, "sharpness": 0.95, "jitter": 1.05, **changes})


def dub(**changes: Any) -> Dub:
    fields: dict[str, Any] = {
        "cues": tuple(Cue(start=3.0 * number + 0.5, text=text) for number, text in enumerate(TEXTS)),
        "lines": tuple(line(number) for number in (1, 2, 3)),
        "silent": (),
        "defects": (),
        "frames": 250,
        "loudness": Loudness(integrated_lufs=-19.4, true_peak_dbtp=-5.4, speech_lufs=-19.5),
        "envelope": envelope(),
        "cuts": (
            Cut(frames=(0, 120), drawn_frames=100, score=score(0.62)),
            Cut(frames=(120, 250), drawn_frames=90, score=score(0.58)),
        ),
        "stills": (
            Still(frame=40, box=MOUTH, of="mouth", webp=picture(1)),
            Still(frame=60, box=WHOLE, of="picture", webp=picture(2)),
            Still(frame=185, box=MOUTH, of="mouth", webp=picture(3)),
        ),
    }
    return Dub(**{**fields, **changes})


def sample(**changes: Any) -> Sample:
    fields: dict[str, Any] = {
        "sha256": "a" * 64,
        "seconds": 10.0,
        "dubs": {"es": dub(), "ja": dub()},
        "work": Work(processor=19.0, peak_mb=490.0),
    }
    return Sample(**{**fields, **changes})


def baseline(**changes: Any) -> Baseline:
    fields: dict[str, Any] = {"machine": MACHINE, "samples": {"talk.mp4": sample()}}
    return Baseline(**{**fields, **changes})


def with_dub(**changes: Any) -> Baseline:
    """The baseline with another Spanish dub."""
    return baseline(samples={"talk.mp4": sample(dubs={"es": dub(**changes), "ja": dub()})})
