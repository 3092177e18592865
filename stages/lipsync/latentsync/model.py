"""LatentSync's nets together, from published files. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loc.errors import MissingError
from loc.weights.load import load_strict, read_state
from loc.weights.table import published
from stages.lipsync.latentsync import room, window
from stages.lipsync.latentsync.heard import Rows, tokens
from stages.lipsync.latentsync.sampler import Sampling, denoise, kept_signal
from stages.lipsync.latentsync.unet import UNet3D, UNetConfig, parts
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets import whisper_features as ear
from stages.lipsync.nets.config import read_config
from stages.lipsync.nets.lending import lend
from stages.lipsync.nets.memory import numbers
from stages.lipsync.nets.precision import as_numbers, is_half

Net = TypeVar("Net", bound=torch.nn.Module)

Squares = npt.NDArray[np.uint8]
"""Aligned faces, RGB, [f, r, r, 3]."""

UNET, EAR = "latentsync_unet.pt", "whisper/tiny.pt"
CONFIG = "config.json"
"""Of a set that a user registered: `{"data": {"resolution": 512}, "model": {...}}`, both sections as in the
published configuration. The published sets have none."""
RESOLUTIONS = {"latentsync-1.5": 256, "latentsync-1.6": 512}
"""Side of the square that each published set was trained on. Nothing in a file tells them apart."""


@dataclass(frozen=True)
class Shape:
    """What a set of weights is: the square it was trained on, and the sizes of its network."""

    resolution: int
    unet: UNetConfig


def shape_of(model: str, files: Mapping[str, Path]) -> Shape:
    """The shape of a set of weights.

    Args:
        model: its id.
        files: by name.

    Raises:
        MissingError: it is neither published nor has a configuration that says it.
    """
    if model in RESOLUTIONS:
        return Shape(RESOLUTIONS[model], UNetConfig())
    if CONFIG not in files:
        raise MissingError(
            f"Which resolution {model} was trained on is not known.",
            why="Nothing in its tensors tells it, and at another one its mouths are blurred.",
            fix=f'Register it with a {CONFIG}: {{"data": {{"resolution": 512}}, "model": {{...}}}}.',
        )
    said = read_config(files[CONFIG])
    try:
        resolution = int(said["data"]["resolution"])
        unet = UNetConfig.read(said["model"]) if "model" in said else UNetConfig()
    except (KeyError, TypeError, ValueError) as error:
        raise MissingError(
            f"{CONFIG} of {model} cannot be used.", why=f"It lacks or misstates {error}."
        ) from error
    if resolution % 64:
        raise MissingError(f"{CONFIG} of {model} cannot be used.", why="Its resolution is no multiple of 64.")
    return Shape(resolution, unet)


def trained_for(digest: str) -> int | None:
    """The resolution that a network was trained on, by the SHA-256 of its file; None where it is not a
    published one."""
    for name, resolution in RESOLUTIONS.items():
        if any(file.path == UNET and file.sha256 == digest for file in published()[name].files):
            return resolution
    return None


def check_resolution(model: str, files: Mapping[str, Path], digest: str) -> str | None:
    """See that a network is used at the resolution it was trained on.

    Args:
        model: id of the set.
        files: by name.
        digest: SHA-256 of its network.

    Returns:
        What cannot be verified, in words; None where the file is a published one.

    Raises:
        MissingError: it was trained on another.
    """
    used, trained = shape_of(model, files).resolution, trained_for(digest)
    if trained is None:
        return (
            f"That {model} was trained on {used} x {used} pixels cannot be verified: its digest is none of "
            "the published ones. At another resolution its mouths would be blurred."
        )
    if trained != used:
        raise MissingError(
            f"{model} cannot be used on {used} x {used} pixels.",
            why=f"By its digest its network is the published one that was trained on {trained} x {trained}.",
            fix=f"Say {trained} in its {CONFIG}, or register the network that belongs to it.",
        )
    return None


Halving = Callable[[str, int, Callable[[int], Tensor]], Tensor]
"""As `Devices.halving`: what is done, a size, and what does it at that size."""


def _whole(_what: str, size: int, attempt: Callable[[int], Tensor]) -> Tensor:
    return attempt(size)


@dataclass(frozen=True)
class Given:
    """What a window of f pictures is drawn from.

    Args:
        squares: of its pictures.
        features: as `Model.hear` gives them.
        rows: int64 [f, 10], what each picture hears.
    """

    squares: Squares
    features: Tensor
    rows: Rows


class Model:
    """The nets on one device.

    Args:
        unet, vae, encoder: loaded.
        resolution: side of the square.
        halving: what is asked to do that which may end the device's memory.
        layout: how much is computed at once, at first.
    """

    def __init__(
        self,
        unet: UNet3D,
        vae: eye.Vae,
        encoder: ear.Encoder,
        resolution: int,
        halving: Halving = _whole,
        layout: room.Layout = room.LAYOUTS[1],
    ) -> None:
        self._unet, self._vae, self._encoder = unet, vae, encoder
        self.resolution = resolution
        self._halving = halving
        self._layout = layout

    def at_once(self, sampling: Sampling) -> int:
        """Windows that `latents` had best be given together."""
        return max(1, self._layout.passes // (2 if sampling.guidance > 1 else 1))

    def hear(self, sound: npt.NDArray[np.float32]) -> Tensor:
        """Rows of features, [rows, states, width], of a sound at 16 kHz."""
        return ear.features(self._encoder, sound, ear.RAW)

    @torch.inference_mode()
    def latents(self, given: Sequence[Given], sampling: Sampling, seed: int) -> Tensor:
        """The latents of some windows of f pictures each, [windows, f, 4, h, h].

        Args:
            given: of each window.
            sampling, seed: how they are denoised, and from which noise.
        """
        squares = np.concatenate([one.squares for one in given])
        seen = self._seen(squares)
        frames = len(squares) // len(given)
        conditions = seen[0].reshape(-1, len(given), frames, *seen.shape[-2:]).transpose(0, 1)
        start = window.noise(self.resolution, frames, seed, seen.device, seen.dtype)
        heard = torch.stack([tokens(one.features, one.rows) for one in given]).to(seen.device, seen.dtype)
        found = self._halving(
            "passes of LatentSync",
            self._layout.passes,
            lambda size: denoise(
                self._unet, sampling, start.expand(len(given), -1, -1, -1, -1), conditions, heard, size
            ),
        )
        return found.transpose(1, 2)

    def _seen(self, squares: Squares) -> Tensor:
        """The conditions of pictures, [1, 9, f, h, h]."""
        return self._halving(
            "faces of LatentSync",
            min(len(squares), self._layout.slices),
            lambda size: torch.cat(
                [
                    window.conditions(self._vae, squares[at : at + size])
                    for at in range(0, len(squares), size)
                ],
                dim=2,
            ),
        )

    @torch.inference_mode()
    def through_latents(self, squares: Squares) -> npt.NDArray[np.float32]:
        """Pictures as the latents keep them, float32 [f, 3, r, r], about -1..1."""
        return self.decode(self._seen(squares)[0, -4:].transpose(0, 1))

    @torch.inference_mode()
    def noticed(
        self, given: Given, timestep: int, seed: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Noise put over a window of f pictures, and what the network takes for it: both [4, f, h, h].

        Args:
            given: of the window.
            timestep: of the trained ones: how much noise.
            seed: of the noise.
        """
        seen = self._seen(given.squares)
        there = window.noise(self.resolution, len(given.squares), seed, seen.device, seen.dtype)
        signal = float(kept_signal()[timestep])
        noisy = signal**0.5 * seen[:, -4:] + (1 - signal) ** 0.5 * there
        heard = tokens(given.features, given.rows).to(seen.device, seen.dtype)[None]
        found, _ = self._unet(torch.cat([noisy, seen], dim=1), timestep, heard)
        return there[0].float().cpu().numpy(), found[0].float().cpu().numpy()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> npt.NDArray[np.float32]:
        """Pictures, float32 [f, 3, r, r], about -1..1.

        Raises:
            LocError: as `as_numbers`.
        """
        return as_numbers(self._vae.decode(latents))


