"""S3FD, the face detector beside MuseTalk's and Wav2Lip's scripts, loadable for comparison.

Nothing that is shipped uses it: it was trained on WIDER FACE, which is for research. Paper: arXiv:1708.05237.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

Boxes = npt.NDArray[np.float32]
"""[n, 5]: x1, y1, x2, y2, score."""

MEAN = (104.0, 117.0, 123.0)
"""Subtracted from the channels as they come."""
ANCHOR = 4
"""Side of a level's anchors over its stride."""
VARIANCES = (0.1, 0.2)
LEAST_SCORE, OVERLAP, SURE = 0.05, 0.3, 0.5
"""Candidates score above the first; of those that overlap by more than the second the best stays; above the
third it is a face."""

_VGG = (
    (("conv1_1", 3, 64), ("conv1_2", 64, 64)),
    (("conv2_1", 64, 128), ("conv2_2", 128, 128)),
    (("conv3_1", 128, 256), ("conv3_2", 256, 256), ("conv3_3", 256, 256)),
    (("conv4_1", 256, 512), ("conv4_2", 512, 512), ("conv4_3", 512, 512)),
    (("conv5_1", 512, 512), ("conv5_2", 512, 512), ("conv5_3", 512, 512)),
)
_LEVELS = (
    ("conv3_3_norm", 256),
    ("conv4_3_norm", 512),
    ("conv5_3_norm", 512),
    ("fc7", 1024),
    ("conv6_2", 512),
    ("conv7_2", 256),
)
BACKGROUNDS = 3
"""Scores for no face that the finest level gives; the best of them counts."""


class _Scaled(nn.Module):
    """Each pixel's channels at length 1, times a gain of their own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        length = x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10
        return x / length * self.weight[:, None, None]


class S3fd(nn.Module):
    """The net; its state dict has the published names."""

    def __init__(self) -> None:
        super().__init__()
        for block in _VGG:
            for name, inner, outer in block:
                self.add_module(name, nn.Conv2d(inner, outer, 3, padding=1))
        self.fc6 = nn.Conv2d(512, 1024, 3, padding=3)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        self.conv6_1 = nn.Conv2d(1024, 256, 1)
        self.conv6_2 = nn.Conv2d(256, 512, 3, stride=2, padding=1)
        self.conv7_1 = nn.Conv2d(512, 128, 1)
        self.conv7_2 = nn.Conv2d(128, 256, 3, stride=2, padding=1)
        for index, (name, channels) in enumerate(_LEVELS):
            if name.endswith("_norm"):
                self.add_module(name, _Scaled(channels))
            classes = BACKGROUNDS + 1 if index == 0 else 2
            self.add_module(f"{name}_mbox_conf", nn.Conv2d(channels, classes, 3, padding=1))
            self.add_module(f"{name}_mbox_loc", nn.Conv2d(channels, 4, 3, padding=1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Scores (of no face, of a face) and offsets in turn, of six levels, the finest first.

        Args:
            x: [batch, 3, height, width], the mean subtracted.
        """
        seen = []
        for number, block in enumerate(_VGG):
            for name, _, _ in block:
                x = functional.relu(self.get_submodule(name)(x))
            if number >= 2:
                seen.append(self.get_submodule(_LEVELS[number - 2][0])(x))
            x = functional.max_pool2d(x, 2)
        x = functional.relu(self.fc7(functional.relu(self.fc6(x))))
        seen.append(x)
        for first, second in ((self.conv6_1, self.conv6_2), (self.conv7_1, self.conv7_2)):
            x = functional.relu(second(functional.relu(first(x))))
            seen.append(x)
        heads = []
        for (name, _), level in zip(_LEVELS, seen, strict=True):
            scores = self.get_submodule(f"{name}_mbox_conf")(level)
            none, face = scores[:, :-1].amax(dim=1, keepdim=True), scores[:, -1:]
            heads += [torch.cat([none, face], dim=1), self.get_submodule(f"{name}_mbox_loc")(level)]
        return heads


@torch.no_grad()
def candidates(net: S3fd, picture: npt.NDArray[np.uint8]) -> Boxes:
    """Every box that scores above `LEAST_SCORE`.

    Args:
        picture: uint8 [height, width, 3].
    """
    shifted = picture.astype(np.float32) - np.array(MEAN, np.float32)
    there = next(net.parameters()).device
    heads = net(torch.from_numpy(np.ascontiguousarray(shifted.transpose(2, 0, 1)))[None].to(there))
    found = []
    for level, (scores, offsets) in enumerate(zip(heads[::2], heads[1::2], strict=True)):
        stride = 4 << level
        likely = functional.softmax(scores, dim=1)[0, 1]
        rows, columns = torch.nonzero(likely > LEAST_SCORE, as_tuple=True)
        moved = offsets[0, :, rows, columns].T
        side = float(ANCHOR * stride)
        centres = stride / 2 + torch.stack([columns, rows], dim=1) * stride
        middle = centres + moved[:, :2] * VARIANCES[0] * side
        size = side * torch.exp(moved[:, 2:] * VARIANCES[1])
        first = middle - size / 2
        found.append(torch.cat([first, first + size, likely[rows, columns][:, None]], dim=1))
    return np.asarray(torch.cat(found).cpu().numpy())


def suppressed(boxes: Boxes, overlap: float = OVERLAP) -> npt.NDArray[np.int64]:
    """Which boxes stay, the best first: those that no better one overlaps by more. Sides count pixels."""
    x1, y1, x2, y2, score = boxes.T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    order = np.argsort(score)[::-1]
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        width = np.maximum(0, np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + 1)
        height = np.maximum(0, np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + 1)
        shared = width * height
        order = rest[shared / (areas[best] + areas[rest] - shared) <= overlap]
    return np.array(kept, dtype=np.int64)


def faces(net: S3fd, picture: npt.NDArray[np.uint8]) -> Boxes:
    """The faces of a picture, the surest first."""
    found = candidates(net, picture)
    kept = found[suppressed(found)]
    return kept[kept[:, 4] > SURE]
