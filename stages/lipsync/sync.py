"""Drawn cuts before the judge: their pictures as they reach the video, beside the dub of their face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE, Clip, FrameRange, PatchTrack, Score
from loc.runner import Action, Make, Out
from loc.stage import Context
from loc.store.keys import digest_bytes
from stages.lipsync import plan, redraw
from stages.lipsync.contract import HEARD_RATE
from stages.lipsync.redraw import STAGE, Film, Redraw
from stages.lipsync.watch import Drawn

if TYPE_CHECKING:
    from loc.analysis.sync.judge import Judge
    from loc.media.frames import Planes

MIN_WINDOWS = 45
"""Under two seconds (windows are five frames long) chance finds a shift at which anything fits."""


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
        from loc.analysis.sync import syncnet

        with redraw.contained("The cut could not be judged."):
            found = np.concatenate(
                [_distances(context, film, judge, run, heard) for run, heard in zip(runs, near, strict=True)]
            )
        if len(found) < MIN_WINDOWS:
            why = f"{len(found)} windows are under {MIN_WINDOWS}."
            score = Score(measure="syncnet", n=len(found), unscored=why)
        else:
            said = syncnet.read(found)
            score = Score(
                measure="syncnet",
                value=round(said.confidence, 3),
                offset=said.offset,
                offset_ms=round(1000 * said.offset / syncnet.FPS, 1),
                distance=round(said.distance, 3),
                n=said.windows,
            )
        out.model("score", score)
        out.detail |= {"score": score.model_dump(mode="json", exclude={"unscored"})}

    action = Action(
        name="lipsync.sync",
        version=1,
        site=context.site(STAGE, f"cut {index + 1}"),
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


def _distances(
    context: Context, film: Film, judge: Judge, run: Sequence[Drawn], clips: Sequence[Clip]
) -> npt.NDArray[np.float32]:
    from loc.analysis.faces import upright_transform
    from loc.analysis.sync.crops import at_25, squares

    frames, video = _span(run), film.source.video
    boxes = np.concatenate([_boxes(context, film, one.redraw) for one in run])
    squared = squares(boxes, upright_transform(video))
    heard = redraw.heard(context, film, frames, clips)
    lead = plan.HEARING * HEARD_RATE // SAMPLE_RATE
    shown = at_25(heard.middles - lead, HEARD_RATE)
    return judge.distances(
        _crops(context, film, run, squared, shown.tolist()), len(shown), heard.sound[lead:-lead]
    )


def _boxes(context: Context, film: Film, one: Redraw) -> npt.NDArray[np.float32]:
    return film.faces(context, one.face, one.chunk, one.frames).box


def _crops(
    context: Context,
    film: Film,
    run: Sequence[Drawn],
    squared: npt.NDArray[np.float64],
    shown: Sequence[int],
) -> Iterator[npt.NDArray[np.uint8]]:
    """The faces of some of the frames, by their numbers in rising order; a number may come again."""
    from loc.analysis.faces import upright_transform
    from loc.analysis.sync.crops import cropped
    from loc.media.colour import to_rgb

    video = film.source.video
    wanted, upright = iter(shown), upright_transform(video)
    number = next(wanted, None)
    for index, planes in enumerate(_composited(context, film, run)):
        if number != index:
            continue
        face = cropped(to_rgb(planes, video), squared[index], upright)
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
