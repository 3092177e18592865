"""The job, undisturbed: what every disturbed one must come to."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.stress.job import Job, draw


@dataclass(frozen=True)
class Reference:
    """A finished job, not to be changed: copy it with `Job.elsewhere`."""

    job: Job
    seconds: float
    """Wall time of the cold run."""
    misses: int
    media: dict[str, str]


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("film") / "talk")


@pytest.fixture(scope="session")
def reference(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The Japanese job, cold and undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = Job(video, folder / "work", folder / "out")
    started = time.monotonic()
    ended = job.run()
    assert ended.code == 0, ended.stderr
    routes = [event["route"] for event in ended.events if event["type"] == "cut-decided"]
    assert routes == ["passthrough", "draft"], "one chunk is redrawn, one is not"
    return Reference(job, time.monotonic() - started, ended.misses, job.media())


@pytest.fixture
def job(reference: Reference, tmp_path: Path) -> Job:
    """The same job with nothing made yet."""
    return replace(reference.job, work=tmp_path / "work", out=tmp_path / "out")


@pytest.fixture
def finished(reference: Reference, tmp_path: Path) -> Job:
    """The same job with everything made and no outputs."""
    return reference.job.elsewhere(tmp_path)
