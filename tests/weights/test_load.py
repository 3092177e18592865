"""Checkpoints: what can be read is read whole, what cannot is named, and a module is filled or left alone."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from loc.errors import MissingError
from loc.weights.load import MAX_NAMED, load_strict, read_saved, read_state


def _net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


WAYS = {
    "plain": dict,
    "ordered": OrderedDict,
    "latentsync": lambda state: {"global_step": 7, "state_dict": state},
    "whisper": lambda state: {"dims": {"n_mels": 80}, "model_state_dict": state},
    "twice": lambda state: {"epoch": 1, "model": {"note": "x", "state_dict": state}},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_states_of_torch_are_read_in_every_wrapper(tmp_path: Path, way: str, new: bool) -> None:
    state = _net().state_dict()
    path = tmp_path / "unet.pth"
    torch.save(WAYS[way](state), path, _use_new_zipfile_serialization=new)
    assert _same(read_state(path), dict(state))


def test_safetensors_are_known_by_their_bytes(tmp_path: Path) -> None:
    state = _net().state_dict()
    path = tmp_path / "pytorch_model.bin"
    save_file(state, path)
    assert _same(read_state(path), dict(state))


def test_parameters_are_read_as_tensors(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"a": nn.Parameter(torch.ones(2))}, path)
    assert not read_state(path)["a"].requires_grad


class _Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("/tmp/never"),))


WRONG: dict[str, tuple[Any, str]] = {
    "empty": (b"", "It is empty"),
    "page": (b"<!DOCTYPE html><html>Not found</html>", "a page of a web server"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n", "Git LFS pointer"),
    "index": (b'{"metadata": {}, "weight_map": {}}', "a JSON file"),
    "gguf": (b"GGUF\x03\x00\x00\x00" + bytes(64), "GGUF"),
    "noise": (bytes(range(7, 200)), "of no known kind"),
    "cut safetensors": (lambda path: save_file(_net().state_dict(), path), "damaged safetensors"),
    "cut zip": (lambda path: torch.save(_net().state_dict(), path), "torch cannot read it"),
    "cut legacy": (
        lambda path: torch.save(_net().state_dict(), path, _use_new_zipfile_serialization=False),
        "model.pt",
    ),
    "list": ([torch.ones(2)], "a list"),
    "tensor": (torch.ones(2), "a Tensor"),
    "numbers": ({"lr": 0.1, "steps": 3}, "a dict with lr, steps"),
    "no tensors": ({}, "an empty dict"),
    "mixed": ({"a": torch.ones(1), "b": 3}, "a dict with b"),
    "module": (_net(), "running its code"),
    "fraction": ({"state_dict": Fraction(1, 2)}, "running its code"),
    "evil": ({"state_dict": _Evil()}, "running its code"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_state_is_named(tmp_path: Path, name: str) -> None:
    content, said = WRONG[name]
    path = tmp_path / "model.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif callable(content) and not isinstance(content, nn.Module):
        content(path)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 2 // 3])
    else:
        torch.save(content, path)
    with pytest.raises(MissingError) as caught:
        read_state(path)
    assert "model.pt cannot be loaded" in caught.value.what
    assert str(path) in caught.value.why
    assert said in caught.value.why
    assert "loc models verify" in caught.value.fix


def test_a_pickle_of_anything_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"

    class Runs:
        def __reduce__(self) -> Any:
            return (Path.touch, (mark,))

    path = tmp_path / "model.bin"
    path.write_bytes(pickle.dumps({"state_dict": Runs()}))
    with pytest.raises(MissingError):
        read_state(path)
    assert not mark.exists()


def test_any_zip_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(MissingError, match="torch cannot read it"):
        read_state(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="No such file"):
        read_state(tmp_path / "model.pt")


@given(data=st.binary(max_size=400) | st.binary(max_size=80).map(b"\x80\x02".__add__))
def test_no_bytes_make_it_fall(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pt"
    path.write_bytes(data)
    with pytest.raises(MissingError):
        read_state(path)


def test_what_is_saved_beside_a_state_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pt"
    torch.save({"dims": {"n_mels": 80}, "model_state_dict": {"a": torch.ones(1)}}, path)
    assert read_saved(path)["dims"] == {"n_mels": 80}
    torch.save({"half": Fraction(1, 2), "state": {}}, path)
    with pytest.raises(MissingError, match="running its code"):
        read_saved(path)
    assert read_saved(path, allow=[Fraction])["half"] == Fraction(1, 2)
    with pytest.raises(MissingError, match="running its code"):
        read_saved(path)
    torch.save([1], path)
    with pytest.raises(MissingError, match="a list; a dict was expected"):
        read_saved(path)
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(MissingError, match="a file of torch was expected"):
        read_saved(path)


def test_a_module_takes_a_state_that_fits(tmp_path: Path) -> None:
    given, net = _net().state_dict(), _net()
    for tensor in given.values():
        tensor.add_(1)
    load_strict(net, given, "Net")
    assert _same(net.state_dict(), dict(given))


def test_halves_become_the_modules_own_type() -> None:
    net = nn.Linear(2, 2)
    load_strict(net, {name: tensor.half() for name, tensor in net.state_dict().items()}, "Net")
    assert net.weight.dtype == torch.float32


def test_every_fault_is_named_and_nothing_is_loaded() -> None:
    net, state = _net(), _net().state_dict()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for tensor in state.values():
        tensor.add_(1)
    del state["0.bias"]
    state["extra"] = torch.ones(1)
    state["2.weight"] = torch.ones(3, 4)
    state["1.num_batches_tracked"] = torch.tensor(1.5)
    with pytest.raises(MissingError) as caught:
        load_strict(net, state, "MuseTalk 1.5")
    why = caught.value.why
    assert caught.value.what == "MuseTalk 1.5 cannot be loaded."
    assert "missing: 0.bias" in why
    assert "surplus: extra" in why
    assert "of another shape: 2.weight 3x4, not 2x4" in why
    assert "of another kind: 1.num_batches_tracked torch.float32, not torch.int64" in why
    assert _same(net.state_dict(), before)


def test_of_many_faults_the_first_and_the_count_are_told() -> None:
    net = nn.Sequential(*(nn.Linear(1, 1) for _ in range(20)))
    with pytest.raises(MissingError, match=rf"0\.bias, .* and {40 - MAX_NAMED} more"):
        load_strict(net, {}, "Net")


def test_a_file_of_other_known_weights_is_recognised() -> None:
    state = {
        "decoder.token_embedding.weight": torch.empty(51865, 384, device="meta"),
        "encoder.conv1.weight": torch.empty(384, 80, 3, device="meta"),
    }
    with pytest.raises(MissingError, match=r"The file is that of whisper-tiny \(Whisper tiny\)"):
        load_strict(nn.Linear(1, 1), state, "Whisper base")
    with pytest.raises(MissingError) as caught:
        load_strict(nn.Linear(1, 1), {"a": torch.ones(1)}, "Whisper base")
    assert "The file is" not in caught.value.why
