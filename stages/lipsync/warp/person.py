"""The profile of a person in a shot: the mouth's range and width, the patch size, views of mouth and light.

As arrays (a `Profile`): `range`, `width` (float64, face units), `sheet` (int64 [2]: width, height), `shrink`
(float64). Views of the mouth at rest (`rest`), half open (`half`) and open (`open`) are four arrays each, as
in `View`, and numbered: `rest_0_pixels`, `rest_0_to_pixels`, `rest_0_points`, `rest_0_skin` (the light on the
face). There is none of what was never seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from loc.analysis.faces import Affine, Faces, lip_aperture, transform, upright_transform
from loc.artifacts import VideoStream
from loc.errors import InputError
from loc.media.frames import Planes
from stages.lipsync.contract import Profile, ShotView
from stages.lipsync.warp.anatomy import Sheet, face_frame, mask_box, pose_of
from stages.lipsync.warp.mouth import mouth_of, mouth_width
from stages.lipsync.warp.recall import recall_outline
from stages.lipsync.warp.render import Person, fetch, skin_colour
from stages.lipsync.warp.views import View

RANGE_PERCENTILE = 93
"""Of the apertures seen: vowels of normal speech, without laughs and yawns."""
MIN_RANGE, MAX_RANGE = 0.14, 0.20
"""Bounds of the range drawn: less (a person who hardly speaks in the source) is not seen, more looks torn
where the cheeks do not follow."""
MIN_OPEN = 0.05
"""A mouth that never opens this far shows nothing that could be used for its inside."""
OPEN_SHARE = 0.7
"""A view of the inside may be this part of the widest."""
FACING_POWER = 2
"""An open mouth counts by its aperture times this power of the cosine of its yaw: turned teeth fit no other
view."""
REST_PERCENTILE, REST_SLACK, MAX_REST = 2, 0.015, 0.06
"""A mouth is at rest up to this much over this percentile of the apertures seen, never beyond the third."""
HALF, HALF_SLACK = 0.5, 0.2
"""A mouth is half open at this part of the range, give or take the second."""
STILL_SCALE, WIDTH_SCALE, POSE_SCALE = 0.03, 0.06, 0.15
"""What a view at rest is chosen by: the aperture's change from frame to frame (motion blurs), distance from
the usual width (a pursed mouth is not at rest) and, the first one, from the usual pose; what counts alike."""
CUT_COST = 5.0
"""What a chin costs that the picture's edge cuts: such a view is taken where there is hardly another."""
MAX_VIEWS = 5
VIEWS_APART = 0.07
"""Views kept of each kind, and how far apart their poses are (about the sine of the angle)."""
LEAST_GAIN = -1.0
"""What another view's difference in pose, in units of the one above, must come to after what it costs."""
LIPS_MARGIN, OUTLINE_MARGIN = 0.06, 0.15
"""Kept in a view round open lips, and round what is drawn from a closed mouth, face units."""
LARGEST_PERCENTILE = 99.5
"""Of the outlines seen, for the patch's size: one frame gone wrong must not blow up all the others."""
ROOM = 0.12
"""Room round the resting outline, face units: the jaw drops by up to 0.11."""
SIZE_STEP = 16
"""Patch sides are multiples of this, so that tracks a hair apart give the same size."""
LARGEST_SIDE = 768
"""Patches are shrunk to this side: a face that fills a 4K picture is drawn at half its resolution, which is
still more than its skin holds after camera and codec."""


