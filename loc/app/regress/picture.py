"""What is seen in a delivered file: small stills of mouths and whole frames, and how alike two are."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from loc.app.regress.baseline import Still

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from loc.artifacts import VideoStream
    from loc.media.colour import Box, Rgb
    from loc.media.frames import Planes, Scan

Kind = Literal["mouth", "picture"]

WIDTH = 160
"""Pixels across a still: enough to tell what became of a mouth, and 2 kB."""

QUALITY = 80
"""WebP quality. Both sides of a comparison have passed through it."""

MAX_CUTS = 12
"""Cuts of a dub that get stills: about 8 kB each in the baseline."""

LOOKED_AT = 9
"""Frames of a drawn cut, evenly spaced, among which those that are kept are found."""

KEPT = 2
"""Of these, as many in which most was drawn."""

MOVED = 8
"""8-bit luma by which a delivered frame must differ from the source, over a few pixels, to have been drawn
on."""

SMOOTHED = 7
"""Pixels across the mean that is taken of such a difference: coding noise is gone in it."""

AROUND = 1.5
"""Width and height of a mouth's still in those of what was drawn."""

FLATTEST = 2
"""Width over height of a mouth's still at most, so that a hardly moving mouth can still be told for one."""


CALMED = 1.0
"""Standard deviation, still pixels, of a Gaussian that both stills pass through before they are compared: of
what another encoder does to a filmed mouth it leaves a fifth (0.008 of 0.039), of a blur of 2 pixels two
fifths (0.042 of 0.104)."""


@dataclass(frozen=True)
class Place:
    """Where a still is taken."""

    frame: int
    box: Box


def distance(one: str, other: str) -> float:
    """1 - SSIM of the luma of two stills of one size, calmed: 0 of the same, about 1 of unrelated ones, at
    most 2."""
    import cv2
    import numpy as np

    def luma(webp: str) -> npt.NDArray[np.float64]:
        data = np.frombuffer(base64.b64decode(webp), dtype=np.uint8)
        decoded = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        return np.asarray(cv2.GaussianBlur(decoded.astype(np.float64), (0, 0), CALMED))

    a, b = luma(one), luma(other)
    return 1 - ssim(a, b) if a.shape == b.shape else 1.0


