"""One redraw by LatentSync: frames and sound to patches, a window at a time and in constant memory. Imports
torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor

from loc.analysis.faces import BROW_LEFT, BROW_RIGHT, NOSE, places, transform, upright_transform
from loc.artifacts import FrameRange, VideoStream
from loc.media.colour import to_rgb
from loc.media.frames import Planes
from stages.lipsync.contract import HEARD_RATE, Heard, Meter, Patch, RedrawWindow
from stages.lipsync.latentsync import align, mask
from stages.lipsync.latentsync.heard import Rows, rows_heard
from stages.lipsync.latentsync.model import Given, Model
from stages.lipsync.latentsync.sampler import Sampling
from stages.lipsync.latentsync.windows import Span, divisor, reach, shares, steps_of, windows
from stages.lipsync.light import lit, mean_colour, ring_round
from stages.lipsync.nets.whisper_features import ROW

THREE = (BROW_LEFT[:5], BROW_RIGHT[:5], NOSE)
"""Mesh points whose middles are left brow, right brow and nose: of each brow the upper edge. Versions 1.0 and
1.5 were trained on the upper edges of the brows and all of the nose too, by 68 landmarks (17 to 21, 22 to 26,
27 to 35 in `latentsync/utils/image_processor.py` of those releases). Beside three aligned pictures that their
authors publish, faces come out 0.2 to 1.1 % too large and up to 1.6 % of their width from their places
(`bench/latentsync_points.py`)."""
_GROUPS = tuple(tuple(places(ids)) for ids in THREE)

AROUND = 2
"""Pixels of the source around the face's canvas that are converted with it."""
FEATHER = 8 / 256
"""Width of the patch's soft edge, in shares of the square: one latent, within which the network itself joins
what it draws to what is kept."""
RING = 12 / 256
"""Width of the ring round the mask in which colours are compared, in shares of the square."""
MAX_SHIFT = 0.1
"""The most that colours are moved, of -1..1: more is no bias of the autoencoder's."""


def points_of(mesh: npt.NDArray[np.float32], video: VideoStream) -> align.Floats:
    """Left brow, right brow and nose, upright pixels, float64 [n, 3, 2].

    Args:
        mesh: points, [n, POINT_COUNT, 2].
    """
    return align.mean_points(transform(mesh.astype(np.float64), upright_transform(video)), _GROUPS)


def matrix_of(points: align.Floats, video: VideoStream, resolution: int) -> align.Floats:
    """Coded source pixel centres to canvas pixel centres, float64 [2, 3], for one frame's points [3, 2]."""
    face, _ = align.similarity(points, align.template(resolution))
    upright = upright_transform(video)
    turned = face[:, :2] @ upright[:, :2]
    return np.column_stack([turned, face[:, :2] @ upright[:, 2] + face[:, 2]])


def square_of(
    planes: Planes, video: VideoStream, matrix: align.Floats, resolution: int
) -> npt.NDArray[np.uint8]:
    """The aligned face of a picture, uint8 [r, r, 3]. Only the part of the picture under it is converted."""
    width, height = align.canvas_size(resolution)
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=np.float64)
    under = transform(corners, align.inverse(matrix))
    rows, columns = planes.y.shape
    x0, y0 = np.clip(np.floor(under.min(axis=0)) - AROUND, 0, (columns - 2, rows - 2)).astype(int)
    x1, y1 = np.clip(np.ceil(under.max(axis=0)) + AROUND, (x0 + 2, y0 + 2), (columns, rows)).astype(int)
    part = to_rgb(planes, video, (int(x0), int(y0), int(x1), int(y1)))
    moved = np.column_stack([matrix[:, :2], matrix[:, :2] @ (x0, y0) + matrix[:, 2]])
    return align.square(align.canvas(part, moved, resolution), resolution)


