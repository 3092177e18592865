"""Lip-sync: which frames are drawn, how the mouth moves in them, and their patches.

What depends on the source alone (tracks, cuts, profiles where the source speaks) is made before the dub is
asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import numpy.typing as npt

from loc.analysis import occlusion
from loc.artifacts import (
    SAMPLE_RATE,
    Cast,
    CastFace,
    Casting,
    CastPerson,
    Clip,
    Cut,
    CutSpent,
    FrameRange,
    LipSync,
    Reason,
    Ref,
    Score,
    Slowed,
    Sound,
    Source,
    Stems,
    Transcript,
)
from loc.backend import Card
from loc.errors import LocError
from loc.media.retiming import clock, slow_down
from loc.media.timeline import load_timeline
from loc.runner import NotMade, Site
from loc.stage import Context, CutOutlook
from stages.lipsync import finals, plan, prepared, redraw
from stages.lipsync import score as scoring
from stages.lipsync.agreeing import Agreement
from stages.lipsync.appraise import appraise
from stages.lipsync.casting import ShotScene, cast_shots, heard_frames, lip_speed, seen_people
from stages.lipsync.contract import Drafter, Inputs
from stages.lipsync.cuts import Stretch, cut_shot
from stages.lipsync.finals import Decided, Drafted
from stages.lipsync.plan import Range
from stages.lipsync.redraw import STAGE, Film, NoRoom, Redraw, see_room
from stages.lipsync.route import FADED, SEVERAL_FACES, Situation, route, situations
from stages.lipsync.shot_faces import ChunkFaces, ShotFace, shot_faces, shot_of
from stages.lipsync.speaking import Judged
from stages.lipsync.tracks import runs
from stages.lipsync.voices import ShotVoices, Voices
from stages.lipsync.watch import Drawn

if TYPE_CHECKING:
    from loc.analysis.faces import Faces
    from loc.analysis.sync.judge import Judge

MAX_LENT = 2
"""Shots that lend a person's views to another: each makes a redraw depend on one more."""

FAILED = "failed"
"""Code of the reason, and of the defect, of a cut that was to be drawn and could not be."""


@dataclass(frozen=True)
class _Lane:
    """One face through its shot, or a shot in which no face counts.

    `drawable`: the stretches that may be drawn.
    """

    shot: int
    face: ShotFace | None
    stretches: tuple[Stretch, ...]

    @property
    def drawable(self) -> list[Stretch]:
        return [one for one in self.stretches if one.situation is Situation.ONE_FACE]


@dataclass(frozen=True)
class _Routed:
    """A cut with its route.

    `opacity`: float32 [frames], how much of each frame is drawn; all 0 where the cut passes through.
    """

    stretch: Stretch
    face: ShotFace | None
    clips: tuple[Clip, ...]
    route: Literal["draft", "passthrough"]
    reasons: tuple[Reason, ...]
    opacity: npt.NDArray[np.float32]


