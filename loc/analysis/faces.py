"""Faces: one tracked face per picture, as the mesh points that later stages use.

A full-range detector looks at a small copy of the picture every `DETECT_EVERY` frames; between, the face mesh
follows the largest face inside a square crop. Tracks depend on the source alone, never on a language.

Tracks of a chunk are an .npz over the n frames read (the chunk and its context):

    points      float32 [n, POINT_COUNT, 2]  coded source pixel centres (x, y), the mesh points `MESH_IDS`
    box         float32 [n, 4]               x0, y0, x1, y1 of the whole mesh, coded source pixels
    size        float32 [n]                  scale of the face in upright pixels, see `face_scale`
    pose        float32 [n, 2]               degrees: yaw (right above 0), pitch (down above 0)
    confidence  float32 [n]                  0..1, of the newest detection on the tracked face, 0 if none
    faces       int16 [n]                    faces seen by the newest detection
    rival       float32 [n]                  side of the largest other face over the tracked one's, 0 alone
    sharpness   float32 [n]                  fine over coarse detail, see `occlusion.sharpness`
    mouth       int8 [n, ROWS, ANGLES, 3]    colours round the mouth, see `occlusion.sample`

Where no face was found, NaN in `points`, `box`, `size`, `pose` and `sharpness`, and `occlusion.MISSING` in
`mouth`.

Coded pixels may be rotated or not square. *Upright* coordinates are the picture as a player shows it at the
coded picture's scale: see `upright_transform`.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.analysis import occlusion
from loc.artifacts import Chunk, ChunkTracks, FaceTracks, FrameRange, Source, VideoStream
from loc.media.arrays import load_arrays, save_arrays
from loc.media.ffmpeg import decoder_fingerprint
from loc.media.frames import Plane, Planes, frames_key, read_frames
from loc.media.timeline import Timeline
from loc.process import return_freed_memory
from loc.runner import Action, Make, Out, Runner, Site
from loc.store.workdir import WorkDir

if TYPE_CHECKING:
    from loc.media.colour import Rgb

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
            FOREHEAD,
        }
    )
)
"""The mesh points that are stored, in this order."""
POINT_COUNT = len(MESH_IDS)

DETECT_EVERY = 12
"""Frames between two looks at the whole picture, on the source's own count so that chunks agree: half a
second is how long a second person may go unseen."""
SEARCH_EVERY = 3
"""The same while no face is followed: a face is picked up a tenth of a second after it appears."""
DETECTOR_SIDE = 960
"""Longest side of the copy the detector sees: faces of 40 px at 1080 lines are still found."""
MESH_SIDE = 384
"""Side of the crop the mesh sees; its network works on 192, so more shows nothing new."""
DETECTION_MARGIN, MESH_MARGIN = 2.0, 1.9
"""Side of the crop over the longest side of the detector's box, and of the mesh's extent."""
RECENTRE = 0.25
"""The crop follows when the face has moved by this part of its size; until then it stands still, which keeps
the mesh from trembling."""
SETTLING_PASSES = 2
"""Times the mesh sees the first picture of a new crop before it counts: its first look starts from a coarse
box and lies up to a pixel off, which would show as a jolt of the lips."""
MIN_DETECTION = 0.4
MIN_MESH = 0.3
"""Confidence the networks ask for; doubtful faces are kept here and judged by their route."""

CONTEXT_FRAMES = 12
"""Frames read beyond a chunk on both sides: the mesh's own smoothing has settled after about ten."""

NOSE_LENGTH = 0.9
"""Distance of the eyes' outer corners over that from nose bridge to nose base, inverted: the nose stands in
where a turned head brings the eyes together."""


@dataclass(frozen=True)
class Faces:
    """Tracks of n frames; the arrays of the module's docstring."""

    points: Floats
    box: Floats
    size: Floats
    pose: Floats
    confidence: Floats
    faces: npt.NDArray[np.int16]
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


