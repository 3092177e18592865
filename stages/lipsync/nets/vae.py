"""The VAE of Stable Diffusion as mouth renderers use it: pictures to latents an eighth their size, and back.

Weights: sd-vae-ft-mse, or any AutoencoderKL with its own config. Latents are the mode of the encoder's
distribution, so that the same picture always gives the same latents; upstream's scripts draw a sample.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import diffusers
import torch
from torch import Tensor

from loc.errors import MissingError

SCALING = 0.18215
"""Latents over the encoder's output, where the config does not say: the published file's does not."""

_OLD_NAMES = (
    (re.compile(r"(\.attentions\.\d+)\.query\."), r"\1.to_q."),
    (re.compile(r"(\.attentions\.\d+)\.key\."), r"\1.to_k."),
    (re.compile(r"(\.attentions\.\d+)\.value\."), r"\1.to_v."),
    (re.compile(r"(\.attentions\.\d+)\.proj_attn\."), r"\1.to_out.0."),
)


def current_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with the names that diffusers has today; the published file still has those before."""
    renamed = {}
    for key, value in state.items():
        name = key
        for pattern, new in _OLD_NAMES:
            name = pattern.sub(new, name)
        # Before they were linear layers the projections were convolutions of one pixel.
        if name != key and value.ndim == 4:
            value = value[:, :, 0, 0]  # noqa: PLW2901
        renamed[name] = value
    return renamed


def autoencoder(config: Mapping[str, Any]) -> Any:
    """The `AutoencoderKL` of a `config.json`; nothing is loaded into it.

    Raises:
        MissingError: the config is not one of an AutoencoderKL.
    """
    try:
        make: Any = diffusers.AutoencoderKL
        return make(**{key: value for key, value in config.items() if not key.startswith("_")})
    except (TypeError, ValueError, ArithmeticError) as error:
        raise MissingError("The VAE's config.json cannot be used.", why=str(error)) from error


def parts(net: Any) -> tuple[torch.nn.Module, ...]:
    """The modules of an `AutoencoderKL` that compute one after the other, each as a whole."""
    every = (net.encoder, net.quant_conv, net.post_quant_conv, net.decoder)
    return tuple(part for part in every if part is not None)


class Vae:
    """Encodes and decodes batches.

    Args:
        net: an `AutoencoderKL`, loaded, in evaluation mode.
        device: where it computes; None: where its weights lie.
    """

    def __init__(self, net: Any, device: torch.device | None = None) -> None:
        self._net = net
        self._device = device
        self.scaling = float(net.config.get("scaling_factor") or SCALING)
        self.shift = float(net.config.get("shift_factor") or 0.0)

    @property
    def device(self) -> torch.device:
        where: torch.device = self._device or next(self._net.parameters()).device
        return where

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = next(self._net.parameters()).dtype
        return dtype

    @torch.no_grad()
    def encode(self, pictures: Tensor, noise: Tensor | None = None) -> Tensor:
        """Scaled latents, [batch, 4, height / 8, width / 8].

        Args:
            pictures: [batch, 3, height, width] RGB, -1..1.
            noise: normal draws of the latents' shape, for a sample in place of the mode.
        """
        spread = self._net.encode(pictures.to(self.device, self.dtype)).latent_dist
        latents: Tensor = spread.mean
        if noise is not None:
            latents = latents + spread.std * noise.to(self.device, self.dtype)
        return self.scaling * (latents - self.shift)

    @torch.no_grad()
    def deviation(self, pictures: Tensor) -> Tensor:
        """The unscaled standard deviation of the latents."""
        std: Tensor = self._net.encode(pictures.to(self.device, self.dtype)).latent_dist.std
        return std

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures, [batch, 3, 8 * height, 8 * width] RGB, about -1..1, not clamped."""
        scaled = latents.to(self.device, self.dtype) / self.scaling + self.shift
        decoded: Tensor = self._net.decode(scaled).sample
        return decoded
