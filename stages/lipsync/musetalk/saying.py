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
from stages.lipsync.musetalk.smoothing import PIXEL_CUTOFF, PIXEL_RISE, OneEuro
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
    heard, baked = window.heard, Baked(window.prepared)
    assert heard is not None, "it hears"
    numbers = [baked.face(window.offset + index) for index in range(len(heard.middles))]
    there = [number for number in numbers if number is not None]
    if len(there) < len(numbers):
        raise LocError("A face is too small or has left the picture.")
    meter = window.meter
    with nets.computing(meter):
        rows = nets.hear(heard.sound)
    table = rows_at(heard.middles, HEARD_RATE, knobs.audio_padding_left, knobs.audio_padding_right)
    gaps = np.maximum(np.diff(heard.middles), 1) / HEARD_RATE
    passing = OneEuro(PIXEL_CUTOFF, PIXEL_RISE) if knobs.smoothing else None

    def drawn() -> Iterator[npt.NDArray[np.uint8]]:
        for start in range(0, len(there), batch):
            some = slice(start, start + batch)
            tokens = model.tokens_of(rows, table[some])
            yield from said(nets, baked.latents(there[some]), tokens, batch, devices, meter)

    with Ahead(drawn(), AHEAD * batch) as faces:
        for index, pixels in enumerate(faces):
            shown = pixels
            if passing is not None:
                gap = float(gaps[index - 1]) if index else 1.0
                shown = np.rint(255 * passing(pixels / 255, gap)).astype(np.uint8)
            yield drawing.patch(baked.place(there[index]), shown, knobs)


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
