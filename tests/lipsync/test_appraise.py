"""What is said of drawn cuts at the end: pure rules, and what becomes of those that break them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from loc.analysis import likeness
from loc.analysis.faces import POINT_COUNT, places
from loc.artifacts import FrameRange, PictureScore, Reason, Score
from loc.stage import Context
from stages.lipsync import appraise
from stages.lipsync.appraise import proposed, unlike
from stages.lipsync.finals import Decided, Drafted
from stages.lipsync.latentsync import LatentSync

LIKE = PictureScore(seam=1, lip_colour=1, sharpness=0.9, jitter=None, outside=0, shape=0.004)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"lip_colour": None, "shape": None}, []),
        ({"lip_colour": 9.3}, ["unlike-lips"]),
        ({"sharpness": 0.39}, ["unlike-texture"]),
        ({"sharpness": 2.1}, ["unlike-texture"]),
        ({"sharpness": float("nan")}, ["unlike-texture"]),
        ({"shape": 0.051}, ["unlike-shape"]),
        ({"lip_colour": 30.0, "shape": 0.2}, ["unlike-lips", "unlike-shape"]),
    ],
)
def test_what_is_off_by_more_than_its_limit_is_named(changes: dict[str, Any], codes: list[str]) -> None:
    assert [reason.code for reason in unlike(LIKE.model_copy(update=changes))] == codes


def test_what_was_not_looked_at_is_not_held_against_a_cut() -> None:
    assert unlike(None) == ()


def test_close_ups_are_proposed_with_their_figures() -> None:
    assert proposed(3, 0.18, 1.0) == ()
    [by_pixels] = proposed(3, 0.1, 1.62)
    assert "1.6 times the pixels" in by_pixels.detail
    assert "--cuts 3" in by_pixels.detail
    [by_area] = proposed(3, 0.24, 0.8)
    assert "fills 24%" in by_area.detail


def drafted(number: int) -> Drafted:
    drawn = (cast(Any, f"patches {number}"),)
    frames = FrameRange(start=0, stop=10)
    return Drafted(number, frames, 0, 0.1, lead=False, clips=(), drawn=drawn, score=None)


@pytest.mark.parametrize("mode", ["warn", "pass"])
def test_strange_cuts_are_warned_of_or_passed(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def tell(code: str, message: str) -> None:
        told.append(f"{code}: {message}")

    context = cast(Context, SimpleNamespace(settings=SimpleNamespace(unlike=mode), notice=tell))
    monkeypatch.setattr(appraise, "stretch_of", lambda _context, _drawn: 2.0)
    bad = LIKE.model_copy(update={"lip_colour": 40.0})
    worse = Reason(code="worse-seam", detail="")
    decided = {
        1: Decided(drafted(1).drawn, Score(measure="viseme-agreement", picture=LIKE)),
        2: Decided(drafted(2).drawn, Score(measure="viseme-agreement", picture=bad)),
        3: Decided(drafted(3).drawn, Score(measure="viseme-agreement", picture=LIKE), card=LatentSync.card),
        4: Decided(drafted(4).drawn, Score(measure="viseme-agreement", picture=LIKE), (worse,)),
    }
    result = appraise.appraise(context, [drafted(number) for number in decided], decided)
    codes = {number: [reason.code for reason in one.reasons] for number, one in result.items()}
    passed = mode == "pass"
    assert codes[1] == ["final-proposed"]
    assert codes[2] == ["unlike-lips", *([] if passed else ["final-proposed"])]
    assert codes[3] == []
    assert codes[4] == ["worse-seam"]
    assert result[2].drawn == (() if passed else drafted(2).drawn)
    assert all(result[number].drawn for number in (1, 3, 4))
    [notice] = told
    assert notice.startswith("unlike: Cut 2 does not look like who was filmed")


def test_a_jaw_that_is_wider_is_told_and_speech_is_not() -> None:
    rng = np.random.default_rng(0)
    still = rng.uniform(0, 100, (POINT_COUNT, 2))
    still[places((33, 263))] = (30, 40), (90, 40)
    for height, (left, right) in enumerate(likeness.WIDTHS):
        still[places((left, right))] = (20 + 5 * height, 90), (100 - 5 * height, 90)
    filmed = still + rng.normal(0, 0.2, (40, POINT_COUNT, 2))
    opened = filmed.copy()
    opened[:, places((14, 17, 152))] += (0, 12)
    wider = filmed.copy()
    for _, right in likeness.WIDTHS:
        wider[:, places((right,))] += (6, 0)
    before = likeness.jaw(filmed)
    assert (likeness.unlike(before, likeness.jaw(opened)) or 0) < 0.005
    assert likeness.unlike(before, likeness.jaw(wider)) == pytest.approx(6 / 70, rel=0.1)
    gone = np.full_like(before, np.nan)
    assert likeness.unlike(before, gone) is None
