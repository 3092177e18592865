"""Drawn voices for tests and benches: espeak-ng speech, from the library in the `espeakng-loader` wheel.

The library is GPL: it is loaded by a child process only, and only sound comes back.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import soxr

from loc.artifacts import SAMPLE_RATE

Audio = npt.NDArray[np.float32]

SENTENCES = (
    "Good morning, and thank you all for coming here today.",
    "We would like to show you how the new machine works.",
    "First, open the cover and look at the three small wheels inside.",
    "Nobody has ever asked me such a difficult question before.",
    "The weather was fine, so they walked along the river to the old mill.",
    "Please remember to close the window when you leave the room.",
    "It takes about twenty minutes to reach the village by bus.",
    "My brother bought a yellow boat and painted it blue.",
    "They could hear the music from the other side of the valley.",
    "Every evening she reads a chapter of a very long book.",
    "Half of the apples were gone before the market opened.",
    "You should try the soup, because it is better than it looks.",
)

_CHILD = """
import ctypes, json, sys
import espeakng_loader
class Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("identifier", ctypes.c_uint), ("position", ctypes.c_int),
        ("length", ctypes.c_int), ("milliseconds", ctypes.c_int), ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p), ("id", ctypes.c_char * 8),
    ]
WORD = 1
voice, rate, pitch, text = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode()
engine = ctypes.CDLL(espeakng_loader.get_library_path())
sample_rate = engine.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)
# It seeds the noise of its consonants with the time of day.
engine.espeak_ng_SetRandSeed(ctypes.c_long(1))
heard, words = [], []
@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))
def take(samples, count, events):
    if count > 0:
        heard.append(ctypes.string_at(samples, 2 * count))
    index = 0
    while events[index].type:
        if events[index].type == WORD:
            words.append((events[index].sample, events[index].position))
        index += 1
    return 0
engine.espeak_SetSynthCallback(take)
if engine.espeak_SetVoiceByName(voice.encode()) != 0:
    sys.exit(f"no voice {voice}")
engine.espeak_SetParameter(1, rate, 0)
engine.espeak_SetParameter(3, pitch, 0)
engine.espeak_Synth(text + b"\\0", len(text) + 1, 0, 1, 0, 1, None, None)
engine.espeak_Synchronize()
sys.stdout.buffer.write(json.dumps([sample_rate, words]).encode() + b"\\n" + b"".join(heard))
"""


@functools.lru_cache(maxsize=256)
def speak(text: str, voice: str = "en", rate: int = 160, pitch: int = 50) -> Audio:
    """One sentence, mono, 48 kHz, float32 [n], peak 0.5, silence trimmed. Do not write to it.

    Args:
        voice: espeak-ng's name, with a variant such as `en+f3`.
        rate: words per minute.
        pitch: 0..99, 50 is the voice's own.
    """
    return _spoken(text, voice, rate, pitch)[0]


def speak_marked(text: str, voice: str = "en", rate: int = 160) -> tuple[Audio, list[tuple[int, str]]]:
    """As `speak`, and the words, each with the sample at which it begins; two that are said as one (`of the`)
    are one."""
    audio, marks = _spoken(text, voice, rate, 50)
    edges = [*(position - 1 for _, position in marks), len(text)]
    return audio, [
        (sample, text[edges[index] : edges[index + 1]].strip()) for index, (sample, _) in enumerate(marks)
    ]


def _spoken(text: str, voice: str, rate: int, pitch: int) -> tuple[Audio, list[tuple[int, int]]]:
    data = subprocess.run(
        [sys.executable, "-c", _CHILD, voice, str(rate), str(pitch), text], stdout=subprocess.PIPE, check=True
    ).stdout
    head, _, sound = data.partition(b"\n")
    own_rate, marks = json.loads(head)
    spoken = np.frombuffer(sound, dtype="<i2").astype(np.float32) / 32768
    audio: Audio = soxr.resample(spoken, own_rate, SAMPLE_RATE).astype(np.float32)
    loud = np.flatnonzero(np.abs(audio) > 0.005)
    audio = audio[loud[0] : loud[-1] + 1]
    audio *= 0.5 / np.abs(audio).max()
    audio.setflags(write=False)
    return audio, [
        (max(0, round(mark * SAMPLE_RATE / own_rate) - int(loud[0])), position) for mark, position in marks
    ]


def pause(seconds: float) -> Audio:
    """Silence, float32 [n], 48 kHz."""
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)


def music(seconds: float, seed: int = 0) -> Audio:
    """Synthetic stereo music, float32 [n, 2], 48 kHz, RMS 0.1: chords of decaying partials, each note at a
    place of its own between the speakers, a bass, and a noisy beat."""
    rng = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    out = np.zeros((count, 2))
    for start in np.arange(0, seconds, 0.5):
        root = rng.choice([110.0, 130.8, 146.8, 164.8])
        for step in rng.choice([0, 3, 4, 7, 10, 12, 15], size=4, replace=False):
            _add(out, start, _note(root * 2 ** (1 + step / 12), 1.2, rng), rng.uniform(-1, 1))
        _add(out, start, 1.5 * _note(root / 2, 0.6, rng), 0.0)
        hit = rng.normal(size=SAMPLE_RATE // 10) * np.exp(-np.arange(SAMPLE_RATE // 10) / 800)
        _add(out, start + 0.25, 0.5 * hit, rng.uniform(-0.5, 0.5))
    return np.asarray(out * 0.1 / np.sqrt(np.mean(out**2)), dtype=np.float32)


def _note(frequency: float, seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    partials = sum(
        np.sin(2 * np.pi * frequency * k * time + rng.uniform(0, 6.28)) / k**1.3 * np.exp(-time * k * 1.5)
        for k in range(1, 9)
    )
    return np.asarray(partials * np.minimum(1, time / 0.01))


def _add(out: npt.NDArray[np.float64], seconds: float, sound: npt.NDArray[np.float64], pan: float) -> None:
    """Add a sound at a time, panned with constant power: -1 left, 0 centre, 1 right."""
    start = round(seconds * SAMPLE_RATE)
    sound = sound[: max(0, len(out) - start)]
    angle = (pan + 1) * np.pi / 4
    out[start : start + len(sound)] += sound[:, None] * [np.cos(angle), np.sin(angle)]