def run(context: Context, inputs: Inputs) -> LipSync:
    """Track, cast, cut, route, draw and score. A cut that fails passes through and is a defect.

    Raises:
        NotMade: in look mode; what is known of cuts by then was told to the context.
    """
    from loc.analysis.looks import Person, learn_looks

    if not context.settings.lipsync:
        return LipSync(cuts=(), patches=())
    film = _film(context, inputs.source.get())
    faces = [shot_faces_of(context, film, shot) for shot in range(len(film.source.shots))]
    transcript = inputs.transcript.get()
    speech = _source_speech(context, inputs.stems.get(), transcript)
    castings = _cast(context, film, faces, transcript, speech, inputs.stems.get().speech)
    voices = _shot_voices(context, film, faces, transcript, speech, castings)
    everyone = [face for group in faces for face in group]
    people = [Person(face.shot, face.name, face.parts) for face in everyone]
    looks = learn_looks(context.runner, Site(STAGE), film.source, film.tracks, people)
    lanes = {
        face.name: _Lane(face.shot, face, tuple(_cut(context, film, face, own)))
        for face, own in zip(everyone, looks, strict=True)
    }
    backend = cast(Drafter, context.backend(STAGE, context.language))
    before = {name: voices[lane.shot].of(name, ()) for name, lane in lanes.items()}
    speaking = [lane for name, lane in lanes.items() if _speaks(film, lane, before[name])]
    profiles = _measured(context, film, backend, speaking)
    dub = inputs.dub.get()
    clips = dub.clips
    if dub.slowed:
        film, transcript, speech = _retimed(film, dub.slowed, transcript, speech)
        voices = _shot_voices(context, film, faces, transcript, speech, castings)
    heard = {name: voices[lane.shot].of(name, _near(film, lane.shot, clips)) for name, lane in lanes.items()}
    late = [lane for name, lane in lanes.items() if name not in profiles and _speaks(film, lane, heard[name])]
    profiles |= _measured(context, film, backend, late)
    routed = [
        _routed(film, lane, stretch, voice)
        for shot, group in enumerate(faces)
        for lane, voice in _shown(film, shot, group, lanes, heard, voices[shot], clips)
        for stretch in lane.stretches
    ]
    routed.sort(key=lambda cut: (cut.stretch.frames.start, cut.face.name if cut.face else ""))
    redraws = [one for index, cut in enumerate(routed) for one in _redraws(film, index, cut)]
    outlook = [_outlook(index, cut) for index, cut in enumerate(routed)]
    context.foresee(context.language, outlook)
    finals.check_numbers(context, outlook)
    who = seen_people(castings, {face.name: face for face in everyone})
    backend, drawn, failures = _drafted(
        context, film, backend, redraws, profiles, [*speaking, *late], routed, who
    )
    _tell(context, routed, failures, castings)
    clips_of = [cut.clips for cut in routed]
    scores = scoring.scores(context, film, backend, drawn, clips_of)
    drafts = _drafts(context, routed, drawn, scores)
    decided, outlook = finals.decide(
        context,
        film,
        drafts,
        outlook,
        lambda artist, made: scoring.scores(context, film, artist, made, clips_of),
    )
    decided = appraise(context, [one for one in drafts if one.number in decided], decided)
    waiting = {one.number for one in drafts} - decided.keys()
    cuts = {
        index + 1: _cut_record(
            film,
            cut,
            failures.get(index),
            context.card_of(backend),
            clips,
            scores.get(index),
            decided.get(index + 1),
        )
        for index, cut in enumerate(routed)
        if index + 1 not in waiting
    }
    context.foresee(
        context.language,
        [
            replace(one, route=cuts[one.number].route, reasons=cuts[one.number].reasons, chosen=True)
            if one.number in cuts
            else one
            for one in outlook
        ],
    )
    if waiting:
        raise NotMade(STAGE)
    return LipSync(
        cast=Cast(
            faces=tuple(_face_record(face) for group in faces for face in group),
            castings=castings,
            people=tuple(who),
        ),
        cuts=tuple(cuts.values()),
        patches=tuple(one.patches for cut in drafts for one in decided[cut.number].drawn),
        spent=tuple(_spent(cut, decided[cut.number]) for cut in drafts if _is_metered(cut, decided)),
        drafter=context.card_of(backend).choice if drafts else None,
    )


def _film(context: Context, source: Source) -> Film:
    from loc.analysis.face_tracker import track_faces

    timeline = load_timeline(context.store, source.frames, source.video.time_base)
    path = context.media(source)
    tracks = track_faces(context.runner, Site(STAGE), source, path, timeline)
    return Film(source, path, timeline, timeline.samples(), tracks.chunks)


def _retimed(
    film: Film, slowed: Sequence[Slowed], transcript: Transcript, speech: Sequence[Range]
) -> tuple[Film, Transcript, list[Range]]:
    """Film, lines and speech of the source on the dub's clock. Pictures are read by the source's times as
    ever; when each is seen is what changes."""
    shown = clock(film.timeline, slowed, film.source.samples).shown
    segments = [
        one.model_copy(update={"start": shown(one.start), "stop": shown(one.stop)})
        for one in transcript.segments
    ]
    return (
        replace(film, edges=slow_down(film.timeline, slowed).samples()),
        transcript.model_copy(update={"segments": tuple(segments)}),
        [(shown(start), shown(stop)) for start, stop in speech],
    )


def _chunks(film: Film, shot: int) -> list[int]:
    return [index for index, chunk in enumerate(film.source.chunks) if chunk.shot == shot]


