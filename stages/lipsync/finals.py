"""Finals: cuts that deserve more than a draft, drawn again, judged against their drafts, and swapped in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from loc.artifacts import Clip, FrameRange, Reason, Score
from loc.errors import LocError, MissingError, UsageError
from loc.runner import Action, Make, Out
from loc.stage import Context, CutOutlook
from loc.store.keys import digest_bytes
from stages.lipsync import plan, redraw
from stages.lipsync.contract import Finalist
from stages.lipsync.redraw import STAGE, Film, Redraw
from stages.lipsync.select import Candidate, is_under_limit, select, wanted_finals, worse
from stages.lipsync.watch import Drawn

FINALS = "finals"
"""What backends that draw finals say on their cards in place of a stage."""


def final(
    context: Context,
    film: Film,
    backend: Finalist,
    one: Redraw,
    cut: FrameRange,
    clips: Sequence[Clip],
    *,
    again: bool = False,
) -> tuple[Action, Make]:
    """`lipsync.final`: the patches of one redraw by the backend of finals.

    Reads: the frames of the redraw, how far each is drawn, and those around them in its cut that the backend
        asks for; the face's tracks in them; the dry clips of this face that sound less than 1 s from them;
        how the frames lie in their cut.
    Leaves out: the draft and its score, why it was chosen; phones; the mix; text, language and speakers; the
        numbers of cut and chunk, and the face's name.

    Args:
        cut: the frames of the whole cut.
        clips: every clip of the dub that the face speaks; only those that sound near are read.
        again: whether it is a second try.
    """
    rate = float(film.source.video.average_rate)
    reads = backend.reads(one.frames, cut, rate)
    zero = int(film.edges[reads.start])
    near = redraw.clips_near(film, reads, clips, plan.HEARING)

    def make(out: Out) -> None:
        with redraw.contained("The final could not be drawn."):
            redraw.draw_patches(context, film, backend, one, None, near, out, reads=reads, cut=cut)

    unit = f"cut {one.cut + 1}, frame {one.frames.start}"
    action = Action(
        name="lipsync.final",
        version=1,
        site=context.site(STAGE, f"{unit}, again" if again else unit),
        inputs={
            "pictures": film.key(reads),
            "times": digest_bytes(film.times(reads).tobytes()),
            "tracks": [
                {**film.tracks_key(one.face, index), "frames": [part.start, part.stop]}
                for index, part in film.chunks_over(reads)
            ],
            "drawn": _within(one.frames, reads),
            "cut": _within(cut, reads),
            "opacity": digest_bytes(one.opacity.tobytes()),
            "clips": [{"audio": clip.audio, "place": clip.place - zero} for clip in near],
        },
        params={"video": film.source.video},
        backend=(backend.card.id, backend.card.version),
        programs={**backend.fingerprint(), **redraw.programs(), **redraw.resampling()},
    )
    return action, make


def _within(frames: FrameRange, outer: FrameRange) -> list[int]:
    return [frames.start - outer.start, frames.stop - outer.start]


@dataclass(frozen=True)
class Drafted:
    """A cut as its draft left it.

    Args:
        number: counted from 1.
        frames: of the cut.
        shot: index.
        area: share of the picture that the face's box fills.
        lead: whether the cast file calls who speaks a lead.
        clips: that move its mouth.
        drawn: its redraws, with their patches.
        score: of the draft.
    """

    number: int
    frames: FrameRange
    shot: int
    area: float
    lead: bool
    clips: tuple[Clip, ...]
    drawn: tuple[Drawn, ...]
    score: Score | None

    @property
    def face(self) -> str:
        return self.drawn[0].redraw.face.name


@dataclass(frozen=True)
class Decided:
    """What became of a drafted cut.

    Args:
        drawn: what reaches the video.
        score: of that.
        reasons: why it got a final, or none that was wanted.
        backend: name of the card that drew the final; None where the draft stayed.
    """

    drawn: tuple[Drawn, ...]
    score: Score | None
    reasons: tuple[Reason, ...] = ()
    backend: str | None = None


Rate = Callable[[Finalist, Sequence[Drawn]], Mapping[int, Score]]
"""The scores of what a backend drew, by the index of the cut."""


def check_numbers(context: Context, cuts: Sequence[CutOutlook]) -> None:
    """See that every cut that is to get a final by its number is there, and say which pass through.

    Args:
        cuts: all.

    Raises:
        UsageError: there is no such cut.
    """
    settings = context.settings
    named = wanted_finals(settings.quality, settings.finals).named
    unknown = named - {one.number for one in cuts}
    drawn = [one.number for one in cuts if one.route != "passthrough"]
    if unknown:
        raise UsageError(
            f"There is no cut {listed(unknown)} to get a final.",
            why=f"The cuts of {context.job.path.name} are {listed(one.number for one in cuts) or 'none'}; "
            f"drawn: {listed(drawn) or 'none'}.",
            fix="Name cuts by their numbers in the report, or in `loc plan`.",
        )
    for one in cuts:
        if one.number in named and one.route == "passthrough":
            why = ", ".join(reason.code for reason in one.reasons)
            context.runner.notice(
                "passed-cut", f"Cut {one.number} passes through ({why}): it has no draft, and gets no final."
            )


def listed(numbers: Iterable[int]) -> str:
    """Numbers as `--finals` takes them: `1,4-7`."""
    parts = plan.joined([(number, number + 1) for number in numbers], 0)
    return ",".join(f"{first}" if stop == first + 1 else f"{first}-{stop - 1}" for first, stop in parts)


def decide(
    context: Context, film: Film, drafts: Sequence[Drafted], cuts: Sequence[CutOutlook], rate: Rate
) -> dict[int, Decided]:
    """What becomes of drafted cuts, by their numbers. Those that are not chosen stay as they are.

    Args:
        cuts: all, as they are known before.
    """
    settings = context.settings
    candidates = [
        Candidate(
            cut=one.number,
            shot=one.shot,
            face=one.face,
            area=one.area,
            stretch=stretch_of(context, one.drawn),
            lead=one.lead,
            score=one.score,
        )
        for one in drafts
    ]
    wanted = wanted_finals(settings.quality, settings.finals)
    choices = {one.cut: one for one in select(candidates, wanted, settings.finals_limit)}
    context.foresee(
        context.language,
        [
            replace(
                one,
                route="final" if choices[one.number].final else one.route,
                reasons=(*one.reasons, *choices[one.number].reasons),
                chosen=True,
            )
            if one.number in choices
            else one
            for one in cuts
        ],
    )
    decided = {one.number: Decided(one.drawn, one.score, choices[one.number].reasons) for one in drafts}
    chosen = [one for one in drafts if choices[one.number].final]
    if not chosen:
        return decided
    try:
        backend = cast(Finalist, context.backend(FINALS, context.language))
    except MissingError as error:
        context.runner.notice("no-finals", _without(len(chosen), error))
        absent = Reason(code="no-finals", detail="No backend for finals is on this machine.")
        for one in chosen:
            decided[one.number] = Decided(one.drawn, one.score, (*choices[one.number].reasons, absent))
        return decided
    if doubt := backend.unverified():
        context.runner.notice("unverified-weights", doubt)
    for one in chosen:
        decided[one.number] = _upgraded(context, film, backend, one, choices[one.number].reasons, rate)
    return decided


def _without(count: int, error: MissingError) -> str:
    what = (
        "1 cut is to get a final and keeps its draft"
        if count == 1
        else (f"{count} cuts are to get finals and keep their drafts")
    )
    return f"{what}: {error.what} {error.why or ''} {error.fix or ''}".strip()


def stretch_of(context: Context, drawn: Sequence[Drawn]) -> float:
    """Pixels of the source per pixel of the patches, median over frames."""
    from loc.media.patches import load_placement

    matrices = np.concatenate(
        [load_placement(context.store.open_object(one.patches.placement)).matrix for one in drawn]
    )
    return float(np.median(np.sqrt(np.abs(np.linalg.det(matrices[:, :, :2])))))


def _upgraded(
    context: Context,
    film: Film,
    backend: Finalist,
    one: Drafted,
    reasons: tuple[Reason, ...],
    rate: Rate,
) -> Decided:
    """A chosen cut with its final, or with its draft where that is better or there is none."""
    takes: list[tuple[tuple[Drawn, ...], Score | None]] = []
    for again in (False, True):
        artist = backend.second_try() if again else backend
        made = _take(context, film, artist, one, again)
        if isinstance(made, LocError):
            context.runner.defect(
                STAGE, f"cut {one.number}", "final-failed", f"Its draft stays. {made}", context.language
            )
            break
        takes.append((made, rate(artist, made).get(one.number - 1)))
        if not is_under_limit(takes[-1][1]):
            break
    if not takes:
        failed = Reason(code="final-failed", detail="The final could not be drawn; the draft stays.")
        return Decided(one.drawn, one.score, (*reasons, failed))
    drawn, score = max(takes, key=lambda take: _value(take[1]))
    if dropped := worse(one.score, score):
        return Decided(one.drawn, one.score, (*reasons, *dropped))
    if len(takes) > 1:
        tried = Reason(code="second-try", detail="The first take scored under the limit of its measure.")
        reasons = (*reasons, tried)
    if is_under_limit(score):
        context.runner.defect(
            STAGE,
            f"cut {one.number}",
            "under-limit",
            "Its lips do not follow what is heard, in its draft as in two finals.",
            context.language,
        )
    return Decided(drawn, score, reasons, backend.card.name)


def _value(score: Score | None) -> float:
    return -np.inf if score is None or score.value is None else score.value


def _take(
    context: Context, film: Film, backend: Finalist, one: Drafted, again: bool
) -> tuple[Drawn, ...] | LocError:
    """Every redraw of a cut, or what went wrong with the first that failed."""
    work = [
        final(context, film, backend, drawn.redraw, one.frames, one.clips, again=again) for drawn in one.drawn
    ]
    # One after the other: they share one model, and a second would only wait for it.
    made = context.runner.attempt(work)
    for result in made:
        if isinstance(result, LocError):
            return result
    return tuple(
        Drawn(drawn.redraw, redraw.patch_track(film, drawn.redraw, result))
        for drawn, result in zip(one.drawn, made, strict=True)
        if not isinstance(result, LocError)
    )
