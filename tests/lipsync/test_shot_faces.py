"""Tracks of chunks joined to the faces of a shot."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np

from loc.analysis.faces import Faces
from loc.artifacts import FrameRange
from stages.lipsync.shot_faces import ChunkFaces, ShotFace, shot_faces

CONTEXT = 12
RATE = Fraction(25)
SHOT = FrameRange(start=100, stop=200)
JOINTS = (100, 140, 200)
SIZE = (640.0, 360.0)


def track(read: FrameRange, x: float, *, seen: tuple[int, int] = (0, 10_000), side: float = 80) -> Faces:
    """A face whose box is centred on column `x` in the frames of the source that `seen` names."""
    faces = Faces.absent(len(read))
    for index, frame in enumerate(range(read.start, read.stop)):
        if seen[0] <= frame < seen[1]:
            faces.box[index] = [x - side / 2, 100, x + side / 2, 100 + side]
            faces.size[index] = side / 2
    return faces


def chunks(*tracks: list[tuple[float, tuple[int, int]]]) -> list[ChunkFaces]:
    """(x, seen) of every track, chunk by chunk."""
    held = []
    for number, (start, stop) in enumerate(itertools.pairwise(JOINTS)):
        frames = FrameRange(start=start, stop=stop)
        read = FrameRange(start=max(SHOT.start, start - CONTEXT), stop=min(SHOT.stop, stop + CONTEXT))
        held.append(
            ChunkFaces(
                7 + number, frames, read, tuple(track(read, x, seen=seen) for x, seen in tracks[number])
            )
        )
    return held


def joined(*tracks: list[tuple[float, tuple[int, int]]]) -> dict[str, dict[int, tuple[int, ...]]]:
    faces = shot_faces(2, SHOT, chunks(*tracks), np.eye(2, 3), SIZE, RATE)
    return {face.name: dict(face.parts) for face in faces}


ALWAYS = (0, 10_000)


def test_tracks_of_two_chunks_meet_whatever_their_order() -> None:
    assert joined([(100, ALWAYS), (500, ALWAYS)], [(505, ALWAYS), (102, ALWAYS)]) == {
        "3a": {7: (0,), 8: (1,)},
        "3b": {7: (1,), 8: (0,)},
    }


def test_a_face_that_is_alone_is_one_wherever_it_returns() -> None:
    assert joined([(100, (100, 130))], [(500, (160, 200))]) == {"3a": {7: (0,), 8: (0,)}}


def test_of_two_faces_one_returns_to_its_place() -> None:
    parts = joined([(100, ALWAYS), (500, (100, 120))], [(100, ALWAYS), (520, (170, 200))])
    assert parts == {"3a": {7: (0,), 8: (0,)}, "3b": {7: (1,), 8: (1,)}}


def test_a_third_person_elsewhere_is_another_face() -> None:
    parts = joined([(100, ALWAYS), (500, (100, 120))], [(100, ALWAYS), (300, (170, 200))])
    assert parts == {"3a": {7: (0,), 8: (0,)}, "3b": {8: (1,)}, "3c": {7: (1,)}}


def test_a_flicker_of_the_detector_is_no_face() -> None:
    assert joined([(100, ALWAYS), (500, (110, 118))], [(100, ALWAYS)]) == {"3a": {7: (0,), 8: (0,)}}


def test_no_face() -> None:
    assert joined([], []) == {}


def test_the_most_prominent_comes_first_and_names_go_from_left_to_right() -> None:
    read = FrameRange(start=100, stop=200)
    tracks = (track(read, 500, side=60), track(read, 100, side=90))
    faces = shot_faces(0, SHOT, [ChunkFaces(0, read, read, tracks)], np.eye(2, 3), SIZE, RATE)
    assert [face.name for face in faces] == ["1a", "1b"]
    assert faces[0] == ShotFace(0, "1a", {0: (1,)}, (55 / 640, 100 / 360, 145 / 640, 190 / 360), 100)


def test_left_and_right_are_those_of_the_upright_picture() -> None:
    read = FrameRange(start=100, stop=200)
    turned = np.array([[-1.0, 0.0, 639.0], [0.0, -1.0, 359.0]])
    tracks = (track(read, 500), track(read, 100))
    faces = shot_faces(0, SHOT, [ChunkFaces(0, read, read, tracks)], turned, SIZE, RATE)
    assert {face.name: face.parts[0] for face in faces} == {"1a": (0,), "1b": (1,)}
