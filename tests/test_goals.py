"""Recorded figures: every goal that is missed is named on one page of the documentation, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import machine
from bench.machine import RESULTS, ROOT

PAGE = ROOT / "docs" / "reference" / "missed-goals.md"

Missed = dict[tuple[str, str], tuple[float, float]]
"""(file, goal) -> limit, measured."""


def goals(result: dict[str, Any], place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every goal of a result; those of a part are called `1920x1080: growth of loc`."""
    for name, value in result.items():
        if name == "goals":
            yield from ((f"{place}{one['goal']}", one) for one in value)
        elif isinstance(value, dict):
            yield from goals(value, f"{place}{name}: ")


def recorded(folder: Path) -> Missed:
    """The goals of all results that are missed."""
    return {
        (path.name, name): (one["limit"], one["measured"])
        for path in sorted(folder.glob("*.json"))
        for name, one in goals(json.loads(path.read_bytes()))
        if not one["met"]
    }


def named(page: str) -> Missed:
    """The goals that a page says are missed."""
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \| (.+?) \| .+ \|$", page, re.MULTILINE)
    return {(file, name): (float(limit), float(measured)) for file, name, limit, measured in rows}


def test_every_goal_that_is_missed_is_named_and_no_other() -> None:
    assert named(PAGE.read_text(encoding="utf-8")) == recorded(RESULTS)


def test_a_goal_anywhere_in_a_result_is_found(tmp_path: Path) -> None:
    missed = machine.goal("speed", 2.0, 3.0, at_least=True)
    met = machine.goal("room", 1.0, 3.0)
    (tmp_path / "a.json").write_text(json.dumps({"goals": [met, missed], "1080p": {"goals": [missed]}}))
    assert recorded(tmp_path) == {("a.json", "speed"): (3.0, 2.0), ("a.json", "1080p: speed"): (3.0, 2.0)}


def test_a_result_says_of_which_code_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Results that are written beside it do not make the code another."""
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setattr(machine, "RESULTS", tmp_path / "bench" / "results")
    machine.RESULTS.mkdir(parents=True)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (machine.machine()["commit"], machine.machine()["uncommitted"]) == (None, None)
    who = ("-c", "user.name=n", "-c", "user.email=e")
    (tmp_path / "code.py").write_text("1")
    for command in (("init",), ("add", "."), (*who, "commit", "-m", "First")):
        assert machine._git(*command) is not None
    (machine.RESULTS / "new.json").write_text("{}")
    about = machine.machine()
    assert re.fullmatch("[0-9a-f]{40}", about["commit"])
    assert about["uncommitted"] == []
    (tmp_path / "code.py").write_text("2")
    (tmp_path / "more.py").write_text("")
    assert machine.machine()["uncommitted"] == ["code.py", "more.py"]
