"""The ear against the original encoders: mel, every hidden state, and the joints of their 30 s pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.lipsync.latentsync.heard import tokens
from stages.lipsync.nets import whisper_features as ear
from tests.parity import Golden, golden
from tests.upstream.latentsync import chunk_rows

pytestmark = pytest.mark.parity

MEL, FEATURES = 1e-4, 2e-4


def _encoder(given: Golden) -> ear.Encoder:
    """The set's encoder with its seeded weights."""
    size = given.meta["encoder"]
    inner = size.get("ffn", 4 * size["d_model"])
    net = ear.Encoder(size["d_model"], size["layers"], size["heads"], inner, size["mels"], size["positions"])
    state = ear.encoder_state(given.weights("encoder"))
    left = net.load_state_dict(state, strict=False)
    assert left.missing_keys == ["embed_positions.weight"]
    assert not left.unexpected_keys
    return net.eval()


def _sound(given: Golden, name: str) -> ear.Floats:
    return (given.input(name) / np.float32(32768)).astype(np.float32)


def _has_the_keys(given: Golden) -> None:
    ours = {key: list(value.shape) for key, value in _encoder(given).state_dict().items()}
    theirs = {ear.hugging_face_name(key): shape for key, shape in given.meta["keys"]["encoder"].items()}
    assert ours == theirs


def test_musetalk_whisper_keys_and_shapes() -> None:
    _has_the_keys(golden("musetalk_whisper"))


def test_latentsync_whisper_keys_and_shapes() -> None:
    _has_the_keys(golden("latentsync_whisper"))


def test_musetalk_whisper() -> None:
    given = golden("musetalk_whisper")
    net = _encoder(given)
    short, long = _sound(given, "short"), _sound(given, "long")
    window = net.embed_positions.weight.shape[0] * ear.ROW
    padded = torch.nn.functional.pad(torch.from_numpy(short), (0, window - len(short)))
    mel = ear.log_mel(padded)[None]
    given.close("mel_short", mel, MEL)
    given.close("mel_padding", mel, MEL)
    rest = torch.from_numpy(long[window:])
    second = ear.log_mel(torch.nn.functional.pad(rest, (0, window - len(rest))))
    given.close("mel_long_second", second[None], MEL)
    rows = ear.upstream_features(net, short, ear.NORMALISED)
    for layer in range(rows.shape[1]):
        given.close(f"hidden{layer}", rows[None, :, layer], FEATURES)


def test_latentsync_whisper() -> None:
    given = golden("latentsync_whisper")
    net, fps = _encoder(given), given.meta["fps"]
    short, long = _sound(given, "short"), _sound(given, "long")
    given.close("mel_short", ear.log_mel(torch.from_numpy(short)), MEL)
    rows = ear.upstream_features(net, short, ear.RAW)
    assert len(rows) == given.meta["rows_short"]
    given.close("features_short", rows, FEATURES)
    chunks = tokens(rows, chunk_rows(len(rows), fps))
    assert len(chunks) == given.meta["chunks_short_count"]
    given.close("chunks_short", chunks, FEATURES)
    given.close("chunks_end", chunks[-given.full_shape("chunks_end")[0] :], FEATURES)
    rows = ear.upstream_features(net, long, ear.RAW)
    assert len(rows) == given.meta["rows_long"]
    given.close("features_seam", rows, FEATURES)
    given.close("features_end", rows, FEATURES)
    assert len(chunk_rows(len(rows), fps)) == given.meta["chunks_long_count"]
