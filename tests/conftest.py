"""Fixtures every test may use."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from loc.events import EventBus
from loc.runner import Runner
from loc.store.workdir import WorkDir

if TYPE_CHECKING:
    from tests.presenter import Film

# No test is timed: machines are shared. In CI hypothesis takes the same examples every time.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")

# Started in the background of a script, they would have every program that they start ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Set in many containers; each `loc` that a test starts would then compile all of its code again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# As many processes test side by side as there are cores: with threads of their own, networks wait for each
# other. Read when torch is loaded, here and in every child.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "clips"


def pytest_collection_finish() -> None:
    """Take what all test files have imported, which never goes, out of the sight of the garbage collector.

    Each full collection went through it, and a model that leaves its device asks for one: 0.1 s each.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def clips() -> Path:
    """Folder of real clips. They are not part of the product; without them these tests skip."""
    if not CLIPS.is_dir():
        pytest.skip("the real clips are not here")
    return CLIPS


@pytest.fixture
def store(tmp_path: Path) -> WorkDir:
    """An empty work directory."""
    return WorkDir(tmp_path / "store")


@pytest.fixture
def runner(store: WorkDir) -> Iterator[Runner]:
    """A runner over an empty work directory; its events go nowhere."""
    runner = Runner(store, EventBus(), run="test")
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def short_film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    """About two seconds of one presenter in close-up, 640x360, one shot, music. Not to be changed."""
    from tests.presenter import SHORT, shoot

    return shoot(SHORT, tmp_path_factory.mktemp("film") / "short.mp4")


@pytest.fixture(scope="session")
def two_shot_film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    """About three seconds of one presenter in two shots, 640x360, music. Not to be changed."""
    from tests.presenter import SHORT_TWO_SHOTS, shoot

    return shoot(SHORT_TWO_SHOTS, tmp_path_factory.mktemp("film") / "two-shots.mp4")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long `loc.remote` would have waited each time."""
    found: list[float] = []
    monkeypatch.setattr("loc.remote.time.sleep", found.append)
    return found
