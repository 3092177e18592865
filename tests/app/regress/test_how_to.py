"""docs/how-to/ci.md: its pipelines are YAML of the right shape, and every `loc` in them is a real command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cli.main import load_command
from loc.app.regress import baseline
from loc.app.regress.session import REPORTS

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "how-to" / "ci.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)
GITHUB, GITLAB = (yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml")


def commands() -> list[str]:
    """Every command line of the page that calls loc."""
    typed = [line for kind, text in BLOCKS if not kind for line in text.splitlines()]
    steps = [step["run"] for step in GITHUB["jobs"]["regress"]["steps"] if "run" in step]
    return [line for line in (*typed, *steps, *GITLAB["regress"]["script"]) if line.startswith("loc ")]


@pytest.mark.parametrize("line", commands())
def test_every_command_exists_with_its_options(line: str) -> None:
    """Parsed by the command itself, which is not called."""
    words = shlex.split(line.partition(" >> ")[0])
    group: Any = load_command(words[1])
    command = group.commands[words[2]]
    with click.Context(group) as parent:
        found = command.make_context(words[2], words[3:], parent=parent).params
    assert found["samples"] == Path("samples")
    assert found["baseline"] == Path("samples/accepted.json")


def test_there_are_commands_to_check() -> None:
    kinds = [" ".join(line.split()[1:3]) for line in commands()]
    assert kinds.count("regress run") >= 4
    assert kinds.count("regress accept") >= 3


def test_github() -> None:
    # YAML 1.1 reads the key `on` as true.
    assert set(GITHUB) == {"name", True, "env", "jobs"}
    job = GITHUB["jobs"]["regress"]
    assert job["runs-on"].startswith("ubuntu-")
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    kept = job["steps"][-1]
    assert (kept["if"], kept["with"]["path"]) == ("always()", "regress")


def test_gitlab() -> None:
    job = GITLAB["regress"]
    assert set(job) == {"image", "variables", "before_script", "script", "artifacts"}
    assert job["artifacts"]["when"] == "always"
    folder, name = job["artifacts"]["reports"]["junit"].split("/")
    assert [folder] == job["artifacts"]["paths"]
    assert name in REPORTS


def test_the_files_it_names_are_those_that_are_written() -> None:
    assert set(re.findall(r"`regress/([\w.]+)`", PAGE)) == REPORTS.keys()


def test_loc_s_own_pipeline_does_so_too() -> None:
    assert 'step "make regress" make regress' in (ROOT / ".ci" / "run").read_text()
    accepted = baseline.read(ROOT / ".ci" / "accepted.json").samples
    assert {name: set(sample.dubs) for name, sample in accepted.items()} == {"sample.mp4": {"ja"}}
    assert accepted["sample.mp4"].work is not None
