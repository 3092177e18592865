"""The UNet against the original module, its positions, and the names and shapes of the published file."""

from __future__ import annotations

import pytest
import torch

from stages.lipsync.musetalk import unet
from tests.parity import facts, golden

pytestmark = pytest.mark.parity


def test_musetalk_pe() -> None:
    given = golden("musetalk_pe")
    count, width = given.full_shape("table")
    table = unet.positions(count, width)
    given.close("table", table, 1e-5)
    tokens = torch.from_numpy(given.input("x"))
    given.close("y", tokens + unet.positions(*tokens.shape[1:]), 1e-5)
    # At its end the table's angles are thousands, where float32 knows a sine to about 4e-4.
    given.close("table_last", table[-1:], 1e-3)


def test_musetalk_unet() -> None:
    given = golden("musetalk_unet")
    assert given.meta["timestep"] == unet.TIMESTEP
    net = unet.unet(given.meta["config"])
    ours = {key: list(value.shape) for key, value in net.state_dict().items()}
    assert ours == given.meta["keys"]["unet"]
    net.load_state_dict(given.weights("unet"), strict=True)
    net.eval()
    latents, audio = (torch.from_numpy(given.input(name)) for name in ("latents", "audio"))
    given.close("out", unet.predict(net, latents, audio), 1e-4)
    still = unet.positions(*audio.shape[1:])
    given.close("out_without_positions", unet.predict(net, latents, audio - still), 1e-4)


PUBLISHED = {
    "sample_size": 64,
    "in_channels": 8,
    "out_channels": 4,
    "center_input_sample": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "act_fn": "silu",
    "norm_num_groups": 32,
    "norm_eps": 1e-05,
    "cross_attention_dim": 384,
    "attention_head_dim": 8,
}
"""What musetalk.json is published as."""


def test_musetalk_unet_keys() -> None:
    """Names and shapes of all 686 tensors of the published file."""
    with torch.device("meta"):
        net = unet.unet(PUBLISHED)
    ours = {key: list(value.shape) for key, value in net.state_dict().items()}
    assert ours == facts("musetalk_unet_keys")
    assert len(ours) == 686
    assert sum(value.numel() for value in net.state_dict().values()) == pytest.approx(849.95e6, rel=1e-4)
