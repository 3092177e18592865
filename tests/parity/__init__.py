"""Parity: numbers that the original modules gave on made-up weights and inputs, held against ours.

`golden(name)` reads NAME.json and NAME.npz from the folder `LOC_PARITY_DIR`, else from the compact copies
beside this file. Seeds, shapes, rates and configurations come from the JSON alone, so that another set under
the same names, with other numbers, runs through the same tests.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from tests.parity import fill

if TYPE_CHECKING:
    import torch

COMPACT = Path(__file__).resolve().parent / "compact"
VARIABLE = "LOC_PARITY_DIR"

_ENTRY = re.compile(r"(?:(\w+) )?(\S+)(?: \((times|divide by) ([0-9.e+-]+)\))?")

Array = npt.NDArray[Any]
Net = TypeVar("Net", bound="torch.nn.Module")


def parity_dir() -> Path:
    """The folder in use."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else COMPACT


@dataclass(frozen=True)
class Golden:
    """One file of numbers.

    Args:
        name: its name without suffix.
        meta: the JSON.
        arrays: what the .npz holds; empty where there is none.
    """

    name: str
    meta: Mapping[str, Any]
    arrays: Mapping[str, Array]

    @property
    def seed(self) -> int:
        """Of the inputs."""
        return int(self.meta["seed"])

    def __getitem__(self, array: str) -> Array:
        return self.arrays[array]

    def input(self, name: str, cell: int = 24) -> Array:
        """An input by its name without the file's; how it is filled, its shape, and by what it is multiplied
        or divided stand in the JSON."""
        full = f"{self.name}/{name}"
        for entry, shape in self.meta["inputs"].items():
            said = _ENTRY.fullmatch(entry)
            assert said, entry
            kind, called, how, by = said.groups()
            if called == full:
                values = fill.made(kind or "inputs", full, shape, self.seed, cell)
                if how is None:
                    return values
                return np.asarray(values * float(by) if how == "times" else values / float(by))
        raise KeyError(full)

    def named(self, prefix: str) -> list[str]:
        """What follows a prefix in the names of the arrays that begin with it; at least one."""
        found = [name.removeprefix(prefix) for name in self.arrays if name.startswith(prefix)]
        assert found, f"{self.name} holds no {prefix}..."
        return found

    def full_shape(self, array: str) -> list[int]:
        """The shape of an array before it was sampled."""
        spec = self.meta.get("subset", {}).get(array)
        return list(spec["full_shape"] if spec is not None else self.arrays[array].shape)

    def weights(self, net: str) -> dict[str, torch.Tensor]:
        """The state dict of a net under the names of the JSON; fixed tables and counters left out or zero."""
        import torch

        shapes: Mapping[str, Sequence[int]] = self.meta["keys"][net]
        seed, gain = int(self.meta["weight_seed"]), float(self.meta.get("gain", 1.0))
        made = {key: fill.weight(key, shape, seed, gain) for key, shape in shapes.items()}
        fixed = {key for key in shapes if fill.is_fixed(key)}
        return {key: torch.from_numpy(np.asarray(value)) for key, value in made.items() if key not in fixed}

    def filled(self, module: Net, net: str) -> Net:
        """A module, ready to run, with the tensors of a net: its own to the last name and shape."""
        state = module.state_dict()
        keys = {key: list(shape) for key, shape in self.meta["keys"][net].items()}
        assert {key: list(value.shape) for key, value in state.items()} == keys
        module.load_state_dict({**state, **self.weights(net)})
        return module.eval()

    def part(self, array: str, ours: Any) -> Array:
        """What of our full array is stored under a name."""
        values = np.asarray(ours)
        spec = self.meta.get("subset", {}).get(array)
        if spec is not None:
            assert list(values.shape) == spec["full_shape"], (array, values.shape, spec["full_shape"])
            values = fill.subset(values, spec["spec"])
        kept = self.meta.get("compact", {}).get(array)
        return values if kept is None else fill.subset(values, kept)

    def close(self, array: str, ours: Any, limit: float) -> None:
        """Assert that no value of ours is further than `limit` from what is stored."""
        stored, values = self.arrays[array], self.part(array, ours)
        assert values.shape == stored.shape, (array, values.shape, stored.shape)
        apart = np.abs(values.astype(np.float64) - stored.astype(np.float64))
        assert apart.max(initial=0.0) <= limit, f"{self.name} {array}: {apart.max()} apart, limit {limit}"

    def same(self, array: str, ours: Any) -> None:
        """Assert that ours is what is stored, exactly."""
        np.testing.assert_array_equal(self.part(array, ours), self.arrays[array], err_msg=array)


def golden(name: str) -> Golden:
    """The numbers under a name, of the folder in use."""
    folder = parity_dir()
    meta = json.loads((folder / f"{name}.json").read_text("utf-8"))
    packed = folder / f"{name}.npz"
    arrays: dict[str, Array] = {}
    if packed.is_file():
        with np.load(packed, allow_pickle=False) as held:
            arrays = {key: held[key] for key in held.files}
    return Golden(name, meta, arrays)


def facts(name: str) -> dict[str, list[int]]:
    """Names and shapes of a full-size net: of the folder in use, else the compact copy."""
    for folder in (parity_dir(), COMPACT):
        path = folder / "facts" / f"{name}.json"
        if path.is_file():
            shapes: dict[str, list[int]] = json.loads(path.read_text("utf-8"))
            return shapes
    raise FileNotFoundError(name)
