"""Locks on files, across threads and processes, that the kernel releases when their holder dies.

flock(2) and nothing else. A lock that is the mere existence of a file outlives a kill and would stop every
run after it, so a file system without flock is refused; common lock packages fall back to it silently.

A lock file may be removed by its holder. Whoever was waiting for it then holds a file without a name, which
excludes nobody: so the name is checked after every acquisition, and a lock without one is taken again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from collections.abc import Callable
from pathlib import Path


class Lock:
    """A lock that is held: until `release`, the end of the `with` block, or the death of the process.

    A copy that a fork inherits holds it too. One that nobody refers to any more is let go.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)

    def append(self, data: bytes) -> None:
        """Write at the end of the lock's own file, at once.

        Raises:
            OSError: no space; a part of the data may have been written.
        """
        while data:
            data = data[os.write(self._descriptor, data) :]

    def release(self, *, remove: bool = False) -> None:
        """Let go, and with `remove` take the file away first. May be called twice."""
        if not self._close.alive:
            return
        try:
            if remove:
                self.path.unlink(missing_ok=True)
        finally:
            self._close()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def acquire(path: Path, *, shared: bool = False, waiting: Callable[[], None] | None = None) -> Lock:
    """Wait for a lock. A newcomer may get it before one who waits.

    Args:
        path: the lock file, made where it is not there.
        shared: side by side with other shared holders; else alone.
        waiting: called once if somebody holds it now.

    Raises:
        OSError: the file cannot be made or locked.
    """
    lock = try_acquire(path, shared=shared)
    if lock is not None:
        return lock
    if waiting is not None:
        waiting()
    while True:
        lock = _attempt(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        if lock is not None:
            return lock


def try_acquire(path: Path, *, shared: bool = False) -> Lock | None:
    """The lock, or None where somebody holds it now.

    Raises:
        OSError: the file cannot be made or locked.
    """
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    while True:
        try:
            lock = _attempt(path, operation)
        except BlockingIOError:
            return None
        if lock is not None:
            return lock


def are_exclusive(path: Path) -> bool:
    """Whether locks work in the folder of `path`: a second holder is refused while there is a first.

    Raises:
        OSError: the file cannot be made, or the file system knows no locks.
    """
    # Waits where a collector is just looking whether the file is a leftover.
    first = acquire(path)
    try:
        second = try_acquire(path)
        if second is not None:
            second.release()
        return second is None
    finally:
        first.release(remove=True)


def _attempt(path: Path, operation: int) -> Lock | None:
    """One acquisition; None where the file lost its name in the meantime."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, operation)
        named = _is_named(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    if named:
        return Lock(path, descriptor)
    os.close(descriptor)
    return None


def _open(path: Path) -> int:
    """A descriptor of its own, since a lock belongs to the descriptor: so threads exclude one another too."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except PermissionError as refusal:
        # Another user's file: locking it needs no right to write it.
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise refusal from None


def _is_named(descriptor: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False
