"""How LatentSync sees a face: three points of it brought onto fixed places of a canvas, which is then pressed
into the square that the network works on.

The figures (template, canvas, order of resampling, bytes cut off rather than rounded) are those the published
weights were trained with; all arithmetic is float32 or better.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

TEMPLATE = ((17.0, 20.0), (58.0, 20.0), (37.5, 40.0))
"""Where left brow, right brow and nose come to lie on a canvas of 75 x 100."""
CANVAS = 75, 100
SCALE_AT_256 = 2.8
"""The canvas for a square of 256 pixels is this many times as large."""
OUTSIDE = 127
"""What stands beyond the picture's edge."""
KEPT = 0.2
"""Share of the last frame's offset that the next one keeps."""


def canvas_size(resolution: int) -> tuple[int, int]:
    """Width and height of the canvas for a square of some pixels."""
    scale = SCALE_AT_256 * resolution / 256
    return int(CANVAS[0] * scale), int(CANVAS[1] * scale)


def template(resolution: int) -> Floats:
    """Left brow, right brow and nose on the canvas, float64 [3, 2]."""
    return np.array(TEMPLATE) * (SCALE_AT_256 * resolution / 256)


def similarity(points: Floats, target: Floats) -> tuple[Floats, Floats]:
    """The similarity that brings points onto others, by least squares of shape.

    Args:
        points, target: float64 [k, 2].

    Returns:
        The matrix [2, 3]; and by how much the last point misses its place, in units of the points' spread.
    """
    centre, goal = points.mean(axis=0), target.mean(axis=0)
    spread, wanted = (points - centre).std(ddof=1), (target - goal).std(ddof=1)
    shape, ideal = (points - centre) / spread, (target - goal) / wanted
    left, _, right = np.linalg.svd(shape.T @ ideal)
    rotation = right.T @ left.T
    if np.linalg.det(rotation) < 0:
        right[-1] = -right[-1]
        rotation = right.T @ left.T
    turned = wanted / spread * rotation
    return np.column_stack([turned, goal - turned @ centre]), ideal[-1] - shape[-1]


def matrices(points: Floats, resolution: int) -> tuple[Floats, Floats]:
    """Frame by frame, source pixel centres to canvas pixel centres, as published.

    The published offset, kept in part from frame to frame, is in units of the face and added as pixels: it
    moves the face by less than one.

    Args:
        points: float64 [n, 3, 2], left brow, right brow and nose, source pixels.
        resolution: side of the square.

    Returns:
        float64 [n, 2, 3], and the offsets [n, 2].
    """
    goal = template(resolution)
    found: list[Floats] = []
    offsets: list[Floats] = []
    for frame in points:
        matrix, offset = similarity(frame, goal)
        if offsets:
            offset = KEPT * offsets[-1] + (1 - KEPT) * offset
        matrix[:, 2] += offset
        found.append(matrix)
        offsets.append(offset)
    return np.array(found).reshape(-1, 2, 3), np.array(offsets).reshape(-1, 2)


def inverse(matrix: Floats) -> Floats:
    """The inverse of an affine matrix [2, 3]."""
    return np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))[:2]


def warped(
    picture: npt.NDArray[np.float32], matrix: Floats, size: tuple[int, int], outside: float
) -> npt.NDArray[np.float32]:
    """A picture moved by an affine matrix, bilinearly.

    Args:
        picture: float32 [h, w, c].
        matrix: [2, 3], its pixel centres to those of the result.
        size: width and height of the result.
        outside: the value beyond its edges, towards which pixels at the edge are mixed.
    """
    import torch
    from torch.nn.functional import grid_sample

    width, height = size
    back = inverse(matrix)
    across, down = np.arange(width), np.arange(height)[:, None]
    places = np.stack([row[0] * across + row[1] * down + row[2] for row in back], axis=-1)
    half = (np.array(picture.shape[1::-1]) - 1) / 2
    grid = torch.from_numpy((places / half - 1).astype(np.float32))[None]
    planes = torch.from_numpy(picture - np.float32(outside)).permute(2, 0, 1)[None]
    moved = grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    return (moved[0].permute(1, 2, 0) + outside).numpy()


def canvas(picture: Bytes, matrix: Floats, resolution: int) -> Bytes:
    """The aligned face, uint8 [height, width, 3], of a picture uint8 [h, w, 3]."""
    moved = warped(picture.astype(np.float32), matrix, canvas_size(resolution), OUTSIDE)
    return np.clip(moved, 0, 255).astype(np.uint8)


def square(picture: Bytes, resolution: int) -> Bytes:
    """A picture pressed into the square the network works on, uint8 [resolution, resolution, 3]."""
    import cv2

    if picture.shape[:2] == (resolution, resolution):
        return picture
    made = cv2.resize(picture, (resolution, resolution), interpolation=cv2.INTER_LANCZOS4)
    return np.asarray(made, dtype=np.uint8)


def square_matrix(matrix: Floats, resolution: int) -> Floats:
    """The centres of the square's pixels to those of the source, float64 [2, 3], for one frame's matrix."""
    width, height = canvas_size(resolution)
    ratio = np.array([width, height]) / resolution
    # Resizing keeps the outer edges of pixels in place, not their centres.
    onto = np.column_stack([np.diag(ratio), ratio / 2 - 0.5])
    back = inverse(matrix)
    return np.column_stack([back[:, :2] @ onto[:, :2], back[:, :2] @ onto[:, 2] + back[:, 2]])


def mean_points(landmarks: Floats, groups: Sequence[Sequence[int]]) -> Floats:
    """The middles of groups of landmarks: float64 [n, p, 2] -> [n, len(groups), 2]."""
    return np.stack([landmarks[:, list(group)].mean(axis=1) for group in groups], axis=1)
