"""What LatentSync must do with a face that is drawn here: `loc models verify --run`.

A whole mouth takes minutes on a processor, and whether it is a good one cannot be computed. But a network
that removes noise must know it from a face: noise is put over the latents of a drawn face, and what the
network takes for noise is compared with it. One step of one window is enough. Limits are wide, follow from
what it is trained for, and have not been tried on the published weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from loc.backend import Tried
from stages.lipsync import known
from stages.lipsync.contract import HEARD_RATE
from stages.lipsync.latentsync.heard import rows_heard
from stages.lipsync.latentsync.model import Given, Model
from stages.lipsync.nets.whisper_features import ROW

FRAMES = 16
"""Pictures of a window, as it was trained with."""
STEP = 500
"""Of the 1000 trained ones: a fifth to a third of the picture's power is left, so that neither noise nor face
is all there is."""
SEED = 1

MOST_LOST = 20.0
"""Levels by which the VAE alone may be off on the average."""
LEAST_FOUND = 0.8
"""Correlation of the noise that was found with the noise that was there, over the whole window."""
LEAST_HEARD = 1e-3
"""By how much, in shares of its own size, what is found must differ between silence and a vowel."""


def tried(nets: Model) -> Iterator[Tried]:
    """Look at the face through the VAE, then through noise, in silence and with a vowel."""
    seen = known.face(nets.resolution)
    squares = np.repeat(seen[None], FRAMES, axis=0)
    again = np.clip(nets.through_latents(squares[:1])[0].transpose(1, 2, 0) / 2 + 0.5, 0, 1)
    lost = known.apart((again * 255).astype(np.uint8), seen)
    yield known.under("a drawn face into latents and back", lost, MOST_LOST)
    sounds = np.zeros(HEARD_RATE, dtype=np.float32), known.vowel()
    rows = rows_heard((np.arange(FRAMES) * 2 + 5) * ROW, HEARD_RATE // ROW)
    (there, silent), (_, spoken) = (
        nets.noticed(Given(squares, nets.hear(sound), rows), STEP, SEED) for sound in sounds
    )
    alike = float(np.corrcoef(there.ravel(), silent.ravel())[0, 1])
    yield Tried(
        "noise over the face",
        f"found again with a correlation of at least {LEAST_FOUND:g}",
        f"{alike:.2f}",
        alike >= LEAST_FOUND,
    )
    moved = float(np.abs(spoken - silent).mean() / max(1e-12, np.abs(silent).mean()))
    yield Tried(
        "the same with a vowel",
        f"something else by at least {LEAST_HEARD:.1%}",
        f"{moved:.2%}",
        moved >= LEAST_HEARD,
    )
