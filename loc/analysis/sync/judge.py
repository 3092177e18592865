"""The judge of a machine: SyncNet v2, where its weights are on the shelf and the purpose allows them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.backend import package_installed
from loc.policy.licences import Purpose, refusal
from loc.weights.shelf import Shelf, Weights

if TYPE_CHECKING:
    from loc.analysis.sync.nets import SyncNet

ARCHITECTURE = "syncnet"
"""What rows of the table of weights call it."""
BATCH = 20
"""Windows per call of the network."""

_LOADING = threading.Lock()


@dataclass(frozen=True)
class Judge:
    """SyncNet v2 with the weights of a shelf, loaded when it is first asked. It may be asked on threads."""

    weights: Weights

    def fingerprint(self) -> Mapping[str, str]:
        """What shapes its judgement."""
        return {
            **self.weights.fingerprint(),
            "torch": packages.version("torch"),
            "opencv": packages.version("opencv-contrib-python"),
            "scipy": packages.version("scipy"),
        }

    def distances(
        self, pictures: Iterator[npt.NDArray[np.uint8]], count: int, sound: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Distances of every window at every shift, float32 [n, 31]; none where it is too short.

        Args:
            pictures: uint8 [224, 224, 3] BGR, 25 per second.
            count: how many.
            sound: float32 [m], 16 kHz, from the first picture on.
        """
        from loc.analysis.sync import syncnet
        from loc.analysis.sync.mfcc import mfcc

        found = syncnet.windows(count, len(sound))
        if not found:
            return np.zeros((0, 2 * syncnet.MAX_SHIFT + 1), dtype=np.float32)
        levels = np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
        (path,) = self.weights.files.values()
        with _LOADING:
            network = _loaded(path)
        return syncnet.distances(*syncnet.embed(network, pictures, mfcc(levels), found, BATCH))


@cache
def _loaded(path: Path) -> SyncNet:
    from loc.analysis.sync.nets import SyncNet
    from loc.weights.load import load_strict, read_state

    network = SyncNet()
    load_strict(network, read_state(path), path.name)
    return network.eval().requires_grad_(False)


def find_judge(data_dir: Path, purpose: Purpose) -> Judge | None:
    """The judge, or None where there is none, or none that the purpose allows.

    Args:
        data_dir: the data folder.
    """
    if not package_installed("torch"):
        return None
    shelf = Shelf(data_dir)
    rows = sorted(
        (row for row in shelf.rows().values() if row.architecture == ARCHITECTURE),
        key=lambda row: (row.rank, row.id),
    )
    fit = (row for row in rows if refusal(row.licence, purpose) is None and shelf.lacks(row) is None)
    row = next(fit, None)
    return None if row is None else Judge(shelf.find(row.id))
