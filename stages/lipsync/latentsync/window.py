"""One window of pictures through the model: what it is given, and what comes back. Imports torch.

Shapes: f pictures of side r, latents of side h = r / 8.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from stages.lipsync.latentsync import mask
from stages.lipsync.nets.vae import Vae

Draws = tuple[Tensor, Tensor]
"""Normal draws, [f, 4, h, h], for samples of the masked pictures' latents and of the whole ones'."""


def conditions(vae: Vae, squares: npt.NDArray[np.uint8], draws: Draws | None = None) -> Tensor:
    """Mask, latents of the masked pictures and of the whole ones, [1, 9, f, h, h].

    Args:
        vae: on its device.
        squares: uint8 [f, r, r, 3], aligned.
        draws: None: the modes of the latents.
    """
    whole = mask.pixels(squares)
    holed, seen = (
        vae.encode(torch.from_numpy(pictures), None if draws is None else draws[index])
        for index, pictures in enumerate((mask.masked(whole), whole))
    )
    kept = torch.from_numpy(mask.kept_latents(squares.shape[1]).copy()).to(holed.device, holed.dtype)
    stacked = torch.cat([kept.expand(len(holed), 1, -1, -1), holed, seen], dim=1)
    return stacked.transpose(0, 1)[None]


def noise(resolution: int, frames: int, seed: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Where denoising starts, [1, 4, f, h, h]: one picture's noise, the same in all, as published.

    It is drawn on the CPU, so that a device does not change the picture.
    """
    side = resolution // mask.LATENT
    drawn = torch.randn((1, 4, 1, side, side), generator=torch.Generator().manual_seed(seed))
    return drawn.to(device, dtype).expand(-1, -1, frames, -1, -1)


def composed(decoded: Tensor, squares: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Drawn where the mask says, the source elsewhere: float32 [f, 3, r, r], -1..1 or a little beyond.

    Args:
        decoded: [f, 3, r, r].
        squares: uint8 [f, r, r, 3], what was given.
    """
    kept = mask.kept(squares.shape[1])
    drawn = decoded.float().cpu().numpy()
    return np.asarray(drawn * (1 - kept) + mask.pixels(squares) * kept, dtype=np.float32)
