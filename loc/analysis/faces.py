"""Faces: what is known of each face in a picture, as the mesh points that later stages use.

A track is one face through consecutive frames; `loc.analysis.face_tracker` makes them from the source alone,
never from a language. Tracks of a chunk are an .npz over k faces, the most prominent first, and the n frames
read (the chunk and its context):

    points      float32 [k, n, POINT_COUNT, 2]  coded source pixel centres (x, y), the mesh points `MESH_IDS`
    box         float32 [k, n, 4]               x0, y0, x1, y1 of the whole mesh, coded source pixels
    size        float32 [k, n]                  scale of the face in upright pixels, see `face_scale`
    pose        float32 [k, n, 2]               degrees: yaw (right above 0), pitch (down above 0)
    confidence  float32 [k, n]                  0..1, of the newest detection on this face, 0 if none
    rival       float32 [k, n]                  side of the largest face that no track follows over this one's
    sharpness   float32 [k, n]                  fine over coarse detail, see `occlusion.sharpness`
    mouth       int8 [k, n, ROWS, ANGLES, 3]    colours round the mouth, see `occlusion.sample`

Where the face was not found, NaN in `points`, `box`, `size`, `pose` and `sharpness`, and `occlusion.MISSING`
in `mouth`. k is 0 where there never was a face.

Coded pixels may be rotated or not square. *Upright* coordinates are the picture as a player shows it at the
coded picture's scale: see `upright_transform`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from loc.analysis import occlusion
from loc.artifacts import ChunkTracks, VideoStream
from loc.media.arrays import load_arrays, save_arrays
from loc.store.workdir import WorkDir

Floats = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]

# Ids of the MediaPipe face mesh, 468 points; picture-left to picture-right for lines of a frontal face.
LIP_INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LIP_INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LIP_OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LIP_OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
JAW = (132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361)
CHIN = 152
NOSE = (168, 6, 4, 1, 2, 98, 327)
"""Bridge, upper ridge, tip, underside tip, base, both wings."""
CHEEKS = (50, 280, 205, 425, 129, 358, 234, 454)
"""Cheekbones, beside the mouth, beside the nose, in front of the ears; left and right in turn."""
EYES = (33, 133, 159, 145, 263, 362, 386, 374)
"""Outer corner, inner corner, upper lid, lower lid of each eye."""
FOREHEAD = 10
BROW_LEFT = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55)
BROW_RIGHT = (336, 296, 334, 293, 300, 285, 295, 282, 283, 276)
"""Upper edge, then lower edge; picture-left to picture-right of a frontal face."""

MESH_IDS: tuple[int, ...] = tuple(
    sorted(
        {
            *LIP_INNER_UPPER,
            *LIP_INNER_LOWER,
            *LIP_OUTER_UPPER,
            *LIP_OUTER_LOWER,
            *JAW,
            *NOSE,
            *CHEEKS,
            *EYES,
            *BROW_LEFT,
            *BROW_RIGHT,
            FOREHEAD,
        }
    )
)
"""The mesh points that are stored, in this order."""
POINT_COUNT = len(MESH_IDS)

NOSE_LENGTH = 0.9
"""Distance of the eyes' outer corners over that from nose bridge to nose base, inverted: the nose stands in
where a turned head brings the eyes together."""


@dataclass(frozen=True)
class Faces:
    """One face over n frames; the arrays of the module's docstring without their first axis."""

    points: Floats
    box: Floats
    size: Floats
    pose: Floats
    confidence: Floats
    rival: Floats
    sharpness: Floats
    mouth: occlusion.Samples

    def __len__(self) -> int:
        return len(self.size)

    def __getitem__(self, frames: slice) -> Faces:
        """The tracks of some of the frames."""
        return Faces(**{item.name: getattr(self, item.name)[frames] for item in fields(self)})

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """bool [n]: whether there is a face."""
        return ~np.isnan(self.size)

    @classmethod
    def absent(cls, count: int) -> Faces:
        """Frames in which the face is not found."""
        return cls(
            points=np.full((count, POINT_COUNT, 2), np.nan, dtype=np.float32),
            box=np.full((count, 4), np.nan, dtype=np.float32),
            size=np.full(count, np.nan, dtype=np.float32),
            pose=np.full((count, 2), np.nan, dtype=np.float32),
            confidence=np.zeros(count, dtype=np.float32),
            rival=np.zeros(count, dtype=np.float32),
            sharpness=np.full(count, np.nan, dtype=np.float32),
            mouth=np.full((count, occlusion.ROWS, occlusion.ANGLES, 3), occlusion.MISSING, dtype=np.int8),
        )

    @classmethod
    def join(cls, parts: Iterable[Faces]) -> Faces:
        """Tracks one after the other."""
        held = list(parts)
        names = [item.name for item in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in held]) for name in names})


