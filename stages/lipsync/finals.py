"""Finals: cuts that deserve more than a draft, drawn again, judged against their drafts, and swapped in."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from loc.artifacts import Clip, FrameRange, Reason, Score
from loc.backend import Card, Room, Sized
from loc.errors import LocError, MissingError, UsageError
from loc.runner import Action, Make, NotMade, Out
from loc.stage import FINALS, Context, CutOutlook
from loc.store.keys import digest_bytes
from stages.lipsync import plan, redraw
from stages.lipsync.contract import Finalist
from stages.lipsync.redraw import STAGE, Film, Redraw
from stages.lipsync.select import Candidate, Choice, is_under_limit, select, wanted_finals, worse
from stages.lipsync.watch import Drawn


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
        version=4,
        site=context.site(STAGE, f"{unit}, again" if again else unit),
        inputs={
            "pictures": film.key(reads),
            "times": digest_bytes(film.times(reads).tobytes()),
            "tracks": film.tracks_over_key(one.face, reads),
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
        card: of the backend that drew the final; None where the draft stayed.
        device_seconds: that a device computed for its finals, dropped ones among them.
    """

    drawn: tuple[Drawn, ...]
    score: Score | None
    reasons: tuple[Reason, ...] = ()
    card: Card | None = None
    device_seconds: float = 0.0


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
            context.notice(
                "passed-cut", f"Cut {one.number} passes through ({why}): it has no draft, and gets no final."
            )


def listed(numbers: Iterable[int]) -> str:
    """Numbers as `--finals` takes them: `1,4-7`."""
    parts = plan.joined([(number, number + 1) for number in numbers], 0)
    return ",".join(f"{first}" if stop == first + 1 else f"{first}-{stop - 1}" for first, stop in parts)


