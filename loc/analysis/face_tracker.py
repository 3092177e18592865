"""The face tracker: every prominent face of a picture, followed from frame to frame.

A full-range detector looks at a small copy of the picture every `DETECT_S` seconds; between, a face mesh
follows each face inside a square crop of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.analysis import occlusion
from loc.analysis.faces import (
    CHIN,
    FOREHEAD,
    MESH_IDS,
    Faces,
    Floats,
    face_scale,
    save_faces,
    transform,
    upright_transform,
)
from loc.artifacts import Chunk, ChunkTracks, FaceTracks, FrameRange, Source, VideoStream
from loc.media.durations import frames_lasting
from loc.media.ffmpeg import decoder_fingerprint
from loc.media.frames import Plane, Planes, frames_key, read_frames
from loc.media.timeline import Timeline
from loc.process import return_freed_memory
from loc.runner import Action, Make, Out, Runner, Site

if TYPE_CHECKING:
    from loc.media.colour import Rgb

DETECT_S = 0.48
"""Seconds between two looks at the whole picture, in frames of the source's own count so that chunks agree:
half a second is how long a second person may go unseen."""
SEARCH_S = 0.12
"""The same while no face is followed, or while one is missed: it is picked up a tenth of a second after it
appears."""
DETECTOR_SIDE = 384
"""Longest side of the copy the detector sees. Its network works on 192: of faces of 30 to 160 px in pictures
of 1280 it found the same from copies of 192 to 960, at the same scores: all of 60 px and more, two thirds of
those of 40 and 50. Who is smaller than a twentieth of the picture's longer side may be missed."""
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

MAX_FACES = 4
"""Faces followed at once, the largest: a conversation round a table. Each costs a mesh per frame."""
PROMINENCE = 0.25
"""Side of a face over the largest one's: a smaller one is in the background, does not hold the conversation
and is not followed. Who sits behind a desk measures 0.38 of a face in close-up beside it."""
RETURN_S = 2.0
"""A face that comes back within this many seconds where it was lost is the same track: a hand passed, a head
turned."""
RETURN_REACH = 1.0
"""How far from where it was lost, over its side."""
SAME_FACE = 0.5
"""Intersection over union of two meshes that lie on one face."""

SETTLING_FRAMES = 12
"""Frames, whatever their rate, after which the mesh's own smoothing has settled: about ten."""
CONTEXT_S = 0.5
"""Read beyond a chunk on both sides, at least `SETTLING_FRAMES`: how far routes look about a frame."""


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
class Detection:
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

    @property
    def box(self) -> Floats:
        """x0, y0, x1, y1 of all points, coded pixels."""
        return np.concatenate([self.coded.min(axis=0), self.coded.max(axis=0)])

    def holds(self, point: npt.NDArray[np.float64]) -> bool:
        """Whether a point lies in the box."""
        box = self.box
        return bool((point >= box[:2]).all() and (point <= box[2:]).all())

    def covers(self, other: _Mesh) -> bool:
        """Whether both lie on one face."""
        a, b = self.box, other.box
        common = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
        union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common
        return bool(common > SAME_FACE * union)


class _Lens:
    """Views of coded pictures, upright and in RGB, as the networks see them."""

    def __init__(self, video: VideoStream) -> None:
        self._video = video
        self.upright = upright_transform(video)
        self.stretch = float(video.sample_aspect) or 1.0

    def whole(self) -> _Square:
        """The whole picture."""
        return _Square(0, 0, self._video.width & ~1, self._video.height & ~1)

    def view(self, planes: Planes, square: _Square, columns: int, rows: int) -> Rgb:
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

    def unview(self, points: npt.NDArray[np.float64], square: _Square) -> npt.NDArray[np.float64]:
        """Points 0..1 of a view [k, 2] as coded pixel centres."""
        u, v = points[:, 0], points[:, 1]
        across, down = {0: (u, v), 90: (1 - v, u), 180: (1 - u, 1 - v), 270: (v, 1 - u)}[self._video.rotation]
        x = square.x0 + across * (square.x1 - square.x0) - 0.5
        y = square.y0 + down * (square.y1 - square.y0) - 0.5
        return np.stack([x, y], axis=1)


