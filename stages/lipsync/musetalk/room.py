"""How much of a device MuseTalk takes, and how many faces at once fit into what is free there. Imports no
torch.

What a face takes beside the weights is counted by `bench/musetalk_room.py` from the nets themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from stages.lipsync.nets.memory import DECODE_VALUES, ENCODE_VALUES, MIB, SPARE

STEP_VALUES = 26.3
"""Numbers that the UNet holds at its peak, per face, over its finest width x places of the latents."""
HEAR_MIB = 60
"""What whisper tiny takes at work on 30 s of sound, weights among it, in full precision."""


@dataclass(frozen=True)
class Takes:
    """What a set of weights takes on a device, bytes.

    Args:
        weights: of UNet and VAE.
        face: one face on its way through the nets, at its fullest.
    """

    weights: int
    face: int

    def memory_mb(self, batch: int) -> int:
        """MiB of the device at the fullest moment, with some faces at once."""
        return round(SPARE * (self.weights + HEAR_MIB * MIB + batch * self.face) / MIB)


def takes(
    side: int, *, unet_numbers: int, unet_width: int, vae_numbers: int, vae_width: int, number: int
) -> Takes:
    """What nets of some sizes take.

    Args:
        side: of a face as they see it, pixels.
        unet_numbers, vae_numbers: numbers of their weights.
        unet_width, vae_width: channels of the finest level.
        number: bytes of one: 2 in half precision.
    """
    pixels = side**2
    step = STEP_VALUES * unet_width * (pixels // 64)
    # A face is seen twice: with its lower half hidden, and whole.
    sight = max(2 * ENCODE_VALUES, DECODE_VALUES) * vae_width * pixels
    return Takes(weights=(unet_numbers + vae_numbers) * number, face=round(max(step, sight) * number))


def fitting(taken: Takes, free_mb: int | None, most: int) -> int | None:
    """How many faces at once fit: `most`, or that halved until it does; None where not one does.

    Args:
        free_mb: of the device, MiB; None where it does not tell: then `most`.
    """
    batch = most
    while free_mb is not None and taken.memory_mb(batch) > free_mb:
        if batch == 1:
            return None
        batch //= 2
    return batch


def in_words(batch: int) -> str:
    """A batch for people."""
    return "a face at once" if batch == 1 else f"{batch} faces at once"
