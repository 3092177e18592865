"""Seeded weights and inputs for parity: functions of name, shape and seed alone.

The streams are those of NumPy's default generator, seeded with the CRC-32 of "SEED:NAME", so that a set of
numbers needs no stored weights. Pictures and sound are made in whole numbers and are the same bit for bit
anywhere.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PIECE = 800
"""Samples of one piece of made-up sound: 50 ms at 16 kHz."""


def _stream(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{seed}:{name}".encode()))


def is_fixed(key: str) -> bool:
    """Whether a tensor is a table that the module computes: sinusoids, indices."""
    last = key.split(".")[-1]
    return last in ("pe", "positional_embedding", "position_ids") or key.endswith("embed_positions.weight")


def weight(key: str, shape: Sequence[int], seed: int, gain: float = 1.0) -> Array:
    """One tensor of a state dict.

    Counters are 0; variances lie in 0.75..1.25; gains lie round 1 with deviation 0.1; biases and means
    round 0 with 0.05; all others have the deviation 1 / sqrt(fan-in), times `gain` in convolutions.
    """
    last = key.split(".")[-1]
    shape = tuple(shape)
    if last == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    stream = _stream(key, seed)
    if last == "running_var":
        return np.asarray(0.75 + 0.5 * stream.random(shape), np.float32)
    noise = stream.standard_normal(shape)
    flat = len(shape) < 2
    if last in ("g", "gamma", "scale") or (flat and last == "weight"):
        return np.asarray(1.0 + 0.1 * noise, np.float32)
    if flat or last == "beta":
        return np.asarray(0.05 * noise, np.float32)
    deviation = (gain if len(shape) > 2 else 1.0) / math.sqrt(max(1, math.prod(shape[1:])))
    return np.asarray(deviation * noise, np.float32)


def inputs(name: str, shape: Sequence[int], seed: int) -> Array:
    """Standard normal float32."""
    return _stream(f"input/{name}", seed).standard_normal(tuple(shape)).astype(np.float32)


def uniform(name: str, shape: Sequence[int], seed: int) -> Array:
    """Float32, 0 up to 1."""
    return _stream(f"uniform/{name}", seed).random(tuple(shape)).astype(np.float32)


def image_bytes(name: str, shape: Sequence[int], seed: int) -> Array:
    """Uint8 noise."""
    return _stream(f"bytes/{name}", seed).integers(0, 256, tuple(shape), dtype=np.uint8)


def picture(name: str, height: int, width: int, seed: int, channels: int = 3, cell: int = 24) -> Array:
    """A smooth picture, uint8 [height, width, channels]: random values every `cell` pixels, interpolated."""
    knots = _stream(f"picture/{name}", seed).integers(
        0, 256, (height // cell + 2, width // cell + 2, channels), dtype=np.int64
    )
    (row, down), (column, across) = np.divmod(np.arange(height), cell), np.divmod(np.arange(width), cell)
    down, across = down[:, None, None], across[None, :, None]
    upper = knots[row][:, column] * (cell - across) + knots[row][:, column + 1] * across
    lower = knots[row + 1][:, column] * (cell - across) + knots[row + 1][:, column + 1] * across
    total = upper * (cell - down) + lower * down
    return np.asarray((total + cell * cell // 2) // (cell * cell), np.uint8)


def clip(name: str, count: int, height: int, width: int, seed: int, cell: int = 24) -> Array:
    """Unrelated pictures, uint8 [count, height, width, 3]."""
    return np.stack([picture(f"{name}/{index}", height, width, seed, 3, cell) for index in range(count)])


def speech(name: str, samples: int, seed: int) -> Array:
    """Sound, int16 [samples] at 16 kHz: triangle waves with hiss, about a fifth of the pieces silent."""
    stream = _stream(f"speech/{name}", seed)
    out = np.zeros(samples, np.int64)
    for first in range(0, samples, PIECE):
        count = min(PIECE, samples - first)
        period, loud = int(stream.integers(50, 220)), int(stream.integers(500, 9000))
        silent = int(stream.integers(0, 5)) == 0
        hiss = stream.integers(-200, 201, PIECE)[:count]
        if not silent:
            phase = np.arange(first, first + count) % period
            wave = loud * (4 * np.abs(phase - period // 2) - period) // period
            out[first : first + count] = wave + hiss
    return np.asarray(np.clip(out, -32768, 32767), np.int16)


def made(kind: str, name: str, shape: Sequence[int], seed: int, cell: int) -> Array:
    """An input as the JSON of a set describes it: how it is filled, its name and its shape."""
    if kind == "picture":
        return picture(name, shape[0], shape[1], seed, shape[2] if len(shape) > 2 else 3, cell)
    if kind == "clip":
        return clip(name, shape[0], shape[1], shape[2], seed, cell)
    if kind == "speech":
        return speech(name, shape[0], seed)
    return {"inputs": inputs, "uniform": uniform, "bytes": image_bytes}[kind](name, shape, seed)


def subset(values: Array, spec: Sequence[Sequence[int]]) -> Array:
    """A sample of an array: start, stop and step along each of its leading axes."""
    return values[tuple(slice(*axis) for axis in spec)]


def checksum(values: Array) -> int:
    """CRC-32 of the little-endian bytes."""
    plain = np.ascontiguousarray(values)
    return zlib.crc32(plain.astype(plain.dtype.newbyteorder("<")).tobytes())
