"""What a separator must do with a voice and music that are known: `loc models verify --run`.

Limits are wide: that a file is of another model, damaged in its numbers, or computed wrong on a device shows
by far more. Published models gain over 10 dB on recorded music; these have not been tried on the ones here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE
from loc.backend import Tried

Floats = npt.NDArray[np.float32]

TEXT = "In the evening we walked down to the river again."
"""What the voice says, in English."""

LEAST_GAIN_DB = 5.0
"""By how much the voice must be nearer to the true one than the mix is, as SI-SDR."""
MOST_LEFT_DB = -6.0
"""Level at which music without a voice may be taken for one, over its own."""

CHORDS = ((220.0, 261.63, 329.63), (174.61, 220.0, 261.63), (196.0, 246.94, 293.66))
"""Hz: A minor, F and G, half a second each."""
CHORD = SAMPLE_RATE // 2
PLACES = (0.2, 0.5, 0.8)
"""Of the notes of a chord, from left to right."""


class Separates(Protocol):
    """As `stages.separate.contract.Separator`, as far as it is asked here."""

    def survey(self, audio: Floats) -> dict[str, float]: ...
    def combine(self, surveys: list[dict[str, float]]) -> dict[str, float]: ...
    def separate(self, audio: Floats, parameters: Mapping[str, Any], before: int) -> Floats: ...


def music(samples: int) -> Floats:
    """Chords of plucked strings, float32 [n, 2], 48 kHz, RMS 0.1."""
    out = np.zeros((samples + CHORD, 2))
    time = np.arange(CHORD) / SAMPLE_RATE
    for number, start in enumerate(range(0, samples, CHORD)):
        for tone, place in zip(CHORDS[number % len(CHORDS)], PLACES, strict=True):
            partials = (np.sin(2 * np.pi * tone * k * time) / k * np.exp(-2 * k * time) for k in range(1, 9))
            note = np.minimum(1, time / 0.005) * np.sum(list(partials), axis=0)
            out[start : start + CHORD] += note[:, None] * (1 - place, place)
    out = out[:samples]
    return np.asarray(out * 0.1 / np.sqrt(np.mean(out**2)), dtype=np.float32)


def si_sdr(estimate: Floats, truth: Floats) -> float:
    """Scale-invariant signal-to-distortion ratio, dB (Le Roux et al., 2019), of float [n, channels]."""
    estimate, truth = estimate - estimate.mean(0), truth - truth.mean(0)
    scaled = truth * (np.sum(estimate * truth) / np.sum(truth * truth))
    left = np.sum((estimate - scaled) ** 2)
    return float(10 * np.log10(max(1e-12, np.sum(scaled**2)) / max(1e-12, left)))


def mixed(voice: Floats) -> Floats:
    """A voice, float32 [n, 2], over music as loud."""
    bed = music(len(voice))
    return np.asarray(voice + bed * np.sqrt(np.mean(voice**2) / np.mean(bed**2)), dtype=np.float32)


def tried(separator: Separates, said: Floats) -> Iterator[Tried]:
    """Part a voice from music as loud, and look for one in the music alone.

    Args:
        separator: to be tried.
        said: the voice, float32 [n], mono, 48 kHz.
    """
    voice = np.repeat(said[:, None], 2, axis=1)
    mix = mixed(voice)
    bed = mix - voice
    gain = si_sdr(_parted(separator, mix), voice) - si_sdr(mix, voice)
    yield Tried(
        "a built-in voice over music as loud",
        f"nearer to the voice than the mix by {LEAST_GAIN_DB:g} dB",
        f"{gain:.1f} dB",
        gain >= LEAST_GAIN_DB,
    )
    left = 10 * np.log10(max(1e-12, float(np.mean(_parted(separator, bed) ** 2) / np.mean(bed**2))))
    yield Tried(
        "the music alone",
        f"no voice in it above {MOST_LEFT_DB:g} dB",
        f"{left:.1f} dB",
        left <= MOST_LEFT_DB,
    )


def _parted(separator: Separates, mix: Floats) -> Floats:
    return separator.separate(mix, separator.combine([separator.survey(mix)]), 0)
