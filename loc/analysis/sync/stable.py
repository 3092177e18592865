"""StableSyncNet, the network whose judgement LatentSync is trained against.

Sixteen pictures of the lower half of a face, and their sound as a mel spectrogram, become one vector each;
their cosine says how well they agree.

Imports torch: import it inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from loc.analysis.sync.mel import RATE, STEP, TOP, mel
from loc.layers import Attention, FeedForward

GROUPS, EPSILON, HEADS = 32, 1e-6, 8

AUDIO: Mapping[str, Any] = {
    "in_channels": 1,
    "block_out_channels": (32, 64, 128, 256, 512, 1024, 2048),
    "downsample_factors": ((2, 1), 2, 2, 1, 2, 2, (2, 3)),
    "attn_blocks": (0, 0, 0, 1, 1, 0, 0),
}
VISUAL: Mapping[str, Any] = {
    "in_channels": 48,
    "block_out_channels": (64, 128, 256, 256, 512, 1024, 2048, 2048),
    "downsample_factors": ((1, 2), 2, 2, 2, 2, 2, 2, 2),
    "attn_blocks": (0, 0, 0, 0, 1, 1, 0, 0),
}
"""The published shape (`stable_syncnet.pt`): sounds [n, 1, 80, 52] and pictures [n, 48, 128, 256] to 2048."""


FPS, SIDE = 25, 256
"""Pictures per second, and pixels of an aligned face, of which the lower half is seen."""
PICTURES, COLUMNS = 16, 52
"""Of a window: pictures, and columns of the mel spectrogram."""
PER_SECOND = RATE // STEP
"""Columns a second."""
STRIDE = 4
"""Pictures between the windows that are compared: each holds sixteen, so every picture is seen four times."""


class StableSyncNet(nn.Module):
    """The network, with the 266 tensors of the published file under their names; random weights.

    Args:
        audio, visual: the towers, as the published configuration describes them.
    """

    def __init__(self, audio: Mapping[str, Any] = AUDIO, visual: Mapping[str, Any] = VISUAL) -> None:
        super().__init__()
        self.audio_encoder = _Encoder(audio)
        self.visual_encoder = _Encoder(visual)

    def forward(self, pictures: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors of pictures [n, 48, h, w], -1..1, and of sounds [n, 1, 80, t]."""
        seen, heard = self.visual_encoder(pictures), self.audio_encoder(sound)
        return functional.normalize(seen, dim=1), functional.normalize(heard, dim=1)


class _Encoder(nn.Module):
    def __init__(self, shape: Mapping[str, Any]) -> None:
        super().__init__()
        widths = shape["block_out_channels"]
        self.conv_in = nn.Conv2d(shape["in_channels"], widths[0], 3, padding=1)
        blocks: list[nn.Module] = []
        width = widths[0]
        layers = zip(widths, shape["downsample_factors"], shape["attn_blocks"], strict=True)
        for outputs, factor, attends in layers:
            blocks.append(_Resnet(width, outputs, factor))
            if attends:
                blocks.append(_SelfAttention(outputs))
            width = outputs
        self.down_blocks = nn.ModuleList(blocks)
        self.norm_out = nn.GroupNorm(GROUPS, width, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return functional.relu(self.norm_out(x)).flatten(1)


class _Resnet(nn.Module):
    def __init__(self, inputs: int, outputs: int, factor: int | Sequence[int]) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inputs, EPSILON)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, outputs, EPSILON)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None
        down, across = (factor, factor) if isinstance(factor, int) else factor
        self.downsample_conv = None
        if (down, across) != (1, 1):
            self.downsample_conv = nn.Conv2d(outputs, outputs, 3, (down, across))
        # An axis that keeps its length is padded on both sides, one that shrinks on the far side alone.
        self.padding = (int(across == 1), 1, int(down == 1), 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(functional.silu(self.norm1(x)))
        inner = self.conv2(functional.silu(self.norm2(inner)))
        out: Tensor = (x if self.conv_shortcut is None else self.conv_shortcut(x)) + inner
        if self.downsample_conv is None:
            return out
        smaller: Tensor = self.downsample_conv(functional.pad(out, self.padding))
        return smaller


class _SelfAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, width, EPSILON)
        self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, HEADS, bias=True)
        self.ff = FeedForward(width)
        self.conv_in, self.conv_out = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv_in(self.norm1(x))
        tokens = inner.flatten(2).transpose(1, 2)
        tokens = tokens + self.attn(self.norm2(tokens))
        tokens = tokens + self.ff(self.norm3(tokens))
        out: Tensor = x + self.conv_out(tokens.transpose(1, 2).reshape(inner.shape))
        return out


def windows(pictures: int, samples: int) -> int:
    """How many windows are compared.

    Args:
        pictures: how many, 25 per second.
        samples: of sound at 16 kHz.
    """
    shown = min(pictures, samples * FPS // RATE)
    return max(0, (shown - PICTURES) // STRIDE + 1)


def agreements(
    network: StableSyncNet,
    pictures: Iterator[npt.NDArray[np.uint8]],
    sound: npt.NDArray[np.float32],
    count: int,
    shift: int,
    batch: int,
) -> npt.NDArray[np.float32]:
    """Cosines of every window's lips with the sound at every shift, float32 [count, 2 * shift + 1], from the
    most to the least that the sound is taken early. Beyond its ends there is silence.

    Args:
        network: in evaluation mode.
        pictures: aligned faces, uint8 [SIDE, SIDE, 3] RGB, 25 per second, as many as the windows need.
        sound: float32 [m], 16 kHz, from the first picture on.
        count: of windows, at least one.
        shift: pictures either way.
        batch: windows per call of the network; no result depends on it beyond rounding.
    """
    device = next(network.parameters()).device
    held = list(islice(pictures, PICTURES))
    seen: list[Tensor] = []
    with torch.inference_mode():
        lips: list[npt.NDArray[np.uint8]] = []
        for index in range(count):
            if index:
                held = [*held[STRIDE:], *islice(pictures, STRIDE)]
            lips.append(np.concatenate([face[SIDE // 2 :].transpose(2, 0, 1) for face in held]))
            if len(lips) == batch or index == count - 1:
                given = torch.from_numpy(np.stack(lips)).to(device).float() / 127.5 - 1
                seen.append(functional.normalize(network.visual_encoder(given), dim=1))
                lips = []
        starts = range(-shift, STRIDE * (count - 1) + shift + 1)
        spectra = _spectra(mel(sound), starts)
        heard = [
            functional.normalize(
                network.audio_encoder(torch.from_numpy(spectra[at : at + batch]).to(device)), dim=1
            )
            for at in range(0, len(spectra), batch)
        ]
        every = (torch.cat(seen) @ torch.cat(heard).T).float().cpu().numpy()
    at = STRIDE * np.arange(count)[:, None] + np.arange(2 * shift + 1)
    return np.asarray(np.take_along_axis(every, at, axis=1), dtype=np.float32)


def _spectra(levels: npt.NDArray[np.float32], starts: Sequence[int]) -> npt.NDArray[np.float32]:
    """The sound under windows that begin at some pictures, float32 [n, 1, bands, COLUMNS]."""
    first = [int(np.floor(PER_SECOND * start / FPS)) for start in starts]
    before, after = max(0, -min(first)), max(0, max(first) + COLUMNS - levels.shape[1])
    padded = np.pad(levels, ((0, 0), (before, after)), constant_values=-TOP)
    return np.stack([padded[None, :, before + at : before + at + COLUMNS] for at in first])
