"""Collecting what nobody needs any more, beside runs that are at work.

The caller names roots: keys of actions and digests of objects. Kept is what the roots reach, an action its
outputs and an artifact every digest in its JSON, and what living processes claim (`loc.store.presence`), with
all that it reaches. The rest goes: records before objects, so that a collector that is killed leaves no
record without its objects.

Why a run at work loses nothing, whatever the timing and whatever the clock says:

- Only what was there when the collector began can go, so what is made later is safe.
- A run claims what it looks for before it looks, and what it stores before it looks whether it is there. The
  collector removes in small batches under the claims lock, and reads the news among the claims first each
  time. Claimed before, a name stays; claimed after, the look finds nothing, and the run makes it.
- A run that ends while the collector works takes no claim along: what dead processes leave under `tmp/` is
  swept when the collector begins and not again until it has ended.
- A run that ended before is among the caller's roots, who reads the records of runs after that sweep.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loc.store import locks
from loc.store.presence import Claims, claims_lock, collector_lock, sweep
from loc.store.workdir import WorkDir, storage_error

BATCH = 200
"""Names removed at a time: runs that want to claim something wait a few milliseconds, not longer."""


@dataclass(frozen=True)
class Collected:
    """What went, or would go, and what stays. Bytes are those of objects."""

    actions: int
    objects: int
    bytes: int
    damaged: int
    """Objects that had been set aside as damaged; their bytes count among those that went."""
    kept_actions: int
    kept_objects: int
    kept_bytes: int


@contextlib.contextmanager
def alone(store: WorkDir) -> Iterator[None]:
    """Be the only one who removes anything from a work directory; leftovers of dead processes are swept.

    Raises:
        StorageError: no space, or something may not be read or written.
    """
    try:
        lock = locks.acquire(collector_lock(store.root))
    except OSError as error:
        raise storage_error("Could not take the collector's lock.", error) from error
    with lock:
        try:
            sweep(store.root)
        except OSError as error:
            raise storage_error("Could not sweep what dead processes left.", error) from error
        yield


def require_readable(paths: Iterable[Path]) -> None:
    """Find out whether files and folders may be read; one that is gone may.

    Raises:
        PermissionError: one may not.
    """
    for path in paths:
        if not os.access(path, os.R_OK) and path.exists():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


class Collection:
    """What there is in a work directory, and what of it is to be kept. Made inside `alone`.

    Raises:
        StorageError: something may not be read: what it reaches would be taken for what nobody needs.
    """

    def __init__(self, store: WorkDir) -> None:
        self._store = store
        try:
            require_readable((store.root / "actions").iterdir())
            self._keys = list(store.action_keys())
            self._sizes = store.sizes()
            require_readable(map(store.action_path, self._keys))
            require_readable(map(store.object_path, self._sizes))
        except OSError as error:
            raise storage_error("Could not read what the work directory holds.", error) from error
        self._claims = Claims(store.root)
        self._kept: set[str] = set()

    def keep(self, names: Iterable[str]) -> None:
        """Keep names and all that they reach. A name may be an action's key or an object's digest."""
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in self._kept:
                self._kept.add(name)
                record = self._store.read_action(name)
                if record is not None:
                    waiting += [ref.sha256 for ref in record.outputs.values()]
                waiting += self._store.named_in(name)

    def remove(self, *, dry_run: bool = False) -> Collected:
        """Remove everything else; with `dry_run` only count it.

        Raises:
            StorageError: something may not be read or removed.
        """
        try:
            damaged = self._remove_damaged(dry_run=dry_run)
            actions = self._remove(self._keys, self._store.action_path, dry_run=dry_run)
            objects = self._remove(list(self._sizes), self._store.object_path, dry_run=dry_run)
            if not dry_run:
                self._remove_locks()
        except OSError as error:
            raise storage_error("Could not collect what is no longer needed.", error) from error
        freed = sum(self._sizes[name] for name in objects)
        return Collected(
            actions=len(actions),
            objects=len(objects),
            bytes=freed + sum(damaged),
            damaged=len(damaged),
            kept_actions=len(self._keys) - len(actions),
            kept_objects=len(self._sizes) - len(objects),
            kept_bytes=sum(self._sizes.values()) - freed,
        )

    def _remove(self, names: Sequence[str], place: Callable[[str], Path], *, dry_run: bool) -> list[str]:
        gone: list[str] = []
        for start in range(0, len(names), BATCH):
            with locks.acquire(claims_lock(self._store.root)):
                self.keep(self._claims.news())
                batch = [name for name in names[start : start + BATCH] if name not in self._kept]
                for name in () if dry_run else batch:
                    place(name).unlink(missing_ok=True)
            gone += batch
        return gone

    def _remove_damaged(self, *, dry_run: bool) -> list[int]:
        """Sizes of what was set aside as damaged."""
        folder = self._store.root / "damaged"
        sizes = [path.stat().st_size for path in folder.iterdir()] if folder.is_dir() else []
        if sizes and not dry_run:
            shutil.rmtree(folder)
        return sizes

    def _remove_locks(self) -> None:
        """Lock files that killed processes left."""
        standing = (claims_lock(self._store.root), collector_lock(self._store.root))
        for path in (self._store.root / "locks").iterdir():
            lock = locks.try_acquire(path) if path not in standing else None
            if lock is not None:
                lock.release(remove=True)
