"""What is before a mouth: on made-up colours, and on a drawn face that drawn things pass."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from loc.analysis import occlusion
from loc.analysis.face_tracker import FaceTracker, follow
from loc.analysis.faces import JAW, LIP_OUTER_LOWER, LIP_OUTER_UPPER, Faces, foremost, places
from loc.analysis.occlusion import ANGLES, BRIDGED_S, CHIN, COVERED, MARGIN_S, MISSING, ROWS, STILL_COVERED
from loc.media.durations import frames_lasting
from loc.media.frames import Planes
from stages.lipsync.route import MIN_SHARPNESS
from tests.analysis.test_faces import Reel
from tests.occluders import HELD_OUT, TUNING, Occluder, Passing, Placed, cover, lay_over
from tests.presenter import Film

RATE = Fraction(25)
MARGIN, BRIDGED = (frames_lasting(one, RATE) for one in (MARGIN_S, BRIDGED_S))
Lab: TypeAlias = tuple[float, float, float]

SKIN = (0.0, 0.0, 0.0)
LIPS = (-24.0, 16.0, 5.0)
INSIDE = (-50.0, 2.0, 0.0)
HAND = (-3.0, 0.0, 2.0)
CHIN_OUTLINE = places((*LIP_OUTER_LOWER, *JAW[-3:1:-1]))
LIP_OUTLINE = places((*LIP_OUTER_UPPER, *LIP_OUTER_LOWER[-2:0:-1]))


def mouths(
    count: int,
    lips: tuple[float, float, float] = LIPS,
    skin: tuple[float, float, float] = SKIN,
    seed: int = 0,
) -> occlusion.Samples:
    """Samples of a mouth that opens and closes."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((count, ROWS, ANGLES, 3))
    rows[:, :2] = np.where(rng.random((count, 1, 1, 1)) < 0.5, INSIDE, lips)
    rows[:, 2] = 0.5 * np.add(INSIDE, lips)
    rows[:, 3:6] = lips
    rows[:, 6:] = skin
    return np.clip(np.rint(rows + rng.normal(0, 2, rows.shape)), -127, 127).astype(np.int8)


def cover_with(samples: occlusion.Samples, frames: slice, angles: slice, colour: Lab) -> occlusion.Samples:
    """Lay a colour over part of the mouth in some frames."""
    noise = np.random.default_rng(5).normal(0, 2, samples[frames, :, angles].shape)
    samples[frames, :, angles] = np.rint(np.array(colour) + noise)
    return samples


def judged(samples: occlusion.Samples) -> tuple[occlusion.Looks, occlusion.Floats]:
    looks = occlusion.learn(samples)
    return looks, occlusion.covered(samples, looks)


def test_a_free_mouth_is_not_covered() -> None:
    looks, shares = judged(mouths(100))
    assert len(looks.middle) == 1
    assert shares.max() < STILL_COVERED


@pytest.mark.parametrize("width", [2, 5, 10, 20])
def test_the_share_is_that_of_the_angles_covered(width: int) -> None:
    samples = cover_with(mouths(100), slice(40, 60), slice(0, width), HAND)
    _, shares = judged(samples)
    assert shares[40:60] == pytest.approx(width / ANGLES, abs=0.051)
    assert shares[:40].max() < STILL_COVERED


def test_a_mouth_is_learnt_from_a_tenth_of_a_shot() -> None:
    samples = cover_with(mouths(100), slice(0, 90), slice(None), (-40.0, 3.0, -20.0))
    _, shares = judged(samples)
    assert shares[:90].min() == 1
    assert shares[90:].max() < STILL_COVERED


@pytest.mark.parametrize(
    "colour", [HAND, (-60.0, -4.0, -10.0), (-35.0, 40.0, 18.0)], ids=["hand", "black", "red"]
)
def test_a_mouth_that_is_never_seen_is_covered(colour: tuple[float, float, float]) -> None:
    samples = cover_with(mouths(60), slice(None), slice(None), colour)
    looks, shares = judged(samples)
    assert len(looks.middle) == 0
    assert (shares == 1).all()


