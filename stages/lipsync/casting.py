"""Who is seen speaking: which face of a shot moves its lips when a speaker of the source is heard.

Pure functions of tracks, the source's speech and what the cast file says; never of a dub or its language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from loc.artifacts import Casting, CastPerson, FrameRange, Score, ScoreMeasure
from stages.lipsync.select import NOISE, is_under_limit

if TYPE_CHECKING:
    from loc.analysis.faces import Affine, Faces
    from loc.cast import CastFile
    from stages.lipsync.shot_faces import ShotFace

Floats = npt.NDArray[np.float64]

BLOCK_S = 0.4
"""Seconds of speech that count as one observation: lips move in syllables of about a fifth of a second, so
frames next to each other say the same twice."""
MIN_BLOCKS = 5
"""Fewer observations (2 s of speech) cannot tell two faces apart: all five one way has p = 1/32."""
MAX_P = 0.05
"""A face is taken where the difference to the next one, its sign drawn by lot block by block, is reached by
chance less often than this."""
MIN_RATIO = 1.5
"""And where its lips are this much faster: listeners smile, nod and swallow."""
MOVING = 0.15
"""Lip speed under which nobody is seen speaking, in face scales per second. Two people who spoke measured
0.60 and 0.66 (5th percentile over 0.4 s: 0.23), a silent one 0.04 (95th percentile: 0.09)."""
LISTENING = 1 / 3
"""A face that is alone in its shot listens where its lips are slower than this share of what they are for
another speaker, or of what the speaker's own are in other shots."""
FRAMING = 0.15
"""Two shots are framed alike for a face where its boxes' corners lie at most this share of the picture
apart."""
FOLLOWS = 0.01
"""A face follows what is said where the evidence of its lips' speed and of their agreement with the phones,
combined, is reached by chance less often than this. Of 180 wrong lines under three real faces 0.6 to 2.2 %
agreed as well by agreement alone."""
SEEN = ("cast-file", "lips", "syncnet", "stable-syncnet", "visemes")
"""How a face was found in its own shot, for sure."""
ABSOLUTE: frozenset[ScoreMeasure] = frozenset({"syncnet"})
"""Measures whose limit tells that nobody in view speaks. That of StableSyncNet was set by clips like those it
is trained on: of other clips a face that speaks may stay under it."""
MAX_SIGNS = 4096
"""Sign patterns tried: all of them up to 12 blocks, as many random ones beyond."""


@dataclass(frozen=True)
class Heard:
    """A stretch of the source's speech in one shot.

    Args:
        segment: id of its line.
        speaker: who is heard.
        frames: bool [frames of the shot], where this voice is heard and no other.
    """

    segment: str
    speaker: str | None
    frames: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ShotScene:
    """What casting reads of a shot.

    Args:
        shot: its index.
        faces: of the shot, the most prominent first.
        speeds: by face name, `lip_speed` over the frames of the shot.
        heard: what is said in it, in order.
        fps: frames per second, of the shot on average.
        judged: given where lines are heard and the name of a face, how well a judge finds that it says them.
        agreement: given ids of lines and the name of a face, how well its lips follow them; unscored where
            the phones are not known. Both are asked only where speeds leave it open, this one where the judge
            does as well.
    """

    shot: int
    faces: Sequence[ShotFace]
    speeds: Mapping[str, Floats]
    heard: Sequence[Heard]
    fps: float
    judged: Callable[[Sequence[npt.NDArray[np.bool_]], str], Score] | None = None
    agreement: Callable[[Sequence[str], str], Score] | None = None


@dataclass(frozen=True)
class _Found:
    """What lips say: the face that moves, or None; and the figures."""

    face: str | None
    speed: float
    runner_up: float
    blocks: int
    p: float | None
    by: Literal["lips", "syncnet", "stable-syncnet", "visemes"] = "lips"
    score: Score | None = None


def lip_speed(faces: Faces, upright: Affine, fps: float) -> Floats:
    """How fast the lips move, float64 [n], in face scales per second; NaN where there is no face.

    The change of the opening plus that of the mouth's width: vowels open it, rounding narrows it.

    Args:
        faces: consecutive frames, smoothed.
        upright: coded pixel centres to upright ones, float64 [2, 3].
    """
    from loc.analysis.faces import face_scale, lip_aperture, places, transform

    if len(faces) < 2:
        return np.full(len(faces), np.nan)
    points = transform(faces.points.astype(np.float64), upright)
    left, right = places((61, 291))
    width = np.linalg.norm(points[:, left] - points[:, right], axis=-1) / face_scale(points)
    change = np.abs(np.gradient(lip_aperture(points))) + np.abs(np.gradient(width))
    return np.asarray(change * fps)


