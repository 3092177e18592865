"""Clicks in the sound and flashes in the picture, at every rate."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from loc.artifacts import SAMPLE_RATE
from stages.lipsync import redraw
from stages.lipsync.nets import whisper_features as ear

RATES = ["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60", "12"]
MINUTES = 10


def edges(rate: Fraction, seconds: int) -> npt.NDArray[np.int64]:
    """Samples at which frames of a constant rate appear, and the picture's end."""
    count = int(seconds * rate)
    return np.array([round(index * SAMPLE_RATE / rate) for index in range(count + 1)], dtype=np.int64)


def film_of(there: npt.NDArray[np.int64]) -> redraw.Film:
    """A film of which nothing is known but when its frames appear."""
    film = cast(Any, SimpleNamespace(edges=there))
    film.times = lambda frames: redraw.Film.times(film, frames)
    film.edges_of = lambda frames: redraw.Film.edges_of(film, frames)
    return cast(redraw.Film, film)


class Loudness:
    """In place of the nets: a row is how loud its 20 ms are, and a face is as bright as the rows in the
    middle of what it hears are loud, those further off counting less."""

    def hear(self, sound: ear.Floats) -> torch.Tensor:
        rows = -(-len(sound) // ear.ROW)
        padded = np.pad(sound, (0, rows * ear.ROW - len(sound)))
        return torch.from_numpy(np.abs(padded).reshape(rows, ear.ROW).max(axis=1))[:, None, None]

    def flash(self, tokens: torch.Tensor) -> npt.NDArray[np.float32]:
        near = 1 - (torch.arange(10) - 4.5).abs() / 6
        return (tokens[:, :, 0] * near).amax(dim=1).numpy()


def variable(rng: np.random.Generator, seconds: int) -> npt.NDArray[np.int64]:
    """Edges of frames that last 20 to 60 ms."""
    lasting = rng.integers(SAMPLE_RATE // 50, SAMPLE_RATE * 3 // 50, seconds * 26)
    return np.asarray(np.concatenate([[0], np.cumsum(lasting)]), dtype=np.int64)
