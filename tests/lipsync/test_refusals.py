"""Pictures of faces that are not to be drawn: they are refused as tracked, and the drawing fades outside."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from loc.analysis import occlusion
from loc.analysis.face_tracker import FaceTracker, follow
from loc.analysis.faces import LIP_OUTER_LOWER, LIP_OUTER_UPPER, NOSE, Faces, foremost, places
from loc.artifacts import SAMPLE_RATE, FrameRange, VideoStream
from loc.backend import Host
from loc.events import EventBus
from loc.media.frames import Plane, Planes
from loc.media.patches import load_placement
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Context, Job
from loc.store.keys import digest_file
from loc.store.workdir import WorkDir
from stages.ingest import stage as ingest
from stages.ingest.contract import Inputs as IngestInputs
from stages.lipsync import plan
from stages.lipsync.cuts import cut_shot
from stages.lipsync.route import MIN_CONFIDENCE, Situation, situations
from stages.lipsync.tracks import prepare
from stages.lipsync.warp import Warp
from tests.analysis.test_faces import Reel
from tests.lipsync.test_stage import FRAME, Rig, dub_of
from tests.occluders import TUNING, Passing, Placed, cover, lay_over
from tests.pictures import like
from tests.presenter import MINA, OTTO, Film, Said, Script, Shot, shoot
from tests.turned import turned

FRAMES = 16
"""Of each fixture."""
LIPS = places((*LIP_OUTER_UPPER, *LIP_OUTER_LOWER[-2:0:-1]))
_BRIDGE, _BASE = places((NOSE[0], NOSE[4]))


class Sitter:
    """The first frames of a film of one face, and where that is."""

    def __init__(self, path: Path) -> None:
        reel = Reel(path)
        self.video: VideoStream = reel.video
        self.pictures: Sequence[Planes] = reel.frames(0, FRAMES)
        faces = reel.track(0, 3)
        points = faces.points[2]
        self.scale = float(faces.size[2])
        self.centre = (points[_BRIDGE] + points[_BASE]) / 2

    def each(self, change: Callable[[Plane, int], Plane]) -> list[Planes]:
        """The pictures with their planes changed; also told how much smaller than luma a plane is."""
        return [Planes(change(p.y, 1), change(p.u, 2), change(p.v, 2)) for p in self.pictures]

    def resized(self, planes: Sequence[Planes]) -> VideoStream:
        height, width = planes[0].y.shape
        return self.video.model_copy(update={"width": width, "height": height})


@pytest.fixture(scope="module")
def mina(short_film: Film) -> Sitter:
    return Sitter(short_film.path)


@pytest.fixture(scope="module")
def otto(two_shot_film: Film, tmp_path_factory: pytest.TempPathFactory) -> Sitter:
    script = Script(
        (Said(OTTO, "Yes.", 0.3),), (Shot(0, "close", "plain", (OTTO,)),), size=(640, 360), music=False
    )
    return Sitter(shoot(script, tmp_path_factory.mktemp("otto") / "otto.mp4").path)


def shown(video: VideoStream, pictures: Iterator[Planes] | Sequence[Planes]) -> set[str]:
    """What the cuts of one shot show."""
    held = list(pictures)
    with FaceTracker(video) as tracker:
        faces = prepare(foremost(follow(tracker, held, 0), len(held)), video.average_rate)
    return {cut.situation.code for cut in cut_shot(0, 0, *judged(faces, video), video.average_rate)}


def judged(faces: Faces, video: VideoStream) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """(what the tracks tell of each frame, which have something before the mouth)."""
    shares = occlusion.covered(faces.mouth, occlusion.learn(faces.mouth))
    rate = video.average_rate
    return situations(faces, video.width, video.height, rate), occlusion.occluded(shares, rate)


def scaled(plane: Plane, factor: float) -> Plane:
    """A plane in another size, its sides even."""
    size = [max(2, 2 * round(side * factor / 2)) for side in plane.shape[::-1]]
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return like(plane, cv2.resize(plane, size, interpolation=way))


def test_faces_as_drawn_are_not_refused(mina: Sitter, otto: Sitter) -> None:
    for sitter in (mina, otto):
        assert shown(sitter.video, sitter.pictures) == {"one-face"}


def test_a_profile_is_refused(mina: Sitter, otto: Sitter) -> None:
    for sitter, yaw in ((mina, 62), (otto, -62)):
        pictures = [turned(p, sitter.centre, sitter.scale, yaw=yaw) for p in sitter.pictures]
        assert shown(sitter.video, pictures) == {"profile"}


def test_a_face_turned_down_is_refused(mina: Sitter) -> None:
    pictures = [turned(p, mina.centre, mina.scale, down=50) for p in mina.pictures]
    assert shown(mina.video, pictures) == {"looking-down"}


def test_a_face_turned_up_is_refused(otto: Sitter) -> None:
    pictures = [turned(p, otto.centre, otto.scale, down=-58) for p in otto.pictures]
    assert shown(otto.video, pictures) == {"looking-up"}


def test_a_head_turned_a_little_is_not_refused(mina: Sitter) -> None:
    for angles in ({"yaw": 30.0}, {"yaw": -30.0}, {"down": 20.0}, {"down": -25.0}):
        pictures = [turned(p, mina.centre, mina.scale, **angles) for p in mina.pictures]
        assert shown(mina.video, pictures) == {"one-face"}, angles


def test_a_tiny_face_is_refused(mina: Sitter) -> None:
    pictures = mina.each(lambda plane, step: scaled(plane, 26 / mina.scale))
    assert shown(mina.resized(pictures), pictures) == {"too-small"}


def test_a_huge_face_is_refused(mina: Sitter) -> None:
    x, y = (int(value - 1.5 * mina.scale) & ~3 for value in mina.centre)
    side, factor = int(3 * mina.scale) & ~3, 1060 / mina.scale
    pictures = mina.each(
        lambda plane, step: scaled(
            plane[y // step : (y + side) // step, x // step : (x + side) // step], factor
        )
    )[:4]
    assert shown(mina.resized(pictures), pictures) == {"too-large"}


def test_a_blurred_face_is_refused(mina: Sitter) -> None:
    def blurred(width: float) -> list[Planes]:
        return mina.each(
            lambda plane, step: like(plane, cv2.GaussianBlur(plane, (0, 0), width * mina.scale / step))
        )

    assert shown(mina.video, blurred(0.065)) == {"blurred"}
    assert shown(mina.video, blurred(0.03)) == {"one-face"}


def test_a_face_that_the_detector_does_not_know_is_refused(mina: Sitter) -> None:
    """The mesh follows a head that turns upside down; the detector does not. One look of it may fail, so a
    face counts as known for half a second after the last frame it confirmed: so much is drawn, no more."""

    def rolled(planes: Planes, angle: float) -> Planes:
        def plane_of(plane: Plane, step: int) -> Plane:
            matrix = cv2.getRotationMatrix2D((mina.centre / step).tolist(), angle, 1.0)
            moved = cv2.warpAffine(plane, matrix, plane.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
            return like(plane, moved)

        return Planes(plane_of(planes.y, 1), plane_of(planes.u, 2), plane_of(planes.v, 2))

    turning = [rolled(mina.pictures[0], angle) for angle in range(0, 161, 8)]
    still = [rolled(mina.pictures[0], 160)] * 40
    held = [*turning, *still]
    with FaceTracker(mina.video) as tracker:
        faces = prepare(foremost(follow(tracker, held, 0), len(held)), mina.video.average_rate)
    cuts = cut_shot(0, 0, *judged(faces, mina.video), mina.video.average_rate)
    assert [cut.situation.code for cut in cuts] == ["one-face", "low-confidence"]
    known = int(np.flatnonzero(faces.confidence >= MIN_CONFIDENCE).max()) + 1
    assert known <= len(turning) + 12, "its first look at the still head, or the one before"
    assert cuts[-1].frames == FrameRange(start=known + 12, stop=len(held))


def test_every_refusal_fades_outside_itself() -> None:
    """Drawn frames next to one that is refused are still the source's, and the mouth comes in from there."""
    edges = np.arange(61, dtype=np.int64) * FRAME
    for situation in Situation:
        if situation is Situation.ONE_FACE:
            continue
        seen = np.zeros(60, dtype=np.int8)
        seen[20:40] = situation
        first, refused, last = cut_shot(0, 0, seen, np.zeros(60, dtype=bool), Fraction(25))
        assert (refused.situation, refused.frames) == (situation, FrameRange(start=20, stop=40))
        for cut in (first, last):
            drawn = plan.opacity(
                plan.frame_times(edges[cut.frames.start : cut.frames.stop + 1]),
                [(0, 60 * FRAME)],
                fade_in=cut.frames.start > 0,
                fade_out=cut.frames.stop < 60,
            )
            beside = drawn[::-1] if cut is first else drawn
            assert beside[:3] == pytest.approx([0, 0.5, 1])
            assert (beside[3:] == 1).all()


