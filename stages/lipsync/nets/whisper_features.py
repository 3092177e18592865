"""Sound as mouth renderers hear it: the hidden states of whisper's encoder, 50 rows a second.

A row is [layers + 1, width]: the encoder's input after its positions, then what each layer gives. Two
habits are in use, see `Variant`. What renders by default is `features`: windows of 30 s that overlap, each
row taken where its window knows 5 s on either side, so that no joint is heard. `upstream_features` cuts hard
every 30 s, as the models' own scripts do; it is there for parity.

Sources: the Whisper paper (arXiv:2212.04356) for mel and encoder; which layers are normalised, and where
short pieces are padded, are facts of MuseTalk's and LatentSync's scripts, checked by numbers in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from loc.errors import MissingError
from stages.lipsync.nets.rows import ROWS_PER_SECOND

Floats = npt.NDArray[np.float32]

RATE = 16_000
"""Samples a second."""
MELS = 80
FFT, HOP = 400, 160
ROW = 2 * HOP
"""Samples of one row of features: the encoder halves the mel's 100 columns a second."""
WINDOW_ROWS = 1500
WINDOW = WINDOW_ROWS * ROW
"""Samples that the encoder hears at once: 30 s, the only length it was trained on."""
CONTEXT_ROWS = 5 * ROWS_PER_SECOND
"""What a row's window holds before and after it, where there is sound."""
FADE_ROWS = ROWS_PER_SECOND
"""Two windows give way to each other over a second, in the middle of what both know well."""
HEAD_WIDTH = 64
"""Of every published whisper."""
MAX_HZ = 8000.0


@dataclass(frozen=True)
class Variant:
    """How hidden states are taken.

    `normalised_last`: whether the last layer has passed the encoder's final norm.
    `padded`: whether a piece under 30 s is filled up with silence before the mel is taken, or with 0.0 in it.
    """

    normalised_last: bool
    padded: Literal["sound", "mel"]


