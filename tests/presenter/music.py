"""A piece of music that nobody owns: four chords, a bass and soft drums, wide in stereo."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE

BEAT = SAMPLE_RATE * 60 // 92
"""Samples in a beat at 92 beats a minute."""

CHORDS = ((57, 60, 64, 67), (53, 57, 60, 64), (48, 55, 60, 64), (55, 59, 62, 69))
"""MIDI notes of Am7, Fmaj7, C and G9, one bar of four beats each."""

RELEASE = SAMPLE_RATE // 2

Samples = npt.NDArray[np.float32]
Wave = npt.NDArray[np.float64]


def play(samples: int) -> Samples:
    """Music of any length: float32 [samples, 2] at 48 kHz, the same every time."""
    out = np.zeros((samples, 2), dtype=np.float32)
    rng = np.random.default_rng(5)
    for beat in range(samples // BEAT + 1):
        chord = CHORDS[(beat // 4) % len(CHORDS)]
        at = beat * BEAT
        if beat % 4 == 0:
            for voice, note in enumerate(chord):
                _add(out, at, _tone(note, 4 * BEAT), pan=(-0.8, 0.5, -0.4, 0.9)[voice], gain=0.20)
            _add(out, at, _tone(chord[0] - 24, 3 * BEAT), pan=0.0, gain=0.30)
        _add(out, at + BEAT // 2, _pluck(chord[beat % 4] + 12), pan=0.7 * (-1) ** beat, gain=0.16)
        _add(out, at, _brush(rng), pan=0.35 * (-1) ** beat, gain=0.10 if beat % 2 else 0.05)
        if beat % 2 == 0:
            _add(out, at, _drum(), pan=0.0, gain=0.35)
    return out


def _add(out: Samples, at: int, sound: Wave, *, pan: float, gain: float) -> None:
    """Mix a mono sound in at a sample; `pan` -1 left .. 1 right, of constant power."""
    sound = sound[: max(0, len(out) - at)]
    angle = (pan + 1) * np.pi / 4
    out[at : at + len(sound), 0] += gain * np.cos(angle) * sound
    out[at : at + len(sound), 1] += gain * np.sin(angle) * sound


def _frequency(note: float) -> float:
    return float(440.0 * 2 ** ((note - 69) / 12))


def _tone(note: int, length: int) -> Wave:
    """A held note: two voices slightly apart, harmonics falling off, slow attack and release."""
    t = np.arange(length + RELEASE) / SAMPLE_RATE
    wave = np.zeros_like(t)
    for detune in (-0.06, 0.05):
        base = 2 * np.pi * _frequency(note + detune)
        wave += sum(np.sin(harmonic * base * t) / harmonic**2 for harmonic in range(1, 6))
    attack = np.minimum(1.0, t / 0.12)
    release = np.clip((len(t) - np.arange(len(t))) / RELEASE, 0.0, 1.0)
    shaped: Wave = wave * attack * release
    return shaped


def _pluck(note: int) -> Wave:
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    base = 2 * np.pi * _frequency(note)
    wave: Wave = (np.sin(base * t) + 0.4 * np.sin(2 * base * t)) * np.exp(-5 * t) * np.minimum(1.0, t / 0.004)
    return wave


def _drum() -> Wave:
    """A soft bass drum: a sine falling from 110 to 45 Hz."""
    t = np.arange(SAMPLE_RATE // 3) / SAMPLE_RATE
    phase = 2 * np.pi * (45 * t + 65 / 22 * (1 - np.exp(-22 * t)))
    wave: Wave = np.sin(phase) * np.exp(-11 * t)
    return wave


def _brush(rng: np.random.Generator) -> Wave:
    """A brushed cymbal: noise without its lows, dying away."""
    noise = rng.standard_normal(SAMPLE_RATE // 6)
    wave: Wave = np.diff(noise, prepend=0.0) * np.exp(-30 * np.arange(len(noise)) / SAMPLE_RATE)
    return wave
