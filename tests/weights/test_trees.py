"""Trees that other programs leave, against the table as it is: MuseTalk's folder, and a hub's cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from loc.settings import Settings
from loc.weights.keep import Keeper
from loc.weights.table import published
from tests.weights.trees import hub_cache, put


def named(*names: str) -> dict[str, bytes]:
    """Files that hold their own names."""
    return {name: name.encode() for name in names}


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(Settings(data_dir=tmp_path / "data", offline=True))


def test_the_models_folder_of_musetalk(keeper: Keeper, tmp_path: Path) -> None:
    tree = tmp_path / "MuseTalk" / "models"
    put(tree, named("musetalk/musetalk.json", "musetalk/pytorch_model.bin"))
    put(tree, named("musetalkV15/musetalk.json", "musetalkV15/unet.pth"))
    put(
        tree,
        named("sd-vae/config.json", "sd-vae/diffusion_pytorch_model.bin", "syncnet/latentsync_syncnet.pt"),
    )
    put(tree, named("whisper/config.json", "whisper/pytorch_model.bin", "whisper/preprocessor_config.json"))
    found = keeper.adopt(tree)
    assert found["musetalk-1.5"] == ["musetalkV15/musetalk.json", "musetalkV15/unet.pth"]
    assert found["musetalk-1.0"] == ["musetalk/musetalk.json", "musetalk/pytorch_model.bin"]
    assert keeper.shelf.find("musetalk-1.5").files["musetalkV15/unet.pth"] == tree / "musetalkV15/unet.pth"
    assert found["sd-vae-ft-mse"] == ["config.json", "diffusion_pytorch_model.bin"]
    assert found["whisper-tiny-hf"] == ["config.json", "pytorch_model.bin"]
    assert found["stable-syncnet"] == ["latentsync_syncnet.pt"]
    held = keeper.shelf.find("sd-vae-ft-mse")
    assert held.files["diffusion_pytorch_model.safetensors"] == tree / "sd-vae/diffusion_pytorch_model.bin"
    assert all(verdict.fault is None for verdict in keeper.verify("sd-vae-ft-mse"))
    keeper.remove("sd-vae-ft-mse")
    (tree / "sd-vae/diffusion_pytorch_model.bin").write_bytes(b"another")
    assert keeper.adopt(tree / "sd-vae", ["sd-vae-ft-mse"]) == {"sd-vae-ft-mse": ["config.json"]}
    assert "syncnet-v2" not in found


def test_files_whose_digest_is_published_must_have_it(keeper: Keeper, tmp_path: Path) -> None:
    put(tmp_path / "checkpoints", named("whisper/tiny.pt", "latentsync_unet.pt"))
    put(tmp_path / "checkpoints", named("musetalkV15/unet.pth"))
    assert set(keeper.adopt(tmp_path / "checkpoints")) == {"musetalk-1.5"}


@pytest.mark.parametrize("name", [row.id for row in published().values() if row.source.kind == "hub"])
def test_a_hubs_cache_of_every_published_repository(keeper: Keeper, tmp_path: Path, name: str) -> None:
    """What has no published digest is known by repository and commit; the rest is not, by these bytes."""
    row = published()[name]
    files = named(*(file.path for file in row.files))
    hub_cache(tmp_path / "hub", row.source.place, row.source.revision or "3" * 40, files)
    open_files = [file.path for file in row.files if file.sha256 is None and file.size is None]
    if open_files:
        assert keeper.adopt(tmp_path / "hub", [name]) == {name: open_files}
    if len(open_files) == len(row.files):
        assert keeper.shelf.has(name)
