"""LatentSync's parts against the numbers of the original modules."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from stages.lipsync.latentsync import align, mask, sampler
from stages.lipsync.latentsync.sampler import Sampling
from stages.lipsync.latentsync.unet import UNet3D, UNetConfig
from stages.lipsync.nets.vae import Vae, autoencoder
from stages.lipsync.nets.whisper_features import Encoder, encoder_like, encoder_state, sinusoids
from tests.parity import Golden, facts, fill, golden
from tests.upstream import latentsync as upstream

pytestmark = pytest.mark.parity


def test_latentsync_unet_keys() -> None:
    """Names and shapes of all 1246 tensors of the published file."""
    known = facts("latentsync_unet_keys")
    with torch.device("meta"):
        own = UNet3D().state_dict()
    assert {key: list(value.shape) for key, value in own.items()} == known
    assert len(known) == 1246


def test_latentsync_unet3d() -> None:
    numbers = golden("latentsync_unet3d")
    net = numbers.filled(UNet3D(UNetConfig.read(numbers.meta["config"])), "unet")
    x_a, audio_a, x_b, audio_b = (
        torch.from_numpy(numbers.input(name)) for name in ("x_a", "audio_a", "x_b", "audio_b")
    )
    early, late = numbers.meta["timestep_a"], numbers.meta["timestep_b"]
    with torch.inference_mode():
        numbers.close("out_a", net(x_a, early, audio_a)[0], 1e-4)
        numbers.close("out_a_flat", net(x_a, early, audio_a.flatten(0, 1))[0], 1e-4)
        numbers.close("out_a_first2", net(x_a[:1, :, :2], early, audio_a[:1, :2])[0], 1e-4)
        numbers.close("out_b", net(x_b, late, audio_b)[0], 1e-4)
        numbers.close("motion_positions", net.state_dict()[numbers.meta["motion_positions_key"]], 1e-6)


def test_latentsync_unet3d_without_temporal_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = golden("latentsync_unet3d")
    net = numbers.filled(UNet3D(UNetConfig.read(numbers.meta["config"])), "unet")
    for module in net.modules():
        if hasattr(module, "temporal_transformer"):
            monkeypatch.setattr(module, "forward", lambda x, frames: x)
    inputs = (torch.from_numpy(numbers.input(name)) for name in ("x_a", "audio_a"))
    latents, audio = inputs
    with torch.inference_mode():
        numbers.close("out_a_no_motion", net(latents, numbers.meta["timestep_a"], audio)[0], 1e-4)


def test_latentsync_ddim() -> None:
    numbers = golden("latentsync_ddim")
    assert numbers.meta["init_noise_sigma"] == 1
    said = {
        "num_train_timesteps": sampler.TRAINED_STEPS,
        "beta_start": sampler.BETAS[0],
        "beta_end": sampler.BETAS[1],
        "beta_schedule": "scaled_linear",
        "trained_betas": None,
        "clip_sample": False,
        "thresholding": False,
        "set_alpha_to_one": False,
        "steps_offset": sampler.OFFSET,
        "prediction_type": "epsilon",
        "timestep_spacing": "leading",
    }
    assert {key: numbers.meta["config"][key] for key in said} == said
    for steps, visited in numbers.meta["timesteps"].items():
        assert sampler.timesteps(int(steps)) == visited
    numbers.close("alphas_cumprod", sampler.kept_signal(), 1e-6)
    shape = numbers.meta["shape"]
    for steps in map(int, numbers.named("last_of_")):
        latents = torch.from_numpy(fill.inputs("latentsync_ddim/x", shape, numbers.seed))
        for index, timestep in enumerate(sampler.timesteps(steps)):
            noise = torch.from_numpy(fill.inputs(f"latentsync_ddim/eps{index}", shape, numbers.seed))
            latents = sampler.step(latents, noise, timestep, steps)
            if index == 0:
                numbers.close(f"first_of_{steps}", latents, 1e-4)
        numbers.close(f"last_of_{steps}", latents, 1e-4)


def test_latentsync_masks() -> None:
    numbers = golden("latentsync_masks")
    expected = np.ones((mask.SIDE, mask.SIDE), np.float32)
    for first, last, columns in numbers.meta["black_runs_256"]:
        for left, right in columns:
            expected[first : last + 1, left : right + 1] = 0
    np.testing.assert_array_equal(mask.kept(mask.SIDE), expected)
    for side in map(int, numbers.named("mask_")):
        face = fill.picture("latentsync_masks/face", side, side, numbers.seed, 3, numbers.meta["face_cell"])
        made = mask.pixels(face[None])
        numbers.close(f"mask_{side}", mask.kept(side), 1e-6)
        numbers.close(f"latent_mask_{side}", mask.kept_latents(side), 1e-6)
        numbers.close(f"pixel_{side}", made, 1e-6)
        numbers.close(f"masked_{side}", mask.masked(made), 1e-6)
    height, width, _ = numbers.meta["odd"]
    odd = fill.picture("latentsync_masks/odd", height, width, numbers.seed, 3, numbers.meta["odd_cell"])
    for side in map(int, numbers.named("resized_")):
        resized = np.rint(upstream.bicubic(odd.astype(np.float32), (side, side)))
        made = mask.pixels(np.clip(resized, 0, 255).astype(np.uint8)[None])
        numbers.close(f"resized_{side}", made, 1.01 / 127.5)


def apart(numbers: Golden, array: str, ours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.asarray(np.abs(numbers.part(array, ours).astype(int) - numbers[array]), dtype=np.int64)


def same_bytes(numbers: Golden, array: str, ours: npt.NDArray[np.uint8]) -> None:
    """Assert that bytes are at most 1 apart, and 99.8 % of them equal."""
    found = apart(numbers, array, ours)
    assert found.max() <= 1, array
    assert (found == 0).mean() >= 0.998, array


def same_film(numbers: Golden, array: str, ours: npt.NDArray[np.uint8]) -> None:
    """Assert that bytes are at most 2 apart, and 99.9 % of them at most 1."""
    found = apart(numbers, array, ours)
    assert found.max() <= 2, array
    assert (found <= 1).mean() >= 0.999, array


def test_latentsync_affine_matrices() -> None:
    numbers = golden("latentsync_affine")
    tracks = numbers.named("landmarks_")
    for side, expected in numbers.meta["template"].items():
        np.testing.assert_allclose(align.template(int(side)), expected)
        assert list(align.canvas_size(int(side))) == numbers.meta["canvas_wh"][side]
        for track in tracks:
            points = numbers[f"landmarks_{track}"].astype(np.float64)
            matrices, offsets = align.matrices(points, int(side))
            numbers.close(f"matrix_{track}_{side}", matrices, 1e-3)
            numbers.close(f"bias_{track}_{side}", offsets, 1e-5)
            alone, _ = align.similarity(points[-1], align.template(int(side)))
            numbers.close(f"matrix_unsmoothed_last_{track}_{side}", alone, 1e-3)


def test_latentsync_affine_pictures() -> None:
    numbers = golden("latentsync_affine")
    meta, seed = numbers.meta, numbers.seed
    height, width, _ = meta["frame"]
    frame = fill.picture("latentsync_affine/frame", height, width, seed, 3, meta["frame_cell"])
    for case in numbers.named("canvas_"):
        track, _, size = case.rpartition("_")
        side = int(size)
        matrix = numbers[f"matrix_{case}"][-1].astype(np.float64)
        canvas = align.canvas(frame, matrix, side)
        same_bytes(numbers, f"canvas_{case}", canvas)
        same_bytes(numbers, f"square_{case}", align.square(canvas, side))
        face = fill.picture(f"latentsync_affine/face_{track}", side, side, seed, 3, meta["face_cell"])
        drawn = (face.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)
        same_bytes(numbers, f"restored_{case}", upstream.restored(frame, drawn, matrix))


def test_latentsync_audio_index() -> None:
    numbers = golden("latentsync_audio_index")
    for case in numbers.meta["cases"]:
        rows = upstream.chunk_rows(case["rows"], case["fps"])
        assert len(rows) == case["chunks"]
        numbers.same(case["table"], rows)


BROW_LEFT, BROW_RIGHT = (43, 48, 49, 51, 50), (101, 102, 103, 104, 105)
NOSE = (74, 77, 83, 86)
"""Of the 106 landmarks that the original finds, those that make its three points."""


@pytest.fixture(scope="module")
def tiny() -> tuple[Golden, UNet3D, Vae, Encoder]:
    """The nets of the complete run, with their weights."""
    numbers = golden("latentsync_end_to_end")
    unet = numbers.filled(UNet3D(UNetConfig.read(numbers.meta["unet_config"])), "unet")
    net = autoencoder({**numbers.meta["vae_config"], "scaling_factor": numbers.meta["scaling_factor"]})
    net.load_state_dict(numbers.weights("vae"))
    state = encoder_state(numbers.weights("whisper_encoder"))
    state["embed_positions.weight"] = sinusoids(
        *numbers.meta["keys"]["whisper_encoder"]["positional_embedding"]
    )
    ear = encoder_like(state)
    ear.load_state_dict(state)
    return numbers, unet, Vae(net.eval()), ear.eval()


def given(numbers: Golden) -> upstream.Given:
    meta = numbers.meta
    marks = numbers["landmarks"].astype(np.float64)
    points = np.rint(align.mean_points(marks, (BROW_LEFT, BROW_RIGHT, NOSE)))
    draws = [
        (torch.from_numpy(numbers[f"draw{2 * index}"]), torch.from_numpy(numbers[f"draw{2 * index + 1}"]))
        for index in range(meta["windows"])
    ]
    return upstream.Given(
        frames=numbers.input("frames", meta["frame_cell"]),
        points=points,
        sound=numbers.input("wave").astype(np.float32) / 32768,
        noise=torch.from_numpy(numbers["noise"]),
        draws=draws,
        resolution=meta["resolution"],
        window=meta["window"],
        fps=meta["fps"],
        # A byte that is rounded the other way would be magnified by the nets: from here on, their own bytes.
        aligned=np.ascontiguousarray(numbers["aligned"].transpose(0, 2, 3, 1)),
    )


def test_latentsync_end_to_end(tiny: tuple[Golden, UNet3D, Vae, Encoder]) -> None:
    numbers, unet, vae, ear = tiny
    meta = numbers.meta
    assert meta["shift_factor"] == 0
    calls: list[tuple[torch.Tensor, int, torch.Tensor, torch.Tensor]] = []

    def spied(
        latents: torch.Tensor, timestep: int, audio: torch.Tensor, deep: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        out = UNet3D.forward(unet, latents, timestep, audio, deep)
        calls.append((latents, timestep, audio, out[0]))
        return out

    unet.forward = spied  # type: ignore[assignment, method-assign]
    try:
        with torch.inference_mode():
            made = upstream.run(given(numbers), unet, vae, ear, Sampling(meta["steps"], meta["guidance"]))
    finally:
        del unet.forward
    numbers.close("matrices", made.matrices, 1e-3)
    same_bytes(numbers, "aligned", made.aligned.transpose(0, 3, 1, 2))
    shapes = [[list(one[0].shape), one[1], list(one[2].flatten(0, 1).shape)] for one in calls]
    assert shapes == meta["unet_calls"]
    numbers.close("unet_input_first", calls[0][0], 1e-3)
    numbers.close("unet_audio_first", calls[0][2].flatten(0, 1), 2e-4)
    numbers.close("unet_output_first", calls[0][3], 1e-3)
    for index, latents in enumerate(made.latents):
        numbers.close(f"latents_window{index}", latents, 1e-3)
    numbers.close("faces_out", made.faces, 1e-3)
    same_film(numbers, "video", made.video)


def test_latentsync_end_to_end_without_guidance(tiny: tuple[Golden, UNet3D, Vae, Encoder]) -> None:
    numbers, unet, vae, ear = tiny
    with torch.inference_mode():
        made = upstream.run(given(numbers), unet, vae, ear, Sampling(numbers.meta["steps"], 1.0))
    same_film(numbers, "video_guidance1", made.video)


def test_latentsync_end_to_end_with_reused_features(tiny: tuple[Golden, UNet3D, Vae, Encoder]) -> None:
    numbers, unet, vae, ear = tiny
    meta, cached = numbers.meta, numbers.meta["deepcache"]
    assert cached["branch"] == 0
    every = Sampling(cached["steps"], meta["guidance"])
    some = Sampling(cached["steps"], meta["guidance"], cached["interval"])
    with torch.inference_mode():
        full = upstream.run(given(numbers), unet, vae, ear, every)
        made = upstream.run(given(numbers), unet, vae, ear, some)
    for prefix, latents in (("latents_full", full.latents[0]), ("latents_cached", made.latents[0])):
        (steps,) = numbers.named(prefix)
        numbers.close(f"{prefix}{steps}", latents, 1e-3)
    (steps,) = numbers.named("video_cached")
    same_film(numbers, f"video_cached{steps}", made.video)
