"""A redraw looked at as it reaches the video: patches read back, put on the source, and tracked again.

It knows nothing of speech: what was seen is compared with phones by `stages.lipsync.score`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.artifacts import PatchTrack, VideoStream
from loc.errors import LocError
from loc.runner import Action, Make, Out
from loc.stage import Context
from stages.lipsync.redraw import PROGRESS_FRAMES, STAGE, Film, Redraw

if TYPE_CHECKING:
    from loc.media.frames import Planes

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]

LOOKS_PER_S = 12
"""Looks at lips that speak: in every second frame at 24 to 30 frames per second, where a syllable lasts five.
Expected movement is known in every frame, so lags stay whole frames."""
RESTING = 0.03
"""Opening over the face's scale up to which lips may rest: then every frame is looked at, for trembling is a
matter of consecutive ones."""
PICTURE_EVERY = 3
"""Looks between two in which colours and detail are measured: they change slowly."""

AROUND_FACE = 0.4
"""What is watched is the face with this share of its size around it, so that the mesh finds it as it does in
the whole picture."""

SECTORS = 8
"""Parts of the mask's edge that are judged each by itself: a step on one cheek must not drown in the rest."""

EDGE = 0.02, 0.5
"""Opacity of the mask between which its edge is judged: the side on which nothing else moves."""

UNDER_MASK = 0.5
"""Opacity from which a pixel counts as drawn."""

CHROMA_REACH = 4
"""Pixels around the mask's outline that one chroma sample, placed on either side, may colour."""


@dataclass(frozen=True)
class Drawn:
    """A redraw that succeeded, with its patches."""

    redraw: Redraw
    patches: PatchTrack
    device_seconds: float = 0.0
    """How long a device computed for it, when it was made."""


def watch(context: Context, film: Film, one: Drawn) -> tuple[Action, Make]:
    """`lipsync.watch`: look at one redraw as it reaches the video.

    Reads: the frames of the redraw and its patches; the face's tracks in its chunk.
    Leaves out: the dub and its language; what drew the patches; the numbers of cut and chunk, and
        the face's name.
    """
    redraw, patches = one.redraw, one.patches

    def make(out: Out) -> None:
        from loc.media.arrays import save_arrays

        with _contained():
            watched = _watch(context, film, one, out)
        out.bytes("seen", save_arrays(watched))
        out.detail |= {
            "frames": len(redraw.frames),
            "looked": int(watched["looked"].sum()),
            "found": int(np.isfinite(watched["aperture"]).sum()),
            "outside": int(watched["outside"].max(initial=0)),
        }

    action = Action(
        name="lipsync.watch",
        version=6,
        site=context.site(STAGE, f"cut {redraw.cut + 1}, frame {redraw.frames.start}"),
        inputs={
            "pictures": film.key(redraw.frames),
            "tracks": film.tracks_key(redraw.face, redraw.chunk),
            "patches": {
                "size": [patches.width, patches.height],
                "pixels": patches.pixels,
                "placement": patches.placement,
            },
        },
        params={"video": film.source.video},
        programs=_programs(),
    )
    return action, make


def _programs() -> dict[str, str]:
    from loc.analysis import face_tracker

    return {**face_tracker.fingerprint(), "scipy": packages.version("scipy")}


@contextlib.contextmanager
def _contained() -> Iterator[None]:
    """A cut that cannot be watched is drawn all the same; but a full disk ends the run."""
    try:
        yield
    except (LocError, OSError):
        raise
    except Exception as error:
        raise LocError(
            "What was drawn could not be watched.", why=f"{type(error).__name__}: {error}"
        ) from error


