"""The backend of docs/how-to/add-a-backend.md, built as a wheel and installed, is found, chosen and run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "add-a-backend.md"
CUES = "1\n00:00:00,000 --> 00:00:00,200\nThank you!\n\n2\n00:00:00,200 --> 00:00:00,400\nNo such phrase.\n"


def page_code(language: str) -> str:
    match = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match is not None
    return match.group(1)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An environment in which the page's package is installed from its wheel."""
    package, site = tmp_path_factory.mktemp("phrasebook"), tmp_path_factory.mktemp("site")
    (package / "loc_phrasebook.py").write_text(page_code("python"))
    (package / "pyproject.toml").write_text(page_code("toml"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "wheel", *offline, "--no-build-isolation", "-w", str(package), str(package)], check=True
    )
    [wheel] = package.glob("*.whl")
    subprocess.run([*pip, "install", *offline, "--target", str(site), str(wheel)], check=True)
    return {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}


def loc(environment: Mapping[str, str], folder: Path, *args: str) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "cli", *args, "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_plan_lists_it_and_run_uses_it(environment: Mapping[str, str], video: Path) -> None:
    (video.parent / "talk.en.srt").write_text(CUES)
    _, [planned] = loc(environment, video.parent, "plan", video.name, "--lang", "eo")
    [row] = [row for row in planned["rows"] if row["stage"] == "translate"]
    assert (row["backend"]["name"], row["backend"]["quality"]) == ("phrasebook", "good")
    assert "apertium" in [item["name"] for item in row["not_taken"]]

    code, lines = loc(environment, video.parent, "run", video.name, "--lang", "eo", "--until", "translate")
    done = [line for line in lines if line["type"] == "action-done" and line["action"] == "translate.line"]
    assert [(line["backend"], line["hit"]) for line in done] == [("translate/phrasebook", False)]
    [defect] = [line for line in lines if line["type"] == "defect"]
    assert "phrasebook does not have" in defect["message"]
    assert code == 3


def test_page_shows_a_backend_of_about_thirty_lines() -> None:
    lines = [line for line in page_code("python").splitlines() if line.strip()]
    assert len(lines) <= 35
