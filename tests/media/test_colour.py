"""Colour against the figures of the standards, and chroma against where it is said to lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loc.artifacts import VideoStream
from loc.media.colour import rgb_to_yuv, to_rgb
from loc.media.frames import Planes
from tests.streams import video_stream

MATRICES = ("bt601", "bt709", "bt2020nc")


def stream(**changes: Any) -> VideoStream:
    return video_stream(width=64, height=48, **changes)


@pytest.mark.parametrize(
    ("matrix", "full_range", "depth", "rgb", "yuv"),
    [
        ("bt601", False, 8, (255, 255, 255), (235, 128, 128)),
        ("bt601", False, 8, (0, 0, 0), (16, 128, 128)),
        ("bt601", False, 8, (255, 0, 0), (81.48, 90.20, 240)),
        ("bt601", False, 8, (0, 255, 0), (144.55, 53.80, 34.21)),
        ("bt601", True, 8, (255, 0, 0), (76.25, 84.97, 255.5)),
        ("bt709", False, 8, (255, 0, 0), (62.56, 102.34, 240)),
        ("bt709", False, 8, (0, 0, 255), (31.81, 240, 117.73)),
        ("bt709", True, 8, (255, 255, 255), (255, 128, 128)),
        ("bt709", False, 10, (255, 255, 255), (940, 512, 512)),
        ("bt2020nc", False, 10, (255, 0, 0), (294.13, 386.89, 960)),
        ("bt2020nc", True, 10, (255, 255, 255), (1023, 512, 512)),
    ],
)
def test_known_colours(
    matrix: str, full_range: bool, depth: int, rgb: tuple[int, ...], yuv: tuple[float, ...]
) -> None:
    video = stream(matrix=matrix, full_range=full_range, bit_depth=depth)
    got = rgb_to_yuv(np.array([[rgb]], dtype=np.uint8), video)[0, 0]
    assert got == pytest.approx(yuv, abs=0.02)


def planes_of(yuv: np.ndarray[Any, Any], depth: int, sx: int, sy: int) -> Planes:
    kind = np.uint16 if depth > 8 else np.uint8
    coded = np.clip(np.rint(yuv), 0, (1 << depth) - 1).astype(kind)
    y, u, v = (np.ascontiguousarray(coded[..., index]) for index in range(3))
    return Planes(y, np.ascontiguousarray(u[::sy, ::sx]), np.ascontiguousarray(v[::sy, ::sx]))


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("depth", [8, 10])
def test_smooth_pictures_survive_the_round_trip(matrix: str, full_range: bool, depth: int) -> None:
    video = stream(matrix=matrix, full_range=full_range, bit_depth=depth, chroma_location="topleft")
    y, x = np.mgrid[0:48, 0:64]
    rgb = np.stack([60 + x * 2, 70 + y * 2, 200 - x - y], axis=-1).astype(np.float32)
    yuv = rgb_to_yuv(rgb, video)
    got = to_rgb(planes_of(yuv, depth, 2, 2), video)
    # The last row and column have no chroma sample behind them.
    back = rgb_to_yuv(got, video)[:-1, :-1]
    assert np.abs(back - yuv[:-1, :-1]).max() < (1.6 if depth == 8 else 4.5)
    assert np.abs(back - yuv[:-1, :-1]).mean() < (0.5 if depth == 8 else 1.5)


@pytest.mark.parametrize(
    ("siting", "ox", "oy"), [("left", 0.0, 0.5), ("center", 0.5, 0.5), ("topleft", 0.0, 0.0)]
)
def test_chroma_is_read_where_it_lies(siting: str, ox: float, oy: float) -> None:
    """A red difference that grows steadily across the picture must grow steadily in the result too."""
    video = stream(full_range=True, matrix="bt601", chroma_location=siting)
    cy, cx = np.mgrid[0:12, 0:16]
    v = (60 + 2 * (2 * cx + ox) + 2 * (2 * cy + oy)).astype(np.uint8)
    planes = Planes(np.full((24, 32), 128, np.uint8), np.full((12, 16), 128, np.uint8), v)
    y, x = np.mgrid[0:24, 0:32]
    expected = 128 + 1.402 * (60 + 2 * x + 2 * y - 128)
    error = to_rgb(planes, video)[..., 0] - expected
    assert np.abs(error[2:-2, 2:-2]).max() < 0.51


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
@pytest.mark.parametrize("sampling", [(2, 2), (2, 1), (1, 1)])
def test_a_crop_equals_the_crop_of_the_whole(siting: str, sampling: tuple[int, int]) -> None:
    video = stream(chroma_location=siting)
    sx, sy = sampling
    random = np.random.default_rng(2)
    y, u, v = (
        random.integers(16, 236, shape).astype(np.uint8)
        for shape in ((47, 63), (-(-47 // sy), -(-63 // sx)), (-(-47 // sy), -(-63 // sx)))
    )
    planes = Planes(y, u, v)
    whole = to_rgb(planes, video)
    assert whole.shape == (47, 63, 3)
    for x0, y0, x1, y1 in ((0, 0, 5, 5), (11, 7, 40, 30), (12, 8, 41, 31), (62, 46, 63, 47), (3, 0, 4, 47)):
        assert np.array_equal(to_rgb(planes, video, (x0, y0, x1, y1)), whole[y0:y1, x0:x1])


def test_a_box_outside_the_picture_is_a_mistake() -> None:
    planes = Planes(*(np.full(shape, 128, np.uint8) for shape in ((48, 64), (24, 32), (24, 32))))
    for box in ((-1, 0, 5, 5), (0, 0, 65, 5), (5, 5, 5, 6)):
        with pytest.raises(ValueError, match="not inside"):
            to_rgb(planes, stream(), box)
