"""How much of a device LatentSync takes, and how it works within what is free there. Imports no torch.

What a window takes beside the weights grows with what goes through the nets at once: windows with what is
heard and with silence through the UNet, pictures through the VAE. The figures of `Takes` are counted by
`bench/latentsync_memory.py` from the nets themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stages.lipsync.latentsync.windows import SIZE
from stages.lipsync.nets.memory import DECODE_VALUES, ENCODE_VALUES, MIB, SPARE

STEP_VALUES = 25.1
"""Numbers that the UNet holds at its peak, per picture of a window, over widths[0] x latent pixels."""
HEAR_MIB = 120
"""What whisper tiny takes at work on the three seconds of a window, weights among it, in full precision."""


@dataclass(frozen=True)
class Layout:
    """How much is computed at once: the less, the slower.

    Args:
        passes: windows that go through the UNet at once, with what is heard and with silence counted each:
            two are one window with guidance, four are two.
        slices: pictures that go through the VAE's encoder at once.
        offload: whether the weights stay in the host's memory, each part of the nets being on the device only
            while it computes.
    """

    passes: int
    slices: int
    offload: bool = False


LAYOUTS = (Layout(4, 4), Layout(2, 4), Layout(1, 4), Layout(1, 1), Layout(1, 1, offload=True))
"""From the fastest to the most sparing. Encoding is done once where the UNet is asked twenty times and more:
four pictures at once are enough."""


@dataclass(frozen=True)
class Takes:
    """What a set of weights takes on a device, bytes.

    Args:
        unet: weights of the UNet.
        part: of the largest of its parts.
        vae: weights of the VAE.
        step: one pass of a window of sixteen pictures through the UNet, beside the weights.
        encode, decode: one picture through the VAE.
    """

    unet: int
    part: int
    vae: int
    step: int
    encode: int
    decode: int

    def memory_mb(self, layout: Layout) -> int:
        """MiB of the device at the fullest moment."""
        heard = HEAR_MIB * MIB
        step, encode = layout.passes * self.step, layout.slices * self.encode
        if layout.offload:
            fullest = max(self.part + step, self.vae + max(encode, self.decode), heard)
        else:
            fullest = self.unet + self.vae + heard + max(step, encode, self.decode)
        return round(SPARE * fullest / MIB)


def takes(
    resolution: int,
    *,
    unet_numbers: int,
    part_numbers: int,
    unet_width: int,
    vae_numbers: int,
    vae_width: int,
    number: int,
) -> Takes:
    """What nets of some sizes take.

    Args:
        resolution: side of the square, pixels.
        unet_numbers, part_numbers, vae_numbers: numbers of the weights of the UNet, of the largest of its
            parts, and of the VAE.
        unet_width, vae_width: channels of the finest level.
        number: bytes of one: 2 in half precision.
    """
    pixels = resolution**2
    return Takes(
        unet=unet_numbers * number,
        part=part_numbers * number,
        vae=vae_numbers * number,
        step=round(STEP_VALUES * unet_width * (pixels // 64) * SIZE * number),
        encode=round(ENCODE_VALUES * vae_width * pixels * number),
        decode=round(DECODE_VALUES * vae_width * pixels * number),
    )


def fitting(taken: Takes, free_mb: int | None, *, shared: bool) -> Layout | None:
    """The fastest layout that fits; None where none does.

    Args:
        free_mb: of the device, MiB; None where it does not tell: then one window at a time.
        shared: whether the device computes in the host's own memory: leaving weights there frees nothing.
    """
    if free_mb is None:
        return LAYOUTS[1]
    return next((one for one in _choices(shared) if taken.memory_mb(one) <= free_mb), None)


def least_mb(taken: Takes, *, shared: bool) -> int:
    """MiB that the most sparing layout takes."""
    return min(taken.memory_mb(one) for one in _choices(shared))


def _choices(shared: bool) -> Iterator[Layout]:
    # A CPU gains nothing by a second window at once.
    return (one for one in LAYOUTS if not (shared and (one.offload or one is LAYOUTS[0])))


def in_words(layout: Layout) -> str:
    """A layout for people."""
    through = {1: "a window in two passes", 2: "a window at once"}.get(
        layout.passes, f"{layout.passes // 2} windows at once"
    )
    seen = "a picture at a time is" if layout.slices == 1 else f"{layout.slices} pictures at once are"
    held = ", its weights in the host's memory" if layout.offload else ""
    return f"{through}, {seen} encoded{held}"
