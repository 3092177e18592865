"""What MuseTalk's nets hold at work, counted: bytes alive at the fullest moment, on torch's meta device.

    python bench/musetalk_room.py [-o bench/results/musetalk_room.json]

As `bench/latentsync_memory.py`, whose way of counting it shares. *values* are the numbers held beside the
weights, over finest width x places: those stand in `stages/lipsync/musetalk/room.py`. *of_estimate* is the
count over what that file estimates.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bench.latentsync_memory import VAE, held, vae_pictures
from bench.machine import machine, show
from stages.lipsync.musetalk import room
from stages.lipsync.musetalk.model import SIDE, taken
from stages.lipsync.musetalk.unet import predict, unet
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets import whisper_features as ear
from stages.lipsync.nets.memory import MIB, numbers

UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 8,
    "out_channels": 4,
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "cross_attention_dim": 384,
    "attention_head_dim": 8,
}
"""As published with MuseTalk."""
EAR = (384, 4, 6, 1536)
"""Width, layers, heads and inner width of whisper tiny's encoder."""


def unet_step(net: Any, count: int) -> int:
    """Bytes of a batch of faces on its way through the UNet."""
    kind: dict[str, Any] = {"device": "meta", "dtype": next(net.parameters()).dtype}
    latents = torch.empty(count, 8, SIDE // 8, SIDE // 8, **kind)
    tokens = torch.empty(count, 50, net.config.cross_attention_dim, **kind)
    return held(net, lambda: predict(net, latents, tokens))


def hearing() -> int:
    """Bytes of whisper tiny's encoder and of 30 s of sound on their way through it."""
    with torch.device("meta"):
        net = ear.Encoder(*EAR).eval()
        mel = torch.empty(1, ear.MELS, 2 * net.embed_positions.weight.shape[0])
    return 4 * numbers(net) + held(net, lambda: net(mel, True))


def counts(config: Mapping[str, Any], sight: dict[str, Any]) -> dict[str, Any]:
    """Figures of one set of nets, in half precision."""
    with torch.device("meta"):
        net, vae = unet(config).half().eval(), eye.autoencoder(sight).half().eval()
    estimate = taken(config, sight, half=True)
    width, finest, pixels = config["block_out_channels"][0], sight["block_out_channels"][0], SIDE**2
    steps = {count: unet_step(net, count) for count in (1, 4)}
    seen = {count: vae_pictures(vae, SIDE, 2 * count)[0] for count in (1, 4)}
    drawn = {count: vae_pictures(vae, SIDE, count)[1] for count in (1, 4)}
    fullest = {count: max(steps[count], seen[count], drawn[count]) / count for count in (1, 4)}
    return {
        "weights_mib": round(estimate.weights / MIB),
        "face_mib": round(estimate.face / MIB, 1),
        "step_mib": {str(count): round(size / MIB, 1) for count, size in steps.items()},
        "see_mib": {str(count): round(size / MIB, 1) for count, size in seen.items()},
        "decode_mib": {str(count): round(size / MIB, 1) for count, size in drawn.items()},
        "values": {
            "step": round(steps[1] / 2 / (width * pixels / 64), 2),
            "encode": round(seen[1] / 4 / (finest * pixels), 2),
            "decode": round(drawn[1] / 2 / (finest * pixels), 2),
        },
        "of_estimate": {str(count): round(size / estimate.face, 3) for count, size in fullest.items()},
        "needs_mib": {
            f"{name}, {room.in_words(batch)}": taken(config, sight, half=half).memory_mb(batch)
            for name, half in (("fp16", True), ("fp32", False))
            for batch in (1, 8, 32)
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/musetalk_room.py")
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    found = {"machine": machine(), "hear_mib": round(hearing() / MIB), **counts(UNET, VAE)}
    show(found, asked.output)


if __name__ == "__main__":
    main()
