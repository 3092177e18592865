"""From noise to latents: DDIM without noise of its own, with guidance by what is heard.

The schedule is the published one: squares of evenly spaced roots, steps counted from 1, the last of which
ends at the first of the schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

    from stages.lipsync.latentsync.unet import UNet3D

TRAINED_STEPS = 1000
BETAS = 0.00085, 0.012
OFFSET = 1


@dataclass(frozen=True)
class Sampling:
    """How a window is denoised.

    Args:
        steps: how many.
        guidance: how far the noise is taken beyond that of silence, towards that of what is heard; 1 is off.
        reuse: every how many steps the whole network is computed; between them its outermost layer alone,
            on what the last whole step made. 1 computes it always.
    """

    steps: int = 20
    guidance: float = 1.5
    reuse: int = 1


@cache
def kept_signal() -> npt.NDArray[np.float32]:
    """The share of the picture's power that is left at each of the trained steps, float32 [1000]."""
    import torch

    first, last = BETAS
    betas = torch.linspace(first**0.5, last**0.5, TRAINED_STEPS, dtype=torch.float32) ** 2
    return np.asarray(torch.cumprod(1 - betas, dim=0).numpy(), dtype=np.float32)


def timesteps(steps: int) -> list[int]:
    """The trained steps that are visited, from noise to picture."""
    stride = TRAINED_STEPS // steps
    return [index * stride + OFFSET for index in reversed(range(steps))]


def step(latents: Tensor, noise: Tensor, timestep: int, steps: int) -> Tensor:
    """Latents after one step, given the noise found in them."""
    signal = kept_signal()
    now = float(signal[timestep])
    before = timestep - TRAINED_STEPS // steps
    then = float(signal[max(before, 0)])
    clean = (latents - (1 - now) ** 0.5 * noise) / now**0.5
    stepped: Tensor = then**0.5 * clean + (1 - then) ** 0.5 * noise
    return stepped


def denoise(
    unet: UNet3D,
    sampling: Sampling,
    noise: Tensor,
    conditions: Tensor,
    audio: Tensor,
    passes: int | None = None,
) -> Tensor:
    """The latents of some windows, [b, 4, f, h, w].

    Args:
        unet: in evaluation mode.
        noise: [b, 4, f, h, w].
        conditions: what does not change from step to step: mask, latents of the masked and of the whole
            pictures, [b, 9, f, h, w].
        audio: tokens [b, f, n, a].
        passes: windows that go through the network at once, with what is heard and with silence counted each;
            None: all. No result depends on it beyond rounding.
    """
    import torch

    # Silence is no tokens at all: zeros, not the tokens of a silent recording.
    sides = [torch.zeros_like(audio), audio] if sampling.guidance > 1 else [audio]
    heard = torch.split(torch.cat(sides), passes or len(sides) * len(audio))
    deep: list[Tensor | None] = [None] * len(heard)
    latents = noise
    for index, timestep in enumerate(timesteps(sampling.steps)):
        if index % sampling.reuse == 0:
            deep = [None] * len(heard)
        given, found = torch.cat([torch.cat([latents, conditions], dim=1)] * len(sides)), []
        for number, (part, tokens) in enumerate(zip(torch.split(given, len(heard[0])), heard, strict=True)):
            noticed, deep[number] = unet(part, timestep, tokens, deep[number])
            found.append(noticed)
        *silent, said = torch.cat(found).chunk(len(sides))
        guided = silent[0] + sampling.guidance * (said - silent[0]) if silent else said
        latents = step(latents, guided, timestep, sampling.steps)
    return latents
