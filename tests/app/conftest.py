"""Fixtures of the application's tests."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loc.settings import Settings
from tests.app.toy import Toy


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of a test picture with a tone."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.mp4"
    args = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10:duration=0.5"]
    args += ["-f", "lavfi", "-i", "sine=frequency=200:duration=0.5", "-shortest", str(path)]
    subprocess.run(args, check=True)
    return path


@pytest.fixture
def video(tiny: Path, tmp_path: Path) -> Path:
    """The tiny video in a folder of its own, with its transcript beside it."""
    folder = tmp_path / "videos"
    folder.mkdir()
    path = folder / "talk.mp4"
    path.write_bytes(tiny.read_bytes())
    (folder / "talk.en.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nhello\n")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings over a work directory of the test's own."""

    def make(**changes: Any) -> Settings:
        return Settings(**{"work_dir": tmp_path / "work", "languages": ("ja",), **changes})

    return make
