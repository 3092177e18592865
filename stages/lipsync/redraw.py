"""The actions of lip-sync: a person's profile per shot, and the drawing of one redraw."""

from __future__ import annotations

import contextlib
import errno
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.artifacts import SAMPLE_RATE, ChunkTracks, Clip, FrameRange, PatchTrack, Phones, Ref, Source
from loc.backend import Sized
from loc.errors import LocError, MissingError
from loc.media.ffmpeg import decoder_fingerprint
from loc.media.sound import decode_flac
from loc.media.timeline import Timeline
from loc.runner import Action, Made, Make, Out
from loc.stage import Context
from loc.store.keys import digest_bytes
from stages.lipsync import plan
from stages.lipsync.contract import (
    HEARD_RATE,
    Beside,
    Drafter,
    Heard,
    Looking,
    Meter,
    MouthPlan,
    Patch,
    RedrawWindow,
    ShotView,
)
from stages.lipsync.cuts import Stretch
from stages.lipsync.shot_faces import ShotFace

if TYPE_CHECKING:
    from loc.analysis.faces import Faces
    from loc.media.frames import Planes
    from loc.media.patches import Placement

STAGE = "lipsync"

SEEK_FRAMES = 100
"""Frames that are decoded rather than skipped on the way from one wanted to the next: a seek decodes from the
key frame before, on average as many."""
PROGRESS_FRAMES = 25
"""Frames between two reports of progress."""


@dataclass(frozen=True)
class Film:
    """The source as lip-sync reads it.

    Args:
        source: facts, shots, chunks.
        path: the file.
        timeline: its frame table.
        edges: int64 [frames + 1], the sample at which each frame appears, and the picture's end.
        tracks: faces of every chunk, in order.
    """

    source: Source
    path: Path
    timeline: Timeline
    edges: npt.NDArray[np.int64]
    tracks: tuple[ChunkTracks, ...]

    def pictures(self, frames: FrameRange) -> Iterator[Planes]:
        """Frames of the source."""
        from loc.media.frames import read_frames

        return read_frames(self.path, self.source.video, self.timeline, frames)

    def key(self, frames: FrameRange) -> dict[str, Any]:
        """How some of the frames stand in an action's inputs."""
        from loc.media.frames import frames_key

        return frames_key(self.source.digest, self.source.video, self.timeline, frames)

    def times(self, frames: FrameRange) -> npt.NDArray[np.int64]:
        """The samples in the middle of each frame's time on screen, counted from the first one's start."""
        return plan.frame_times(self.edges_of(frames))

    def edges_of(self, frames: FrameRange) -> npt.NDArray[np.int64]:
        """The samples at which frames appear, and at which the last one ends, counted from the first one's
        start: int64 [len(frames) + 1]."""
        edges = self.edges[frames.start : frames.stop + 1]
        return np.asarray(edges - edges[0], dtype=np.int64)

    def tracks_key(self, face: ShotFace, chunk: int) -> dict[str, Any]:
        """How a face's tracks in a chunk stand in an action's inputs."""
        tracks = self.tracks[chunk]
        parts = sorted(face.parts.get(chunk, ()))
        return {"arrays": tracks.arrays, "start": tracks.frames.start, "parts": parts}

    def tracks_over_key(self, face: ShotFace, frames: FrameRange) -> list[dict[str, Any]]:
        """How a face's tracks over frames of one shot stand in an action's inputs."""
        return [
            {**self.tracks_key(face, index), "frames": [part.start, part.stop]}
            for index, part in self.chunks_over(frames)
        ]

    def faces(self, context: Context, face: ShotFace, chunk: int, frames: FrameRange) -> Faces:
        """The face in some of a chunk's frames, gaps filled and smoothed with the chunk's context."""
        from stages.lipsync.tracks import prepare

        first = self.tracks[chunk].frames.start
        tracked, rate = self.tracked(context, face, chunk), self.source.video.average_rate
        return prepare(tracked, rate)[frames.start - first : frames.stop - first]

    def tracked(self, context: Context, face: ShotFace, chunk: int) -> Faces:
        """The face as it was tracked in a chunk and its context."""
        from loc.analysis.faces import foremost, read_faces

        tracks = self.tracks[chunk]
        held = read_faces(context.store, tracks)
        parts = [held[part] for part in sorted(face.parts.get(chunk, ()))]
        return foremost(parts, len(tracks.frames))

    def faces_over(self, context: Context, face: ShotFace, frames: FrameRange) -> npt.NDArray[np.float32]:
        """Mesh points of a face over frames of one shot, each as its own chunk has it: float32
        [n, POINT_COUNT, 2]."""
        return np.concatenate(
            [self.faces(context, face, index, part).points for index, part in self.chunks_over(frames)]
        )

    def chunks_over(self, frames: FrameRange) -> list[tuple[int, FrameRange]]:
        """(chunk, the frames that lie in it), in order."""
        parts = ((index, frames.intersect(chunk.frames)) for index, chunk in enumerate(self.source.chunks))
        return [(index, part) for index, part in parts if part is not None]


