"""One redraw: where patches come to lie, what redraws share where they meet, and high frame rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from loc.analysis.faces import MESH_IDS, POINT_COUNT, places
from loc.artifacts import FrameRange, VideoStream
from loc.media.colour import rgb_to_yuv, to_rgb
from loc.media.compose import apply_patch
from loc.media.frames import Planes
from stages.lipsync.contract import HEARD_RATE, Heard, MouthPlan, Patch, RedrawWindow
from stages.lipsync.latentsync import align, drawing, mask
from stages.lipsync.latentsync.drawing import MAX_SHIFT, THREE, draw, read_for
from stages.lipsync.latentsync.model import Given, Model
from stages.lipsync.latentsync.sampler import Sampling
from stages.lipsync.latentsync.unet import UNet3D, UNetConfig
from stages.lipsync.latentsync.window import noise
from stages.lipsync.latentsync.windows import Span
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets.whisper_features import ROW, Encoder
from tests.lipsync.latentsync import tiny
from tests.parity import fill
from tests.upstream import latentsync as upstream

WIDTH, HEIGHT, SIDE = 320, 240, 128


class Mirror:
    """Nets that give back what they are shown: a stand-in for `Model`."""

    resolution = SIDE

    def hear(self, sound: npt.NDArray[np.float32]) -> torch.Tensor:
        return torch.zeros(-(-len(sound) // 320), 1, 1)

    def at_once(self, _sampling: Any) -> int:
        return 2

    def latents(self, given: Sequence[Given], *_others: Any) -> torch.Tensor:
        return torch.from_numpy(np.stack([mask.pixels(one.squares) for one in given]))

    def decode(self, latents: torch.Tensor) -> npt.NDArray[np.float32]:
        return latents.numpy()


def video(rate: int = 25, **changes: Any) -> VideoStream:
    given: dict[str, Any] = {
        "index": 0, "codec": "h264", "profile": None, "width": WIDTH, "height": HEIGHT, "pix_fmt": "yuv444p",
        "bit_depth": 8, "time_base": Fraction(1, rate), "average_rate": Fraction(rate), "rotation": 0,
        "sample_aspect": Fraction(1), "matrix": "bt709", "matrix_declared": True, "full_range": False,
        "primaries": None, "transfer": None, "chroma_location": "left",
    }  # fmt: skip
    return VideoStream(**{**given, **changes})


def picture(index: int, stream: VideoStream) -> Planes:
    """A smooth picture, and at places a step."""
    rgb = fill.picture(f"drawing/{index // 4}", HEIGHT, WIDTH, 5, 3, 20)
    y, u, v = np.moveaxis(np.rint(rgb_to_yuv(rgb, stream)).astype(np.uint8), -1, 0)
    return Planes(y, u, v)


def mesh(count: int, first: int = 0) -> npt.NDArray[np.float32]:
    """Points of a face that sways, float32 [count, POINT_COUNT, 2]."""
    points = np.full((count, POINT_COUNT, 2), 150.0, dtype=np.float32)
    for step in range(count):
        sway = np.sin((first + step) / 5) * 6
        for ids, place in zip(THREE, ((120, 80), (190, 82), (156, 125)), strict=True):
            points[step, places(ids)] = (place[0] + sway, place[1] + sway / 2)
    return points


def window(drawn: FrameRange, cut: FrameRange, rate: int = 25) -> RedrawWindow:
    stream = video(rate)
    reads = read_for(drawn, cut, float(rate))
    count = len(reads)
    seconds = np.arange(reads.start, reads.stop) / rate
    sound = fill.speech("drawing", HEARD_RATE * 20, 3).astype(np.float32) / 32768
    start = round(reads.start / rate * HEARD_RATE)
    stop = round((reads.stop / rate + 2) * HEARD_RATE)
    middles = np.rint((seconds + 0.5 / rate) * HEARD_RATE).astype(np.int64) - start + HEARD_RATE
    ones = np.ones(len(drawn), np.float32)

    def pictures() -> Iterator[Planes]:
        return (picture(index, stream) for index in range(reads.start, reads.stop))

    return RedrawWindow(
        video=stream,
        points=mesh(count, reads.start),
        plan=MouthPlan(ones, ones, ones),
        profile={},
        pictures=pictures,
        first_frame=reads.start,
        drawn=drawn,
        cut=cut,
        heard=Heard(sound[start:stop], middles),
    )


def drawn_by(model: Any, one: RedrawWindow, steps: int = 2) -> list[Patch]:
    return list(draw(one, model, Sampling(steps, 1.5), seed=7))


@pytest.fixture(scope="module")
def model() -> Model:
    """A random tiny network."""
    torch.manual_seed(1)
    unet = UNet3D(UNetConfig.read(tiny.MODEL)).eval()
    vae = eye.Vae(eye.autoencoder(tiny.VAE).eval())
    ear = Encoder(tiny.WIDTH, 2, 1, 2 * tiny.WIDTH).eval()
    for net in (unet, ear):
        net.requires_grad_(False)
    return Model(unet, vae, ear, tiny.RESOLUTION)


def test_what_the_net_gives_back_unchanged_lies_where_it_was() -> None:
    frames = FrameRange(start=0, stop=20)
    one = window(frames, frames)
    for index, patch in enumerate(drawn_by(Mirror(), one)):
        before = picture(index, one.video)
        after = apply_patch(before, one.video, patch.pixels, patch.matrix, patch.polygon, patch.feather, 1.0)
        # Aligning, pressing into the square and placing back each blur a little; a shift of half a pixel
        # would change a smooth picture by more.
        apart = np.abs(after.y.astype(int) - before.y)
        assert np.percentile(apart[apart > 0], 95) <= 3
        assert (apart > 0).sum() > 500


class Tinted(Mirror):
    """Its autoencoder gives all colours back moved."""

    def __init__(self, tint: npt.NDArray[np.float32]) -> None:
        self._tint = tint[:, None, None]

    def decode(self, latents: torch.Tensor) -> npt.NDArray[np.float32]:
        return np.asarray(latents.numpy() + self._tint)


@pytest.mark.parametrize("size", [0.06, 2 * MAX_SHIFT])
def test_what_the_autoencoder_does_to_colours_is_taken_back_up_to_a_limit(size: float) -> None:
    frames = FrameRange(start=0, stop=2)
    tint = size * np.array([1, -0.5, 0.25], dtype=np.float32)
    left = (tint - np.clip(tint, -MAX_SHIFT, MAX_SHIFT)) * 127.5
    assert (left[0] == 0) == (size < MAX_SHIFT)
    one = window(frames, frames)
    for plain, tinted in zip(drawn_by(Mirror(), one), drawn_by(Tinted(tint), one), strict=True):
        expected = np.clip(plain.pixels + left, 0, 255)
        assert np.abs(tinted.pixels - expected).max() <= 1


def test_colours_are_compared_round_the_mask_and_not_in_it() -> None:
    whole = np.zeros((3, SIDE, SIDE), np.float32)
    drawn = whole + np.where(mask.kept(SIDE) < 1, np.float32(0.5), np.float32(0.02))
    np.testing.assert_allclose(drawing.matched(drawn, whole), drawn - 0.02, atol=1e-6)


def test_the_outline_is_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    for side in (128, 256, 512):
        inside = np.zeros((side, side), np.uint8)
        edge = np.rint(drawing.outline(side) * 256).astype(np.int32)
        cv2.fillPoly(inside, [edge], (1,), shift=8)
        apart = inside != (mask.kept(side) < 0.5)
        assert apart.mean() < 0.01


def test_rotated_and_wide_pixels_are_upright_for_the_net() -> None:
    plain, points = video(), mesh(1)
    for change in ({"rotation": 180}, {"sample_aspect": Fraction(4, 3)}):
        other = video(**change)
        matrix = drawing.matrix_of(drawing.points_of(points, other)[0], other, SIDE)
        upright = drawing.points_of(points, other)[0]
        face, _ = align.similarity(upright, align.template(SIDE))
        np.testing.assert_allclose(
            align.mean_points(points.astype(np.float64), drawing._GROUPS)[0] @ matrix[:, :2].T + matrix[:, 2],
            upright @ face[:, :2].T + face[:, 2],
            atol=1e-6,
        )
    assert drawing.matrix_of(drawing.points_of(points, plain)[0], plain, SIDE).shape == (2, 3)
    assert {point for group in THREE for point in group} <= set(MESH_IDS)


def test_two_redraws_of_a_cut_agree_where_they_meet_and_with_one_over_both(model: Model) -> None:
    cut = FrameRange(start=5, stop=75)
    whole = drawn_by(model, window(cut, cut))
    first, second = FrameRange(start=5, stop=38), FrameRange(start=38, stop=75)
    parts = [*drawn_by(model, window(first, cut)), *drawn_by(model, window(second, cut))]
    assert len(parts) == len(whole) == len(cut)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a.matrix, b.matrix, atol=1e-9)
        assert np.abs(a.pixels.astype(int) - b.pixels).max() <= 1


def test_a_window_is_drawn_as_upstream_draws_it(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but what is ours: faces aligned without upstream's offset, and colours matched."""
    decoded: list[npt.NDArray[np.float32]] = []

    def kept(drawn: npt.NDArray[np.float32], _whole: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        decoded.append(drawn)
        return drawn

    monkeypatch.setattr(drawing, "matched", kept)
    frames, side, sampling = FrameRange(start=0, stop=16), model.resolution, Sampling(3, 1.5)
    middles = (2 * np.arange(16) + 1) * ROW
    sound = fill.speech("drawing", 32 * ROW, 3).astype(np.float32) / 32768
    one = replace(window(frames, frames), heard=Heard(sound, middles))
    patches = list(draw(one, model, sampling, seed=7))
    points, planes = drawing.points_of(one.points, one.video), list(one.pictures())
    given = upstream.Given(
        frames=np.stack([to_rgb(each, one.video) for each in planes]),
        points=points,
        sound=sound,
        noise=noise(side, 1, 7, torch.device("cpu"), torch.float32),
        draws=None,
        resolution=side,
        aligned=np.stack(
            [
                drawing.square_of(each, one.video, drawing.matrix_of(three, one.video, side), side)
                for each, three in zip(planes, points, strict=True)
            ]
        ),
    )
    with torch.inference_mode():
        made = upstream.run(given, model._unet, model._vae, model._encoder, sampling)
    inside = mask.kept(side) == 0
    ours, theirs = np.stack(decoded)[:, :, inside], made.faces[:16][:, :, inside]
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    there = drawing.Frame.of(side)
    for patch, face in zip(patches, decoded, strict=True):
        levels = (np.clip(face, -1, 1) / 2 + 0.5) * 255
        shown = levels[:, there.y0 : there.y1, there.x0 : there.x1].transpose(1, 2, 0)
        assert np.abs(patch.pixels - shown).max() <= 0.51
    decoded.clear()
    list(draw(replace(one, heard=Heard(sound, middles + ROW)), model, sampling, seed=7))
    assert np.abs(np.stack(decoded)[:, :, inside] - theirs).max() > 1e-2, "a row late would be seen"


def test_no_seam_every_sixteen_frames(model: Model) -> None:
    """Of a face that does not move: frames that a window's end separates differ no more than others."""
    cut = FrameRange(start=0, stop=80)
    still = window(cut, cut)
    points = np.repeat(still.points[:1], len(still.points), axis=0)
    stream = still.video
    held = picture(0, stream)
    quiet = Heard(np.zeros_like(still.heard.sound), still.heard.middles)  # type: ignore[union-attr]
    one = RedrawWindow(
        video=stream, points=points, plan=still.plan, profile={}, pictures=lambda: iter([held] * len(points)),
        first_frame=0, drawn=cut, cut=cut, heard=quiet,
    )  # fmt: skip
    shown = np.stack([patch.pixels for patch in drawn_by(model, one)]).astype(np.float64)
    steps = np.abs(np.diff(shown, axis=0)).mean(axis=(1, 2, 3))
    inside = [step for at, step in enumerate(steps) if at % 12 in (5, 6, 7, 8, 9, 10)]
    across = [step for at, step in enumerate(steps) if at % 12 not in (5, 6, 7, 8, 9, 10)]
    assert max(across) < 4 * max(np.median(inside), 0.5)


@pytest.mark.parametrize("rate", [50, 60, 120])
def test_high_rates_draw_some_frames_and_fill_in_the_others(rate: int, model: Model) -> None:
    cut = FrameRange(start=3, stop=60)
    drawn = FrameRange(start=10, stop=41)
    seen: list[int] = []

    class Counted(Mirror):
        def latents(self, given: Sequence[Given], *others: Any) -> torch.Tensor:
            seen.extend(len(one.squares) for one in given)
            return super().latents(given, *others)

    patches = drawn_by(Counted(), window(drawn, cut, rate))
    assert len(patches) == len(drawn)
    assert sum(seen) < 2 * len(cut) * 30 / rate + 16
    whole = drawn_by(model, window(cut, cut, rate))
    part = drawn_by(model, window(drawn, cut, rate))
    for a, b in zip(whole[7:38], part, strict=True):
        assert np.abs(a.pixels.astype(int) - b.pixels).max() <= 1


def test_a_cut_shorter_than_a_step_is_drawn(model: Model) -> None:
    cut = FrameRange(start=1, stop=3)
    assert len(drawn_by(model, window(cut, cut, 120))) == 2
    single = FrameRange(start=4, stop=5)
    assert len(drawn_by(model, window(single, single))) == 1


def test_memory_holds_a_few_windows_however_long_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []

    class Watched(Mirror):
        def decode(self, latents: torch.Tensor) -> npt.NDArray[np.float32]:
            held.append(max(alive))
            return super().decode(latents)

    alive = [0]
    original = drawing._Line.window

    def counted(line: drawing._Line, span: Span) -> list[Any]:
        made = original(line, span)
        alive.append(len(line.held))
        return made

    monkeypatch.setattr(drawing._Line, "window", counted)
    cut = FrameRange(start=0, stop=300)
    assert len(drawn_by(Watched(), window(cut, cut))) == 300
    # Two windows of sixteen at once, which overlap by four.
    assert max(held) <= 28
