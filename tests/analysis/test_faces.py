"""The face tracker on drawn films, whose faces are known."""

from __future__ import annotations

import io
import os
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from loc.analysis.face_tracker import (
    PROMINENCE,
    Detection,
    FaceTracker,
    context_frames,
    follow,
    track_faces,
    track_range,
)
from loc.analysis.faces import (
    Faces,
    face_scale,
    foremost,
    lip_aperture,
    places,
    read_faces,
    save_faces,
    transform,
    upright_transform,
)
from loc.artifacts import Chunk, FrameRange, FrameTable, Ref, Source, VideoStream
from loc.media.frames import Planes, first_look, read_frames, scan_frames
from loc.media.probe import probe_source
from loc.runner import Runner, Site
from loc.settings import Settings
from tests.pictures import like
from tests.presenter import SHORT_PAIR, Film, Truth, render
from tests.streams import video_stream

CONTEXT = context_frames(Fraction(25))


class Reel:
    """A film opened for reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.video: VideoStream = probe_source(path, Settings()).video
        scan = scan_frames(path, self.video)
        base = first_look(path, self.video.index).time_base
        self.timeline = scan.timeline(base)

    def frames(self, start: int, stop: int) -> list[Planes]:
        return list(read_frames(self.path, self.video, self.timeline, FrameRange(start=start, stop=stop)))

    def track(self, start: int, stop: int) -> Faces:
        [face] = self.track_all(start, stop)
        return face

    def track_all(self, start: int, stop: int) -> tuple[Faces, ...]:
        return track_range(self.path, self.video, self.timeline, FrameRange(start=start, stop=stop))


def tracked(video: VideoStream, pictures: list[Planes]) -> Faces:
    with FaceTracker(video) as tracker:
        return foremost(follow(tracker, pictures, 0), len(pictures))


def blank(picture: Planes) -> Planes:
    """A grey picture of the same size."""
    return Planes(np.full_like(picture.y, 90), np.full_like(picture.u, 128), np.full_like(picture.v, 128))


@pytest.fixture(scope="module")
def reel(short_film: Film) -> Reel:
    return Reel(short_film.path)


@pytest.fixture(scope="module")
def tracks(reel: Reel) -> Faces:
    return reel.track(0, reel.timeline.count)


def test_the_face_is_found_where_it_was_drawn(tracks: Faces, short_film: Film) -> None:
    (face,) = short_film.truth.faces
    boxes = np.array(face.box)
    assert tracks.found.all()
    middle = tracks.points.mean(axis=1)
    assert ((middle > boxes[:, :2]) & (middle < boxes[:, 2:])).all()
    assert (tracks.rival == 0).all()
    assert tracks.confidence.min() > 0.5
    assert np.abs(tracks.pose).max() < 30


def test_aperture_follows_the_drawn_lips(tracks: Faces, short_film: Film) -> None:
    (face,) = short_film.truth.faces
    measured = lip_aperture(tracks.points.astype(np.float64))
    assert np.corrcoef(measured, face.gap)[0, 1] > 0.9


def test_tracking_again_gives_the_same_numbers(reel: Reel, tracks: Faces) -> None:
    again = reel.track(0, 20)
    np.testing.assert_array_equal(again.points, tracks.points[:20])
    np.testing.assert_array_equal(again.confidence, tracks.confidence[:20])


def test_tracks_agree_where_chunks_join(reel: Reel, tracks: Faces) -> None:
    joint = 24
    later = reel.track(joint - CONTEXT, reel.timeline.count)[CONTEXT:]
    apart = np.linalg.norm(later.points - tracks.points[joint:], axis=-1)
    assert np.median(apart) < 0.01 * np.median(tracks.size)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_picture_that_lies_on_its_side_is_tracked_upright(reel: Reel, rotation: int) -> None:
    upright = reel.frames(0, 12)
    # A player turns by `rotation` counter-clockwise, so what is coded is turned clockwise.
    coded = [Planes(*(like(p, np.rot90(p, -rotation // 90)) for p in (f.y, f.u, f.v))) for f in upright]
    height, width = coded[0].y.shape
    video = reel.video.model_copy(update={"width": width, "height": height, "rotation": rotation})
    straight, turned = tracked(reel.video, upright), tracked(video, coded)
    shown = transform(turned.points.astype(np.float64), upright_transform(video))
    assert np.abs(shown - straight.points)[4:].mean() < 0.5
    np.testing.assert_allclose(turned.size, straight.size, rtol=0.02)


def test_pixels_that_are_not_square_are_seen_square(reel: Reel) -> None:
    upright = reel.frames(0, 8)
    squeezed = [Planes(*(np.ascontiguousarray(p[:, ::2]) for p in (f.y, f.u, f.v))) for f in upright]
    video = reel.video.model_copy(update={"width": reel.video.width // 2, "sample_aspect": Fraction(2)})
    straight, seen = tracked(reel.video, upright), tracked(video, squeezed)
    assert seen.found.all()
    np.testing.assert_allclose(seen.size, straight.size, rtol=0.05)
    np.testing.assert_allclose(seen.points[..., 0] * 2, straight.points[..., 0], atol=4)


def test_upright_corners() -> None:
    video = video_stream(width=40, height=30)
    for rotation, corner in ((0, (0, 0)), (90, (0, 39)), (180, (39, 29)), (270, (29, 0))):
        turned = video.model_copy(update={"rotation": rotation})
        np.testing.assert_allclose(transform(np.zeros(2), upright_transform(turned)), corner)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reel, Truth]:
    path = tmp_path_factory.mktemp("pair") / "pair.mp4"
    truth = render(SHORT_PAIR, path)
    return Reel(path), truth


def test_two_faces_are_followed_each_in_its_place(pair: tuple[Reel, Truth]) -> None:
    reel, truth = pair
    faces = reel.track_all(0, reel.timeline.count)
    assert len(faces) == 2
    for face in faces:
        assert face.found.all()
        assert (face.rival == 0).all()
        assert face.confidence.min() > 0.5
        middle = face.points.mean(axis=1)
        inside = [
            ((middle > np.array(drawn.box)[:, :2]) & (middle < np.array(drawn.box)[:, 2:])).all()
            for drawn in truth.faces
        ]
        assert sum(inside) == 1
    assert np.abs(faces[0].points - faces[1].points).mean() > faces[0].size.mean()


def test_the_second_face_does_not_change_the_first(pair: tuple[Reel, Truth]) -> None:
    reel, _ = pair
    pictures = reel.frames(0, 20)
    both = np.mean([face.box[0] for face in reel.track_all(0, 1)], axis=0)
    middle = int(both[[0, 2]].mean()) // 2 * 2
    alone = [covered(picture, middle) for picture in pictures]
    left = min(reel.track_all(0, 20), key=lambda face: face.box[0, 0])
    np.testing.assert_allclose(tracked(reel.video, alone).points, left.points, atol=0.05 * left.size.mean())


def covered(picture: Planes, column: int) -> Planes:
    """A picture that is grey right of a column."""
    planes = []
    for plane, grey in ((picture.y, 90), (picture.u, 128), (picture.v, 128)):
        part = plane.copy()
        part[:, column * plane.shape[1] // picture.y.shape[1] :] = grey
        planes.append(part)
    return Planes(*planes)


def test_a_face_that_leaves_and_returns_in_its_place_is_one_track(pair: tuple[Reel, Truth]) -> None:
    reel, _ = pair
    pictures = reel.frames(0, 30)
    both = np.mean([face.box[0] for face in reel.track_all(0, 1)], axis=0)
    middle = int(both[[0, 2]].mean()) // 2 * 2
    for index in range(8, 18):
        pictures[index] = covered(pictures[index], middle)
    with FaceTracker(reel.video) as tracker:
        faces = follow(tracker, pictures, 0)
    assert len(faces) == 2
    left, right = sorted(faces, key=lambda face: np.nanmin(face.box[:, 0]))
    assert left.found.all()
    assert not right.found[8:18].any()
    assert right.found[21:].all()


class Crowded(FaceTracker):
    """Sees one more face, of a share of the largest one's side, in the upper left corner."""

    share = 0.0

    def _detect(self, planes: Planes) -> list[Detection]:
        found = super()._detect(planes)
        side = max(detection.side for detection in found)
        return [*found, Detection(np.array([60.0, 60.0]), self.share * side, 0.9)]


