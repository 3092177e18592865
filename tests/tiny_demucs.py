"""Checkpoints in both forms in which Demucs is published, small enough to be trained by a test."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from demucs.htdemucs import HTDemucs
from safetensors.torch import save as save_safetensors

SOURCES = ("drums", "bass", "other", "vocals")
SMALL: dict[str, Any] = {
    "channels": 4,
    "bottom_channels": 8,
    "dconv_mode": 3,
    "dconv_depth": 1,
    "dconv_comp": 2,
    "dconv_init": 0.1,
    "t_layers": 1,
    "t_heads": 1,
    "t_hidden_scale": 1.0,
    "segment": Fraction(1),
}
"""The published shape but for its sizes: depth, strides and spectrum are the published ones."""

STEPS = 45


def blank(seed: int = 0, **changes: Any) -> HTDemucs:
    """A network that was not taught anything."""
    torch.manual_seed(seed)
    model: HTDemucs = HTDemucs(list(SOURCES), **{**SMALL, **changes}).eval()
    return model


def overfit(mix: npt.NDArray[np.float32], speech: npt.NDArray[np.float32], steps: int = STEPS) -> HTDemucs:
    """A network that finds the speech in these very seconds.

    Args:
        mix, speech: float32 [segments, n, 2] at 44.1 kHz, n one segment.
    """
    model = blank().train()
    level = float(mix.std())
    heard = torch.from_numpy(mix / level).transpose(1, 2)
    wanted = torch.from_numpy(speech / level).transpose(1, 2)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(steps):
        loss = (model(heard)[:, SOURCES.index("vocals")] - wanted).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    # Training writes the length it was fed into the network.
    model.segment = SMALL["segment"]
    return model.eval()


def arguments(model: HTDemucs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a network was made with, as demucs notes it."""
    noted: Any = model._init_args_kwargs
    args, kwargs = noted
    return args, kwargs


def package(model: HTDemucs, **changes: Any) -> bytes:
    """The `.th` file of torch that demucs saved until 4.1: class, arguments, state in half precision."""
    args, kwargs = arguments(model)
    content = {
        "klass": type(model),
        "args": args,
        "kwargs": kwargs,
        "state": {name: tensor.half() for name, tensor in model.state_dict().items()},
        "training_args": {"epochs": 3, "lr": np.float64(3e-4)},
        **changes,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def safetensors(model: HTDemucs, klass: str = "demucs.htdemucs.HTDemucs") -> bytes:
    """The file that demucs 4.1 takes from the hub: arguments as JSON in the metadata."""
    args, kwargs = arguments(model)
    said = {"klass": klass, "args": _json(args), "kwargs": _json(kwargs)}
    state = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    return save_safetensors(state, metadata=said)


def _json(value: Any) -> str:
    def rational(item: Any) -> Any:
        return {"_type": "fraction", "numerator": item.numerator, "denominator": item.denominator}

    return json.dumps(value, default=rational)


def segments(sound: npt.NDArray[np.float32], seconds: Sequence[float]) -> npt.NDArray[np.float32]:
    """Segments of float32 [n, 2] at 44.1 kHz that begin at these times, float32 [segments, 44100, 2]."""
    starts = [round(at * 44_100) for at in seconds]
    padded = np.pad(sound, ((0, 44_100), (0, 0)))
    return np.asarray(np.stack([padded[start : start + 44_100] for start in starts]), dtype=np.float32)
