"""Routes: what holds for any situation, whoever speaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loc.analysis import occlusion
from loc.analysis.faces import POINT_COUNT, Faces
from loc.media.durations import window_lasting
from stages.lipsync.route import (
    MAX_DOWN,
    MAX_RIVAL,
    MAX_SIZE,
    MAX_UP,
    MAX_YAW,
    MIN_SHARPNESS,
    MIN_SIZE,
    STEADY_S,
    Situation,
    route,
    situations,
    with_occlusion,
)

SITUATIONS = st.sampled_from(Situation)
SPEECH = st.fixed_dictionaries(
    {name: st.booleans() for name in ("dub_speaks", "source_speaks", "others_speak", "off_screen", "unsure")}
)
WIDTH, HEIGHT, COUNT = 640, 360, 40
RATE = Fraction(25)
STEADY = window_lasting(STEADY_S, RATE)


@given(SITUATIONS, SPEECH)
def test_a_cut_is_drawn_where_its_one_face_speaks_and_nowhere_else(
    situation: Situation, speech: dict[str, bool]
) -> None:
    way, reasons = route(situation, **speech)
    speaks = speech["dub_speaks"] or speech["source_speaks"]
    assert (way == "draft") == (situation is Situation.ONE_FACE and speaks)
    assert (way == "draft") == (not reasons)


@given(SITUATIONS, SPEECH)
def test_every_reason_is_told_once_in_words_that_of_the_picture_first(
    situation: Situation, speech: dict[str, bool]
) -> None:
    _, reasons = route(situation, **speech)
    codes = [reason.code for reason in reasons]
    assert len(set(codes)) == len(codes)
    assert all(reason.detail.endswith(".") for reason in reasons)
    assert (situation.code in codes[:1]) == (situation is not Situation.ONE_FACE)


@given(SITUATIONS, SPEECH, st.sampled_from(["dub_speaks", "source_speaks"]))
def test_speech_of_the_face_never_takes_a_draft_away(
    situation: Situation, speech: dict[str, bool], more: str
) -> None:
    before, after = route(situation, **speech), route(situation, **{**speech, more: True})
    assert after[0] == "draft" or before[0] == "passthrough"
    assert len(after[1]) <= len(before[1])


@given(SITUATIONS, SPEECH, SPEECH)
def test_who_else_is_heard_changes_nothing_where_the_face_speaks(
    situation: Situation, speech: dict[str, bool], other: dict[str, bool]
) -> None:
    mine = {**speech, "dub_speaks": True}
    others = {**other, "dub_speaks": True, "source_speaks": speech["source_speaks"]}
    assert route(situation, **mine) == route(situation, **others)


def one_face() -> Faces:
    """A frontal face of 90 px in the middle of the picture, at rest."""
    points = np.full((COUNT, POINT_COUNT, 2), [320.0, 180.0], dtype=np.float32)
    points += np.random.default_rng(1).uniform(-40, 40, (POINT_COUNT, 2)).astype(np.float32)
    return Faces(
        points=points,
        box=np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1),
        size=np.full(COUNT, 90, np.float32),
        pose=np.zeros((COUNT, 2), np.float32),
        confidence=np.full(COUNT, 0.9, np.float32),
        rival=np.zeros(COUNT, np.float32),
        sharpness=np.full(COUNT, 0.7, np.float32),
        mouth=np.zeros((COUNT, occlusion.ROWS, occlusion.ANGLES, 3), np.int8),
    )


FAULTS: dict[Situation, Callable[[Faces, float], Faces]] = {
    Situation.BLURRED: lambda face, by: replace(
        face, sharpness=np.full(COUNT, MIN_SHARPNESS - by / 200, np.float32)
    ),
    Situation.TOO_SMALL: lambda face, by: replace(face, size=np.full(COUNT, MIN_SIZE - by, np.float32)),
    Situation.TOO_LARGE: lambda face, by: replace(face, size=np.full(COUNT, MAX_SIZE + by, np.float32)),
    Situation.LOOKING_DOWN: lambda face, by: _posed(face, 1, MAX_DOWN + by),
    Situation.LOOKING_UP: lambda face, by: _posed(face, 1, -MAX_UP - by),
    Situation.PROFILE: lambda face, by: _posed(face, 0, MAX_YAW + by),
    Situation.SEVERAL_FACES: lambda face, by: replace(
        face, rival=np.full(COUNT, MAX_RIVAL + by / 100, np.float32)
    ),
}
"""By situation, a face with some more of it than the limit allows."""


def _posed(face: Faces, axis: int, degrees: float) -> Faces:
    pose = face.pose.copy()
    pose[:, axis] = degrees
    return replace(face, pose=pose)


BY = st.floats(0.1, 20)


@given(st.sampled_from(list(FAULTS)), BY, BY)
def test_what_is_beyond_a_limit_is_refused_and_more_of_it_as_well(
    fault: Situation, some: float, more: float
) -> None:
    for by in (some, some + more):
        assert (situations(FAULTS[fault](one_face(), by), WIDTH, HEIGHT, RATE) == fault).all()


@given(st.lists(st.sampled_from(list(FAULTS)), min_size=1, max_size=4, unique=True), BY)
def test_of_several_faults_the_weightiest_is_told_in_whatever_order_they_came(
    faults: list[Situation], by: float
) -> None:
    # Small and large, up and down are one figure each: the later one would undo the other.
    pairs = ({Situation.TOO_SMALL, Situation.TOO_LARGE}, {Situation.LOOKING_DOWN, Situation.LOOKING_UP})
    if any(pair <= set(faults) for pair in pairs):
        return
    seen = []
    for order in (faults, faults[::-1]):
        face = one_face()
        for fault in order:
            face = FAULTS[fault](face, by)
        seen.append(situations(face, WIDTH, HEIGHT, RATE))
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0] == max(faults)).all()


@given(st.integers(0, COUNT - 1), st.integers(1, STEADY // 2), st.floats(MAX_YAW, 90))
def test_a_trembling_mesh_turns_no_face_aside(at: int, frames: int, yaw: float) -> None:
    face = one_face()
    face.pose[at : at + frames, 0] = yaw
    away_from_ends = situations(face, WIDTH, HEIGHT, RATE)[STEADY:-STEADY]
    assert (away_from_ends == Situation.ONE_FACE).all()


@given(st.lists(SITUATIONS, min_size=1, max_size=30), st.data())
def test_something_before_a_mouth_never_lets_a_frame_be_drawn(
    seen: list[Situation], data: st.DataObject
) -> None:
    before = np.array(seen, np.int8)
    hidden = np.array(data.draw(st.lists(st.booleans(), min_size=len(seen), max_size=len(seen))))
    after = with_occlusion(before, hidden)
    assert (after >= before).all()
    assert not (after[hidden] == Situation.ONE_FACE).any()
    np.testing.assert_array_equal(after[~hidden], before[~hidden])
