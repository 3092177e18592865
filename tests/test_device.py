"""The lease of a device across processes."""

from __future__ import annotations

import multiprocessing
import threading
from itertools import pairwise
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


def _use_often(folder: Path, inside: Path, times: int) -> None:
    for _ in range(times):
        with lease(folder, "cuda:0"):
            # Fails if somebody else is inside.
            inside.touch(exist_ok=False)
            inside.unlink()


def test_four_processes_use_a_device_by_turns(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=_use_often, args=(tmp_path, tmp_path / "inside", 50)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4


def waiting_in_line(folder: Path) -> int:
    """How many wait for a lock in a folder, by the kernel's own list (proc_locks(5))."""
    inodes = [f":{path.stat().st_ino} " for path in folder.glob("*")]
    lines = [line for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return sum(inode in line for inode in inodes for line in lines)


def test_who_comes_back_at_once_comes_after_those_who_wait(tmp_path: Path) -> None:
    served: list[int] = []
    all_wait = threading.Event()

    def use(number: int, times: int) -> None:
        for _ in range(times):
            with lease(tmp_path, "cuda:0"):
                served.append(number)
                all_wait.wait()

    threads = [threading.Thread(target=use, args=(number, 1 if number else 9)) for number in range(4)]
    for number, thread in enumerate(threads):
        thread.start()
        while not served or waiting_in_line(tmp_path / "leases") < number:
            pass
    all_wait.set()
    for thread in threads:
        thread.join()
    last = max(index for index, number in enumerate(served) if number)
    assert sorted(served) == [0] * 9 + [1, 2, 3]
    assert all(one != next_one for one, next_one in pairwise(served[: last + 1])), served
