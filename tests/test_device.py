"""The lease of a device across processes."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from loc.device import lease
from loc.errors import StorageError


def _hold(folder: Path, held: Any, go: Any) -> None:
    with lease(folder, "cuda:0"):
        held.set()
        go.wait()


def test_second_process_waits_for_the_first(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    held, go = fork.Event(), fork.Event()
    child = fork.Process(target=_hold, args=(tmp_path, held, go))
    child.start()
    held.wait()
    waited: list[bool] = []

    def waiting() -> None:
        waited.append(True)
        go.set()

    with lease(tmp_path, "cuda:0", waiting), lease(tmp_path, "cpu", lambda: waited.append(False)):
        assert waited == [True]
    child.join()


def test_a_holder_that_dies_lets_go(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    held, go = fork.Event(), fork.Event()
    child = fork.Process(target=_hold, args=(tmp_path, held, go))
    child.start()
    held.wait()
    child.kill()
    child.join()
    with lease(tmp_path, "cuda:0"):
        pass


def test_bad_names_and_places(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="device"), lease(tmp_path, "../x"):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(StorageError), lease(tmp_path / "file", "cpu"):
        pass
