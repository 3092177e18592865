"""Compositing: what is under the mask is right, and what is outside is untouched, in every layout."""

from __future__ import annotations

from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest

from loc.artifacts import VideoStream
from loc.media.colour import rgb_to_yuv, to_rgb
from loc.media.compose import MIN_CUBIC_SCALE, apply_patch, soft_mask
from loc.media.frames import Planes
from loc.media.tonemap import SDR_GAMMA, ToneMap, to_sdr
from tests.streams import video_stream

WIDTH, HEIGHT = 98, 74
LAYOUTS = {"yuv420p": (2, 2, 8), "yuv422p": (2, 1, 8), "yuv444p": (1, 1, 8), "yuv420p10le": (2, 2, 10)}
LAYOUTS |= {"yuv422p10le": (2, 1, 10), "yuv444p10le": (1, 1, 10)}
KINDS = list(product(LAYOUTS, ("bt601", "bt709"), (False, True)))
SITINGS = ("left", "center", "topleft")


def stream(pix_fmt: str, **changes: Any) -> VideoStream:
    facts = {"width": WIDTH, "height": HEIGHT, "bit_depth": LAYOUTS[pix_fmt][2], **changes}
    return video_stream(pix_fmt=pix_fmt, **facts)


def texture(height: int, width: int, low: float, high: float, seed: int) -> np.ndarray[Any, Any]:
    """Noise with detail down to about two pixels, within low..high."""
    noise = np.random.default_rng(seed).random((height, width))
    soft = cv2.GaussianBlur(noise, (0, 0), 1.0)
    return np.asarray(low + (high - low) * (soft - soft.min()) / (soft.max() - soft.min()), dtype=np.float64)


