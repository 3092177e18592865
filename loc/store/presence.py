"""What a living process has in a work directory: a folder for its scratch, and a list of what it claims.

    tmp/<token>.lock   locked while the process lives; each line is a name it claims
    tmp/<token>/       its scratch

A claim keeps a name (the digest of an object, or the key of an action) from being collected. **A process
claims a name before it looks whether it is there.** The collector (`loc.store.collect`) reads the claims and
removes what nobody claimed under the lock `locks/claims`, which a claim takes as well, side by side with
other claims. So a claim is either read by the collector before it removes, and the name stays; or it is made
after the removal, and the look that follows it finds nothing, which is a miss like any other. What a process
found, it can read until it ends.

What a dead process left is swept by the next one that begins, but not while the collector works (lock
`locks/collect`): claims of a process that begins and ends meanwhile must still be there to be read.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from loc.store import locks
from loc.store.locks import Lock

_NAME = re.compile(rb"^[0-9a-f]{64}$", re.MULTILINE)


def collector_lock(root: Path) -> Path:
    """Held by whoever removes anything from the store or from `tmp/`."""
    return root / "locks" / "collect"


def claims_lock(root: Path) -> Path:
    """Held together by those who claim, alone by the collector while it removes."""
    return root / "locks" / "claims"


class Presence:
    """This process in a work directory; begun on first use, and anew in a forked copy of the process.

    Methods raise OSError where there is no space or no right to write.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._guard = threading.Lock()
        self._owner = 0
        self._lease: Lock | None = None
        self._folder = root
        self._claimed: set[str] = set()

    def folder(self) -> Path:
        """The folder under `tmp/` that is this process's own."""
        self._begin()
        return self._folder

    def claim(self, *names: str) -> None:
        """Keep names from being collected while this process lives. Call it before looking for them."""
        lease = self._begin()
        fresh = [name for name in names if name not in self._claimed]
        if not fresh:
            return
        with locks.acquire(claims_lock(self._root), shared=True):
            # The line before may have been cut short by a full disk.
            lease.append(b"".join(b"\n" + name.encode() for name in fresh))
        self._claimed.update(fresh)

    def _begin(self) -> Lock:
        with self._guard:
            if self._lease is None or self._owner != os.getpid():
                # First, since it may make the room that is needed.
                _sweep_unless_collecting(self._root)
                self._folder = self._root / "tmp" / secrets.token_hex(8)
                self._lease = _take(self._folder)
                self._claimed, self._owner = set(), os.getpid()
            return self._lease


def _take(folder: Path) -> Lock:
    """Make a folder and its lock; the lock first, since a folder without one is nobody's."""
    lease = locks.acquire(folder.with_suffix(".lock"))
    try:
        folder.mkdir()
    except OSError:
        lease.release(remove=True)
        raise
    return lease


def _sweep_unless_collecting(root: Path) -> None:
    collector = locks.try_acquire(collector_lock(root))
    if collector is not None:
        with collector:
            sweep(root)


def sweep(root: Path) -> None:
    """Remove what dead processes left under `tmp/`. The caller holds the collector's lock.

    What belongs to another user, and may not be removed, stays.
    """
    folders = [path for path in (root / "tmp").iterdir() if path.suffix != ".lock"]
    for path in (root / "tmp").glob("*.lock"):
        with contextlib.suppress(OSError):
            lease = locks.try_acquire(path)
            if lease is not None:
                with lease:
                    if _remove(path.with_suffix("")):
                        lease.release(remove=True)
    for folder in folders:
        # Looked at after the folder was seen: one that is in use had its lock before.
        if not folder.with_suffix(".lock").exists():
            _remove(folder)


def _remove(folder: Path) -> bool:
    """Whether the folder is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


class Claims:
    """The claims of all processes, read piece by piece by the collector, who holds the claims lock."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[Path, int] = {}

    def news(self) -> Iterator[str]:
        """Names claimed since the last call, or at all."""
        for path in (self._root / "tmp").glob("*.lock"):
            with path.open("rb") as stream:
                stream.seek(self._read.get(path, 0))
                data = stream.read()
                self._read[path] = stream.tell()
            yield from (name.decode() for name in _NAME.findall(data))