NORMALISED = Variant(normalised_last=True, padded="sound")
"""MuseTalk 1.5."""
RAW = Variant(normalised_last=False, padded="mel")
"""MuseTalk 1.0 and LatentSync."""


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, rows, width = x.shape
        q, k, v = (
            project(x).view(batch, rows, self.heads, -1).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self._out(mixed.transpose(1, 2).reshape(batch, rows, width))

    def _out(self, x: Tensor) -> Tensor:
        out: Tensor = self.out_proj(x)
        return out


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn = _Attention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        out: Tensor = x + self.fc2(functional.gelu(self.fc1(self.final_layer_norm(x))))
        return out


class Encoder(nn.Module):
    """Whisper's encoder; its state dict has the Hugging Face names.

    Args:
        width: of its states.
        layers: how many.
        heads: of its attention.
        inner: width of its feed-forward layers.
        mels: bands of the mel.
        positions: rows it hears at once.
    """

    def __init__(
        self, width: int, layers: int, heads: int, inner: int, mels: int = MELS, positions: int = WINDOW_ROWS
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(positions, width)
        self.embed_positions.weight = nn.Parameter(sinusoids(positions, width), requires_grad=False)
        self.layers = nn.ModuleList(_Layer(width, heads, inner) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, mel: Tensor, normalised_last: bool) -> Tensor:
        """Hidden states, [batch, rows, layers + 1, width].

        Args:
            mel: [batch, mels, 2 * rows], rows at most the encoder's positions.
        """
        x = functional.gelu(self.conv1(mel))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        x = x + self.embed_positions.weight[: x.shape[1]]
        states = [x]
        for layer in self.layers:
            x = layer(x)
            states.append(x)
        if normalised_last:
            states[-1] = self.layer_norm(x)
        return torch.stack(states, dim=2)


def sinusoids(length: int, width: int) -> Tensor:
    """Whisper's fixed positions, [length, width]: sines of falling rates, then cosines."""
    half = width // 2
    rates = torch.exp(-np.log(10000.0) / (half - 1) * torch.arange(half))
    angles = torch.arange(length)[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


_OPENAI = (
    (re.compile(r"^blocks\."), "layers."),
    (re.compile(r"\.attn_ln\."), ".self_attn_layer_norm."),
    (re.compile(r"\.attn\.query\."), ".self_attn.q_proj."),
    (re.compile(r"\.attn\.key\."), ".self_attn.k_proj."),
    (re.compile(r"\.attn\.value\."), ".self_attn.v_proj."),
    (re.compile(r"\.attn\.out\."), ".self_attn.out_proj."),
    (re.compile(r"\.mlp_ln\."), ".final_layer_norm."),
    (re.compile(r"\.mlp\.0\."), ".fc1."),
    (re.compile(r"\.mlp\.2\."), ".fc2."),
    (re.compile(r"^ln_post\."), "layer_norm."),
    (re.compile(r"^positional_embedding$"), "embed_positions.weight"),
)


def hugging_face_name(key: str) -> str:
    """The Hugging Face name of a tensor of the encoder; one that has it already keeps it."""
    for pattern, name in _OPENAI:
        key = pattern.sub(name, key)
    return key


def encoder_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors under the names of `Encoder`, from a whole whisper or from its encoder alone, as
    OpenAI or as Hugging Face name them."""
    prefixes = ("model.encoder.", "encoder.")
    prefix = next((one for one in prefixes if any(key.startswith(one) for key in state)), "")
    return {
        hugging_face_name(key.removeprefix(prefix)): value
        for key, value in state.items()
        if key.startswith(prefix)
    }


def encoder_like(state: Mapping[str, Tensor], heads: int | None = None) -> Encoder:
    """An encoder of the size of a state that `encoder_state` gave; nothing is loaded into it.

    Args:
        heads: None: as many as have the published width.

    Raises:
        MissingError: the tensors that tell the size are not there.
    """
    telling = ("conv1.weight", "embed_positions.weight", "layers.0.fc1.weight")
    if lacking := [name for name in telling if name not in state]:
        raise MissingError("A file is no whisper.", why=f"It has no {', '.join(lacking)}.")
    width, mels = state["conv1.weight"].shape[:2]
    positions = state["embed_positions.weight"].shape[0]
    inner = state["layers.0.fc1.weight"].shape[0]
    layers = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("layers."))
    return Encoder(width, layers, heads or max(1, width // HEAD_WIDTH), inner, mels, positions)


@cache
def mel_filters(mels: int = MELS) -> Tensor:
    """Triangles of equal area on Slaney's mel scale, linear to 1 kHz, [mels, FFT / 2 + 1]."""
    linear, step = 1000.0 / 15, np.log(6.4) / 27

    def to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(mel < 15, mel * linear, 1000.0 * np.exp(step * (mel - 15)))

    top = 15 + np.log(MAX_HZ / 1000.0) / step
    edges = to_hz(np.linspace(0, top, mels + 2))
    bins = np.linspace(0, RATE / 2, FFT // 2 + 1)
    rising = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(triangles.astype(np.float32))


def log_mel(sound: Tensor, mels: int = MELS) -> Tensor:
    """Whisper's log-mel, [mels, samples / HOP]: 8 decades under the loudest of what is given, scaled to about
    -1..1.

    Args:
        sound: float32 [samples], 16 kHz, -1..1.
    """
    window = torch.hann_window(FFT, device=sound.device)
    spectrum = torch.stft(sound, FFT, HOP, window=window, return_complex=True)
    power = spectrum[:, :-1].abs() ** 2
    level = (mel_filters(mels).to(sound.device) @ power).clamp(min=1e-10).log10()
    return (torch.maximum(level, level.max() - 8.0) + 4.0) / 4.0


@torch.no_grad()
def features(encoder: Encoder, sound: Floats, variant: Variant) -> Tensor:
    """Rows of features of a sound of any length, [rows, layers + 1, width], on the encoder's device.

    A row depends on nothing further than 30 s from it; a sound of up to 30 s is heard at once. The last row
    may reach past the sound.

    Args:
        sound: float32 [samples], 16 kHz, mono, about -1..1.
    """
    rows = -(-len(sound) // ROW)
    window = encoder.embed_positions.weight.shape[0]
    context = min(CONTEXT_ROWS, window // 6)
    fade = min(FADE_ROWS, context)
    step = window - 2 * context
    held: Tensor | None = None
    first = 0
    while True:
        piece = sound[first * ROW : (first + window) * ROW]
        count = min(window, rows - first)
        heard = _window(encoder, piece, variant)[:count]
        if held is None:
            held = heard.new_zeros((rows, *heard.shape[1:]))
            held[:count] = heard
        else:
            joint = context - fade // 2
            share = torch.linspace(0, 1, fade + 2, device=heard.device, dtype=heard.dtype)[1:-1, None, None]
            place = slice(first + joint, first + joint + fade)
            held[place] = held[place] + share * (heard[joint : joint + fade] - held[place])
            held[first + joint + fade : first + count] = heard[joint + fade :]
        if first + window >= rows:
            return held
        first += step


@torch.no_grad()
def upstream_features(encoder: Encoder, sound: Floats, variant: Variant) -> Tensor:
    """Rows as the models' own scripts take them: hard pieces of 30 s. [rows, layers + 1, width].

    With sound padded, every piece gives 1500 rows, those of its silence included; with the mel padded, the
    mel's maximum is that of the whole sound and the last piece gives the rows it has.
    """
    if variant.padded == "sound":
        pieces = [sound[start : start + WINDOW] for start in range(0, len(sound), WINDOW)]
        return torch.cat([_window(encoder, piece, variant) for piece in pieces])
    mel = log_mel(_tensor(encoder, sound), encoder.conv1.in_channels)
    parts = []
    for start in range(0, mel.shape[1], 2 * WINDOW_ROWS):
        part = mel[:, start : start + 2 * WINDOW_ROWS]
        parts.append(_encoded(encoder, part, variant)[: min(WINDOW_ROWS, part.shape[1] // 2)])
    return torch.cat(parts)


def _tensor(encoder: Encoder, sound: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(sound)).to(encoder.conv1.weight.device)


def _window(encoder: Encoder, sound: Floats, variant: Variant) -> Tensor:
    """Rows of at most one window, [positions, layers + 1, width]."""
    length = encoder.embed_positions.weight.shape[0] * ROW
    mels = encoder.conv1.in_channels
    wave = _tensor(encoder, sound)
    if variant.padded == "sound":
        return _encoded(encoder, log_mel(functional.pad(wave, (0, length - len(wave))), mels), variant)
    # The transform needs more sound than its own half window to mirror.
    whole = functional.pad(wave, (0, max(-len(wave) % ROW, FFT - len(wave))))
    return _encoded(encoder, log_mel(whole, mels), variant)


def _encoded(encoder: Encoder, mel: Tensor, variant: Variant) -> Tensor:
    """[positions, layers + 1, width] of a mel of at most twice as many columns."""
    columns = 2 * encoder.embed_positions.weight.shape[0]
    full = functional.pad(mel, (0, columns - mel.shape[1])).to(encoder.conv1.weight.dtype)
    out: Tensor = encoder(full[None], variant.normalised_last)[0]
    return out
