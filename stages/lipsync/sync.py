"""Drawn cuts before the judge: their pictures as they reach the video, beside the dub of their face."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE, Clip, FrameRange, PatchTrack, VideoStream
from loc.runner import Action, Make, Out
from loc.stage import Context
from loc.store.keys import digest_bytes
from stages.lipsync import plan, redraw
from stages.lipsync.contract import HEARD_RATE
from stages.lipsync.redraw import STAGE, Film
from stages.lipsync.watch import Drawn

if TYPE_CHECKING:
    from loc.analysis.sync.judge import Judge
    from loc.media.frames import Planes


def judge_cut(
    context: Context, film: Film, judge: Judge, drawn: Sequence[Drawn], clips: Sequence[Clip]
) -> tuple[Action, Make]:
    """`lipsync.sync`: how well the lips of one cut follow what is heard, by the judge.

    Reads: the frames that were drawn, and their patches; the face's tracks in them; the dry clips of this
        face that sound in them.
    Leaves out: phones; the mix; text, language and speakers; what drew the patches; the numbers of cut and
        chunk, and the face's name.

    Args:
        drawn: the redraws of one cut, in order.
        clips: every clip of the dub that the face speaks; only those that sound in the redraws are read.
    """
    runs = _runs(drawn)
    index = drawn[0].redraw.cut
    near = [redraw.clips_near(film, _span(run), clips, 0) for run in runs]

    def make(out: Out) -> None:
        with redraw.contained("The cut could not be judged."):
            found = np.concatenate(
                [_compared(context, film, judge, run, heard) for run, heard in zip(runs, near, strict=True)]
            )
        score = judge.score(found)
        out.model("score", score)
        out.detail |= {"score": score.model_dump(mode="json", exclude={"unscored"})}

    action = Action(
        name="lipsync.sync",
        version=3,
        site=context.site(STAGE, f"cut {index + 1}, {judge.measure}"),
        inputs={
            "runs": [
                {
                    "pictures": film.key(_span(run)),
                    "times": digest_bytes(film.times(_span(run)).tobytes()),
                    "tracks": [film.tracks_key(one.redraw.face, one.redraw.chunk) for one in run],
                    "patches": [_patch_key(one.patches) for one in run],
                    "clips": [
                        {"audio": clip.audio, "place": clip.place - int(film.edges[_span(run).start])}
                        for clip in heard
                    ],
                }
                for run, heard in zip(runs, near, strict=True)
            ]
        },
        params={"video": film.source.video},
        backend=judge.key,
        programs={**judge.fingerprint(), **redraw.programs(), **redraw.resampling()},
    )
    return action, make


def _runs(drawn: Sequence[Drawn]) -> list[list[Drawn]]:
    """Redraws that follow one another without a gap, together."""
    runs: list[list[Drawn]] = []
    for one in drawn:
        if runs and runs[-1][-1].redraw.frames.stop == one.redraw.frames.start:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _span(run: Sequence[Drawn]) -> FrameRange:
    return FrameRange(start=run[0].redraw.frames.start, stop=run[-1].redraw.frames.stop)


def _patch_key(patches: PatchTrack) -> dict[str, object]:
    return {
        "size": [patches.width, patches.height],
        "pixels": patches.pixels,
        "placement": patches.placement,
    }


def _compared(
    context: Context, film: Film, judge: Judge, run: Sequence[Drawn], clips: Sequence[Clip]
) -> npt.NDArray[np.float32]:
    from loc.analysis.sync.crops import at_25

    frames = _span(run)
    heard = redraw.heard(context, film, frames, clips)
    lead = plan.HEARING * HEARD_RATE // SAMPLE_RATE
    shown = at_25(heard.middles - lead, HEARD_RATE)
    faces = [film.faces(context, one.redraw.face, one.redraw.chunk, one.redraw.frames) for one in run]
    crop = crops_for(
        judge,
        film.source.video,
        np.concatenate([one.box for one in faces]),
        np.concatenate([one.points for one in faces]),
    )
    pictures = chosen(_composited(context, film, run), shown.tolist(), crop)
    return judge.compare(pictures, len(shown), heard.sound[lead:-lead])


Crop = Callable[[int, "Planes"], npt.NDArray[np.uint8]]
"""(number of the frame, its picture) -> the face as a judge looks at it."""


def crops_for(
    judge: Judge, video: VideoStream, boxes: npt.NDArray[np.float32], points: npt.NDArray[np.float32]
) -> Crop:
    """How a judge looks at a face.

    Args:
        boxes: float32 [n, 4], of the face in n frames, coded pixels.
        points: float32 [n, POINT_COUNT, 2], its mesh.
    """
    from loc.analysis.faces import upright_transform
    from loc.analysis.sync.crops import cropped, squares
    from loc.media.colour import to_rgb

    upright = upright_transform(video)
    if judge.looks_at == "square":
        squared = squares(boxes, upright)
        return lambda number, planes: cropped(to_rgb(planes, video), squared[number], upright)
    from loc.analysis.sync.stable import SIDE
    from stages.lipsync.latentsync.drawing import matrix_of, points_of, square_of

    matrices = [matrix_of(three, video, SIDE) for three in points_of(points, video)]
    return lambda number, planes: square_of(planes, video, matrices[number], SIDE)


def chosen(pictures: Iterable[Planes], shown: Sequence[int], crop: Crop) -> Iterator[npt.NDArray[np.uint8]]:
    """The faces of some of the pictures, by their numbers in rising order; a number may come again."""
    wanted = iter(shown)
    number = next(wanted, None)
    for index, planes in enumerate(pictures):
        if number != index:
            continue
        face = crop(index, planes)
        while number == index:
            yield face
            number = next(wanted, None)


def _composited(context: Context, film: Film, run: Sequence[Drawn]) -> Iterator[Planes]:
    """The frames of a run as they reach the video."""
    from loc.media.compose import apply_patch
    from loc.media.patches import load_placement, read_patches

    for one in run:
        patches = one.patches
        placed = load_placement(context.store.open_object(patches.placement))
        pixels = read_patches(
            context.store.open_object(patches.pixels), patches.width, patches.height, patches.count
        )
        pictures = film.pictures(one.redraw.frames)
        for index, (planes, patch) in enumerate(zip(pictures, pixels, strict=True)):
            yield apply_patch(
                planes,
                film.source.video,
                patch,
                placed.matrix[index],
                placed.polygon[index],
                float(placed.feather[index]),
                float(placed.opacity[index]),
            )
