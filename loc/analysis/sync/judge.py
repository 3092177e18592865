"""The judges of a machine: networks that tell whether a face says a sound, where their weights are on the
shelf and the purpose allows them. Each has a measure of its own."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.artifacts import Score, ScoreMeasure
from loc.backend import package_installed
from loc.errors import LocError
from loc.policy.licences import Purpose, refusal
from loc.weights.shelf import Shelf, Weights

if TYPE_CHECKING:
    from loc.analysis.sync.nets import SyncNet
    from loc.analysis.sync.stable import StableSyncNet

MAX_SHIFT = 15
"""Frames either way that the sound is shifted."""
FPS = 25
"""Pictures per second that both networks were trained at."""
CONFIG = "config.json"
"""Of a StableSyncNet that a user registered: `{"audio_encoder": {...}, "visual_encoder": {...}}`, as in the
published configuration. The published set has none."""

_LOADING = threading.Lock()

Pictures = Iterator[npt.NDArray[np.uint8]]
Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Judge(ABC):
    """A network with the weights of a shelf, loaded when it is first asked. It may be asked on threads."""

    weights: Weights

    measure: ClassVar[ScoreMeasure]
    architecture: ClassVar[str]
    """What rows of the table of weights call it."""
    looks_at: ClassVar[Literal["square", "aligned"]]
    """The evaluator's square round the face (`crops`), or the face as LatentSync aligns it, at 256 pixels."""
    min_windows: ClassVar[int]
    """Under two seconds chance finds a shift at which anything fits."""
    batch: ClassVar[int]
    """Windows per call of the network."""
    version: ClassVar[str]
    """Of what it makes of pictures and sound; rises where its scores can differ."""

    @property
    def key(self) -> tuple[str, str]:
        """What it is called in keys, and its version."""
        return f"judge/{self.measure}", self.version

    def fingerprint(self) -> Mapping[str, str]:
        """What shapes its judgement."""
        return {
            **self.weights.fingerprint(),
            "torch": packages.version("torch"),
            "opencv": packages.version("opencv-contrib-python"),
            "scipy": packages.version("scipy"),
        }

    @abstractmethod
    def compare(self, pictures: Pictures, count: int, sound: Floats32) -> Floats32:
        """Every window against the sound at every shift, float32 [n, 2 * MAX_SHIFT + 1]; none where it is too
        short.

        Args:
            pictures: uint8, 25 per second, as `looks_at` says.
            count: how many.
            sound: float32 [m], 16 kHz, from the first picture on.
        """

    @abstractmethod
    def read(self, found: Floats32) -> Score:
        """What the windows of a cut, at least one, say together."""

    def score(self, found: Floats32) -> Score:
        """What the windows of a cut say, or that there are too few."""
        if len(found) < self.min_windows:
            why = f"{len(found)} windows are under {self.min_windows}."
            return Score(measure=self.measure, n=len(found), unscored=why)
        return self.read(found)


class SyncNetJudge(Judge):
    """SyncNet v2: distances, of which the least counts."""

    measure = "syncnet"
    architecture = "syncnet"
    looks_at = "square"
    min_windows = 45
    batch = 20
    version = "1"

    def compare(self, pictures: Pictures, count: int, sound: Floats32) -> Floats32:
        """See `Judge.compare`: distances; pictures BGR."""
        from loc.analysis.sync import syncnet
        from loc.analysis.sync.mfcc import mfcc

        found = syncnet.windows(count, len(sound))
        if not found:
            return np.zeros((0, 2 * MAX_SHIFT + 1), dtype=np.float32)
        levels = np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
        (path,) = self.weights.files.values()
        with _LOADING:
            network = _syncnet(path)
        return syncnet.distances(
            *syncnet.embed(network, pictures, mfcc(levels), found, self.batch), MAX_SHIFT
        )

    def read(self, found: Floats32) -> Score:
        """See `Judge.read`."""
        from loc.analysis.sync import syncnet

        said = syncnet.read(found)
        return Score(
            measure=self.measure,
            value=round(said.confidence, 3),
            offset=said.offset,
            offset_ms=round(1000 * said.offset / FPS, 1),
            distance=round(said.distance, 3),
            n=said.windows,
        )


class StableJudge(Judge):
    """StableSyncNet: cosines, of which the largest counts."""

    measure = "stable-syncnet"
    architecture = "stable-syncnet"
    looks_at = "aligned"
    min_windows = 9
    batch = 8
    version = "1"

    def compare(self, pictures: Pictures, count: int, sound: Floats32) -> Floats32:
        """See `Judge.compare`: cosines; pictures RGB."""
        from loc.analysis.sync import stable

        found = stable.windows(count, len(sound))
        if not found:
            return np.zeros((0, 2 * MAX_SHIFT + 1), dtype=np.float32)
        with _LOADING:
            network = _stable(*(self.weights.files.get(name) for name in self._names()))
        return stable.agreements(network, pictures, sound, found, MAX_SHIFT, self.batch)

    def _names(self) -> tuple[str, str]:
        (net,) = (name for name in self.weights.files if name != CONFIG)
        return net, CONFIG

    def read(self, found: Floats32) -> Score:
        """See `Judge.read`."""
        mean = found.astype(np.float64).mean(axis=0)
        best = int(mean.argmax())
        offset = len(mean) // 2 - best
        return Score(
            measure=self.measure,
            value=round(float(mean[best]), 3),
            offset=offset,
            offset_ms=round(1000 * offset / FPS, 1),
            confidence=round(float(mean[best] - np.median(mean)), 3),
            n=len(found),
        )


JUDGES: tuple[type[Judge], ...] = (SyncNetJudge, StableJudge)
"""The one that the field reports first."""


@cache
def _syncnet(path: Path) -> SyncNet:
    from loc.analysis.sync.nets import SyncNet
    from loc.weights.load import load_strict, read_state

    network = SyncNet()
    load_strict(network, read_state(path), path.name)
    return network.eval().requires_grad_(False)


@cache
def _stable(path: Path, config: Path | None) -> StableSyncNet:
    from loc.analysis.sync.stable import AUDIO, VISUAL, StableSyncNet
    from loc.weights.load import load_strict, read_state

    audio, visual = AUDIO, VISUAL
    if config is not None:
        try:
            said = json.loads(config.read_text("utf-8"))
            audio, visual = said["audio_encoder"], said["visual_encoder"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LocError(f"{config} cannot be read.", why=f"{type(error).__name__}: {error}") from error
    network = StableSyncNet(audio, visual)
    load_strict(network, read_state(path), path.name)
    return network.eval().requires_grad_(False)


def find_judges(data_dir: Path, purpose: Purpose) -> tuple[Judge, ...]:
    """The judges that are there and that the purpose allows, at most one of each kind.

    Args:
        data_dir: the data folder.
    """
    if not package_installed("torch"):
        return ()
    shelf = Shelf(data_dir)
    rows = sorted(shelf.rows().values(), key=lambda row: (row.rank, row.id))
    found = []
    for kind in JUDGES:
        own = (row for row in rows if row.architecture == kind.architecture)
        fit = (row for row in own if refusal(row.licence, purpose) is None and shelf.lacks(row) is None)
        row = next(fit, None)
        if row is not None:
            found.append(kind(shelf.find(row.id)))
    return tuple(found)
