"""How far MuseTalk's faces are from those its own models find: boxes, detector and masks, frame by frame.

    loc models pull dwpose-ll-384 s3fd --purpose research
    python bench/musetalk_faces.py CLIP... --purpose research [--parsing 79999_iter.pth] [--every N] [-o OUT]

Ours come from the tracker and its mesh. Against them: the box of RTMPose's 68 points by the original formula,
S3FD's best face, and, where the file is given, BiSeNet's label map through the original mask. The models were
trained on data that is for research alone, so that any other purpose is refused; BiSeNet's file is where the
scripts of MuseTalk fetch it, on Google Drive. What is not on the machine is left out and named.

- *iou*: area that two boxes share over what they cover together, 1 = the same.
- *edges*: left, top, right, bottom of theirs less ours, percent of our box's width or height.
- *detector*: share of our box without its margin that S3FD's face covers.
- *mask*: difference of the masks over the area of theirs, both with their soft edges, inside our box.

Figures are medians over frames, and the worst of 20 (95th percentile of the distance).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.machine import Result, machine, show
from loc.analysis.face_tracker import track_range
from loc.analysis.faces import foremost, transform, upright_transform
from loc.artifacts import FrameRange
from loc.errors import RefusedError
from loc.media.colour import to_rgb
from loc.media.compose import soft_mask
from loc.media.frames import first_look, read_frames, scan_frames
from loc.media.probe import probe_source
from loc.policy.licences import Purpose, refusal
from loc.settings import Settings
from loc.weights.load import load_strict, read_state
from loc.weights.shelf import Shelf
from stages.lipsync.musetalk import boxes, drawing, region
from stages.lipsync.musetalk.knobs import Knobs
from stages.lipsync.nets import bisenet, rtmpose, s3fd
from stages.lipsync.tracks import prepare

POSE, DETECTOR, PARSING = "dwpose-ll-384", "s3fd", "79999_iter.pth"
LICENCES = {POSE: "coco-wholebody-data", DETECTOR: "wider-face-data", PARSING: "celebamask-hq-data"}

Box = boxes.IntBox
Picture = npt.NDArray[np.uint8]


class Models:
    """Those of the three models that are on the machine.

    Args:
        parsing: BiSeNet's file, if it is to be asked.

    Raises:
        RefusedError: their licences do not allow the purpose.
    """

    def __init__(self, data_dir: Path, purpose: Purpose, parsing: Path | None) -> None:
        for what, licence in LICENCES.items():
            if why := refusal(licence, purpose):
                raise RefusedError(f"{what}: {why}", fix="--purpose research, for research alone.")
        shelf = Shelf(data_dir)
        self.missing = [name for name in (POSE, DETECTOR) if not shelf.has(name)]
        self.missing += [PARSING] if parsing is None else []
        self.pose = self.detector = self.parsing = None
        if POSE not in self.missing:
            self.pose = _loaded(rtmpose.RtmPose(), next(iter(shelf.find(POSE).files.values())))
        if DETECTOR not in self.missing:
            self.detector = _loaded(s3fd.S3fd(), next(iter(shelf.find(DETECTOR).files.values())))
        if parsing is not None:
            self.parsing = _loaded(bisenet.BiSeNet(), parsing)


def _loaded(net: Any, path: Path) -> Any:
    load_strict(net, read_state(path), path.name)
    return net.eval()


def overlap(one: Box, other: Box) -> float:
    """Area that two boxes share over what they cover together."""
    shared = _shared(one, other)
    return shared / (_area(one) + _area(other) - shared)


def _shared(one: Box, other: Box) -> float:
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    return float(np.prod(np.maximum(0, high - low)))


def _area(box: Box) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def edges(ours: Box, theirs: Box) -> list[float]:
    """By how much each edge of theirs lies further right or down, percent of our width or height."""
    size = (ours[2] - ours[0], ours[3] - ours[1])
    return [100 * (theirs[side] - ours[side]) / size[side % 2] for side in range(4)]


def mask_apart(net: Any, picture: Picture, box: Box, cutting: drawing.Cutting) -> float:
    """Difference of the masks over the area of theirs, inside our box.

    Args:
        picture: RGB, upright.
        cutting: of a picture that is upright as it is coded.
    """
    from PIL import Image

    left, top, right, bottom = crop = region.crop_of(box)
    about = np.asarray(Image.fromarray(picture).crop(crop))
    mask = region.region(bisenet.labels(net, about), "jaw", 90, 90)
    theirs = region.blurred(mask, box, region.OFFLINE_BLUR) / 255
    soft = soft_mask(cutting.place.polygon, cutting.place.feather, cutting.pixels.shape)
    there = cutting.place.matrix - np.array([[0, 0, left], [0, 0, top]])
    ours = cv2.warpAffine(soft, there, (right - left, bottom - top))
    inside = slice(box[1] - top, box[3] - top), slice(box[0] - left, box[2] - left)
    area = float(theirs[inside].sum())
    return float(np.abs(ours - theirs)[inside].sum()) / area if area else float("nan")


def compared(clip: Path, models: Models, every: int, most: int) -> Result:
    """One clip.

    Args:
        every: each how manieth frame is asked about.
        most: frames.
    """
    found: dict[str, list[Any]] = defaultdict(list)
    frames = 0
    for picture, own, cutting in _faces(clip, every, most):
        frames += 1
        bgr = np.ascontiguousarray(picture[:, :, ::-1])
        if models.pose is not None:
            points, _ = rtmpose.points(models.pose, bgr)
            height, width = picture.shape[:2]
            theirs = boxes.clamped(boxes.from_landmarks(points[rtmpose.FACE]), 0, 10, width, height)
            found["unusable"].append(theirs is None)
            if theirs is not None:
                found["iou"].append(overlap(own, theirs))
                found["edges"].append(edges(own, theirs))
        if models.detector is not None:
            seen = s3fd.faces(models.detector, bgr)
            found["detected"].append(len(seen) > 0)
            if len(seen):
                x1, y1, x2, y2 = (int(side) for side in seen[0, :4])
                found["detector"].append(_shared(own, (x1, y1, x2, y2)) / _area(own))
        if models.parsing is not None:
            found["mask"].append(mask_apart(models.parsing, picture, own, cutting))
    return {"clip": clip.name, "frames": frames, **_figures(found)}


def _faces(clip: Path, every: int, most: int) -> Iterator[tuple[Picture, Box, drawing.Cutting]]:
    """(upright picture, our box, our cutting) of the frames that show the face."""
    video = probe_source(clip, Settings()).video
    if video.rotation or video.sample_aspect != 1:
        raise SystemExit(f"{clip.name} is turned or squeezed: compare one that is coded as it is shown.")
    scan = scan_frames(clip, video)
    base = first_look(clip, video.index).time_base
    timeline = scan.timeline(base)
    frames = FrameRange(start=0, stop=min(timeline.count, every * most))
    tracks = prepare(foremost(track_range(clip, video, timeline, frames), len(frames)), video.average_rate)
    upright = upright_transform(video)
    pictures = zip(read_frames(clip, video, timeline, frames), tracks.points, tracks.found, strict=True)
    for index, (planes, points, is_there) in enumerate(pictures):
        if index % every or not is_there:
            continue
        face = boxes.from_mesh(transform(points.astype(np.float64), upright))
        box = boxes.clamped(face, 0, 10, video.width, video.height)
        if box is not None:
            yield to_rgb(planes, video), box, drawing.cut(planes, video, points, Knobs())


def _figures(found: dict[str, list[Any]]) -> Result:
    result: Result = {}
    for name, values in found.items():
        held = np.array(values, dtype=np.float64)
        if name in ("unusable", "detected"):
            result[name] = round(float(held.mean()), 3)
        elif name == "edges":
            result[name] = [round(float(value), 2) for value in np.median(held, axis=0)]
        else:
            worst = 95 if name == "mask" else 5
            result[name] = {
                "median": round(float(np.nanmedian(held)), 3),
                "worst of 20": round(float(np.nanpercentile(held, worst)), 3),
            }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/musetalk_faces.py")
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--purpose", type=Purpose, default=Purpose.INTERNAL)
    parser.add_argument("--data-dir", type=Path, default=Settings().data_dir)
    parser.add_argument("--parsing", type=Path)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--most", type=int, default=60, help="frames of a clip that are compared")
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    try:
        models = Models(asked.data_dir, asked.purpose, asked.parsing)
    except RefusedError as error:
        raise SystemExit(str(error)) from error
    result: Result = {"machine": machine(), "not on this machine": models.missing}
    if len(models.missing) < len(LICENCES):
        result["clips"] = [compared(clip, models, asked.every, asked.most) for clip in asked.clips]
    show(result, asked.output)


if __name__ == "__main__":
    main()
