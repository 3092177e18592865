"""When lips must touch, at single samples; `loc` asks it of the frames of a picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loc.analysis.phones import _closures, visemes
from loc.artifacts import SAMPLE_RATE, Phones


def closed_at(phones: Phones, at_samples: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether the lips must touch at given samples (as in `mouth_curve`, lead included); bool [n]."""
    return _closures(visemes(phones), np.asarray(at_samples) / SAMPLE_RATE)
