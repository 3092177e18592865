"""Sounds on the clock of a programme whose picture is slowed in places.

Actions `retime.stretch` (a slowed stretch of a sound, made as long as its picture; pitch kept) and
`retime.block` (a block of the programme's sound: stretches, and what lies between them, which is copied).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE, Ref, Sound
from loc.media import ffmpeg, tempo
from loc.media.retiming import Clock, Piece
from loc.media.sound import decode_flac, encode_flac, read_sound, slice_key
from loc.runner import Action, Make, Out
from loc.stage import Context

JOINT = SAMPLE_RATE // 100
"""Samples on each side of a change of speed over which one sound gives way to the other: 10 ms, in which they
are apart by 2 ms at most."""


@dataclass(frozen=True)
class _Part:
    """A piece of the clock with its sound: the source's own where `stretch` is None."""

    piece: Piece
    stretch: Ref | None


def retimed(context: Context, stage: str, name: str, sound: Sound, clock: Clock) -> Sound:
    """A sound of the source as the programme needs it; blocks before the first slowed stretch stay the
    source's own objects.

    Args:
        name: what people are told the sound is called.
    """
    slowed = [piece for piece in clock.pieces if piece.is_slowed]
    if not slowed:
        return sound
    work = [_stretch(context, stage, f"{name}, stretch {n}", sound, one) for n, one in enumerate(slowed, 1)]
    made = context.runner.map(work, parallel=True)
    stretches = {one: item.ref("stretch") for one, item in zip(slowed, made, strict=True)}
    parts = [_Part(piece, stretches.get(piece)) for piece in clock.pieces]
    first = (slowed[0].shown - JOINT) // BLOCK_SAMPLES
    starts = range(max(0, first) * BLOCK_SAMPLES, clock.samples, BLOCK_SAMPLES)
    blocks = context.runner.map(
        [
            _block(context, stage, name, sound, parts, start, min(start + BLOCK_SAMPLES, clock.samples))
            for start in starts
        ],
        parallel=True,
    )
    kept = sound.blocks[: max(0, first)]
    return Sound(
        channels=sound.channels,
        samples=clock.samples,
        blocks=(*kept, *(block.ref("audio") for block in blocks)),
    )


def _stretch(context: Context, stage: str, unit: str, sound: Sound, piece: Piece) -> tuple[Action, Make]:
    """Make a slowed stretch as long as its picture, and a joint longer on both sides.

    Reads: the sound of the stretch, and 0.1 s on both sides.
    Leaves out: where it lies; which sound it is.
    """
    longer = piece.until - piece.shown
    low, high = piece.start - tempo.MARGIN - JOINT, piece.stop + tempo.MARGIN + JOINT
    factor = longer / (piece.stop - piece.start)
    length = round((piece.stop - piece.start + 2 * JOINT) * factor)
    program = context.settings.ffmpeg

    def make(out: Out) -> None:
        audio = read_sound(context.store, sound, low, high)
        slow = tempo.stretched(audio, length, program, voice=False)
        first = round(JOINT * factor) - JOINT
        out.bytes("stretch", encode_flac(slow[first : first + longer + 2 * JOINT]))

    action = Action(
        name="retime.stretch",
        version=1,
        site=context.site(stage, unit),
        inputs={"sound": slice_key(sound, low, high)},
        params={"samples": longer, "before": max(0, -low), "after": max(0, high - sound.samples)},
        programs={"ffmpeg": ffmpeg.fingerprint(program)},
    )
    return action, make


def _block(
    context: Context, stage: str, name: str, sound: Sound, parts: Sequence[_Part], start: int, stop: int
) -> tuple[Action, Make]:
    """Put one block of the programme's sound together.

    Reads: the stretches and the sound between them that lie in the block, or a joint (10 ms) from it.
    Leaves out: where the block lies; which sound it is.
    """
    inside = [part for part in parts if part.piece.shown < stop + JOINT and part.piece.until > start - JOINT]

    def make(out: Out) -> None:
        mixed = np.zeros((stop - start, sound.channels), dtype=np.float32)
        for part in inside:
            low, high = _span(part.piece, start, stop)
            if part.stretch is None:
                offset = part.piece.start - part.piece.shown
                audio = read_sound(context.store, sound, low + offset, high + offset)
            else:
                at = part.piece.shown - JOINT
                audio = decode_flac(context.store.read_bytes(part.stretch))[low - at : high - at]
            mixed[low - start : high - start] += audio * _share(part.piece, parts, low, high)[:, None]
        out.bytes("audio", encode_flac(mixed))

    action = Action(
        name="retime.block",
        version=1,
        site=context.site(stage, f"{name}, block {start // BLOCK_SAMPLES + 1}"),
        inputs={"parts": [_part_key(sound, part, start, stop) for part in inside]},
        params={"samples": stop - start, "channels": sound.channels},
    )
    return action, make


def _span(piece: Piece, start: int, stop: int) -> tuple[int, int]:
    """The part of a block, in samples of the programme, in which a piece is heard, joints included."""
    return max(start, piece.shown - JOINT), min(stop, piece.until + JOINT)


def _part_key(sound: Sound, part: _Part, start: int, stop: int) -> dict[str, object]:
    low, high = _span(part.piece, start, stop)
    offset = part.piece.start - part.piece.shown
    heard = slice_key(sound, low + offset, high + offset) if part.stretch is None else part.stretch
    return {"sound": heard, "from": part.piece.shown - start, "until": part.piece.until - start}


def _share(piece: Piece, parts: Sequence[_Part], low: int, high: int) -> npt.NDArray[np.float32]:
    """How much of a piece is heard, float32 [high - low]: 1 but for its joints, where neighbours add up to 1.
    The programme's own ends are no joints."""
    at = np.arange(low, high) + 0.5
    share = np.ones(len(at)) if piece is parts[0].piece else _risen(at - piece.shown)
    if piece is not parts[-1].piece:
        share -= _risen(at - piece.until)
    return share.astype(np.float32)


def _risen(at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """0 before a joint, 1 behind it."""
    return np.clip(at / (2 * JOINT) + 0.5, 0, 1)
