"""Tiny MuseTalk checkpoints in the layout of the official files, with seeded weights."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from loc.weights.table import published
from stages.lipsync.musetalk.unet import unet
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets.whisper_features import Encoder
from tests.weights.shelving import place, registered

WIDTH, LAYERS, HEADS = 32, 4, 2
"""Of the ear."""
UNET: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 64,
    "in_channels": 8,
    "out_channels": 4,
    # Its upper level sees a thousand places at once: attention is cheap in the lower one.
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [16, 16],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 2,
}
VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [4, 4, 4, 4],
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "latent_channels": 4,
}


def fine_tune(data_dir: Path, weights_id: str, *others: str, file: str = "unet.pth") -> None:
    """Put a tiny UNet on the shelf with other files in its folder, which are of no model."""
    row = registered(weights_id, "musetalk", "musetalk.json", file, *others, title="Tiny", memory_mb=100)
    net = torch_file(unet(UNET).state_dict())
    place(data_dir, row, _named("musetalk.json", UNET), (file, net), *((name, b"other") for name in others))


def torch_file(state: dict[str, torch.Tensor]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _named(name: str, content: dict[str, Any]) -> tuple[str, bytes]:
    return name, json.dumps(content).encode()


def register(data_dir: Path, weights_id: str = "tiny", *, seed: int = 0, old: bool = False) -> None:
    """Put a tiny UNet on the shelf as a user's own fine-tune, and with the first one its VAE and ear."""
    torch.manual_seed(seed)
    file = "pytorch_model.bin" if old else "unet.pth"
    row = registered(weights_id, "musetalk", "musetalk.json", file, title="Tiny", memory_mb=100)
    place(data_dir, row, _named("musetalk.json", UNET), (file, torch_file(unet(UNET).state_dict())))
    if (data_dir / "weights" / "sd-vae-ft-mse").is_dir():
        return
    sight = save(eye.autoencoder(VAE).state_dict())
    place(
        data_dir,
        published()["sd-vae-ft-mse"],
        _named("config.json", VAE),
        ("diffusion_pytorch_model.safetensors", sight),
    )
    ear = Encoder(WIDTH, LAYERS, HEADS, 2 * WIDTH)
    state = {f"model.encoder.{key}": value.contiguous() for key, value in ear.state_dict().items()}
    state["model.decoder.layer_norm.weight"] = torch.ones(WIDTH)
    config = {"encoder_attention_heads": HEADS}
    place(
        data_dir,
        published()["whisper-tiny-hf"],
        _named("config.json", config),
        ("model.safetensors", save(state)),
    )