def _watch(context: Context, film: Film, one: Drawn, out: Out) -> dict[str, npt.NDArray[Any]]:
    """Arrays over the n frames of the redraw.

    `looked`: bool [n], whether the frame was looked at. `aperture`, `width`: float64 [n], as in
    `loc.analysis.agreement.Lips`. `lip_tremble`, `head_tremble`: float64 [n], mean square of the second
    difference in time of lip points, and of points of eyes and nose, square pixels. `jaw_before`,
    `jaw_after`: float64 [n, widths], as in `loc.analysis.likeness`, of what was filmed and drawn. `seam`,
    `lip_colour`: float64 [n], colour differences. `sharpness`: float64 [n], a ratio.
    `outside`: int64 [n], code values. NaN, and 0 in `outside`, where nothing was measured.
    """
    from loc.analysis import likeness
    from loc.analysis.agreement import lips
    from loc.analysis.face_tracker import KnownFace
    from loc.analysis.faces import EYES, NOSE, POINT_COUNT, lip_aperture, places, transform, upright_transform
    from loc.media.compose import apply_patch
    from loc.media.patches import load_placement, skim_patches

    redraw, patches = one.redraw, one.patches
    frames = redraw.frames
    placement = load_placement(context.store.open_object(patches.placement))
    tracked = film.faces(context, redraw.face, redraw.chunk, frames)
    window = _window(film.source.video, tracked.box, placement.matrix, placement.polygon)
    video = film.source.video.model_copy(
        update={"width": window[2] - window[0], "height": window[3] - window[1]}
    )
    corner = np.array(window[:2])
    skimmed = skim_patches(
        context.store.open_object(patches.pixels), patches.width, patches.height, patches.count
    )
    upright = upright_transform(video)
    every = max(1, int(film.source.video.average_rate / LOOKS_PER_S))
    points = np.full((len(frames), POINT_COUNT, 2), np.nan, dtype=np.float32)
    looked = np.zeros(len(frames), dtype=bool)
    measured: list[tuple[int, dict[str, float]]] = []
    rests = False
    with KnownFace(video) as face:
        for index, (planes, pixels) in enumerate(zip(film.pictures(frames), skimmed, strict=True)):
            if not rests and (frames.start + index) % every:
                continue
            patch = pixels()
            matrix = placement.matrix[index].copy()
            matrix[:, 2] -= corner
            filmed = _cropped(planes, window)
            polygon, feather = placement.polygon[index], float(placement.feather[index])
            opacity = float(placement.opacity[index])
            drawn = apply_patch(filmed, video, patch, matrix, polygon, feather, opacity)
            found = face.find(drawn, tracked.box[index] - np.tile(corner, 2))
            if found is not None:
                points[index] = found
            rests = float(lip_aperture(transform(points[index].astype(np.float64), upright))) <= RESTING
            if looked.sum() % PICTURE_EVERY == 0:
                mask = _Mask(matrix, polygon, feather, patch.shape, filmed.y.shape)
                before, after = tracked.points[index] - corner, points[index]
                measured.append((index, _picture(filmed, drawn, video, mask, before, after)))
            looked[index] = True
            if index % PROGRESS_FRAMES == 0:
                out.progress(index, len(frames))
    mouth = lips(points, upright)
    still = places((*EYES, *NOSE))
    result: dict[str, npt.NDArray[Any]] = {
        "looked": looked,
        "aperture": mouth.aperture,
        "width": mouth.width,
        "lip_tremble": _tremble(points[:, _outer_lips()]),
        "head_tremble": _tremble(points[:, still]),
        "jaw_before": np.where(looked[:, None], likeness.jaw(transform(tracked.points, upright)), np.nan),
        "jaw_after": likeness.jaw(transform(points.astype(np.float64), upright)),
        "outside": np.zeros(len(points), dtype=np.int64),
        **{name: np.full(len(points), np.nan) for name in ("seam", "lip_colour", "sharpness")},
    }
    for index, values in measured:
        for name, value in values.items():
            result[name][index] = value
    return result


