"""The faces of a shot: the tracks of its chunks joined to one face each, where they meet."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loc.artifacts import FrameRange
from loc.media.durations import frames_lasting

if TYPE_CHECKING:
    from loc.analysis.faces import Affine, Faces

MEETING = 0.5
"""Tracks of two chunks are one face where their boxes' centres, over the frames both have read, lie at most
this part of the face's box apart."""
RETURN_REACH = 1.5
"""A face that comes back later in the shot is the same if it is at most this many of its boxes away from
where it left."""
MIN_S = 0.4
"""A face seen for less in a longer shot is an error of the detector or leaves no time to speak."""


@dataclass(frozen=True)
class ChunkFaces:
    """What was tracked in one chunk.

    Args:
        chunk: its index in the source.
        frames: those of the chunk.
        read: those of the chunk and its context; the tracks have one row for each.
        tracks: the most prominent first.
    """

    chunk: int
    frames: FrameRange
    read: FrameRange
    tracks: tuple[Faces, ...]


@dataclass(frozen=True)
class ShotFace:
    """One face of one shot.

    Args:
        shot: index of the shot.
        name: the shot's number and a letter, from the picture's left to its right: `3b`.
        parts: by index of the chunk, the tracks in it that are this face. They share no frame.
        box: x0, y0, x1, y1 in shares of the upright picture, the median over its frames.
        found: how many frames of the shot show it.
    """

    shot: int
    name: str
    parts: Mapping[int, tuple[int, ...]]
    box: tuple[float, float, float, float]
    found: int


@dataclass
class _Chain:
    """Tracks joined so far: by chunk, and over the frames of the shot. NaN in `box` where it is not found."""

    parts: dict[int, tuple[int, ...]]
    box: npt.NDArray[np.float32]

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        return np.asarray(~np.isnan(self.box[:, 0]))


def shot_faces(
    shot: int,
    frames: FrameRange,
    chunks: Sequence[ChunkFaces],
    upright: Affine,
    size: tuple[float, float],
    rate: Fraction,
) -> list[ShotFace]:
    """The faces of a shot, the most prominent first.

    Args:
        shot: its index.
        frames: its frames.
        chunks: all its chunks, in order.
        upright: coded pixel centres to upright ones, float64 [2, 3].
        size: width and height of the upright picture.
        rate: frames per second.
    """
    chains = _returned(_met(frames, chunks))
    least = min(frames_lasting(MIN_S, rate), len(frames) / 2)
    seen = [chain for chain in chains if chain.found.sum() >= least]
    boxes = [_box(chain, upright, size) for chain in seen]
    order = sorted(range(len(seen)), key=lambda index: (boxes[index][0] + boxes[index][2], index))
    names = {index: f"{shot + 1}{letters}" for index, letters in zip(order, _letters(), strict=False)}
    faces = [
        ShotFace(shot, names[index], dict(sorted(chain.parts.items())), boxes[index], int(chain.found.sum()))
        for index, chain in enumerate(seen)
    ]
    return sorted(faces, key=lambda face: -face.found * (face.box[3] - face.box[1]))


def shot_of(name: str) -> int:
    """Index of the shot of the face of this name."""
    return int(name.rstrip(string.ascii_lowercase)) - 1


def _letters() -> Iterator[str]:
    yield from string.ascii_lowercase
    yield from (a + b for a in string.ascii_lowercase for b in string.ascii_lowercase)


def _met(frames: FrameRange, chunks: Sequence[ChunkFaces]) -> list[_Chain]:
    """Tracks joined across the joints of chunks, by the frames that both sides have read."""
    chains: list[_Chain] = []
    before: dict[int, _Chain] = {}
    previous: ChunkFaces | None = None
    for chunk in chunks:
        now: dict[int, _Chain] = {}
        if previous is not None:
            pairs = sorted(
                (apart, old, new)
                for old, track in enumerate(previous.tracks)
                for new, other in enumerate(chunk.tracks)
                if (apart := _apart(previous, track, chunk, other)) <= MEETING
            )
            for _, old, new in pairs:
                if new not in now and not any(chain is before[old] for chain in now.values()):
                    now[new] = before[old]
        for index, track in enumerate(chunk.tracks):
            chain = now.setdefault(index, _Chain({}, np.full((len(frames), 4), np.nan, dtype=np.float32)))
            chain.parts[chunk.chunk] = (*chain.parts.get(chunk.chunk, ()), index)
            first = chunk.frames.start - chunk.read.start
            start = chunk.frames.start - frames.start
            chain.box[start : start + len(chunk.frames)] = track.box[first : first + len(chunk.frames)]
        chains += [chain for chain in now.values() if not any(chain is known for known in chains)]
        before, previous = now, chunk
    return chains


def _apart(a: ChunkFaces, track: Faces, b: ChunkFaces, other: Faces) -> float:
    """Of two tracks in the frames that both chunks have read, over their side, else infinite."""
    common = a.read.intersect(b.read)
    if common is None:
        return np.inf
    left = track.box[common.start - a.read.start : common.stop - a.read.start]
    right = other.box[common.start - b.read.start : common.stop - b.read.start]
    both = ~np.isnan(left[:, 0]) & ~np.isnan(right[:, 0])
    if not both.any():
        return np.inf
    return float(np.median(_distance(left[both], right[both])))


def _distance(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Of the centres of boxes [..., 4], over the longer side of the first, [...]."""
    side = np.maximum(a[..., 2] - a[..., 0], a[..., 3] - a[..., 1])
    apart = (a[..., :2] + a[..., 2:]) / 2 - (b[..., :2] + b[..., 2:]) / 2
    return np.asarray(np.abs(apart).max(axis=-1) / side)


def _returned(chains: list[_Chain]) -> list[_Chain]:
    """Chains joined where a face left the picture, or was hidden, and came back.

    Where the shot never shows two faces at once, all of them are one.
    """
    alone = bool((np.sum([chain.found for chain in chains], axis=0) <= 1).all()) if chains else True
    joined: list[_Chain] = []
    for chain in sorted(chains, key=_first):
        host = next((old for old in joined if _goes_on(old, chain, alone)), None)
        if host is None:
            joined.append(chain)
            continue
        for chunk, parts in chain.parts.items():
            host.parts[chunk] = (*host.parts.get(chunk, ()), *parts)
        host.box[chain.found] = chain.box[chain.found]
    return joined


def _first(chain: _Chain) -> int:
    found = np.flatnonzero(chain.found)
    return int(found[0]) if len(found) else len(chain.found)


def _goes_on(old: _Chain, new: _Chain, alone: bool) -> bool:
    """Whether `new` may be the face of `old`, come back."""
    before, after = np.flatnonzero(old.found), np.flatnonzero(new.found)
    if not len(before) or not len(after) or before[-1] >= after[0]:
        return False
    return alone or bool(_distance(old.box[before[-1]], new.box[after[0]]) <= RETURN_REACH)


def _box(chain: _Chain, upright: Affine, size: tuple[float, float]) -> tuple[float, float, float, float]:
    from loc.analysis.faces import transform

    x0, y0, x1, y1 = np.median(chain.box[chain.found], axis=0).astype(np.float64)
    corners = transform(np.array([[x0, y0], [x1, y1]]), upright) / np.array(size)
    low, high = corners.min(axis=0), corners.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
