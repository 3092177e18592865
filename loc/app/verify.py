"""`loc cache verify`: every object is what its name says, and every record has its objects.

What is damaged is set aside and what made it is forgotten, so that the next run makes it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from loc.artifacts import Ref
from loc.store.keys import digest_file
from loc.store.workdir import ActionRecord, WorkDir

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
    forgotten: int
    """Actions that will be made again."""

    @property
    def intact(self) -> bool:
        return not self.damaged and not self.missing


def verify(store: WorkDir, progress: Callable[[int, int], None] | None = None) -> Verified:
    """Read every object and record.

    Args:
        progress: told (bytes read, bytes in all).

    Raises:
        StorageError: a damaged object cannot be set aside.
    """
    objects = list(store.objects())
    total = sum(path.stat().st_size for _, path in objects)
    damaged: list[str] = []
    read = 0
    for sha256, path in objects:
        size = path.stat().st_size
        if digest_file(path) != sha256:
            damaged.append(sha256)
            store.set_aside(sha256)
        read += size
        if progress is not None:
            progress(read, total)
    records = list(store.actions())
    named = {ref.sha256: ref for record in records for ref in _references(store, record)}
    missing = [sha256 for sha256, ref in named.items() if sha256 not in damaged and not store.has(ref)]
    forgotten = sum(store.forget_makers(sha256) for sha256 in (*damaged, *missing))
    return Verified(len(objects), total, len(records), tuple(damaged), tuple(sorted(missing)), forgotten)


def _references(store: WorkDir, record: ActionRecord) -> Iterator[Ref]:
    """The objects a record names, and those that its artifacts name."""
    for ref in record.outputs.values():
        yield ref
        for sha256, size in _REFERENCE.findall(_json_of(store.object_path(ref.sha256))):
            yield Ref(sha256=sha256.decode(), size=int(size))


def _json_of(path: Path) -> bytes:
    """The bytes of a JSON object; nothing of media, which may be large."""
    try:
        with path.open("rb") as stream:
            return b"{" + stream.read() if stream.read(1) == b"{" else b""
    except OSError:
        return b""
