"""What several mouth renderers are made of, each with what it needs and the licences it stands under.

Imports nothing that is heavy: cards are built from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from loc.backend import LicensedPart, Need

VAE = "sd-vae-ft-mse"
"""Id of the weights through which every neural renderer sees."""

_NEURAL = "pip install 'loc[neural]'"


@dataclass(frozen=True)
class Part:
    """A part of a renderer, as cards tell of it."""

    needs: tuple[Need, ...]
    licences: tuple[LicensedPart, ...]


FACES = Part(
    needs=(Need("package", "mediapipe", "pip install loc"), Need("package", "cv2", "pip install loc")),
    licences=(
        LicensedPart("code", "mediapipe", "apache-2_0"),
        LicensedPart("weights", "face detector and face mesh inside mediapipe", "apache-2_0"),
        LicensedPart("code", "opencv", "apache-2_0"),
    ),
)
"""Faces found, followed and cut out."""

NETS = Part(
    needs=(
        Need("package", "torch", _NEURAL),
        Need("package", "diffusers", _NEURAL),
        Need("package", "safetensors", _NEURAL),
        Need("weights", VAE, f"loc models pull {VAE}"),
    ),
    licences=(
        LicensedPart("code", "PyTorch", "bsd-3-clause"),
        LicensedPart("code", "diffusers", "apache-2_0"),
        LicensedPart("weights", "sd-vae-ft-mse", "mit"),
        LicensedPart("weights", "whisper tiny", "whisper-weights"),
    ),
)
"""The eye and the ear of a net. Where whisper tiny lies is the renderer's own: a set may bring it."""
