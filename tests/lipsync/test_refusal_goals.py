"""The goals of `bench/refusals.py`, and the occluders that they are reported on."""

from __future__ import annotations

from typing import Any

from bench.refusals import FALSE_GOALS, goals
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
