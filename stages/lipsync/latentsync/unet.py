"""The network that LatentSync denoises with: the two-dimensional UNet of Stable Diffusion 1, applied to every
picture, with temporal transformers (AnimateDiff) that look along time after each of its layers.

Names and shapes are those of the published `latentsync_unet.pt`. Imports torch: import it inside functions.

Pictures of a window lie one after another in the batch, [b * f, c, h, w], all through; only two things look
across them, the group norms of the residual blocks, whose statistics are those of the whole window, and the
temporal transformers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from loc.layers import Attention, FeedForward

TEMPORAL_GROUPS = 32
"""Groups of the temporal transformers' norms, whatever the configuration says of the others."""
TRANSFORMER_EPSILON = 1e-6


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of the network; the defaults are the published ones.

    Args:
        inputs: noisy latents 4, mask 1, latents of the masked and of the whole picture 4 each.
        widths: of the levels, from fine to coarse.
        attends: which levels have spatial transformers.
        layers: residual blocks per level on the way down; one more on the way up.
        audio: width of the audio tokens.
        heads: of spatial attention.
        motion_heads: of temporal attention.
        positions: the most pictures that a window may have.
    """

    inputs: int = 13
    outputs: int = 4
    widths: tuple[int, ...] = (320, 640, 1280, 1280)
    attends: tuple[bool, ...] = (True, True, True, False)
    layers: int = 2
    audio: int = 384
    heads: int = 8
    groups: int = 32
    epsilon: float = 1e-5
    motion_heads: int = 8
    positions: int = 24

    @classmethod
    def read(cls, published: Mapping[str, Any]) -> UNetConfig:
        """What the `model` section of a published configuration says, as far as this network can vary."""
        motion = published["motion_module_kwargs"]
        return cls(
            inputs=published["in_channels"],
            outputs=published["out_channels"],
            widths=tuple(published["block_out_channels"]),
            attends=tuple("CrossAttn" in name for name in published["down_block_types"]),
            layers=published["layers_per_block"],
            audio=published["cross_attention_dim"],
            heads=published["attention_head_dim"],
            groups=published["norm_num_groups"],
            epsilon=published["norm_eps"],
            motion_heads=motion["num_attention_heads"],
            positions=motion["temporal_position_encoding_max_len"],
        )


@dataclass(frozen=True)
class _Step:
    """What every layer is told: time embedding [b, t], audio tokens [b * f, n, a], pictures in a window."""

    time: Tensor
    audio: Tensor
    frames: int


class UNet3D(nn.Module):
    """The network; random weights."""

    def __init__(self, config: UNetConfig | None = None) -> None:
        super().__init__()
        config = config or UNetConfig()
        widths, time = config.widths, 4 * config.widths[0]
        self.config = config
        self.conv_in = nn.Conv2d(config.inputs, widths[0], 3, padding=1)
        self.time_embedding = _TimeEmbedding(widths[0], time)
        last = len(widths) - 1
        entered = (widths[0], *widths[:-1])
        self.down_blocks = nn.ModuleList(
            _Down(config, time, entered[level], widths[level], config.attends[level], shrinks=level < last)
            for level in range(len(widths))
        )
        self.mid_block = _Middle(config, time, widths[-1])
        # What each level on the way up is handed by the way down, finest last.
        handed = [widths[0]]
        for level, width in enumerate(widths):
            handed += [width] * (config.layers + int(level < last))
        ups, below = [], widths[-1]
        for level in reversed(range(len(widths))):
            taken = [handed.pop() for _ in range(config.layers + 1)]
            ups.append(_Up(config, time, below, taken, widths[level], config.attends[level], level > 0))
            below = widths[level]
        self.up_blocks = nn.ModuleList(ups)
        self.conv_norm_out = _WindowNorm(config.groups, widths[0], config.epsilon)
        self.conv_out = nn.Conv2d(widths[0], config.outputs, 3, padding=1)

    def forward(
        self, latents: Tensor, timestep: int, audio: Tensor, deep: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The noise in some windows.

        Args:
            latents: [b, inputs, f, h, w].
            timestep: of all of them.
            audio: tokens [b, f, n, a] or [b * f, n, a].
            deep: what an earlier step of the same windows returned as such: the network but its outermost
                layer is not computed then.

        Returns:
            The noise [b, outputs, f, h, w]; and what goes into the outermost layer.
        """
        frames = latents.shape[2]
        step = _Step(self.time_embedding(timestep, len(latents), latents), audio.flatten(0, -3), frames)
        x = self.conv_in(latents.transpose(1, 2).flatten(0, 1))
        handed = [x]
        outermost = self.up_blocks[-1]
        assert isinstance(outermost, _Up)
        if deep is None:
            for down in self.down_blocks:
                assert isinstance(down, _Down)
                handed += down(handed[-1], step)
            x = self.mid_block(handed[-1], step)
            for up in self.up_blocks[:-1]:
                x = up(x, handed, step)
            deep = outermost.inner(x, handed, step)
        x = outermost.last(deep, handed[0], step)
        out = self.conv_out(functional.silu(self.conv_norm_out(x, frames)))
        return out.unflatten(0, (-1, frames)).transpose(1, 2), deep