def cast_shots(scenes: Sequence[ShotScene], said: CastFile | None) -> list[Casting]:
    """Who is seen speaking each line, shot by shot.

    The cast file comes first; then what the lips say in the shot; then where the same speaker was seen in a
    shot framed alike, marked uncertain. A face that is alone in its shot speaks, unless its lips rest: while
    they move for another speaker, or while the same speaker's move in another shot.
    """
    castings = [one for scene in scenes for one in _by_lips(scene, said)]
    usual = _fastest((one.speaker, one) for one in castings)
    of_face = _fastest((one.face, one) for one in castings)
    castings = [_listener(one, max(usual.get(one.speaker, 0), of_face.get(one.face, 0))) for one in castings]
    return _by_framing(castings, {face.name: face for scene in scenes for face in scene.faces})


def _by_lips(scene: ShotScene, said: CastFile | None) -> list[Casting]:
    castings = []
    for speaker, group in _by_speaker(scene.heard).items():
        face = said.face(speaker, scene.faces) if said else None
        hidden = said is not None and speaker in said.off_screen
        if hidden or face is not None:
            found = _Found(face, 0.0, 0.0, 0, None)
            castings.append(_casting(scene, speaker, group, found, "cast-file"))
        elif len(scene.faces) == 1:
            found = _measured(scene, group, scene.faces[0].name)
            castings.append(_casting(scene, speaker, group, found, "only-face"))
        else:
            castings += _of_several(scene, speaker, group)
    return castings


def _of_several(scene: ShotScene, speaker: str | None, group: Sequence[Heard]) -> list[Casting]:
    """All lines of a speaker at once; where they do not agree on a face, each by itself: the voices of two
    people may have been taken for one."""
    pooled = _compared(scene, group)
    if pooled.face is not None or len(group) == 1:
        return [_casting(scene, speaker, group, pooled, pooled.by)]
    found = [(one, _compared(scene, [one])) for one in group]
    return [_casting(scene, speaker, [one], each, each.by) for one, each in found]


def _by_speaker(heard: Iterable[Heard]) -> dict[str | None, list[Heard]]:
    groups: dict[str | None, list[Heard]] = {}
    for one in heard:
        groups.setdefault(one.speaker, []).append(one)
    return groups


def _casting(
    scene: ShotScene, speaker: str | None, group: Sequence[Heard], found: _Found, how: str
) -> Casting:
    return Casting.model_validate(
        {
            "shot": scene.shot,
            "speaker": speaker,
            "segments": tuple(one.segment for one in group),
            "face": found.face,
            "by": how if found.face is not None or how == "cast-file" else "unsure",
            "certain": found.face is not None or how == "cast-file",
            "lip_speed": round(found.speed, 3) if found.blocks else None,
            "runner_up": round(found.runner_up, 3) if found.blocks and found.p is not None else None,
            "seconds": round(found.blocks * BLOCK_S, 1),
            "p": found.p,
            "agreement": found.score.value if found.score else None,
            "agreement_p": found.score.p if found.score else None,
        }
    )


def _measured(scene: ShotScene, group: Sequence[Heard], face: str) -> _Found:
    """The only face, with how fast its lips are while the group is heard."""
    blocks = _blocks(scene, group)
    speeds = _means(scene.speeds[face], blocks)
    return _Found(face, float(speeds.mean()) if len(blocks) else 0.0, 0.0, len(blocks), None)


