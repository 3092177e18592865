"""One patch: the source's pixels moved along two fields, the mouth as seen closer where it closes far, and
its inside between the lips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loc.analysis.faces import Affine, transform, upright_transform
from loc.artifacts import VideoStream
from loc.media.colour import Rgb, to_rgb
from loc.media.frames import Planes
from stages.lipsync.contract import Patch
from stages.lipsync.warp import spline
from stages.lipsync.warp.anatomy import (
    MASK_FEATHER,
    SKIN,
    FaceFrame,
    Points,
    Sheet,
    face_frame,
    mask_box,
    mask_outline,
)
from stages.lipsync.warp.interior import draw_interior
from stages.lipsync.warp.mouth import Mouth, Move, fields, mouth_width, own_move, speak, width_factor
from stages.lipsync.warp.recall import (
    Choice,
    Recall,
    choose,
    kept_on_chin,
    matched,
    moves,
    recall,
    recall_mask,
    recall_outline,
)
from stages.lipsync.warp.views import View, Weighed, nearest

Floats = npt.NDArray[np.float32]

TAPS = 2
"""Pixels around a place that the cubic takes in."""
UNMOVED = 1 / 16
"""Patch pixels by which nothing is moved: twice the step in which pixels are looked up between others."""
CELLS = 12
"""Cells of the field's grid per face unit: half a lip's height. Linear in between; a finer grid changes no
pixel by more than one level."""
MIN_CELL, MAX_CELL = 4, 16
"""Limits of a cell's side, patch pixels."""
SEAM = 1.5
"""Patch pixels over which the picture above the mouth line gives way to that below it."""
SEAM_SPREAD = 0.5
"""Beside the mouth the seam widens by this much per pixel of distance from the corner."""
LIP_MARGIN = 0.1
"""Round the lips, face units, both fields are drawn and joined pixel by pixel; elsewhere the fields
themselves are joined, which looks the same where they agree and costs half."""
CONTACT_SHADE, CONTACT_WIDTH, CONTACT_OPENING = 0.45, 0.008, 0.03
"""The dark line between closed lips: its depth, half its width, and the opening that counts as open."""
SHOWN_FROM, SHOWN_FULLY = 0.8, 0.02
"""An inside is shown from this opening (patch pixels), and fully when it is so many face units wider."""
SOFTNESS, SOFTEST = 0.008, 0.6
"""Standard deviation of the inside's edge: face units, and its least in patch pixels."""
SKIN_RADIUS = 0.04
"""Half a side of the squares in which the light on the skin is measured."""


_CORNER_BITS = 4
"""Fractional bits of polygon corners."""
_ROUND = np.ones((3, 3), dtype=np.uint8)
"""A node and those around it: the cells that lie between them."""


@dataclass(frozen=True)
class Person:
    """What the renderer knows of a person in a shot.

    Args:
        range: widest opening of the lips that is drawn, face units.
        width: usual width of the mouth, face units.
        sheet: size and scale of the patches.
        open: views of the open mouth, for its inside; none where it was never seen.
        closer: views of the mouth at rest and half open, for what closes far.
    """

    range: float
    width: float
    sheet: Sheet
    open: tuple[View, ...]
    closer: tuple[View, ...]


@dataclass(frozen=True)
class Canvas:
    """The source's pixels under a patch and round it.

    Args:
        pixels: uint8 [h, w, 3] RGB.
        scale, shift: float64 [2]; a patch pixel (x, y) lies at (x, y) * scale + shift of `pixels`.
    """

    pixels: Rgb
    scale: Points
    shift: Points

    def under(self, sheet: Sheet) -> Rgb | None:
        """A copy of the patch as the source has it; None where it has not its very pixels, or not all."""
        shift = np.rint(self.shift).astype(int)
        x0, y0 = int(shift[0]), int(shift[1])
        x1, y1 = x0 + sheet.width, y0 + sheet.height
        height, width = self.pixels.shape[:2]
        if (self.scale != 1).any() or (shift != self.shift).any():
            return None
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
            return None
        return self.pixels[y0:y1, x0:x1].copy()