def test_what_is_as_red_as_lips_is_told_by_the_skin_it_hides() -> None:
    samples = cover_with(mouths(100), slice(40, 70), slice(None), LIPS)
    _, shares = judged(samples)
    assert shares[40:70].min() > COVERED
    assert shares[:40].max() < STILL_COVERED


def test_lips_without_red_are_known_by_their_shade() -> None:
    samples = mouths(100, lips=(-16.0, 0.0, 0.0))
    samples = cover_with(samples, slice(40, 70), slice(None), (20.0, 0.0, 0.0))
    looks, shares = judged(samples)
    assert len(looks.middle) == 1
    assert shares[40:70].min() > COVERED
    assert shares[:40].max() < STILL_COVERED


def test_a_hand_is_told_from_lips_of_little_colour() -> None:
    samples = cover_with(mouths(100, lips=(-14.0, 4.0, -6.0)), slice(40, 70), slice(0, 10), HAND)
    _, shares = judged(samples)
    assert shares[40:70].min() > COVERED
    assert shares[:40].max() < STILL_COVERED


def test_lips_of_two_tones_are_lips() -> None:
    samples = mouths(60)
    samples[:, 3:6, 1:10] = (-16, 0, 0)
    samples[:, 3:6, 10:] = (4, 9, 2)
    looks, shares = judged(samples)
    assert len(looks.middle) == 1
    assert shares.max() < STILL_COVERED


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_shot_of_few_frames_is_learnt_from(count: int) -> None:
    looks, shares = judged(mouths(count))
    assert len(looks.middle) == 1
    assert shares.max() < COVERED


def painted(light: float) -> occlusion.Samples:
    """Samples [ROWS, ANGLES, 3] of a painted mouth: brown skin, and lips a little redder and darker.

    Args:
        light: what falls on it, linear; 1 as painted.
    """
    mesh = np.full((468, 2), 20.0)
    around = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    circle = np.stack([np.cos(around), np.sin(around)], axis=-1)
    for radius, ring in ((10, occlusion._INNER), (22, occlusion._OUTER), (34, occlusion._AROUND)):
        mesh[list(ring)] = 60 + radius * circle
    mesh[list(occlusion._JAW)] = (60, 110)
    view = np.full((120, 120, 3), (172, 142, 124), dtype=np.uint8)
    cv2.circle(view, (60, 60), 22, (138, 96, 96), -1)
    encoded = 255 * np.power(light * np.power(view / 255, 2.2), 1 / 2.2)
    return occlusion.sample(np.rint(encoded).astype(np.uint8), mesh)


@pytest.mark.parametrize("light", [0.5, 0.25])
def test_in_little_light_lips_differ_from_skin_as_in_the_light(light: float) -> None:
    lit, dark = (painted(one)[3:6].astype(float).mean(axis=(0, 1)) for one in (1.0, light))
    assert lit[1] > occlusion.REDDER
    assert dark == pytest.approx(lit, abs=1.5)
    skin = painted(light)[-1]
    assert not skin.any()


def chin_of(samples: occlusion.Samples, frames: slice, places: slice, colour: Lab) -> occlusion.Samples:
    """Lay a colour over part of the chin in some frames."""
    chin = samples[frames, ROWS - len(CHIN) :]
    noise = np.random.default_rng(6).normal(0, 1, chin[:, :, places].shape)
    chin[:, :, places] = np.rint(np.array(colour) + noise)
    return samples


@pytest.mark.parametrize("colour", [(18.0, 4.0, 5.0), (-30.0, -2.0, -4.0)], ids=["hand", "foam"])
def test_what_hides_the_chin_alone_is_seen(colour: Lab) -> None:
    _, shares = judged(chin_of(mouths(100), slice(40, 60), slice(5, 13), colour))
    assert shares[40:60].min() > COVERED
    assert shares[:40].max() < STILL_COVERED


def test_fingers_of_the_same_skin_are_seen_by_their_edges() -> None:
    samples = mouths(100)
    for place in (4, 8, 12):
        chin_of(samples, slice(40, 60), slice(place, place + 1), (-20.0, 0.0, 1.0))
    _, shares = judged(samples)
    assert shares[40:60].min() > COVERED


