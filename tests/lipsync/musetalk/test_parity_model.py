"""MuseTalk's own tokens and pictures against the original: windows of features, inputs, rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.lipsync.musetalk import model
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets import whisper_features as ear
from tests.parity import Golden, golden
from tests.upstream.musetalk import upstream_rows

pytestmark = pytest.mark.parity


def test_musetalk_whisper_chunks() -> None:
    given = golden("musetalk_whisper")
    size = given.meta["encoder"]
    net = ear.Encoder(
        size["d_model"], size["layers"], size["heads"], size["ffn"], size["mels"], size["positions"]
    )
    net.load_state_dict(given.weights("encoder"), strict=False)

    def chunks(name: str, fps: float) -> torch.Tensor:
        sound = (given.input(name) / np.float32(32768)).astype(np.float32)
        table = upstream_rows(len(sound), fps, 2, 2)
        return model.tokens_of(ear.upstream_features(net.eval(), sound, ear.NORMALISED), table)

    short = chunks("short", given.meta["fps_short"])
    assert len(short) == given.meta["frames_short"]
    given.close("chunks_short", short, 2e-4)
    long = chunks("long", given.meta["fps_long"])
    assert len(long) == given.meta["frames_long"]
    given.close("chunks_seam", long, 2e-4)
    given.close("chunks_end", long, 2e-4)


def _vae(given: Golden) -> eye.Vae:
    net = eye.autoencoder(given.meta["config"])
    net.load_state_dict(given.weights("vae"), strict=True)
    return eye.Vae(net.eval())


def test_musetalk_vae_inputs_and_pictures() -> None:
    given = golden("musetalk_vae")
    face = given.input("face", given.meta["picture_cell"])[None, :, :, ::-1]
    hidden, whole = model.inputs(face)
    given.close("masked", hidden, 1e-6)
    given.close("reference", whole, 1e-6)
    vae = _vae(given)
    decoded = vae.decode(torch.from_numpy(given.input("decode")) * vae.scaling)
    given.close("decoded_bgr", model.pictures(decoded)[..., ::-1], 1)
    latents = torch.cat(vae.encode(torch.cat([hidden, whole])).chunk(2), dim=1)
    given.close("mode", latents, 1e-4)