def shot_faces_of(context: Context, film: Film, shot: int) -> list[ShotFace]:
    """The faces of one shot, the most prominent first."""
    from loc.analysis.faces import read_faces, upright_size, upright_transform

    video = film.source.video
    chunks = [
        ChunkFaces(
            chunk=index,
            frames=film.source.chunks[index].frames,
            read=film.tracks[index].frames,
            tracks=read_faces(context.store, film.tracks[index]),
        )
        for index in _chunks(film, shot)
    ]
    upright, size = upright_transform(video), upright_size(video)
    return shot_faces(shot, film.source.shots[shot], chunks, upright, size, video.average_rate)


def _cut(context: Context, film: Film, face: ShotFace, looks: occlusion.Looks) -> list[Stretch]:
    """The cuts of one face in its shot. A frame's situation is judged within its chunk and the chunk's
    context; what is before the mouth, by what this mouth looks like in the whole shot."""
    video, shot = film.source.video, face.shot
    seen, shares = [], []
    for index in _chunks(film, shot):
        tracks, frames = film.tracks[index].frames, film.source.chunks[index].frames
        first, last = frames.start - tracks.start, frames.stop - tracks.start
        there = film.faces(context, face, index, tracks)
        seen.append(situations(there, video.width, video.height, video.average_rate)[first:last])
        shares.append(occlusion.covered(there.mouth[first:last], looks))
    hidden = occlusion.occluded(np.concatenate(shares), video.average_rate)
    start = film.source.shots[shot].start
    return cut_shot(shot, start, np.concatenate(seen), hidden, video.average_rate)


def _source_speech(context: Context, stems: Stems, transcript: Transcript) -> list[Range]:
    """When the source speaks, samples; not where its voice stays in the dub, as a laugh does."""
    from loc.analysis.voice_activity import speech_regions

    if stems.speech is None:
        return []
    regions = speech_regions(context.runner, Site(STAGE), stems.speech)
    return plan.without(regions, [(item.start, item.stop) for item in transcript.kept])


def _cast(
    context: Context,
    film: Film,
    faces: Sequence[Sequence[ShotFace]],
    transcript: Transcript,
    speech: Sequence[Range],
    sound: Sound | None,
) -> tuple[Casting, ...]:
    """Who is seen speaking which line of the source.

    Args:
        speech: when the source speaks, samples.
        sound: its speech.

    Raises:
        UsageError: the cast file names a face that is not there.
    """
    said = context.job.cast
    if said is not None:
        said.check_faces(face.name for group in faces for face in group)
    segments = [(one.id, one.speaker, one.start, one.stop) for one in transcript.segments]
    scenes = [_scene(context, film, shot, group, segments, speech) for shot, group in enumerate(faces)]
    judge = _hearing(context)
    if sound is not None and judge is not None:
        scenes = [
            replace(scene, judged=Judged(context, film, judge, sound, scene.shot, scene.faces))
            for scene in scenes
        ]
    if sound is not None and transcript.language == "en":
        scenes = [
            replace(
                scene,
                agreement=Agreement(context, film, transcript.segments, sound, scene.shot, scene.faces),
            )
            for scene in scenes
        ]
    return tuple(cast_shots([scene for scene in scenes if scene.heard], said))


def _hearing(context: Context) -> Judge | None:
    """The first judge of this machine."""
    from loc.analysis.sync.judge import find_judges

    return next(iter(find_judges(context.settings.data_dir, context.settings.purpose)), None)


def _scene(
    context: Context,
    film: Film,
    shot: int,
    faces: Sequence[ShotFace],
    segments: Sequence[tuple[str, str | None, int, int]],
    speech: Sequence[Range],
) -> ShotScene:
    from loc.analysis.faces import upright_transform

    frames = film.source.shots[shot]
    seconds = (int(film.edges[frames.stop]) - int(film.edges[frames.start])) / SAMPLE_RATE
    fps = len(frames) / seconds
    upright = upright_transform(film.source.video)
    speeds = {
        face.name: np.concatenate(
            [
                _chunk_speed(context, film, face, index, lambda part: lip_speed(part, upright, fps))
                for index in _chunks(film, shot)
            ]
        )
        for face in faces
    }
    return ShotScene(shot, faces, speeds, heard_frames(frames, film.edges, segments, speech), fps)


