"""Fixtures every test may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loc.events import EventBus
from loc.runner import Runner
from loc.store.workdir import WorkDir

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "clips"


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
