"""What each picture hears: ten rows of the encoder's features, 0.1 s before it and 0.1 s after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Rows = npt.NDArray[np.int64]

ROW = 320
"""Samples of a row, at 16 kHz."""
BEFORE, AFTER = 4, 6
"""Rows: two pictures at 25 per second before, the picture's own two, and two pictures after."""


def rows_heard(places: Rows, total: int) -> Rows:
    """Numbers of the rows that pictures hear, int64 [n, 10]. Beyond either end its last row stands.

    Args:
        places: int64 [n], the row that begins with each picture.
        total: how many rows there are.
    """
    return np.clip(places[:, None] + np.arange(-BEFORE, AFTER), 0, total - 1)


def tokens(features: Tensor, rows: Rows) -> Tensor:
    """The tokens of pictures, [n, 10 * states, width]: row by row, in each the encoder's states from first to
    last.

    Args:
        features: [total, states, width].
        rows: int64 [n, 10].
    """
    import torch

    return features[torch.from_numpy(rows).to(features.device)].flatten(1, 2)
