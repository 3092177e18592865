"""MuseTalk's UNet: one step from a half-hidden face and 50 tokens of sound to the latents of the face."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import diffusers
import torch
from torch import Tensor

from loc.errors import MissingError

TIMESTEP = 0
"""Nothing is denoised: the net is asked once, for the finished latents."""
BASE = 10_000.0


def unet(config: Mapping[str, Any]) -> Any:
    """The `UNet2DConditionModel` of a `musetalk.json`; nothing is loaded into it.

    Raises:
        MissingError: the config is not one of such a net.
    """
    make: Any = diffusers.UNet2DConditionModel
    try:
        return make(**{key: value for key, value in config.items() if not key.startswith("_")})
    except (TypeError, ValueError, ArithmeticError) as error:
        raise MissingError("musetalk.json cannot be used.", why=str(error)) from error


@cache
def positions(tokens: int, width: int) -> Tensor:
    """What is added to the tokens, float32 [tokens, width]: sine and cosine in turn, of falling rates."""
    rates = torch.exp(torch.arange(0, width, 2) * (-torch.log(torch.tensor(BASE)) / width))
    angles = torch.arange(tokens)[:, None] * rates[None]
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(tokens, width)


@cache
def _positions_there(tokens: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return positions(tokens, width).to(device, dtype)


@torch.no_grad()
def predict(net: Any, latents: Tensor, tokens: Tensor) -> Tensor:
    """Scaled latents of the drawn faces, [batch, 4, height, width].

    Args:
        latents: [batch, 8, height, width]: of the face with its lower half hidden, then of the whole face.
        tokens: [batch, count, width], without positions.
    """
    count, width = tokens.shape[1:]
    placed = tokens + _positions_there(count, width, tokens.device, tokens.dtype)
    # Filled on its device: what is copied to one while its work is recorded spoils the recording.
    step = torch.full((1,), TIMESTEP, device=latents.device)
    drawn: Tensor = net(latents, step, encoder_hidden_states=placed).sample
    return drawn