def _chunk_speed(
    context: Context,
    film: Film,
    face: ShotFace,
    chunk: int,
    speed: Callable[[Faces], npt.NDArray[np.float64]],
) -> npt.NDArray[np.float64]:
    """Lip speed over a chunk's frames, measured with its context so that joints do not show."""
    read, frames = film.tracks[chunk].frames, film.source.chunks[chunk].frames
    whole = speed(film.faces(context, face, chunk, read))
    return whole[frames.start - read.start : frames.stop - read.start]


def _shot_voices(
    context: Context,
    film: Film,
    faces: Sequence[Sequence[ShotFace]],
    transcript: Transcript,
    speech: Sequence[Range],
    castings: Sequence[Casting],
) -> list[ShotVoices]:
    segments = {one.id: one for one in transcript.segments}
    return [
        ShotVoices(
            castings=[one for one in castings if one.shot == shot],
            segments=segments,
            speech=_during(film, film.source.shots[shot], speech),
            faces=group,
            said=context.job.cast,
        )
        for shot, group in enumerate(faces)
    ]


def _during(film: Film, frames: FrameRange, ranges: Sequence[Range]) -> list[Range]:
    """The ranges that fall on some frames."""
    start, stop = int(film.edges[frames.start]), int(film.edges[frames.stop])
    return [(a, b) for a, b in ranges if a < stop and b > start]


def _near(film: Film, shot: int, clips: Sequence[Clip]) -> list[Clip]:
    """The clips that are heard in a shot or shape a mouth in it."""
    frames = film.source.shots[shot]
    start, stop = int(film.edges[frames.start]) - plan.REACH, int(film.edges[frames.stop]) + plan.REACH
    return [clip for clip in clips if clip.place < stop and clip.place + clip.samples > start]


def _speaks(film: Film, lane: _Lane, voices: Voices) -> bool:
    """Whether speech of the face falls on frames that may be drawn."""
    ranges = [*voices.source, *voices.dub]
    return any(_during(film, stretch.frames, ranges) for stretch in lane.drawable)


def _shown(
    film: Film,
    shot: int,
    faces: Sequence[ShotFace],
    lanes: Mapping[str, _Lane],
    heard: Mapping[str, Voices],
    voices: ShotVoices,
    clips: Sequence[Clip],
) -> list[tuple[_Lane, Voices]]:
    """The lanes of a shot that become cuts: of every face that speaks, else of the most prominent face, else
    of none."""
    speaking = [face for face in faces if heard[face.name].source or heard[face.name].clips]
    if speaking or faces:
        return [(lanes[face.name], heard[face.name]) for face in speaking or faces[:1]]
    nothing = Stretch(shot, film.source.shots[shot], Situation.NO_FACE)
    return [(_Lane(shot, None, (nothing,)), voices.of(None, _near(film, shot, clips)))]


def _measured(
    context: Context, film: Film, backend: Drafter, lanes: Sequence[_Lane]
) -> dict[str, Ref | LocError]:
    """By face, the profile of the person, or why there is none."""
    work = [redraw.profile(context, film, backend, lane.face, lane.drawable) for lane in lanes if lane.face]
    results = context.runner.attempt(work, parallel=True)
    return {
        lane.face.name: result if isinstance(result, LocError) else result.ref("profile")
        for lane, result in zip(lanes, results, strict=True)
        if lane.face
    }


def _routed(film: Film, lane: _Lane, stretch: Stretch, voices: Voices) -> _Routed:
    frames = stretch.frames
    dub, source = _during(film, frames, voices.dub), _during(film, frames, voices.source)
    way, reasons = route(
        stretch.situation,
        dub_speaks=bool(dub),
        source_speaks=bool(source),
        others_speak=bool(_during(film, frames, voices.others)),
        off_screen=bool(_during(film, frames, voices.off_screen)),
        unsure=bool(_during(film, frames, voices.unsure)),
    )
    if way == "passthrough":
        still = np.zeros(len(frames), dtype=np.float32)
        return _Routed(stretch, lane.face, voices.clips, way, reasons, still)
    shot = film.source.shots[stretch.shot]
    drawn = plan.opacity(
        plan.frame_times(film.edges[frames.start : frames.stop + 1]),
        [*dub, *source],
        fade_in=frames.start > shot.start,
        fade_out=frames.stop < shot.stop,
    )
    if not drawn.any():
        return _Routed(stretch, lane.face, voices.clips, "passthrough", (FADED,), drawn)
    return _Routed(stretch, lane.face, voices.clips, way, reasons, drawn)