class _Mesher:
    """A mesh network for one face at a time."""

    def __init__(self) -> None:
        self._network: Any = None

    def begin(self, view: Rgb) -> None:
        """Forget what was seen, and settle on what is now."""
        # A network reports itself, from threads of its own, until its first picture is through.
        with _native_stderr_filtered():
            if self._network is None:
                self._network = _mesh_network()
            else:
                self._network.reset()
            for _ in range(SETTLING_PASSES):
                self.process(view)

    def process(self, view: Rgb) -> Any:
        """The landmarks that mediapipe finds in the next view, once it has begun; None without a face."""
        (landmarks,) = _taken(self._network.process(view), "multi_face_landmarks") or (None,)
        return landmarks

    def close(self) -> None:
        if self._network is not None:
            self._network.close()


@dataclass(eq=False)
class _Follower:
    """One face being followed by a mesh network of its own, or missed for a while."""

    lens: _Lens
    mesher: _Mesher
    number: int
    """Of the track."""
    square: _Square
    mesh: _Mesh | None = None
    confidence: float = 0.0
    rival: float = 0.0
    last: Detection | None = None
    """Where it was seen last, while it is missed."""
    missed_since: int = 0
    """The frame from which it is missed."""
    new_crop: bool = True

    def follow(self, planes: Planes) -> _Mesh | None:
        """The mesh inside the current crop; moves the crop when the face has left its middle."""
        mesh = self.fit(planes)
        if mesh is not None:
            low, high = mesh.box[:2], mesh.box[2:]
            size = float(max((high[0] - low[0]) * self.lens.stretch, high[1] - low[1]))
            centre = (low + high).astype(np.float64) / 2
            if np.abs((centre - self.square.centre) * [self.lens.stretch, 1]).max() > RECENTRE * size:
                self.aim(centre, size * MESH_MARGIN)
                mesh = self.fit(planes) or mesh
        self.mesh = mesh
        return mesh

    def aim(self, centre: npt.NDArray[np.float64], side: float) -> None:
        """Put the crop round `centre`, `side` upright pixels wide, and let the mesh start anew in it."""
        self.square = _square(centre, side, self.lens.stretch)
        self.new_crop = True

    def fit(self, planes: Planes) -> _Mesh | None:
        """The mesh inside the current crop."""
        square = self.square
        side = min(MESH_SIDE, square.y1 - square.y0) & ~1
        view = self.lens.view(planes, square, side, side)
        if self.new_crop:
            self.new_crop = False
            self.mesher.begin(view)
        found = self.mesher.process(view)
        if found is None:
            return None
        points = np.array([(point.x, point.y, point.z) for point in found.landmark[:468]])
        coded = self.lens.unview(points[:, :2], square)
        depth = points[:, 2] * (square.y1 - square.y0)
        in_view = points[:, :2] * (view.shape[1], view.shape[0]) - 0.5
        return _Mesh(coded.astype(np.float32), depth.astype(np.float32), view, in_view.astype(np.float32))


def _square(centre: npt.NDArray[np.float64], side: float, stretch: float) -> _Square:
    half_y = max(1, round(side / 4)) * 2
    half_x = max(1, round(side / 4 / stretch)) * 2
    x, y = (round(float(value) / 2) * 2 for value in centre)
    return _Square(x - half_x, y - half_y, x + half_x, y + half_y)


