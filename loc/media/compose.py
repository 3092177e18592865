"""Put generated pixels into a picture's own planes, and leave every other sample bit for bit alone.

Only the patch is converted: resampled once into coded coordinates, taken to the source's matrix, range and
depth, its chroma brought to the source's siting, and blended plane by plane under a soft mask. Coordinates
are (x, y) with pixel centres at whole numbers, in the patch and in the picture alike.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt

from loc.artifacts import VideoStream
from loc.media.colour import Box, Floats, Rgb, chroma_siting, rgb_to_yuv
from loc.media.frames import Plane, Planes, plane_depth

Matrix = npt.NDArray[np.float64]

Siting = tuple[int, int, float, float]
"""As `chroma_siting` gives it."""

REACH = 2
"""Luma pixels on each side that one chroma sample colours."""

RIM = 4
"""Chroma samples around the mask that are computed too: the sharpening filter's taps fall by 3 each, its next
one is under 1 %."""

MIN_CUBIC_SCALE = 0.75
"""Below this scale (picture pixels per patch pixel) the four taps of the cubic would skip patch pixels, so
the patch is averaged down first."""

_FLAT = 1e-6
"""Picture area of a patch pixel under which a transform is a line or a point: it shows nothing."""

_POLYGON_BITS = 8
"""Fractional bits of polygon corners as OpenCV's fixed-point rasteriser takes them."""


def apply_patch(
    planes: Planes,
    video: VideoStream,
    patch: Rgb,
    matrix: Matrix,
    polygon: npt.NDArray[np.float32],
    feather: float,
    opacity: float,
) -> Planes:
    """A picture with `patch` blended in; where the mask of a plane is 0 its samples are the input's, exactly.

    The mask of luma is `soft_mask`, interpolated linearly. Beyond the polygon it reaches less than 1.5 patch
    pixels; where the patch has more pixels than the picture and is averaged down, less than 2.5 pixels of the
    picture. Of chroma, the samples move that colour one of these pixels.

    Args:
        planes: the picture; left as it is.
        video: tells matrix, range, depth and chroma siting.
        patch: uint8 [height, width, 3] RGB.
        matrix: float64 [2, 3], patch pixel centres to coded pixel centres.
        polygon: float32 [k, 2], outline of the mask in patch pixels; what of it leaves the patch is cut off.
        feather: width in patch pixels of the mask's soft edge, all inside the polygon; below 1 counts as 1.
        opacity: 0..1, scales the mask.
    """
    if opacity <= 0:
        return planes
    siting = chroma_siting(planes.u.shape, planes.y.shape, video)
    sx, sy = siting[:2]
    box = _reached_box(polygon, patch.shape, matrix, planes.y.shape, (sx, sy))
    if box is None:
        return planes
    wide = (box[0] - RIM * sx, box[1] - RIM * sy, box[2] + RIM * sx, box[3] + RIM * sy)
    mask = opacity * _placed(
        soft_mask(polygon, feather, patch.shape), matrix, wide, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT
    )
    rgb = _placed(patch.astype(np.float32), matrix, wide, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    yuv = cv2.split(rgb_to_yuv(rgb.clip(0, 255), video))
    luma, *chroma = (np.asarray(values, np.float32) for values in yuv)

    limit = (1 << plane_depth(video)) - 1
    inner = (slice(RIM * sy, -RIM * sy), slice(RIM * sx, -RIM * sx))
    y = blended(planes.y, box[0], box[1], luma[inner], mask[inner], limit)
    rim = (slice(RIM, -RIM), slice(RIM, -RIM))
    share = gathered(mask, siting)[rim]
    left, top = box[0] // sx, box[1] // sy
    u, v = (
        blended(plane, left, top, _sharpened(gathered(full, siting), siting)[rim], share, limit)
        for plane, full in zip((planes.u, planes.v), chroma, strict=True)
    )
    return Planes(y, u, v)


def soft_mask(polygon: npt.NDArray[np.float32], feather: float, shape: tuple[int, ...]) -> Floats:
    """float32 [height, width], 0..1: 0 at the outline's own pixels, rising over `feather` pixels inside it.

    The rise is a smoothstep, flat at both ends, so that an outline moving by part of a pixel does not show.
    The patch's own border counts as outline: nothing is known beyond it. Outside the outline it is 0 but in
    the notches of a ragged one, where it reaches less than a pixel beyond.
    """
    height, width = shape[:2]
    # One pixel of frame lets the border of the patch be an edge of the distance transform.
    inside = np.zeros((height + 2, width + 2), np.uint8)
    corners = np.rint((polygon + 1.0) * (1 << _POLYGON_BITS)).astype(np.int32)
    cv2.fillPoly(inside, [corners], (1,), shift=_POLYGON_BITS)
    inside[[0, -1]] = 0
    inside[:, [0, -1]] = 0
    # The rasteriser's outermost pixels straddle the outline and lie at distance 1.
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1] - 1.0
    rise = np.clip(depth / max(feather, 1.0), 0.0, 1.0)
    mask: Floats = (rise * rise * (3.0 - 2.0 * rise)).astype(np.float32)
    return mask