def test_a_chin_that_grows_darker_as_a_whole_is_free() -> None:
    samples = mouths(100)
    samples[40:60, ROWS - len(CHIN) :, :, 0] -= 6
    _, shares = judged(samples)
    assert shares.max() < COVERED


def test_two_people_in_one_shot_have_a_look_each() -> None:
    other = mouths(60, lips=(-38.0, 34.0, 30.0), skin=(-14.0, 0.0, 12.0), seed=2)
    looks, shares = judged(np.concatenate([mouths(60), other]))
    assert len(looks.middle) == 2
    assert shares.max() < STILL_COVERED


def test_frames_without_a_face_are_not_judged() -> None:
    samples = mouths(30)
    samples[10:20] = MISSING
    _, shares = judged(samples)
    assert np.isnan(shares[10:20]).all()
    assert not np.isnan(shares[:10]).any()
    assert len(occlusion.learn(samples[10:20]).middle) == 0


def flags(*covered: tuple[int, int, float], count: int = 60) -> list[tuple[int, int]]:
    """Runs of `occluded` frames where those given are covered by a share."""
    shares = np.zeros(count, dtype=np.float32)
    for start, stop, share in covered:
        shares[start:stop] = share
    edges = np.flatnonzero(
        np.diff(np.concatenate([[False], occlusion.occluded(shares, RATE), [False]]).astype(int))
    )
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def test_a_refusal_begins_before_the_hand_and_ends_behind_it() -> None:
    assert flags((20, 30, 0.5)) == [(20 - MARGIN, 30 + MARGIN)]
    assert flags((0, 10, 0.5), (50, 60, 0.5)) == [(0, 10 + MARGIN), (50 - MARGIN, 60)]


def test_one_frame_alone_is_noise_and_two_are_not() -> None:
    assert flags((20, 21, 1.0)) == []
    assert flags((20, 22, 1.0)) == [(20 - MARGIN, 22 + MARGIN)]


def test_a_hidden_mouth_stays_hidden_while_a_little_of_it_is() -> None:
    little = (COVERED + STILL_COVERED) / 2
    assert flags((20, 30, 0.5), (30, 40, little)) == [(20 - MARGIN, 40 + MARGIN)]
    assert flags((20, 40, little)) == []


@pytest.mark.parametrize("rate", [Fraction(10), Fraction(60)])
def test_margins_last_as_long_at_every_rate(rate: Fraction) -> None:
    shares = np.zeros(200, dtype=np.float32)
    shares[100:110] = 0.5
    hidden = np.flatnonzero(occlusion.occluded(shares, rate))
    assert (100 - hidden[0]) / rate == pytest.approx(MARGIN_S, abs=0.5 / rate)
    assert (hidden[-1] - 109) / rate == pytest.approx(MARGIN_S, abs=0.5 / rate)


def test_a_moment_between_two_hands_is_not_free() -> None:
    apart = 2 * MARGIN + BRIDGED - 1
    assert len(flags((10, 20, 0.5), (20 + apart, 40, 0.5))) == 1
    assert len(flags((10, 20, 0.5), (20 + apart + 1, 40, 0.5))) == 2


def test_a_face_lost_behind_a_hand_is_hidden_and_one_lost_elsewhere_is_not() -> None:
    shares = np.zeros(60, dtype=np.float32)
    shares[20:24] = 0.6
    shares[24:28] = shares[45:49] = np.nan
    assert occlusion.occluded(shares, RATE)[24:28].all()
    assert not occlusion.occluded(shares, RATE)[40:].any()
    assert not occlusion.occluded(np.full(5, np.nan, dtype=np.float32), RATE).any()
    assert len(occlusion.occluded(np.zeros(0, dtype=np.float32), RATE)) == 0


@pytest.fixture(scope="module")
def reel(short_film: Film) -> Reel:
    return Reel(short_film.path)


@pytest.fixture(scope="module")
def tracks(reel: Reel) -> Faces:
    return reel.track(0, reel.timeline.count)


