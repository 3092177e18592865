"""`loc cache verify`: every object is what its name says, and every record has its objects.

What is damaged is set aside and what made it is forgotten, so that the next run makes it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from loc.app.cache import needed_keys
from loc.artifacts import Ref
from loc.store.collect import alone
from loc.store.keys import digest_file
from loc.store.workdir import ActionRecord, WorkDir, storage_error

_REFERENCE = re.compile(rb'"sha256":"([0-9a-f]{64})","size":(\d+)')
"""A `Ref` inside an artifact, as pydantic writes it."""


@dataclass(frozen=True)
class Verified:
    """What was found."""

    objects: int
    bytes: int
    records: int
    damaged: tuple[str, ...]
    """Objects whose bytes did not match their names."""
    missing: tuple[str, ...]
    """Objects that a record or an artifact names and that are not there at full size."""
    damaged_records: tuple[str, ...]
    """Keys of actions whose record is not what was written."""
    unrecorded: tuple[str, ...]
    """Keys of actions that a run still needs and that have no record: deleted, or forgotten by an earlier
    repair. Nothing is wrong with what is there; the next run makes them."""
    forgotten: int
    """Actions that will be made again because of the damage found."""

    @property
    def intact(self) -> bool:
        return not (self.damaged or self.missing or self.damaged_records)


def verify(store: WorkDir, progress: Callable[[int, int], None] | None = None) -> Verified:
    """Read every object and record.

    Args:
        progress: told (bytes read, bytes in all).

    Raises:
        StorageError: something cannot be read, or a damaged object cannot be set aside.
    """
    with alone(store):
        sizes = store.sizes()
        damaged = _damaged_objects(store, sizes, progress)
        # Before records are listed: a run at work logs what it has recorded.
        wanted = set(needed_keys(store))
        keys = list(store.action_keys())
        records = [record for record in map(store.read_action, keys) if record is not None]
        unreadable = sorted(set(keys) - {record.key for record in records})
        unrecorded = sorted(wanted.difference(keys))
        named = {ref.sha256: ref for record in records for ref in _references(store, record)}
        missing = sorted(
            named.keys() - set(damaged) - {name for name, ref in named.items() if store.has(ref)}
        )
        for key in unreadable:
            store.forget_action(key)
        forgotten = sum(store.forget_makers(sha256) for sha256 in (*damaged, *missing))
    return Verified(
        objects=len(sizes),
        bytes=sum(sizes.values()),
        records=len(records),
        damaged=tuple(damaged),
        missing=tuple(missing),
        damaged_records=tuple(unreadable),
        unrecorded=tuple(unrecorded),
        forgotten=forgotten + len(unreadable),
    )


def _damaged_objects(
    store: WorkDir, sizes: Mapping[str, int], progress: Callable[[int, int], None] | None
) -> list[str]:
    damaged: list[str] = []
    read, total = 0, sum(sizes.values())
    for sha256, size in sizes.items():
        try:
            found = digest_file(store.object_path(sha256))
        except PermissionError as error:
            raise storage_error(f"Object {sha256[:12]} cannot be read.", error) from error
        except OSError:
            found = ""
        if found != sha256:
            damaged.append(sha256)
            store.set_aside(sha256)
        read += size
        if progress is not None:
            progress(read, total)
    return damaged


def _references(store: WorkDir, record: ActionRecord) -> Iterator[Ref]:
    """The objects a record names, and those that its artifacts name."""
    for ref in record.outputs.values():
        yield ref
        for sha256, size in _REFERENCE.findall(store.artifact(ref.sha256)):
            yield Ref(sha256=sha256.decode(), size=int(size))
