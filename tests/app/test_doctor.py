"""What the doctor says of folders that cannot be used."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loc.app.doctor import _work_dir
from loc.settings import Settings

Make = Callable[..., Settings]


def test_a_work_directory_that_can_be_made(tmp_path: Path, settings: Make) -> None:
    assert all(check.ok for check in _work_dir(settings(work_dir=tmp_path / "a" / "b")))


def test_a_name_that_is_too_long_is_a_finding(tmp_path: Path, settings: Make) -> None:
    work, space = _work_dir(settings(work_dir=tmp_path / ("x" * 300)))
    assert (work.ok, space.ok) == (False, False)
    assert "Could not open the work directory" in work.detail
    assert "too long" in space.detail
    assert "--work-dir" in work.fix
    assert "--work-dir" in space.fix


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE])
def test_a_folder_that_cannot_be_entered_is_a_finding(
    tmp_path: Path, settings: Make, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    stat, mkdir = Path.stat, Path.mkdir

    def fail(call: Callable[..., Any]) -> Callable[..., Any]:
        def attempt(path: Path, *args: Any, **more: Any) -> Any:
            if closed in path.parents:
                raise OSError(number, os.strerror(number), str(path))
            return call(path, *args, **more)

        return attempt

    given = settings(work_dir=closed / "work")
    monkeypatch.setattr(Path, "stat", fail(stat))
    monkeypatch.setattr(Path, "mkdir", fail(mkdir))
    work, space = _work_dir(given)
    assert (work.ok, space.ok) == (False, False)
    assert os.strerror(number) in space.detail
