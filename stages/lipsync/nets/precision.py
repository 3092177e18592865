"""In which precision nets compute on a device. Imports torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loc.errors import LocError

LEAST_CAPABILITY = 8
"""CUDA compute capability, major, from which nets compute in half precision by themselves: LatentSync's own
script asks for more than 7 (`scripts/inference.py`)."""


def is_half(device: torch.device) -> bool:
    """Whether nets that were published to compute in half precision do so here: on GPUs from Ampere on."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= LEAST_CAPABILITY


def as_numbers(decoded: Tensor) -> npt.NDArray[np.float32]:
    """What a net drew, on the host.

    Raises:
        LocError: not all of it are numbers, as where half precision overflows: as bytes they would be black.
    """
    found = decoded.float().cpu().numpy()
    if not np.isfinite(found).all():
        raise LocError(
            "A mouth renderer drew what are no numbers.",
            why="Its weights are damaged, or they overflow in the precision they compute in.",
            fix="`loc models verify --run` tries its weights; MuseTalk takes --musetalk-precision fp32.",
        )
    return np.asarray(found)