def load(
    model: str,
    files: Mapping[str, Path],
    vae: Mapping[str, Path],
    device: str,
    halving: Halving = _whole,
    layout: room.Layout = room.LAYOUTS[1],
) -> Model:
    """The nets from published files.

    Args:
        model: id of the set.
        files, vae: the files of each set by name.
        device: as torch names it; for the precision see `is_half`.
        halving, layout: see `Model`. With an offloading layout the weights stay in the host's memory.

    Raises:
        MissingError: a file is of another model, or they do not fit together.
    """
    shape = shape_of(model, files)
    dtype = torch.float16 if is_half(torch.device(device)) else torch.float32
    home = "cpu" if layout.offload else device
    config = read_config(vae[CONFIG])
    weights = next(path for name, path in vae.items() if name != CONFIG)
    unet = _filled(lambda: UNet3D(shape.unet), read_state(files[UNET]), f"{model}: {UNET}", home, dtype)
    autoencoder = _filled(
        lambda: eye.autoencoder(config),
        eye.current_names(read_state(weights)),
        f"The VAE: {weights.name}",
        home,
        dtype,
    )
    if layout.offload:
        for part in (*parts(unet), *eye.parts(autoencoder)):
            lend(part, torch.device(device))
    heard = ear.encoder_state(read_state(files[EAR]))
    encoder = _filled(lambda: ear.encoder_like(heard), heard, f"{model}: {EAR}", device, torch.float32)
    width = encoder.conv1.out_channels
    if width != shape.unet.audio:
        raise MissingError(
            "LatentSync's UNet and the whisper beside it do not fit.",
            why=f"One reads tokens of {shape.unet.audio} numbers, the other gives {width}.",
        )
    sight = eye.Vae(autoencoder, torch.device(device))
    return Model(unet, sight, encoder, shape.resolution, halving, layout)