def decide(
    context: Context, film: Film, drafts: Sequence[Drafted], cuts: Sequence[CutOutlook], rate: Rate
) -> tuple[dict[int, Decided], list[CutOutlook]]:
    """(what becomes of drafted cuts, by their numbers; what is known of every cut).

    Those that are not chosen stay as they are. In look mode those are left out whose finals, or the scores of
    these, are still to be made.

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
    outlook = [_chosen(one, choices.get(one.number)) for one in cuts]
    context.foresee(context.language, outlook)
    decided = {
        one.number: Decided(one.drawn, one.score, choices[one.number].reasons)
        for one in drafts
        if not choices[one.number].final
    }
    chosen = [one for one in drafts if choices[one.number].final]
    if not chosen:
        return decided, outlook
    artists, outlook, short = _artists(context, film, chosen, outlook)
    for doubt in {artist: artist.unverified() for artist in artists.values()}.values():
        if doubt is not None:
            context.runner.notice("unverified-weights", doubt)
    if short is not None:
        left = [one for one in chosen if one.number not in artists]
        decided |= _kept(context, left, choices, short)
    for one in chosen:
        if artist := artists.get(one.number):
            with contextlib.suppress(NotMade):
                reasons = choices[one.number].reasons
                decided[one.number] = _upgraded(context, film, artist, one, reasons, rate)
    return decided, outlook


def _chosen(cut: CutOutlook, choice: Choice | None) -> CutOutlook:
    if choice is None:
        return replace(cut, chosen=True)
    route = "final" if choice.final else cut.route
    return replace(cut, route=route, reasons=(*cut.reasons, *choice.reasons), chosen=True)


def _kept(
    context: Context, chosen: Sequence[Drafted], choices: Mapping[int, Choice], error: MissingError
) -> dict[int, Decided]:
    """Chosen cuts with their drafts, since nothing can draw finals here; where finals were demanded they are
    defects."""
    why = _without(len(chosen), error)
    context.notice("no-finals", why)
    if context.settings.demands_finals:
        context.runner.defect(STAGE, "finals", "no-finals", why, context.language)
    absent = Reason(code="no-finals", detail="Nothing on this machine can draw it now.")
    return {
        one.number: Decided(one.drawn, one.score, (*choices[one.number].reasons, absent)) for one in chosen
    }


def _artists(
    context: Context, film: Film, chosen: Sequence[Drafted], outlook: list[CutOutlook]
) -> tuple[dict[int, Finalist], list[CutOutlook], MissingError | None]:
    """(who draws each cut, by its number; what is known of every cut; why nobody draws the others).

    A final that is there stays, whoever of them drew it: it takes long to draw, so only naming a model has it
    drawn anew. The others are drawn by the best backend that has room for its model. What is to be drawn,
    with what memory and how long, is told before it begins.
    """
    try:
        ranked = [cast(Finalist, context.backend(FINALS, context.language))]
    except MissingError as error:
        return {}, outlook, error
    if FINALS not in context.settings.backend:
        ranked += [cast(Finalist, one) for one in context.others(FINALS, context.language)]
    artists: dict[int, Finalist] = {}
    lacking: list[Lacking] = []
    for backend in ranked:
        left = [one for one in chosen if one.number not in artists]
        lacking.append(_lacking(context, film, backend, left))
        unmade = {number for number, _ in lacking[-1]}
        artists |= {one.number: backend for one in left if one.number not in unmade}
    outlook = _tell_better(context, ranked[0], artists, outlook)
    left = [one for one in chosen if one.number not in artists]
    short: MissingError | None = None
    for backend, actions in zip(ranked, lacking, strict=True):
        if not left:
            break
        try:
            room = backend.room(wait=context.runner.mode == "make") if isinstance(backend, Sized) else None
        except MissingError as error:
            short = short or error
            continue
        if short is not None:
            context.notice("finals-smaller", f"Finals are drawn by another model. {short}")
        wanted = [(number, action) for number, action in actions if number not in artists]
        outlook = _estimate(context, wanted, room, outlook)
        return artists | {one.number: backend for one in left}, outlook, None
    return artists, outlook, short


def _tell_better(
    context: Context, best: Finalist, artists: Mapping[int, Finalist], cuts: list[CutOutlook]
) -> list[CutOutlook]:
    """Say which finals are there by another model than the best."""
    by_others = {number: artist.model for number, artist in artists.items() if artist is not best}
    if by_others:
        context.notice(
            "finals-stay",
            f"Finals for cut {listed(by_others)} stay as {', '.join(sorted(set(by_others.values())))} drew "
            f"them; --backend finals={best.model} draws them anew by a better model.",
        )
    return [replace(one, better=best.model) if one.number in by_others else one for one in cuts]


Lacking = Sequence[tuple[int, Action]]
"""Numbers of cuts, and actions that are still to be made for them."""


def _estimate(
    context: Context, lacking: Lacking, room: Room | None, cuts: Sequence[CutOutlook]
) -> list[CutOutlook]:
    """Tell what finals will take before they begin; gives the cuts with what that is for each."""
    paces = _paces(context, lacking[0][1], room.device if room is not None else "")
    pace = sum(paces) / len(paces) if paces else None
    frames = _frames(lacking)
    total = sum(frames.values())
    took = (
        "how long that takes is not measured on this device yet"
        if pace is None
        else f"about {pace * total:.0f} s of the device, by {len(paces)} redraws before"
    )
    memory = "" if room is None else f"; memory {room}"
    context.notice("finals-estimate", f"Finals for cut {listed(frames)}, {total} frames: {took}{memory}.")
    return [
        replace(
            one,
            to_draw=True,
            device_seconds=None if pace is None else round(pace * frames[one.number], 1),
            measured=len(paces),
        )
        if one.number in frames
        else one
        for one in cuts
    ]


def _lacking(context: Context, film: Film, backend: Finalist, chosen: Sequence[Drafted]) -> Lacking:
    every = [
        (one.number, final(context, film, backend, drawn.redraw, one.frames, one.clips)[0])
        for one in chosen
        for drawn in one.drawn
    ]
    return [(number, action) for number, action in every if context.runner.lacks(action)]


def _frames(lacking: Lacking) -> Counter[int]:
    """How many frames are to be drawn, by cut."""
    frames: Counter[int] = Counter()
    for number, action in lacking:
        first, stop = action.inputs["drawn"]
        frames[number] += stop - first
    return frames


def _paces(context: Context, action: Action, device: str) -> list[float]:
    """Seconds that a device computed for each frame, of every recorded final that was drawn as this one is to
    be."""
    programs = action.fields()["programs"]
    return [
        record.detail["device_seconds"] / record.detail["frames"]
        for record in context.store.actions()
        if record.name == action.name
        and record.fields.get("programs") == programs
        and record.detail.get("device") == device
    ]


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
    spent = 0.0
    for again in (False, True):
        artist = backend.second_try() if again else backend
        made = _take(context, film, artist, one, again)
        if isinstance(made, LocError):
            what = "Its second take failed; its first is judged alone." if again else "Its draft stays."
            context.runner.defect(
                STAGE, f"cut {one.number}", "final-failed", f"{what} {made}", context.language
            )
            break
        takes.append((made, rate(artist, made).get(one.number - 1)))
        spent += sum(drawn.device_seconds for drawn in made)
        if not is_under_limit(takes[-1][1]):
            break
    if not takes:
        failed = Reason(code="final-failed", detail="The final could not be drawn; the draft stays.")
        return Decided(one.drawn, one.score, (*reasons, failed))
    drawn, score = max(takes, key=lambda take: _value(take[1]))
    dropped = worse(one.score, score)
    if is_under_limit(one.score if dropped else score):
        context.runner.defect(
            STAGE,
            f"cut {one.number}",
            "under-limit",
            _under_limit(one.score, score, len(takes)),
            context.language,
        )
    if dropped:
        return Decided(one.drawn, one.score, (*reasons, *dropped), device_seconds=spent)
    if len(takes) > 1:
        tried = Reason(code="second-try", detail="The first take scored under the limit of its measure.")
        reasons = (*reasons, tried)
    return Decided(drawn, score, reasons, context.card_of(backend), spent)


def _under_limit(draft: Score | None, final: Score | None, takes: int) -> str:
    """In words that what stays of a cut, its draft or the better of some takes, is under the limit of its
    measure, and how the other was."""
    drawn = "two finals" if takes > 1 else "its final"
    if final is None or not is_under_limit(final):
        return "Its lips do not follow what is heard in its draft, and its final was dropped."
    if is_under_limit(draft):
        return f"Its lips do not follow what is heard, in its draft as in {drawn}."
    what = f"Its lips do not follow what is heard in {drawn}"
    if draft is None or draft.value is None or draft.measure != final.measure:
        return f"{what}; its draft has no score to compare."
    return f"{what}: {final.value:g}; its draft passed with {draft.value:g}, better by no more than noise."


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
        Drawn(drawn.redraw, redraw.patch_track(film, drawn.redraw, result), redraw.device_seconds(result))
        for drawn, result in zip(one.drawn, made, strict=True)
        if not isinstance(result, LocError)
    )
