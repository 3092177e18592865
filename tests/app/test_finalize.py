"""`loc finalize`: which run goes on, and with which of its settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loc.app.finalize import settings_for
from loc.app.record import Recorder
from loc.errors import UsageError
from loc.settings import Settings
from loc.stage import Job
from loc.store.workdir import WorkDir

Make = Callable[..., Settings]


def finished(store: WorkDir, video: Path, given: Settings) -> None:
    """Leave the record of a finished run."""
    digest, size = store.input_digest(video)
    with Recorder(store, Job(video, digest, size, given.languages, "en"), given) as recorder:
        recorder.finish(exit_code=0)


def test_what_was_said_for_one_command_holds_for_no_other(
    store: WorkDir, video: Path, settings: Make, tmp_path: Path
) -> None:
    said = {"summary": (tmp_path / "night.json",), "overwrite": True, "force": ("dub",), "deadline": "06:00"}
    finished(store, video, settings(**said, crf=20))
    found = settings_for(store, video, "2", settings(work_dir=store.root))
    assert (found.summary, found.overwrite, found.force, found.deadline) == ((), False, (), None)
    assert found.crf == 20


@pytest.mark.parametrize(
    ("before", "finals"),
    [
        ({"quality": "draft"}, "2"),
        ({"finals_limit": 1}, "auto,2"),
        ({"finals": "auto,1", "finals_limit": 1}, "auto,1,2"),
        ({"quality": "max"}, "all"),
        ({"quality": "max", "finals_limit": 1}, "all,2"),
        ({"finals": "all,1", "finals_limit": 1}, "all,1,2"),
    ],
)
def test_a_limit_holds_for_the_cuts_that_are_not_named(
    store: WorkDir, video: Path, settings: Make, before: dict[str, object], finals: str
) -> None:
    finished(store, video, settings(**before))
    found = settings_for(store, video, "2", settings(work_dir=store.root))
    assert (found.finals, found.finals_limit) == (finals, before.get("finals_limit"))


def test_a_run_that_ended_before_the_video_is_not_gone_on_with(
    store: WorkDir, video: Path, settings: Make
) -> None:
    finished(store, video, settings(crf=20))
    finished(store, video, settings(until="translate"))
    found = settings_for(store, video, "2", settings(work_dir=store.root))
    assert (found.crf, found.until) == (20, None)


def test_a_run_without_mouths_has_no_drafts_to_replace(store: WorkDir, video: Path, settings: Make) -> None:
    finished(store, video, settings(lipsync=False))
    with pytest.raises(UsageError, match="drew no mouths"):
        settings_for(store, video, "2", settings(work_dir=store.root))


@pytest.mark.parametrize("said", ["all", "", "5-2", "1-9999999"])
def test_cuts_are_named_by_numbers(store: WorkDir, video: Path, settings: Make, said: str) -> None:
    finished(store, video, settings())
    with pytest.raises(UsageError, match="names no cuts"):
        settings_for(store, video, said, settings(work_dir=store.root))