def track(reel: Reel, pictures: Iterator[Planes]) -> Faces:
    with FaceTracker(reel.video) as tracker:
        tracks = follow(tracker, pictures, 0)
    return foremost(tracks, len(tracks[0]))


def test_a_drawn_mouth_is_free_in_every_frame(tracks: Faces) -> None:
    looks, shares = judged(tracks.mouth)
    assert len(looks.middle) == 1
    assert not occlusion.occluded(shares, RATE).any()


def passes(
    reel: Reel, tracks: Faces, passing: Passing, outline: npt.NDArray[np.int64] = LIP_OUTLINE
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """(share of the lips, or of another outline, that is covered, which frames are flagged) while something
    passes the drawn face."""
    covers = []

    def pictures() -> Iterator[Planes]:
        for index, planes in enumerate(reel.frames(0, len(tracks))):
            lips = tracks.points[index, LIP_OUTLINE]
            face = Placed(lips.mean(axis=0).astype(np.float64), float(tracks.size[index]))
            shown, alpha = lay_over(planes, reel.video, [passing], index, face, (226, 186, 158))
            covers.append(cover(alpha, tracks.points[index, outline]))
            yield shown

    seen = track(reel, pictures())
    _, shares = judged(seen.mouth)
    return np.array(covers), occlusion.occluded(shares, RATE)


@pytest.mark.parametrize(
    "what", [TUNING[0], TUNING[7], HELD_OUT[8], HELD_OUT[12]], ids=lambda what: what.name
)
def test_what_passes_a_drawn_mouth_is_seen_while_it_does(reel: Reel, tracks: Faces, what: Occluder) -> None:
    covers, hidden = passes(reel, tracks, Passing(what, start=6, hold=len(tracks) - 2 * what.enter - 12))
    over = covers >= 0.25
    assert over.sum() > 10
    assert hidden[over].all()
    near = np.flatnonzero(covers > 0)
    away = np.ones(len(covers), dtype=bool)
    away[max(0, near[0] - MARGIN - 1) : near[-1] + MARGIN + 2] = False
    assert away.sum() > 5
    assert not hidden[away].any()


@pytest.mark.parametrize("what", [TUNING[12], HELD_OUT[15]], ids=lambda what: what.name)
def test_what_rests_on_a_drawn_chin_is_seen_while_it_does(reel: Reel, tracks: Faces, what: Occluder) -> None:
    passing = Passing(what, start=6, hold=len(tracks) - 2 * what.enter - 12)
    covers, hidden = passes(reel, tracks, passing, CHIN_OUTLINE)
    assert what.on_chin
    over = covers >= 0.25
    assert over.sum() > 5
    assert hidden[over].all()
    assert not hidden[:4].any()


def test_a_drawn_mouth_that_two_fingers_hide_half_all_the_time_is_hidden(reel: Reel, tracks: Faces) -> None:
    covers, hidden = passes(reel, tracks, Passing(TUNING[3], -TUNING[3].enter, 3 * len(tracks)))
    assert 0.25 <= covers.min() < covers.max() < 0.75
    assert hidden.all()


def test_what_rests_beside_a_drawn_mouth_leaves_it_free(reel: Reel, tracks: Faces) -> None:
    covers, hidden = passes(reel, tracks, Passing(TUNING[0], start=4, hold=30, beside=(0.95, 0.7)))
    assert covers.max() == 0
    assert not hidden.any()


def test_sharpness_falls_with_blur(reel: Reel, tracks: Faces) -> None:
    scale = float(np.median(tracks.size))

    def blurred(width: float) -> Iterator[Planes]:
        for planes in reel.frames(0, 6):
            y = cv2.GaussianBlur(planes.y, (0, 0), width * scale)
            yield Planes(np.asarray(y, dtype=np.uint8), planes.u, planes.v)

    found = [float(np.median(track(reel, blurred(width)).sharpness)) for width in (0.01, 0.03, 0.05, 0.08)]
    assert found == sorted(found, reverse=True)
    assert found[1] > MIN_SHARPNESS > found[3]
    assert found[2] == pytest.approx(MIN_SHARPNESS, rel=0.15)
    assert float(tracks.sharpness.min()) > 0.4
