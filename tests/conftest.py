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

TESTS = Path(__file__).resolve().parent
CLIPS = TESTS.parents[1] / "shared" / "clips"

LONG = (
    "keys/test_misses.py",
    "app/regress/test_planted_faults.py",
    "cli/test_cli.py",
    "stress/test_kills.py",
    "lipsync/test_film_kinds.py",
    "lipsync/latentsync/test_run.py",
    "lipsync/musetalk/test_run.py",
    "lipsync/test_stage.py",
    "stress/test_side_by_side.py",
    "cli/test_models.py",
    "lipsync/musetalk/test_avatar.py",
    "cli/test_weights.py",
    "stress/test_full_disk.py",
    "app/test_regen.py",
    "stress/test_device.py",
    "cli/test_verify_run.py",
    "lipsync/test_refusals.py",
)
"""Files whose tests take longest, more or less in order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where files are spread over processes, begin with those that take longest, so that at the end none is
    left with minutes of work while the others have none. xdist would begin with those of most tests
    (`--no-loadscope-reorder` keeps it from that), and several of the longest have few. The order within a
    file stays. A file missing in the list, or a name of none, costs time alone."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        places = {name: place for place, name in enumerate(LONG)}
        items.sort(key=lambda item: places.get(item.path.relative_to(TESTS).as_posix(), len(LONG)))


def pytest_collection_finish() -> None:
    """Take what all test files have imported, which never goes, out of the sight of the garbage collector.

    Each full collection went through it, and a model that leaves its device asks for one: 0.1 s each.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Give it back for the end of the process, where extensions complain of what is never freed."""
    gc.unfreeze()


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
