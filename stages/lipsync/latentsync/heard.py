"""What each picture hears: ten rows of the encoder's features, 0.1 s before it and 0.1 s after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stages.lipsync.contract import HEARD_RATE
from stages.lipsync.nets.rows import rows_at

if TYPE_CHECKING:
    from torch import Tensor

Rows = npt.NDArray[np.int64]

AROUND = 2
"""Pictures at 25 per second that are heard before a picture's own two rows, and after them."""


def rows_heard(middles: npt.NDArray[np.int64], total: int) -> Rows:
    """Numbers of the rows that pictures hear, int64 [n, 10]. Beyond either end its last row stands.

    Args:
        middles: int64 [n], the sample in the middle of each picture's time on screen, at `HEARD_RATE`.
        total: how many rows there are.
    """
    return np.clip(rows_at(middles, HEARD_RATE, AROUND, AROUND), 0, total - 1)


def tokens(features: Tensor, rows: Rows) -> Tensor:
    """The tokens of pictures, [n, 10 * states, width]: row by row, in each the encoder's states from first to
    last.

    Args:
        features: [total, states, width].
        rows: int64 [n, 10].
    """
    import torch

    return features[torch.from_numpy(rows).to(features.device)].flatten(1, 2)
