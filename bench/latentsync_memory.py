"""What LatentSync's nets hold at work, counted: bytes alive at the fullest moment, on torch's meta device.

    python bench/latentsync_memory.py [-o bench/results/latentsync_memory.json]

On that device tensors have shapes and no values, so the published sizes are counted on any machine, and no
weights are needed. Attention is counted as kernels do it that keep no matrix of all pairs. *values* are the
numbers held beside the weights, over finest width x places: those stand in
`stages/lipsync/latentsync/room.py`. *of_estimate* is the count over what that file estimates.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.machine import machine, show
from stages.lipsync.latentsync import room
from stages.lipsync.latentsync.model import Shape, taken
from stages.lipsync.latentsync.unet import UNet3D, UNetConfig
from stages.lipsync.latentsync.windows import SIZE
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets.memory import MIB

VAE: dict[str, Any] = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "latent_channels": 4,
}
"""As published with sd-vae-ft-mse."""


class Held(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that are alive, beside those that were there before."""

    def __init__(self, before: torch.nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = {_storage(tensor)._cdata for tensor in (*before.parameters(), *before.buffers())}
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = _storage(tensor)
                if storage._cdata not in self._known:
                    held = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                    self._alive[storage._cdata] = (held, storage.nbytes())
        self._alive = {
            key: one
            for key, one in self._alive.items()
            if not one[0].expired()  # type: ignore[no-untyped-call]
        }
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return out


def _storage(tensor: torch.Tensor) -> Any:
    return tensor.untyped_storage()


def _lean(query: torch.Tensor, _key: Any, value: torch.Tensor, **_: Any) -> torch.Tensor:
    """Attention that keeps no matrix of all pairs: its result alone."""
    return query.new_empty(*query.shape[:-1], value.shape[-1])


@contextmanager
def lean_attention() -> Iterator[None]:
    with mock.patch.object(functional, "scaled_dot_product_attention", _lean):
        yield


def held(net: torch.nn.Module, work: Callable[[], Any]) -> int:
    """Bytes held at the fullest moment of some work, beside the net's weights."""
    counted = Held(net)
    with torch.inference_mode(False), torch.no_grad(), lean_attention(), counted:
        kept = work()
    del kept
    return counted.peak


def unet_step(net: UNet3D, resolution: int, passes: int) -> int:
    side = resolution // 8
    numbers: dict[str, Any] = {"device": "meta", "dtype": next(net.parameters()).dtype}
    given = torch.empty(passes, net.config.inputs, SIZE, side, side, **numbers)
    heard = torch.empty(passes, SIZE, 50, net.config.audio, **numbers)
    return held(net, lambda: net(given, 951, heard))


def vae_pictures(net: Any, resolution: int, count: int) -> tuple[int, int]:
    """(of encoding some pictures, of decoding as many)."""
    numbers = {"device": "meta", "dtype": next(net.parameters()).dtype}
    pictures = torch.empty(count, 3, resolution, resolution, **numbers)
    latents = torch.empty(count, 4, resolution // 8, resolution // 8, **numbers)
    return held(net, lambda: net.encode(pictures)), held(net, lambda: net.decode(latents))


def counts(resolution: int, config: UNetConfig, sight: dict[str, Any]) -> dict[str, Any]:
    """Figures of one set of nets, in half precision."""
    with torch.device("meta"):
        net, vae = UNet3D(config).half().eval(), eye.autoencoder(sight).half().eval()
    estimate = taken(Shape(resolution, config), sight, half=True)
    width, pixels = config.widths[0], resolution**2
    steps = {passes: unet_step(net, resolution, passes) for passes in (1, 2)}
    sights = {count: vae_pictures(vae, resolution, count) for count in (1, 4)}
    finest = sight["block_out_channels"][0]
    return {
        "weights_mib": round((estimate.unet + estimate.vae) / MIB),
        "step_mib": {str(passes): round(size / MIB) for passes, size in steps.items()},
        "encode_mib": {str(count): round(one[0] / MIB) for count, one in sights.items()},
        "decode_mib": {str(count): round(one[1] / MIB) for count, one in sights.items()},
        "values": {
            "step": round(steps[1] / 2 / (width * pixels / 64 * SIZE), 2),
            "encode": round(sights[1][0] / 2 / (finest * pixels), 2),
            "decode": round(sights[1][1] / 2 / (finest * pixels), 2),
        },
        "of_estimate": {
            "step": round(steps[2] / 2 / estimate.step, 3),
            "encode": round(sights[4][0] / 4 / estimate.encode, 3),
            "decode": round(sights[1][1] / estimate.decode, 3),
        },
        "layouts_mib": {room.in_words(one): estimate.memory_mb(one) for one in room.LAYOUTS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/latentsync_memory.py")
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    show(
        {"machine": machine(), **{str(side): counts(side, UNetConfig(), VAE) for side in (256, 512)}},
        asked.output,
    )


if __name__ == "__main__":
    main()
