"""Every colour coding, turned and stretched: nothing moves outside the mask, and declarations are kept."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from loc.artifacts import FrameRange, VideoStream
from loc.media.frames import Planes, read_frames
from loc.media.patches import Placement
from loc.media.probe import probe_source
from loc.settings import Settings
from loc.store.workdir import WorkDir
from stages.deliver.picture import Layer, composite
from tests.deliver.test_stage import Bench, ingest
from tests.media import synth
from tests.media.test_frames import same, undisturbed

FRAMES = 8
DELIVERED = slice(48, 144)
"""Columns in which `Bench.patch` draws, and the coder's blocks around them."""
CODED = 1
"""By how much the coder may move samples of 8 bits on average; a conversion between ranges moves them by
ten."""
PATCHED = FrameRange(start=2, stop=7)
SIDE = 40

MATRICES = {
    "bt601": ("smpte170m", "smpte170m", "smpte170m"),
    "bt709": ("bt709", "bt709", "bt709"),
    "bt2020nc": ("bt2020nc", "bt2020", "arib-std-b67"),
}
"""What a file declares with each: matrix, primaries, transfer (the last is hybrid log-gamma)."""

SHAPES = ((0, "1"), (90, "1"), (0, "4/3"), (270, "16/11"), (180, "1"), (180, "4/3"))
"""Rotation and sample aspect."""


@dataclass(frozen=True)
class Colours:
    """How a film is coded."""

    matrix: str
    full_range: bool
    depth: int
    rotation: int
    aspect: str

    def __str__(self) -> str:
        span = "full" if self.full_range else "limited"
        return f"{self.matrix}-{span}-{self.depth}-{self.rotation}-{self.aspect.replace('/', ':')}"

    def film(self, folder: Path) -> Path:
        """A numbered film so coded."""
        space, primaries, transfer = MATRICES[self.matrix]
        options: dict[str, Any] = {
            **synth.RECIPES["h264"].options,
            "colorspace": space,
            "color_primaries": primaries,
            "color_trc": transfer,
            "color_range": "pc" if self.full_range else "tv",
            "chroma_sample_location": "topleft" if self.matrix == "bt2020nc" else "left",
            "aspect": str(Fraction(self.aspect) * Fraction(synth.WIDTH, synth.HEIGHT)),
        }
        recipe = synth.Recipe(".mp4", options, pix_fmt="yuv420p10le" if self.depth == 10 else "yuv420p")
        straight = synth.make(folder, recipe, frames=FRAMES, name="straight")
        return synth.copy(straight, folder / "film.mp4", {}, **{"metadata:s:v:0": f"rotate={self.rotation}"})


