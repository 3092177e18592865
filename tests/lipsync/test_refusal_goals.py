"""The goals of `bench/refusals.py`, and the occluders that they are reported on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.refusals import FALSE_GOALS, SETS, goals
from tests.occluders import FRESH, HELD_OUT, TUNING


def test_a_goal_is_missed_by_one_clip_alone() -> None:
    """However well the others do: rates of all clips together would hide it."""

    def row(refused: int) -> dict[str, Any]:
        return {"hit": {"refused": refused, "frames": 100, "rate": refused / 100}}

    plain = {name: {"refused": 0, "frames": 100, "rate": 0.0} for name in FALSE_GOALS}
    noisy = plain | {"noisy": {"refused": 5, "frames": 100, "rate": 0.05}}
    found = goals({"filmed": {"a": plain, "b": noisy}, "sets": {"fresh": {"a": row(100), "b": row(93)}}})
    assert [one["goal"] for one in found if not one["met"]] == ["b: refused, noisy", "b, fresh: hit"]


def test_fresh_occluders_are_others() -> None:
    assert len({what.name for what in (*TUNING, *HELD_OUT, *FRESH)}) == len(TUNING) + len(HELD_OUT) + len(
        FRESH
    )
    assert {what.kind for what in FRESH} == {"hand", "microphone", "mug"}
    assert any(what.on_chin for what in FRESH)
    for what in FRESH:
        sprite = what.draw((200.0, 160.0, 140.0))
        assert sprite[..., 3].max() == 1
        assert 0 <= sprite[..., :3].min() <= sprite[..., :3].max() <= 255


ROOT = Path(__file__).resolve().parents[2]
FILMS = {"address", "studio_silent", "portrait_hevc", "drawn"}
MISSED = {"address: refused, coded hard": "7 of 40 coded so hard that they crumble"}
"""Goals that are known to be missed, and what `docs/explanation/cut-by-cut.md` says of them."""


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """The result on record."""
    text = (ROOT / "bench" / "results" / "refusals.json").read_text(encoding="utf-8")
    held: dict[str, Any] = json.loads(text)
    return held


def test_the_record_has_every_row_of_every_film(record: dict[str, Any]) -> None:
    assert record["filmed"].keys() == FILMS
    conditions = {tuple(row) for row in record["filmed"].values()}
    assert len(conditions) == 1
    assert set(FALSE_GOALS) < set(conditions.pop())
    assert record["sets"].keys() == SETS.keys()
    for name, occluders in SETS.items():
        before_lips = {what.name for what in occluders if not what.on_chin}
        assert record["sets"][name].keys() == FILMS
        for row in record["sets"][name].values():
            for part in ("hit", "throughout", "chin", "away", "beside"):
                assert row[part]["frames"] > 0
            for part in ("hit", "throughout"):
                assert row[f"{part}_by_occluder"].keys() == before_lips


def test_goals_on_record_are_met_or_said_to_be_missed(record: dict[str, Any]) -> None:
    assert record["goals"] == goals(record)
    assert len(record["goals"]) == len(FILMS) * (len(FALSE_GOALS) + 5 * len(SETS))
    assert {one["goal"] for one in record["goals"] if not one["met"]} == MISSED.keys()
    page = (ROOT / "docs" / "explanation" / "cut-by-cut.md").read_text(encoding="utf-8")
    for said in MISSED.values():
        assert said in " ".join(page.split())
