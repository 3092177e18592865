"""Viseme agreement on lips that follow a line, another line, or nothing; drawn as curves and as films."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from loc.analysis import agreement
from loc.analysis.agreement import (
    MIN_SPEECH_S,
    SIGNIFICANT,
    Expected,
    Lips,
    Spoken,
    agree,
    expect,
    lips,
    speaking_evidence,
)
from loc.analysis.face_tracker import track_range
from loc.analysis.faces import foremost, upright_transform
from loc.artifacts import SAMPLE_RATE, FrameRange, Phone, Phones, Score
from loc.media.frames import first_look, scan_frames
from loc.media.probe import probe_source
from loc.settings import Settings
from tests.presenter import MINA, Film, Said, Script, Shot, shoot

FPS = 25
FRAME = SAMPLE_RATE // FPS
SOUNDS = ["p", "b", "m", "f", "s", "t", "k", "n", "l", "r", "w", "a", "e", "i", "o", "u", "E", "O", "@"]


def is_significant(score: Score) -> bool:
    """Whether lips follow speech better than chance does."""
    return score.p is not None and score.p <= SIGNIFICANT


def line(seed: int, seconds: float = 8.0) -> Phones:
    """A line of random sounds of 50 to 150 ms, consonants and vowels in turn."""
    rng = np.random.default_rng(seed)
    phones: list[Phone] = []
    at = 0
    while at < seconds * SAMPLE_RATE:
        symbol = str(rng.choice(SOUNDS[:11] if len(phones) % 2 == 0 else SOUNDS[11:]))
        stop = at + int(rng.uniform(0.05, 0.15) * SAMPLE_RATE)
        phones.append(Phone(symbol=symbol, start=at, stop=stop))
        at = stop
    return Phones(alphabet="espeak", phones=tuple(phones))


def edges(seconds: float = 8.0, fps: float = FPS) -> npt.NDArray[np.int64]:
    """The samples at which frames appear, and at which the last one ends."""
    return np.asarray(np.rint(np.arange(int(seconds * fps) + 1) * SAMPLE_RATE / fps), dtype=np.int64)


def mouth(phones: Phones, at: npt.NDArray[np.int64], noise: float = 0.05, seed: int = 0) -> Lips:
    """Lips that follow a line, seen through noise, in units of a face."""
    rng = np.random.default_rng(seed)
    expected = expect([Spoken(phones, 0)], at)
    return Lips(
        aperture=0.2 * (expected.aperture + rng.normal(0, noise, len(at) - 1)),
        width=0.6 * (expected.width + rng.normal(0, noise, len(at) - 1)),
    )


def score(seen: Lips, phones: Phones, at: npt.NDArray[np.int64], place: int = 0) -> Score:
    return speaking_evidence(seen, [Spoken(phones, place)], at)


@pytest.mark.parametrize("shift", [-15, -3, 0, 3, 15])
def test_a_planted_shift_is_found_to_the_frame(shift: int) -> None:
    found = score(mouth(line(1), edges()), line(1), edges(), place=-shift * FRAME)
    assert found.offset == shift
    assert found.offset_ms == 1000 * shift / FPS
    assert found.value is not None
    assert found.value > 0.85
    assert is_significant(found)


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), 30, 60])
def test_offsets_are_frames_of_the_film_and_milliseconds(fps: Fraction | int) -> None:
    at = edges(fps=float(fps))
    found = score(mouth(line(1), at), line(1), at, place=-round(3 * SAMPLE_RATE / fps))
    assert found.offset == 3
    assert found.offset_ms == pytest.approx(3000 / float(fps), abs=0.1)


@pytest.mark.parametrize("fps", [10, 25, 60])
def test_offsets_reach_as_far_at_every_rate(fps: int) -> None:
    at, late = edges(fps=fps), round(0.6 * fps)
    found = score(mouth(line(1), at), line(1), at, place=-round(late * SAMPLE_RATE / fps))
    assert found.offset == late


def test_another_line_agrees_less_and_not_significantly() -> None:
    own = score(mouth(line(1), edges()), line(1), edges())
    others = [score(mouth(line(1), edges()), line(seed), edges()) for seed in range(2, 12)]
    assert own.value is not None
    assert all(other.value is not None and other.value < own.value / 2 for other in others)
    assert sum(is_significant(other) for other in others) <= 1


def test_p_says_how_often_unrelated_lines_agree_as_well() -> None:
    """Calibration: as many of 200 unrelated pairs lie under p as p says, within chance and a little more."""
    at = edges(5)
    found = np.array([score(mouth(line(seed, 5), at), line(1000 + seed, 5), at).p for seed in range(200)])
    assert 0.02 <= (found <= 0.1).mean() <= 0.18
    assert (found <= SIGNIFICANT).mean() <= 0.03


def test_lips_that_follow_nothing_do_not_agree() -> None:
    at = edges()
    rng = np.random.default_rng(3)
    drift = Lips(
        np.cumsum(rng.normal(size=len(at) - 1)) * 0.01, np.cumsum(rng.normal(size=len(at) - 1)) * 0.01
    )
    assert not is_significant(score(drift, line(1), at))


def test_smiling_speech_is_known_by_the_width_of_the_mouth() -> None:
    """Lips that hardly open and close, as of people who talk smiling."""
    at = edges()
    rng = np.random.default_rng(0)
    smiling = replace(mouth(line(1), at), aperture=0.1 + 0.002 * rng.normal(size=len(at) - 1))
    found = score(smiling, line(1), at)
    # The width is slow: it tells the time to a frame or so.
    assert found.offset in (-1, 0, 1)
    assert is_significant(found)


def test_frames_without_a_face_are_left_out() -> None:
    at, seen = edges(), mouth(line(1), edges())
    seen.aperture[50:70] = np.nan
    seen.width[50:70] = np.nan
    found = score(seen, line(1), at, place=-2 * FRAME)
    assert found.offset == 2
    assert found.n == score(mouth(line(1), at), line(1), at, place=-2 * FRAME).n - 20


def test_pauses_prove_nothing() -> None:
    """Two lines with a long pause at the same place: only their sounds tell them apart."""
    at, _nine = edges(13), 9 * SAMPLE_RATE
    first, wrong = (
        [Spoken(line(seed, 4), 0), Spoken(line(seed + 1, 4), 9 * SAMPLE_RATE)] for seed in (20, 30)
    )
    expected = expect(first, at)
    assert 200 <= expected.speech.sum() <= 215
    seen = Lips(0.2 * expected.aperture, 0.6 * expected.width)
    own = speaking_evidence(seen, first, at).value
    assert own is not None
    assert own > 0.95
    assert not is_significant(speaking_evidence(seen, wrong, at))


def still(at: npt.NDArray[np.int64]) -> Lips:
    return Lips(np.full(len(at) - 1, 0.1), np.full(len(at) - 1, 0.6))


def lost(at: npt.NDArray[np.int64]) -> Lips:
    seen = mouth(line(1), at)
    seen.aperture[::3] = np.nan
    return seen


VOWELS = Phones(
    alphabet="espeak",
    phones=tuple(
        Phone(symbol="aeiou"[i % 5], start=i * FRAME * 3, stop=(i + 1) * FRAME * 3) for i in range(60)
    ),
)
TOO_LITTLE = {
    "no speech": (mouth(line(1), edges()), Phones(alphabet="espeak", phones=()), "0.0 s of speech"),
    "a word": (mouth(line(1), edges()), line(1, 0.5), "s of speech are under 2 s"),
    "no closure": (mouth(VOWELS, edges()), VOWELS, "lips: 0; 2 are asked for"),
    "a face that is lost": (lost(edges()), line(1), "The lips were found in"),
    "lips of stone": (still(edges()), line(1), "do not move"),
}


@pytest.mark.parametrize("case", TOO_LITTLE)
def test_too_little_is_unscored_with_the_reason(case: str) -> None:
    seen, phones, why = TOO_LITTLE[case]
    found = score(seen, phones, edges())
    assert found.unscored is not None
    assert why in found.unscored
    assert (found.value, found.offset, found.p, found.confidence) == (None, None, None, None)
    assert not is_significant(found)


SLOW = Phones(
    alphabet="espeak",
    phones=tuple(
        Phone(symbol=symbol, start=start, stop=start + length)
        for second in range(8)
        for symbol, start, length in (
            ("a", second * SAMPLE_RATE, 28_800),
            ("m", second * SAMPLE_RATE + 28_800, 2_400),
            ("i", second * SAMPLE_RATE + 31_200, 16_800),
        )
    ),
)
"""A closure of 50 ms in each of eight seconds, between the middles of two frames at ten frames a second."""


def test_closures_between_the_middles_of_slow_frames_count() -> None:
    found = score(mouth(SLOW, edges(fps=10)), SLOW, edges(fps=10))
    assert found.closures == 8


def test_no_frames_are_unscored() -> None:
    nothing = np.zeros(0)
    assert score(Lips(nothing, nothing), line(1), np.zeros(1, dtype=np.int64)).unscored


def test_a_single_frame_is_unscored() -> None:
    at = np.array([0, 1920])
    for looked in (None, np.array([True])):
        seen, expected = Lips(np.array([0.1]), np.array([0.5])), expect([Spoken(line(1), 0)], at)
        found = agree(seen, expected, at, "renderer-obedience", looked)
        assert found.unscored is not None
        assert "s of speech are under 2 s" in found.unscored


def test_the_measure_keeps_its_name_and_the_same_input_its_score() -> None:
    at = edges()
    first, second = (
        agree(mouth(line(1), at), expect([Spoken(line(1), 0)], at), at, "renderer-obedience") for _ in "ab"
    )
    assert first == second
    assert first.measure == "renderer-obedience"


def test_half_an_hour_is_scored_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "SURROGATES", 100)
    at = np.arange(45_001, dtype=np.int64) * FRAME
    curves = np.random.default_rng(0).random((2, 45_000))
    always = np.ones(45_000, dtype=bool)
    expected = Expected(curves[0], curves[1], always, at[:-1] % (20 * FRAME) == 0)
    tracemalloc.start()
    try:
        found = agree(Lips(curves[0], curves[1]), expected, at, "renderer-obedience")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.offset == 0
    assert peak < 100e6


@pytest.mark.parametrize("frames", [1, 2_000])
def test_p_does_not_depend_on_how_many_surrogates_are_held(
    frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = edges()
    whole = score(mouth(line(1), at), line(2), at)
    monkeypatch.setattr(agreement, "_FRAMES_AT_ONCE", frames)
    assert score(mouth(line(1), at), line(2), at) == whole


SPEECH = Script(
    lines=(
        Said(MINA, "My brother bought a yellow boat and painted it blue.", pause=0.2),
        Said(MINA, "Half of the apples were gone before the market opened.", pause=0.3),
    ),
    shots=(Shot(0, "close", "plain"),),
    tail=0.2,
    size=(640, 360),
    music=False,
)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return shoot(SPEECH, tmp_path_factory.mktemp("talk") / "talk.mp4")


def seen_in(path: Path) -> tuple[Lips, npt.NDArray[np.int64]]:
    """The lips of a film as tracked, and the edges of its frames."""
    video = probe_source(path, Settings()).video
    scan = scan_frames(path, video)
    timeline = scan.timeline(first_look(path, video.index).time_base)
    whole = FrameRange(start=0, stop=timeline.count)
    faces = foremost(track_range(path, video, timeline, whole), len(whole))
    return lips(faces.points, upright_transform(video)), timeline.samples()


def test_a_drawn_presenter_is_known_to_speak_her_own_lines(talk: Film) -> None:
    seen, at = seen_in(talk.path)
    own = [Spoken(spoken.phones, spoken.start) for spoken in talk.truth.lines]
    found = speaking_evidence(seen, own, at)
    assert found.value is not None
    assert found.value > 0.6
    assert found.offset is not None
    assert abs(found.offset) <= 1
    assert found.p == 0.001
    late = speaking_evidence(seen, [replace(one, place=one.place + 3 * FRAME) for one in own], at)
    assert late.offset == found.offset - 3
    # The same two lines, each at the other's place.
    exchanged = [Spoken(own[1].phones, own[0].place), Spoken(own[0].phones, own[1].place)]
    wrong = speaking_evidence(seen, exchanged, at)
    assert wrong.value is not None
    assert wrong.value < found.value / 2
    assert wrong.p is not None
    assert wrong.p > SIGNIFICANT


def test_the_least_speech_that_is_scored_is_scored_right() -> None:
    """At the minimum of two seconds, through noise: the offset of most lines is right."""
    at = edges(MIN_SPEECH_S + 0.4)
    found = [
        score(mouth(line(seed, MIN_SPEECH_S), at, seed=seed), line(seed, MIN_SPEECH_S), at, place=-2 * FRAME)
        for seed in range(20)
    ]
    scored = [one for one in found if one.value is not None]
    assert len(scored) >= 10
    assert all(one.offset == 2 for one in scored)
    assert sum(is_significant(one) for one in scored) >= 0.9 * len(scored)
