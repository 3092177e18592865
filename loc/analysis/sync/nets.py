"""The network of SyncNet v2. Imports torch: import it inside functions."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

EMBEDDING = 1024
_INNER = 512

Layers = tuple[nn.Module, ...]


class SyncNet(nn.Module):
    """Both towers, with the 102 tensors of `syncnet_v2.model` under their names; random weights."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = _row(
            (
                _conv2(1, 64, 3, 1),
                # A pool of one pixel changes nothing and keeps the numbering of the published layers.
                (nn.MaxPool2d(1, 1),),
                _conv2(64, 192, 3, 1),
                (nn.MaxPool2d(3, (1, 2)),),
                _conv2(192, 384, 3, 1),
                _conv2(384, 256, 3, 1),
                _conv2(256, 256, 3, 1),
                (nn.MaxPool2d(3, 2),),
                _conv2(256, _INNER, (5, 4), 0),
            )
        )
        self.netfcaud = _head()
        self.netfclip = _head()
        self.netcnnlip = _row(
            (
                _conv3(3, 96, (5, 7, 7), stride=2),
                _pool3(0),
                _conv3(96, 256, (1, 5, 5), stride=2, padding=1),
                _pool3(1),
                _conv3(256, 256, (1, 3, 3), padding=1),
                _conv3(256, 256, (1, 3, 3), padding=1),
                _conv3(256, 256, (1, 3, 3), padding=1),
                _pool3(0),
                _conv3(256, _INNER, (1, 6, 6)),
            )
        )

    def sound(self, cepstra: Tensor) -> Tensor:
        """float32 [n, 1, 13, 20] -> [n, 1024]."""
        out: Tensor = self.netfcaud(self.netcnnaud(cepstra).flatten(1))
        return out

    def lips(self, pictures: Tensor) -> Tensor:
        """float32 [n, 3, 5, 224, 224], BGR, 0..255 -> [n, 1024]."""
        out: Tensor = self.netfclip(self.netcnnlip(pictures).flatten(1))
        return out


def _row(layers: Iterable[Layers]) -> nn.Sequential:
    return nn.Sequential(*(part for layer in layers for part in layer))


def _conv2(inputs: int, outputs: int, size: int | tuple[int, int], padding: int) -> Layers:
    return nn.Conv2d(inputs, outputs, size, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU()


def _conv3(
    inputs: int, outputs: int, size: tuple[int, int, int], stride: int = 1, padding: int = 0
) -> Layers:
    conv = nn.Conv3d(inputs, outputs, size, (1, stride, stride), (0, padding, padding))
    return conv, nn.BatchNorm3d(outputs), nn.ReLU()


def _pool3(padding: int) -> Layers:
    return (nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, padding, padding)),)


def _head() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(_INNER, _INNER), nn.BatchNorm1d(_INNER), nn.ReLU(), nn.Linear(_INNER, EMBEDDING)
    )
