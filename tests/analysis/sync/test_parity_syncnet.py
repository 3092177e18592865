"""SyncNet v2, its cepstrum, and StableSyncNet against the numbers of the original modules."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from loc.analysis.sync import syncnet
from loc.analysis.sync.mel import mel
from loc.analysis.sync.mfcc import mfcc
from loc.analysis.sync.nets import EMBEDDING, SyncNet
from loc.analysis.sync.stable import StableSyncNet
from tests.parity import facts, fill, golden

pytestmark = pytest.mark.parity

AROUND = 20
"""Rows of made-up features before and after those that are compared."""


def test_syncnet_mfcc() -> None:
    numbers = golden("syncnet_mfcc")
    for sound, array in (("wave", "mfcc"), ("tiny", "mfcc_tiny")):
        numbers.close(array, mfcc(numbers.input(sound)), 1e-6)


def test_wav2lip_mel() -> None:
    """The spectrogram that StableSyncNet hears."""
    numbers = golden("wav2lip")
    numbers.close("mel", mel(numbers.input("wave").astype(np.float32)), 1e-4)


def test_syncnet_v2_towers() -> None:
    numbers = golden("syncnet_v2")
    net = numbers.filled(SyncNet(), "syncnet")
    cepstra = numbers.input("mfcc").astype(np.float32)
    with torch.inference_mode():
        lips = net.lips(torch.from_numpy(numbers.input("lip").astype(np.float32)))
        numbers.close("lip_out", lips, 1e-3)
        numbers.close("audio_out", net.sound(torch.from_numpy(cepstra)), 1e-3)


def test_syncnet_v2_finds_planted_shifts() -> None:
    numbers = golden("syncnet_v2")
    for index, case in enumerate(numbers.meta["planted"]):
        frames, planted = case["frames"], case["planted"]
        base = fill.inputs(f"syncnet_v2/base{index}", (frames + 2 * AROUND, EMBEDDING), numbers.seed)
        noise = fill.inputs(f"syncnet_v2/noise{index}", (frames, EMBEDDING), numbers.seed)
        lips = base[AROUND : AROUND + frames]
        sound = base[AROUND + planted :][:frames] + np.float32(case["noise"]) * noise
        found = syncnet.read(syncnet.distances(lips, sound, case["vshift"]))
        numbers.close(f"mean_distance_{index}", found.mean, 1e-3)
        assert found.offset == case["offset"]
        assert found.distance == pytest.approx(case["minimum"], abs=1e-3)
        assert found.confidence == pytest.approx(case["confidence"], abs=1e-3)


def test_syncnet_v2_evaluates_a_clip() -> None:
    import cv2

    numbers = golden("syncnet_v2")
    net, case = numbers.filled(SyncNet(), "syncnet"), numbers.meta["evaluate"]
    sound = numbers.input("wave")
    pictures = numbers.input("frames", case["cell"])
    assert case["resize"] == syncnet.SIDE
    count = syncnet.windows(len(pictures), len(sound))
    assert count == case["windows"]
    seen = (cv2.resize(picture, (syncnet.SIDE, syncnet.SIDE)) for picture in pictures)
    lips, heard = syncnet.embed(net, seen, mfcc(sound), count, batch=7)
    numbers.close("eval_lip", lips, 1e-3)
    numbers.close("eval_audio", heard, 1e-3)
    found = syncnet.read(syncnet.distances(lips, heard, case["vshift"]))
    numbers.close("eval_mean_distance", found.mean, 1e-2)
    assert found.offset == case["offset"]
    assert found.distance == pytest.approx(case["minimum"], abs=1e-2)
    assert found.confidence == pytest.approx(case["confidence"], abs=1e-2)


def test_latentsync_stable_syncnet() -> None:
    numbers = golden("latentsync_stable_syncnet")
    shape = numbers.meta["config"]
    net = numbers.filled(StableSyncNet(shape["audio_encoder"], shape["visual_encoder"]), "syncnet")
    pictures, sound = (torch.from_numpy(numbers.input(name)) for name in ("frames", "mel"))
    with torch.inference_mode():
        seen, heard = net(pictures, sound)
        numbers.close("visual", seen, 1e-5)
        numbers.close("audio", heard, 1e-5)
        numbers.close("visual_raw", net.visual_encoder(pictures), 1e-4)
        numbers.close("audio_raw", net.audio_encoder(sound), 1e-4)
        numbers.close("cosine", torch.nn.functional.cosine_similarity(seen, heard), 1e-5)


def test_stable_syncnet_keys() -> None:
    """Names and shapes of all 266 tensors of the published file."""
    known = facts("stable_syncnet_keys")
    with torch.device("meta"):
        own = StableSyncNet().state_dict()
    assert {key: list(value.shape) for key, value in own.items()} == known
    assert len(known) == 266