@dataclass(frozen=True)
class Redraw:
    """The frames of one cut in one chunk that are drawn: the unit of work.

    Args:
        cut: index of the cut.
        face: whose mouth it is.
        chunk: index of the chunk.
        frames: of the source, all in the chunk.
        opacity: float32 [len(frames)].
    """

    cut: int
    face: ShotFace
    chunk: int
    frames: FrameRange
    opacity: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Ready:
    """What a backend prepared for a redraw, see `stages.lipsync.prepared`.

    Args:
        arrays: of the whole of its cut in its chunk.
        offset: which of those frames is the redraw's first.
        lead: frames before the redraw that are read as well, drawn ones of its cut in the chunk before.
        before: as `arrays`, of that chunk; None where none are read.
        device_seconds: that a device computed for them, counted for the first redraw of them alone.
    """

    arrays: Ref
    offset: int
    lead: int = 0
    before: Ref | None = None
    device_seconds: float = 0.0


class NoRoom(Exception):  # noqa: N818 - news for whoever has another backend
    """The device has no room for a backend's model, which has work. `error` says it to people."""

    def __init__(self, error: MissingError) -> None:
        super().__init__(str(error))
        self.error = error


def see_room(context: Context, backend: Drafter, work: Iterable[tuple[Action, Make]]) -> bool:
    """See that there is room for a backend's model where some of its work is still to be made; whether that
    had to be looked at.

    Raises:
        NoRoom: there is none.
    """
    if not isinstance(backend, Sized) or not any(context.runner.lacks(action) for action, _ in work):
        return False
    try:
        backend.room(wait=context.runner.mode == "make")
    except MissingError as error:
        raise NoRoom(error) from error
    return True


def profile(
    context: Context, film: Film, backend: Drafter, face: ShotFace, stretches: Sequence[Stretch]
) -> tuple[Action, Make]:
    """`lipsync.profile`: measure the person in those stretches of one shot that may be drawn.

    Reads: the frames of the shot that may be drawn, and the face's tracks in its chunks.
    Leaves out: the dub and its language; when the source speaks; the face's name.

    Args:
        face: the person's.
        stretches: at least one, all of one shot.
    """
    shot = stretches[0].shot
    chunks = [index for index, chunk in enumerate(film.source.chunks) if chunk.shot == shot]

    def tracks() -> Iterator[tuple[npt.NDArray[np.int64], Faces]]:
        for index in chunks:
            for stretch in stretches:
                frames = stretch.frames.intersect(film.source.chunks[index].frames)
                if frames is not None:
                    yield np.arange(frames.start, frames.stop), film.faces(context, face, index, frames)

    def pictures(indices: Sequence[int]) -> Iterator[Planes]:
        for first, last in plan.joined([(index, index + 1) for index in indices], SEEK_FRAMES):
            for index, picture in enumerate(film.pictures(FrameRange(start=first, stop=last)), first):
                if index in indices:
                    yield picture

    def make(out: Out) -> None:
        from loc.media.arrays import save_arrays

        with contained("The person could not be measured."):
            measured = backend.profile(ShotView(film.source.video, tracks, pictures))
        out.bytes("profile", save_arrays(measured))

    action = Action(
        name="lipsync.profile",
        version=5,
        site=context.site(STAGE, f"face {face.name}"),
        inputs={
            "pictures": [film.key(stretch.frames) for stretch in stretches],
            "tracks": [film.tracks_key(face, index) for index in chunks],
            "chunks": [_span(film.source.chunks[index].frames) for index in chunks],
        },
        params={"video": film.source.video},
        backend=(backend.card.id, backend.card.version),
        programs={**backend.fingerprint(), **programs()},
    )
    return action, make