def parts(net: UNet3D) -> Iterator[nn.Module]:
    """The modules that compute one after the other, each as a whole."""
    yield from (net.conv_in, net.time_embedding, net.conv_norm_out, net.conv_out)
    for level in (*net.down_blocks, net.mid_block, *net.up_blocks):
        for row in level.children():
            yield from row.children()


class _TimeEmbedding(nn.Module):
    def __init__(self, width: int, time: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width, time)
        self.linear_2 = nn.Linear(time, time)
        self.waves = width // 2

    def forward(self, timestep: int, count: int, like: Tensor) -> Tensor:
        exponent = torch.arange(self.waves, dtype=torch.float32, device=like.device)
        angle = timestep * torch.exp(exponent * (-math.log(10_000) / self.waves))
        turns = torch.cat([angle.cos(), angle.sin()]).to(like.dtype)
        out: Tensor = self.linear_2(functional.silu(self.linear_1(turns)))
        return out.expand(count, -1)


class _WindowNorm(nn.GroupNorm):
    """A group norm whose statistics are those of all pictures of a window together."""

    def forward(self, x: Tensor, frames: int = 1) -> Tensor:
        grouped = x.reshape(-1, frames, self.num_groups, x.shape[1] // self.num_groups, *x.shape[2:])
        spread, mean = _statistics(grouped)
        # One multiplication and one addition per value: scale and shift of each channel are found first.
        scale = self.weight.view(self.num_groups, -1, 1, 1) * torch.rsqrt(spread + self.eps)
        shift = self.bias.view(self.num_groups, -1, 1, 1) - mean * scale
        return torch.addcmul(shift.to(x.dtype), grouped, scale.to(x.dtype)).reshape(x.shape)


def _statistics(grouped: Tensor) -> tuple[Tensor, Tensor]:
    """Variance and mean of the groups of windows [b, f, g, c, h, w], float32 [b, 1, g, 1, 1, 1]."""
    axes = (1, 3, 4, 5)
    if grouped.dtype == torch.float32:
        return torch.var_mean(grouped, dim=axes, correction=0, keepdim=True)
    # Half precision would lose the sum; these add up in float32 without a copy of the values.
    count = grouped[0].numel() // grouped.shape[2]
    mean = grouped.mean(dim=axes, keepdim=True, dtype=torch.float32)
    length = torch.linalg.vector_norm(grouped, dim=axes, keepdim=True, dtype=torch.float32)
    return (length.square() / count - mean.square()).clamp(min=0), mean


class _Resnet(nn.Module):
    def __init__(self, config: UNetConfig, time: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1 = _WindowNorm(config.groups, inputs, config.epsilon)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, outputs)
        self.norm2 = _WindowNorm(config.groups, outputs, config.epsilon)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, step: _Step) -> Tensor:
        inner = self.conv1(functional.silu(self.norm1(x, step.frames)))
        time = self.time_emb_proj(functional.silu(step.time)).repeat_interleave(step.frames, 0)
        inner = inner + time[:, :, None, None]
        inner = self.conv2(functional.silu(self.norm2(inner, step.frames)))
        out: Tensor = (x if self.conv_shortcut is None else self.conv_shortcut(x)) + inner
        return out


class _SpatialBlock(nn.Module):
    def __init__(self, config: UNetConfig, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.attn1 = Attention(width, config.heads)
        self.attn2 = Attention(width, config.heads, config.audio)
        self.ff = FeedForward(width)

    def forward(self, tokens: Tensor, audio: Tensor) -> Tensor:
        tokens = tokens + self.attn1(self.norm1(tokens))
        tokens = tokens + self.attn2(self.norm2(tokens), audio)
        out: Tensor = tokens + self.ff(self.norm3(tokens))
        return out


class _Spatial(nn.Module):
    """Attention within a picture, and to what is heard with it."""

    def __init__(self, config: UNetConfig, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(config.groups, width, TRANSFORMER_EPSILON)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([_SpatialBlock(config, width)])
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, step: _Step) -> Tensor:
        inner = self.proj_in(self.norm(x))
        tokens = inner.flatten(2).transpose(1, 2)
        tokens = self.transformer_blocks[0](tokens, step.audio)
        out: Tensor = x + self.proj_out(tokens.transpose(1, 2).reshape(inner.shape))
        return out


class _Positions(nn.Module):
    """A fixed table of sines and cosines, alternating, float32 [1, positions, width]."""

    pe: Tensor

    def __init__(self, width: int, positions: int) -> None:
        super().__init__()
        rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10_000) / width))
        angle = torch.arange(positions, dtype=torch.float32)[:, None] * rate
        self.register_buffer("pe", torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[None])

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens + self.pe[:, : tokens.shape[1]]


