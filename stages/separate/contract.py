"""Separate: the master sound in, speech and background out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from loc.artifacts import Source
from loc.backend import Backend
from loc.stage import Slot


@dataclass(frozen=True)
class Inputs:
    source: Slot[Source]


class Separator(Backend, Protocol):
    """A separation technique. The stage cuts the sound into pieces, subtracts, and stores."""

    context_samples: int
    """Samples at 48 kHz it wants to hear on each side of a piece: edge effects must have died out in them."""

    all_voices: bool
    """Whether it takes out every voice, laughs, breaths and song too, and not speech alone."""

    def survey(self, audio: npt.NDArray[np.float32]) -> dict[str, float]:
        """Statistics of one piece (float32 [n, channels], 48 kHz) that `combine` turns into parameters of the
        whole track: sums, counts and peaks, so that pieces can be put together."""
        ...

    def combine(self, surveys: list[dict[str, float]]) -> dict[str, float]:
        """Parameters of the whole track from all its surveys; they enter every piece's key.

        `speech_snr_db`, where it is among them, is the estimated level of speech over background."""
        ...

    def separate(
        self, audio: npt.NDArray[np.float32], parameters: Mapping[str, Any], before: int
    ) -> npt.NDArray[np.float32]:
        """The speech in a piece: float32 [n, channels] at 48 kHz in and out, sample-aligned. Called from
        several threads.

        Args:
            audio: the piece with its context.
            parameters: of the whole track.
            before: samples of context at its beginning; the piece itself is a block at most.
        """
        ...
