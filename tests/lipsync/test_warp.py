"""The warp renderer, on a drawn face whose lips are known, and its parts on their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from loc.analysis.faces import Faces, FaceTracker, face_scale, lip_aperture, places, track_range
from loc.artifacts import FrameRange, VideoStream
from loc.media.colour import to_rgb
from loc.media.compose import apply_patch
from loc.media.frames import Planes, first_look, read_frames, scan_frames
from loc.media.probe import probe_source
from loc.media.timeline import Timeline
from loc.settings import Settings
from stages.lipsync.contract import Patch, ShotView
from stages.lipsync.tracks import prepare
from stages.lipsync.warp import person, spline
from stages.lipsync.warp.anatomy import Sheet, face_frame
from stages.lipsync.warp.mouth import fields, gaps, move_mouth, width_factor
from stages.lipsync.warp.render import Person, draw_patch
from tests.presenter import Film

Curve = np.ndarray


class Scene:
    """A tracked film of one shot, and its measured person."""

    def __init__(self, film: Film) -> None:
        self.video: VideoStream = probe_source(film.path, Settings()).video
        scan = scan_frames(film.path, self.video)
        base = first_look(film.path, self.video.index).time_base
        timeline = Timeline(scan.pts, scan.key, base, scan.duration)
        frames = FrameRange(start=0, stop=timeline.count)
        self.faces = prepare(Faces.join(track_range(film.path, self.video, timeline, frames)))
        self.pictures = list(read_frames(film.path, self.video, timeline, frames))
        self.profile = person.measure(self.view())
        self.person: Person = person.load(self.profile)

    def view(self) -> ShotView:
        return ShotView(
            self.video,
            lambda: iter([(np.arange(len(self.faces)), self.faces)]),
            lambda index: self.pictures[index],
        )

    def patch(self, index: int, aperture: float, width: float = 1.0, who: Person | None = None) -> Patch:
        return draw_patch(
            self.pictures[index], self.video, self.faces.points[index], who or self.person, aperture, width
        )

    def drawn(self, index: int, aperture: float, width: float = 1.0, who: Person | None = None) -> Planes:
        patch = self.patch(index, aperture, width, who)
        return apply_patch(
            self.pictures[index], self.video, patch.pixels, patch.matrix, patch.polygon, patch.feather, 1.0
        )

    def measured(self, drawn: Callable[[int], Planes]) -> Curve:
        """Aperture of the lips in the drawn film, as the tracker sees it."""
        with FaceTracker(self.video) as tracker:
            seen = Faces.join(tracker.track(drawn(index), index) for index in range(len(self.faces)))
        return np.asarray(lip_aperture(seen.points.astype(np.float64)))


@pytest.fixture(scope="module")
def scene(short_film: Film) -> Scene:
    return Scene(short_film)


def test_a_field_passes_through_its_displacements() -> None:
    rng = np.random.default_rng(1)
    centres, wanted = rng.uniform(-1, 1, (30, 2)), rng.normal(0, 0.05, (30, 2))
    np.testing.assert_allclose(spline.fit(centres, wanted)(centres), wanted, atol=5e-3)


def test_a_field_of_an_affine_motion_is_that_motion() -> None:
    rng = np.random.default_rng(2)
    centres, at = rng.uniform(-1, 1, (20, 2)), rng.uniform(-1, 1, (50, 2))
    matrix, shift = rng.normal(0, 0.1, (2, 2)), np.array([0.1, -0.2])
    field = spline.fit(centres, centres @ matrix + shift)
    np.testing.assert_allclose(field(at), at @ matrix + shift, atol=1e-6)


def test_lips_open_to_the_wanted_gap_and_close(scene: Scene) -> None:
    face = face_frame(scene.faces.points[20].astype(np.float64), np.eye(2, 3))
    wide = move_mouth(face.points, 0.15, 1.0).moved
    assert wide.opening == pytest.approx(0.15, abs=0.02)
    open_frame = int(np.argmax(lip_aperture(scene.faces.points.astype(np.float64))))
    opened = face_frame(scene.faces.points[open_frame].astype(np.float64), np.eye(2, 3))
    assert gaps(opened.points).max() > 0.05
    shut = move_mouth(opened.points, 0.0, 1.0).moved
    np.testing.assert_allclose(shut.upper_inner[:, 1], shut.lower_inner[:, 1], atol=0.01)


def test_fields_leave_what_does_not_move(scene: Scene) -> None:
    face = face_frame(scene.faces.points[20].astype(np.float64), np.eye(2, 3))
    move = move_mouth(face.points, 0.15, 1.0)
    for field in fields(move):
        assert np.abs(field(move.still)).max() < 0.01
    _, lower = fields(move)
    np.testing.assert_allclose(
        move.moved.lower_outer + lower(move.moved.lower_outer), move.lips.lower_outer, atol=0.01
    )


def test_the_width_is_partly_followed_and_limited() -> None:
    assert width_factor(1.0, 0.6, 0.6) == pytest.approx(1.0)
    assert 0.82 <= width_factor(0.7, 0.6, 0.6) < 0.95
    assert width_factor(1.2, 0.9, 0.3) == 1.15


def test_the_profile_of_a_drawn_person(scene: Scene) -> None:
    who = scene.person
    assert 0.14 <= who.range <= 0.20
    assert who.bank is not None
    assert who.sheet.shrink == 1.0
    outline = scene.patch(20, 1.0).polygon
    assert outline.min() > 0
    assert (outline.max(axis=0) < [who.sheet.width, who.sheet.height]).all()


def test_measured_lips_follow_the_plan(scene: Scene) -> None:
    count = len(scene.faces)
    plan = (0.5 + 0.5 * np.cos(np.arange(count) * 2 * np.pi / 11)) ** 1.5
    measured = scene.measured(lambda index: scene.drawn(index, float(plan[index])))
    assert np.corrcoef(measured, plan)[0, 1] > 0.9
    source = lip_aperture(scene.faces.points.astype(np.float64))
    assert abs(np.corrcoef(source, plan)[0, 1]) < 0.5, "the plan is not the source's own"


def test_closed_lips_really_close(scene: Scene) -> None:
    measured = scene.measured(lambda index: scene.drawn(index, 0.0))
    points = scene.faces.points.astype(np.float64)
    corners = points[:, places((61, 291))]
    mouth = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=-1) / face_scale(points)
    assert np.mean(measured / mouth < 0.03) > 0.9


def test_a_patch_lies_on_the_pixel_grid_of_the_source(scene: Scene) -> None:
    matrix = scene.patch(3, 0.5).matrix
    np.testing.assert_array_equal(matrix[:, :2], np.eye(2))
    np.testing.assert_array_equal(matrix[:, 2], np.rint(matrix[:, 2]))


def test_a_mouth_that_stays_as_it_is_keeps_its_surroundings(scene: Scene) -> None:
    patch = scene.patch(0, 0.0)
    x, y = patch.matrix[:, 2].astype(int)
    height, width = patch.pixels.shape[:2]
    source = to_rgb(scene.pictures[0], scene.video, (x, y, x + width, y + height))
    difference = np.abs(patch.pixels.astype(int) - source.astype(int))
    # Frame 0 shows closed lips: cheeks and chin hardly move.
    assert np.median(difference) <= 1
    assert difference.mean() < 3


def test_the_same_frame_is_drawn_the_same(scene: Scene) -> None:
    first, second = scene.patch(15, 0.7, 0.9), scene.patch(15, 0.7, 0.9)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    np.testing.assert_array_equal(first.polygon, second.polygon)


def test_a_shrunk_patch_shows_the_same_in_the_same_place(scene: Scene) -> None:
    full = scene.person
    half = replace(full, sheet=Sheet(full.sheet.width // 2, full.sheet.height // 2, 0.5))
    whole, small = scene.drawn(12, 0.8), scene.drawn(12, 0.8, who=half)
    x0, y0, x1, y1 = scene.faces.box[12].astype(int)
    part = np.s_[y0:y1, x0:x1]
    changed = np.abs(whole.y[part].astype(int) - scene.pictures[12].y[part]).mean()
    apart = np.abs(whole.y[part].astype(int) - small.y[part]).mean()
    assert apart < 0.5 * changed + 1


def test_without_a_bank_a_cavity_is_drawn(scene: Scene) -> None:
    patch = scene.patch(0, 1.0, who=replace(scene.person, bank=None))
    banked = scene.patch(0, 1.0)
    assert (patch.pixels != banked.pixels).any()
    inner = scene.faces.points[0, places((13, 14))].mean(axis=0) - patch.matrix[:, 2]
    column, row = inner.round().astype(int)
    shown = patch.pixels[row : row + 8, column - 2 : column + 3]
    assert shown.mean(axis=(1, 2)).min() < 90, "the depth of the mouth is dark"


def test_a_mouth_at_the_edge_of_the_picture_can_be_drawn(scene: Scene) -> None:
    moved = scene.faces.points[10] + np.array([0, scene.video.height - scene.faces.box[10, 3] + 5])
    draw = partial(draw_patch, scene.pictures[10], scene.video, moved.astype(np.float32), scene.person)
    patch = draw(0.5, 1.0)
    assert patch.pixels.shape[:2] == (scene.person.sheet.height, scene.person.sheet.width)
