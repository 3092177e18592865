"""BiSeNet, the face parsing net beside MuseTalk's scripts, loadable for comparison.

Nothing that is shipped uses it: it was trained on CelebAMask-HQ, which is for non-commercial research. Its
place is taken by a label map from our own mesh. Paper: arXiv:1808.00897.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 19
SIDE = 512
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Conv(nn.Module):
    def __init__(self, inner: int, outer: int, side: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, side, padding=side // 2, bias=False)
        self.bn = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class _Block(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.downsample: nn.Module | None = None
        if stride != 1 or inner != outer:
            self.downsample = nn.Sequential(
                nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return functional.relu(out + (x if self.downsample is None else self.downsample(x)))


class _Resnet(nn.Module):
    """ResNet-18 without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(_Block(64, 64, 1), _Block(64, 64, 1))
        self.layer2 = nn.Sequential(_Block(64, 128, 2), _Block(128, 128, 1))
        self.layer3 = nn.Sequential(_Block(128, 256, 2), _Block(256, 256, 1))
        self.layer4 = nn.Sequential(_Block(256, 512, 2), _Block(512, 512, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer1(functional.max_pool2d(x, 3, 2, padding=1))
        eighth = self.layer2(x)
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class _Attention(nn.Module):
    """Channels weighed by their means."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.conv = _Conv(inner, 128)
        self.conv_atten = nn.Conv2d(128, 128, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(128)

    def forward(self, x: Tensor) -> Tensor:
        seen: Tensor = self.conv(x)
        weight = torch.sigmoid(self.bn_atten(self.conv_atten(seen.mean(dim=(2, 3), keepdim=True))))
        return seen * weight


class _Context(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.resnet = _Resnet()
        self.arm16, self.arm32 = _Attention(256), _Attention(512)
        self.conv_head32, self.conv_head16 = _Conv(128, 128), _Conv(128, 128)
        self.conv_avg = _Conv(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        eighth, sixteenth, least = self.resnet(x)
        whole = self.conv_avg(least.mean(dim=(2, 3), keepdim=True))
        coarse = self.arm32(least) + whole
        coarse = self.conv_head32(functional.interpolate(coarse, sixteenth.shape[2:]))
        fine = self.arm16(sixteenth) + coarse
        fine = self.conv_head16(functional.interpolate(fine, eighth.shape[2:]))
        return eighth, fine, coarse


class _Fusion(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convblk = _Conv(256, 256, 1)
        self.conv1 = nn.Conv2d(256, 64, 1, bias=False)
        self.conv2 = nn.Conv2d(64, 256, 1, bias=False)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        both: Tensor = self.convblk(torch.cat([detail, context], dim=1))
        weight = self.conv2(functional.relu(self.conv1(both.mean(dim=(2, 3), keepdim=True))))
        return both * torch.sigmoid(weight) + both


class _Output(nn.Module):
    def __init__(self, inner: int, middle: int) -> None:
        super().__init__()
        self.conv = _Conv(inner, middle)
        self.conv_out = nn.Conv2d(middle, CLASSES, 1, bias=False)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        return functional.interpolate(self.conv_out(self.conv(x)), size, mode="bilinear", align_corners=True)


class BiSeNet(nn.Module):
    """The net; its state dict has the published names."""

    def __init__(self) -> None:
        super().__init__()
        self.cp = _Context()
        self.ffm = _Fusion()
        self.conv_out = _Output(256, 256)
        self.conv_out16, self.conv_out32 = _Output(128, 64), _Output(128, 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of the classes, and those of two coarser heads, [batch, CLASSES, height, width].

        Args:
            x: [batch, 3, height, width] as `prepared` gives it.
        """
        size = x.shape[2:]
        detail, fine, coarse = self.cp(x)
        fused = self.ffm(detail, fine)
        return self.conv_out(fused, size), self.conv_out16(fine, size), self.conv_out32(coarse, size)


def prepared(picture: npt.NDArray[np.uint8]) -> Tensor:
    """A picture as the net takes it, [1, 3, SIDE, SIDE].

    Args:
        picture: uint8 [height, width, 3] RGB.
    """
    from PIL import Image

    square = np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    scaled = (torch.from_numpy(square.copy()).float() / 255 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    return scaled.permute(2, 0, 1)[None].contiguous()


@torch.no_grad()
def labels(net: BiSeNet, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The class of every pixel of a picture stretched to a square, uint8 [SIDE, SIDE]."""
    scores = net(prepared(picture).to(next(net.parameters()).device))[0]
    return np.asarray(scores[0].argmax(dim=0).to(torch.uint8).cpu().numpy())