def _compared(scene: ShotScene, group: Sequence[Heard]) -> _Found:
    """The face whose lips move while a group of lines is heard, if it stands out; else the one whose lips
    alone follow what is said."""
    blocks = _blocks(scene, group)
    if len(blocks) < MIN_BLOCKS or len(scene.faces) < 2:
        return _Found(None, 0.0, 0.0, len(blocks), None)
    speeds = {face.name: _means(scene.speeds[face.name], blocks) for face in scene.faces}
    first, second = sorted(speeds, key=lambda name: (-float(speeds[name].mean()), name))[:2]
    speed, runner_up = float(speeds[first].mean()), float(speeds[second].mean())
    p = chance(speeds[first] - speeds[second])
    stands_out = p <= MAX_P and speed >= MIN_RATIO * runner_up and speed >= MOVING
    found = _Found(first if stands_out else None, speed, runner_up, len(blocks), round(p, 4))
    if stands_out:
        return found
    heard = _by_judge(scene, group, speeds)
    if heard is not None:
        name, score = heard
        stable = score.measure == "stable-syncnet"
        return replace(found, face=name, by="stable-syncnet" if stable else "syncnet", score=score)
    scores = _agreements(scene, group)
    if not scores:
        return found
    best = max(scores, key=lambda name: (scores[name].value or 0.0, name))
    rival = max((name for name in speeds if name != best), key=lambda name: (speeds[name].mean(), name))
    together = combined(_p(scores[best]), chance(speeds[best] - speeds[rival]))
    alone = all(_p(score) > MAX_P for name, score in scores.items() if name != best)
    follows = together <= FOLLOWS and alone and float(speeds[best].mean()) >= MOVING
    return replace(found, face=best if follows else None, by="visemes", score=scores[best])


def _by_judge(
    scene: ShotScene, group: Sequence[Heard], speeds: Mapping[str, Floats]
) -> tuple[str, Score] | None:
    """The only face that a judge finds to say a group of lines.

    By the limit of its measure where that is absolute, or where one face alone is judged; else the face that
    leads every other by more than the measure's noise, if its lips move.
    """
    if scene.judged is None:
        return None
    where = [one.frames for one in group]
    scores = {face.name: scene.judged(where, face.name) for face in scene.faces}
    values = {name: score.value for name, score in scores.items() if score.value is not None}
    ranked = sorted(values, key=lambda name: (-values[name], name))
    if not ranked:
        return None
    first = scores[ranked[0]]
    if len(ranked) == 1 or first.measure in ABSOLUTE:
        over = [name for name in ranked if not is_under_limit(scores[name])]
        return (over[0], scores[over[0]]) if len(over) == 1 else None
    leads = values[ranked[0]] - values[ranked[1]] > NOISE[first.measure]
    moves = float(speeds[ranked[0]].mean()) >= MOVING
    return (ranked[0], first) if leads and moves else None


def _agreements(scene: ShotScene, group: Sequence[Heard]) -> dict[str, Score]:
    """By face, how its lips follow a group of lines, where that can be told."""
    if scene.agreement is None:
        return {}
    lines = [one.segment for one in group]
    scores = {face.name: scene.agreement(lines, face.name) for face in scene.faces}
    return {name: score for name, score in scores.items() if score.p is not None}


def _p(score: Score) -> float:
    return 1.0 if score.p is None else score.p


def combined(one: float, other: float) -> float:
    """How often chance gives two independent findings as rare as these (Fisher's method, 1925).

    Args:
        one, other: how often it gives each.
    """
    rare = -np.log(one * other)
    return float(np.exp(-rare) * (1 + rare))


def _blocks(scene: ShotScene, group: Sequence[Heard]) -> list[npt.NDArray[np.intp]]:
    """The frames in which the group is heard, in blocks of `BLOCK_S`; what is left over is left out."""
    length = max(1, round(BLOCK_S * scene.fps))
    blocks = []
    for one in group:
        frames = np.flatnonzero(one.frames)
        blocks += [frames[at : at + length] for at in range(0, len(frames) - length + 1, length)]
    return blocks


def _means(speed: Floats, blocks: Sequence[npt.NDArray[np.intp]]) -> Floats:
    """Mean speed in each block; 0 where the face is in none of its frames: there it is not seen speaking."""
    held = [speed[block][~np.isnan(speed[block])] for block in blocks]
    return np.array([values.mean() if len(values) else 0.0 for values in held])


def chance(differences: Floats) -> float:
    """How often the mean of differences is reached when the sign of each is drawn by lot, 0..1.

    The sign test by permutation (Fisher 1935): exact up to `MAX_SIGNS` patterns, else as many random ones,
    drawn from a fixed seed, the observed one counted in.
    """
    count = len(differences)
    if 2**count <= MAX_SIGNS:
        patterns = np.arange(2**count)[:, None] >> np.arange(count) & 1
        signs = 1.0 - 2.0 * patterns
    else:
        signs = np.random.default_rng(count).choice([-1.0, 1.0], (MAX_SIGNS - 1, count))
        signs = np.concatenate([np.ones((1, count)), signs])
    return float((signs @ differences >= differences.sum() - 1e-12).mean())


