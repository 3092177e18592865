"""Who speaks when: what tells speakers apart, and what an embedder knows besides.

Backends of this kind say `speakers` on their cards in place of a stage. By what they tell is seen in their
methods: an `Embedder` makes a vector of each line, a `TurnFinder` hears the whole programme. One that is
neither has the lines' pitch and timbre, which are measured in every run (`loc.analysis.speakers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from loc.artifacts import Frozen
from loc.backend import Backend

Floats = npt.NDArray[np.float32]


class Turn(Frozen):
    """A stretch in which one speaker is heard; turns of several speakers may sound together."""

    start: int
    stop: int
    """Samples at 48 kHz from the programme's first."""
    speaker: str
    """The backend's own name."""


@dataclass(frozen=True)
class Scale:
    """What similarities mean: cosines of an embedder's vectors, -1..1. Where each figure is from stands with
    the backend that states it."""

    joined: float
    """Mean similarity of the lines of two groups from which they are one speaker."""
    bank: float
    """Similarity from which a speaker is taken for a voice of the bank."""
    lead: float
    """By how much the voice that is taken must be nearer than the next."""
    other: float
    """Under it a line that imitates a recording is spoken by somebody else."""
    unsure: float
    """A line that is nearer to its own speaker than to the next by less than this is unsure."""
    shortest: int
    """Samples at 16 kHz under which a sound says too little of a voice."""


@dataclass(frozen=True)
class Embedding:
    """A voice as an embedder hears it.

    `whole`: float32 [d], of unit length. `parts`: float32 [n, d], of windows in order of time, the embedder's
    own length and step.
    """

    whole: Floats
    parts: Floats


class Diarizer(Backend, Protocol):
    """What tells speakers apart."""


@runtime_checkable
class Embedder(Diarizer, Protocol):
    """Tells voices by vectors, so that a voice is known again in another programme."""

    scale: ClassVar[Scale]

    def embed(self, audio: Floats) -> Embedding:
        """The voice in a sound in which one person speaks. Called from several threads.

        Args:
            audio: float32 [n], mono, 16 kHz, full scale 1.0.

        Raises:
            LocError: it failed.
        """
        ...


@runtime_checkable
class TurnFinder(Diarizer, Protocol):
    """Hears a whole programme, and says who speaks when, at the same time too."""

    def turns(self, file: Path, least: int, most: int) -> tuple[Turn, ...]:
        """The turns of a programme, in order of their beginnings.

        Args:
            file: WAV, mono, 16 kHz.
            least: at least this many speakers.
            most: at most this many.

        Raises:
            LocError: it failed.
        """
        ...