def _outlook(index: int, cut: _Routed) -> CutOutlook:
    face = cut.face.name if cut.face else None
    frames, shot = cut.stretch.frames, cut.stretch.shot
    return CutOutlook(index + 1, shot, frames, face, cut.route, cut.reasons, chosen=False)


def _redraws(film: Film, index: int, cut: _Routed) -> Iterator[Redraw]:
    """The drawn frames of a cut, in unbroken runs, chunk by chunk."""
    start = cut.stretch.frames.start
    if cut.face is None:
        return
    for number, chunk in enumerate(film.source.chunks):
        part = cut.stretch.frames.intersect(chunk.frames)
        if part is None:
            continue
        opacity = cut.opacity[part.start - start : part.stop - start]
        for first, last in runs(opacity > 0):
            frames = FrameRange(start=part.start + first, stop=part.start + last)
            yield Redraw(index, cut.face, number, frames, opacity[first:last])


def _drafted(
    context: Context,
    film: Film,
    backend: Drafter,
    redraws: Sequence[Redraw],
    profiles: Mapping[str, Ref | LocError],
    speaking: Sequence[_Lane],
    routed: Sequence[_Routed],
    who: Sequence[CastPerson],
) -> tuple[Drafter, list[Drawn], dict[int, LocError]]:
    """(who drew the drafts, what was drawn, what went wrong by cut): by the chosen backend, or, where there
    is something to draw and the device has no room for its model, by the next one.

    Args:
        profiles: of the lanes that speak, by the chosen backend.

    Raises:
        MissingError: there is no room for the one that was named.
    """
    named = STAGE in context.settings.backend
    others = iter(() if named else context.others(STAGE, context.language))
    while True:
        try:
            return backend, *_drawn(context, film, backend, redraws, profiles, routed, who)
        except NoRoom as short:
            following = next(others, None)
            if following is None:
                raise short.error from short
            backend = cast(Drafter, following)
            name = context.card_of(backend).choice.partition("/")[2]
            # Without figures, which change from run to run: it stands in the report.
            context.notice("drafts-smaller", f"Drafts are drawn by {name}. {short.error.what}")
            profiles = _measured(context, film, backend, speaking)


def _drawn(
    context: Context,
    film: Film,
    backend: Drafter,
    redraws: Sequence[Redraw],
    profiles: Mapping[str, Ref | LocError],
    routed: Sequence[_Routed],
    who: Sequence[CastPerson],
) -> tuple[list[Drawn], dict[int, LocError]]:
    """(what was drawn, what went wrong by cut). A cut of which one redraw failed is not drawn at all: half a
    sentence drawn would show more than none.

    Raises:
        NoRoom: something is to be drawn, and there is no room for the backend's model.
    """
    failures: dict[int, LocError] = {}
    work, wanted, spent = [], [], []
    cuts = {one.cut: routed[one.cut].stretch.frames for one in redraws}
    preparing = prepared.work(context, film, backend, redraws, cuts)
    roomy = see_room(context, backend, preparing.values())
    readied = prepared.ready(context, film, backend, redraws, cuts, preparing)
    for one, ready, run in zip(redraws, readied, redraw.unbroken(redraws), strict=True):
        person = profiles[one.face.name]
        if isinstance(person, LocError):
            failures[one.cut] = person
            continue
        if isinstance(ready, LocError):
            failures[one.cut] = ready
            continue
        wanted.append(one)
        spent.append(ready.device_seconds if ready is not None else 0.0)
        lent = _lent(one.face, profiles, who)
        clips = routed[one.cut].clips
        work.append(redraw.draw(context, film, backend, one, person, clips, run, lent, ready))
    if not roomy:
        see_room(context, backend, work)
    results = list(zip(wanted, context.runner.attempt(work, parallel=True), spent, strict=True))
    failures |= {one.cut: result for one, result, _ in results if isinstance(result, LocError)}
    drawn = [
        Drawn(one, redraw.patch_track(film, one, result), before + redraw.device_seconds(result))
        for one, result, before in results
        if not isinstance(result, LocError) and one.cut not in failures
    ]
    return drawn, failures


