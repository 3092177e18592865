"""Between planar YUV as coded and RGB as analysed and drawn: matrix, range, depth and chroma siting.

RGB is 8 bits, 0..255, in the source's own transfer curve and primaries: only the matrix and range change.
YUV is in code values of the source (16..235 of 8 bits, 64..940 of 10, or full range). Formulas: ITU-R
BT.601, BT.709, BT.2020 and BT.2100 (narrow and full range quantisation), JFIF for full range at 8 bits.
"""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loc.artifacts import VideoStream
from loc.media.frames import Plane, Planes, plane_depth

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in luma pixels, half-open."""

Rgb = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_LUMA_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020nc": (0.2627, 0.0593)}
"""(Kr, Kb) of each matrix, as the recommendations give them."""


@functools.cache
def yuv_from_rgb(matrix: str, full_range: bool, depth: int) -> npt.NDArray[np.float64]:
    """Affine map of RGB 0..255 to code values: float64 [3, 4], last column the offset."""
    kr, kb = _LUMA_WEIGHTS[matrix]
    kg = 1 - kr - kb
    luma = np.array([kr, kg, kb])
    blue = (np.array([0, 0, 1]) - luma) / (2 * (1 - kb))
    red = (np.array([1, 0, 0]) - luma) / (2 * (1 - kr))
    step = 1 << (depth - 8)
    if full_range:
        luma_span = chroma_span = float((1 << depth) - 1)
        black = 0.0
    else:
        luma_span, chroma_span, black = 219.0 * step, 224.0 * step, 16.0 * step
    linear = np.stack([luma * luma_span, blue * chroma_span, red * chroma_span]) / 255
    return np.column_stack([linear, [black, 128.0 * step, 128.0 * step]])


@functools.cache
def rgb_from_yuv(matrix: str, full_range: bool, depth: int) -> npt.NDArray[np.float64]:
    """The inverse of `yuv_from_rgb`: code values to RGB 0..255, float64 [3, 4]."""
    forward = yuv_from_rgb(matrix, full_range, depth)
    inverse = np.linalg.inv(forward[:, :3])
    return np.column_stack([inverse, -inverse @ forward[:, 3]])


BAND_PIXELS = 1 << 16
"""Pixels converted to RGB at once: their floats, 0.8 MB, stay in the processor's cache and in the heap. A
picture of 1080p took 2.5 times as long in one piece, most of it for pages fresh from the system."""


def rgb_to_yuv(rgb: Rgb | Floats, video: VideoStream) -> Floats:
    """float32 [h, w, 3] Y, U, V at full resolution, in the source's code values, neither rounded nor clipped.

    Args:
        rgb: uint8 or float32 [h, w, 3], 0..255.
    """
    change = yuv_from_rgb(video.matrix, video.full_range, plane_depth(video))
    return np.asarray(cv2.transform(np.asarray(rgb, dtype=np.float32), change), dtype=np.float32)


def to_rgb(planes: Planes, video: VideoStream, box: Box | None = None) -> Rgb:
    """uint8 [h, w, 3] RGB of a picture or of the part of it inside `box`; 10 bits are reduced to 8.

    Chroma is interpolated linearly at its declared siting, past the box's edge where the picture goes on,
    so a crop equals the same crop of the whole.

    Raises:
        ValueError: `box` is empty or not inside the picture.
    """
    height, width = planes.y.shape
    x0, y0, x1, y1 = box or (0, 0, width, height)
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise ValueError(f"box {box} is not inside {width}x{height}")
    change = rgb_from_yuv(video.matrix, video.full_range, plane_depth(video))
    rgb: Rgb = np.empty((y1 - y0, x1 - x0, 3), np.uint8)
    lines = max(1, BAND_PIXELS // (x1 - x0))
    for top in range(y0, y1, lines):
        band = (x0, top, x1, min(top + lines, y1))
        yuv = cv2.merge(
            [
                planes.y[top : band[3], x0:x1].astype(np.float32),
                _upsampled(planes.u, planes.y.shape, video, band),
                _upsampled(planes.v, planes.y.shape, video, band),
            ]
        )
        _to_bytes(cv2.transform(yuv, change, dst=yuv), rgb[top - y0 : band[3] - y0])
    return rgb


def chroma_siting(
    chroma_shape: tuple[int, ...], luma_shape: tuple[int, ...], video: VideoStream
) -> tuple[int, int, float, float]:
    """(sx, sy, ox, oy): luma pixel (x, y) lies at chroma sample (x / sx + ox, y / sy + oy).

    Horizontally, `left` and `topleft` chroma sits on even luma pixels and `center` between two; vertically
    only `topleft` sits on a line. A direction without subsampling has no offset.
    """
    sx = 1 if chroma_shape[1] == luma_shape[1] else 2
    sy = 1 if chroma_shape[0] == luma_shape[0] else 2
    between = -0.25
    ox = between if sx == 2 and video.chroma_location == "center" else 0.0
    oy = between if sy == 2 and video.chroma_location != "topleft" else 0.0
    return sx, sy, ox, oy


def _upsampled(chroma: Plane, luma_shape: tuple[int, ...], video: VideoStream, box: Box) -> Floats:
    """float32 [h, w]: a chroma plane at the luma pixels of `box`."""
    sx, sy, ox, oy = chroma_siting(chroma.shape, luma_shape, video)
    x0, y0, x1, y1 = box
    # Only the samples under the box and one more on each side take part.
    left, top = max(0, x0 // sx - 1), max(0, y0 // sy - 1)
    part = chroma[top : (y1 - 1) // sy + 2, left : (x1 - 1) // sx + 2].astype(np.float32)
    if sx == 2:
        part = _doubled(part, axis=1, between=ox != 0)
    if sy == 2:
        part = _doubled(part, axis=0, between=oy != 0)
    return part[y0 - top * sy : y1 - top * sy, x0 - left * sx : x1 - left * sx]


def _doubled(samples: Floats, *, axis: int, between: bool) -> Floats:
    """Twice as many samples along an axis by linear interpolation, edges repeated.

    With `between`, new samples lie a quarter to each side of an old one (OpenCV's resize); else every second
    one lies on it.
    """
    height, width = samples.shape
    if between:
        size = (width, 2 * height) if axis == 0 else (2 * width, height)
        return np.asarray(cv2.resize(samples, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    first, second = (samples[:-1], samples[1:]) if axis == 0 else (samples[:, :-1], samples[:, 1:])
    new = samples.copy()
    inner = new[: first.shape[0], : first.shape[1]]
    np.add(first, second, out=inner)
    inner *= np.float32(0.5)
    if axis == 0:
        doubled: Floats = np.stack([samples, new], axis=1)
    else:
        doubled = np.asarray(cv2.merge([samples, new]), dtype=np.float32)
    return doubled.reshape((2 * height, width) if axis == 0 else (height, 2 * width))


def _to_bytes(values: Any, out: Rgb) -> None:
    """Round and saturate to 8 bits; changes `values`. OpenCV takes sizes without their signs."""
    np.maximum(values, 0, out=values)
    cv2.convertScaleAbs(values, dst=out)
