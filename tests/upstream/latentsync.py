"""LatentSync in the published order of work: the stand-in that ours is held against, in tests and benches.

All frames are in memory, windows of sixteen follow one another without overlap, the output is as long as the
sound, and a face goes back as a whole soft rectangle. Its numbers are the original's (see tests/parity).
`loc` itself places patches once, in the source's own planes (`loc.media.compose`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor

from stages.lipsync.latentsync import align, window
from stages.lipsync.latentsync.align import OUTSIDE, Bytes, Floats, canvas_size, inverse, warped
from stages.lipsync.latentsync.heard import tokens
from stages.lipsync.latentsync.sampler import Sampling, denoise
from stages.lipsync.latentsync.unet import UNet3D
from stages.lipsync.nets.vae import Vae
from stages.lipsync.nets.whisper_features import RAW, Encoder, upstream_features

Floats32 = npt.NDArray[np.float32]

EDGE_SHARE = 20
"""The soft edge of a face is this part of its side."""


def bicubic(picture: Floats32, size: tuple[int, int]) -> Floats32:
    """A picture [h, w, c] resized with antialiasing to a width and a height."""
    import torch
    from torch.nn.functional import interpolate

    planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
    made = interpolate(planes, size=size[::-1], mode="bicubic", antialias=True)
    return np.asarray(made[0].permute(1, 2, 0).numpy())


def restored(frame: Bytes, face: Floats32, matrix: Floats) -> Bytes:
    """A frame with a face put back.

    Args:
        frame: uint8 [h, w, 3].
        face: float32 [3, side, side], -1..1.
        matrix: [2, 3], frame to canvas.
    """
    import cv2

    height, width = frame.shape[:2]
    size, back = canvas_size(face.shape[-1]), inverse(matrix)
    canvas = bicubic(face.transpose(1, 2, 0), size)
    drawn = np.clip(warped(canvas, back, (width, height), OUTSIDE) / 2 + 0.5, 0, 1) * 255
    inside = warped(np.ones((size[1], size[0], 1), np.float32), back, (width, height), 0)[..., 0]
    # Erosion by two pixels either way, towards the far corner.
    padded = np.pad(inside, ((1, 0), (1, 0)), constant_values=1)
    sure = np.minimum(
        np.minimum(padded[1:, 1:], padded[:-1, 1:]), np.minimum(padded[1:, :-1], padded[:-1, :-1])
    )
    edge = int(np.sqrt(sure.sum())) // EDGE_SHARE
    small = cv2.erode(sure, np.ones((2 * edge, 2 * edge), np.uint8))
    soft = cv2.GaussianBlur(small, (2 * edge + 1, 2 * edge + 1), 0)[..., None]
    mixed = soft * (sure[..., None] * drawn) + (1 - soft) * frame
    return np.asarray(mixed, dtype=np.uint8)


@dataclass(frozen=True)
class Given:
    """What one run is given.

    Args:
        frames: uint8 [n, h, w, 3] RGB.
        points: float64 [n, 3, 2], left brow, right brow, nose.
        sound: float32 [samples], 16 kHz.
        noise: [1, 4, 1, h, h].
        draws: for each window in order, of the masked pictures and of the whole ones; None: modes.
        aligned: uint8 [n, r, r, 3], to go on from in place of the faces that are aligned here.
    """

    frames: Bytes
    points: Floats
    sound: Floats32
    noise: Tensor
    draws: list[tuple[Tensor, Tensor]] | None
    resolution: int
    window: int = 16
    fps: float = 25
    aligned: Bytes | None = None


@dataclass
class Run:
    """What one run gives, and what it went through."""

    matrices: Floats
    aligned: Bytes
    latents: list[Tensor] = field(default_factory=list)
    faces: Floats32 = field(default_factory=lambda: np.zeros((0,), np.float32))
    video: Bytes = field(default_factory=lambda: np.zeros((0,), np.uint8))


def chunk_rows(total: int, fps: float) -> npt.NDArray[np.int64]:
    """Rows that each frame hears, with the frames beyond the sound's end that the original has."""
    places: list[int] = []
    while not places or places[-1] <= total:
        places.append(int(len(places) * 50 / fps))
    return np.asarray(np.clip(np.array(places)[:, None] + np.arange(-4, 6), 0, total - 1))


def looped(count: int, wanted: int) -> npt.NDArray[np.int64]:
    """Indices of `count` frames to and fro, ends twice, until there are `wanted`."""
    there = np.arange(count)
    both = np.concatenate([there, there[::-1]])
    return np.resize(both, wanted)


def run(given: Given, unet: UNet3D, vae: Vae, ear: Encoder, sampling: Sampling) -> Run:
    """The original's order of work: all frames in memory, each aligned by itself, one window after another,
    each face put back over its whole canvas."""
    features = upstream_features(ear, given.sound, RAW)
    rows = chunk_rows(len(features), given.fps)
    side = given.resolution
    matrices, _ = align.matrices(given.points, side)
    aligned = np.stack(
        [
            align.square(align.canvas(frame, matrix, side), side)
            for frame, matrix in zip(given.frames, matrices, strict=True)
        ]
    )
    result = Run(matrices, aligned)
    if given.aligned is not None:
        aligned = given.aligned
    order = looped(len(given.frames), len(rows))
    faces = []
    for number, start in enumerate(range(0, len(rows), given.window)):
        part = order[start : start + given.window]
        squares = aligned[part]
        draws = None if given.draws is None else given.draws[number]
        latents = denoise(
            unet,
            sampling,
            given.noise.expand(-1, -1, len(part), -1, -1),
            window.conditions(vae, squares, draws),
            tokens(features, rows[start : start + given.window])[None].to(
                given.noise.device, given.noise.dtype
            ),
        )
        result.latents.append(latents)
        faces.append(window.composed(vae.decode(latents[0].transpose(0, 1)), squares))
    result.faces = np.concatenate(faces)
    result.video = np.stack(
        [
            restored(given.frames[index], face, matrices[index])
            for index, face in zip(order, result.faces, strict=True)
        ]
    )
    return result
