"""A tiny LatentSync checkpoint in the layout of the official files, with seeded weights."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from loc.weights.table import Row, published
from stages.lipsync.latentsync.model import CONFIG, EAR, UNET
from stages.lipsync.latentsync.unet import UNet3D, UNetConfig
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets.whisper_features import Encoder
from tests.weights.shelving import place, registered

ID = "tiny-latentsync"
RESOLUTION = 64
WIDTH = 64
MODEL: dict[str, Any] = {
    "in_channels": 13,
    "out_channels": 4,
    "block_out_channels": [32, 32, 32, 32],
    "down_block_types": ["CrossAttnDownBlock3D"] * 3 + ["DownBlock3D"],
    "layers_per_block": 1,
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
    "norm_eps": 1e-5,
    "motion_module_kwargs": {"num_attention_heads": 2, "temporal_position_encoding_max_len": 24},
}
VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [8, 8, 8, 8],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "latent_channels": 4,
}


def row(weights_id: str = ID, *, config: bool = True) -> Row:
    """As a user's own fine-tune is registered."""
    paths = (UNET, EAR, CONFIG) if config else (UNET, EAR)
    return registered(weights_id, "latentsync", *paths, title="Tiny LatentSync", memory_mb=100)


def files(seed: int = 0) -> dict[str, bytes]:
    """The files of a set; the network's tensors lie under `state_dict`, as the published file has them."""
    torch.manual_seed(seed)
    unet, ear = UNet3D(UNetConfig.read(MODEL)), Encoder(WIDTH, 2, 1, 2 * WIDTH)
    return {
        UNET: saved({"global_step": 1, "state_dict": unet.state_dict()}),
        EAR: saved({"dims": {}, "model_state_dict": openai(ear)}),
        CONFIG: json.dumps({"data": {"resolution": RESOLUTION}, "model": MODEL}).encode(),
    }


def openai(ear: Encoder) -> dict[str, torch.Tensor]:
    """An encoder's tensors as OpenAI names them, the decoder's beside them."""
    names = (
        ("layers.", "blocks."),
        ("self_attn_layer_norm", "attn_ln"),
        ("self_attn.q_proj", "attn.query"),
        ("self_attn.k_proj", "attn.key"),
        ("self_attn.v_proj", "attn.value"),
        ("self_attn.out_proj", "attn.out"),
        ("final_layer_norm", "mlp_ln"),
        ("fc1", "mlp.0"),
        ("fc2", "mlp.2"),
        ("embed_positions.weight", "positional_embedding"),
    )
    state = {"decoder.ln.weight": torch.ones(WIDTH)}
    for key, value in ear.state_dict().items():
        name = "ln_post" + key.removeprefix("layer_norm") if key.startswith("layer_norm.") else key
        for ours, theirs in names:
            name = name.replace(ours, theirs)
        state[f"encoder.{name}"] = value.contiguous()
    return state


def saved(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def register(data_dir: Path, seed: int = 0, **own: bytes) -> None:
    """Put a tiny set on the shelf, its UNet replaced by `unet` where that is given, and a tiny VAE under its
    published name."""
    place(data_dir, row(), *{**files(seed), **({UNET: own["unet"]} if own else {})}.items())
    sight = save(eye.autoencoder(VAE).state_dict())
    place(
        data_dir,
        published()["sd-vae-ft-mse"],
        (CONFIG, json.dumps(VAE).encode()),
        ("diffusion_pytorch_model.safetensors", sight),
    )