def picture(video: VideoStream, width: int = WIDTH, height: int = HEIGHT) -> Planes:
    """A textured picture well inside the gamut."""
    sx, sy, depth = LAYOUTS[video.pix_fmt]
    step, kind = 1 << (depth - 8), np.uint8 if depth == 8 else np.uint16
    chroma = (-(-height // sy), -(-width // sx))

    def plane(shape: tuple[int, int], low: float, high: float, seed: int) -> Any:
        return np.rint(texture(*shape, low * step, high * step, seed)).astype(kind)

    return Planes(plane((height, width), 80, 160, 1), plane(chroma, 110, 146, 2), plane(chroma, 110, 146, 3))


def shift(x: float, y: float, scale: float = 1.0) -> np.ndarray[Any, Any]:
    return np.array([[scale, 0, x], [0, scale, y]], dtype=np.float64)


def ellipse(width: int, height: int) -> np.ndarray[Any, Any]:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    points = [(width - 1) / 2 * (1 + 0.9 * np.cos(angle)), (height - 1) / 2 * (1 + 0.9 * np.sin(angle))]
    return np.asarray(np.stack(points, axis=1), dtype=np.float32)


@pytest.mark.parametrize(("pix_fmt", "matrix", "full_range"), KINDS)
@pytest.mark.parametrize("place", [(20, 16), (21, 17), (20.4, 16.7)])
def test_nothing_outside_the_mask_changes(
    pix_fmt: str, matrix: str, full_range: bool, place: tuple[float, float]
) -> None:
    video = stream(pix_fmt, matrix=matrix, full_range=full_range)
    before = picture(video)
    copy = Planes(before.y.copy(), before.u.copy(), before.v.copy())
    patch = np.random.default_rng(4).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    after = apply_patch(before, video, patch, shift(*place), ellipse(40, 30), 4.0, 1.0)
    sx, sy, _ = LAYOUTS[pix_fmt]
    for name, (step_x, step_y) in {"y": (1, 1), "u": (sx, sy), "v": (sx, sy)}.items():
        was, now = getattr(copy, name), getattr(after, name)
        assert np.array_equal(getattr(before, name), was), "the input is left alone"
        assert now.dtype == was.dtype
        rows, columns = np.nonzero(now != was)
        assert len(rows) > 100 / (step_x * step_y)
        # The mask's ellipse, in patch pixels; a chroma sample also sees the luma pixels it colours. Chroma
        # sited `left` lies between two lines.
        across = (columns * step_x - place[0] - 19.5) / (0.9 * 19.5 + step_x)
        down = (rows * step_y + (step_y - 1) / 2 - place[1] - 14.5) / (0.9 * 14.5 + step_y)
        assert np.all(across**2 + down**2 <= 1.0)


@pytest.mark.parametrize(("pix_fmt", "matrix", "full_range"), KINDS)
@pytest.mark.parametrize("siting", SITINGS)
@pytest.mark.parametrize("place", [(20, 16), (21, 17)])
def test_pixels_of_the_picture_itself_change_nothing_visible(
    pix_fmt: str, matrix: str, full_range: bool, siting: str, place: tuple[int, int]
) -> None:
    video = stream(pix_fmt, matrix=matrix, full_range=full_range, chroma_location=siting)
    before = picture(video)
    x, y = place
    patch = to_rgb(before, video, (x, y, x + 50, y + 40))
    after = apply_patch(before, video, patch, shift(x, y), ellipse(50, 40), 3.0, 1.0)
    # RGB has 8 bits: one of its steps is 4 code values of a 10-bit source.
    step = 1 << (LAYOUTS[pix_fmt][2] - 8)
    for name in ("y", "u", "v"):
        change = np.abs(getattr(after, name).astype(int) - getattr(before, name).astype(int))
        assert change.max() <= step
        assert change.mean() < 0.2 * step


@pytest.mark.parametrize("siting", SITINGS)
@pytest.mark.parametrize("pix_fmt", LAYOUTS)
def test_a_flat_colour_arrives_exactly(pix_fmt: str, siting: str) -> None:
    video = stream(pix_fmt, chroma_location=siting)
    colour = np.array([200, 60, 90], np.uint8)
    patch = np.broadcast_to(colour, (40, 40, 3)).copy()
    square = np.array([[0, 0], [39, 0], [39, 39], [0, 39]], np.float32)
    after = apply_patch(picture(video), video, patch, shift(10, 10), square, 2.0, 1.0)
    wanted = np.rint(rgb_to_yuv(colour[None, None], video))[0, 0]
    sx, sy, _ = LAYOUTS[pix_fmt]
    assert np.all(after.y[20:40, 20:40] == wanted[0])
    assert np.all(after.u[20 // sy : 40 // sy, 20 // sx : 40 // sx] == wanted[1])
    assert np.all(after.v[20 // sy : 40 // sy, 20 // sx : 40 // sx] == wanted[2])


@pytest.mark.parametrize(("x", "y"), [(-20, -15), (WIDTH - 20, HEIGHT - 12), (-30, 20), (20, HEIGHT - 5)])
def test_a_patch_may_hang_over_the_edge(x: int, y: int) -> None:
    video = stream("yuv420p")
    before = picture(video)
    patch = np.full((40, 40, 3), 230, np.uint8)
    after = apply_patch(before, video, patch, shift(x, y), ellipse(40, 40), 3.0, 1.0)
    assert (after.y != before.y).any()


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p"])
def test_odd_sizes_keep_their_last_row_and_column(pix_fmt: str) -> None:
    video = stream(pix_fmt, width=97, height=73)
    before = picture(video, 97, 73)
    patch = np.full((30, 30, 3), 230, np.uint8)
    square = np.array([[0, 0], [29, 0], [29, 29], [0, 29]], np.float32)
    after = apply_patch(before, video, patch, shift(80, 55), square, 2.0, 1.0)
    wanted = np.rint(rgb_to_yuv(patch[:1, :1], video))[0, 0]
    assert [int(plane[-1, -1]) for plane in (after.y, after.u, after.v)] == wanted.astype(int).tolist()


def test_a_patch_outside_the_picture_or_fully_faded_changes_nothing() -> None:
    video = stream("yuv420p")
    before = picture(video)
    patch = np.full((20, 20, 3), 230, np.uint8)
    cases = [(shift(500, 0), 1.0), (shift(-60, 9), 1.0), (shift(9, 9), 0.0), (shift(9, 9, 0.0), 1.0)]
    for matrix, opacity in cases:
        after = apply_patch(before, video, patch, matrix, ellipse(20, 20), 2.0, opacity)
        assert all(np.array_equal(getattr(after, name), getattr(before, name)) for name in "yuv")


def test_opacity_scales_the_change() -> None:
    video = stream("yuv444p")
    flat = Planes(*(np.full((HEIGHT, WIDTH), value, np.uint8) for value in (100, 128, 128)))
    patch = np.full((40, 40, 3), 255, np.uint8)
    after = apply_patch(flat, video, patch, shift(10, 10), ellipse(40, 40), 2.0, 0.25)
    assert after.y[30, 30] == 100 + round(0.25 * (235 - 100))


def test_a_detailed_patch_is_averaged_not_skipped() -> None:
    video = stream("yuv444p")
    flat = Planes(*(np.full((HEIGHT, WIDTH), value, np.uint8) for value in (20, 128, 128)))
    checker = (np.indices((320, 320)).sum(axis=0) % 2 * 255).astype(np.uint8)
    patch = np.repeat(checker[..., None], 3, axis=2)
    after = apply_patch(flat, video, patch, shift(10, 10, 1 / 8), ellipse(320, 320), 40.0, 1.0)
    middle = after.y[25:35, 25:35].astype(int)
    assert np.abs(middle - (16 + 219 / 2)).max() <= 1


def test_an_averaged_patch_lies_where_the_matrix_says() -> None:
    """A soft blob's centre of mass, in the picture, is its centre carried over by the matrix."""
    video = stream("yuv444p")
    flat = Planes(*(np.full((HEIGHT, WIDTH), value, np.uint8) for value in (16, 128, 128)))
    rows, columns = np.mgrid[0:200, 0:200]
    blob = 255 * np.exp(-((columns - 90.0) ** 2 + (rows - 110.0) ** 2) / (2 * 20.0**2))
    patch = np.repeat(blob.astype(np.uint8)[..., None], 3, axis=2)
    for scale in (0.2, 0.3):
        after = apply_patch(flat, video, patch, shift(20.3, 15.6, scale), ellipse(200, 200), 8.0, 1.0)
        weight = after.y.astype(float) - 16
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
        assert (x * weight).sum() / weight.sum() == pytest.approx(20.3 + 90 * scale, abs=0.08)
        assert (y * weight).sum() / weight.sum() == pytest.approx(15.6 + 110 * scale, abs=0.08)


def beyond(outline: np.ndarray[Any, Any], points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Distance of points [n, 2] from a polygon [k, 2]; 0 inside it."""
    contour = outline.astype(np.float32)
    signed = [cv2.pointPolygonTest(contour, (float(x), float(y)), True) for x, y in points]
    return np.maximum(0.0, -np.array(signed))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("seed", range(60))
def test_how_far_beyond_its_outline_a_mask_reaches(pix_fmt: str, seed: int) -> None:
    """Ragged outlines, turned and stretched: as the docstring of `apply_patch` has it."""
    random = np.random.default_rng(seed)
    side, corners = int(random.integers(20, 60)), int(random.integers(3, 24))
    angles = np.sort(random.uniform(0, 2 * np.pi, corners))
    rays = random.uniform(0.3, 1.15, corners) * side / 2
    centre = np.full(2, (side - 1) / 2)
    polygon = centre + rays[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    scale = np.exp(random.uniform(np.log(0.15), np.log(1.5))) * random.uniform(0.8, 1.25, 2)
    turn = random.uniform(0, 2 * np.pi)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale
    middle = np.array([WIDTH / 2, HEIGHT / 2]) + random.uniform(-1, 1, 2)
    move = middle - linear @ centre
    video = stream(pix_fmt, chroma_location="center")
    before = Planes(
        *(np.full_like(plane, 16) for plane in (picture(video).y, picture(video).u, picture(video).v))
    )
    patch = np.full((side, side, 3), (255, 0, 255), np.uint8)
    matrix = np.column_stack([linear, move])
    after = apply_patch(before, video, patch, matrix, polygon.astype(np.float32), 1.0, 1.0)
    sx, sy, _ = LAYOUTS[pix_fmt]
    rows, columns = np.indices((HEIGHT, WIDTH))
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float64)
    in_patch = beyond(polygon, (pixels - move) @ np.linalg.inv(linear).T) < 1.5
    averaged = scale.min() < MIN_CUBIC_SCALE
    in_picture = beyond(polygon @ linear.T + move, pixels) < 2.5
    reached = (in_patch | (in_picture & averaged)).reshape(HEIGHT, WIDTH)
    assert not ((after.y != before.y) & ~reached).any()
    # Between its samples a colour is interpolated: each colours the pixels up to the next ones.
    across = cv2.dilate(reached.astype(np.uint8), np.ones((2 * sy - 1, 2 * sx - 1), np.uint8))
    for was, now in ((before.u, after.u), (before.v, after.v)):
        assert not ((was != now) & ~coloured(across.astype(bool), sx, sy)).any()


def coloured(luma: np.ndarray[Any, Any], sx: int, sy: int) -> np.ndarray[Any, Any]:
    """The chroma samples of which one of its own block of pixels is marked."""
    blocks = luma.reshape(luma.shape[0] // sy, sy, luma.shape[1] // sx, sx)
    return np.asarray(blocks.any(axis=(1, 3)))


def test_the_mask_rises_inside_its_outline() -> None:
    square = np.array([[10, 10], [50, 10], [50, 50], [10, 50]], np.float32)
    mask = soft_mask(square, 8.0, (64, 64))
    assert mask[30, 30] == 1
    assert mask[:10].max() == mask[51:].max() == mask[:, :10].max() == 0
    profile = mask[30, 10:31]
    assert np.all(np.diff(profile) >= 0)
    assert profile[4] == pytest.approx(0.5, abs=0.1)
    assert np.all(profile[9:] == 1)


CURVES = {"smpte2084": (0.35, 0.55), "arib-std-b67": (0.35, 0.65)}
"""Code values between which skin lies in HDR: 18 to 150 cd/m² in PQ."""


@pytest.mark.parametrize("transfer", CURVES)
def test_a_patch_of_hdr_skin_keeps_its_light(transfer: str) -> None:
    """Cut out in 8 bits and put back: each pixel within 3 % of its light, none on average."""
    video = stream("yuv420p10le", matrix="bt2020nc", primaries="bt2020", transfer=transfer)
    low, high = CURVES[transfer]
    luma = np.rint(64 + 876 * texture(HEIGHT, WIDTH, low, high, 1)).astype(np.uint16)
    chroma = [np.rint(texture(HEIGHT // 2, WIDTH // 2, *span, 2)).astype(np.uint16) for span in SKIN]
    before = Planes(luma, *chroma)
    patch = to_rgb(before, video, (20, 16, 60, 46))
    after = apply_patch(before, video, patch, shift(20, 16), ellipse(40, 30), 1.0, 1.0)
    assert (after.y != before.y).any()
    inside = np.zeros(luma.shape, bool)
    inside[24:38, 30:50] = True
    was, now = (grey_light(planes.y[inside], transfer) for planes in (before, after))
    assert np.abs(now / was - 1).max() < 0.03
    assert abs((now / was).mean() - 1) < 0.003
    for plane, other in ((before.u, after.u), (before.v, after.v)):
        assert np.abs(plane.astype(int) - other)[13:18, 16:24].max() <= 6


SKIN = ((470, 500), (525, 570))
"""Cb and Cr of skin, 10 bits."""


def grey_light(luma: np.ndarray[Any, Any], transfer: str) -> np.ndarray[Any, Any]:
    """Light of grey of these code values, as a share of white."""
    how = ToneMap(transfer=transfer, wide=False, matrix="bt2020nc", full_range=False, siting="left", peak=203)
    value = (luma.astype(float)[:, None] - 64) / 876
    return np.asarray(to_sdr(np.repeat(value, 3, axis=1), how)[:, 0] ** SDR_GAMMA)