@dataclass(frozen=True)
class _Square:
    """A square of upright pixels: the box of coded pixels it covers (even corners; may leave the picture)."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def centre(self) -> npt.NDArray[np.float64]:
        return np.array([(self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2])


@dataclass(frozen=True, eq=False)
class _Detection:
    """A face the detector saw: centre and longest side in coded pixels of the unstretched axis, and score."""

    centre: npt.NDArray[np.float64]
    side: float
    score: float


@dataclass(frozen=True)
class _Mesh:
    """Every mesh point of one face: coded pixels [468, 2], and depth [468] in upright pixels; and the view it
    was seen in, with its place there in pixels [468, 2]."""

    coded: Floats
    depth: Floats
    view: Rgb
    in_view: Floats


class FaceTracker:
    """Follows the largest face through consecutive frames. Not thread-safe; one per range of frames.

    Use as a context manager.

    Args:
        video: the stream; gives size, rotation, sample aspect and colour.
    """

    def __init__(self, video: VideoStream) -> None:
        self._video = video
        self._upright = upright_transform(video)
        self._square: _Square | None = None
        self._new_crop = False
        # The first picture of a range is looked at whole, or a shot would begin without its face.
        self._fresh = True
        self._confidence = 0.0
        self._count = 0
        self._rival = 0.0
        with _native_stderr_filtered():
            from mediapipe.python.solutions.face_detection import FaceDetection
            from mediapipe.python.solutions.face_mesh import FaceMesh

            self._detector = FaceDetection(model_selection=1, min_detection_confidence=MIN_DETECTION)
            self._mesher = FaceMesh(
                max_num_faces=1,
                refine_landmarks=True,
                min_detection_confidence=MIN_MESH,
                min_tracking_confidence=MIN_MESH,
            )
            # The networks report themselves on their first picture.
            blank = np.zeros((64, 64, 3), dtype=np.uint8)
            self._detector.process(blank)
            self._mesher.process(blank)

    def __enter__(self) -> FaceTracker:
        return self

    def __exit__(self, *_: object) -> None:
        self._detector.close()
        self._mesher.close()
        return_freed_memory()

    def track(self, planes: Planes, index: int) -> Faces:
        """The face in the next frame, as tracks of one frame.

        Args:
            index: the frame's place in the source; decides when the whole picture is looked at.
        """
        every = DETECT_EVERY if self._square else SEARCH_EVERY
        detections = self._detect(planes) if self._fresh or index % every == 0 else None
        self._fresh = False
        mesh = self._follow(planes)
        if mesh is None and (detections is not None or self._square is not None):
            detections = self._detect(planes) if detections is None else detections
            mesh = self._pick_up(planes, detections)
        if detections is not None:
            self._judge(detections, mesh)
        return self._record(mesh)

    def _follow(self, planes: Planes) -> _Mesh | None:
        """The mesh inside the current crop; moves the crop when the face has left its middle."""
        if self._square is None:
            return None
        mesh = self._fit(planes, self._square)
        if mesh is None:
            return None
        low, high = mesh.coded.min(axis=0), mesh.coded.max(axis=0)
        stretch = float(self._video.sample_aspect) or 1.0
        size = float(max((high[0] - low[0]) * stretch, high[1] - low[1]))
        centre = (low + high).astype(np.float64) / 2
        if np.abs((centre - self._square.centre) * [stretch, 1]).max() > RECENTRE * size:
            self._aim(centre, size * MESH_MARGIN)
            return self._fit(planes, self._square) or mesh
        return mesh

    def _pick_up(self, planes: Planes, detections: list[_Detection]) -> _Mesh | None:
        """Start on the largest detected face, or on none."""
        self._square = None
        if not detections:
            return None
        largest = max(detections, key=lambda detection: detection.side)
        self._aim(largest.centre, largest.side * DETECTION_MARGIN)
        mesh = self._follow(planes)
        if mesh is None:
            self._square = None
        return mesh

    def _aim(self, centre: npt.NDArray[np.float64], side: float) -> None:
        """Put the crop round `centre`, `side` upright pixels wide, and let the mesh start anew in it."""
        half_y = max(1, round(side / 4)) * 2
        half_x = max(1, round(side / 4 / (float(self._video.sample_aspect) or 1.0))) * 2
        x, y = (round(float(value) / 2) * 2 for value in centre)
        self._square = _Square(x - half_x, y - half_y, x + half_x, y + half_y)
        self._new_crop = True

    def _fit(self, planes: Planes, square: _Square) -> _Mesh | None:
        side = min(MESH_SIDE, square.y1 - square.y0) & ~1
        view = self._view(planes, square, side, side)
        if self._new_crop:
            self._new_crop = False
            with _native_stderr_filtered():
                self._mesher.reset()
                for _ in range(SETTLING_PASSES):
                    self._mesher.process(view)
        result = self._mesher.process(view)
        if not result.multi_face_landmarks:
            return None
        points = np.array(
            [(point.x, point.y, point.z) for point in result.multi_face_landmarks[0].landmark[:468]]
        )
        coded = self._unview(points[:, :2], square)
        depth = points[:, 2] * (square.y1 - square.y0)
        in_view = points[:, :2] * (view.shape[1], view.shape[0]) - 0.5
        return _Mesh(coded.astype(np.float32), depth.astype(np.float32), view, in_view.astype(np.float32))

    def _detect(self, planes: Planes) -> list[_Detection]:
        """Every face in the picture."""
        video = self._video
        whole = _Square(0, 0, video.width & ~1, video.height & ~1)
        stretch = float(video.sample_aspect) or 1.0
        shrink = min(1.0, DETECTOR_SIDE / max(whole.x1 * stretch, whole.y1))
        columns = max(2, round(whole.x1 * stretch * shrink / 2) * 2)
        rows = max(2, round(whole.y1 * shrink / 2) * 2)
        result = self._detector.process(self._view(planes, whole, columns, rows))
        found = []
        for detection in result.detections or ():
            box = detection.location_data.relative_bounding_box
            corners = np.array([[box.xmin, box.ymin], [box.xmin + box.width, box.ymin + box.height]])
            coded = self._unview(corners, whole)
            extent = np.abs(coded[1] - coded[0]) * [stretch, 1.0]
            found.append(_Detection(coded.mean(axis=0), float(extent.max()), float(detection.score[0])))
        return found

    def _view(self, planes: Planes, square: _Square, columns: int, rows: int) -> Rgb:
        """Upright RGB of a coded box, scaled to columns x rows (before turning).

        The planes are scaled before their colours are converted: a large face costs no more than a small one.
        """
        from loc.media.colour import to_rgb

        small = Planes(
            *(
                _scaled(plane, planes.y.shape, square, columns, rows)
                for plane in (planes.y, planes.u, planes.v)
            )
        )
        rgb = to_rgb(small, self._video)
        return np.ascontiguousarray(np.rot90(rgb, self._video.rotation // 90))

    def _unview(self, points: npt.NDArray[np.float64], square: _Square) -> npt.NDArray[np.float64]:
        """Points 0..1 of a view [k, 2] as coded pixel centres."""
        u, v = points[:, 0], points[:, 1]
        across, down = {0: (u, v), 90: (1 - v, u), 180: (1 - u, 1 - v), 270: (v, 1 - u)}[self._video.rotation]
        x = square.x0 + across * (square.x1 - square.x0) - 0.5
        y = square.y0 + down * (square.y1 - square.y0) - 0.5
        return np.stack([x, y], axis=1)

    def _judge(self, detections: list[_Detection], mesh: _Mesh | None) -> None:
        """Remember what the newest look at the whole picture says about the face and its company."""
        self._count = len(detections)
        own, others = self._split(detections, mesh)
        self._confidence = own.score if own else 0.0
        widest = max((detection.side for detection in others), default=0.0)
        self._rival = widest / own.side if own else float(bool(others))

    @staticmethod
    def _split(
        detections: list[_Detection], mesh: _Mesh | None
    ) -> tuple[_Detection | None, list[_Detection]]:
        """The detection that is the tracked face, and the others. Two on one face count as one."""
        if mesh is None:
            return None, detections
        low, high = mesh.coded.min(axis=0), mesh.coded.max(axis=0)
        on_face = [item for item in detections if (item.centre >= low).all() and (item.centre <= high).all()]
        own = max(on_face, key=lambda item: item.score, default=None)
        return own, [item for item in detections if item not in on_face]

    def _record(self, mesh: _Mesh | None) -> Faces:
        points = np.full((1, POINT_COUNT, 2), np.nan, dtype=np.float32)
        box, pose = np.full((1, 4), np.nan, dtype=np.float32), np.full((1, 2), np.nan, dtype=np.float32)
        size, sharpness = np.full((2, 1), np.nan, dtype=np.float32)
        mouth = np.full((1, occlusion.ROWS, occlusion.ANGLES, 3), occlusion.MISSING, dtype=np.int8)
        if mesh is not None:
            points[0] = mesh.coded[list(MESH_IDS)]
            box[0] = np.concatenate([mesh.coded.min(axis=0), mesh.coded.max(axis=0)])
            size[0] = face_scale(transform(points[0], self._upright))
            pose[0] = _pose(transform(mesh.coded, self._upright), mesh.depth)
            scale = float(face_scale(mesh.in_view[list(MESH_IDS)]))
            sharpness[0] = occlusion.sharpness(mesh.view, mesh.in_view, scale)
            mouth[0] = occlusion.sample(mesh.view, mesh.in_view)
        return Faces(
            points=points,
            box=box,
            size=size,
            pose=pose,
            confidence=np.array([self._confidence], dtype=np.float32),
            faces=np.array([self._count], dtype=np.int16),
            rival=np.array([self._rival], dtype=np.float32),
            sharpness=sharpness,
            mouth=mouth,
        )


def _scaled(plane: Plane, luma: tuple[int, ...], square: _Square, columns: int, rows: int) -> Plane:
    """The part of a plane under a box, its edge repeated outside the picture, at the plane's share of
    columns x rows."""
    import cv2

    sx = 1 if plane.shape[1] == luma[1] else 2
    sy = 1 if plane.shape[0] == luma[0] else 2
    x0, x1, y0, y1 = square.x0 // sx, square.x1 // sx, square.y0 // sy, square.y1 // sy
    height, width = plane.shape
    inside = plane[
        np.clip(y0, 0, height - 1) : max(y1, 1) if y1 < height else height,
        np.clip(x0, 0, width - 1) : max(x1, 1) if x1 < width else width,
    ]
    border = max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width)
    padded: Any = cv2.copyMakeBorder(inside, *border, cv2.BORDER_REPLICATE) if any(border) else inside
    scaled: Any = cv2.resize(padded, (columns // sx, rows // sy), interpolation=cv2.INTER_AREA)
    return scaled  # type: ignore[no-any-return]


def _pose(upright: npt.NDArray[np.float64], depth: Floats) -> tuple[float, float]:
    """(yaw, pitch) in degrees of the plane through outer eye corners, forehead and chin.

    Args:
        upright: [468, 2] upright pixels.
        depth: [468] in the same unit, away from the camera above 0.
    """
    solid = np.column_stack([upright, depth])
    across, down = solid[263] - solid[33], solid[CHIN] - solid[FOREHEAD]
    normal = np.cross(across, down)
    normal /= np.linalg.norm(normal) + 1e-9
    toward = abs(normal[2]) + 1e-9
    facing = -np.sign(normal[2]) or 1.0
    return (
        float(np.degrees(np.arctan2(normal[0] * facing, toward))),
        float(np.degrees(np.arctan2(normal[1] * facing, toward))),
    )


_NATIVE_LINE = re.compile(
    rb"^(?:[IWEF]\d{4} |INFO: Created TensorFlow|WARNING: All log messages before absl|I\d{8} )"
)
_stderr_lock = threading.RLock()


@contextlib.contextmanager
def _native_stderr_filtered() -> Iterator[None]:
    """Keep what the networks' C++ logging says off stderr; anything else written meanwhile is passed on.

    The logger is not initialised in the Python wheel, so its environment variables have no effect.
    """
    with _stderr_lock, tempfile.TemporaryFile() as caught:
        sys.stderr.flush()
        real = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            caught.seek(0)
            for line in caught:
                if not _NATIVE_LINE.match(line):
                    os.write(real, line)
            os.close(real)


def track_range(path: Path, video: VideoStream, timeline: Timeline, frames: FrameRange) -> Iterator[Faces]:
    """Tracks of each frame of a range, in order."""
    with FaceTracker(video) as tracker:
        for index, planes in enumerate(read_frames(path, video, timeline, frames), frames.start):
            yield tracker.track(planes, index)


def track_faces(runner: Runner, site: Site, source: Source, path: Path, timeline: Timeline) -> FaceTracks:
    """Track every chunk of a source: one `faces.track` action each.

    Raises:
        NotMade: in look mode, when a chunk has not been tracked.
    """
    spans = [_with_context(source, chunk) for chunk in source.chunks]
    made = runner.map(
        [_tracking(site, source, path, timeline, index, frames) for index, frames in enumerate(spans)],
        parallel=True,
    )
    return FaceTracks(
        chunks=tuple(
            ChunkTracks(chunk=index, frames=frames, arrays=item.ref("faces"))
            for index, (frames, item) in enumerate(zip(spans, made, strict=True))
        )
    )


def read_faces(store: WorkDir, tracks: ChunkTracks) -> Faces:
    """The tracks of one chunk and its context."""
    return Faces(**load_arrays(store.open_object(tracks.arrays)))


def learn_looks(
    runner: Runner, site: Site, source: Source, tracks: Sequence[ChunkTracks]
) -> tuple[occlusion.Looks, ...]:
    """What mouths look like in each shot: one `faces.looks` action each.

    Raises:
        NotMade: in look mode, when a shot has not been looked at.
    """
    made = runner.map(
        [_looking(runner.store, site, source, tracks, shot) for shot in range(len(source.shots))],
        parallel=True,
    )
    return tuple(occlusion.Looks(**load_arrays(runner.store.open_object(item.ref("looks")))) for item in made)


def fingerprint() -> dict[str, str]:
    """Versions of what shapes tracks: the networks inside the package, scaling, decoding."""
    return {
        "mediapipe": packages.version("mediapipe"),
        "opencv": packages.version("opencv-contrib-python"),
        "decoder": decoder_fingerprint(),
    }


def _with_context(source: Source, chunk: Chunk) -> FrameRange:
    shot = source.shots[chunk.shot]
    return FrameRange(
        start=max(shot.start, chunk.frames.start - CONTEXT_FRAMES),
        stop=min(shot.stop, chunk.frames.stop + CONTEXT_FRAMES),
    )


def _tracking(
    site: Site, source: Source, path: Path, timeline: Timeline, index: int, frames: FrameRange
) -> tuple[Action, Make]:
    """Track one chunk.

    Reads: the chunk's frames, and 12 more of its shot on each side.
    Leaves out: the sound; whatever is said or set.
    """

    def make(out: Out) -> None:
        parts = []
        for part in track_range(path, source.video, timeline, frames):
            parts.append(part)
            out.progress(len(parts), len(frames))
        faces = Faces.join(parts)
        out.bytes("faces", save_arrays({item.name: getattr(faces, item.name) for item in fields(faces)}))
        out.detail["frames"] = len(faces)
        out.detail["found"] = int(faces.found.sum())

    action = Action(
        name="faces.track",
        version=2,
        site=Site(site.stage, f"chunk {index + 1}", site.language),
        inputs={"pictures": frames_key(source.digest, source.video, timeline, frames)},
        params={
            "chroma_location": source.video.chroma_location,
            "sample_aspect": source.video.sample_aspect,
            "rotation": source.video.rotation,
        },
        programs=fingerprint(),
    )
    return action, make


def _looking(
    store: WorkDir, site: Site, source: Source, tracks: Sequence[ChunkTracks], shot: int
) -> tuple[Action, Make]:
    """Learn what mouths look like in one shot.

    Reads: the colours round the mouth in the tracks of the shot's chunks: all frames, or 600 spread evenly.
    Leaves out: the pictures; whatever is said or set.
    """
    chunks = [index for index, chunk in enumerate(source.chunks) if chunk.shot == shot]
    frames = sum(len(source.chunks[index].frames) for index in chunks)
    every = -(-frames // occlusion.LEARNT_FRAMES)

    def make(out: Out) -> None:
        mouths = []
        for index in chunks:
            own, held = source.chunks[index].frames, tracks[index]
            first = -(own.start - source.shots[shot].start) % every
            wanted = slice(own.start - held.frames.start + first, own.stop - held.frames.start, every)
            mouths.append(read_faces(store, held).mouth[wanted])
        looks = occlusion.learn(np.concatenate(mouths))
        out.bytes("looks", save_arrays({"middle": looks.middle, "spread": looks.spread}))
        out.detail["looks"] = len(looks.middle)

    action = Action(
        name="faces.looks",
        version=1,
        site=Site(site.stage, f"shot {shot + 1}", site.language),
        inputs={
            "tracks": [
                {"arrays": tracks[index].arrays, "start": tracks[index].frames.start} for index in chunks
            ],
            "chunks": [[source.chunks[i].frames.start, source.chunks[i].frames.stop] for i in chunks],
        },
    )
    return action, make