def test_a_small_face_in_the_background_is_not_followed(reel: Reel) -> None:
    with Crowded(reel.video) as tracker:
        tracker.share = 0.9 * PROMINENCE
        [face] = follow(tracker, reel.frames(0, 6), 0)
    assert face.rival == pytest.approx(0.9 * PROMINENCE, rel=0.01)


def test_a_large_face_that_no_mesh_settles_on_is_a_rival(reel: Reel) -> None:
    with Crowded(reel.video) as tracker:
        tracker.share = 0.8
        [face] = follow(tracker, reel.frames(0, 6), 0)
    assert face.rival == pytest.approx(0.8, rel=0.01)


def test_tracks_are_kept_whole_even_when_there_are_none() -> None:
    held = np.load(io.BytesIO(save_faces((), 7)), allow_pickle=False)
    assert held["points"].shape[:2] == (0, 7)
    assert len(foremost((), 7)) == 7
    assert not foremost((), 7).found.any()


def test_an_empty_picture_has_no_face(reel: Reel) -> None:
    nothing = tracked(reel.video, [blank(picture) for picture in reel.frames(0, 4)])
    assert not nothing.found.any()
    assert np.isnan(nothing.points).all()


def test_a_face_that_returns_is_picked_up(reel: Reel) -> None:
    pictures = reel.frames(0, 20)
    for index in range(5, 10):
        pictures[index] = blank(pictures[index])
    seen = tracked(reel.video, pictures)
    assert seen.found[:5].all()
    assert not seen.found[5:10].any()
    assert seen.found[13:].all()