ALL = [
    Colours(matrix, full_range, depth, *SHAPES[(index + index // 6) % 6])
    for index, (matrix, full_range, depth) in enumerate(product(MATRICES, (False, True), (8, 10)))
]
"""Every matrix, range and depth, with the shapes in turn."""


def placement() -> Placement:
    """A turned patch, larger than its pixels, that drifts."""
    count = len(PATCHED)
    angle = np.radians(15)
    turn = 1.6 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.zeros((count, 2, 3))
    matrix[:, :, :2] = turn
    matrix[:, 0, 2] = 80 + 0.7 * np.arange(count)
    matrix[:, 1, 2] = 40 + 0.4 * np.arange(count)
    around = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    polygon = (SIDE - 1) / 2 * (1 + 0.9 * np.stack([np.cos(around), np.sin(around)], axis=1))
    return Placement(
        matrix,
        np.repeat(polygon[None].astype(np.float32), count, axis=0),
        np.full(count, 3, np.float32),
        np.linspace(0.4, 1, count, dtype=np.float32),
    )


def reach(placed: Placement, at: int, shape: tuple[int, ...], step: int) -> np.ndarray[Any, Any]:
    """bool [h, w] of a plane: the samples that touch the mask's polygon, and one more on each side."""
    corners = placed.polygon[at] @ placed.matrix[at][:, :2].T + placed.matrix[at][:, 2]
    luma = np.zeros((shape[0] * step, shape[1] * step), np.uint8)
    cv2.fillPoly(luma, [np.rint(corners).astype(np.int32)], (1,))
    touched = luma.reshape(shape[0], step, shape[1], step).max(axis=(1, 3))
    return cv2.dilate(touched, np.ones((3, 3), np.uint8)).astype(bool)


def changed(was: Planes, now: Planes) -> list[np.ndarray[Any, Any]]:
    """bool [h, w] of each plane: the samples that differ."""
    return [getattr(was, name) != getattr(now, name) for name in "yuv"]


def speckled(planes: Planes, seed: int) -> Planes:
    """A picture with noise for its colours, which are grey as drawn."""
    limit = 1024 if planes.y.dtype == np.uint16 else 256
    noise = np.random.default_rng(seed).integers(0, limit, (2, *planes.u.shape), dtype=planes.u.dtype)
    return Planes(planes.y, noise[0], noise[1])


@pytest.mark.parametrize("colours", ALL, ids=str)
def test_nothing_moves_outside_the_mask_and_all_declarations_are_kept(
    colours: Colours, store: WorkDir, tmp_path: Path
) -> None:
    clip = colours.film(tmp_path)
    made = Bench(store, clip, ingest(store, clip, (0, 5, FRAMES)))
    video = made.source.video
    assert declared(video) == {
        "matrix": (colours.matrix, True),
        "full_range": colours.full_range,
        "primaries": MATRICES[colours.matrix][1],
        "transfer": MATRICES[colours.matrix][2],
        "chroma_location": "topleft" if colours.matrix == "bt2020nc" else "left",
        "depth": colours.depth,
        "rotation": colours.rotation,
        "aspect": Fraction(colours.aspect),
        "size": (synth.WIDTH, synth.HEIGHT),
    }
    pixels = np.random.default_rng(0).integers(0, 256, (len(PATCHED), SIDE, SIDE, 3), dtype=np.uint8)
    layer = Layer(PATCHED, iter(pixels), placement())
    whole = FrameRange(start=0, stop=FRAMES)
    decoded = list(read_frames(made.clip, video, made.timeline, whole))
    told = list(undisturbed(made.clip))
    assert all(same(planes, other) for planes, other in zip(decoded, told, strict=True))
    before = [speckled(planes, number) for number, planes in enumerate(decoded)]
    after = list(composite(iter(before), 0, video, [layer]))
    for number, (was, now) in enumerate(zip(before, after, strict=True)):
        for plane, moved in zip("yuv", changed(was, now), strict=True):
            at = number - PATCHED.start
            if not PATCHED.start <= number < PATCHED.stop:
                assert not moved.any()
                continue
            allowed = reach(layer.placement, at, moved.shape, 1 if plane == "y" else 2)
            assert not (moved & ~allowed).any(), (number, plane)
            assert moved[allowed].mean() > 0.5, (number, plane)
    patch = made.patch(tmp_path, chunk=0, offset=1, count=3)
    render, _ = made.deliver(made.inputs("ja", [patch]), "ja", preset="ultrafast", crf=4)
    output = made.output(render)
    assert declared(probe_source(output, Settings()).video) == declared(video)
    scale = 4 if colours.depth == 10 else 1
    for number, (was, now) in enumerate(zip(told, undisturbed(output), strict=True)):
        for name, step in (("y", 1), ("u", 2), ("v", 2)):
            moved = np.abs(getattr(was, name).astype(np.int64) - getattr(now, name).astype(np.int64)) / scale
            outside = np.delete(moved, np.s_[DELIVERED.start // step : DELIVERED.stop // step], axis=1)
            assert outside.mean() < CODED, (number, name)
            if name == "y" and 1 <= number < 4:
                assert moved.mean() > 2 * CODED, "the patch is there"


def declared(video: VideoStream) -> dict[str, Any]:
    return {
        "matrix": (video.matrix, video.matrix_declared),
        "full_range": video.full_range,
        "primaries": video.primaries,
        "transfer": video.transfer,
        "chroma_location": video.chroma_location,
        "depth": video.bit_depth,
        "rotation": video.rotation,
        "aspect": video.sample_aspect,
        "size": (video.width, video.height),
    }