def draw(
    context: Context,
    film: Film,
    backend: Drafter,
    redraw: Redraw,
    person: Ref,
    clips: Sequence[Clip],
    run: FrameRange,
    lent: Sequence[Ref] = (),
    ready: Ready | None = None,
) -> tuple[Action, Make]:
    """`lipsync.draw`: the patches of one redraw.

    Reads: the frames of the redraw and how far each is drawn; the face's tracks in its chunk; the person's
        profile, and those of the same person in two other shots; the dry clips of this face that sound in it
        or less than 0.3 s from it, and their phones; for a backend that hears, clips less than 1 s from it,
        no phones, and no profiles of other shots; for one that prepares, what was prepared, no pictures
        and no tracks, and of the frames before that it asks for what was prepared and their clips; for one
        that looks beside what it draws, the face's tracks in the frames that it asks for, and their clips.
    Leaves out: the mix; text, language and speakers; the numbers of cut and chunk, and the face's name.

    Args:
        person: the profile.
        lent: profiles of the same person in other shots.
        ready: what a backend that prepares has prepared.
        clips: every clip of the dub that the face speaks; only those that sound in the redraw are read.
        run: the drawn frames of the cut that the redraw lies in, see `unbroken`.
    """
    reads = redraw.frames
    if ready is not None:
        reads = FrameRange(start=reads.start - ready.lead, stop=reads.stop)
    before, after = beside = _beside(film, backend, redraw, run)
    whole = FrameRange(start=min(reads.start, before.start), stop=after.stop)
    zero = int(film.edges[whole.start])
    near = clips_near(film, whole, clips, plan.HEARING if backend.hears else plan.REACH)
    lent = () if backend.hears else lent

    def make(out: Out) -> None:
        with contained("The mouth could not be drawn."):
            draw_patches(
                context,
                film,
                backend,
                redraw,
                person,
                near,
                out,
                lent=lent,
                ready=ready,
                reads=reads,
                run=run,
            )

    action = Action(
        name="lipsync.draw",
        version=5,
        site=context.site(STAGE, f"cut {redraw.cut + 1}, frame {redraw.frames.start}"),
        inputs={
            **_seen(film, redraw, ready),
            **({"beside": [film.tracks_over_key(redraw.face, one) for one in beside]} if any(beside) else {}),
            "times": digest_bytes(film.edges_of(whole).tobytes()),
            "profile": person,
            **({"lent": list(lent)} if lent else {}),
            "opacity": digest_bytes(redraw.opacity.tobytes()),
            "clips": [
                {"audio": clip.audio, "place": clip.place - zero}
                | ({} if backend.hears else {"phones": clip.phones})
                for clip in near
            ],
        },
        params={"video": film.source.video},
        backend=(backend.card.id, backend.card.version),
        programs={**backend.fingerprint(), **programs(), **(resampling() if backend.hears else {})},
    )
    return action, make


def unbroken(redraws: Sequence[Redraw]) -> list[FrameRange]:
    """The drawn frames of its cut that each redraw lies in, over joints of chunks."""
    parts: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for one in redraws:
        parts[one.cut].append((one.frames.start, one.frames.stop))
    whole = {cut: plan.joined(ranges, 0) for cut, ranges in parts.items()}
    return [
        FrameRange(start=start, stop=stop)
        for one in redraws
        for start, stop in whole[one.cut]
        if start <= one.frames.start < stop
    ]


def _beside(film: Film, backend: Drafter, redraw: Redraw, run: FrameRange) -> tuple[FrameRange, FrameRange]:
    """The drawn frames before and after a redraw that a backend looks at."""
    looks = backend.looks(film.source.video.average_rate) if isinstance(backend, Looking) else 0
    start, stop = redraw.frames.start, redraw.frames.stop
    return (
        FrameRange(start=max(run.start, start - looks), stop=start),
        FrameRange(start=stop, stop=min(run.stop, stop + looks)),
    )


