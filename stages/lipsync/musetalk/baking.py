"""What MuseTalk makes of a face before anything is heard: where it lies, its mask, its latents.

Cuts of a film and avatars are baked alike. Of n frames, f of which show the face inside the picture:

    face      int64 [n]          which of the faces a frame shows, -1 where it shows none
    latents   float16 [f, 8, ..] see `model.Model.see`; what a GPU computes in
    matrix    float64 [f, 2, 3]  and the others as in `drawing.Place`
    polygon   float32 [f, k, 2]
    feather   float64 [f]
    light     float64 [f, 3]     NaN where there is none
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loc.analysis.faces import transform, upright_transform
from loc.artifacts import SAMPLE_RATE, VideoStream
from loc.device import Devices
from loc.errors import LocError
from loc.media.frames import Planes
from stages.lipsync.contract import CutView, Meter
from stages.lipsync.musetalk import boxes, drawing, model
from stages.lipsync.musetalk.ahead import Ahead
from stages.lipsync.musetalk.knobs import Knobs
from stages.lipsync.musetalk.smoothing import SteadyBoxes

Arrays = dict[str, npt.NDArray[Any]]

Shown = tuple[Planes, npt.NDArray[np.float32] | None, boxes.Quantities | None]
"""A frame, the points of the face in it as `drawing.cut` takes them (None: there is none), and what its box
is made of (None: as the points have it)."""

AHEAD = 2
"""Batches that are decoded and cut out while the VAE looks at an earlier one."""


class Baked:
    """Baked frames: the arrays of the module's docstring, which may be mapped from a file."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._arrays = arrays

    def __len__(self) -> int:
        return len(self._arrays["face"])

    def face(self, index: int) -> int | None:
        """Which of the faces a frame shows."""
        number = int(self._arrays["face"][index])
        return number if number >= 0 else None

    def latents(self, numbers: list[int]) -> npt.NDArray[np.float16]:
        """Of some faces, [len(numbers), 8, ...]."""
        return np.stack([self._arrays["latents"][number] for number in numbers])

    def place(self, number: int) -> drawing.Place:
        """Where a face lies."""
        matrix, polygon, light = (self._arrays[key][number] for key in ("matrix", "polygon", "light"))
        feather = float(self._arrays["feather"][number])
        return drawing.Place(matrix, polygon, feather, None if np.isnan(light).any() else light)


def row_of_face(latents: tuple[int, ...], outline: int) -> np.dtype[Any]:
    """How the arrays of one face lie one after the other in a file.

    Args:
        latents: shape of a face's.
        outline: points of its mask's outline.
    """
    return np.dtype(
        [
            ("latents", "<f2", latents),
            ("matrix", "<f8", (2, 3)),
            ("polygon", "<f4", (outline, 2)),
            ("feather", "<f8"),
            ("light", "<f8", (3,)),
        ]
    )


def write_rows(batches: Iterable[Arrays], path: Path) -> tuple[npt.NDArray[np.int64], np.dtype[Any] | None]:
    """Write the arrays of batches to a file as they come, face after face.

    Returns:
        `face`, and how a row lies; None where no frame shows a face.
    """
    face: list[npt.NDArray[np.int64]] = []
    row: np.dtype[Any] | None = None
    with path.open("wb") as file:
        for arrays in batches:
            face.append(arrays["face"])
            if "latents" not in arrays:
                continue
            row = row or row_of_face(arrays["latents"].shape[1:], arrays["polygon"].shape[1])
            rows = np.empty(len(arrays["latents"]), dtype=row)
            for name in row.names or ():
                rows[name] = arrays[name]
            file.write(rows.tobytes())
    return np.concatenate(face), row


def shown(cut: CutView, knobs: Knobs) -> Iterator[Shown]:
    """The frames of a cut, each with its face, held steady where the knobs say so."""
    steady: Sequence[boxes.Quantities | None] = [None] * len(cut.points)
    if knobs.smoothing:
        every = [*cut.run_in, *cut.points]
        held, upright = SteadyBoxes(), upright_transform(cut.video)
        gaps = np.maximum(np.diff(cut.times, prepend=0), 1) / SAMPLE_RATE
        steady = [held(quantities(points, upright), gap) for points, gap in zip(every, gaps, strict=True)]
    return zip(cut.pictures(), cut.points, steady[-len(cut.points) :], strict=True)


def quantities(
    points: npt.NDArray[np.float32] | None, upright: npt.NDArray[np.float64]
) -> boxes.Quantities | None:
    """What the box of a face is made of; None of none.

    Args:
        points: as `drawing.cut` takes them.
        upright: coded to upright pixels.
    """
    return None if points is None else boxes.from_mesh(transform(points.astype(np.float64), upright))


def bake(
    nets: model.Model,
    frames: Iterable[Shown],
    video: VideoStream,
    knobs: Knobs,
    batch: int,
    devices: Devices,
    meter: Meter | None = None,
) -> Iterator[Arrays]:
    """The arrays of frames, `batch` frames at a time; `face` counts on from batch to batch.

    A batch without a face has `face` alone.

    Args:
        meter: that counts the device's time.
    """
    seen = 0
    with Ahead(_cuttings(frames, video, knobs), AHEAD * batch) as cuttings:
        while group := list(itertools.islice(cuttings, batch)):
            there = [one for one in group if one is not None]
            numbers = itertools.count(seen)
            face = np.array([-1 if one is None else next(numbers) for one in group], dtype=np.int64)
            seen += len(there)
            if not there:
                yield {"face": face}
                continue
            squares = np.stack([one.pixels for one in there])
            latents = devices.halving("MuseTalk's VAE", batch, partial(_seen, nets, squares, meter))
            lights = [one.place.light for one in there]
            yield {
                "face": face,
                "latents": latents,
                "matrix": np.stack([one.place.matrix for one in there]),
                "polygon": np.stack([one.place.polygon for one in there]),
                "feather": np.array([one.place.feather for one in there]),
                "light": np.stack([np.full(3, np.nan) if light is None else light for light in lights]),
            }


def _cuttings(frames: Iterable[Shown], video: VideoStream, knobs: Knobs) -> Iterator[drawing.Cutting | None]:
    """The face of each frame, None where it shows none or has left the picture."""
    for planes, points, box in frames:
        if points is None:
            yield None
            continue
        try:
            yield drawing.cut(planes, video, points, knobs, box)
        except LocError:
            yield None


def _seen(nets: model.Model, squares: model.Faces, meter: Meter | None, size: int) -> npt.NDArray[np.float16]:
    """Latents of a batch, `size` at a time."""
    parts = []
    for start in range(0, len(squares), size):
        with nets.computing(meter):
            parts.append(nets.see(squares[start : start + size]).half().cpu().numpy())
    return np.concatenate(parts)


def joined(batches: Iterable[Arrays]) -> Arrays:
    """The arrays of batches that follow one another, in one."""
    held = list(batches)
    keys = {key for one in held for key in one}
    return {key: np.concatenate([one[key] for one in held if key in one]) for key in sorted(keys)}