@dataclass
class _Measures:
    """Running figures of a shot: a few numbers a frame."""

    size: tuple[int, int]
    frames: list[int] = field(default_factory=list)
    aperture: list[float] = field(default_factory=list)
    facing: list[float] = field(default_factory=list)
    width: list[float] = field(default_factory=list)
    pose: list[npt.NDArray[Any]] = field(default_factory=list)
    extent: list[npt.NDArray[Any]] = field(default_factory=list)
    scale: list[float] = field(default_factory=list)
    cut: list[bool] = field(default_factory=list)

    def add(self, frames: npt.NDArray[np.int64], faces: Faces, upright: Affine) -> None:
        points = transform(faces.points.astype(np.float64), upright)
        self.frames.extend(frames.tolist())
        self.aperture.extend(lip_aperture(points).tolist())
        self.facing.extend(np.cos(np.radians(np.nan_to_num(faces.pose[:, 0]))).tolist())
        for coded in faces.points.astype(np.float64):
            face = face_frame(coded, upright)
            box = mask_box(face)
            self.width.append(mouth_width(face.points))
            self.pose.append(pose_of(face.points))
            self.extent.append(box[1] - box[0])
            self.scale.append(face.scale)
            self.cut.append(bool(box.min() < 0 or (box[1] >= self.size).any()))

    def open(self) -> list[int]:
        """Frames whose open mouths serve best, of different poses; places in the lists."""
        worth = np.array(self.aperture) * np.array(self.facing) ** FACING_POWER
        widest = float(worth.max())
        allowed = worth >= max(MIN_OPEN, OPEN_SHARE * widest)
        return self._apart(-worth / max(widest, 1e-6), allowed)

    def rest(self) -> list[int]:
        """Frames whose mouths at rest serve best, of different poses; places in the lists."""
        aperture, width = np.array(self.aperture), np.array(self.width)
        most = min(float(np.percentile(aperture, REST_PERCENTILE)) + REST_SLACK, MAX_REST)
        change = np.abs(np.gradient(aperture)) if len(aperture) > 1 else np.zeros(1)
        cost = change / STILL_SCALE + np.abs(width - np.median(width)) / WIDTH_SCALE + self._cut()
        return self._apart(cost, aperture <= most, self._unusual())

    def half(self, widest: float) -> list[int]:
        """Frames whose half open mouths serve best, of different poses; places in the lists."""
        aperture = np.array(self.aperture)
        change = np.abs(np.gradient(aperture)) if len(aperture) > 1 else np.zeros(1)
        allowed = np.abs(aperture - HALF * widest) <= HALF_SLACK * widest
        return self._apart(change / STILL_SCALE + self._cut(), allowed, self._unusual())

    def _cut(self) -> npt.NDArray[Any]:
        return CUT_COST * np.array(self.cut)

    def _unusual(self) -> npt.NDArray[Any]:
        pose = np.array(self.pose)
        return np.asarray(np.linalg.norm(pose - np.median(pose, axis=0), axis=1) / POSE_SCALE)

    def _apart(
        self,
        cost: npt.NDArray[Any],
        allowed: npt.NDArray[np.bool_],
        unusual: npt.NDArray[Any] | float = 0.0,
    ) -> list[int]:
        """The cheapest frame of a usual pose, then such as are cheap and differ in pose from all before."""
        pose, chosen = np.array(self.pose), list[int]()
        apart = np.full(len(pose), np.inf)
        while allowed.any() and len(chosen) < MAX_VIEWS:
            gain = np.where(allowed, apart / VIEWS_APART - cost if chosen else -cost - unusual, -np.inf)
            if chosen and gain.max() < LEAST_GAIN:
                break
            chosen.append(int(np.argmax(gain)))
            apart = np.minimum(apart, np.linalg.norm(pose - pose[chosen[-1]], axis=1))
            allowed = allowed & (apart >= VIEWS_APART)
        return chosen


def measure(shot: ShotView) -> Profile:
    """Measure a person over a shot.

    Raises:
        InputError: no frame shows the face.
    """
    upright = upright_transform(shot.video)
    measures = _Measures((shot.video.width, shot.video.height))
    for frames, faces in shot.tracks():
        if len(faces):
            measures.add(frames, faces, upright)
    if not measures.scale:
        raise InputError("A shot to be drawn shows no face.")
    sheet = _sheet(np.array(measures.extent), np.array(measures.scale))
    widest = float(np.clip(np.percentile(measures.aperture, RANGE_PERCENTILE), MIN_RANGE, MAX_RANGE))
    profile: dict[str, Any] = {
        "range": np.float64(widest),
        "width": np.median(measures.width),
        "sheet": np.array([sheet.width, sheet.height], dtype=np.int64),
        "shrink": np.float64(sheet.shrink),
    }
    wanted = {"open": measures.open(), "half": measures.half(widest), "rest": measures.rest()}
    chosen = sorted({measures.frames[place] for places in wanted.values() for place in places})
    points = _points(shot, chosen)
    for frame, planes in zip(chosen, shot.pictures(chosen), strict=True):
        for kind, places in wanted.items():
            for number, place in enumerate(places):
                if measures.frames[place] == frame:
                    view = _view(planes, shot.video, points[frame], sheet, kind == "open")
                    profile |= {f"{kind}_{number}_{name}": value for name, value in vars(view).items()}
    return {name: np.asarray(value) for name, value in profile.items()}