def _seen(film: Film, redraw: Redraw, ready: Ready | None) -> dict[str, Any]:
    """What a redraw is drawn from, as it stands in its key."""
    if ready is None:
        return {
            "pictures": film.key(redraw.frames),
            "tracks": film.tracks_key(redraw.face, redraw.chunk),
        }
    seen: dict[str, Any] = {
        "prepared": {"arrays": ready.arrays, "at": [ready.offset, ready.offset + len(redraw.frames)]}
    }
    if ready.before is not None:
        seen["before"] = {"arrays": ready.before, "last": ready.lead}
    return seen


def clips_near(film: Film, frames: FrameRange, clips: Sequence[Clip], reach: int) -> list[Clip]:
    """The clips that sound in some frames, or less than `reach` samples from them."""
    start, stop = int(film.edges[frames.start]) - reach, int(film.edges[frames.stop]) + reach
    return [clip for clip in clips if clip.place < stop and clip.place + clip.samples > start]


def patch_track(film: Film, redraw: Redraw, made: Made) -> PatchTrack:
    """The patch track that a drawn redraw is."""
    return PatchTrack(
        chunk=redraw.chunk,
        face=redraw.face.name,
        offset=redraw.frames.start - film.source.chunks[redraw.chunk].frames.start,
        count=len(redraw.frames),
        width=int(made.detail["width"]),
        height=int(made.detail["height"]),
        pixels=made.ref("pixels"),
        placement=made.ref("placement"),
    )


def device_seconds(made: Made) -> float:
    """How long a device computed for a redraw, or to prepare a cut, when that was made; 0 where none was
    metered."""
    return float(made.detail.get("device_seconds", 0.0))


def metered(meter: Meter) -> dict[str, Any]:
    """What stands of a meter in the record of an action; nothing where no device computed."""
    return {"device": meter.device, "device_seconds": round(meter.seconds, 3)} if meter.seconds else {}


def draw_patches(
    context: Context,
    film: Film,
    backend: Drafter,
    redraw: Redraw,
    person: Ref | None,
    clips: Sequence[Clip],
    out: Out,
    *,
    lent: Sequence[Ref] = (),
    ready: Ready | None = None,
    reads: FrameRange | None = None,
    run: FrameRange | None = None,
    cut: FrameRange | None = None,
) -> None:
    """Have a redraw drawn, and put its pixels and placement out.

    Args:
        person: the profile; None for a backend that needs none.
        clips: those that the mouth follows.
        lent: profiles of the same person in other shots.
        ready: what was prepared: in place of pictures and tracks.
        reads: the frames that are read; None: those that are drawn.
        run: the drawn ones of the cut that they lie in; None: those that are drawn.
        cut: those of the whole cut.
    """
    from loc.media.arrays import load_arrays
    from loc.media.patches import save_placement, write_patches

    def arrays(ref: Ref | None) -> Mapping[str, npt.NDArray[Any]]:
        return {} if ref is None else load_arrays(context.store.open_object(ref))

    frames = redraw.frames
    reads = reads or frames
    before, after = _beside(film, backend, redraw, run or frames)
    planned = FrameRange(start=before.start, stop=after.stop)
    aperture, width = _still(len(planned)) if backend.hears else _mouth(context, film, planned, clips)
    own = slice(len(before), len(before) + len(frames))

    def looked_at(part: FrameRange, opening: npt.NDArray[np.float32]) -> Beside:
        return Beside(film.faces_over(context, redraw.face, part), opening) if part else Beside()

    window = RedrawWindow(
        video=film.source.video,
        points=film.faces_over(context, redraw.face, reads) if ready is None else no_points(),
        plan=MouthPlan(aperture=aperture[own], width=width[own], opacity=redraw.opacity),
        profile=arrays(person),
        lent=tuple(load_arrays(context.store.open_object(ref)) for ref in lent),
        pictures=lambda: film.pictures(reads) if ready is None else iter(()),
        first_frame=reads.start,
        drawn=frames,
        cut=cut or frames,
        heard=heard(context, film, reads, clips) if backend.hears else None,
        prepared=arrays(None if ready is None else ready.arrays),
        offset=0 if ready is None else ready.offset,
        before=arrays(None if ready is None else ready.before),
        run_in=looked_at(before, aperture[: own.start]),
        run_out=looked_at(after, aperture[own.stop :]),
    )
    placed = _Placed(lambda done: out.progress(done, len(frames)))
    write_patches(out.file("pixels", ".mkv"), placed.pixels(backend.draw(window)))
    out.bytes("placement", save_placement(placed.placement(redraw.opacity)))
    out.detail |= {"frames": len(frames), "width": placed.width, "height": placed.height}
    out.detail |= metered(window.meter)