def draw_patch(
    planes: Planes,
    video: VideoStream,
    points: npt.NDArray[np.float32],
    person: Person,
    aperture: float,
    width: float,
    choice: Choice,
) -> Patch:
    """Draw one frame.

    Args:
        planes: the source's picture.
        points: [POINT_COUNT, 2], coded pixels.
        aperture: 0 closed .. 1 the person's widest.
        width: 1 = neutral.
        choice: as `choices` gives it for this frame.
    """
    whole = face_frame(points.astype(np.float64), upright_transform(video))
    sheet = person.sheet
    matrix = sheet.matrix(mask_box(whole).mean(axis=0))
    face = whole.on(matrix)
    opening = aperture * person.range
    factor = width_factor(width, person.width, mouth_width(face.points))
    before, after = speak(face.points, opening, factor)
    recalled = recall(face.points, opening, width, person.width, choice)
    if recalled is not None:
        after = after.towards(kept_on_chin(recalled.after, after), recalled.share)
    move = own_move(face.points, before, after)
    outline = mask_outline(face, after.jaw - before.jaw)
    pull = _pull_of(move, face, sheet, outline)
    canvas = fetch(planes, video, matrix, sheet, pull.reach)
    skin = skin_colour(canvas, face)
    pixels = _warped(canvas, sheet, face, move, pull, 1.0 if recalled is None else 1 - recalled.share)
    if recalled is not None:
        _draw_recalled(pixels, recalled, face, after)
    _show_inside(pixels, face, after, nearest(person.open, face.points, skin), skin)
    return Patch(
        pixels=pixels,
        matrix=matrix,
        polygon=outline.astype(np.float32),
        feather=MASK_FEATHER * face.scale,
    )


def choices(
    points: npt.NDArray[np.float32], video: VideoStream, person: Person, apertures: npt.NDArray[np.float32]
) -> list[Choice]:
    """Which views consecutive frames are drawn from.

    Args:
        points: [n, POINT_COUNT, 2], coded pixels.
        apertures: [n], 0 closed .. 1 the person's widest.
    """
    upright = upright_transform(video)
    faces = [face_frame(coded, upright).points for coded in points.astype(np.float64)]
    openings = apertures.astype(np.float64) * person.range
    return choose(faces, openings, person.closer, timed(video.average_rate))


def timed(rate: Fraction) -> float:
    """Frames per second that choices are timed by."""
    return max(1.0, float(rate))