class FaceTracker:
    """Follows the prominent faces through consecutive frames. Not thread-safe; one per range of frames.

    Use as a context manager.

    Args:
        video: the stream; gives size, rotation, sample aspect, colour and rate.
    """

    def __init__(self, video: VideoStream) -> None:
        rate = video.average_rate
        self._detect_every, self._search_every = (frames_lasting(one, rate) for one in (DETECT_S, SEARCH_S))
        self._return = frames_lasting(RETURN_S, rate)
        self._lens = _Lens(video)
        self._followed: list[_Follower] = []
        self._missed: list[_Follower] = []
        self._idle: list[_Mesher] = []
        self._networks: list[Any] = []
        self._numbers = 0
        # The first picture of a range is looked at whole, or a shot would begin without its faces.
        self._fresh = True
        with _native_stderr_filtered():
            from mediapipe.python.solutions.face_detection import FaceDetection

            self._detector = FaceDetection(model_selection=1, min_detection_confidence=MIN_DETECTION)
            # It reports itself until its first picture is through.
            self._detector.process(np.zeros((64, 64, 3), dtype=np.uint8))
        self._networks.append(self._detector)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for network in self._networks:
            network.close()
        return_freed_memory()

    def track(self, planes: Planes, index: int) -> dict[int, Faces]:
        """The faces in the next frame: track number -> its track of one frame.

        Args:
            index: the frame's place in the source; decides when the whole picture is looked at.
        """
        if min(planes.y.shape) < 2:  # views are cut at even places
            return {}
        self._forget(index)
        every = self._detect_every if self._followed and not self._missed else self._search_every
        look = self._fresh or index % every == 0
        self._fresh = False
        for follower in list(self._followed):
            if follower.follow(planes) is None or self._is_double(follower):
                self._miss(follower, index)
                look = True
        if look:
            self._look(planes)
        return {follower.number: self._record(follower) for follower in self._followed}

    def _look(self, planes: Planes) -> None:
        """Look at the whole picture: confirm what is followed, follow what is prominent, note the rest."""
        detections = self._detect(planes)
        largest = max((detection.side for detection in detections), default=0.0)
        others = []
        confirmed: dict[int, list[Detection]] = {follower.number: [] for follower in self._followed}
        for detection in sorted(detections, key=lambda item: -item.side):
            own = [item for item in self._followed if item.mesh and item.mesh.holds(detection.centre)]
            if own:
                confirmed.setdefault(own[0].number, []).append(detection)
            elif detection.side >= PROMINENCE * largest and len(self._followed) < MAX_FACES:
                taken = self._take_up(planes, detection)
                if taken is None:
                    others.append(detection)
                else:
                    confirmed[taken.number] = [detection]
            else:
                others.append(detection)
        widest = max((detection.side for detection in others), default=0.0)
        for follower in self._followed:
            # Two detections on one face count as one.
            seen = max(confirmed[follower.number], key=lambda item: item.score, default=None)
            follower.confidence = seen.score if seen else 0.0
            follower.rival = widest / (seen.side if seen else self._side(follower))

    def _take_up(self, planes: Planes, detection: Detection) -> _Follower | None:
        """Follow a detected face: a missed one again, or a new one. None if no mesh settles on it."""
        again = [item for item in self._missed if _near(item, detection)]
        follower = min(again, key=lambda item: _distance(item, detection), default=None)
        if follower is None:
            mesher = self._idle.pop() if self._idle else self._new_mesher()
            square = _square(detection.centre, detection.side * DETECTION_MARGIN, self._lens.stretch)
            follower = _Follower(self._lens, mesher, self._numbers, square)
        else:
            follower.aim(detection.centre, detection.side * DETECTION_MARGIN)
        mesh = follower.follow(planes)
        if mesh is None or self._is_double(follower) or not mesh.holds(detection.centre):
            follower.mesh = None
            if follower not in self._missed:
                self._idle.append(follower.mesher)
            return None
        if follower in self._missed:
            self._missed.remove(follower)
        else:
            self._numbers += 1
        self._followed.append(follower)
        return follower

    def _is_double(self, follower: _Follower) -> bool:
        """Whether the mesh lies on a face that another follows, who had it first."""
        mesh = follower.mesh
        return mesh is not None and any(
            other.mesh is not None and other.mesh.covers(mesh)
            for other in self._followed
            if other is not follower and (follower not in self._followed or other.number < follower.number)
        )

    def _miss(self, follower: _Follower, index: int) -> None:
        self._followed.remove(follower)
        follower.missed_since = index
        follower.last = Detection(follower.square.centre, self._side(follower), 0.0)
        follower.mesh = None
        self._missed.append(follower)

    def _forget(self, index: int) -> None:
        """Give up on what has been missed for long."""
        for follower in list(self._missed):
            if index - follower.missed_since > self._return:
                self._missed.remove(follower)
                self._idle.append(follower.mesher)

    @staticmethod
    def _side(follower: _Follower) -> float:
        """Of the face, as a detection has it."""
        return (follower.square.y1 - follower.square.y0) / MESH_MARGIN

    def _new_mesher(self) -> _Mesher:
        mesher = _Mesher()
        self._networks.append(mesher)
        return mesher

    def _detect(self, planes: Planes) -> list[Detection]:
        """Every face in the picture."""
        lens, whole = self._lens, self._lens.whole()
        shrink = min(1.0, DETECTOR_SIDE / max(whole.x1 * lens.stretch, whole.y1))
        columns = max(2, round(whole.x1 * lens.stretch * shrink / 2) * 2)
        rows = max(2, round(whole.y1 * shrink / 2) * 2)
        result = self._detector.process(lens.view(planes, whole, columns, rows))
        found = []
        for detection in _taken(result, "detections") or ():
            box = detection.location_data.relative_bounding_box
            corners = np.array([[box.xmin, box.ymin], [box.xmin + box.width, box.ymin + box.height]])
            coded = lens.unview(corners, whole)
            extent = np.abs(coded[1] - coded[0]) * [lens.stretch, 1.0]
            found.append(Detection(coded.mean(axis=0), float(extent.max()), float(detection.score[0])))
        return found

    def _record(self, follower: _Follower) -> Faces:
        mesh = follower.mesh
        assert mesh is not None, "only faces that are found are recorded"
        points = mesh.coded[None, list(MESH_IDS)]
        scale = float(face_scale(mesh.in_view[list(MESH_IDS)]))
        return Faces(
            points=points,
            box=mesh.box[None],
            size=face_scale(transform(points, self._lens.upright)).astype(np.float32),
            pose=np.array([_pose(transform(mesh.coded, self._lens.upright), mesh.depth)], dtype=np.float32),
            confidence=np.array([follower.confidence], dtype=np.float32),
            rival=np.array([follower.rival], dtype=np.float32),
            sharpness=np.array([occlusion.sharpness(mesh.view, mesh.in_view, scale)], dtype=np.float32),
            mouth=occlusion.sample(mesh.view, mesh.in_view)[None],
        )


