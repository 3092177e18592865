"""Cuts and routes: pure functions of what was tracked and who speaks."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from loc.analysis import occlusion
from loc.analysis.faces import (
    BROW_LEFT,
    BROW_RIGHT,
    LIP_INNER_LOWER,
    LIP_OUTER_LOWER,
    MESH_IDS,
    NOSE,
    POINT_COUNT,
    Faces,
    places,
)
from loc.media.durations import frames_lasting
from stages.lipsync.cuts import MIN_S, cut_shot
from stages.lipsync.route import (
    MAX_DOWN,
    MAX_RIVAL,
    MAX_SIZE,
    MAX_UP,
    MAX_YAW,
    MIN_CONFIDENCE,
    MIN_SHARPNESS,
    MIN_SIZE,
    Situation,
    route,
    situations,
    with_occlusion,
)
from stages.lipsync.tracks import MAX_GAP_S, fill_gaps, prepare, runs, smooth_points

WIDTH, HEIGHT, COUNT = 640, 360, 60


def faces(count: int = COUNT) -> Faces:
    """A frontal face of 90 px in the middle of the picture, drifting to the right by a pixel a frame."""
    points = np.full((count, POINT_COUNT, 2), [250.0, 180.0], dtype=np.float32)
    points += np.random.default_rng(1).uniform(-40, 40, (POINT_COUNT, 2)).astype(np.float32)
    points[..., 0] += np.arange(count, dtype=np.float32)[:, None]
    return Faces(
        points=points,
        box=np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1),
        size=np.full(count, 90, np.float32),
        pose=np.zeros((count, 2), np.float32),
        confidence=np.full(count, 0.9, np.float32),
        rival=np.zeros(count, np.float32),
        sharpness=np.full(count, 0.7, np.float32),
        mouth=np.zeros((count, occlusion.ROWS, occlusion.ANGLES, 3), np.int8),
    )


def lose(tracks: Faces, start: int, stop: int) -> Faces:
    tracks.mouth[start:stop] = occlusion.MISSING
    for name in ("points", "box", "size", "pose", "sharpness"):
        getattr(tracks, name)[start:stop] = np.nan
    return tracks


def spoil(situation: Situation, start: int, stop: int) -> Faces:
    """Tracks that show `situation` in some frames."""
    tracks = faces()
    part = slice(start, stop)
    match situation:
        case Situation.LOW_CONFIDENCE:
            tracks.confidence[part] = MIN_CONFIDENCE - 0.1
        case Situation.BLURRED:
            tracks.sharpness[part] = MIN_SHARPNESS - 0.01
        case Situation.TOO_SMALL:
            tracks.size[part] = MIN_SIZE - 1
        case Situation.TOO_LARGE:
            tracks.size[part] = MAX_SIZE + 1
        case Situation.LOOKING_DOWN:
            tracks.pose[part, 1] = MAX_DOWN + 1
        case Situation.LOOKING_UP:
            tracks.pose[part, 1] = -MAX_UP - 1
        case Situation.PROFILE:
            tracks.pose[part, 0] = -MAX_YAW - 1
        case Situation.CUT_OFF:
            tracks.points[part, places(LIP_OUTER_LOWER)[3], 1] = HEIGHT + 2
        case Situation.SEVERAL_FACES:
            tracks.rival[part] = MAX_RIVAL + 0.1
        case Situation.NO_FACE:
            lose(tracks, start, stop)
    return tracks


RATE = Fraction(25)
RATES = (Fraction(10), RATE, Fraction(60))


def cuts(tracks: Faces, start: int = 100, rate: Fraction = RATE) -> list[tuple[str, int, int]]:
    seen = situations(fill_gaps(tracks, rate), WIDTH, HEIGHT, rate)
    found = cut_shot(0, start, seen, np.zeros(len(seen), dtype=bool), rate)
    return [(cut.situation.code, cut.frames.start, cut.frames.stop) for cut in found]


def test_one_face_is_one_cut() -> None:
    assert cuts(faces()) == [("one-face", 100, 160)]


TRACKED = [item for item in Situation if item not in (Situation.ONE_FACE, Situation.OCCLUDED)]
"""Situations that tracks tell by themselves."""


@pytest.mark.parametrize("situation", TRACKED)
def test_every_situation_splits_a_shot_where_it_begins_and_ends(situation: Situation) -> None:
    # Confidence counts at its best within a second, so a short doubt shortens by half a second on each side.
    margin = 12 if situation is Situation.LOW_CONFIDENCE else 0
    found = cuts(spoil(situation, 10, 50))
    assert found == [
        ("one-face", 100, 110 + margin),
        (situation.code, 110 + margin, 150 - margin),
        ("one-face", 150 - margin, 160),
    ]


def amid(middle: Faces) -> Faces:
    """A face, `COUNT` frames before and behind some."""
    return Faces.join([faces(), middle, faces()])


@pytest.mark.parametrize("rate", RATES)
def test_a_short_gap_is_bridged_and_a_long_one_splits(rate: Fraction) -> None:
    longest = frames_lasting(MAX_GAP_S, rate)
    assert cuts(amid(lose(faces(), 20, 20 + longest)), rate=rate) == [("one-face", 100, 280)]
    split = cuts(amid(lose(faces(), 20, 21 + longest)), rate=rate)
    assert split[1] == ("no-face", 180, 181 + longest)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("situation", [Situation.PROFILE, Situation.CUT_OFF, Situation.BLURRED])
def test_a_brief_situation_joins_its_longer_neighbour(situation: Situation, rate: Fraction) -> None:
    """What is brief is so many milliseconds, not frames: at 10 a second, half a second of profile stays."""
    least = frames_lasting(MIN_S, rate)
    assert cuts(amid(spoil(situation, 20, 20 + least - 1)), rate=rate) == [("one-face", 100, 280)]
    kept = cuts(amid(spoil(situation, 20, 20 + least)), rate=rate)
    assert kept[1] == (situation.code, 180, 180 + least)


def test_a_face_between_two_absences_is_too_brief_to_be_drawn() -> None:
    alone = lose(lose(faces(), 0, 25), 34, COUNT)
    assert cuts(alone) == [("no-face", 100, 160)]


def test_what_hides_a_mouth_splits_a_shot_however_briefly() -> None:
    seen = situations(faces(), WIDTH, HEIGHT, RATE)
    hidden = np.zeros(COUNT, dtype=bool)
    hidden[20:23] = hidden[40:43] = hidden[48:50] = True
    found = cut_shot(0, 0, seen, hidden, RATE)
    assert [(cut.situation.code, cut.frames.start, cut.frames.stop) for cut in found] == [
        ("one-face", 0, 20),
        ("occluded", 20, 23),
        ("one-face", 23, 40),
        ("occluded", 40, 50),
        ("one-face", 50, 60),
    ]


def test_a_hand_before_a_face_turned_away_leaves_it_turned_away() -> None:
    seen = np.array([Situation.ONE_FACE, Situation.BLURRED, Situation.PROFILE, Situation.NO_FACE], np.int8)
    hidden = np.ones(4, dtype=bool)
    assert [Situation(value).code for value in with_occlusion(seen, hidden)] == [
        *("occluded", "occluded", "profile", "no-face")
    ]


@pytest.mark.parametrize("situation", [item for item in TRACKED if item > Situation.OCCLUDED])
def test_what_hides_a_mouth_that_could_not_be_drawn_anyway_splits_a_shot_all_the_same(
    situation: Situation,
) -> None:
    seen = np.zeros(COUNT, np.int8)
    seen[20:29] = situation
    hidden = np.zeros(COUNT, dtype=bool)
    hidden[22:25] = True
    assert [cut.situation for cut in cut_shot(0, 0, seen, hidden, RATE)] == [0, situation, 0]


KINDS = (
    *[Situation.ONE_FACE] * 3,
    Situation.PROFILE,
    Situation.SEVERAL_FACES,
    Situation.NO_FACE,
)


def test_cuts_cover_the_shot_whatever_happens() -> None:
    rng = np.random.default_rng(7)
    for _ in range(50):
        lengths = rng.integers(1, 9, 80)
        seen = rng.choice(KINDS, 80).repeat(lengths).astype(np.int8)
        hidden = (rng.random(80) < 0.2).repeat(lengths)
        found = cut_shot(3, 40, seen, hidden, RATE)
        assert found[0].frames.start == 40
        assert found[-1].frames.stop == 40 + len(seen)
        for before, after in itertools.pairwise(found):
            assert before.frames.stop == after.frames.start
            assert before.situation is not after.situation
        drawn = np.concatenate([np.full(len(cut.frames), cut.situation == 0) for cut in found])
        assert not (drawn & (hidden | (seen == Situation.NO_FACE))).any()


def test_gaps_are_filled_in_a_straight_line_and_open_ends_stay_open() -> None:
    truth = faces()
    gappy = lose(lose(faces(), 0, 2), 20, 24)
    filled = fill_gaps(gappy, RATE)
    np.testing.assert_allclose(filled.points[20:24], truth.points[20:24], atol=1e-3)
    assert not filled.found[:2].any()
    assert not gappy.found[20:24].any(), "the input is left as it was"


def test_smoothing_keeps_straight_motion_and_does_not_cross_gaps() -> None:
    gappy = lose(faces(), 20, 40)
    gappy.points[40:, :, 0] += 200
    smoothed = smooth_points(gappy.points)
    np.testing.assert_allclose(smoothed[4:16], gappy.points[4:16], atol=1e-3)
    np.testing.assert_allclose(smoothed[44:56], gappy.points[44:56], atol=1e-3)
    assert np.isnan(smoothed[20:40]).all()


def test_smoothing_calms_trembling() -> None:
    """By as much as the mesh trembles on a real still face: a thousandth of its extent."""
    rng = np.random.default_rng(3)
    tracks = faces()
    trembling = tracks.points + rng.normal(0, 0.06, tracks.points.shape).astype(np.float32)
    before = np.diff(trembling - tracks.points, axis=0).std()
    after = np.diff(smooth_points(trembling) - tracks.points, axis=0).std()
    assert after < 0.5 * before


def test_smoothing_leaves_lips_where_they_are_for_one_frame() -> None:
    points = faces().points
    points[30, places(LIP_OUTER_LOWER)] += [0, 6]
    points[30, places(LIP_INNER_LOWER)] += [0, 6]
    smoothed = smooth_points(points)
    np.testing.assert_allclose(smoothed[29:32], points[29:32], atol=0.1)


def test_brows_and_nose_are_calmed_while_lips_speak() -> None:
    """They are what a face is aligned by, and speech is when it is drawn."""
    rng = np.random.default_rng(5)
    tracks = faces()
    speaking = tracks.points.copy()
    for ids in (LIP_OUTER_LOWER, LIP_INNER_LOWER):
        speaking[:, places(ids), 1] += (4 * np.sin(np.arange(COUNT) * 1.5))[:, None]
    trembling = speaking + rng.normal(0, 0.06, speaking.shape).astype(np.float32)
    smoothed = smooth_points(trembling)
    aligning = places((*BROW_LEFT, *BROW_RIGHT, *NOSE))
    before = np.diff(trembling - speaking, axis=0)[:, aligning].std()
    after = np.diff(smoothed - speaking, axis=0)[:, aligning].std()
    assert after < 0.5 * before
    np.testing.assert_allclose(
        smoothed[:, places(LIP_OUTER_LOWER)], trembling[:, places(LIP_OUTER_LOWER)], atol=0.05
    )


@pytest.mark.parametrize("hertz", [0.5, 1.0, 2.0, 4.0])
def test_smoothing_does_not_flatten_a_nod(hertz: float) -> None:
    nodding = faces().points
    extent = np.ptp(nodding[0], axis=0).max()
    nodding[..., 1] += (0.1 * extent * np.sin(np.arange(COUNT) * (2 * np.pi * hertz / 25)))[:, None]
    assert np.abs(smooth_points(nodding) - nodding).max() < 0.0015 * extent


@pytest.mark.parametrize("hertz", [0.5, 1.0, 2.0, 4.0])
def test_smoothing_does_not_flatten_a_roll_of_the_head(hertz: float) -> None:
    points = faces().points
    extent = np.ptp(points[0], axis=0).max()
    angles = np.radians(10) * np.sin(np.arange(COUNT) * (2 * np.pi * hertz / 25))
    turns = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]])
    middle = points.mean(axis=1, keepdims=True)
    rolled = (np.einsum("ijn,nkj->nki", turns, points - middle) + middle).astype(np.float32)
    assert np.abs(smooth_points(rolled) - rolled).max() < 0.006 * extent


def test_a_slice_smooths_as_the_whole_does() -> None:
    tracks = faces()
    tracks.points[:] += np.random.default_rng(4).normal(0, 1, tracks.points.shape)
    whole, part = prepare(tracks, RATE), prepare(tracks[10:50], RATE)
    np.testing.assert_allclose(part.points[4:-4], whole.points[14:46], atol=1e-3)


def test_only_one_face_with_speech_is_drawn() -> None:
    for unseen in (False, True):
        for dub, source in ((True, False), (False, True)):
            way = route(Situation.ONE_FACE, dub_speaks=dub, source_speaks=source, off_screen=unseen)
            assert way == ("draft", ())
    passed, reasons = route(Situation.SEVERAL_FACES, dub_speaks=False, source_speaks=False, off_screen=False)
    assert passed == "passthrough"
    assert [reason.code for reason in reasons] == ["several-faces", "no-speech"]


def test_speakers_who_are_not_seen_draw_nothing() -> None:
    way, reasons = route(Situation.ONE_FACE, dub_speaks=False, source_speaks=False, off_screen=True)
    assert way == "passthrough"
    assert [reason.code for reason in reasons] == ["off-screen"]


def test_runs() -> None:
    assert runs(np.array([1, 1, 0, 0, 1], dtype=bool)) == [(0, 2), (4, 5)]
    assert runs(np.zeros(0, dtype=bool)) == []


def test_stored_points_are_named_once() -> None:
    assert len(set(MESH_IDS)) == POINT_COUNT
