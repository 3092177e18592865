"""What the dub lies over: the background, and the voices that stay as they were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE, Kept, Ref, Sound, Stems
from loc.media.sound import encode_flac, read_sound, slice_key
from loc.runner import Action, Make, Out
from loc.stage import Context

FADE = SAMPLE_RATE // 50
"""Samples over which a voice comes in and goes, inside what is kept: 20 ms make no click."""


def bed(context: Context, stems: Stems, kept: Sequence[Kept]) -> Sound | None:
    """The background with the parted voice put back where it is kept. A block in which none is stays the
    background's own object."""
    if stems.background is None or stems.speech is None or not kept:
        return stems.background
    speech, background = stems.speech, stems.background
    blocks = list(background.blocks)
    touched: list[int] = []
    work: list[tuple[Action, Make]] = []
    for index in range(len(blocks)):
        start = index * BLOCK_SAMPLES
        stop = min(start + BLOCK_SAMPLES, background.samples)
        own = [
            (max(item.start - start, -FADE), min(item.stop - start, stop - start + FADE))
            for item in kept
            if item.start < stop and item.stop > start
        ]
        if own:
            touched.append(index)
            work.append(_restore(context, speech, background, start, stop, own))
    for index, made in zip(touched, context.runner.map(work, parallel=True), strict=True):
        blocks[index] = made.ref("bed")
    return background.model_copy(update={"blocks": tuple[Ref, ...](blocks)})


def gate(length: int, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[np.float32]:
    """How much of the voice is put back, float32 [length], 0..1. Ranges that begin before the first sample or
    end after the last go on there."""
    at = np.arange(length, dtype=np.float32)
    opened = np.zeros(length, dtype=np.float32)
    for start, stop in ranges:
        rise, fall = (at - start + 1) / FADE, (stop - at) / FADE
        opened = np.maximum(opened, np.clip(np.minimum(rise, fall), 0, 1).astype(np.float32))
    return opened


def _restore(
    context: Context,
    speech: Sound,
    background: Sound,
    start: int,
    stop: int,
    own: Sequence[tuple[int, int]],
) -> tuple[Action, Make]:
    """Put voices back into one block.

    Reads: speech and background of the block, and which ranges of it are kept.
    Leaves out: why they are; the lines and the language.
    """

    def make(out: Out) -> None:
        voice = read_sound(context.store, speech, start, stop) * gate(stop - start, own)[:, None]
        out.bytes("bed", encode_flac(read_sound(context.store, background, start, stop) + voice))

    action = Action(
        name="dub.bed",
        version=1,
        site=context.site("dub", f"block {start // BLOCK_SAMPLES + 1}"),
        inputs={
            "speech": slice_key(speech, start, stop),
            "background": slice_key(background, start, stop),
            "kept": [list(item) for item in own],
        },
    )
    return action, make