def load(profile: Profile, lent: Sequence[Profile] = ()) -> Person:
    """A measured person, from its arrays.

    Args:
        lent: the same person's in other shots: views in poses that this shot has none of come from them, and
            who hardly opens the mouth here opens it as far as there.
    """
    width, height = (int(side) for side in profile["sheet"])
    return Person(
        range=max(float(one["range"]) for one in (profile, *lent)),
        width=float(profile["width"]),
        sheet=Sheet(width, height, float(profile["shrink"])),
        open=_with_lent(profile, lent, "open"),
        closer=_with_lent(profile, lent, "rest") + _with_lent(profile, lent, "half"),
    )


def _with_lent(profile: Profile, lent: Sequence[Profile], kind: str) -> tuple[View, ...]:
    """Views of a kind: the shot's own, and others' in poses that it has none of."""
    views = list(_views(profile, kind))
    for view in (view for one in lent for view in _views(one, kind)):
        if all(np.linalg.norm(view.pose - other.pose) >= VIEWS_APART for other in views):
            views.append(view)
    return tuple(views)


def _views(profile: Mapping[str, npt.NDArray[Any]], kind: str) -> tuple[View, ...]:
    names = [item.name for item in fields(View)]
    count = sum(f"{kind}_{number}_pixels" in profile for number in range(MAX_VIEWS))
    return tuple(
        View(**{name: profile[f"{kind}_{number}_{name}"] for name in names}) for number in range(count)
    )


def _points(shot: ShotView, wanted: Sequence[int]) -> dict[int, npt.NDArray[np.float32]]:
    """Mesh points of some frames."""
    return {
        int(frame): points
        for frames, faces in shot.tracks()
        for frame, points in zip(frames, faces.points, strict=True)
        if int(frame) in wanted
    }


def _sheet(extent: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]) -> Sheet:
    """A patch size that holds the drawn part of the face in (nearly) every frame."""
    room = extent + 2 * ROOM * scale[:, None]
    # Between two frames the smaller: of up to 200 the largest one would have its part in the size.
    needed = np.percentile(room, LARGEST_PERCENTILE, axis=0, method="lower")
    shrink = min(1.0, LARGEST_SIDE / float(needed.max()))
    width, height = (int(np.ceil(side * shrink / SIZE_STEP)) * SIZE_STEP for side in needed)
    return Sheet(width, height, shrink)


def _view(
    planes: Planes, video: VideoStream, points: npt.NDArray[np.float32], sheet: Sheet, inside: bool
) -> View:
    """The mouth of one frame with chin and cheeks, or its lips alone where the inside is wanted, cut out."""
    coded, upright = points.astype(np.float64), upright_transform(video)
    whole = face_frame(coded, upright)
    matrix = sheet.matrix(mask_box(whole).mean(axis=0))
    face = whole.on(matrix)
    canvas = fetch(planes, video, matrix, sheet, OUTLINE_MARGIN * face.scale)
    mouth = mouth_of(face.points)
    wanted = np.concatenate([mouth.upper_outer, mouth.lower_outer])
    margin = LIPS_MARGIN
    if not inside:
        wanted, margin = recall_outline(face, mouth), OUTLINE_MARGIN
    at = transform(wanted, face.to_patch) * canvas.scale + canvas.shift
    reach = margin * face.scale * canvas.scale
    size = canvas.pixels.shape[1::-1]
    x0, y0 = np.clip(np.floor(at.min(axis=0) - reach), 0, np.array(size) - 1).astype(int)
    x1, y1 = np.clip(np.ceil(at.max(axis=0) + reach), [x0 + 1, y0 + 1], size).astype(int)
    to_pixels = face.to_patch * canvas.scale[:, None]
    to_pixels[:, 2] += canvas.shift - [x0, y0]
    pixels = np.ascontiguousarray(canvas.pixels[y0:y1, x0:x1])
    return View(pixels, to_pixels, face.points, skin_colour(canvas, face))
