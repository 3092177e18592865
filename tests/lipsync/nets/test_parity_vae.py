"""The eye against the original wrapper: inputs, mode, sample, deviation, decoded pictures."""

from __future__ import annotations

import pytest
import torch

from stages.lipsync.nets import vae as eye
from tests.parity import Golden, golden

pytestmark = pytest.mark.parity


def _vae(given: Golden) -> eye.Vae:
    net = eye.autoencoder(given.meta["config"])
    net.load_state_dict(given.weights("vae"), strict=True)
    return eye.Vae(net.eval())


def test_musetalk_vae_latents() -> None:
    given = golden("musetalk_vae")
    vae = _vae(given)
    assert vae.scaling == pytest.approx(given.meta["scaling_factor"])
    face = torch.from_numpy(given.input("face", given.meta["picture_cell"])[:, :, ::-1].copy())
    intact = face.permute(2, 0, 1)[None].float() / 127.5 - 1
    masked = intact.clone()
    masked[:, :, masked.shape[2] // 2 :] = -1
    given.close("masked", masked, 1e-6)
    given.close("reference", intact, 1e-6)
    both = torch.cat([masked, intact])
    spread = vae.deviation(both)
    given.close("mode", vae.encode(both).reshape(1, -1, *spread.shape[2:]), 1e-4)
    given.close("std", spread.reshape(1, -1, *spread.shape[2:]), 1e-4)
    noise = torch.from_numpy(given["sample_noise"]).reshape(spread.shape)
    given.close("sample", vae.encode(both, noise).reshape(1, -1, *spread.shape[2:]), 1e-4)


def test_musetalk_vae_decoding() -> None:
    given = golden("musetalk_vae")
    vae = _vae(given)
    latents = torch.from_numpy(given.input("decode")) * vae.scaling
    given.close("decoded_float", vae.decode(latents), 1e-4)


def test_musetalk_vae_names_of_the_published_file() -> None:
    given = golden("musetalk_vae")
    state = given.weights("vae")
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    before = {}
    for key, value in state.items():
        name = key
        for new, was in old.items():
            name = name.replace(f".attentions.0.{new}.", f".attentions.0.{was}.")
        before[name] = value[:, :, None, None] if name != key and value.ndim == 2 else value
    assert before.keys() != state.keys()
    now = eye.current_names(before)
    assert now.keys() == state.keys()
    assert all(torch.equal(now[key], state[key]) for key in state)
