"""What MuseTalk must do with a face that is drawn here: `loc models verify --run`.

The upper half of a face is in front of the net, so it comes back as it was; the lower half is hidden, so what
comes there follows the sound. Limits are wide: that a file is of another model, damaged in its numbers, or
computed wrong on a device shows by far more. They follow from what it is trained for, and have not been tried
on the published weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from loc.backend import Tried
from stages.lipsync import known
from stages.lipsync.contract import HEARD_RATE
from stages.lipsync.musetalk import model
from stages.lipsync.nets.rows import rows_at

MOST_LOST = 20.0
"""Levels by which the VAE alone, and the upper half of a drawn face, may be off on the average."""
LEAST_MOVED = 0.5
"""Levels by which the lower half must differ between silence and a vowel."""
KEPT_ROWS = slice(16, 112)
"""Of the upper half: the rows next to the hidden ones are painted to fit."""
FRAME = 12
"""Of a second of sound at 25 a second: in its middle."""


def tried(nets: model.Model) -> Iterator[Tried]:
    """Draw the face, silent and speaking."""
    seen = known.face(model.SIDE)
    latents = nets.see(seen[None])
    again = nets.decode(latents[:, latents.shape[1] // 2 :])[0]
    yield known.under("a drawn face into latents and back", known.apart(again, seen), MOST_LOST)
    middle = np.array([(2 * FRAME + 1) * HEARD_RATE // 50], dtype=np.int64)
    table = rows_at(middle, HEARD_RATE, 2, 2)
    silent, spoken = (
        nets.draw(latents, model.tokens_of(nets.hear(sound), table))[0]
        for sound in (np.zeros(HEARD_RATE, dtype=np.float32), known.vowel())
    )
    kept = known.apart(silent[KEPT_ROWS], seen[KEPT_ROWS])
    yield known.under("the upper half of a face, which is not hidden", kept, MOST_LOST)
    half = model.SIDE // 2
    moved = known.apart(silent[half:], spoken[half:])
    yield Tried(
        "the lower half, silent and with a vowel",
        f"apart by more than {LEAST_MOVED:g} levels",
        f"{moved:.1f} levels",
        moved > LEAST_MOVED,
    )