class KnownFace:
    """The mesh of one face whose place is known in every frame: of a picture that was drawn on.

    Sees the face as `FaceTracker` does, in the same crops, and looks for no other. Not thread-safe; one per
    range of frames. Use as a context manager.

    Args:
        video: the stream; gives size, rotation, sample aspect and colour.
    """

    def __init__(self, video: VideoStream) -> None:
        self._lens = _Lens(video)
        self._follower: _Follower | None = None
        self._mesher = _Mesher()

    def __enter__(self) -> KnownFace:
        return self

    def __exit__(self, *_: object) -> None:
        self._mesher.close()
        return_freed_memory()

    def find(self, planes: Planes, box: Floats) -> Floats | None:
        """Its mesh points in the next frame, float32 [POINT_COUNT, 2], coded pixels; None if it is not there.

        Args:
            box: x0, y0, x1, y1 where the mesh lay in the source, coded pixels.
        """
        low, high = box[:2].astype(np.float64), box[2:].astype(np.float64)
        centre, stretch = (low + high) / 2, self._lens.stretch
        size = float(max((high[0] - low[0]) * stretch, high[1] - low[1]))
        follower = self._follower
        if follower is None:
            square = _square(centre, size * MESH_MARGIN, stretch)
            follower = self._follower = _Follower(self._lens, self._mesher, 0, square)
        elif np.abs((centre - follower.square.centre) * [stretch, 1]).max() > RECENTRE * size:
            follower.aim(centre, size * MESH_MARGIN)
        mesh = follower.fit(planes)
        if mesh is None or not mesh.holds(centre):
            follower.new_crop = True
            return None
        return mesh.coded[list(MESH_IDS)]