def _window(
    video: VideoStream, boxes: npt.NDArray[np.float32], matrices: Floats, polygons: npt.NDArray[np.float32]
) -> Box:
    """The part of the picture that holds the face and the mask throughout a redraw, corners even."""
    low, high = np.nanmin(boxes[:, :2], axis=0), np.nanmax(boxes[:, 2:], axis=0)
    around = AROUND_FACE * float((high - low).max())
    masks = np.einsum("nij,nkj->nki", matrices[:, :, :2], polygons) + matrices[:, None, :, 2]
    reach = 4 * CHROMA_REACH
    low = np.minimum(low - around, masks.min(axis=(0, 1)) - reach)
    high = np.maximum(high + around, masks.max(axis=(0, 1)) + reach)
    x0, y0 = (max(0, int(value) // 2 * 2) for value in np.floor(low))
    x1, y1 = (
        min(size, -(-int(value) // 2) * 2)
        for value, size in zip(np.ceil(high), (video.width, video.height), strict=True)
    )
    return x0, y0, x1, y1


def _cropped(planes: Planes, window: Box) -> Planes:
    x0, y0, x1, y1 = window
    sx = 1 if planes.u.shape[1] == planes.y.shape[1] else 2
    sy = 1 if planes.u.shape[0] == planes.y.shape[0] else 2
    chroma = (slice(y0 // sy, -(-y1 // sy)), slice(x0 // sx, -(-x1 // sx)))
    return replace(
        planes,
        y=np.ascontiguousarray(planes.y[y0:y1, x0:x1]),
        u=np.ascontiguousarray(planes.u[chroma]),
        v=np.ascontiguousarray(planes.v[chroma]),
    )


class _Mask:
    """The mask of one patch in the pixels of the picture.

    `opacity`: float32 [h, w], 0..1, without fades. `touched`: bool [h, w], where a sample may change.
    """

    def __init__(
        self,
        matrix: Floats,
        polygon: npt.NDArray[np.float32],
        feather: float,
        patch: tuple[int, ...],
        picture: tuple[int, ...],
    ) -> None:
        import cv2

        from loc.media.compose import soft_mask

        height, width = picture
        soft = soft_mask(polygon, feather, patch)
        self.opacity = np.asarray(cv2.warpAffine(soft, matrix, (width, height)), dtype=np.float32)
        outline = polygon @ matrix[:, :2].T + matrix[:, 2]
        filled = np.zeros((height, width), np.uint8)
        cv2.fillPoly(filled, [np.rint(outline).astype(np.int32)], (1,))
        wider = np.ones((2 * CHROMA_REACH + 1,) * 2, np.uint8)
        self.touched = np.asarray(cv2.dilate(filled, wider), dtype=bool)
        rows, columns = np.nonzero(self.touched)
        self.box: Box = (
            int(columns.min(initial=width - 1)),
            int(rows.min(initial=height - 1)),
            int(columns.max(initial=0)) + 1,
            int(rows.max(initial=0)) + 1,
        )


def _picture(
    filmed: Planes,
    drawn: Planes,
    video: VideoStream,
    mask: _Mask,
    before: npt.NDArray[np.float32],
    after: npt.NDArray[np.float32],
) -> dict[str, float]:
    """What drawing did to one picture; `before` and `after` are its mesh points [POINT_COUNT, 2]."""
    values: dict[str, float] = {"outside": _change_outside(filmed, drawn, mask.touched)}
    x0, y0, x1, y1 = mask.box
    if x0 >= x1 or y0 >= y1:
        return values
    opacity = mask.opacity[y0:y1, x0:x1]
    old, new = (_lab(planes, video, mask.box) for planes in (filmed, drawn))
    values["seam"] = _seam(old, new, opacity)
    values["sharpness"] = _detail(drawn.y[y0:y1, x0:x1], opacity) / max(
        _detail(filmed.y[y0:y1, x0:x1], opacity), 1e-6
    )
    corner = np.array([x0, y0])
    both = [_of_lips(lab, points - corner) for lab, points in ((old, before), (new, after))]
    values["lip_colour"] = float(np.linalg.norm(both[0] - both[1]))
    return values


def _change_outside(filmed: Planes, drawn: Planes, touched: Flags) -> int:
    """Largest change of a sample that the mask does not reach."""
    largest = 0
    for old, new in zip((filmed.y, filmed.u, filmed.v), (drawn.y, drawn.u, drawn.v), strict=True):
        sy, sx = (-(-full // part) for full, part in zip(touched.shape, old.shape, strict=True))
        reached = touched[::sy, ::sx][: old.shape[0], : old.shape[1]]
        change = np.abs(old.astype(np.int32) - new)[~reached]
        largest = max(largest, int(change.max(initial=0)))
    return largest


def _lab(planes: Planes, video: VideoStream, box: Box) -> npt.NDArray[np.float32]:
    import cv2

    from loc.media.colour import to_rgb

    rgb = to_rgb(planes, video, box).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), dtype=np.float32)


def _seam(
    old: npt.NDArray[np.float32], new: npt.NDArray[np.float32], opacity: npt.NDArray[np.float32]
) -> float:
    """The largest colour difference of any sector of the mask's edge."""
    rows, columns = np.nonzero((opacity > EDGE[0]) & (opacity < EDGE[1]))
    if not len(rows):
        return float("nan")
    change = new[rows, columns] - old[rows, columns]
    angle = np.arctan2(rows - rows.mean(), columns - columns.mean())
    sector = np.minimum(((angle / (2 * np.pi) + 0.5) * SECTORS).astype(int), SECTORS - 1)
    count = np.maximum(np.bincount(sector, minlength=SECTORS), 1)
    mean = [np.bincount(sector, change[:, axis], SECTORS) / count for axis in range(3)]
    return float(np.sqrt(np.square(mean).sum(axis=0)).max())


def _detail(luma: npt.NDArray[Any], opacity: npt.NDArray[np.float32]) -> float:
    """Mean of the Laplacian's size where something was drawn."""
    import cv2

    edges = np.abs(cv2.Laplacian(luma.astype(np.float32), cv2.CV_32F))
    inside = opacity > UNDER_MASK
    return float(edges[inside].mean()) if inside.any() else 0.0


def _of_lips(lab: npt.NDArray[np.float32], points: npt.NDArray[np.float32]) -> Floats:
    """Mean colour of the lips, [3]; NaN where they are not in the picture."""
    import cv2

    from loc.analysis.faces import LIP_INNER_LOWER, LIP_INNER_UPPER, LIP_OUTER_LOWER, LIP_OUTER_UPPER, places

    inside = np.zeros(lab.shape[:2], np.uint8)
    if np.isfinite(points).all():
        for upper, lower, value in (
            (LIP_OUTER_UPPER, LIP_OUTER_LOWER, 1),
            (LIP_INNER_UPPER, LIP_INNER_LOWER, 0),
        ):
            outline = points[places((*upper, *lower[::-1]))]
            cv2.fillPoly(inside, [np.rint(outline).astype(np.int32)], (value,))
    if not inside.any():
        return np.full(3, np.nan)
    return np.asarray(lab[inside > 0].mean(axis=0), dtype=np.float64)


def _outer_lips() -> npt.NDArray[np.intp]:
    from loc.analysis.faces import LIP_OUTER_LOWER, LIP_OUTER_UPPER, places

    return places(sorted({*LIP_OUTER_UPPER, *LIP_OUTER_LOWER}))


def _tremble(points: npt.NDArray[np.float32]) -> Floats:
    """Mean square of the second difference in time of some points [n, k, 2]; NaN at the ends and in gaps."""
    result = np.full(len(points), np.nan)
    if len(points) > 2:
        second = points[2:] - 2 * points[1:-1] + points[:-2]
        result[1:-1] = np.square(second).sum(axis=-1).mean(axis=-1)
    return result
