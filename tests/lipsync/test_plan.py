"""The mouth plan: the three rules, and the curve of the opening."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from loc.analysis.phones import LEAD_S
from loc.artifacts import SAMPLE_RATE, Phone, Phones
from stages.lipsync.plan import (
    FADE,
    MAX_PAUSE,
    Sounding,
    frame_times,
    joined,
    loudness,
    mouth,
    opacity,
    without,
)
from tests.closures import closed_at

FRAME = SAMPLE_RATE // 25
EDGES = np.arange(101, dtype=np.int64) * FRAME
TIMES = frame_times(EDGES)


def phones(symbols: str, length: int = SAMPLE_RATE // 10) -> Phones:
    return Phones(
        alphabet="espeak",
        phones=tuple(
            Phone(symbol=symbol, start=i * length, stop=(i + 1) * length) for i, symbol in enumerate(symbols)
        ),
    )


def tone(samples: int, level: float = 0.3) -> npt.NDArray[np.float32]:
    return np.asarray(level * np.sin(np.arange(samples) * 2 * np.pi * 500 / SAMPLE_RATE), dtype=np.float32)


def test_a_frame_is_judged_in_the_middle_of_its_time() -> None:
    assert TIMES[:2].tolist() == [FRAME // 2, FRAME + FRAME // 2]


def test_speech_is_drawn_and_silence_is_not() -> None:
    drawn = opacity(TIMES, [(SAMPLE_RATE, 2 * SAMPLE_RATE)], fade_in=False, fade_out=False)
    assert (drawn[25:50] == 1).all()
    assert (drawn[:23] == 0).all()
    assert (drawn[52:] == 0).all()
    fade = drawn[50:52]
    assert ((fade > 0) & (fade < 1)).all()
    assert (np.diff(drawn[22:26]) >= 0).all()


def test_a_fade_takes_eighty_milliseconds() -> None:
    times = np.arange(0, SAMPLE_RATE, 48, dtype=np.int64)
    drawn = opacity(times, [(SAMPLE_RATE // 2, SAMPLE_RATE)], fade_in=False, fade_out=False)
    rising = times[(drawn > 0) & (drawn < 1)]
    assert rising[-1] - rising[0] == pytest.approx(FADE, abs=100)


def test_a_short_pause_stays_drawn() -> None:
    second = SAMPLE_RATE
    short = opacity(TIMES, [(0, second), (second + MAX_PAUSE, 2 * second)], fade_in=False, fade_out=False)
    assert (short[:50] == 1).all()
    long = opacity(TIMES, [(0, second), (second + 2 * MAX_PAUSE, 2 * second)], fade_in=False, fade_out=False)
    assert (long[:50] == 0).any()


def test_ends_inside_a_shot_are_soft() -> None:
    speech = [(0, 4 * SAMPLE_RATE)]
    soft = opacity(TIMES, speech, fade_in=True, fade_out=True)
    assert soft[0] == soft[-1] == 0
    assert (soft[3:-3] == 1).all()
    hard = opacity(TIMES, speech, fade_in=False, fade_out=False)
    assert (hard == 1).all()


def test_ranges_join_across_pauses() -> None:
    assert joined([(10, 20), (0, 5), (18, 30), (33, 40)], 3) == [(0, 5), (10, 40)]


def test_vowels_open_and_bilabials_close() -> None:
    spoken = phones("amapabas")
    place = 10 * FRAME
    clip = Sounding(spoken, tone(spoken.phones[-1].stop), place)
    aperture, width = mouth(EDGES, [clip])
    shut = closed_at(spoken, TIMES - place)
    assert shut.sum() >= 3
    assert (aperture[shut] == 0).all()
    assert aperture.max() > 0.5
    assert aperture.max() <= 1
    assert aperture[:8].max() < 0.01
    assert aperture[40:].max() == 0
    assert np.isfinite(width).all()


def edges_of(rate: str) -> npt.NDArray[np.int64]:
    """Edges of the frames of 100 s: so many a second, or each on screen for 20 to 180 ms."""
    if rate == "variable":
        lasting = np.random.default_rng(5).integers(SAMPLE_RATE // 50, SAMPLE_RATE * 18 // 100, 1000)
        return np.asarray(np.concatenate([[0], np.cumsum(lasting)]), dtype=np.int64)
    return np.arange(100 * int(rate) + 1, dtype=np.int64) * SAMPLE_RATE // int(rate)


@pytest.mark.parametrize("length", [24, 60])
@pytest.mark.parametrize("rate", ["12", "15", "25", "variable"])
def test_every_closure_is_seen_however_slow_the_frames(rate: str, length: int) -> None:
    """A line at 200 places among the frames: the lips touch in a frame on screen while its p sounds."""
    at = np.cumsum([0, 120, length, 120]) * (SAMPLE_RATE // 1000)
    said = [
        Phone(symbol=one, start=int(a), stop=int(b)) for one, a, b in zip("apa", at, at[1:], strict=False)
    ]
    edges, spoken, audio = edges_of(rate), Phones(alphabet="espeak", phones=tuple(said)), tone(int(at[-1]))
    closure, open_mouths = said[1], 0
    for place in np.linspace(SAMPLE_RATE, 50 * SAMPLE_RATE, 200, dtype=np.int64).tolist():
        aperture, _ = mouth(edges, [Sounding(spoken, audio, place)])
        first = int(np.searchsorted(edges, place + closure.start, side="right")) - 1
        last = int(np.searchsorted(edges, place + closure.stop, side="left"))
        assert aperture[first:last].min() == 0
        open_mouths += int((aperture > 0.2).sum())
    assert open_mouths > 200


def test_a_closure_outside_the_frames_shuts_none_of_them() -> None:
    spoken = phones("apa")
    audio = tone(spoken.phones[-1].stop)
    before, _ = mouth(EDGES, [Sounding(spoken, audio, -spoken.phones[1].stop)])
    assert before[0] > 0
    lead = round(LEAD_S * SAMPLE_RATE)
    behind, _ = mouth(EDGES, [Sounding(spoken, audio, int(EDGES[-1]) - spoken.phones[1].start + lead)])
    assert behind[-1] > 0


def test_a_plan_moves_with_its_clip() -> None:
    spoken = phones("saka")
    audio = tone(spoken.phones[-1].stop)
    here, _ = mouth(EDGES, [Sounding(spoken, audio, 20 * FRAME)])
    later, _ = mouth(EDGES, [Sounding(spoken, audio, 25 * FRAME)])
    np.testing.assert_array_equal(here[:-5], later[5:])


def test_rounded_vowels_narrow_the_mouth() -> None:
    spoken = phones("uuuu")
    _, width = mouth(EDGES, [Sounding(spoken, tone(spoken.phones[-1].stop), 0)])
    assert width[4] < 0.9


def test_a_murmur_opens_less_than_a_call() -> None:
    spoken = phones("aaaaaaaa")
    half = spoken.phones[3].stop
    loud_then_soft = tone(2 * half)
    loud_then_soft[half:] *= 0.05
    aperture, _ = mouth(EDGES, [Sounding(spoken, loud_then_soft, 0)])
    loud, soft = aperture[3:7].mean(), aperture[13:17].mean()
    assert soft < 0.7 * loud
    assert soft > 0.2


def test_two_clips_at_once_open_as_wide_as_the_wider() -> None:
    open_mouth, closed = phones("aaaa"), phones("mmmm")
    audio = tone(open_mouth.phones[-1].stop)
    both, _ = mouth(EDGES, [Sounding(closed, audio, 0), Sounding(open_mouth, audio, 0)])
    alone, _ = mouth(EDGES, [Sounding(open_mouth, audio, 0)])
    np.testing.assert_allclose(both, alone)


def test_loudness_is_full_on_a_steady_tone_and_nothing_in_silence() -> None:
    at = np.array([-10, SAMPLE_RATE // 2, 2 * SAMPLE_RATE])
    level = loudness(tone(SAMPLE_RATE), at)
    assert level[0] == level[2] == 0
    assert level[1] == pytest.approx(1, abs=0.05)
    assert (loudness(np.zeros(SAMPLE_RATE, np.float32), at) == 0).all()
    assert (loudness(np.zeros(0, np.float32), at) == 0).all()


def test_ranges_without_others() -> None:
    assert without([(0, 10), (5, 20), (30, 40)], [(8, 12), (18, 31), (50, 60)]) == [
        (0, 8),
        (12, 18),
        (31, 40),
    ]
    assert without([(3, 5)], [(0, 9)]) == []
    assert without([(3, 5)], []) == [(3, 5)]