def _taken(result: Any, name: str) -> Any:
    """A field of what mediapipe returns, which is a class of its own each time: only the garbage collector
    frees those, and what they hold, 40 KB of landmarks a frame, until it comes by."""
    value = getattr(result, name)
    delattr(result, name)
    return value


def _mesh_network() -> Any:
    from mediapipe.python.solutions.face_mesh import FaceMesh

    return FaceMesh(
        max_num_faces=1,
        refine_landmarks=True,
        min_detection_confidence=MIN_MESH,
        min_tracking_confidence=MIN_MESH,
    )


def _distance(missed: _Follower, seen: Detection) -> float:
    """Of a detection from where a face was lost, over the face's side."""
    assert missed.last is not None, "a missed face was seen before"
    apart = (seen.centre - missed.last.centre) * [missed.lens.stretch, 1.0]
    return float(np.abs(apart).max() / missed.last.side)


def _near(missed: _Follower, seen: Detection) -> bool:
    return _distance(missed, seen) <= RETURN_REACH


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


def track_range(
    path: Path,
    video: VideoStream,
    timeline: Timeline,
    frames: FrameRange,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Faces, ...]:
    """The faces of a range of frames, the most prominent first: by their size summed over the frames.

    Args:
        progress: told after each frame how many are done.
    """
    with FaceTracker(video) as tracker:
        pictures = read_frames(path, video, timeline, frames)
        return follow(tracker, pictures, frames.start, progress)


def follow(
    tracker: FaceTracker,
    pictures: Iterable[Planes],
    start: int,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Faces, ...]:
    """The faces of consecutive frames, the most prominent first.

    Args:
        start: index of the first frame in the source.
    """
    seen: list[dict[int, Faces]] = []
    for index, planes in enumerate(pictures, start):
        seen.append(tracker.track(planes, index))
        progress(len(seen))
    absent = Faces.absent(1)
    tracks = [
        Faces.join(frame.get(number, absent) for frame in seen)
        for number in sorted({number for frame in seen for number in frame})
    ]
    return tuple(sorted(tracks, key=lambda track: -float(np.nansum(track.size))))


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


def fingerprint() -> dict[str, str]:
    """Versions of what shapes tracks: the networks inside the package, scaling, decoding."""
    return {
        "mediapipe": packages.version("mediapipe"),
        "opencv": packages.version("opencv-contrib-python"),
        "decoder": decoder_fingerprint(),
    }


def context_frames(rate: Fraction) -> int:
    """Frames that are read beyond a chunk on both sides."""
    return max(SETTLING_FRAMES, frames_lasting(CONTEXT_S, rate))


def _with_context(source: Source, chunk: Chunk) -> FrameRange:
    shot, context = source.shots[chunk.shot], context_frames(source.video.average_rate)
    return FrameRange(
        start=max(shot.start, chunk.frames.start - context),
        stop=min(shot.stop, chunk.frames.stop + context),
    )


def _tracking(
    site: Site, source: Source, path: Path, timeline: Timeline, index: int, frames: FrameRange
) -> tuple[Action, Make]:
    """Track one chunk.

    Reads: the chunk's frames, and half a second, at least 12 frames, more of its shot on each side.
    Leaves out: the sound; whatever is said or set.
    """

    def make(out: Out) -> None:
        faces = track_range(
            path, source.video, timeline, frames, lambda done: out.progress(done, len(frames))
        )
        out.bytes("faces", save_faces(faces, len(frames)))
        out.detail["frames"] = len(frames)
        out.detail["tracks"] = len(faces)
        out.detail["found"] = int(np.any([face.found for face in faces], axis=0).sum())

    action = Action(
        name="faces.track",
        version=7,
        site=Site(site.stage, f"chunk {index + 1}", site.language),
        inputs={"pictures": frames_key(source.digest, source.video, timeline, frames)},
        params={
            "chroma_location": source.video.chroma_location,
            "sample_aspect": source.video.sample_aspect,
            "rotation": source.video.rotation,
            "rate": source.video.average_rate,
        },
        programs=fingerprint(),
    )
    return action, make
