"""The nets together: files that do not fit are refused by name, and batches are drawn in halves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from loc.backend import Host
from loc.errors import InputError, LocError
from loc.settings import Settings
from loc.weights.keep import Keeper
from loc.weights.shelf import Shelf
from stages.lipsync.musetalk import MuseTalk, model
from stages.lipsync.musetalk.unet import unet
from tests.lipsync.musetalk import tiny


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    tiny.register(tmp_path)
    found = {}
    for part, name in (("unet", "tiny"), ("vae", "sd-vae-ft-mse"), ("ear", "whisper-tiny-hf")):
        for path in Shelf(tmp_path).find(name).files.values():
            found[f"{part}_config" if path.suffix == ".json" else part] = path
    return found


def test_old_and_new_hear_differently(files: dict[str, Path]) -> None:
    sound = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    new, old = (model.load(files, version, "cpu", "auto") for version in ("1.5", "1.0"))
    heard, before = new.hear(sound), old.hear(sound)
    assert heard.shape == before.shape == (50, tiny.LAYERS + 1, tiny.WIDTH)
    assert (heard[:, -1] - before[:, -1]).abs().max() > 0.1


def test_a_foreign_file_is_refused_by_its_tensors(files: dict[str, Path]) -> None:
    state = torch.load(files["unet"], weights_only=True)
    state["conv_in.weight"] = state["conv_in.weight"][:, :4]
    state["more"] = torch.zeros(1)
    torch.save(state, files["unet"])
    with pytest.raises(LocError, match="UNet cannot be loaded") as caught:
        model.load(files, "1.5", "cpu", "auto")
    assert "surplus: more" in caught.value.why
    assert "conv_in.weight 16x4x3x3, not 16x8x3x3" in caught.value.why


def test_nets_that_do_not_fit_together_are_refused(files: dict[str, Path]) -> None:
    config = (
        files["unet_config"].read_text().replace('"cross_attention_dim": 32', '"cross_attention_dim": 48')
    )
    files["unet_config"].write_text(config)
    net = unet({**tiny.UNET, "cross_attention_dim": 48})
    torch.save(net.state_dict(), files["unet"])
    with pytest.raises(LocError, match="do not fit") as caught:
        model.load(files, "1.5", "cpu", "auto")
    assert "tokens of 48 numbers, the other gives 32" in caught.value.why


@pytest.mark.parametrize(
    ("file", "version"), [("unet.pth", "1.5"), ("pytorch_model.bin", "1.0"), ("mine.pt", "1.5")]
)
def test_a_fine_tunes_files_are_known_by_their_names(tmp_path: Path, file: str, version: str) -> None:
    """Whatever lies beside them, and in whichever order."""
    tiny.register(tmp_path)
    others = ("args.json", "zeros.json") if file == "mine.pt" else ("args.json", "optimizer.pth", "zeros.bin")
    tiny.fine_tune(tmp_path, "mine", *others, file=file)
    backend = MuseTalk(Host(Settings(data_dir=tmp_path, device="cpu"), tmp_path, model="mine"))
    backend.check()
    assert backend.version == version
    with backend.nets() as nets:
        assert nets.device.type == "cpu"
    backend.close()


@pytest.mark.parametrize("other", ["old/unet.pth", "pytorch_model.bin", "old/musetalk.json"])
def test_a_folder_of_several_nets_is_refused_by_name(tmp_path: Path, other: str) -> None:
    tiny.register(tmp_path)
    tiny.fine_tune(tmp_path, "mine", other)
    with pytest.raises(InputError, match="Tiny cannot be loaded") as caught:
        MuseTalk(Host(Settings(data_dir=tmp_path), tmp_path, model="mine")).check()
    assert other in (caught.value.why or "")
    assert "the files of one model" in (caught.value.fix or "")


def test_the_tree_of_musetalks_own_scripts_is_drawn_with(tmp_path: Path) -> None:
    """Its VAE and whisper are files of torch, with the tensors of the published safetensors."""
    given, data, tree = tmp_path / "given", tmp_path / "data", tmp_path / "MuseTalk" / "models"
    tiny.register(given)
    for name, folder, file in (
        ("sd-vae-ft-mse", "sd-vae", "diffusion_pytorch_model.bin"),
        ("whisper-tiny-hf", "whisper", "pytorch_model.bin"),
    ):
        held = Shelf(given).find(name).files
        (tree / folder).mkdir(parents=True)
        (tree / folder / "config.json").write_bytes(held["config.json"].read_bytes())
        (state,) = [path for path in held.values() if path.suffix == ".safetensors"]
        torch.save(load_file(state), tree / folder / file)
    tiny.fine_tune(data, "tiny")
    Keeper(Settings(data_dir=data, offline=True)).adopt(tree)
    backend = MuseTalk(Host(Settings(data_dir=data, device="cpu"), tmp_path, model="tiny"))
    with backend.nets() as nets:
        assert nets.hear(np.zeros(16_000, dtype=np.float32)).shape == (50, tiny.LAYERS + 1, tiny.WIDTH)
    backend.close()
    state_file = tree / "sd-vae" / "diffusion_pytorch_model.bin"
    torch.save({**torch.load(state_file, weights_only=True), "more": torch.zeros(1)}, state_file)
    Keeper(Settings(data_dir=data)).remove("sd-vae-ft-mse")
    (data / "weights" / "lock.json").unlink()
    Keeper(Settings(data_dir=data, offline=True)).adopt(tree)
    with pytest.raises(LocError, match="VAE cannot be loaded") as caught, backend.nets():
        pass
    assert "surplus: more" in caught.value.why