def taken_by(model: str, files: Mapping[str, Path], vae: Mapping[str, Path], device: str) -> room.Takes:
    """What the nets of published files take on a device; see `load`. No weights are read."""
    half = is_half(torch.device(device))
    return taken(shape_of(model, files), read_config(vae[CONFIG]), half=half)


def taken(shape: Shape, vae: Mapping[str, Any], *, half: bool) -> room.Takes:
    """What nets of some shape take on a device.

    Args:
        vae: the VAE's configuration.
        half: whether they compute in half precision.
    """
    with torch.device("meta"):
        autoencoder = eye.autoencoder(vae)
    unet_numbers, part_numbers = _numbers_of(shape.unet)
    return room.takes(
        shape.resolution,
        unet_numbers=unet_numbers,
        part_numbers=part_numbers,
        unet_width=shape.unet.widths[0],
        vae_numbers=numbers(autoencoder),
        vae_width=autoencoder.config.block_out_channels[0],
        number=2 if half else 4,
    )


@cache
def _numbers_of(unet: UNetConfig) -> tuple[int, int]:
    """Numbers of the weights of a UNet and of the largest of its parts. A run asks for each cut, and to lay
    the net out takes 0.1 s."""
    with torch.device("meta"):
        net = UNet3D(unet)
    return numbers(net), max(map(numbers, parts(net)))


def _filled(
    make: Callable[[], Net], state: Mapping[str, Tensor], what: str, device: str, dtype: torch.dtype
) -> Net:
    """A net on its device with the tensors of a state. Nothing is made up first only to be thrown away."""
    with torch.device("meta"):
        net = make()
    # The class's own `to` may warn of parts that it has not.
    torch.nn.Module.to(net, dtype)
    net.to_empty(device=device)
    load_strict(net, state, what)
    return net.eval().requires_grad_(False)
