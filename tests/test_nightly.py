"""The script of `docs/how-to/nightly.md`, as it stands there, over some nights of a small folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from loc.app.record import events, runs
from loc.events import ActionDone
from loc.store.workdir import WorkDir
from tests.presenter import SHORT, Said, render, write_subtitles
from tests.presenter.looks import MINA, OTTO

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "how-to" / "nightly.md"
LIMIT_S = 300
"""No night here takes longer, however busy the machine is."""

SPOKEN = {
    "map.mp4": Said(MINA, "My map may help.", pause=0.2),
    "bear.mp4": Said(OTTO, "Bob saw a bear.", pause=0.2),
}


def block(kind: str) -> str:
    """The first block of a language on the page."""
    found = re.search(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


class Nights:
    """The folder of the page, and its script."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "in").mkdir()
        (root / "out").mkdir()
        (root / "loc.toml").write_text(block("toml"))
        self.script = root / "night.sh"
        self.script.write_text(block("sh"))
        self.script.chmod(0o755)
        program = root / "bin" / "loc"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n')
        program.chmod(0o755)

    def start(self, **variables: str) -> subprocess.Popen[str]:
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        return subprocess.Popen(
            [self.script],
            cwd="/",
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, **variables: str) -> tuple[int, str]:
        night = self.start(**variables)
        printed, _ = night.communicate(timeout=LIMIT_S)
        return night.returncode, printed

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / "out" / "night.json").read_bytes())
        return found

    def states(self) -> dict[str, str]:
        return {Path(item["input"]).name: item["state"] for item in self.summary()["inputs"]}

    def outputs(self) -> dict[str, int]:
        """Inode of every video: a file that is written again has another."""
        return {path.name: path.stat().st_ino for path in (self.root / "out").glob("*.mp4")}

    def wait_until_at_work(self, name: str) -> None:
        for _ in range(LIMIT_S * 20):
            if (self.root / "out" / "night.json").exists() and self.states().get(name) == "working":
                return
            time.sleep(0.05)
        raise AssertionError(f"{name} was never at work")


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    nights = Nights(tmp_path)
    for name, said in SPOKEN.items():
        script = replace(SHORT, lines=(said,), size=(256, 144), fps=Fraction(12), music=False)
        video = tmp_path / "in" / name
        truth = render(script, video)
        write_subtitles(video.with_suffix(".en.srt"), truth.lines, [line.text for line in truth.lines])
    (tmp_path / "in" / "broken.mp4").write_bytes((tmp_path / "in" / "map.mp4").read_bytes()[1000:])
    return nights


def test_some_nights(nights: Nights) -> None:
    # The deadline has come before anything begins: no cause to wake anybody.
    assert nights.run(UNTIL="0s") == (0, "")
    assert set(nights.states().values()) == {"waiting"}

    # Killed in the second video: what is left says so.
    night = nights.start()
    nights.wait_until_at_work("map.mp4")
    os.killpg(night.pid, signal.SIGKILL)
    night.communicate(timeout=LIMIT_S)
    assert nights.states() == {"bear.mp4": "done", "broken.mp4": "failed", "map.mp4": "working"}
    assert nights.summary()["finished"] is None
    kept = nights.outputs()
    assert set(kept) == {"bear.es.mp4", "bear.ca.mp4"}

    # Two shells at once finish it together.
    both = [nights.start(), nights.start()]
    printed = [each.communicate(timeout=LIMIT_S)[0] for each in both]
    assert [each.returncode for each in both] == [8, 8]
    assert nights.states() == {"bear.mp4": "done", "broken.mp4": "failed", "map.mp4": "done"}
    for text in printed:
        assert text.startswith("Some videos failed, the others are done.\n")
        assert "broken.mp4**: failed" in text
        assert "is not a media file that ffmpeg can read" in text
    made = nights.outputs()
    assert made.items() >= kept.items()
    assert set(made) == {f"{stem}.{language}.mp4" for stem in ("bear", "map") for language in ("es", "ca")}
    store = WorkDir(nights.root / ".loc")
    actions = len(list(store.action_keys()))
    made_by = Counter(
        event.key
        for record in runs(store)
        for event in events(store, record.id)
        if isinstance(event, ActionDone) and not event.hit
    )
    assert set(made_by.values()) == {1}

    # Another night of the same finds everything made.
    code, _ = nights.run()
    assert code == 8
    done = [item for item in nights.summary()["inputs"] if item["state"] == "done"]
    assert [item["misses"] for item in done] == [0, 0]
    assert all(item["hits"] > 0 for item in done)
    assert nights.outputs() == made
    assert len(list(store.action_keys())) == actions

    # Without the broken one the nights are quiet.
    (nights.root / "in" / "broken.mp4").unlink()
    assert nights.run() == (0, "")
    assert nights.summary()["counts"] == {"done": 2}


def test_a_night_that_could_not_begin_says_why(nights: Nights) -> None:
    (nights.root / "loc.toml").write_text('languages = ["klingon"]\n')
    code, printed = nights.run()
    assert code == 2
    assert printed.startswith("The night ended with code 2.")
    assert "klingon" in printed
