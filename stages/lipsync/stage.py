"""Lip-sync: which frames are drawn, how the mouth moves in them, and their patches.

What depends on the source alone (tracks, cuts, profiles where the source speaks) is made before the dub is
asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from loc.analysis import occlusion
from loc.artifacts import (
    SAMPLE_RATE,
    Clip,
    Cut,
    FrameRange,
    LipSync,
    PatchTrack,
    Reason,
    Ref,
    Source,
    Stems,
)
from loc.errors import LocError
from loc.media.timeline import load_timeline
from loc.runner import Site
from loc.stage import Context
from stages.lipsync import plan, redraw
from stages.lipsync.contract import Drafter, Inputs
from stages.lipsync.cuts import Stretch, cut_shot
from stages.lipsync.plan import Range, without
from stages.lipsync.redraw import STAGE, Film, Redraw
from stages.lipsync.route import Situation, route, situations, with_occlusion
from stages.lipsync.tracks import runs

FAILED = "failed"
"""Code of the reason, and of the defect, of a cut that was to be drawn and could not be."""

CUE_SLACK = SAMPLE_RATE // 2
"""Samples by which a line may be heard before and after its times in the transcript: subtitles begin and end
up to half a second off the voice. Lines of seen speakers are not taken for it."""


@dataclass(frozen=True)
class _Routed:
    """A cut with its route.

    `opacity`: float32 [frames], how much of each frame is drawn; all 0 where the cut passes through.
    """

    stretch: Stretch
    route: Literal["draft", "passthrough"]
    reasons: tuple[Reason, ...]
    opacity: npt.NDArray[np.float32]


def run(context: Context, inputs: Inputs) -> LipSync:
    """Track, cut, route and draw. A cut that fails passes through and is a defect."""
    from loc.analysis.faces import learn_looks

    if not context.settings.lipsync:
        return LipSync(cuts=(), patches=())
    film = _film(context, inputs.source.get())
    looks = learn_looks(context.runner, Site(STAGE), film.source, film.tracks)
    stretches = [stretch for shot, own in enumerate(looks) for stretch in _cut(context, film, shot, own)]
    source_speech = _source_speech(context, inputs.stems.get())
    backend = cast(Drafter, context.backend(STAGE, context.language))
    people = _measured(context, film, backend, _speaking_shots(film, stretches, source_speech))
    hidden = _off_screen(context, inputs)
    clips = inputs.dub.get().clips
    seen_clips = [clip for clip in clips if clip.speaker not in hidden.speakers]
    unseen = [*hidden.source, *(_heard(clip) for clip in clips if clip.speaker in hidden.speakers)]
    source_speech = without(source_speech, hidden.source)
    dub_speech = [_heard(clip) for clip in seen_clips]
    only_dubbed = _speaking_shots(film, stretches, dub_speech)
    people |= _measured(context, film, backend, {k: v for k, v in only_dubbed.items() if k not in people})
    routed = [_routed(film, stretch, dub_speech, source_speech, unseen) for stretch in stretches]
    redraws = [one for index, cut in enumerate(routed) for one in _redraws(film, index, cut)]
    patches, failures = _drawn(context, film, backend, redraws, people, routed, seen_clips)
    _tell(context, routed, failures)
    return LipSync(
        cuts=tuple(
            _cut_record(film, cut, failures.get(index), backend.card.name, clips)
            for index, cut in enumerate(routed)
        ),
        patches=tuple(patches),
    )


def _film(context: Context, source: Source) -> Film:
    from loc.analysis.faces import track_faces

    timeline = load_timeline(context.store, source.frames, source.video.time_base)
    tracks = track_faces(context.runner, Site(STAGE), source, context.job.path, timeline)
    return Film(source, context.job.path, timeline, timeline.samples(), tracks.chunks)


def _cut(context: Context, film: Film, shot: int, looks: occlusion.Looks) -> list[Stretch]:
    """The cuts of one shot. A frame's situation is judged within its chunk and the chunk's context; what is
    before the mouth, by what mouths look like in the whole shot."""
    video = film.source.video
    seen, shares = [], []
    for index, chunk in enumerate(film.source.chunks):
        if chunk.shot == shot:
            tracks = film.tracks[index].frames
            first, last = chunk.frames.start - tracks.start, chunk.frames.stop - tracks.start
            faces = film.faces(context, index, tracks)
            seen.append(situations(faces, video.width, video.height)[first:last])
            shares.append(occlusion.covered(faces.mouth[first:last], looks))
    whole = with_occlusion(np.concatenate(seen), occlusion.occluded(np.concatenate(shares)))
    return cut_shot(shot, film.source.shots[shot].start, whole)


def _source_speech(context: Context, stems: Stems) -> list[Range]:
    """When the source speaks, samples."""
    from loc.analysis.voice_activity import speech_regions

    if stems.speech is None:
        return []
    return speech_regions(context.runner, Site(STAGE), stems.speech)


@dataclass(frozen=True)
class _Hidden:
    """Speakers who are not seen, and when they alone speak in the source, samples."""

    speakers: frozenset[str]
    source: list[Range]


def _off_screen(context: Context, inputs: Inputs) -> _Hidden:
    """What the cast file says of speakers who are not seen.

    Raises:
        UsageError: it names a speaker who is not in the transcript.
    """
    said = context.job.cast
    if said is None or not said.off_screen:
        return _Hidden(frozenset(), [])
    transcript = inputs.transcript.get()
    said.check(speaker.id for speaker in transcript.speakers)
    hidden, seen = [], []
    for segment in transcript.segments:
        if segment.speaker in said.off_screen:
            hidden.append((segment.start - CUE_SLACK, segment.stop + CUE_SLACK))
        else:
            seen.append((segment.start, segment.stop))
    return _Hidden(said.off_screen, without(hidden, seen))


def _heard(clip: Clip) -> Range:
    return clip.place, clip.place + clip.samples


def _speaking_shots(
    film: Film, stretches: Iterable[Stretch], speech: Sequence[Range]
) -> dict[int, list[Stretch]]:
    """By shot, every stretch that may be drawn, where speech falls on one of them."""
    by_shot: dict[int, list[Stretch]] = {}
    for stretch in stretches:
        if stretch.situation is Situation.ONE_FACE:
            by_shot.setdefault(stretch.shot, []).append(stretch)
    return {
        shot: group
        for shot, group in by_shot.items()
        if any(_during(film, stretch.frames, speech) for stretch in group)
    }


def _during(film: Film, frames: FrameRange, speech: Sequence[Range]) -> list[Range]:
    """The ranges that fall on some frames."""
    start, stop = int(film.edges[frames.start]), int(film.edges[frames.stop])
    return [(a, b) for a, b in speech if a < stop and b > start]


def _measured(
    context: Context, film: Film, backend: Drafter, shots: Mapping[int, Sequence[Stretch]]
) -> dict[int, Ref | LocError]:
    """The profile of the person in each shot, or why there is none."""
    work = [redraw.profile(context, film, backend, group) for group in shots.values()]
    results = context.runner.attempt(work, parallel=True)
    return {
        shot: result if isinstance(result, LocError) else result.ref("profile")
        for shot, result in zip(shots, results, strict=True)
    }


def _routed(
    film: Film,
    stretch: Stretch,
    dub_speech: Sequence[Range],
    source_speech: Sequence[Range],
    unseen: Sequence[Range],
) -> _Routed:
    frames = stretch.frames
    dub, source = _during(film, frames, dub_speech), _during(film, frames, source_speech)
    way, reasons = route(
        stretch.situation,
        dub_speaks=bool(dub),
        source_speaks=bool(source),
        off_screen=bool(_during(film, frames, unseen)),
    )
    if way == "passthrough":
        return _Routed(stretch, way, reasons, np.zeros(len(frames), dtype=np.float32))
    shot = film.source.shots[stretch.shot]
    drawn = plan.opacity(
        plan.frame_times(film.edges[frames.start : frames.stop + 1]),
        [*dub, *source],
        fade_in=frames.start > shot.start,
        fade_out=frames.stop < shot.stop,
    )
    return _Routed(stretch, way, reasons, drawn)


def _redraws(film: Film, index: int, cut: _Routed) -> Iterator[Redraw]:
    """The drawn frames of a cut, in unbroken runs, chunk by chunk."""
    start = cut.stretch.frames.start
    for number, chunk in enumerate(film.source.chunks):
        part = cut.stretch.frames.intersect(chunk.frames)
        if part is None:
            continue
        opacity = cut.opacity[part.start - start : part.stop - start]
        for first, last in runs(opacity > 0):
            frames = FrameRange(start=part.start + first, stop=part.start + last)
            yield Redraw(index, number, frames, opacity[first:last])


def _drawn(
    context: Context,
    film: Film,
    backend: Drafter,
    redraws: Sequence[Redraw],
    people: Mapping[int, Ref | LocError],
    routed: Sequence[_Routed],
    clips: Sequence[Clip],
) -> tuple[list[PatchTrack], dict[int, LocError]]:
    """(patch tracks, what went wrong by cut). A cut of which one redraw failed has no patches at all: half a
    sentence drawn would show more than none."""
    failures: dict[int, LocError] = {}
    work, wanted = [], []
    for one in redraws:
        person = people[routed[one.cut].stretch.shot]
        if isinstance(person, LocError):
            failures[one.cut] = person
            continue
        wanted.append(one)
        work.append(redraw.draw(context, film, backend, one, person, clips))
    results = list(zip(wanted, context.runner.attempt(work, parallel=True), strict=True))
    failures |= {one.cut: result for one, result in results if isinstance(result, LocError)}
    tracks = [
        redraw.patch_track(film, one, result)
        for one, result in results
        if not isinstance(result, LocError) and one.cut not in failures
    ]
    return tracks, failures


def _tell(context: Context, routed: Sequence[_Routed], failures: Mapping[int, LocError]) -> None:
    for index, failure in failures.items():
        context.runner.defect(STAGE, f"cut {index + 1}", FAILED, str(failure), context.language)
    several = sum(cut.stretch.situation is Situation.SEVERAL_FACES for cut in routed)
    if several:
        context.runner.notice(
            Situation.SEVERAL_FACES.code,
            f"{several} of {len(routed)} cuts show several faces and keep their picture as it is.",
        )


def _cut_record(
    film: Film, cut: _Routed, failure: LocError | None, backend: str, clips: Sequence[Clip]
) -> Cut:
    planned = int((cut.opacity > 0).sum())
    reasons = cut.reasons
    if failure is not None:
        reasons = (*reasons, Reason(code=FAILED, detail=failure.what))
    drawn = cut.route == "draft" and failure is None
    return Cut(
        shot=cut.stretch.shot,
        frames=cut.stretch.frames,
        route="draft" if drawn else "passthrough",
        reasons=reasons,
        backend=backend if drawn else None,
        speaker=_speaker(film, cut.stretch.frames, clips),
        drawn_frames=planned if drawn else 0,
        skipped_frames=0 if drawn else planned,
        score=None,
        score_state="unscored",
    )


def _speaker(film: Film, frames: FrameRange, clips: Sequence[Clip]) -> str | None:
    """Who speaks longest in the dub during some frames."""
    start, stop = int(film.edges[frames.start]), int(film.edges[frames.stop])
    heard: Counter[str] = Counter()
    for clip in clips:
        overlap = min(stop, clip.place + clip.samples) - max(start, clip.place)
        if clip.speaker is not None and overlap > 0:
            heard[clip.speaker] += overlap
    return min(heard, key=lambda speaker: (-heard[speaker], speaker)) if heard else None