def _reached_box(
    polygon: npt.NDArray[np.float32],
    patch_shape: tuple[int, ...],
    matrix: Matrix,
    luma_shape: tuple[int, ...],
    grid: tuple[int, int],
) -> Box | None:
    """The luma pixels the mask can reach, widened to whole chroma samples; None if it misses the picture."""
    height, width = patch_shape[:2]
    low = np.clip(polygon.min(axis=0), 0, (width - 1, height - 1))
    high = np.clip(polygon.max(axis=0), 0, (width - 1, height - 1))
    corners = np.array([(x, y, 1.0) for x in (low[0], high[0]) for y in (low[1], high[1])])
    reached = corners @ matrix.T
    if not np.isfinite(reached).all() or abs(np.linalg.det(matrix[:, :2])) < _FLAT:
        return None
    first = np.floor(reached.min(axis=0)).astype(int) - 1
    last = np.ceil(reached.max(axis=0)).astype(int) + 2
    x0, y0 = (max(0, int(value)) // step * step for value, step in zip(first, grid, strict=True))
    x1, y1 = (
        min(size, -(-int(value) // step) * step)
        for value, step, size in zip(last, grid, luma_shape[1::-1], strict=True)
    )
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _placed(image: Floats, matrix: Matrix, box: Box, interpolation: int, border: int) -> Floats:
    """`image` resampled at the picture's pixels inside `box`; only moved where it lies on their grid."""
    if (matrix[:, :2] == np.eye(2)).all() and (matrix[:, 2] == np.rint(matrix[:, 2])).all():
        return _shifted(image, box[0] - round(matrix[0, 2]), box[1] - round(matrix[1, 2]), box, border)
    image, matrix = _averaged_down(image, matrix)
    moved = matrix.copy()
    moved[:, 2] -= box[:2]
    size = (box[2] - box[0], box[3] - box[1])
    placed = cv2.warpAffine(image, moved, size, flags=interpolation, borderMode=border)
    return np.asarray(placed, np.float32)


def _shifted(image: Floats, left: int, top: int, box: Box, border: int) -> Floats:
    """As many pixels of `image` as `box` has, from (left, top) on, which may lie outside it."""
    height, width = image.shape[:2]
    right, bottom = left + box[2] - box[0], top + box[3] - box[1]
    inside = image[
        min(max(top, 0), height - 1) : max(min(bottom, height), 1),
        min(max(left, 0), width - 1) : max(min(right, width), 1),
    ]
    around = max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width)
    if not any(around):
        return inside
    padded = cv2.copyMakeBorder(inside, *around, border)[: box[3] - box[1], : box[2] - box[0]]
    return np.asarray(padded, np.float32)


def _averaged_down(image: Floats, matrix: Matrix) -> tuple[Floats, Matrix]:
    """The image at about the picture's own resolution where it has more, with the matrix for it."""
    height, width = image.shape[:2]
    scale_x, scale_y = (float(np.hypot(*matrix[:, axis])) for axis in (0, 1))
    new_width = width if scale_x >= MIN_CUBIC_SCALE else max(1, round(width * scale_x))
    new_height = height if scale_y >= MIN_CUBIC_SCALE else max(1, round(height * scale_y))
    if (new_width, new_height) == (width, height):
        return image, matrix
    step_x, step_y = width / new_width, height / new_height
    # Pixel i of the smaller image covers pixels i * step .. (i + 1) * step - 1 of the larger.
    larger = np.array([[step_x, 0, (step_x - 1) / 2], [0, step_y, (step_y - 1) / 2], [0, 0, 1]])
    smaller = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, np.float32), matrix @ larger


def gathered(full: Floats, siting: Siting) -> Floats:
    """`full` averaged to chroma samples: the mean over the luma pixels each one colours."""
    sx, sy, ox, oy = siting
    if (sx, sy) == (1, 1):
        return full
    return _filtered(full, _gathering_taps(sx, ox), _gathering_taps(sy, oy))[::sy, ::sx]


def _sharpened(chroma: Floats, siting: Siting) -> Floats:
    """What `gathered` gave, without the blur that interpolation and gathering are together.

    The two make the least-squares inverse of the interpolation: chroma that came from the picture goes back
    to its own samples instead of being blurred twice, and what is new is fitted best.
    """
    sx, sy, ox, oy = siting
    if (sx, sy) == (1, 1):
        return chroma
    return _filtered(chroma, _sharpening_taps(sx, ox), _sharpening_taps(sy, oy))


def _filtered(image: Floats, across: Floats, down: Floats) -> Floats:
    return np.asarray(cv2.sepFilter2D(image, -1, across, down), np.float32)


@functools.cache
def _gathering_taps(step: int, offset: float) -> Floats:
    """Weights of the luma pixels at -REACH..REACH from `step` * k in chroma sample k, summing to 1.

    Each pixel weighs what the sample weighs in it when RGB is made, by linear interpolation.
    """
    distance = np.arange(-REACH, REACH + 1) / step + offset
    taps = np.maximum(0, 1 - np.abs(distance))
    return np.asarray(taps / taps.sum(), np.float32)


@functools.cache
def _sharpening_taps(step: int, offset: float) -> Floats:
    """Weights of the chroma samples at -RIM..RIM: a row of the inverse of interpolating, then gathering."""
    count = 8 * RIM
    position = np.arange(step * count) / step + offset
    interpolation = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(count)[None, :]))
    middle = count // 2
    taps = np.linalg.inv(interpolation.T @ interpolation)[middle, middle - RIM : middle + RIM + 1]
    return np.asarray(taps / taps.sum(), np.float32)


def blended(plane: Plane, left: int, top: int, values: Floats, mask: Floats, limit: int) -> Plane:
    """A copy of `plane` with `values` mixed in at (left, top). Where `mask` is 0 nothing moves."""
    out = plane.copy()
    part = out[top : top + values.shape[0], left : left + values.shape[1]]
    base = part.astype(np.float32)
    base += (values - base) * mask
    part[...] = np.rint(base, out=base).clip(0, limit)
    return out
