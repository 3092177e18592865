"""Locks across threads and processes."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from loc.device import lease
from loc.errors import StorageError
from loc.store import locks
from loc.store.workdir import WorkDir


def test_one_holder_or_several_that_share(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.acquire(path):
        assert locks.try_acquire(path) is None
        assert locks.try_acquire(path, shared=True) is None
    with locks.acquire(path, shared=True), locks.acquire(path, shared=True):
        assert locks.try_acquire(path) is None
    lock = locks.try_acquire(path)
    assert lock is not None
    lock.release()
    lock.release()


def test_a_lock_nobody_refers_to_is_let_go(tmp_path: Path) -> None:
    locks.acquire(tmp_path / "lock")
    assert locks.try_acquire(tmp_path / "lock") is not None


def test_who_waited_for_a_removed_file_holds_the_new_one(tmp_path: Path) -> None:
    """Otherwise two would hold the same lock: one by the file that is gone, one by the new one."""
    path = tmp_path / "lock"
    first = locks.acquire(path)
    second: list[locks.Lock] = []
    waits = threading.Event()
    thread = threading.Thread(target=lambda: second.append(locks.acquire(path, waiting=waits.set)))
    thread.start()
    waits.wait()
    first.release(remove=True)
    thread.join()
    assert path.exists()
    assert locks.try_acquire(path) is None


def test_many_who_remove_the_file_each_time_never_meet(tmp_path: Path) -> None:
    inside: list[int] = []
    met: list[int] = []

    def work() -> None:
        for _ in range(200):
            lock = locks.acquire(tmp_path / "lock")
            inside.append(1)
            met.append(len(inside))
            inside.pop()
            lock.release(remove=True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(met) == {1}


def _hold(path: Path, held: Callable[[], None], wait: Callable[[], None]) -> None:
    with locks.acquire(path):
        held()
        wait()


def test_death_lets_go(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    held, never = fork.Event(), fork.Event()
    child = fork.Process(target=_hold, args=(tmp_path / "lock", held.set, never.wait))
    child.start()
    held.wait()
    assert locks.try_acquire(tmp_path / "lock") is None
    child.kill()
    child.join()
    assert locks.try_acquire(tmp_path / "lock") is not None


def test_a_file_of_another_user_can_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lock").touch()
    real = os.open

    def refuse_writing(path: str, flags: int, *more: int) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", refuse_writing)
    with locks.acquire(tmp_path / "lock"):
        assert locks.try_acquire(tmp_path / "lock") is None


def _never_refuses(_descriptor: int, _operation: int) -> None:
    return None


def _knows_no_locks(_descriptor: int, _operation: int) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def _open_work(folder: Path) -> None:
    WorkDir(folder)


def _take_device(folder: Path) -> None:
    with lease(folder, "cpu"):
        pass


@pytest.mark.parametrize("flock", [_never_refuses, _knows_no_locks])
@pytest.mark.parametrize(("use", "option"), [(_open_work, "--work-dir"), (_take_device, "--data-dir")])
def test_file_system_without_working_locks_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flock: Callable[[int, int], None],
    use: Callable[[Path], None],
    option: str,
) -> None:
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StorageError, match="no working locks") as refusal:
        use(tmp_path / "folder")
    assert option in refusal.value.fix
    monkeypatch.undo()
    use(tmp_path / "folder")