def ssim(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Structural similarity of two pictures, float64 [h, w], 0..255: Wang et al. 2004, with their window (a
    Gaussian of 1.5 pixels) and constants, the mean over the picture."""
    import cv2

    def smooth(values: Any) -> Any:
        return cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT)

    small, less_small = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    both = smooth(a * b) - mean_a * mean_b
    alike = (2 * mean_a * mean_b + small) * (2 * both + less_small)
    scale = (mean_a**2 + mean_b**2 + small) * (var_a + var_b + less_small)
    return float((alike / scale).mean())


def take_stills(
    source: Path,
    output: Path,
    filmed: VideoStream,
    delivered: VideoStream,
    cuts: Sequence[tuple[int, int, bool]],
    accepted: Sequence[Still],
) -> tuple[tuple[Still, ...], Scan]:
    """(stills of a delivered video in the order of frames, all its pictures' times).

    Of every cut, of the first `MAX_CUTS`, the whole frame in its middle; and where it was drawn, what was
    drawn on in the frames that differ most from the source. A cut in which stills were accepted gets the same
    frames and boxes again, whatever is there now.

    Args:
        cuts: (first frame, one past the last, whether it was drawn).
    """
    known: dict[Place, Kind] = {Place(still.frame, still.box): still.of for still in accepted}
    fresh = [
        (start, stop, drawn)
        for start, stop, drawn in cuts[:MAX_CUTS]
        if not any(start <= place.frame < stop for place in known)
    ]
    whole = (0, 0, delivered.width, delivered.height)
    known.update((Place((start + stop) // 2, whole), "picture") for start, stop, _ in fresh)
    drawn_cuts = [(start, stop) for start, stop, drawn in fresh if drawn]
    if drawn_cuts and _same_layout(filmed, delivered):
        found = _drawn_on(source, output, filmed, delivered, drawn_cuts)
        known.update((place, "mouth") for place in found)
    taken, scan = take(output, delivered, known)
    stills = (
        Still(frame=place.frame, box=place.box, of=known[place], webp=taken[place])
        for place in sorted(taken, key=lambda place: (place.frame, place.box))
    )
    return tuple(stills), scan


def _same_layout(one: VideoStream, other: VideoStream) -> bool:
    """Whether pixels of the two can be compared: padded, scaled or tone-mapped ones are not looked at."""
    return (one.width, one.height, one.is_hdr) == (other.width, other.height, other.is_hdr)


def _drawn_on(
    source: Path, output: Path, filmed: VideoStream, delivered: VideoStream, cuts: Sequence[tuple[int, int]]
) -> list[Place]:
    """Where most was drawn in each cut."""
    looked_at = {cut: _evenly(*cut) for cut in cuts}
    wanted = {frame for frames in looked_at.values() for frame in frames}
    before, after = _lumas(source, filmed, wanted), _lumas(output, delivered, wanted)
    found: list[Place] = []
    for frames in looked_at.values():
        both = [frame for frame in frames if frame in before and frame in after]
        found += drawn_places({frame: (before[frame], after[frame]) for frame in both}, _reduction(filmed))
    return found


def _evenly(start: int, stop: int) -> list[int]:
    """`LOOKED_AT` frames, each in the middle of its share."""
    count = min(LOOKED_AT, stop - start)
    return [start + (2 * number + 1) * (stop - start) // (2 * count) for number in range(count)]


def drawn_places(
    pairs: Mapping[int, tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]], reduction: int
) -> list[Place]:
    """The frames with the largest change, and one box around all that changed; none where nothing did.

    Args:
        pairs: frame -> luma (before, after), uint8 [h, w], each pixel the mean of `reduction` x `reduction`.
    """
    import cv2
    import numpy as np

    changes = {
        frame: cv2.blur(cv2.absdiff(before, after), (SMOOTHED, SMOOTHED))
        for frame, (before, after) in pairs.items()
    }
    if not changes:
        return []
    most = np.max(list(changes.values()), axis=0)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((most >= MOVED).astype(np.uint8))
    if count < 2:
        return []
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    box = _around(stats[largest, :4], labels.shape, reduction)
    inside = {frame: float(change[labels == largest].mean()) for frame, change in changes.items()}
    kept = sorted(inside, key=lambda frame: (-inside[frame], frame))[:KEPT]
    return [Place(frame, box) for frame in sorted(kept)]


def _around(stats: npt.NDArray[np.int32], shape: tuple[int, ...], reduction: int) -> Box:
    """A component's box, widened by `AROUND`, inside the picture, in coded pixels."""
    left, top, width, height = (int(value) for value in stats)
    across, down = (round(size * (AROUND - 1) / 2) for size in (width, height))
    down = max(down, ((width + 2 * across) // FLATTEST - height) // 2)
    x0, y0 = max(0, left - across), max(0, top - down)
    x1, y1 = min(shape[1], left + width + across), min(shape[0], top + height + down)
    return x0 * reduction, y0 * reduction, x1 * reduction, y1 * reduction


def _reduction(video: VideoStream) -> int:
    """Pixels made one before pictures are compared: about 640 remain across."""
    return max(1, round(video.width / 640))


def _lumas(path: Path, video: VideoStream, wanted: Collection[int]) -> dict[int, npt.NDArray[np.uint8]]:
    """Frame -> its luma in 8 bits, reduced."""
    import cv2
    import numpy as np

    from loc.media.frames import plane_depth, to_planes

    step, shift = _reduction(video), plane_depth(video) - 8
    found: dict[int, npt.NDArray[np.uint8]] = {}

    def look(number: int, frame: Any) -> None:
        if number in wanted:
            luma = (to_planes(frame, video).y >> shift).astype(np.uint8)
            height, width = (size // step * step for size in luma.shape)
            size = (width // step, height // step)
            found[number] = np.asarray(cv2.resize(luma[:height, :width], size, interpolation=cv2.INTER_AREA))

    _each_frame(path, video, look)
    return found


def take(path: Path, video: VideoStream, places: Iterable[Place]) -> tuple[dict[Place, str], Scan]:
    """(the still at each place that the video has, its pictures' times)."""
    from loc.media.frames import to_planes

    waiting: dict[int, list[Place]] = {}
    for place in places:
        waiting.setdefault(place.frame, []).append(place)
    taken: dict[Place, str] = {}

    def look(number: int, frame: Any) -> None:
        if number in waiting:
            planes = to_planes(frame, video)
            for place in waiting[number]:
                if place.box[2] <= video.width and place.box[3] <= video.height:
                    taken[place] = _webp(_upright(_rgb(planes, video, place.box), video))

    return taken, _each_frame(path, video, look)


def _each_frame(path: Path, video: VideoStream, look: Callable[[int, Any], None]) -> Scan:
    """Show every picture with its number, in order."""
    from loc.media.frames import scan_frames

    numbers = itertools.count()
    return scan_frames(path, video, lambda frame: look(next(numbers), frame))


def _rgb(planes: Planes, video: VideoStream, box: Box) -> Rgb:
    from loc.media.colour import to_rgb
    from loc.media.tonemap import shown_in_sdr

    rgb = to_rgb(planes, video, box)
    return shown_in_sdr(rgb, video) if video.is_hdr else rgb


def _upright(rgb: Rgb, video: VideoStream) -> Rgb:
    """Turned as a player turns it, pixels square, `WIDTH` across or, of a tall one, down."""
    import cv2
    import numpy as np

    height, width = rgb.shape[0], rgb.shape[1] * float(video.sample_aspect or 1)
    scale = WIDTH / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    turned = np.rot90(cv2.resize(rgb, size, interpolation=method), video.rotation // 90)
    return np.ascontiguousarray(turned[:, ::-1] if video.mirrored else turned)


def _webp(rgb: Rgb) -> str:
    import cv2

    _, data = cv2.imencode(".webp", rgb[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return base64.b64encode(bytes(data)).decode()
