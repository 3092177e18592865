"""MuseTalk's nets together: faces and sound in, faces out, in batches; nothing is remembered."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loc.device import Say
from loc.errors import MissingError
from loc.weights.load import load_strict, read_state
from stages.lipsync.contract import Meter
from stages.lipsync.musetalk import room
from stages.lipsync.musetalk.knobs import Precision, Version
from stages.lipsync.musetalk.recorded import Recorded, Run
from stages.lipsync.musetalk.unet import predict, unet
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets import whisper_features as ear
from stages.lipsync.nets.config import read_config
from stages.lipsync.nets.memory import numbers
from stages.lipsync.nets.precision import as_numbers, is_half

Faces = npt.NDArray[np.uint8]
"""RGB, [n, SIDE, SIDE, 3]."""

SIDE = 256
"""Of a face as the nets see it, pixels."""


def _silent(_code: str, _message: str) -> None:
    """Nobody is told."""


class Model:
    """The nets on one device.

    Args:
        unet: as `unet.unet` makes it, loaded.
        vae, encoder: loaded.
        variant: how the sound's last layer is taken.
        say: told where work on a GPU cannot be recorded.
    """

    def __init__(
        self, net: Any, vae: eye.Vae, encoder: ear.Encoder, variant: ear.Variant, say: Say = _silent
    ) -> None:
        self._unet, self._vae, self._encoder, self._variant = net, vae, encoder, variant
        self._turn = threading.Lock()
        self._run: Run = self._drawn
        if self.device.type == "cuda":
            self._run = Recorded(self._drawn, say)

    @property
    def device(self) -> torch.device:
        return self._vae.device

    @contextlib.contextmanager
    def computing(self, meter: Meter | None = None) -> Iterator[None]:
        """The nets for one thread alone: of cuts that are baked and drawn side by side one batch is on the
        device at a time, and each cut counts its own time."""
        with self._turn, meter.running() if meter is not None else contextlib.nullcontext():
            yield

    def hear(self, sound: ear.Floats) -> Tensor:
        """Rows of features of a sound, [rows, layers, width]. 16 kHz, mono."""
        return ear.features(self._encoder, sound, self._variant)

    def see(self, faces: Faces) -> Tensor:
        """Latents of faces, [n, 8, ...]: the face with its lower half hidden, then the whole one."""
        hidden, whole = inputs(faces)
        latents = self._vae.encode(torch.cat([hidden, whole]))
        return torch.cat(latents.chunk(2), dim=1)

    def draw(self, latents: Tensor, tokens: Tensor) -> Faces:
        """The faces that say what is heard.

        Args:
            latents: as `see` gives them.
            tokens: as `tokens_of` gives them.
        """
        return pictures(self._run(latents.to(self._dtype), tokens.to(self._dtype)))

    def _drawn(self, latents: Tensor, tokens: Tensor) -> Tensor:
        return self._vae.decode(predict(self._unet, latents, tokens))

    def decode(self, latents: Tensor) -> Faces:
        """The faces of latents, [n, 4, ...]."""
        return pictures(self._vae.decode(latents))

    @property
    def _dtype(self) -> torch.dtype:
        dtype: torch.dtype = next(self._unet.parameters()).dtype
        return dtype


def inputs(faces: Faces) -> tuple[Tensor, Tensor]:
    """(hidden, whole): faces as the VAE takes them, [n, 3, SIDE, SIDE], -1..1; in the first, rows from the
    middle down are -1."""
    # In their own order of bytes, colours last, a CPU's convolutions are off by up to 7e-4.
    whole = torch.from_numpy(np.ascontiguousarray(faces)).permute(0, 3, 1, 2).float().contiguous()
    whole = (whole / 255 - 0.5) / 0.5
    hidden = whole.clone()
    hidden[:, :, whole.shape[2] // 2 :] = -1.0
    return hidden, whole


def pictures(decoded: Tensor) -> Faces:
    """Decoded faces, [n, 3, height, width] about -1..1, as bytes.

    Raises:
        LocError: as `as_numbers`.
    """
    levels = np.rint((as_numbers(decoded) / 2 + 0.5).clip(0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))


def tokens_of(rows: Tensor, table: npt.NDArray[np.int64]) -> Tensor:
    """The tokens of each frame, [n, window * layers, width], zeros where a window leaves the sound.

    Args:
        rows: [rows, layers, width].
        table: [n, window], as in `windows`.
    """
    inside = torch.from_numpy((table >= 0) & (table < len(rows))).to(rows.device)
    held = rows[torch.from_numpy(table.clip(0, len(rows) - 1)).to(rows.device)]
    return (held * inside[..., None, None]).flatten(1, 2)


def load(
    files: Mapping[str, Path], version: Version, device: str, precision: Precision, say: Say = _silent
) -> Model:
    """The nets from published files.

    Args:
        files: by their part: `unet`, `unet_config`, `vae`, `vae_config`, `ear`, `ear_config`.
        device: as torch names it.
        precision: of UNet and VAE on a GPU.
        say: as `Model`.

    Raises:
        MissingError: a file is of another model, or they do not fit together.
    """
    config = read_config(files["unet_config"])
    net = unet(config)
    load_strict(net, read_state(files["unet"]), "MuseTalk's UNet")
    vae = eye.autoencoder(read_config(files["vae_config"]))
    load_strict(vae, eye.current_names(read_state(files["vae"])), "MuseTalk's VAE")
    heads = read_config(files["ear_config"]).get("encoder_attention_heads")
    heard = ear.encoder_state(read_state(files["ear"]))
    encoder = ear.encoder_like(heard, heads)
    load_strict(encoder, heard, "The whisper that MuseTalk hears with")
    width, wanted = encoder.conv1.out_channels, config.get("cross_attention_dim")
    if width != wanted:
        raise MissingError(
            "MuseTalk's UNet and the whisper beside it do not fit.",
            why=f"One reads tokens of {wanted} numbers, the other gives {width}.",
        )
    variant = ear.NORMALISED if version == "1.5" else ear.RAW
    for part in (net, vae, encoder):
        part.eval().requires_grad_(False)
    place = torch.device(device)
    net, vae = (laid_out(part, place, precision) for part in (net, vae))
    return Model(net, eye.Vae(vae), encoder.to(place), variant, say)


def laid_out(net: Any, device: torch.device, precision: Precision) -> Any:
    """UNet or VAE as it computes on a device."""
    # A GPU's tensor cores take colours last; a CPU's convolutions lose digits that way.
    order = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    return net.to(device, _dtype(device, precision), memory_format=order)


def taken_by(files: Mapping[str, Path], device: str, precision: Precision) -> room.Takes:
    """What the nets of published files take on a device; see `load`. No weights are read."""
    dtype = _dtype(torch.device(device), precision)
    return taken(
        read_config(files["unet_config"]), read_config(files["vae_config"]), half=dtype != torch.float32
    )


def taken(config: Mapping[str, Any], sight: Mapping[str, Any], *, half: bool) -> room.Takes:
    """What nets of some shape take on a device.

    Args:
        config: of the UNet.
        sight: of the VAE.
        half: whether they compute in half precision.
    """
    with torch.device("meta"):
        net, vae = unet(config), eye.autoencoder(sight)
    return room.takes(
        SIDE,
        unet_numbers=numbers(net),
        unet_width=net.config.block_out_channels[0],
        vae_numbers=numbers(vae),
        vae_width=vae.config.block_out_channels[0],
        number=2 if half else 4,
    )


def _dtype(device: torch.device, precision: Precision) -> torch.dtype:
    """What UNet and VAE compute in: whatever was asked for on a GPU, by itself fp16 where that is sound; fp32
    elsewhere."""
    if device.type != "cuda" or precision == "fp32" or (precision == "auto" and not is_half(device)):
        return torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float16
