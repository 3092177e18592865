"""The warp renderer, on a drawn face whose lips are known, and its parts on their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from loc.analysis.face_tracker import FaceTracker, follow, track_range
from loc.analysis.faces import face_scale, foremost, lip_aperture, places
from loc.artifacts import FrameRange, VideoStream
from loc.backend import Host
from loc.media.colour import to_rgb
from loc.media.compose import apply_patch
from loc.media.frames import Planes, first_look, read_frames, scan_frames
from loc.media.probe import probe_source
from loc.settings import Settings
from stages.lipsync.contract import Beside, MouthPlan, Patch, RedrawWindow, ShotView
from stages.lipsync.tracks import prepare
from stages.lipsync.warp import Warp, person, spline
from stages.lipsync.warp.anatomy import FaceFrame, Sheet, face_frame, gaps, laid_on, pose_of
from stages.lipsync.warp.mouth import fields, mouth_of, own_move, speak, width_factor
from stages.lipsync.warp.recall import Choice, choose, kept_on_chin, matched, recall, recall_mask
from stages.lipsync.warp.render import Person, choices, draw_patch
from stages.lipsync.warp.views import View, Weighed, nearest
from tests.pictures import like
from tests.presenter import Film

Floats = npt.NDArray[np.float64]


class Scene:
    """A tracked film of one shot, and its measured person."""

    def __init__(self, film: Film) -> None:
        self.video: VideoStream = probe_source(film.path, Settings()).video
        scan = scan_frames(film.path, self.video)
        base = first_look(film.path, self.video.index).time_base
        timeline = scan.timeline(base)
        frames = FrameRange(start=0, stop=timeline.count)
        self.faces = prepare(
            foremost(track_range(film.path, self.video, timeline, frames), len(frames)),
            self.video.average_rate,
        )
        self.pictures = list(read_frames(film.path, self.video, timeline, frames))
        self.profile = person.measure(self.view())
        self.person: Person = person.load(self.profile)

    def view(self) -> ShotView:
        return ShotView(
            self.video,
            lambda: iter([(np.arange(len(self.faces)), self.faces)]),
            lambda indices: (self.pictures[index] for index in indices),
        )

    def face(self, index: int) -> FaceFrame:
        return face_frame(self.faces.points[index].astype(np.float64), np.eye(2, 3))

    @property
    def widest(self) -> int:
        return int(np.argmax(lip_aperture(self.faces.points.astype(np.float64))))

    def patch(self, index: int, aperture: float, width: float = 1.0, who: Person | None = None) -> Patch:
        who = who or self.person
        points = self.faces.points[index]
        (choice,) = choices(points[None], self.video, who, np.array([aperture], dtype=np.float32))
        return draw_patch(self.pictures[index], self.video, points, who, aperture, width, choice)

    def drawn(self, index: int, aperture: float, width: float = 1.0, who: Person | None = None) -> Planes:
        patch = self.patch(index, aperture, width, who)
        return apply_patch(
            self.pictures[index], self.video, patch.pixels, patch.matrix, patch.polygon, patch.feather, 1.0
        )

    def measured(self, drawn: Callable[[int], Planes]) -> Floats:
        """Aperture of the lips in the drawn film, as the tracker sees it."""
        with FaceTracker(self.video) as tracker:
            count = len(self.faces)
            seen = foremost(follow(tracker, map(drawn, range(count)), 0), count)
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
    _, wide = speak(scene.face(20).points, 0.15, 1.0)
    assert wide.opening == pytest.approx(0.15, abs=0.02)
    opened = scene.face(scene.widest)
    assert gaps(opened.points).max() > 0.05
    _, shut = speak(opened.points, 0.0, 1.0)
    np.testing.assert_allclose(shut.upper_inner[:, 1], shut.lower_inner[:, 1], atol=0.01)


def test_fields_leave_what_does_not_move(scene: Scene) -> None:
    points = scene.face(20).points
    move = own_move(points, *speak(points, 0.15, 1.0))
    for field in fields(move):
        assert np.abs(field(move.still_after)).max() < 0.01
    _, lower = fields(move)
    np.testing.assert_allclose(
        move.after.lower_outer + lower(move.after.lower_outer), move.before.lower_outer, atol=0.01
    )


def test_cheeks_follow_the_chin_and_the_corners(scene: Scene) -> None:
    points = scene.face(20).points
    before, opened = speak(points, 0.15, 1.0)
    drop = (opened.cheeks - before.cheeks)[:, 1]
    assert (drop > 0.005).all()
    assert (drop < (opened.jaw - before.jaw)[:, 1].max()).all()
    _, rounded = speak(points, 0.0, 0.85)
    left, right = (rounded.cheeks - mouth_of(points).cheeks)[:, 0]
    assert min(left, -right) > 0.005, "both cheeks move inwards"


def test_a_chin_rises_less_than_the_mouth_closes_and_never_far(scene: Scene) -> None:
    points = scene.face(scene.widest).points.copy()
    rises = []
    for further in (0.0, 0.2, 0.6):
        lowered = points.copy()
        lowered[places((95, 88, 178, 87, 14, 317, 402, 318, 324))] += [0, further]
        before, shut = speak(lowered, 0.0, 1.0)
        rises.append(float((before.jaw - shut.jaw)[:, 1].max()))
    assert 0 < rises[0] < rises[1] < rises[2] <= 0.2


def test_faces_of_one_pose_lie_on_each_other(scene: Scene) -> None:
    points = scene.face(20).points
    turned = points @ np.array([[0.9, 0.02], [-0.03, 1.05]]) + np.array([0.1, -0.2])
    affine = laid_on(points, turned)
    np.testing.assert_allclose(points @ affine[:, :2].T + affine[:, 2], turned, atol=1e-9)


def view_of(points: Floats, skin: float = 120.0) -> View:
    return View(np.zeros((4, 4, 3), dtype=np.uint8), np.eye(2, 3), points, np.full(3, skin, dtype=np.float32))


def test_the_view_of_the_nearest_pose_and_light_is_taken(scene: Scene) -> None:
    points = scene.face(20).points
    skin = np.full(3, 120, dtype=np.float32)
    tip = int(places((1,))[0])
    turned = points.copy()
    turned[tip] += [0.3, 0]
    assert np.linalg.norm(pose_of(turned) - pose_of(points)) > 0.2
    near, far, dark = view_of(points), view_of(turned), view_of(points, 30.0)
    assert [one.view for one in nearest([far, dark, near], points, skin)] == [near]
    assert [one.view for one in nearest([far, dark, near], points, skin / 4)] == [dark]
    assert nearest([], points, skin) == []


def test_the_weight_of_views_changes_smoothly_as_a_head_turns(scene: Scene) -> None:
    points = scene.face(20).points
    tip = int(places((1,))[0])
    views = []
    for shift in (0.0, 0.06, 0.12):
        moved = points.copy()
        moved[tip] += [shift, 0]
        views.append(view_of(moved))
    weights = []
    for step in np.linspace(0, 0.12, 60):
        moved = points.copy()
        moved[tip] += [step, 0]
        found = nearest(views, moved, np.full(3, 120, dtype=np.float32))
        assert sum(one.weight for one in found) == pytest.approx(1)
        weights.append([sum(one.weight for one in found if one.view is view) for view in views])
    assert np.abs(np.diff(weights, axis=0)).max() < 0.15
    assert min(weights[0][0], weights[-1][2]) > 0.9


@pytest.mark.parametrize("count", [3, 50, 200, 500])
def test_one_frame_gone_wrong_changes_no_patch_size(count: int) -> None:
    extent, scale = np.full((count, 2), 500.0), np.full(count, 250.0)
    whole = person._sheet(extent, scale)
    extent[count // 2] *= 4
    assert person._sheet(extent, scale) == whole


def opened_by(points: Floats, gap: float) -> Floats:
    opened = points.copy()
    opened[places((95, 88, 178, 87, 14, 317, 402, 318, 324))] += [0, gap]
    return opened


def test_views_serve_where_they_are_much_nearer_only(scene: Scene) -> None:
    shut = scene.face(0).points
    wide = opened_by(shut, 0.3)
    views = [view_of(shut)]

    def shares(face: Floats, opening: float, of: list[View]) -> list[float]:
        return [one.share for one in choose([face] * 9, np.full(9, opening), of, 25)]

    assert shares(wide, 0.0, views) == pytest.approx([1.0] * 9)
    assert shares(wide, 0.28, views) == [0.0] * 9, "it opens nearly as wide as it is"
    assert shares(shut, 0.15, views) == [0.0] * 9, "it is shut itself"
    assert shares(wide, 0.0, []) == [0.0] * 9
    turned = wide.copy()
    turned[places((1,))] += [0.4, 0]
    assert shares(turned, 0.0, views) == [0.0] * 9, "it was never seen from that side"
    half = view_of(opened_by(shut, 0.12))
    for opening, nearer in ((0.0, views[0]), (float(gaps(half.points).max()), half)):
        (chosen,) = choose([wide], np.array([opening]), [half, *views], 25)
        assert [one.view for one in chosen.views] == [nearer]


@pytest.mark.parametrize("rate", [25, 50])
def test_the_choice_of_views_is_smooth_in_time(scene: Scene, rate: int) -> None:
    shut = scene.face(0).points
    wide = opened_by(shut, 0.3)
    times = np.arange(60 * rate // 50) / rate
    openings = np.where((times > 0.55) & (times < 0.65), 0, 0.28)
    share = np.array([one.share for one in choose([wide] * len(times), openings, [view_of(shut)], rate)])
    assert share[openings == 0].min() > 0.7
    assert np.abs(np.diff(share)).max() * rate < 9
    assert share[times < 0.3].max() == 0


def test_a_mouth_is_drawn_over_a_joint_as_without_one(scene: Scene, tmp_path: Path) -> None:
    """Closed throughout, cut in two where views begin or cease to serve."""
    warp = Warp(Host(Settings(), tmp_path))
    count, looks = len(scene.faces), warp.looks(scene.video.average_rate)
    points, closed = scene.faces.points, np.zeros(count, dtype=np.float32)
    share = np.array([one.share for one in choices(points, scene.video, scene.person, closed)])
    joint = int(np.abs(np.diff(share)).argmax()) + 1
    assert 0 < looks < joint < count - looks

    def drawn(start: int, stop: int, looks: int = 0) -> list[Patch]:
        before, after = slice(max(0, start - looks), start), slice(stop, min(count, stop + looks))
        plan = MouthPlan(closed[start:stop], closed[start:stop] + 1, closed[start:stop] + 1)
        window = RedrawWindow(
            video=scene.video,
            points=points[start:stop],
            plan=plan,
            profile=scene.profile,
            pictures=lambda: iter(scene.pictures[start:stop]),
            first_frame=start,
            drawn=FrameRange(start=start, stop=stop),
            cut=FrameRange(start=0, stop=count),
            run_in=Beside(points[before], closed[before]),
            run_out=Beside(points[after], closed[after]),
        )
        return list(warp.draw(window))

    whole = drawn(0, count)
    parts = [*drawn(0, joint, looks), *drawn(joint, count, looks)]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
    alone = [*drawn(0, joint), *drawn(joint, count)]
    at = slice(joint - 1, joint + 1)
    assert any((a.pixels != b.pixels).any() for a, b in zip(whole[at], alone[at], strict=True))


def test_the_recalled_mouth_is_opened_as_wanted_and_keeps_the_jaw_line(scene: Scene) -> None:
    shut = scene.face(0).points
    wide = opened_by(shut, 0.3)
    whole = Choice(1.0, (Weighed(view_of(shut), 1.0),))
    for opening in (0.0, 0.08):
        far = recall(wide, opening, 1.0, 0.6, whole)
        assert far is not None
        assert far.after.opening == pytest.approx(opening, abs=0.015)
        _, own = speak(wide, opening, 1.0)
        np.testing.assert_array_equal(kept_on_chin(far.after, own).jaw, own.jaw)
    assert recall(wide, 0.0, 1.0, 0.6, replace(whole, share=0.0)) is None


def test_colours_are_matched_from_the_edge_inwards() -> None:
    face = np.zeros((120, 120), dtype=np.float32)
    face[20:100, 20:100] = 1
    mask = np.asarray(cv2.GaussianBlur(face, (0, 0), 8), dtype=np.float32)
    rng = np.random.default_rng(3)
    own = (120 + rng.normal(0, 4, (120, 120, 3))).astype(np.float32)
    own[50:70, 50:70] = 10
    drawn = (own + np.array([12, -8, 5])).astype(np.float32)
    drawn[50:70, 50:70] = 140
    fitted = matched(drawn, own, mask, 80)
    ring = (mask > 0.3) & (mask < 0.7)
    assert np.abs((fitted - own)[ring].mean(axis=0)).max() < 1.5
    assert np.abs(fitted[50:70, 50:70].mean(axis=(0, 1)) - (140 - np.array([12, -8, 5]))).max() < 4


def test_the_part_drawn_from_views_fades_out_before_nose_and_cheekbones(scene: Scene) -> None:
    face = scene.face(20)
    after = mouth_of(face.points)
    origin = face.to_patch[:, 2] - 1.2 * face.scale
    corner = int(origin[0]), int(origin[1])
    side = int(2.4 * face.scale)
    mask = recall_mask(face, after, corner, (side, side))

    def at(point: int) -> float:
        column, row = (scene.faces.points[20, places((point,))[0]] - corner).round().astype(int)
        return float(mask[row, column])

    assert min(at(13), at(14), at(17)) > 0.9
    assert max(at(1), at(50), at(280), at(152)) < 0.1


def test_the_width_is_partly_followed_and_limited() -> None:
    assert width_factor(1.0, 0.6, 0.6) == pytest.approx(1.0)
    assert 0.82 <= width_factor(0.7, 0.6, 0.6) < 0.95
    assert width_factor(1.2, 0.9, 0.3) == 1.15


def test_the_profile_of_a_drawn_person(scene: Scene) -> None:
    who = scene.person
    assert 0.14 <= who.range <= 0.20
    assert min(len(who.open), len(who.closer)) >= 1
    widest = [float(gaps(view.points).max()) for view in who.open]
    assert widest[0] == max(widest) > 0.05
    held = [float(gaps(view.points).max()) for view in who.closer]
    assert min(held) < 0.03
    assert max(held) < 0.75 * who.range
    assert who.sheet.shrink == 1.0
    outline = scene.patch(20, 1.0).polygon
    assert outline.min() > 0
    assert (outline.max(axis=0) < [who.sheet.width, who.sheet.height]).all()


def test_views_that_the_edge_of_the_picture_cuts_are_taken_last(scene: Scene) -> None:
    """The first half of the film is moved down, so that the chin leaves the picture."""
    half = len(scene.faces) // 2
    points = scene.faces.points.copy()
    points[:half, :, 1] += scene.video.height - scene.faces.box[:half, 3].max() + 20
    moved = replace(scene.faces, points=points)
    drawn: list[int] = []

    def pictures(indices: Sequence[int]) -> Iterator[Planes]:
        drawn.extend(indices)
        return (scene.pictures[index] for index in indices)

    view = replace(scene.view(), tracks=lambda: iter([(np.arange(half), moved[:half])]), pictures=pictures)
    assert person.load(person.measure(view)).closer, "there is no other"
    drawn.clear()
    whole = replace(view, tracks=lambda: iter([(np.arange(len(moved)), moved)]))
    measured = person.measure(whole)
    closer = [view.points for view in person.load(measured).closer]
    first = [face_frame(points[index].astype(np.float64), np.eye(2, 3)).points for index in drawn]
    kept = [
        index for index, face in zip(drawn, first, strict=True) for one in closer if np.allclose(one, face)
    ]
    assert kept
    assert min(kept) >= half


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


def test_without_a_view_of_the_inside_a_cavity_is_drawn(scene: Scene) -> None:
    patch = scene.patch(0, 1.0, who=replace(scene.person, open=()))
    seen = scene.patch(0, 1.0)
    assert (patch.pixels != seen.pixels).any()
    inner = scene.faces.points[0, places((13, 14))].mean(axis=0) - patch.matrix[:, 2]
    column, row = inner.round().astype(int)
    shown = patch.pixels[row : row + 8, column - 2 : column + 3]
    assert shown.mean(axis=(1, 2)).min() < 90, "the depth of the mouth is dark"


def test_a_picture_turned_by_metadata_is_drawn_alike(scene: Scene) -> None:
    """As a telephone held upright codes it: rows of the picture are columns of the code."""
    height, width = scene.pictures[0].y.shape
    lying = scene.video.model_copy(update={"width": height, "height": width, "rotation": 90})
    pictures = [
        Planes(*(like(plane, np.rot90(plane, -1)) for plane in (one.y, one.u, one.v)))
        for one in scene.pictures
    ]
    points = np.stack([height - 1 - scene.faces.points[..., 1], scene.faces.points[..., 0]], axis=-1)
    faces = replace(scene.faces, points=points.astype(np.float32))
    view = ShotView(
        lying,
        lambda: iter([(np.arange(len(faces)), faces)]),
        lambda indices: (pictures[index] for index in indices),
    )
    who = person.load(person.measure(view))
    assert (len(who.open), len(who.closer)) == (len(scene.person.open), len(scene.person.closer))
    for index, aperture in ((scene.widest, 0.0), (20, 1.0)):
        (choice,) = choices(faces.points[index, None], lying, who, np.array([aperture], dtype=np.float32))
        patch = draw_patch(pictures[index], lying, faces.points[index], who, aperture, 1.0, choice)
        turned = apply_patch(
            pictures[index], lying, patch.pixels, patch.matrix, patch.polygon, patch.feather, 1.0
        )
        straight = scene.drawn(index, aperture)
        x0, y0, x1, y1 = scene.faces.box[index].astype(int)
        part = np.s_[(y0 + y1) // 2 : y1, x0:x1]
        changed = np.abs(straight.y[part].astype(int) - scene.pictures[index].y[part]).mean()
        apart = np.abs(np.rot90(turned.y)[part].astype(int) - straight.y[part]).mean()
        assert apart < 0.3 * changed


def test_a_mouth_at_the_edge_of_the_picture_can_be_drawn(scene: Scene) -> None:
    moved = scene.faces.points[10] + np.array([0, scene.video.height - scene.faces.box[10, 3] + 5])
    draw = partial(draw_patch, scene.pictures[10], scene.video, moved.astype(np.float32), scene.person)
    patch = draw(0.5, 1.0, Choice(0.0, ()))
    assert patch.pixels.shape[:2] == (scene.person.sheet.height, scene.person.sheet.width)


def test_what_a_shot_never_shows_is_lent_by_others_of_the_same_person(scene: Scene) -> None:
    shut = {name: value for name, value in scene.profile.items() if not name.startswith("open")}
    shut["range"] = np.array(0.14)
    alone, lent = person.load(shut), person.load(shut, [scene.profile])
    assert not alone.open
    assert len(lent.open) == len(scene.person.open)
    assert lent.range == scene.person.range > alone.range
    assert lent.sheet == alone.sheet
    assert len(lent.closer) == len(alone.closer), "its own views are not joined by others of the same pose"
    assert len(person.load(scene.profile, [scene.profile]).open) == len(scene.person.open)
    dark, teeth = (scene.patch(scene.widest, 1.0, who=who).pixels for who in (alone, lent))
    own = scene.patch(scene.widest, 1.0).pixels
    assert np.abs(teeth.astype(int) - own).mean() < np.abs(dark.astype(int) - own).mean()
