"""SyncNet v2, the evaluator (Chung and Zisserman, "Out of time", 2016): what goes in, what is read off it.

Two towers put five pictures of a face and the 200 ms of sound under them into one space of 1024 dimensions.
The distance of the two, averaged over a clip for every shift of the sound of up to `MAX_SHIFT` frames, has a
valley at the shift at which they belong together. How deep it is, is the confidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loc.analysis.sync.mfcc import COEFFICIENTS, RATE

if TYPE_CHECKING:
    from loc.analysis.sync.nets import SyncNet

Floats32 = npt.NDArray[np.float32]

FPS = 25
"""Pictures per second that the network was trained at."""
WINDOW = 5
"""Pictures in a window."""
SIDE = 224
"""Pixels of the square pictures."""
SOUND_PER_FRAME, SOUND_WINDOW = 4, 20
"""Steps of the cepstrum (10 ms each) per picture, and under one window."""
MAX_SHIFT = 15
"""Frames either way."""
EMBEDDING = 1024
"""Numbers that either tower makes of a window."""
DISTANCE_EPSILON = 1e-6
"""Added to every difference before it is squared."""


def windows(pictures: int, samples: int) -> int:
    """How many windows are compared: the last few frames are left out, as the published evaluator does.

    Args:
        pictures: how many, 25 per second.
        samples: of sound at 16 kHz.
    """
    return max(0, min(pictures, samples * FPS // RATE) - WINDOW)


def sound_windows(cepstrum: npt.NDArray[np.float64], count: int) -> Floats32:
    """The sound of each window, float32 [count, 1, 13, 20].

    Args:
        cepstrum: float64 [frames, 13] of `mfcc`, at least `4 * count + 16` of them.
        count: of windows.
    """
    if not count:
        return np.zeros((0, 1, COEFFICIENTS, SOUND_WINDOW), dtype=np.float32)
    at = np.lib.stride_tricks.sliding_window_view(cepstrum, SOUND_WINDOW, axis=0)
    return np.ascontiguousarray(at[: SOUND_PER_FRAME * count : SOUND_PER_FRAME][:, None], dtype=np.float32)


def picture_windows(pictures: Sequence[npt.NDArray[np.uint8]]) -> Floats32:
    """Windows of five pictures each, float32 [len(pictures) - 4, 3, 5, 224, 224].

    Args:
        pictures: at least five, uint8 [224, 224, 3] BGR.
    """
    stack = np.stack(pictures).transpose(3, 0, 1, 2)
    seen = np.lib.stride_tricks.sliding_window_view(stack, WINDOW, axis=1)
    return np.ascontiguousarray(seen.transpose(1, 0, 4, 2, 3), dtype=np.float32)


@dataclass(frozen=True)
class Reading:
    """What the distances of a clip say.

    Args:
        mean: float64 [2 * shift + 1], the mean distance at each shift of the sound, from the most to the
            least that it is taken early.
        offset: frames; positive where the sound is ahead of the picture, and has to be delayed.
        distance: the least mean distance ("LSE-D").
        confidence: by how much the least lies under the median ("LSE-C").
        windows: how many were compared.
    """

    mean: npt.NDArray[np.float64]
    offset: int
    distance: float
    confidence: float
    windows: int


def distances(lips: Floats32, sound: Floats32, shift: int = MAX_SHIFT) -> npt.NDArray[np.float32]:
    """Distance of every window's lips from the sound at every shift, float32 [n, 2 * shift + 1].

    Beyond the ends the sound is taken for zeros, as the published evaluator does.

    Args:
        lips, sound: float32 [n, 1024].
        shift: frames either way.
    """
    padded = np.pad(sound, ((shift, shift), (0, 0)))
    found = [
        np.linalg.norm(lips - padded[step : step + len(lips)] + np.float32(DISTANCE_EPSILON), axis=1)
        for step in range(2 * shift + 1)
    ]
    return np.asarray(np.stack(found, axis=1), dtype=np.float32)


def read(found: npt.NDArray[np.float32]) -> Reading:
    """What distances [n, 2 * shift + 1] of at least one window say."""
    mean = found.astype(np.float64).mean(axis=0)
    least = int(mean.argmin())
    return Reading(
        mean=mean,
        offset=len(mean) // 2 - least,
        distance=float(mean[least]),
        confidence=float(np.median(mean) - mean[least]),
        windows=len(found),
    )


def embed(
    network: SyncNet,
    pictures: Iterator[npt.NDArray[np.uint8]],
    cepstrum: npt.NDArray[np.float64],
    count: int,
    batch: int,
) -> tuple[Floats32, Floats32]:
    """Both towers' outputs for a clip's windows, float32 [count, 1024] each: of lips, of sound.

    Pictures are read as a stream; `batch` windows are held at a time.

    Args:
        network: in evaluation mode, on its device.
        pictures: uint8 [224, 224, 3] BGR, 25 per second, at least `count + 4`.
        cepstrum: float64 [frames, 13].
        count: of windows.
        batch: windows per call of the network; no result depends on it beyond rounding.
    """
    import torch

    device = next(network.parameters()).device
    heard, seen = sound_windows(cepstrum, count), []
    with torch.inference_mode():
        held: list[npt.NDArray[np.uint8]] = []
        left = count
        while left:
            wanted = min(batch, left)
            while len(held) < wanted + WINDOW - 1:
                held.append(next(pictures))
            inputs = torch.from_numpy(picture_windows(held[: wanted + WINDOW - 1])).to(device)
            seen.append(network.lips(inputs).float().cpu().numpy())
            held, left = held[wanted:], left - wanted
        said = [
            network.sound(torch.from_numpy(heard[at : at + batch]).to(device)).float().cpu().numpy()
            for at in range(0, count, batch)
        ]
    empty = np.zeros((0, EMBEDDING), dtype=np.float32)
    return np.concatenate([empty, *seen]), np.concatenate([empty, *said])