def matched(drawn: npt.NDArray[np.float32], whole: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What was drawn, moved by what the autoencoder changed in the colours of the ring round the mask.

    Args:
        drawn, whole: float32 [3, r, r], what was decoded and what is in the source, -1..1.
    """
    resolution = drawn.shape[-1]
    # All round: the square is aligned by the face, and what its mask's edge crosses is face.
    ring = ring_round(mask.kept(resolution) < 1, max(1, round(RING * resolution)))
    there = mean_colour(np.moveaxis(whole, 0, -1), ring)
    moved = lit(np.moveaxis(drawn, 0, -1), ring, there, MAX_SHIFT)
    return np.ascontiguousarray(np.moveaxis(moved, -1, 0), dtype=np.float32)


@dataclass
class _Step:
    """A picture on its way: its face, the middle of its time in the sound, what windows have made of it."""

    square: npt.NDArray[np.uint8]
    middle: int
    latents: Tensor | None = None
    share: float = 0.0


@dataclass
class _Line:
    """Pictures in order, read as windows need them and forgotten when they are done."""

    steps: Iterator[tuple[int, _Step]]
    held: dict[int, _Step] = field(default_factory=dict)

    def window(self, span: Span) -> list[_Step]:
        while span.stop - 1 not in self.held:
            number, step = next(self.steps)
            self.held[number] = step
        return [self.held[number] for number in range(span.start, span.stop)]


def drawn_steps(
    steps: Iterator[tuple[int, _Step]],
    wanted: Span,
    there: Span,
    denoise: Callable[[list[list[_Step]]], Tensor],
    at_once: int = 1,
) -> Iterator[tuple[int, _Step]]:
    """Steps with their finished latents, in order.

    Args:
        steps: from `reach(wanted, there)` on, in order.
        wanted: which are drawn.
        there: every step of the cut.
        denoise: the latents [windows, f, 4, h, h] of some windows.
        at_once: how many windows it is given together.
    """
    line, done = _Line(steps), wanted.start
    layout = windows(wanted, there)
    for first in range(0, len(layout), at_once):
        spans = layout[first : first + at_once]
        inside = [line.window(span) for span in spans]
        for pictures, made in zip(inside, denoise(inside), strict=True):
            for step, latents, share in zip(pictures, made, shares(len(pictures)).tolist(), strict=True):
                weighed = latents * share
                step.latents = weighed if step.latents is None else step.latents + weighed
                step.share += share
        after = first + len(spans)
        settled = layout[after].start if after < len(layout) else spans[-1].stop
        for number in range(done, min(settled, wanted.stop)):
            step = line.held[number]
            assert step.latents is not None
            step.latents = step.latents / step.share
            yield number, step
        done = max(done, min(settled, wanted.stop))
        for number in [one for one in line.held if one < settled]:
            del line.held[number]


def outline(resolution: int) -> npt.NDArray[np.float32]:
    """The edge of what the mask draws, float32 [k, 2], pixel centres of the square."""
    (left, inner_left), (inner_right, right) = mask.CHEEK_COLUMNS
    top, nose = mask.CHEEKS.start, mask.JAW_TOP
    rows = mask.jaw()
    corners = [
        (left, top),
        (inner_left, top),
        (inner_left, nose),
        (inner_right, nose),
        (inner_right, top),
        (right, top),
    ]
    every = range(0, len(rows), 6)
    corners += [(rows[row][1], nose + row) for row in every]
    corners += [(rows[-1][1], nose + len(rows) - 1), (rows[-1][0], nose + len(rows) - 1)]
    corners += [(rows[row][0], nose + row) for row in reversed(every)]
    scale = resolution / mask.SIDE
    return ((np.array(corners, dtype=np.float64) + 0.5) * scale - 0.5).astype(np.float32)


@dataclass(frozen=True)
class Frame:
    """Where the drawn part of the square lies: first column and row, and those after the last."""

    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def of(cls, resolution: int) -> Frame:
        edge = outline(resolution)
        low = np.floor(edge.min(axis=0)).astype(int) - 1
        high = np.ceil(edge.max(axis=0)).astype(int) + 2
        x0, y0 = np.maximum(low, 0)
        x1, y1 = np.minimum(high, resolution)
        return cls(int(x0), int(y0), int(x1), int(y1))


def patch_of(mouth: npt.NDArray[np.float32], matrix: align.Floats, resolution: int, frame: Frame) -> Patch:
    """A finished frame.

    Args:
        mouth: float32 [3, r, r], -1..1.
        matrix: of the frame, coded source to canvas.
        frame: what of the square is kept.
    """
    corner = np.array([frame.x0, frame.y0], dtype=np.float64)
    levels = np.rint((np.clip(mouth, -1, 1) / 2 + 0.5) * 255).astype(np.uint8)
    kept = levels[:, frame.y0 : frame.y1, frame.x0 : frame.x1]
    onto = align.square_matrix(matrix, resolution)
    moved = np.column_stack([onto[:, :2], onto[:, :2] @ corner + onto[:, 2]])
    return Patch(
        pixels=np.ascontiguousarray(kept.transpose(1, 2, 0)),
        matrix=moved,
        polygon=outline(resolution) - corner.astype(np.float32),
        feather=FEATHER * resolution,
    )


def steps_in(frames: FrameRange, cut: FrameRange, every: int) -> tuple[Span, Span]:
    """(the steps that some frames of a cut need, all that the cut has).

    A cut that begins or ends between two steps has none there; its first or last frames take the nearest.
    """
    there = Span(-(-cut.start // every), (cut.stop - 1) // every + 1)
    if there.stop <= there.start:
        # Shorter than a step: its first frame stands for all.
        return Span(0, 0), Span(0, 0)
    wanted = steps_of(frames.start, frames.stop, every)
    first = min(max(wanted.start, there.start), there.stop - 1)
    return Span(first, max(first + 1, min(wanted.stop, there.stop))), there


def read_for(frames: FrameRange, cut: FrameRange, fps: float) -> FrameRange:
    """The frames of a cut that are read so that some of them can be drawn."""
    every = divisor(fps)
    wanted, there = steps_in(frames, cut, every)
    if not there:
        return cut
    steps = reach(wanted, there)
    return FrameRange(
        start=min(frames.start, steps.start * every), stop=max(frames.stop, (steps.stop - 1) * every + 1)
    )


def draw(window: RedrawWindow, model: Model, sampling: Sampling, seed: int) -> Iterator[Patch]:
    """The patches of a redraw, in order.

    Args:
        window: with what is heard; read as `read_for` says.
        model: the nets.
        sampling, seed: how each window of pictures is denoised, and from which noise.
    """
    assert window.heard is not None
    heard, video, side = window.heard, window.video, model.resolution
    every = divisor(float(video.average_rate))
    wanted, there = steps_in(window.drawn, window.cut, every)
    points = points_of(window.points, video)
    steady = [matrix_of(one, video, side) for one in points]
    first = window.first_frame
    alone = window.cut.start if not there else None

    def read() -> Iterator[tuple[int, _Step]]:
        for index, planes in enumerate(window.pictures()):
            if alone == first + index:
                yield 0, _Step(square_of(planes, video, steady[index], side), int(heard.middles[index]))
            elif alone is None and (first + index) % every == 0:
                square = square_of(planes, video, steady[index], side)
                yield (first + index) // every, _Step(square, int(heard.middles[index]))

    def given(steps: list[_Step]) -> Given:
        rows, sound = hearing(heard, [step.middle for step in steps])
        return Given(np.stack([step.square for step in steps]), model.hear(sound), rows)

    def denoise(spans: list[list[_Step]]) -> Tensor:
        with window.meter.running():
            return model.latents([given(steps) for steps in spans], sampling, seed)

    if alone is not None:
        wanted = there = Span(0, 1)
    frame = Frame.of(side)
    steps = drawn_steps(read(), wanted, there, denoise, model.at_once(sampling))
    mouths = _mouths(steps, model, window.meter)
    for index, mouth in _between(mouths, window.drawn, every, wanted, alone is not None):
        yield patch_of(mouth, steady[index - first], side, frame)


def hearing(heard: Heard, middles: list[int]) -> tuple[Rows, npt.NDArray[np.float32]]:
    """(the rows that each picture of a window hears, the sound they are of).

    A window always hears itself and a second on either side, whichever redraw asks for it.
    """
    start = max(0, middles[0] - HEARD_RATE)
    sound = heard.sound[start : middles[-1] + HEARD_RATE]
    return rows_heard(np.array(middles) - start, -(-len(sound) // ROW)), sound


def _mouths(
    steps: Iterator[tuple[int, _Step]], model: Model, meter: Meter
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Steps as pictures, float32 [3, r, r], their colours matched."""
    for number, step in steps:
        assert step.latents is not None
        with meter.running():
            (decoded,) = model.decode(step.latents[None])
        (whole,) = mask.pixels(step.square[None])
        yield number, matched(decoded, whole)


def _between(
    mouths: Iterator[tuple[int, npt.NDArray[np.float32]]],
    frames: FrameRange,
    every: int,
    steps: Span,
    single: bool,
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """The mouth of every frame: of its step, or between those of the steps around it."""
    before = after = next(mouths)
    for frame in range(frames.start, frames.stop):
        place = 0 if single else min(max(frame / every, steps.start), steps.stop - 1)
        while after[0] < place:
            before, after = after, next(mouths)
        if place in (after[0], before[0]):
            yield frame, (after if place == after[0] else before)[1]
        else:
            share = np.float32(place - before[0])
            yield frame, before[1] * (1 - share) + after[1] * share
