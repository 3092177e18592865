"""One redraw by MuseTalk: baked faces and sound to patches, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loc.device import Devices
from loc.errors import LocError
from stages.lipsync.contract import HEARD_RATE, Meter, Patch, RedrawWindow
from stages.lipsync.musetalk import drawing, model
from stages.lipsync.musetalk.ahead import Ahead
from stages.lipsync.musetalk.baking import Baked
from stages.lipsync.musetalk.knobs import Knobs
from stages.lipsync.musetalk.smoothing import SteadyPixels
from stages.lipsync.nets.rows import rows_at

AHEAD = 2
"""Batches that are drawn while an earlier one is matched and coded."""


def patches(
    nets: model.Model, window: RedrawWindow, knobs: Knobs, batch: int, devices: Devices
) -> Iterator[Patch]:
    """Every frame of a redraw, drawn from what was baked of its cut.

    The next batches are drawn while one is taken.

    Raises:
        LocError: a face has left the picture.
    """
    heard = window.heard
    assert heard is not None, "it hears"
    faces, lead = _faces(window, len(heard.middles))
    middles = heard.middles[-len(faces) :]
    meter = window.meter
    with nets.computing(meter):
        rows = nets.hear(heard.sound)
    table = rows_at(middles, HEARD_RATE, knobs.audio_padding_left, knobs.audio_padding_right)
    gaps = np.maximum(np.diff(middles, prepend=0), 1) / HEARD_RATE
    steady = SteadyPixels() if knobs.smoothing else None

    def drawn() -> Iterator[npt.NDArray[np.uint8]]:
        for start in range(0, len(faces), batch):
            some = slice(start, start + batch)
            tokens = model.tokens_of(rows, table[some])
            latents = np.concatenate([one.latents([number]) for one, number in faces[some]])
            yield from said(nets, latents, tokens, batch, devices, meter)

    with Ahead(drawn(), AHEAD * batch) as made:
        for index, pixels in enumerate(made):
            shown = pixels if steady is None else steady(pixels, float(gaps[index]))
            if index >= lead:
                held, number = faces[index]
                yield drawing.patch(held.place(number), shown, knobs)


def _faces(window: RedrawWindow, frames: int) -> tuple[list[tuple[Baked, int]], int]:
    """(where the face of each frame lies, how many of them are before those to be drawn).

    Of frames before they are those after the last one that shows no face.

    Args:
        frames: of the window.

    Raises:
        LocError: one of those to be drawn shows no face.
    """
    lead = window.drawn.start - window.first_frame
    baked = Baked(window.prepared)
    own = [baked.face(window.offset + index) for index in range(frames - lead)]
    there = [(baked, number) for number in own if number is not None]
    if len(there) < len(own):
        raise LocError("A face is too small or has left the picture.")
    if not lead:
        return there, 0
    before = Baked(window.before)
    run_in: list[tuple[Baked, int]] = []
    for index in range(len(before) - lead, len(before)):
        number = before.face(index)
        run_in = [] if number is None else [*run_in, (before, number)]
    return [*run_in, *there], len(run_in)


def said(
    nets: model.Model,
    latents: npt.NDArray[np.floating[Any]],
    tokens: Tensor,
    batch: int,
    devices: Devices,
    meter: Meter | None = None,
) -> model.Faces:
    """Faces that say what is heard, `batch` at a time and in halves of it where memory ends.

    Args:
        latents: [n, 8, ...], as `model.Model.see` gives them.
        tokens: [n, ...], as `model.tokens_of` gives them.
        meter: that counts the device's time.
    """
    return devices.halving("MuseTalk", batch, partial(_said, nets, latents, tokens, meter))


def _said(
    nets: model.Model,
    latents: npt.NDArray[np.floating[Any]],
    tokens: Tensor,
    meter: Meter | None,
    size: int,
) -> model.Faces:
    parts = []
    for start in range(0, len(latents), size):
        with nets.computing(meter):
            seen = torch.from_numpy(np.ascontiguousarray(latents[start : start + size])).to(nets.device)
            parts.append(nets.draw(seen, tokens[start : start + size]))
    return np.concatenate(parts)
