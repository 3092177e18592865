"""Scores of drawn cuts: what was seen of each (`stages.lipsync.watch`) beside its phones.

What is decided by a score, and by which: `docs/explanation/scores.md`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.artifacts import (
    Clip,
    FrameRange,
    Phones,
    PictureScore,
    Ref,
    Score,
    ScoreMeasure,
)
from loc.errors import LocError
from loc.runner import Action, Made, Make, Out
from loc.stage import Context
from loc.store.keys import digest_bytes
from stages.lipsync import plan
from stages.lipsync.contract import Drafter
from stages.lipsync.redraw import STAGE, Film, Redraw
from stages.lipsync.sync import judge_cut
from stages.lipsync.watch import Drawn, watch

if TYPE_CHECKING:
    from loc.analysis.agreement import Spoken

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

UNWATCHED = "unwatched"
"""Code of the notice that a drawn cut could not be watched, or a face not be judged."""

SEAM_PERCENTILE = 95
"""Of frames: a seam that flashes is a seam, one frame in twenty is left to chance."""

AT_REST = 0.02
"""Expected opening under which a mouth rests."""
MIN_REST = 5
"""Frames at rest, with those beside them, under which nothing is said of trembling."""


def scores(
    context: Context,
    film: Film,
    backend: Drafter,
    drawn: Sequence[Drawn],
    clips: Sequence[Sequence[Clip]],
) -> dict[int, Score]:
    """The score of each cut of which something was drawn, by the cut's index.

    Args:
        drawn: in order.
        clips: of each cut, those that move its mouth.
    """
    seen = context.runner.attempt([watch(context, film, one) for one in drawn], parallel=True)
    measure: ScoreMeasure = "renderer-obedience" if backend.follows_phones else "viseme-agreement"
    by_cut: dict[int, list[tuple[Redraw, Made]]] = defaultdict(list)
    failed: dict[int, LocError] = {}
    for one, made in zip(drawn, seen, strict=True):
        if isinstance(made, LocError):
            failed[one.redraw.cut] = made
        else:
            by_cut[one.redraw.cut].append((one.redraw, made))
    for index, error in failed.items():
        context.notice(UNWATCHED, f"Cut {index + 1} is unscored: {error.what}")
    wanted = [index for index in by_cut if index not in failed]
    work = [rate(context, film, measure, index, by_cut[index], clips[index]) for index in wanted]
    rated = context.runner.map(work, parallel=True)
    agreed = {index: made.model("score", Score) for index, made in zip(wanted, rated, strict=True)}
    return {
        **{index: Score(measure=measure, unscored=error.what) for index, error in failed.items()},
        **_judged(context, film, drawn, agreed, clips),
    }


def _judged(
    context: Context,
    film: Film,
    drawn: Sequence[Drawn],
    agreed: Mapping[int, Score],
    clips: Sequence[Sequence[Clip]],
) -> dict[int, Score]:
    """Scores with the first judge's in the place of agreement that could judge, the others' beside it."""
    from loc.analysis.sync.judge import find_judges

    own = {index: [one for one in drawn if one.redraw.cut == index] for index in agreed}
    said: dict[int, list[Score]] = defaultdict(list)
    for judge in find_judges(context.settings.data_dir, context.settings.purpose):
        work = [judge_cut(context, film, judge, own[index], clips[index]) for index in agreed]
        for index, made in zip(agreed, context.runner.attempt(work), strict=True):
            if isinstance(made, LocError):
                context.notice(UNWATCHED, f"Cut {index + 1} is not judged: {made.what}")
            elif (score := made.model("score", Score)).value is not None:
                said[index].append(score)
    return {index: _with(score, said[index]) for index, score in agreed.items()}


def _with(agreed: Score, said: Sequence[Score]) -> Score:
    """A score with what judges say in its place."""
    if not said:
        return agreed
    return said[0].model_copy(update={"picture": agreed.picture, "beside": tuple(said[1:])})


def rate(
    context: Context,
    film: Film,
    measure: ScoreMeasure,
    index: int,
    watched: Sequence[tuple[Redraw, Made]],
    clips: Sequence[Clip],
) -> tuple[Action, Make]:
    """`lipsync.score`: how well the lips of one cut follow what is said in it.

    Reads: what was seen of the cut, from its first drawn frame to its last; the phones of the clips that
        sound in them or less than 0.3 s from them.
    Leaves out: the pictures; the sound of the clips; text, language and speakers; the cut's number.
    """
    frames = FrameRange(start=watched[0][0].frames.start, stop=watched[-1][0].frames.stop)
    zero, end = int(film.edges[frames.start]), int(film.edges[frames.stop])
    near = [
        clip
        for clip in clips
        if clip.place < end + plan.REACH and clip.place + clip.samples > zero - plan.REACH
    ]
    parts = [(redraw.frames.start - frames.start, made.ref("seen")) for redraw, made in watched]

    def make(out: Out) -> None:
        from loc.analysis.agreement import Spoken

        spoken = [
            Spoken(
                phones=Phones.model_validate_json(context.store.read_bytes(clip.phones)),
                place=clip.place - zero,
            )
            for clip in near
        ]
        score = _rated(context, measure, film.edges_of(frames), parts, spoken)
        out.model("score", score)
        out.detail |= {"score": score.model_dump(mode="json", exclude={"unscored"})}

    action = Action(
        name="lipsync.score",
        version=9,
        site=context.site(STAGE, f"cut {index + 1}"),
        inputs={
            "edges": digest_bytes(film.edges_of(frames).tobytes()),
            "seen": [{"at": at, "arrays": ref} for at, ref in parts],
            "clips": [{"phones": clip.phones, "place": clip.place - zero} for clip in near],
        },
        params={"measure": measure},
        programs={"numpy": packages.version("numpy"), "scipy": packages.version("scipy")},
    )
    return action, make


def _rated(
    context: Context,
    measure: ScoreMeasure,
    edges: npt.NDArray[np.int64],
    parts: Sequence[tuple[int, Ref]],
    spoken: Sequence[Spoken],
) -> Score:
    from loc.analysis.agreement import Lips, agree, expect

    whole = _joined(context, len(edges) - 1, parts)
    expected = expect(spoken, edges)
    # Frames between looks are no frames in which lips were missed; those that were not drawn are.
    looked = np.asarray(whole["looked"] != 0)
    score = agree(Lips(whole["aperture"], whole["width"]), expected, edges, measure, looked)
    return score.model_copy(update={"picture": _picture_score(whole, expected.aperture < AT_REST)})


def _joined(context: Context, count: int, parts: Sequence[tuple[int, Ref]]) -> dict[str, Floats]:
    """What was seen, over all frames of a cut; NaN where nothing was drawn."""
    from loc.media.arrays import load_arrays

    whole: dict[str, Floats] = {}
    for at, ref in parts:
        for name, values in load_arrays(context.store.open_object(ref)).items():
            row = whole.setdefault(name, np.full((count, *values.shape[1:]), np.nan))
            row[at : at + len(values)] = values
    return whole


def _picture_score(seen: Mapping[str, Floats], rests: Flags) -> PictureScore | None:
    from loc.analysis.likeness import unlike

    if not np.isfinite(seen["seam"]).any():
        return None
    colours = seen["lip_colour"][np.isfinite(seen["lip_colour"])]
    # Trembling is a second difference: beside a frame that moves it would be the movement's end.
    still = rests & np.append(rests[1:], False) & np.append(False, rests[:-1])
    calm = still & np.isfinite(seen["lip_tremble"]) & (seen["head_tremble"] > 0)
    jitter = None
    if calm.sum() >= MIN_REST:
        jitter = round(
            float(np.sqrt(seen["lip_tremble"][calm].mean() / seen["head_tremble"][calm].mean())), 2
        )
    resting = seen["aperture"][rests & np.isfinite(seen["aperture"])]
    apart = unlike(seen["jaw_before"], seen["jaw_after"])
    return PictureScore(
        seam=round(float(np.nanpercentile(seen["seam"], SEAM_PERCENTILE)), 2),
        lip_colour=round(float(np.median(colours)), 2) if len(colours) else None,
        sharpness=round(float(np.nanmedian(seen["sharpness"])), 3),
        shape=None if apart is None else round(apart, 3),
        jitter=jitter,
        at_rest=round(float(np.median(resting)), 3) if len(resting) >= MIN_REST else None,
        outside=int(np.nanmax(seen["outside"])),
    )
