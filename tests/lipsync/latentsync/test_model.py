"""Published files and a user's own: what fits, what is refused, and what nobody can tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from loc.backend import Host
from loc.errors import InputError, LocError, MissingError
from loc.settings import Settings
from loc.weights.table import published
from stages.lipsync.latentsync import LatentSync
from stages.lipsync.latentsync import model as nets
from stages.lipsync.latentsync.model import (
    CONFIG,
    EAR,
    UNET,
    Given,
    check_resolution,
    load,
    shape_of,
    trained_for,
)
from stages.lipsync.latentsync.room import LAYOUTS, Layout
from stages.lipsync.latentsync.sampler import Sampling, denoise
from stages.lipsync.latentsync.unet import UNet3D, UNetConfig
from stages.lipsync.musetalk.model import pictures
from stages.lipsync.nets.lending import lend
from stages.lipsync.nets.precision import as_numbers, is_half
from tests.lipsync.latentsync import tiny
from tests.weights.shelving import place, registered


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return written(tmp_path, tiny.files())


def written(folder: Path, contents: dict[str, bytes]) -> dict[str, Path]:
    made = {}
    for name, content in contents.items():
        made[name] = folder / name
        made[name].parent.mkdir(parents=True, exist_ok=True)
        made[name].write_bytes(content)
    return made


@pytest.fixture
def vae(tmp_path: Path) -> dict[str, Path]:
    from safetensors.torch import save

    from stages.lipsync.nets import vae as eye

    sight = save(eye.autoencoder(tiny.VAE).state_dict())
    return written(tmp_path / "vae", {CONFIG: json.dumps(tiny.VAE).encode(), "x.safetensors": sight})


def digest_of(name: str) -> str:
    (found,) = (file.sha256 for file in published()[name].files if file.path == UNET)
    assert found is not None
    return found


def test_published_sets_are_told_by_their_digests() -> None:
    assert trained_for(digest_of("latentsync-1.6")) == 512
    assert trained_for(digest_of("latentsync-1.5")) == 256
    assert trained_for("0" * 64) is None
    assert check_resolution("latentsync-1.6", {}, digest_of("latentsync-1.6")) is None


def test_a_network_at_another_resolution_is_refused(files: dict[str, Path]) -> None:
    files[CONFIG].write_text(json.dumps({"data": {"resolution": 256}}))
    with pytest.raises(LocError, match="trained on 512 x 512"):
        check_resolution("mine", files, digest_of("latentsync-1.6"))
    with pytest.raises(LocError, match="trained on 256 x 256"):
        check_resolution("latentsync-1.6", {}, digest_of("latentsync-1.5"))


def test_what_nobody_published_is_named_as_unverifiable(files: dict[str, Path]) -> None:
    said = check_resolution("mine", files, "1" * 64)
    assert said is not None
    assert "64 x 64" in said


@pytest.mark.parametrize("content", ["{}", '{"data": {}}', "[]", "not json", '{"data": {"resolution": 100}}'])
def test_a_config_that_says_too_little_is_an_error(files: dict[str, Path], content: str) -> None:
    files[CONFIG].write_text(content)
    with pytest.raises(LocError):
        shape_of("mine", files)


def test_a_set_of_ones_own_needs_a_config(files: dict[str, Path]) -> None:
    del files[CONFIG]
    with pytest.raises(LocError, match="not known"):
        shape_of("mine", files)


@pytest.mark.parametrize("lacking", [UNET, EAR, CONFIG])
def test_a_set_that_lacks_what_is_loaded_is_refused_before_any_work(tmp_path: Path, lacking: str) -> None:
    """As one whose network has kept the name of its training."""
    content = tiny.files()
    content["other.pt"] = content.pop(lacking)
    row = registered(tiny.ID, "latentsync", *content, title="Mine", memory_mb=100)
    place(tmp_path, row, *content.items())
    backend = LatentSync(Host(Settings(data_dir=tmp_path), tmp_path, model=tiny.ID))
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        backend.check()
    assert lacking in caught.value.why


def test_a_network_known_to_be_of_another_resolution_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.register(tmp_path)
    backend = LatentSync(Host(Settings(data_dir=tmp_path), tmp_path, model=tiny.ID))
    backend.check()
    monkeypatch.setattr(nets, "trained_for", lambda _digest: 512)
    with pytest.raises(MissingError, match="cannot be used on 64 x 64"):
        backend.check()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_half_precision_is_left_to_devices_where_it_is_sound(
    monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    for capability, half in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device, found=capability: found)
        assert is_half(torch.device(device)) == (half and device == "cuda")


def test_what_are_no_numbers_become_no_picture() -> None:
    with pytest.raises(LocError, match="no numbers"):
        as_numbers(torch.tensor([0.0, float("nan")]))
    with pytest.raises(LocError, match="no numbers"):
        pictures(torch.full((1, 3, 2, 2), float("inf")))


def test_a_file_of_another_model_is_refused_tensor_by_tensor(
    files: dict[str, Path], vae: dict[str, Path]
) -> None:
    state = torch.load(files[UNET], weights_only=True)["state_dict"]
    state["conv_in.weight"] = state["conv_in.weight"][:, :8]
    del state["conv_out.bias"]
    files[UNET].write_bytes(tiny.saved({"state_dict": state}))
    with pytest.raises(MissingError, match=r"conv_out\.bias.*conv_in\.weight"):
        load("mine", files, vae, "cpu")


def test_an_ear_of_another_width_does_not_fit(files: dict[str, Path], vae: dict[str, Path]) -> None:
    shape = {**tiny.MODEL, "cross_attention_dim": 384}
    net = UNet3D(UNetConfig.read(shape)).state_dict()
    files[UNET].write_bytes(tiny.saved({"state_dict": net}))
    files[CONFIG].write_text(json.dumps({"data": {"resolution": 64}, "model": shape}))
    with pytest.raises(LocError, match="do not fit"):
        load("mine", files, vae, "cpu")


def test_where_memory_ends_halves_give_the_same(files: dict[str, Path], vae: dict[str, Path]) -> None:
    asked: list[tuple[str, int]] = []

    def in_halves(what: str, size: int, attempt: Callable[[int], torch.Tensor]) -> torch.Tensor:
        asked.append((what, size))
        return attempt(max(1, size // 2))

    whole, halves = load("mine", files, vae, "cpu"), load("mine", files, vae, "cpu", in_halves)
    given = ([window_of(whole, 0)], Sampling(2, 2.0), 3)
    torch.testing.assert_close(whole.latents(*given), halves.latents(*given), rtol=1e-4, atol=1e-4)
    assert asked == [("faces of LatentSync", LAYOUTS[1].slices), ("passes of LatentSync", LAYOUTS[1].passes)]


def window_of(model: nets.Model, seed: int) -> Given:
    rng = np.random.default_rng(seed)
    features = model.hear(rng.standard_normal(16000).astype(np.float32) * 0.1)
    squares = rng.integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    return Given(squares, features, np.tile(np.arange(10), (6, 1)) + seed)


def test_what_nets_take_is_counted_from_their_own_weights() -> None:
    """Of each its own, however often and in whatever order they are asked for."""
    small = UNetConfig.read(tiny.MODEL)
    for config in (small, replace(small, widths=(32, 64, 64, 64)), small):
        held = UNet3D(config).state_dict()
        taken = nets.taken(nets.Shape(tiny.RESOLUTION, config), tiny.VAE, half=False)
        assert taken.unet == sum(4 * tensor.numel() for tensor in held.values())
        assert taken.part >= 4 * max(tensor.numel() for tensor in held.values())


@pytest.mark.parametrize("guidance", [1.0, 2.0])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_layout_changes_what_comes_out(
    files: dict[str, Path], vae: dict[str, Path], layout: Layout, guidance: float
) -> None:
    """Also with the weights lent to the device part by part, which is the CPU here."""
    sampling = Sampling(3, guidance, reuse=2)
    plain = load("mine", files, vae, "cpu")
    given = [window_of(plain, seed) for seed in range(3)]
    one_by_one = torch.cat([plain.latents([one], sampling, 3) for one in given])
    model = load("mine", files, vae, "cpu", layout=layout)
    assert model.at_once(sampling) == max(1, layout.passes // (2 if guidance > 1 else 1))
    torch.testing.assert_close(model.latents(given, sampling, 3), one_by_one, rtol=1e-4, atol=1e-4)
    decoded = plain.decode(one_by_one[0])
    np.testing.assert_allclose(model.decode(one_by_one[0]), decoded, rtol=1e-4, atol=1e-4)


def test_lent_weights_are_on_the_device_only_while_they_compute() -> None:
    parts = [torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)]
    net = torch.nn.Sequential(*parts).eval().requires_grad_(False)
    home = [part.weight.data_ptr() for part in parts]
    there: list[list[int]] = []

    def spy(*_: object) -> None:
        there.append([part.weight.data_ptr() for part in parts])

    for part in parts:
        lend(part, torch.device("cpu"))
        part.register_forward_hook(spy)
    with torch.inference_mode():
        net(torch.ones(2, 4))
    # The spy comes after the weights went home again: so it sees nothing but those of home.
    assert there == [home, home]
    seen: list[bool] = []
    for part, own in zip(parts, home, strict=True):
        part.register_forward_pre_hook(
            lambda module, _, own=own: seen.append(module.weight.data_ptr() != own)
        )
    with torch.inference_mode():
        net(torch.ones(2, 4))
    assert seen == [True, True]
    assert [part.weight.data_ptr() for part in parts] == home


def test_lent_weights_go_home_when_the_call_fails() -> None:
    part = torch.nn.Linear(4, 4)
    own = part.weight.data_ptr()
    lend(part, torch.device("cpu"))
    with pytest.raises(RuntimeError):
        part(torch.ones(2, 5))
    assert part.weight.data_ptr() == own


def test_half_precision_stays_near_full() -> None:
    torch.manual_seed(0)
    net = UNet3D(UNetConfig.read(tiny.MODEL)).eval()
    noise, given = torch.randn(1, 4, 8, 8, 8), torch.randn(1, 9, 8, 8, 8)
    audio = torch.randn(1, 8, 20, tiny.WIDTH)
    with torch.inference_mode():
        full = denoise(net, Sampling(2, 1.5), noise, given, audio)
        half = denoise(net.bfloat16(), Sampling(2, 1.5), noise.bfloat16(), given.bfloat16(), audio.bfloat16())
    apart = (full - half.float()).abs().mean() / full.abs().mean()
    assert apart < 0.05


def test_features_are_reused_only_between_whole_steps() -> None:
    torch.manual_seed(0)
    net = UNet3D(UNetConfig.read(tiny.MODEL)).eval()
    noise, given = torch.randn(1, 4, 8, 8, 8), torch.randn(1, 9, 8, 8, 8)
    audio = torch.randn(1, 8, 20, tiny.WIDTH)
    whole = []
    net.mid_block.register_forward_hook(lambda *_: whole.append(1))
    with torch.inference_mode():
        for steps, reuse, expected in ((20, 1, 20), (20, 3, 7), (5, 10, 1)):
            whole.clear()
            denoise(net, Sampling(steps, 1.0, reuse), noise, given, audio)
            assert len(whole) == expected


def test_the_ear_is_read_as_published(files: dict[str, Path], vae: dict[str, Path]) -> None:
    ours = load("mine", files, vae, "cpu").hear(np.ones(3200, np.float32))
    assert ours.shape == (10, 3, tiny.WIDTH)
    assert EAR in files
