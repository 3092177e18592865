"""Masks from our own mesh: upstream's region with its soft edge, and every knob in its own unit and sign."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from loc.analysis.face_tracker import track_range
from loc.analysis.faces import foremost, transform, upright_transform
from loc.artifacts import FrameRange, VideoStream
from loc.media.colour import to_rgb
from loc.media.compose import soft_mask
from loc.media.frames import Planes, first_look, read_frames, scan_frames
from loc.media.probe import probe_source
from loc.settings import Settings
from stages.lipsync.musetalk import boxes, drawing, outline, region
from stages.lipsync.musetalk.knobs import Knobs
from stages.lipsync.tracks import prepare
from tests.presenter import Film

FRAME = 6


class Face:
    """A tracked face of the drawn film."""

    def __init__(self, film: Film) -> None:
        self.video: VideoStream = probe_source(film.path, Settings()).video
        scan = scan_frames(film.path, self.video)
        base = first_look(film.path, self.video.index).time_base
        timeline = scan.timeline(base)
        frames = FrameRange(start=0, stop=FRAME + 1)
        tracks = foremost(track_range(film.path, self.video, timeline, frames), len(frames))
        self.coded = prepare(tracks, self.video.average_rate).points[FRAME]
        self.planes: Planes = list(read_frames(film.path, self.video, timeline, frames))[FRAME]
        self.points = transform(self.coded.astype(np.float64), upright_transform(self.video))

    def box(self, knobs: Knobs) -> boxes.IntBox:
        size = self.video.width, self.video.height
        box = boxes.clamped(boxes.from_mesh(self.points), knobs.bbox_shift, knobs.extra_margin, *size)
        assert box is not None
        return box

    def mask(self, knobs: Knobs) -> region.Mask:
        """What is replaced, over the crop."""
        box = self.box(knobs)
        return outline.replaced(outline.labels_of(self.points, region.crop_of(box)), knobs, box)


@pytest.fixture(scope="module")
def face(short_film: Film) -> Face:
    return Face(short_film)


@pytest.mark.parametrize("mode", ["jaw", "neck", "raw"])
def test_the_soft_outline_is_upstreams_blurred_mask(face: Face, mode: region.Mode) -> None:
    knobs = Knobs(parsing_mode=mode)
    box = face.box(knobs)
    left, top, right, bottom = crop = region.crop_of(box)
    labels = outline.labels_of(face.points, crop)
    upstream = region.blurred(region.region(labels, mode, 90, 90), box, region.OFFLINE_BLUR) / 255
    cutting = drawing.cut(face.planes, face.video, face.coded, knobs)
    soft = soft_mask(cutting.place.polygon, cutting.place.feather, cutting.pixels.shape)
    there = cutting.place.matrix - np.array([[0, 0, left], [0, 0, top]])
    ours = cv2.warpAffine(soft, there, (right - left, bottom - top))
    inside = slice(box[1] - top, box[3] - top), slice(box[0] - left, box[2] - left)
    area = upstream[inside].sum()
    assert np.abs(ours - upstream)[inside].sum() < 0.09 * area
    assert ours.sum() == pytest.approx(ours[inside].sum(), rel=1e-3)


def test_wider_cheeks_keep_more_of_their_own_side(face: Face) -> None:
    half = region.SIDE // 2
    narrow, wide = (face.mask(Knobs(left_cheek_width=width)) > 0 for width in (60, 105))
    assert (wide & ~narrow)[:, :half].any()
    assert not (narrow & ~wide).any()
    np.testing.assert_array_equal(wide[:, half:], narrow[:, half:])
    narrow, wide = (face.mask(Knobs(right_cheek_width=width)) > 0 for width in (60, 105))
    assert (wide & ~narrow)[:, half:].any()
    np.testing.assert_array_equal(wide[:, :half], narrow[:, :half])


def test_modes_replace_face_and_neck_and_jaw(face: Face) -> None:
    raw, neck, jaw = (face.mask(Knobs(parsing_mode=mode)) > 0 for mode in ("raw", "neck", "jaw"))
    assert not (raw & ~neck).any()
    assert (neck & ~raw).any()
    # Under the chin the jaw's mask goes on by six 512ths.
    assert np.flatnonzero(jaw.any(axis=1)).max() > np.flatnonzero(raw.any(axis=1)).max()


def test_margin_and_shift_move_the_box_by_their_pixels(face: Face) -> None:
    x1, y1, x2, y2 = face.box(Knobs(extra_margin=0))
    assert face.box(Knobs(extra_margin=18)) == (x1, y1, x2, y2 + 18)
    assert face.box(Knobs(extra_margin=0, bbox_shift=7)) == (x1, y1 + 14, x2, y2)
    assert face.box(Knobs(extra_margin=0, bbox_shift=-5)) == (x1, y1 - 10, x2, y2)


def test_a_box_ends_where_the_picture_does() -> None:
    face = boxes.Quantities(middle=40, above=35, below=45, bottom=120, left=-30, right=60)
    assert boxes.face_box(face) is None
    assert boxes.clamped(face, 0, 10, 300, 125) == (0, 0, 60, 125)
    assert boxes.clamped(replace(face, right=5), 0, 10, 300, 125) is None


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("aspect", ["1", "4/3"])
def test_a_cut_lies_where_its_matrix_says(face: Face, rotation: int, aspect: str) -> None:
    """The same upright face, coded on its side or squeezed, is cut out upright, and goes back there."""
    video = face.video.model_copy(update={"rotation": rotation, "sample_aspect": Fraction(aspect)})
    inverse = np.asarray(cv2.invertAffineTransform(upright_transform(video)), dtype=np.float64)
    seen = transform(face.points, np.eye(2, 3))
    if rotation % 180:
        seen = seen * 0.5
    coded = transform(seen, inverse).astype(np.float32)
    cutting = drawing.cut(face.planes, video, coded, Knobs())
    rgb = to_rgb(face.planes, video)
    back = cv2.warpAffine(
        rgb, cutting.place.matrix, (256, 256), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    inner = slice(8, -8)
    apart = np.abs(back[inner, inner].astype(float) - cutting.pixels[inner, inner])
    assert apart.mean() < 3
    corners = transform(cutting.place.polygon.astype(np.float64), cutting.place.matrix)
    box = boxes.clamped(boxes.from_mesh(seen), 0, 10, 10_000, 10_000)
    assert box is not None
    upright = transform(corners, upright_transform(video))
    assert (upright.min(axis=0) > np.array(box[:2]) - 20).all()
    assert (upright.max(axis=0) < np.array(box[2:]) + 20).all()