def _drafts(
    context: Context, routed: Sequence[_Routed], drawn: Sequence[Drawn], scores: Mapping[int, Score]
) -> list[Drafted]:
    """The cuts of which something was drawn, in order."""
    leads = context.job.cast.leads if context.job.cast is not None else frozenset()
    by_cut: dict[int, list[Drawn]] = {}
    for one in drawn:
        by_cut.setdefault(one.redraw.cut, []).append(one)
    return [
        Drafted(
            number=index + 1,
            frames=routed[index].stretch.frames,
            shot=routed[index].stretch.shot,
            area=_area(made[0].redraw.face),
            lead=any(clip.speaker in leads for clip in routed[index].clips),
            clips=routed[index].clips,
            drawn=tuple(made),
            score=scores.get(index),
        )
        for index, made in sorted(by_cut.items())
    ]


def _area(face: ShotFace) -> float:
    x0, y0, x1, y1 = face.box
    return (x1 - x0) * (y1 - y0)


def _spent(draft: Drafted, final: Decided) -> CutSpent:
    drafted = sum(one.device_seconds for one in draft.drawn)
    return CutSpent(cut=draft.number, draft=round(drafted, 3), final=round(final.device_seconds, 3))


def _is_metered(draft: Drafted, decided: Mapping[int, Decided]) -> bool:
    return decided[draft.number].device_seconds > 0 or any(one.device_seconds for one in draft.drawn)


def _lent(face: ShotFace, profiles: Mapping[str, Ref | LocError], who: Sequence[CastPerson]) -> list[Ref]:
    """Profiles of the same person in other shots, of the nearest ones."""
    others = [
        name for person in who if face.name in person.faces for name in person.faces if name != face.name
    ]
    others.sort(key=lambda name: (abs(shot_of(name) - face.shot), shot_of(name)))
    found = (profiles.get(name) for name in others)
    return [ref for ref in found if isinstance(ref, Ref)][:MAX_LENT]


def _tell(
    context: Context,
    routed: Sequence[_Routed],
    failures: Mapping[int, LocError],
    castings: Sequence[Casting],
) -> None:
    for index, failure in failures.items():
        context.runner.defect(STAGE, f"cut {index + 1}", FAILED, str(failure), context.language)
    several = sum(any(reason.code == SEVERAL_FACES for reason in cut.reasons) for cut in routed)
    if several:
        context.notice(
            SEVERAL_FACES,
            f"{several} of {len(routed)} cuts show several faces, and which one speaks is not known: they "
            "keep their picture as it is. A cast file can say it.",
        )
    for by, said in (
        (
            "framing",
            "{} told by where the speaker sits in other shots, not by its lips: see `cast` in the report.",
        ),
        ("listener", "{} heard while the only face in view rests its lips: it is not moved."),
    ):
        count = sum(len(one.segments) for one in castings if one.by == by)
        if count:
            context.notice(f"cast-{by}", said.format(_lines_are(count)))


def _lines_are(count: int) -> str:
    return "1 line is" if count == 1 else f"{count} lines are"


def _face_record(face: ShotFace) -> CastFace:
    x0, y0, x1, y1 = (round(side, 4) for side in face.box)
    return CastFace(shot=face.shot, name=face.name, box=(x0, y0, x1, y1), found=face.found)


def _cut_record(
    film: Film,
    cut: _Routed,
    failure: LocError | None,
    card: Card,
    clips: Sequence[Clip],
    score: Score | None,
    decided: Decided | None,
) -> Cut:
    planned = int((cut.opacity > 0).sum())
    reasons = cut.reasons
    if failure is not None:
        reasons = (*reasons, Reason(code=FAILED, detail=failure.what))
    drawn = cut.route == "draft" and failure is None and (decided is None or bool(decided.drawn))
    final = drawn and decided is not None and decided.card is not None
    if decided is not None:
        reasons, card = (*reasons, *decided.reasons), decided.card or card
    return Cut(
        shot=cut.stretch.shot,
        frames=cut.stretch.frames,
        route="final" if final else "draft" if drawn else "passthrough",
        reasons=reasons,
        backend=card.name if drawn else None,
        model=card.model if drawn else None,
        face=cut.face.name if cut.face else None,
        speaker=_speaker(film, cut.stretch.frames, cut.clips if drawn and cut.clips else clips),
        drawn_frames=planned if drawn else 0,
        skipped_frames=0 if drawn else planned,
        score=None if not drawn else decided.score if decided is not None else score,
        draft_score=score if final else None,
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
