"""A work directory that was moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from loc.app.record import runs
from loc.errors import ExitCode
from tests.stress.conftest import Reference
from tests.stress.job import Job


def test_a_moved_work_directory_has_everything_made(
    finished: Job, reference: Reference, tmp_path: Path
) -> None:
    place = tmp_path / "else where" / "ü"
    place.parent.mkdir()
    finished.work.rename(place)
    moved = replace(finished, work=place)
    ended = moved.run()
    assert (ended.code, ended.misses) == (ExitCode.DONE, 0), ended.stderr
    assert moved.media() == reference.media
    assert len(list(runs(moved.store()))) == 2