def fetch(planes: Planes, video: VideoStream, matrix: Affine, sheet: Sheet, reach: float) -> Canvas:
    """The source under a patch and `reach` patch pixels round it, in the patch's scale.

    Raises:
        ValueError: the patch lies outside the picture.
    """
    height, width = planes.y.shape
    margin = np.array([reach, reach])
    first = transform(-margin, matrix)
    last = transform(np.array([sheet.width, sheet.height]) + margin, matrix)
    x0, y0 = (max(0, int(np.floor(value)) & ~1) for value in first)
    x1, y1 = (min(size, int(np.ceil(value)) + 1) for value, size in zip(last, (width, height), strict=True))
    rgb = to_rgb(planes, video, (x0, y0, x1, y1))
    step = float(matrix[0, 0])
    edges = np.array([x0, y0], dtype=np.float64)
    if step > 1:
        shape = max(1, round((x1 - x0) / step)), max(1, round((y1 - y0) / step))
        ratio = np.array([x1 - x0, y1 - y0]) / shape
        rgb = np.asarray(cv2.resize(rgb, shape, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    else:
        ratio = np.ones(2)
    # Scaling keeps pixel edges, not centres, where they are.
    return Canvas(rgb, step / ratio, (matrix[:, 2] + 0.5 - edges) / ratio - 0.5)


def skin_colour(canvas: Canvas, face: FaceFrame) -> Floats:
    """Mean colour of the face where it does not move, float32 [3]."""
    radius = max(2, int(SKIN_RADIUS * face.scale))
    height, width = canvas.pixels.shape[:2]
    means = []
    for x, y in transform(face.points[SKIN], face.to_patch) * canvas.scale + canvas.shift:
        column, row = int(np.clip(x, radius, width - radius)), int(np.clip(y, radius, height - radius))
        square = canvas.pixels[max(0, row - radius) : row + radius, max(0, column - radius) : column + radius]
        means.append(cv2.mean(square)[:3])
    return np.asarray(np.mean(means, axis=0), dtype=np.float32)


@dataclass(frozen=True)
class _Grid:
    """Cells over a patch; fields are computed in their middles and interpolated."""

    cell: int
    columns: int
    rows: int

    @classmethod
    def over(cls, sheet: Sheet, scale: float) -> _Grid:
        cell = int(np.clip(round(scale / CELLS), MIN_CELL, MAX_CELL))
        return cls(cell, -(-sheet.width // cell), -(-sheet.height // cell))

    def nodes(self) -> Points:
        """Middles of the cells and of one more ring of cells round the patch, [rows + 2, columns + 2, 2]."""
        x = (np.arange(-1, self.columns + 1) + 0.5) * self.cell - 0.5
        y = (np.arange(-1, self.rows + 1) + 0.5) * self.cell - 0.5
        return np.stack(np.meshgrid(x, y), axis=-1)

    def pixels(self, values: Points) -> Floats:
        """Values at nodes [r + 2, c + 2, 2], at every pixel of the r x c cells inside; float32 [h, w, 2]."""
        part = values.astype(np.float32)
        size = part.shape[1] * self.cell, part.shape[0] * self.cell
        spread = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(spread[self.cell : -self.cell, self.cell : -self.cell])

    def everywhere(self) -> _Cells:
        return _Cells(0, 0, self.columns, self.rows)

    def moved(self, field: Points) -> _Cells | None:
        """The cells in which a field at all nodes, patch pixels, moves anything; None for none."""
        rows, columns = np.nonzero(np.abs(field).max(axis=-1) > UNMOVED)
        if not len(rows):
            return None
        # Between nodes fields are linear: a node bears on its own cell and those around it.
        left, top = max(0, int(columns.min()) - 2), max(0, int(rows.min()) - 2)
        right, bottom = min(self.columns, int(columns.max()) + 1), min(self.rows, int(rows.max()) + 1)
        return _Cells(left, top, right, bottom)

    def round(self, points: Points, margin: float) -> _Cells:
        """The cells that hold points [k, 2] (patch pixels) and a margin round them."""
        low = np.clip((points.min(axis=0) - margin) // self.cell, 0, [self.columns - 1, self.rows - 1])
        high = np.clip((points.max(axis=0) + margin) // self.cell + 1, low + 1, [self.columns, self.rows])
        return _Cells(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


@dataclass(frozen=True)
class _Cells:
    """Cells left <= column < right, top <= row < bottom."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def nodes(self) -> tuple[slice, slice]:
        """Of all nodes, the middles of these cells and of those around them."""
        return slice(self.top, self.bottom + 2), slice(self.left, self.right + 2)


@dataclass(frozen=True)
class _Pull:
    """Where the pixels of a patch come from, as displacements in patch pixels at the nodes of a grid.

    Args:
        grid: over the patch.
        upper, lower: float64 [rows + 2, columns + 2, 2], above the mouth line and below it; 0 where they do
            not count.
        joined: the two in one.
        lips: the cells round the lips.
    """

    grid: _Grid
    upper: Points
    lower: Points
    joined: Points
    lips: _Cells

    @property
    def reach(self) -> float:
        """How far outside the patch pixels may be fetched, patch pixels."""
        return max(float(np.abs(field).max()) for field in (self.upper, self.lower)) + TAPS


def _pull_of(move: Move, face: FaceFrame, sheet: Sheet, mask: Points) -> _Pull:
    """What a move pulls inside the outline of the mask [k, 2], patch pixels."""
    grid = _Grid.over(sheet, face.scale)
    in_face = transform(grid.nodes(), face.to_face)
    below = _below(in_face, move.after, face.scale)
    outline = transform(np.concatenate([move.after.upper_outer, move.after.lower_outer]), face.to_patch)
    lips = grid.round(outline, LIP_MARGIN * face.scale)
    near, masked = np.zeros(below.shape, dtype=bool), np.zeros(below.shape, dtype=bool)
    near[lips.nodes] = masked[grid.round(mask, 0).nodes] = True
    upper, lower = (
        _at_nodes(field, in_face, masked & where | near) @ face.to_patch[:, :2].T
        for field, where in zip(fields(move), (below < 1, below > 0), strict=True)
    )
    share = below[..., None].astype(np.float64)
    return _Pull(grid, upper, lower, np.asarray(upper * (1 - share) + lower * share), lips)


def _at_nodes(field: spline.Field, nodes: Points, where: npt.NDArray[np.bool_]) -> Points:
    """A field at some of the nodes [r, c, 2], 0 at the others."""
    moved = np.zeros(nodes.shape)
    moved[where] = field(nodes[where])
    return moved


def _warped(canvas: Canvas, sheet: Sheet, face: FaceFrame, move: Move, pull: _Pull, touch: float) -> Rgb:
    """The patch with lips and jaw moved; between opened lips it is smeared, and the inside goes over it.

    Args:
        touch: 0..1, how much of the line between closed lips is drawn.
    """
    grid, lips = pull.grid, pull.lips
    drawn = _moved(canvas, pull.grid, pull.joined, sheet)
    x, y = lips.left * grid.cell, lips.top * grid.cell
    over, under = (grid.pixels(field[lips.nodes]) for field in (pull.upper, pull.lower))
    at = _face_coordinates(face, x, y, over.shape[1], over.shape[0])
    mixed = _joined(
        _below(at, move.after, face.scale),
        lambda rows: _fetched(canvas, over[rows], x, y + rows.start),
        lambda rows: _fetched(canvas, under[rows], x, y + rows.start),
    )
    mixed *= (1 - touch * _contact(at, move, face.scale))[..., None]
    inside = drawn[y : y + mixed.shape[0], x : x + mixed.shape[1]]
    inside[:] = np.rint(mixed[: inside.shape[0], : inside.shape[1]])
    return drawn


def _joined(share: Floats, upper: Callable[[slice], Any], lower: Callable[[slice], Any]) -> Floats:
    """Two pictures in one, float32 [h, w, 3], each made for the rows alone in which it is seen.

    Args:
        share: [h, w], 0 the upper .. 1 the lower.
        upper, lower: the picture of some rows.
    """
    joined = np.zeros((*share.shape, 3), dtype=np.float32)
    for part, made in ((1 - share, upper), (share, lower)):
        rows = np.flatnonzero(part.any(axis=1))
        if len(rows):
            seen = slice(int(rows[0]), int(rows[-1]) + 1)
            joined[seen] += made(seen) * part[seen, :, None]
    return joined


def _moved(canvas: Canvas, grid: _Grid, field: Points, sheet: Sheet) -> Rgb:
    """The patch with its pixels moved by a field at all nodes."""
    cells, drawn = grid.everywhere(), canvas.under(sheet)
    if drawn is not None:
        moved = grid.moved(field)
        if moved is None:
            return drawn
        cells = moved
    else:
        drawn = np.empty((sheet.height, sheet.width, 3), dtype=np.uint8)
    x, y = cells.left * grid.cell, cells.top * grid.cell
    inside = drawn[y : cells.bottom * grid.cell, x : cells.right * grid.cell]
    spread = grid.pixels(field[cells.nodes])[: inside.shape[0], : inside.shape[1]]
    inside[:] = _fetched(canvas, spread, x, y)
    return drawn


def _below(at: npt.NDArray[Any], lips: Mouth, scale: float) -> Floats:
    """0 above the mouth line, 1 below, at face coordinates [.., .., 2]."""
    middle = (lips.upper_inner + lips.lower_inner) / 2
    line = np.interp(at[..., 0], middle[:, 0], middle[:, 1])
    beside = np.maximum(middle[0, 0] - at[..., 0], at[..., 0] - middle[-1, 0]).clip(0) * scale
    distance = (at[..., 1] - line) * scale
    return np.asarray(np.clip(distance / (SEAM + SEAM_SPREAD * beside) + 0.5, 0, 1), dtype=np.float32)


def _contact(at: Floats, move: Move, scale: float) -> Floats:
    """Shade of the line where lips meet that the source has apart, 0..1, at face coordinates [.., .., 2]."""
    lips = move.after
    middle = (lips.upper_inner + lips.lower_inner) / 2
    left, right = middle[0, 0], middle[-1, 0]
    line = np.interp(at[..., 0], middle[:, 0], middle[:, 1])
    width = max(CONTACT_WIDTH, 0.7 / scale)
    across = np.exp(-(((at[..., 1] - line) / width) ** 2))
    along = np.clip((at[..., 0] - left) * (right - at[..., 0]) / ((right - left) / 2) ** 2, 0, 1)
    was_open = np.clip(move.before.opening / CONTACT_OPENING, 0, 1)
    now_shut = np.clip(1 - lips.opening / CONTACT_OPENING, 0, 1)
    return np.asarray(CONTACT_SHADE * was_open * now_shut * np.sqrt(along) * across, dtype=np.float32)


def _fetched(canvas: Canvas, spread: Floats, left: int, top: int) -> Rgb:
    """The pixels of a box of the patch at (left, top), each from where a field [h, w, 2] says it comes."""
    height, width = spread.shape[:2]
    x = np.arange(left, left + width, dtype=np.float32)
    y = np.arange(top, top + height, dtype=np.float32)
    column = (spread[..., 0] + x) * np.float32(canvas.scale[0]) + np.float32(canvas.shift[0])
    row = (spread[..., 1] + y[:, None]) * np.float32(canvas.scale[1]) + np.float32(canvas.shift[1])
    pulled = cv2.remap(canvas.pixels, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(pulled, dtype=np.uint8)


def _draw_recalled(pixels: Rgb, recalled: Recall, face: FaceFrame, after: Mouth) -> None:
    """Put the mouth as views of it have it over the picture's own, in place."""
    height, width = pixels.shape[:2]
    grid = _Grid.over(Sheet(width, height, 1.0), face.scale)
    cells = grid.round(transform(recall_outline(face, after), face.to_patch), 0)
    x, y = cells.left * grid.cell, cells.top * grid.cell
    shape = min(cells.bottom * grid.cell, height) - y, min(cells.right * grid.cell, width) - x
    in_face = transform(grid.nodes()[cells.nodes], face.to_face)
    at_nodes = _below(in_face, after, face.scale)
    sides = [cv2.dilate(side.astype(np.uint8), _ROUND) > 0 for side in (at_nodes < 1, at_nodes > 0)]
    below = _below(_face_coordinates(face, x, y, shape[1], shape[0]), after, face.scale)
    drawn = np.zeros((*shape, 3), dtype=np.float32)
    for one, move in moves(recalled, face.points, after):
        upper, lower = (
            grid.pixels(transform(in_face + _at_nodes(field, in_face, where), one.view.to_pixels))
            for field, where in zip(fields(move), sides, strict=True)
        )
        drawn += one.weight * _joined(
            below, partial(_seen, one.view, upper, shape[1]), partial(_seen, one.view, lower, shape[1])
        )
    mask = recall_mask(face, after, (x, y), shape)
    box = pixels[y : y + shape[0], x : x + shape[1]]
    own = box.astype(np.float32)
    share = (mask * recalled.share)[..., None]
    box[:] = np.rint(np.clip(own + (matched(drawn, own, mask, face.scale) - own) * share, 0, 255))


def _seen(view: View, at: Floats, width: int, rows: slice) -> Rgb:
    """Pixels of a view at some rows, `width` wide, of places [h, w, 2] in it."""
    column, row = (np.ascontiguousarray(at[rows, :width, axis]) for axis in (0, 1))
    seen = cv2.remap(view.pixels, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, dtype=np.uint8)


def _face_coordinates(face: FaceFrame, left: int, top: int, width: int, height: int) -> Floats:
    """Face units of every pixel of a box, float32 [height, width, 2]."""
    to = face.to_face.astype(np.float32)
    x = np.arange(left, left + width, dtype=np.float32)
    y = np.arange(top, top + height, dtype=np.float32)[:, None]
    return np.stack([to[0, 0] * x + to[0, 1] * y + to[0, 2], to[1, 0] * x + to[1, 1] * y + to[1, 2]], axis=-1)


def _show_inside(pixels: Rgb, face: FaceFrame, lips: Mouth, views: Sequence[Weighed], skin: Floats) -> None:
    """Put the mouth's inside between the moved lips, in place."""
    opening = lips.opening * face.scale
    if opening <= SHOWN_FROM:
        return
    outline = transform(np.concatenate([lips.upper_inner, lips.lower_inner[-2:0:-1]]), face.to_patch)
    soft = max(SOFTEST, SOFTNESS * face.scale)
    margin = np.ceil(3 * soft) + 1
    height, width = pixels.shape[:2]
    x0, y0 = np.clip(np.floor(outline.min(axis=0) - margin), 0, [width - 1, height - 1]).astype(int)
    x1, y1 = np.clip(np.ceil(outline.max(axis=0) + margin), [x0 + 1, y0 + 1], [width, height]).astype(int)
    mask = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
    corners = np.rint((outline - [x0, y0]) * (1 << _CORNER_BITS)).astype(np.int32)
    cv2.fillPoly(mask, [corners], (255,), cv2.LINE_AA, _CORNER_BITS)
    share = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), soft) / 255
    share *= np.clip((opening - SHOWN_FROM) / (SHOWN_FULLY * face.scale), 0, 1)
    at = _face_coordinates(face, x0, y0, x1 - x0, y1 - y0)
    inside = draw_interior(views, lips, at[..., 0], at[..., 1], skin)
    box = pixels[y0:y1, x0:x1]
    box[:] = np.rint(np.clip(box * (1 - share[..., None]) + inside * share[..., None], 0, 255))