@pytest.fixture(scope="module")
def waved_at(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, npt.NDArray[np.float64]]:
    """A film of a speaker before whose mouth a hand passes; the share of the lips it covers in each frame."""
    folder = tmp_path_factory.mktemp("waved")
    script = Script(
        (Said(MINA, "My mum baked apple pie for everybody in the house.", 0.3),),
        (Shot(0, "close", "plain"),),
        size=(640, 360),
        music=False,
    )
    film = shoot(script, folder / "film.mp4")
    reel = Reel(film.path)
    count = reel.timeline.count
    faces = reel.track(0, count)
    passing, covers = Passing(TUNING[0], start=22, hold=14), []
    size = f"{reel.video.width}x{reel.video.height}"
    target = folder / "waved.mp4"
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "yuv420p",
        "-s",
        size,
        "-r",
        "25",
        "-i",
        "-",
    ]
    command += [
        "-i",
        str(film.path),
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-c:v",
        "libx264",
        "-crf",
        "16",
        str(target),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        for index, planes in enumerate(reel.frames(0, count)):
            lips = faces.points[index, LIPS]
            face = Placed(lips.mean(axis=0).astype(np.float64), float(faces.size[index]))
            shown, alpha = lay_over(planes, reel.video, [passing], index, face, MINA.skin)
            covers.append(cover(alpha, lips))
            for plane in (shown.y, shown.u, shown.v):
                encoder.stdin.write(plane.tobytes())
    assert encoder.returncode == 0
    return target, np.array(covers)


def test_a_hand_that_passes_gets_no_mouth(
    waved_at: tuple[Path, npt.NDArray[np.float64]], tmp_path: Path
) -> None:
    path, covers = waved_at
    store = WorkDir(tmp_path / "store")
    runner = Runner(store, EventBus(), run="test")
    job = Job(path, digest_file(path), path.stat().st_size, ("es",), "en")
    source = ingest.run(Context(runner=runner, settings=Settings(), job=job, backend=_none), IngestInputs())
    runner.close()
    rig = Rig(store, source, path, Warp(Host(Settings(), tmp_path)))
    length = len(covers) * FRAME
    clip = rig.clip(0, "ama" * (length // (3 * SAMPLE_RATE // 10) + 1))
    made = rig.run(dub_of(clip))
    for each in rig.runners:
        each.close()
    routes = [(cut.route, [reason.code for reason in cut.reasons]) for cut in made.cuts]
    assert routes == [("draft", []), ("passthrough", ["occluded"]), ("draft", [])]
    hidden = made.cuts[1].frames
    over = np.flatnonzero(covers >= 0.25)
    assert hidden.start <= over[0]
    assert hidden.stop > over[-1]
    assert len(hidden) < len(over) + 16, "the rest of the film is drawn"
    opacity = np.zeros(len(covers))
    for track in made.patches:
        start = source.chunks[track.chunk].frames.start + track.offset
        opacity[start : start + track.count] = load_placement(store.open_object(track.placement)).opacity
    assert (opacity[hidden.start - 1 : hidden.stop + 1] == 0).all()
    assert opacity[hidden.start - 4] == opacity[hidden.stop + 3] == 1
    assert 0 < opacity[hidden.start - 2] < 1
    assert 0 < opacity[hidden.stop + 1] < 1


def _none(_stage: str, _language: str | None) -> Warp:
    raise AssertionError("ingest asks for no backend")
