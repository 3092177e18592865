"""How much of a device the nets take that mouth renderers share. Imports no torch.

What a net takes beside its weights grows with what goes through it at once. The figures are counted from the
nets themselves, on torch's meta device, by `bench/latentsync_memory.py` and `bench/musetalk_room.py`.
"""

from __future__ import annotations

from typing import Any

MIB = 1 << 20

ENCODE_VALUES = 5.0
"""Numbers that the VAE's encoder holds, per picture, over its finest width x pixels of the picture."""
DECODE_VALUES = 6.0
"""The decoder's, likewise."""
SPARE = 1.2
"""Over what is counted, for what allocators round up and for scratch space of convolutions. Not measured: no
GPU was at hand. Where it is too little, memory ends, the work is halved and goes on."""


def numbers(net: Any) -> int:
    """Of the weights of a `torch.nn.Module`, which may be on the meta device."""
    return sum(part.numel() for part in (*net.parameters(), *net.buffers()))
