"""Sounds are stored in blocks and come back sample for sample."""

from __future__ import annotations

import numpy as np
import pytest

from loc.artifacts import BLOCK_SAMPLES
from loc.media.sound import (
    Samples,
    decode_flac,
    encode_flac,
    iter_blocks,
    quantise,
    read_sound,
    slice_key,
    store_sound,
)
from loc.store.workdir import WorkDir


def noise(samples: int, channels: int = 1) -> Samples:
    """Noise of 24 bits, which FLAC keeps exactly."""
    random = np.random.default_rng(samples)
    steps = random.integers(-(1 << 22), 1 << 22, (samples, channels))
    return (steps / (1 << 23)).astype(np.float32)


def test_24_bits_survive() -> None:
    audio = noise(1000, 2)
    assert np.array_equal(decode_flac(encode_flac(audio)), audio)


def test_full_scale_is_clipped_not_wrapped() -> None:
    steps = quantise(np.array([2.0, -2.0, 1.0, -1.0, 0.0], dtype=np.float32))
    assert steps.tolist() == [(2**23 - 1) << 8, -(2**31), (2**23 - 1) << 8, -(2**31), 0]


def test_encoding_is_reproducible() -> None:
    assert encode_flac(noise(5000)) == encode_flac(noise(5000))


@pytest.mark.parametrize("piece", [4096, BLOCK_SAMPLES, 2 * BLOCK_SAMPLES + 7])
def test_blocks_do_not_depend_on_the_pieces(piece: int, store: WorkDir) -> None:
    audio = noise(2 * BLOCK_SAMPLES + 12_345)
    pieces = (audio[start : start + piece] for start in range(0, len(audio), piece))
    sound = store_sound(store, pieces, 1)
    assert sound.samples == len(audio)
    assert len(sound.blocks) == 3
    assert sound == store_sound(store, [audio], 1)
    assert np.array_equal(np.concatenate(list(iter_blocks(store, sound))), audio)


def test_any_range_is_read_with_silence_outside(store: WorkDir) -> None:
    audio = noise(BLOCK_SAMPLES + 5000, 2)
    sound = store_sound(store, [audio], 2)
    assert np.array_equal(read_sound(store, sound, 100, 200), audio[100:200])
    joint = slice(BLOCK_SAMPLES - 50, BLOCK_SAMPLES + 50)
    assert np.array_equal(read_sound(store, sound, joint.start, joint.stop), audio[joint])
    outside = read_sound(store, sound, -10, 5)
    assert not outside[:10].any()
    assert np.array_equal(outside[10:], audio[:5])
    tail = read_sound(store, sound, len(audio) - 5, len(audio) + 5)
    assert tail.shape == (10, 2)
    assert not tail[5:].any()
    assert read_sound(store, sound, 7, 7).shape == (0, 2)


def test_a_slice_names_its_blocks_and_its_place_in_them(store: WorkDir) -> None:
    audio = noise(3 * BLOCK_SAMPLES)
    sound = store_sound(store, [audio], 1)
    key = slice_key(sound, BLOCK_SAMPLES + 10, BLOCK_SAMPLES + 30)
    assert key == {"blocks": [sound.blocks[1].sha256], "start": 10, "samples": 20}
    across = slice_key(sound, BLOCK_SAMPLES - 1, BLOCK_SAMPLES + 1)
    assert across["blocks"] == [block.sha256 for block in sound.blocks[:2]]
    assert slice_key(sound, 50, 50)["blocks"] == []
    assert slice_key(sound, -5, 10) == slice_key(sound, 0, 10)
