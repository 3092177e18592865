"""What `loc models verify --run` asks of LatentSync: a network that knows noise passes, a seeded one does
not."""

from __future__ import annotations

from pathlib import Path

import torch

from loc.app.run import Graph
from loc.app.self_check import Checked, self_check
from loc.settings import Settings
from stages.lipsync.latentsync import LatentSync
from stages.lipsync.latentsync.known import STEP
from stages.lipsync.latentsync.sampler import kept_signal
from stages.lipsync.latentsync.unet import UNet3D, UNetConfig
from tests.lipsync.latentsync import tiny

MOST_STEPS, ENOUGH = 300, 0.15
"""Of training, and the mean square of what is left of the noise at which it ends: a correlation of 0.92."""


def check(tmp_path: Path) -> Checked:
    settings = Settings(data_dir=tmp_path / "data", device="cpu")
    graph = Graph((), {LatentSync.card.id: LatentSync})
    [tested] = self_check(graph, settings, [tiny.ID], tmp_path, lambda *_: None)
    assert tested.fault is None
    return tested


def test_a_seeded_network_is_found_out(tmp_path: Path) -> None:
    tiny.register(tmp_path / "data")
    tried = check(tmp_path).tried
    assert len(tried) == 3
    assert not tried[1].ok, tried


def test_a_network_that_knows_noise_passes(tmp_path: Path) -> None:
    tiny.register(tmp_path / "data", unet=tiny.saved({"state_dict": taught().state_dict()}))
    assert check(tmp_path).tried[1].ok


def taught() -> UNet3D:
    """A network that learned to find noise over latents that it is shown without it."""
    torch.manual_seed(0)
    unet = UNet3D(UNetConfig.read(tiny.MODEL))
    signal, side = float(kept_signal()[STEP]), tiny.RESOLUTION // 8
    optimiser = torch.optim.Adam(unet.parameters(), lr=3e-3)
    heard = torch.zeros(1, 2, 20, tiny.WIDTH)
    for _ in range(MOST_STEPS):
        given, noise = torch.randn(1, 9, 2, side, side), torch.randn(1, 4, 2, side, side)
        noisy = signal**0.5 * given[:, -4:] + (1 - signal) ** 0.5 * noise
        found, _ = unet(torch.cat([noisy, given], dim=1), STEP, heard)
        loss = ((found - noise) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if float(loss.detach()) < ENOUGH:
            break
    return unet.eval()