class Looking(FaceTracker):
    """Counts its looks at the whole picture."""

    looks = 0

    def _detect(self, planes: Planes) -> list[Detection]:
        self.looks += 1
        return super()._detect(planes)


@pytest.mark.parametrize(("rate", "looks"), [(10, 5), (25, 3), (60, 1)])
def test_the_whole_picture_is_looked_at_every_half_second(reel: Reel, rate: int, looks: int) -> None:
    video = reel.video.model_copy(update={"average_rate": Fraction(rate)})
    with Looking(video) as tracker:
        found = follow(tracker, reel.frames(0, 25), 0)
        assert tracker.looks == looks
    assert foremost(found, 25).found.all()


@pytest.mark.parametrize(("rate", "context"), [(10, 12), (25, 12), (60, 30)])
def test_chunks_are_read_half_a_second_further_and_at_least_until_the_mesh_settles(
    rate: int, context: int
) -> None:
    assert context_frames(Fraction(rate)) == context


def test_the_networks_say_nothing(reel: Reel, capfd: pytest.CaptureFixture[str]) -> None:
    with FaceTracker(reel.video) as tracker:
        for index, planes in enumerate(reel.frames(0, 3)):
            tracker.track(planes, index)
        sys.stderr.write("ours\n")
        os.write(2, b"raw\n")
    assert capfd.readouterr().err == "ours\nraw\n"


def test_every_chunk_is_an_action_that_is_made_once(reel: Reel, runner: Runner) -> None:
    count = reel.timeline.count
    source = Source(
        digest="0" * 64,
        size=1,
        container="mp4",
        video=reel.video,
        audio=(),
        chosen_audio=None,
        frames=FrameTable(count=count, table=Ref(sha256="0" * 64, size=0), duration=1),
        shots=(FrameRange(start=0, stop=count),),
        chunks=(
            Chunk(shot=0, frames=FrameRange(start=0, stop=20)),
            Chunk(shot=0, frames=FrameRange(start=20, stop=count)),
        ),
        sound_start=Fraction(0),
        master=None,
        samples=1,
    )
    first = track_faces(runner, Site("lipsync"), source, reel.path, reel.timeline)
    assert [chunk.frames.start for chunk in first.chunks] == [0, 20 - CONTEXT]
    assert [chunk.frames.stop for chunk in first.chunks] == [20 + CONTEXT, count]
    [face] = read_faces(runner.store, first.chunks[1])
    assert len(face) == count - 20 + CONTEXT
    assert runner.misses == 2
    assert track_faces(runner, Site("lipsync"), source, reel.path, reel.timeline) == first
    assert (runner.hits, runner.misses) == (2, 2)


def test_scale_and_aperture_do_not_depend_on_size(tracks: Faces) -> None:
    points = tracks.points[5].astype(np.float64)
    assert face_scale(points * 3) == pytest.approx(3 * face_scale(points))
    assert lip_aperture(points * 3) == pytest.approx(lip_aperture(points))
    assert tracks.size[5] == pytest.approx(face_scale(points), rel=1e-4)


def test_places_follow_the_order_asked_for() -> None:
    there, back = places((13, 14)), places((14, 13))
    assert there.tolist() == back.tolist()[::-1]


def test_real_faces_are_never_lost(clips: Path) -> None:
    reel = Reel(clips / "address.mp4")
    assert reel.track(0, 60).found.all()
