"""The face of a whole film, however long: followed once, kept in a file, and given again in blocks.

Which of several faces is the foremost is known only at a film's end. A frame's face is some 1.6 KB: an hour
of them fills 140 MB, and smoothing them as a whole several times that.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loc.analysis.face_tracker import FaceTracker
from loc.analysis.faces import Faces
from loc.media.frames import Planes
from stages.lipsync.tracks import context, prepare

BLOCK = 256
"""Frames that are smoothed at once."""

_NAMES = tuple(item.name for item in fields(Faces))
_BLANK = Faces.absent(1)
_ROW = np.dtype([(name, getattr(_BLANK, name).dtype, getattr(_BLANK, name).shape[1:]) for name in _NAMES])


class Followed:
    """The foremost face of each frame of a film.

    Args:
        path: rows of `Faces`, one for each face in a frame.
        chosen: int64 [n], which row is a frame's; -1 where it shows no face.
    """

    def __init__(self, path: Path, chosen: npt.NDArray[np.int64], rate: Fraction) -> None:
        self._path, self._chosen, self._rate = path, chosen, rate

    @property
    def seen(self) -> int:
        """Frames that show a face."""
        return int((self._chosen >= 0).sum())

    def prepared(self, block: int = BLOCK) -> Iterator[Faces]:
        """All frames in order, `block` at a time: as `prepare` makes them of the whole."""
        count, around = len(self._chosen), context(self._rate)
        for start in range(0, count, block):
            stop = min(start + block, count)
            first, last = max(0, start - around), min(count, stop + around)
            yield prepare(self._rows(first, last), self._rate)[start - first : stop - first]

    def points(self) -> Iterator[npt.NDArray[np.float32] | None]:
        """Mesh points of each frame's face, [POINT_COUNT, 2]; None where it shows none."""
        for faces in self.prepared():
            for points, found in zip(faces.points, faces.found, strict=True):
                yield points if found else None

    def _rows(self, start: int, stop: int) -> Faces:
        faces = Faces.absent(stop - start)
        with self._path.open("rb") as file:
            for place, row in enumerate(self._chosen[start:stop]):
                if row >= 0:
                    file.seek(int(row) * _ROW.itemsize)
                    held = np.frombuffer(file.read(_ROW.itemsize), dtype=_ROW)
                    for name in _NAMES:
                        getattr(faces, name)[place] = held[name][0]
        return faces


def follow_film(tracker: FaceTracker, pictures: Iterable[Planes], path: Path, rate: Fraction) -> Followed:
    """Follow the faces of a film's frames, the first one's index being 0.

    Args:
        path: where their rows are written.
        rate: frames per second.
    """
    frames, numbers, sizes = array("q"), array("q"), array("d")
    count = 0
    with path.open("wb") as file:
        for count, planes in enumerate(pictures, 1):
            for number, face in tracker.track(planes, count - 1).items():
                if not face.found[0]:
                    continue
                row = np.zeros(1, dtype=_ROW)
                for name in _NAMES:
                    row[name] = getattr(face, name)
                file.write(row.tobytes())
                frames.append(count - 1)
                numbers.append(number)
                sizes.append(float(face.size[0]))
    return Followed(path, _foremost(np.array(frames), np.array(numbers), np.array(sizes), count), rate)


def _foremost(
    frames: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64], sizes: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.int64]:
    """Which row is each frame's foremost face: of the largest track, by its sizes summed over the film."""
    chosen = np.full(count, -1, dtype=np.int64)
    if not len(frames):
        return chosen
    tracks, own = np.unique(numbers, return_inverse=True)
    rank = np.empty(len(tracks), dtype=np.int64)
    rank[np.argsort(-np.bincount(own, sizes), kind="stable")] = np.arange(len(tracks))
    order = np.lexsort((rank[own], frames))
    shown, first = np.unique(frames[order], return_index=True)
    chosen[shown] = order[first]
    return chosen