def no_points() -> npt.NDArray[np.float32]:
    """Mesh points of no frames."""
    from loc.analysis.faces import POINT_COUNT

    return np.empty((0, POINT_COUNT, 2), dtype=np.float32)


def _mouth(
    context: Context, film: Film, frames: FrameRange, clips: Sequence[Clip]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Aperture and width of the mouth in some frames, as in `MouthPlan`."""
    zero = int(film.edges[frames.start])
    sounding = [
        plan.Sounding(
            phones=Phones.model_validate_json(context.store.read_bytes(clip.phones)),
            audio=decode_flac(context.store.read_bytes(clip.audio))[:, 0],
            place=clip.place - zero,
        )
        for clip in clips
    ]
    return plan.mouth(film.edges_of(frames), sounding)


def _still(count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The same of frames whose phones are not read: closed, neutral."""
    return np.zeros(count, dtype=np.float32), np.ones(count, dtype=np.float32)


def heard(context: Context, film: Film, frames: FrameRange, clips: Sequence[Clip]) -> Heard:
    """The clips where they sound, cut off where hearing ends."""
    import soxr

    first = int(film.edges[frames.start]) - plan.HEARING
    sound = np.zeros(int(film.edges[frames.stop]) + plan.HEARING - first, dtype=np.float32)
    for clip in clips:
        audio = decode_flac(context.store.read_bytes(clip.audio))[:, 0]
        place = clip.place - first
        start, stop = max(0, place), min(len(sound), place + len(audio))
        sound[start:stop] += audio[start - place : stop - place]
    middles = (film.times(frames) + plan.HEARING) * HEARD_RATE // SAMPLE_RATE
    return Heard(sound=soxr.resample(sound, SAMPLE_RATE, HEARD_RATE), middles=middles)


class _Placed:
    """Lets the pixels of patches through and keeps where they lie."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress
        self._patches: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float32], float]] = []
        self.width = self.height = 0

    def pixels(self, patches: Iterator[Patch]) -> Iterator[npt.NDArray[np.uint8]]:
        for patch in patches:
            self.height, self.width = patch.pixels.shape[:2]
            self._patches.append((patch.matrix, patch.polygon, patch.feather))
            if len(self._patches) % PROGRESS_FRAMES == 0:
                self._progress(len(self._patches))
            yield patch.pixels

    def placement(self, opacity: npt.NDArray[np.float32]) -> Placement:
        from loc.media.patches import Placement

        matrices, polygons, feathers = zip(*self._patches, strict=True)
        if len(matrices) != len(opacity):
            raise LocError("The backend drew another number of frames than it was given.")
        return Placement(
            matrix=np.stack(matrices),
            polygon=np.stack(polygons),
            feather=np.array(feathers, dtype=np.float32),
            opacity=opacity,
        )


@contextlib.contextmanager
def contained(what: str) -> Iterator[None]:
    """The boundary of a cut: what a backend raises costs that cut, not the run; but a full disk ends it."""
    try:
        yield
    except LocError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise LocError(what, why=f"{type(error).__name__}: {error}") from error


def programs() -> dict[str, str]:
    """What shapes the pictures, tracks and curves that a backend is given."""
    return {"decoder": decoder_fingerprint(), "scipy": packages.version("scipy")}


def resampling() -> dict[str, str]:
    """What shapes the sound that a backend is given."""
    return {"soxr": packages.version("soxr")}


def _span(frames: FrameRange) -> list[int]:
    return [frames.start, frames.stop]
