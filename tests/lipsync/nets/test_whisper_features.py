"""The ear by its own windows: sound of any length without joints, and the names of either layout."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.lipsync.nets import whisper_features as ear
from tests.parity import fill


@pytest.fixture(scope="module")
def net() -> ear.Encoder:
    """A small encoder that hears 30 s."""
    torch.manual_seed(0)
    return ear.Encoder(width=32, layers=2, heads=2, inner=64).eval()


def _sound(seconds: float) -> ear.Floats:
    return (fill.speech("long", int(seconds * ear.RATE), 3) / np.float32(32768)).astype(np.float32)


@pytest.mark.parametrize("variant", [ear.NORMALISED, ear.RAW])
def test_up_to_30_seconds_are_heard_at_once(net: ear.Encoder, variant: ear.Variant) -> None:
    sound = _sound(7.32)
    rows = ear.features(net, sound, variant)
    assert rows.shape == (366, 3, 32)
    whole = ear.upstream_features(net, sound, variant)
    torch.testing.assert_close(rows, whole[:366], atol=1e-5, rtol=0)


@pytest.mark.parametrize("seconds", [30.0, 30.02, 49.0, 50.02, 75.5])
def test_every_row_is_there(net: ear.Encoder, seconds: float) -> None:
    rows = ear.features(net, _sound(seconds), ear.NORMALISED)
    assert len(rows) == round(seconds * 50)
    assert torch.isfinite(rows).all()
    assert (rows.abs().sum(dim=(1, 2)) > 0).all()


def test_no_joint_every_30_seconds(net: ear.Encoder) -> None:
    """A steady tone gives steady rows, where pieces cut at 30 s show the edge of their sound. Positions are
    left out, since they alone tell one row of a tone from another."""
    blind = ear.encoder_like(net.state_dict(), heads=2).eval()
    blind.load_state_dict(net.state_dict() | {"embed_positions.weight": torch.zeros(1500, 32)})
    phase = np.arange(62 * ear.RATE) % (ear.ROW // 2)
    tone = (0.3 * np.sin(phase * (2 * np.pi / (ear.ROW // 2)))).astype(np.float32)

    def largest_step(rows: torch.Tensor) -> float:
        """From row to row, a second away from either end."""
        return float(rows[50:3050].diff(dim=0).abs().max())

    ours = largest_step(ear.features(blind, tone, ear.NORMALISED))
    assert ours < 0.05 * largest_step(ear.upstream_features(blind, tone, ear.NORMALISED))


def test_both_layouts_are_one() -> None:
    openai = {
        "encoder.positional_embedding": "embed_positions.weight",
        "encoder.conv1.bias": "conv1.bias",
        "encoder.blocks.3.attn.query.weight": "layers.3.self_attn.q_proj.weight",
        "encoder.blocks.3.attn.out.bias": "layers.3.self_attn.out_proj.bias",
        "encoder.blocks.3.attn_ln.weight": "layers.3.self_attn_layer_norm.weight",
        "encoder.blocks.3.mlp.0.weight": "layers.3.fc1.weight",
        "encoder.blocks.3.mlp.2.weight": "layers.3.fc2.weight",
        "encoder.blocks.3.mlp_ln.bias": "layers.3.final_layer_norm.bias",
        "encoder.ln_post.weight": "layer_norm.weight",
    }
    nothing = torch.zeros(1)
    beside = {"decoder.ln.weight": nothing}
    assert set(ear.encoder_state({**dict.fromkeys(openai, nothing), **beside})) == set(openai.values())
    theirs = {f"model.encoder.{name}": nothing for name in openai.values()}
    beside = {"model.decoder.layer_norm.weight": nothing, "proj_out.weight": nothing}
    assert set(ear.encoder_state({**theirs, **beside})) == set(openai.values())


def test_the_size_is_read_from_a_state(net: ear.Encoder) -> None:
    again = ear.encoder_like(net.state_dict(), heads=2)
    again.load_state_dict(net.state_dict())
    assert {key: value.shape for key, value in again.state_dict().items()} == {
        key: value.shape for key, value in net.state_dict().items()
    }
