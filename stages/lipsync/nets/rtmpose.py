"""RTMPose-l over 133 points of the whole body, as DWPose published it, loadable for comparison.

Nothing that is shipped uses it: the annotations of COCO-WholeBody and UBody are for research. Its face points
23 to 90 are iBUG's 68. Papers: arXiv:2303.07399 (RTMPose), arXiv:2307.15880 (DWPose).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

Floats = npt.NDArray[np.float64]

POINTS, FACE = 133, slice(23, 91)
INPUT = (288, 384)
"""Width and height of what the net sees."""
STRIDE = 32
SPLIT = 2
"""Places along an axis per pixel of the input."""
PADDING = 1.25
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
WIDTH, EXPANDED, SHARED = 256, 512, 128
"""Of the head: of its tokens, inside its attention unit, and of what queries and keys share."""
_STAGES = ((64, 128, 3), (128, 256, 6), (256, 512, 6), (512, 1024, 3))
"""Channels in and out, and blocks."""

_FACE_MIRROR = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1),
    *range(59, 54, -1),
    *range(64, 59, -1),
    *range(67, 64, -1),
)  # fmt: skip
"""Of the 68 points, which one each is in a mirror."""


def mirror_table() -> npt.NDArray[np.int64]:
    """Which of the 133 points each one is in a mirror: body, feet, face, hands."""
    body = [0, *(place for left in range(1, 17, 2) for place in (left + 1, left))]
    feet = [20, 21, 22, 17, 18, 19]
    face = [23 + place for place in _FACE_MIRROR]
    return np.array([*body, *feet, *face, *range(112, 133), *range(91, 112)], dtype=np.int64)


class _Conv(nn.Module):
    def __init__(self, inner: int, outer: int, side: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, side, stride, side // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.bn(self.conv(x)))


class _Separable(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise_conv = _Conv(channels, channels, 5, groups=channels)
        self.pointwise_conv = _Conv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pointwise_conv(self.depthwise_conv(x))
        return out


class _Block(nn.Module):
    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = _Conv(channels, channels, 3)
        self.conv2 = _Separable(channels)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(x))
        return out + x if self.shortcut else out


class _ChannelAttention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weighed: Tensor = x * functional.hardsigmoid(self.fc(x.mean(dim=(2, 3), keepdim=True)))
        return weighed


class _Layer(nn.Module):
    """Half the channels through the blocks, half past them."""

    def __init__(self, channels: int, blocks: int, shortcut: bool) -> None:
        super().__init__()
        half = channels // 2
        self.main_conv, self.short_conv = _Conv(channels, half, 1), _Conv(channels, half, 1)
        self.final_conv = _Conv(channels, channels, 1)
        self.blocks = nn.Sequential(*(_Block(half, shortcut) for _ in range(blocks)))
        self.attention = _ChannelAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], dim=1)
        out: Tensor = self.final_conv(self.attention(both))
        return out


class _Pyramid(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _Conv(channels, channels // 2, 1)
        self.conv2 = _Conv(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        pools = [functional.max_pool2d(x, side, 1, side // 2) for side in (5, 9, 13)]
        out: Tensor = self.conv2(torch.cat([x, *pools], dim=1))
        return out


class _Backbone(nn.Module):
    """CSPNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_Conv(3, 32, 3, 2), _Conv(32, 32, 3), _Conv(32, 64, 3))
        for number, (inner, outer, blocks) in enumerate(_STAGES, 1):
            last = number == len(_STAGES)
            parts: list[nn.Module] = [_Conv(inner, outer, 3, 2)]
            parts += [_Pyramid(outer)] if last else []
            parts.append(_Layer(outer, blocks, shortcut=not last))
            self.add_module(f"stage{number}", nn.Sequential(*parts))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for number in range(1, len(_STAGES) + 1):
            x = self.get_submodule(f"stage{number}")(x)
        return x


class _ScaleNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1))
        self.root = width**-0.5

    def forward(self, x: Tensor) -> Tensor:
        length = x.norm(dim=-1, keepdim=True) * self.root
        scaled: Tensor = x / length.clamp(min=1e-5) * self.g
        return scaled


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))