def places(ids: Iterable[int]) -> npt.NDArray[np.intp]:
    """Where mesh points stand along the axis of `Faces.points`."""
    return np.array([MESH_IDS.index(point) for point in ids], dtype=np.intp)


def upright_transform(video: VideoStream) -> Affine:
    """Coded pixel centres to upright ones, float64 [2, 3]: sample aspect first, then the display rotation.

    Square pixels keep the coded height (or width, where rotated); no scaling but that of the sample aspect.
    """
    stretch = float(video.sample_aspect) or 1.0
    width, height = video.width * stretch, float(video.height)
    square = np.array([[stretch, 0.0, (stretch - 1) / 2], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    turn = {
        0: [[1, 0, 0], [0, 1, 0]],
        90: [[0, 1, 0], [-1, 0, width - 1]],
        180: [[-1, 0, width - 1], [0, -1, height - 1]],
        270: [[0, -1, height - 1], [1, 0, 0]],
    }[video.rotation]
    return np.asarray(np.array(turn, dtype=np.float64) @ square)


def upright_size(video: VideoStream) -> tuple[float, float]:
    """Width and height of the upright picture, pixels."""
    width, height = video.width * (float(video.sample_aspect) or 1.0), float(video.height)
    return (height, width) if video.rotation % 180 else (width, height)


def transform(points: npt.NDArray[Any], affine: Affine) -> npt.NDArray[np.float64]:
    """Points [..., 2] through an affine map [2, 3]."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2])


_EYE_CORNERS, _BRIDGE_AND_BASE = places((33, 263)), places((168, 2))
_GAPS = places((13, 82, 312)), places((14, 87, 317))


def face_scale(upright: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Scale of a face in pixels, [...]: distance of the outer eye corners, or the nose's length where more.

    Args:
        upright: [..., POINT_COUNT, 2], upright coordinates.
    """
    eyes = upright[..., _EYE_CORNERS, :]
    nose = upright[..., _BRIDGE_AND_BASE, :]
    eye_distance = np.linalg.norm(eyes[..., 0, :] - eyes[..., 1, :], axis=-1)
    nose_length = np.linalg.norm(nose[..., 0, :] - nose[..., 1, :], axis=-1)
    return np.asarray(np.maximum(eye_distance, NOSE_LENGTH * nose_length))


def lip_aperture(upright: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Opening of the lips over `face_scale`, [...]: mean of three gaps round the middle.

    Args:
        upright: [..., POINT_COUNT, 2], upright coordinates.
    """
    upper, lower = upright[..., _GAPS[0], :], upright[..., _GAPS[1], :]
    return np.asarray(np.linalg.norm(upper - lower, axis=-1).mean(axis=-1) / face_scale(upright))


def foremost(tracks: Sequence[Faces], count: int) -> Faces:
    """In each of `count` frames the first track that has a face there: the most prominent one."""
    foremost = Faces.absent(count)
    for track in reversed(tracks):
        for item in fields(Faces):
            getattr(foremost, item.name)[track.found] = getattr(track, item.name)[track.found]
    return foremost


def save_faces(faces: Sequence[Faces], count: int) -> bytes:
    """The tracks of `count` frames as the .npz of the module's docstring."""
    blank = Faces.absent(count)
    return save_arrays(
        {
            item.name: np.stack([getattr(face, item.name) for face in faces])
            if faces
            else getattr(blank, item.name)[None][:0]
            for item in fields(Faces)
        }
    )


def read_faces(store: WorkDir, tracks: ChunkTracks) -> tuple[Faces, ...]:
    """The faces of one chunk and its context, the most prominent first."""
    arrays = load_arrays(store.open_object(tracks.arrays))
    return tuple(
        Faces(**{name: values[index] for name, values in arrays.items()})
        for index in range(len(arrays["size"]))
    )