class _TemporalAttention(Attention):
    def __init__(self, width: int, heads: int, positions: int) -> None:
        super().__init__(width, heads)
        self.pos_encoder = _Positions(width, positions)

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        return super().forward(self.pos_encoder(tokens), context)


class _TemporalBlock(nn.Module):
    def __init__(self, config: UNetConfig, width: int) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList(
            _TemporalAttention(width, config.motion_heads, config.positions) for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.ff = FeedForward(width)
        self.ff_norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            tokens = tokens + attention(norm(tokens))
        out: Tensor = tokens + self.ff(self.ff_norm(tokens))
        return out


class _Temporal(nn.Module):
    """Attention along time, at each place of the picture by itself."""

    def __init__(self, config: UNetConfig, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(TEMPORAL_GROUPS, width, TRANSFORMER_EPSILON)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([_TemporalBlock(config, width)])
        self.proj_out = nn.Linear(width, width)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        tokens = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        # [b * f, s, c] -> [b * s, f, c] and back.
        along = tokens.unflatten(0, (-1, frames)).transpose(1, 2)
        mixed = self.transformer_blocks[0](along.flatten(0, 1))
        back = mixed.unflatten(0, along.shape[:2]).transpose(1, 2).flatten(0, 1)
        out: Tensor = x + self.proj_out(back).transpose(1, 2).reshape(x.shape)
        return out


class _Motion(nn.Module):
    def __init__(self, config: UNetConfig, width: int) -> None:
        super().__init__()
        self.temporal_transformer = _Temporal(config, width)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        out: Tensor = self.temporal_transformer(x, frames)
        return out


class _Resized(nn.Module):
    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class _Level(nn.Module):
    """Residual blocks, each with a spatial transformer (on some levels) and a temporal one."""

    def __init__(self, config: UNetConfig, time: int, inputs: list[int], outputs: int, attends: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(_Resnet(config, time, width, outputs) for width in inputs)
        if attends:
            self.attentions = nn.ModuleList(_Spatial(config, outputs) for _ in inputs)
        self.motion_modules = nn.ModuleList(_Motion(config, outputs) for _ in inputs)

    def layer(self, index: int, x: Tensor, step: _Step) -> Tensor:
        x = self.resnets[index](x, step)
        if hasattr(self, "attentions"):
            x = self.attentions[index](x, step)
        out: Tensor = self.motion_modules[index](x, step.frames)
        return out


class _Down(_Level):
    def __init__(
        self, config: UNetConfig, time: int, inputs: int, outputs: int, attends: bool, *, shrinks: bool
    ) -> None:
        super().__init__(config, time, [inputs, *[outputs] * (config.layers - 1)], outputs, attends)
        if shrinks:
            self.downsamplers = nn.ModuleList([_Resized(outputs, stride=2)])

    def forward(self, x: Tensor, step: _Step) -> list[Tensor]:
        """What the way up is handed, the last of which goes on down."""
        made = []
        for index in range(len(self.resnets)):
            x = self.layer(index, x, step)
            made.append(x)
        if hasattr(self, "downsamplers"):
            made.append(self.downsamplers[0](x))
        return made


class _Middle(nn.Module):
    def __init__(self, config: UNetConfig, time: int, width: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([_Spatial(config, width)])
        self.resnets = nn.ModuleList(_Resnet(config, time, width, width) for _ in range(2))

    def forward(self, x: Tensor, step: _Step) -> Tensor:
        x = self.attentions[0](self.resnets[0](x, step), step)
        out: Tensor = self.resnets[1](x, step)
        return out


class _Up(_Level):
    def __init__(
        self,
        config: UNetConfig,
        time: int,
        below: int,
        handed: list[int],
        outputs: int,
        attends: bool,
        grows: bool,
    ) -> None:
        entered = [below, *[outputs] * (len(handed) - 1)]
        inputs = [a + b for a, b in zip(entered, handed, strict=True)]
        super().__init__(config, time, inputs, outputs, attends)
        if grows:
            self.upsamplers = nn.ModuleList([_Resized(outputs, stride=1)])

    def inner(self, x: Tensor, handed: list[Tensor], step: _Step) -> Tensor:
        """All layers but the last; what they use of `handed` is taken off its end."""
        for index in range(len(self.resnets) - 1):
            x = self.layer(index, torch.cat([x, handed.pop()], dim=1), step)
        return x

    def last(self, x: Tensor, handed: Tensor, step: _Step) -> Tensor:
        return self.layer(len(self.resnets) - 1, torch.cat([x, handed], dim=1), step)

    def forward(self, x: Tensor, handed: list[Tensor], step: _Step) -> Tensor:
        x = self.last(self.inner(x, handed, step), handed.pop(), step)
        if hasattr(self, "upsamplers"):
            x = self.upsamplers[0](functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return x