class _Gated(nn.Module):
    """A gated attention unit over the points."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(2, SHARED))
        self.beta = nn.Parameter(torch.zeros(2, SHARED))
        self.o = nn.Linear(EXPANDED, WIDTH, bias=False)
        self.uv = nn.Linear(WIDTH, 2 * EXPANDED + SHARED, bias=False)
        self.ln = _ScaleNorm(WIDTH)
        self.res_scale = _Scale(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        mixed = functional.silu(self.uv(self.ln(x)))
        gate, value, base = torch.split(mixed, [EXPANDED, EXPANDED, SHARED], dim=-1)
        query, key = (base[..., None, :] * self.gamma + self.beta).unbind(dim=-2)
        weight = functional.relu(query @ key.transpose(-1, -2) / SHARED**0.5).square()
        out: Tensor = self.o(gate * (weight @ value))
        return x * self.res_scale.scale + out


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width, height = INPUT
        places = (width // STRIDE) * (height // STRIDE)
        self.final_layer = nn.Conv2d(_STAGES[-1][1], POINTS, 7, padding=3)
        self.mlp = nn.Sequential(_ScaleNorm(places), nn.Linear(places, WIDTH, bias=False))
        self.gau = _Gated()
        self.cls_x = nn.Linear(WIDTH, SPLIT * width, bias=False)
        self.cls_y = nn.Linear(WIDTH, SPLIT * height, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.gau(self.mlp(self.final_layer(x).flatten(2)))
        return self.cls_x(x), self.cls_y(x)


class RtmPose(nn.Module):
    """The net; its state dict has the published names."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = _Backbone()
        self.head = _Head()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """How likely each point lies at each place, along x [batch, POINTS, 576] and y [batch, POINTS, 768].

        Args:
            x: [batch, 3, 384, 288] as `prepared` gives it.
        """
        out: tuple[Tensor, Tensor] = self.head(self.backbone(x))
        return out


def view_of(width: int, height: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(centre, size) of what the net sees of a picture: all of it and a quarter more, in its shape."""
    centre = np.array([width / 2, height / 2], dtype=np.float32)
    size = np.array([width, height], dtype=np.float32) * PADDING
    aspect = INPUT[0] / INPUT[1]
    wide, high = float(size[0]), float(size[1])
    fitted = (wide, wide / aspect) if wide > high * aspect else (high * aspect, high)
    return centre, np.array(fitted, dtype=np.float32)


def view_matrix(centre: npt.NDArray[np.float32], size: npt.NDArray[np.float32]) -> Floats:
    """Pixels of the picture to pixels of the input, float64 [2, 3]: three points, as OpenCV solves them."""
    width, height = INPUT
    left = centre + np.array([-size[0] / 2, 0], dtype=np.float32)
    there = np.array([[width / 2, height / 2], [0, height / 2]], dtype=np.float32)
    source = np.array([centre, left, left + _quarter(centre - left)], dtype=np.float32)
    target = np.array([*there, there[1] + _quarter(there[0] - there[1])], dtype=np.float32)
    return np.asarray(cv2.getAffineTransform(source, target), dtype=np.float64)


def _quarter(direction: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A direction turned by 90 degrees."""
    return np.array([-direction[1], direction[0]], dtype=np.float32)


def prepared(crop: npt.NDArray[np.uint8]) -> Tensor:
    """A crop as the net takes it, [1, 3, 384, 288].

    Args:
        crop: uint8 [384, 288, 3] BGR.
    """
    rgb = torch.from_numpy(np.ascontiguousarray(crop[:, :, ::-1])).float()
    return ((rgb - torch.tensor(MEAN)) / torch.tensor(DEVIATION)).permute(2, 0, 1)[None].contiguous()


@torch.no_grad()
def averaged(net: RtmPose, crop: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """What the net says of a crop and of its mirror image, averaged."""
    given = prepared(crop).to(next(net.parameters()).device)
    x, y = net(given)
    table = torch.from_numpy(mirror_table())
    mirrored_x, mirrored_y = net(given.flip(3))
    return (x + mirrored_x[:, table].flip(2)) / 2, (y + mirrored_y[:, table]) / 2


def located(x: Tensor, y: Tensor) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(the likeliest places [batch, n, 2] along both axes, scores [batch, n]); -1 where nothing was found."""
    (best_x, at_x), (best_y, at_y) = x.max(dim=2), y.max(dim=2)
    score = torch.minimum(best_x, best_y)
    at = torch.stack([at_x, at_y], dim=2).float()
    at[score <= 0] = -1
    return at.cpu().numpy(), score.cpu().numpy()


def decoded(x: Tensor, y: Tensor) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(points [batch, n, 2] in the input's pixels, scores [batch, n]); what was not found lies at -0.5."""
    at, score = located(x, y)
    return at / SPLIT, score


def points(net: RtmPose, picture: npt.NDArray[np.uint8]) -> tuple[Floats, npt.NDArray[np.float32]]:
    """(points [POINTS, 2] in the picture's pixels, their scores) of the person a picture shows.

    Args:
        picture: uint8 [height, width, 3] BGR.
    """
    centre, size = view_of(picture.shape[1], picture.shape[0])
    crop = cv2.warpAffine(picture, view_matrix(centre, size), INPUT, flags=cv2.INTER_LINEAR)
    found, scores = decoded(*averaged(net, np.asarray(crop, dtype=np.uint8)))
    return placed(found[0], centre, size), scores[0]


def placed(
    found: npt.NDArray[np.float32], centre: npt.NDArray[np.float32], size: npt.NDArray[np.float32]
) -> Floats:
    """Points of the input in the picture they were found in."""
    return found / np.array(INPUT, dtype=np.float64) * size + centre - size / 2
