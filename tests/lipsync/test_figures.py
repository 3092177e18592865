"""The measures of `bench/lips.py` on mouths whose truth is known: each can fail, for its own reason."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bench.lips import EIGHTHS, Spoken, _ring, closures, goals, jitter, on_screen, vowels
from loc.artifacts import SAMPLE_RATE

FRAME = SAMPLE_RATE // 25
COUNT = 200


def spoken() -> Spoken:
    """Every tenth frame a closure of one frame, between them a vowel of four frames; silent at the end."""
    edges = np.arange(COUNT + 1, dtype=np.int64) * FRAME
    starts = np.arange(10, 150, 10)
    plan = np.zeros(COUNT)
    for number, start in enumerate(starts):
        plan[start + 3 : start + 7] = 0.2 + 0.7 * ((number * 5) % 7) / 7
    shut = np.zeros(COUNT, dtype=bool)
    shut[starts] = True
    silent = np.zeros(COUNT, dtype=bool)
    silent[160:] = True
    return Spoken(
        edges=edges,
        drawn=np.ones(COUNT, dtype=bool),
        plan=plan,
        bare=plan,
        shut=shut,
        silent=silent,
        closures=[(int(edges[start]), int(edges[start + 1])) for start in starts],
        vowels=[(int(edges[start + 3]), int(edges[start + 7])) for start in starts],
    )


def test_frames_on_screen_are_those_that_a_sound_falls_on() -> None:
    edges = np.arange(11, dtype=np.int64) * FRAME
    assert on_screen(edges, (2 * FRAME, 3 * FRAME)) == slice(2, 3)
    assert on_screen(edges, (2 * FRAME + 1, 3 * FRAME + 1)) == slice(2, 4)
    assert on_screen(edges, (9 * FRAME, 12 * FRAME)) == slice(9, 10)


def test_lips_that_close_in_time_are_counted_and_others_are_not() -> None:
    dub = spoken()
    gap = np.where(dub.shut, 0.0, 0.3)
    found = closures(gap, dub)
    assert (found["phones"], found["closed"], found["frames_closed"]) == (14, 1.0, 1.0)
    assert found["by_chance"] < 0.3
    late = closures(np.roll(gap, 3), dub)
    assert late["closed"] == 0
    never = closures(np.zeros(COUNT), dub)
    assert never["by_chance"] == 1.0, "a mouth that never opens closes by chance as often"
    assert closures(gap, replace(dub, drawn=np.arange(COUNT) < 75))["phones"] == 7


def test_vowels_are_ranked_by_what_is_seen() -> None:
    dub = spoken()
    assert vowels(0.2 * dub.plan, dub, 0.2)["rank"] == pytest.approx(1)
    assert vowels(0.2 * dub.plan, dub, 0.2)["reach"] == pytest.approx(1)
    assert vowels(0.1 * dub.plan, dub, 0.2)["reach"] == pytest.approx(0.5)
    assert vowels(-dub.plan, dub, 0.2)["rank"] == pytest.approx(-1)
    noise = np.random.default_rng(5).uniform(0, 1, COUNT)
    assert abs(vowels(noise, dub, 0.2)["rank"]) < 0.6


def test_jitter_is_held_against_the_source() -> None:
    dub = spoken()
    calm = np.random.default_rng(6).normal(0, 0.001, (COUNT, 20, 2))
    source_silent = np.arange(COUNT) < 60
    assert jitter(calm, calm, dub, source_silent)["ratio"] == pytest.approx(1)
    assert jitter(calm, 2 * calm, dub, source_silent)["ratio"] == pytest.approx(2, abs=0.01)
    speaking = calm.copy()
    speaking[160:] *= 10
    found = jitter(speaking, 2 * calm, dub, source_silent)
    assert found["ratio"] < 0.3
    assert found["over_source_silent"] == pytest.approx(2, abs=0.1)
    drifting = calm + np.linspace(0, 1, COUNT)[:, None, None]
    assert jitter(calm, drifting, dub, source_silent)["ratio"] == pytest.approx(1, abs=0.01)
    assert jitter(calm, calm, replace(dub, silent=np.arange(COUNT) > 190), source_silent)["ratio"] is None


def test_a_planted_ring_is_measured_in_its_own_eighth() -> None:
    lab = np.full((200, 200, 3), (60, 10, 15), dtype=np.float32)
    outline = np.array(cv2.ellipse2Poly((100, 100), (70, 80), 0, 0, 360, 5), np.float64)
    changed = lab.copy()
    changed[:, 130:] += (3, 0, 0)
    difference = np.linalg.norm(_ring(changed, outline, 14) - _ring(lab, outline, 14), axis=1)
    assert len(difference) == EIGHTHS
    assert difference.max() == pytest.approx(3, abs=0.05)
    assert difference.min() == pytest.approx(0, abs=1e-4)


def test_trembling_more_than_the_silent_source_misses_a_goal() -> None:
    row = {
        "clip": "one",
        "closures": {"closed": 1.0},
        "vowels": {"rank": 0.9},
        "colours": {"ring_p95": 1.0, "lips": 1.0},
        "jitter": {"ratio": 0.6, "over_source_silent": 1.43},
    }
    unmet = [one["goal"] for one in goals(row) if not one["met"]]
    assert unmet == ["one: jitter in silence over the silent source's"]
    calm = {**row, "jitter": {"ratio": 0.6, "over_source_silent": None}}
    assert all(one["met"] for one in goals(calm))
