"""What is measured of a person over a shot: the mouth's range and width, the patch size, the mouth's inside.

As arrays (a `Profile`): `range`, `width` (float64, face units), `sheet` (int64 [2]: width, height), `shrink`
(float64); and where the mouth was seen open: `bank_pixels`, `bank_to_pixels`, `bank_points`, `bank_skin`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from loc.analysis.faces import Affine, Faces, lip_aperture, transform, upright_transform
from loc.errors import InputError
from stages.lipsync.contract import Profile, ShotView
from stages.lipsync.warp.anatomy import LOWER_OUTER, UPPER_OUTER, Sheet, face_frame
from stages.lipsync.warp.interior import Bank
from stages.lipsync.warp.mouth import mouth_width
from stages.lipsync.warp.render import Person, fetch, resting_outline, skin_colour

RANGE_PERCENTILE = 93
"""Of the apertures seen: vowels of normal speech, without laughs and yawns."""
MIN_RANGE, MAX_RANGE = 0.14, 0.20
"""Bounds of the range drawn: less (a person who hardly speaks in the source) is not seen, more looks torn
where the cheeks do not follow."""
MIN_BANK = 0.05
"""A mouth that never opens this far shows nothing that could be used for its inside."""
FACING_POWER = 2
"""An open mouth counts by its aperture times this power of the cosine of its yaw: turned teeth fit no other
view."""
LARGEST_PERCENTILE = 99.5
"""Of the outlines seen, for the patch's size: one frame gone wrong must not blow up all the others."""
ROOM = 0.12
"""Room round the resting outline, face units: the jaw drops by up to 0.11."""
SIZE_STEP = 16
"""Patch sides are multiples of this, so that tracks a hair apart give the same size."""
LARGEST_SIDE = 768
"""Patches are shrunk to this side: a face that fills a 4K picture is drawn at half its resolution, which is
still more than its skin holds after camera and codec."""
BANK_MARGIN = 0.06
"""Kept round the open lips, face units."""


@dataclass
class _Measures:
    """Running figures of a shot: a few numbers a frame."""

    aperture: list[npt.NDArray[Any]] = field(default_factory=list)
    width: list[float] = field(default_factory=list)
    extent: list[npt.NDArray[Any]] = field(default_factory=list)
    scale: list[float] = field(default_factory=list)
    widest: float = 0.0
    widest_frame: int = -1
    widest_points: npt.NDArray[np.float32] | None = None

    def add(self, frames: npt.NDArray[np.int64], faces: Faces, upright: Affine) -> None:
        points = transform(faces.points.astype(np.float64), upright)
        aperture = lip_aperture(points)
        self.aperture.append(aperture)
        for coded in faces.points.astype(np.float64):
            face = face_frame(coded, upright)
            outline = resting_outline(coded, upright)
            self.width.append(mouth_width(face.points))
            self.extent.append(np.ptp(outline, axis=0))
            self.scale.append(face.scale)
        worth = aperture * np.cos(np.radians(np.nan_to_num(faces.pose[:, 0]))) ** FACING_POWER
        best = int(np.argmax(worth))
        if worth[best] > self.widest:
            self.widest, self.widest_frame = float(worth[best]), int(frames[best])
            self.widest_points = faces.points[best]


def measure(shot: ShotView) -> Profile:
    """Measure a person over a shot.

    Raises:
        InputError: no frame shows the face.
    """
    upright = upright_transform(shot.video)
    measures = _Measures()
    for frames, faces in shot.tracks():
        if len(faces):
            measures.add(frames, faces, upright)
    if not measures.scale:
        raise InputError("A shot to be drawn shows no face.")
    sheet = _sheet(np.array(measures.extent), np.array(measures.scale))
    apertures = np.concatenate(measures.aperture)
    profile = {
        "range": np.clip(np.percentile(apertures, RANGE_PERCENTILE), MIN_RANGE, MAX_RANGE),
        "width": np.median(measures.width),
        "sheet": np.array([sheet.width, sheet.height], dtype=np.int64),
        "shrink": np.float64(sheet.shrink),
    }
    if measures.widest_points is not None and measures.widest > MIN_BANK:
        bank = _bank(shot, measures.widest_frame, measures.widest_points, sheet, upright)
        profile |= {f"bank_{name}": getattr(bank, name) for name in ("pixels", "to_pixels", "points", "skin")}
    return {name: np.asarray(value) for name, value in profile.items()}


def load(profile: Mapping[str, npt.NDArray[Any]]) -> Person:
    """A measured person, from its arrays."""
    bank = None
    if "bank_pixels" in profile:
        bank = Bank(
            pixels=profile["bank_pixels"],
            to_pixels=profile["bank_to_pixels"],
            points=profile["bank_points"],
            skin=profile["bank_skin"],
        )
    width, height = (int(side) for side in profile["sheet"])
    return Person(
        range=float(profile["range"]),
        width=float(profile["width"]),
        sheet=Sheet(width, height, float(profile["shrink"])),
        bank=bank,
    )


def _sheet(extent: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]) -> Sheet:
    """A patch size that holds the drawn part of the face in (nearly) every frame."""
    needed = np.percentile(extent + 2 * ROOM * scale[:, None], LARGEST_PERCENTILE, axis=0)
    shrink = min(1.0, LARGEST_SIDE / float(needed.max()))
    width, height = (int(np.ceil(side * shrink / SIZE_STEP)) * SIZE_STEP for side in needed)
    return Sheet(width, height, shrink)


def _bank(shot: ShotView, frame: int, points: npt.NDArray[np.float32], sheet: Sheet, upright: Affine) -> Bank:
    """The mouth of one frame, cut out."""
    import cv2

    coded = points.astype(np.float64)
    outline = resting_outline(coded, upright)
    matrix = sheet.matrix((outline.min(axis=0) + outline.max(axis=0)) / 2)
    face = face_frame(transform(coded, np.asarray(cv2.invertAffineTransform(matrix))), upright)
    canvas = fetch(shot.picture(frame), shot.video, matrix, sheet, 0.0)
    lips = transform(face.points[np.concatenate([UPPER_OUTER, LOWER_OUTER])], face.to_patch)
    at = lips * canvas.scale + canvas.shift
    margin = BANK_MARGIN * face.scale
    height, width = canvas.pixels.shape[:2]
    x0, y0 = np.clip(np.floor(at.min(axis=0) - margin), 0, [width - 1, height - 1]).astype(int)
    x1, y1 = np.clip(np.ceil(at.max(axis=0) + margin), [x0 + 1, y0 + 1], [width, height]).astype(int)
    to_pixels = face.to_patch * canvas.scale[:, None]
    to_pixels[:, 2] += canvas.shift - [x0, y0]
    return Bank(
        pixels=np.ascontiguousarray(canvas.pixels[y0:y1, x0:x1]),
        to_pixels=to_pixels,
        points=face.points,
        skin=skin_colour(canvas, face),
    )