def _fastest(castings: Iterable[tuple[str | None, Casting]]) -> dict[str | None, float]:
    """By speaker or face, how fast lips were where there was enough speech: the fastest, for a listener's
    shots may be the more."""
    speeds: dict[str | None, float] = {}
    for key, one in castings:
        if one.face is not None and one.lip_speed is not None and one.seconds >= MIN_BLOCKS * BLOCK_S:
            speeds[key] = max(speeds.get(key, 0.0), one.lip_speed)
    return speeds


def _listener(one: Casting, speed: float) -> Casting:
    """An only face whose lips rest, while it or this speaker moves them at some speed elsewhere, listens."""
    if one.by != "only-face" or one.lip_speed is None or one.seconds < MIN_BLOCKS * BLOCK_S:
        return one
    if speed >= MOVING and one.lip_speed < min(MOVING, LISTENING * speed):
        return one.model_copy(update={"face": None, "by": "listener", "certain": True})
    return one


def _by_framing(castings: Sequence[Casting], faces: Mapping[str, ShotFace]) -> list[Casting]:
    """What is unsure, settled by where the same speaker is seen in shots framed alike."""
    places: dict[str | None, list[ShotFace]] = {}
    for one in castings:
        if one.face is not None and one.certain and one.by in SEEN:
            places.setdefault(one.speaker, []).append(faces[one.face])
    settled = []
    for one in castings:
        alike = {
            face.name
            for face in faces.values()
            if face.shot == one.shot
            and any(_framed_alike(face, other) for other in places.get(one.speaker, ()))
        }
        if one.by == "unsure" and len(alike) == 1:
            settled.append(one.model_copy(update={"face": alike.pop(), "by": "framing", "certain": False}))
        else:
            settled.append(one)
    return settled


def seen_people(castings: Sequence[Casting], faces: Mapping[str, ShotFace]) -> list[CastPerson]:
    """Who is seen speaking: the faces of each speaker, those in the same place of shots framed alike as one.

    Args:
        faces: all, by name.
    """
    groups: list[tuple[str | None, list[ShotFace]]] = []
    for one in castings:
        if one.face is None:
            continue
        face = faces[one.face]
        known = [group for speaker, group in groups if speaker == one.speaker and speaker is not None]
        if any(face in group for _, group in groups):
            continue
        home = next((group for group in known if _framed_alike(face, group[0])), None)
        if home is None or any(other.shot == face.shot for other in home):
            groups.append((one.speaker, [face]))
        else:
            home.append(face)
    return [
        CastPerson(name=f"person{number}", faces=tuple(face.name for face in group), certain=len(group) == 1)
        for number, (_, group) in enumerate(groups, 1)
    ]


def _framed_alike(a: ShotFace, b: ShotFace) -> bool:
    return max(abs(x - y) for x, y in zip(a.box, b.box, strict=True)) <= FRAMING


def heard_frames(
    frames: FrameRange,
    edges: npt.NDArray[np.int64],
    segments: Sequence[tuple[str, str | None, int, int]],
    speech: Sequence[tuple[int, int]],
) -> list[Heard]:
    """What is heard in a shot, by line. Frames in which two speakers are heard count for neither.

    Args:
        frames: of the shot.
        edges: int64 [frames of the source + 1], the sample at which each frame appears.
        segments: (id, speaker, start, stop) of the source's lines, samples.
        speech: ranges in which the source speaks, samples.
    """
    shown = edges[frames.start : frames.stop + 1]
    times = (shown[:-1] + shown[1:]) // 2
    begin, end = int(shown[0]), int(shown[-1])
    spoken = _during(times, [(start, stop) for start, stop in speech if start < end and stop > begin])
    claims = [
        (name, who, _during(times, [(start, stop)]) & spoken)
        for name, who, start, stop in segments
        if start < end and stop > begin
    ]
    claims = [claim for claim in claims if claim[2].any()]
    return [
        Heard(
            name, who, mine & ~np.any([other for _, them, other in claims if them != who] or [~mine], axis=0)
        )
        for name, who, mine in claims
    ]


def _during(times: npt.NDArray[np.int64], ranges: Iterable[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(times), dtype=bool)
    for start, stop in ranges:
        inside |= (times >= start) & (times < stop)
    return inside
