"""`Sound` artifacts: long PCM in fixed FLAC blocks, written and read piece by piece.

Arrays are float32 [samples, channels], full scale = 1.0, 48 kHz.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE, Ref, Sound
from loc.store.workdir import WorkDir

Samples = npt.NDArray[np.float32]

_PCM24 = float(1 << 23)


def quantise(audio: Samples) -> npt.NDArray[np.int32]:
    """Round to 24 bits in the upper bits of int32, clipping at full scale: what a FLAC block stores."""
    # In place: each copy of a block of stereo would be 23 MB, of which two threads hold some at once.
    scaled: npt.NDArray[np.float64] = np.multiply(audio, _PCM24, dtype=np.float64)
    np.rint(scaled, out=scaled)
    np.clip(scaled, -_PCM24, _PCM24 - 1, out=scaled)
    levels = scaled.astype(np.int32)
    levels <<= 8
    return levels


def encode_flac(audio: Samples, sample_rate: int = SAMPLE_RATE) -> bytes:
    """One FLAC file, 24 bits, of float32 [n] or [n, channels]."""
    buffer = io.BytesIO()
    soundfile.write(buffer, quantise(audio), sample_rate, format="FLAC", subtype="PCM_24")
    return buffer.getvalue()


def decode_flac(data: bytes) -> Samples:
    """float32 [n, channels] of a FLAC file."""
    audio, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.asarray(audio, dtype=np.float32)


def store_sound(store: WorkDir, pieces: Iterable[Samples], channels: int) -> Sound:
    """Store a stream of pieces of any length as blocks; holds at most a block and a piece in memory."""
    blocks: list[Ref] = []
    pending: list[Samples] = []
    held = 0
    total = 0
    for piece in pieces:
        pending.append(piece)
        held += len(piece)
        total += len(piece)
        while held >= BLOCK_SAMPLES:
            joined = np.concatenate(pending)
            blocks.append(store.put_bytes(encode_flac(joined[:BLOCK_SAMPLES])))
            pending = [joined[BLOCK_SAMPLES:]]
            held -= BLOCK_SAMPLES
    if held:
        blocks.append(store.put_bytes(encode_flac(np.concatenate(pending))))
    return Sound(channels=channels, samples=total, blocks=tuple(blocks))


def slice_key(sound: Sound, start: int, stop: int) -> dict[str, Any]:
    """How a range of a sound stands in an action's inputs: the blocks it touches and the place in them.

    Independent of where the range lies in the programme except for its place inside its first block.
    """
    start, stop = max(0, start), min(stop, sound.samples)
    if start >= stop:
        return {"blocks": [], "start": 0, "samples": 0}
    first, last = start // BLOCK_SAMPLES, (stop - 1) // BLOCK_SAMPLES
    return {
        "blocks": [block.sha256 for block in sound.blocks[first : last + 1]],
        "start": start - first * BLOCK_SAMPLES,
        "samples": stop - start,
    }


def read_sound(store: WorkDir, sound: Sound, start: int = 0, stop: int | None = None) -> Samples:
    """Samples `start` <= i < `stop`, zero outside the sound; float32 [stop - start, channels]."""
    stop = sound.samples if stop is None else stop
    out = np.zeros((max(0, stop - start), sound.channels), dtype=np.float32)
    low, high = max(0, start), min(stop, sound.samples)
    position = low
    while position < high:
        index = position // BLOCK_SAMPLES
        offset = position - index * BLOCK_SAMPLES
        count = min(high - position, BLOCK_SAMPLES - offset)
        with soundfile.SoundFile(store.open_object(sound.blocks[index])) as stream:
            stream.seek(offset)
            stream.read(count, out=out[position - start : position - start + count])
        position += count
    return out


def in_parts(store: WorkDir, block: Ref, samples: int) -> Iterator[Samples]:
    """A block in parts of `samples`, the last one shorter: for who need not hold all of it."""
    with soundfile.SoundFile(store.open_object(block)) as stream:
        yield from stream.blocks(samples, dtype="float32", always_2d=True)


def iter_blocks(store: WorkDir, sound: Sound) -> Iterator[Samples]:
    """The blocks one after the other."""
    for block in sound.blocks:
        yield decode_flac(store.read_bytes(block))
