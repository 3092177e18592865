"""The content-addressed work directory.

Layout:
    objects/ab/cdef...     immutable bytes, named by SHA-256
    actions/ab/cdef....json  which objects an action made, under its key
    inputs/<id>.json       digest of a large input by (device, inode, size, mtime)
    outputs/<sha>.json     digests of files this store wrote for the user
    supplied/<digest>/     text a user handed in for a source, as references to objects
    runs/<id>/             one record, event log and lease per run
    locks/                 locks of actions, outputs and the collector
    tmp/                   scratch and claims of living processes (`loc.store.presence`)
    damaged/               objects whose bytes did not match their names
Objects hold no clock, host, path or duration; those stand in action and run records. Records carry their own
digest, so that a damaged one is known as such. Nothing depends on where the directory lies.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from loc.artifacts import Ref, SpeakerMark
from loc.errors import DamagedObjectError, InputError, StorageError
from loc.store import locks
from loc.store.keys import canonical_json, digest_bytes, digest_file, digest_value
from loc.store.locks import Lock
from loc.store.presence import Presence

LAYOUT_VERSION = 1
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
"""What the system answers where a disk, or a user's share of it, is full."""

_LOST = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESTALE, errno.EHOSTDOWN, errno.ETIMEDOUT)
"""What the system answers where a disk fails, or a network share is gone."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""What flock answers where the file system cannot lock."""

_NAME = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
"""A digest in an artifact's JSON."""


def storage_error(what: str, error: OSError) -> StorageError:
    """A `StorageError` that names the cause: no space, no right, no disk, or the system's own words."""
    if error.errno in NO_SPACE:
        return StorageError(
            what,
            why="There is no space left on the device.",
            fix="Free some space (`loc cache gc` removes what is no longer needed), or choose another place "
            "with --work-dir or -o. The next run goes on from here.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(
            what,
            why=f"{error.strerror}{f': {error.filename}' if error.filename else ''}",
            fix="Choose another folder with --work-dir or -o, or have the right to write it granted.",
        )
    if error.errno == errno.ENAMETOOLONG:
        return StorageError(
            what,
            why="A name, or the path as a whole, is longer than the system takes.",
            fix="Choose a shorter path with --work-dir or -o.",
        )
    if error.errno in _LOST:
        return StorageError(
            what,
            why=str(error),
            fix="See that the disk or share is mounted and whole, or choose another place with --work-dir or "
            "-o. The next run goes on from here.",
        )
    return StorageError(what, why=str(error))


def require_locks(folder: Path, fix: str) -> None:
    """Refuse a file system whose locks do not lock: two processes would take the same work for theirs.

    Args:
        folder: where the locks will lie.
        fix: what mends it.

    Raises:
        StorageError: it has no working locks.
        OSError: the folder cannot be written.
    """
    try:
        why = "" if locks.are_exclusive(folder / secrets.token_hex(8)) else "Two holders got the same lock."
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        why = str(error)
    if why:
        raise StorageError(f"The file system of {folder} has no working locks.", why=why, fix=fix)


def seal(value: Mapping[str, Any]) -> bytes:
    """Canonical JSON of a record, with its own digest."""
    return canonical_json({**value, "digest": digest_value(value)})


def unseal(data: bytes) -> dict[str, Any]:
    """The record that was sealed.

    Raises:
        ValueError: the bytes are not what was written.
    """
    value = json.loads(data)
    if not isinstance(value, dict) or value.pop("digest", None) != digest_value(value):
        raise ValueError("not what was written")
    return value


@dataclass(frozen=True)
class ActionRecord:
    """What an action made. `fields` is the whole key before hashing, kept for `loc explain`."""

    key: str
    name: str
    fields: dict[str, Any]
    outputs: dict[str, Ref]
    seconds: float
    run: str
    detail: dict[str, Any]
    """Figures for reports: counts and measures, never text or pixels."""


@dataclass(frozen=True)
class SuppliedRecord:
    """An edited subtitle file that was imported for a source: it outlives the file it came from."""

    kind: Literal["transcript", "translation"]
    language: str | None
    """BCP-47 primary tag; None for a transcript whose language nobody said."""
    name: str
    """Name of the file it came from."""
    ref: Ref
    ids: tuple[str, ...]
    """Stable id of each cue, in the order in which the file is read."""
    marks: tuple[SpeakerMark | None, ...] = ()
    """What is known of each cue's speaker, in that order; empty where nothing is."""


Identity = tuple[int, int, int, int]
"""Of a file: device, inode, size, mtime in ns."""


@dataclass(frozen=True)
class InputFile:
    """A file that is read where it lies, as it was when its digest was taken."""

    path: Path
    sha256: str
    identity: Identity
    _same: set[Identity] = field(default_factory=set, repr=False, compare=False)
    """Under which the same bytes were found since."""

    @property
    def size(self) -> int:
        return self.identity[2]

    @property
    def has_changed(self) -> bool:
        """Whether it is another file now, was written to, or is gone.

        Where device or inode alone differ it is read again: some network file systems give a file new ones
        at times, and a whole night of work is not to fail by that.
        """
        try:
            now = identity_of(self.path.stat())
            if now == self.identity or now in self._same:
                return False
            if now[2:] != self.identity[2:] or digest_file(self.path) != self.sha256:
                return True
        except OSError:
            return True
        self._same.add(now)
        return False


def identity_of(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class WorkDir:
    """A work directory, opened.

    Raises:
        StorageError: it cannot be made, was written by a newer layout, or its file system has no locks.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._presence = Presence(self.root)
        self._verified: set[str] = set()
        try:
            for name in ("objects", "actions", "inputs", "outputs", "supplied", "runs", "locks", "tmp"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            require_locks(self.root / "locks", "Put the work directory on a local disk with --work-dir.")
        except OSError as error:
            raise storage_error(f"Could not open the work directory {self.root}.", error) from error
        self._check_layout()

    def _check_layout(self) -> None:
        marker = self.root / "layout.json"
        try:
            version = json.loads(marker.read_bytes())["version"]
        except FileNotFoundError:
            self.write(marker, canonical_json({"version": LAYOUT_VERSION}))
            return
        except PermissionError as error:
            raise storage_error(f"Could not open the work directory {self.root}.", error) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{marker} is damaged.", fix="Choose another --work-dir, or restore the file."
            ) from error
        if version != LAYOUT_VERSION:
            raise StorageError(
                f"The work directory {self.root} has layout {version}; this loc reads {LAYOUT_VERSION}.",
                fix="Use the loc that made it, or another --work-dir.",
            )

    def claim(self, *names: str) -> None:
        """Keep names (digests of objects, keys of actions) from being collected while this process lives.

        Whatever looks for a name claims it first; only who has a name from elsewhere needs this.

        Raises:
            StorageError: no space or not writable.
        """
        try:
            self._presence.claim(*names)
        except OSError as error:
            raise storage_error("Could not claim what this run needs.", error) from error

    def write(self, path: Path, data: bytes) -> None:
        """Write under `tmp/`, fsync, rename to `path` in this work directory.

        Raises:
            StorageError: no space or not writable; `path` is as it was before.
        """
        temporary: Path | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._presence.folder() / secrets.token_hex(8)
            with temporary.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except OSError as error:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
            raise storage_error(f"Could not write {path}.", error) from error

    # Objects

    def object_path(self, sha256: str) -> Path:
        """Where an object lies or would lie; nothing is checked."""
        return self.root / "objects" / sha256[:2] / sha256[2:]

    def has(self, ref: Ref) -> bool:
        """Whether an object is there at full size; its bytes are verified when it is opened."""
        return self._intact(self.object_path(ref.sha256), ref.size)

    def put_bytes(self, data: bytes) -> Ref:
        """Store bytes; storing what is there already costs reading it once."""
        ref = Ref(sha256=digest_bytes(data), size=len(data))
        self.claim(ref.sha256)
        if not self._whole(ref):
            self.write(self.object_path(ref.sha256), data)
        return ref

    def adopt(self, path: Path) -> Ref:
        """Move a finished file from `tmp/` into the store."""
        try:
            ref = Ref(sha256=digest_file(path), size=path.stat().st_size)
            self.claim(ref.sha256)
            target = self.object_path(ref.sha256)
            if self._whole(ref):
                path.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                with path.open("rb+") as stream:
                    os.fsync(stream.fileno())
                path.replace(target)
        except OSError as error:
            raise storage_error("Could not store an object.", error) from error
        return ref

    def _whole(self, ref: Ref) -> bool:
        """Whether an object is there with its own bytes; a damaged one is set aside."""
        if not self._intact(self.object_path(ref.sha256), ref.size):
            return False
        try:
            self.open_object(ref)
        except DamagedObjectError:
            return False
        return True

    @staticmethod
    def _intact(path: Path, size: int) -> bool:
        try:
            return path.stat().st_size == size
        except OSError:
            return False

    def open_object(self, ref: Ref) -> Path:
        """Path of an object whose bytes have been verified in this process. Read it, never write it.

        Raises:
            DamagedObjectError: missing, truncated or changed.
        """
        path = self.object_path(ref.sha256)
        if ref.sha256 in self._verified and self._intact(path, ref.size):
            return path
        if not self._intact(path, ref.size):
            raise DamagedObjectError(f"Object {ref.sha256[:12]} is missing or truncated.", sha256=ref.sha256)
        try:
            found = digest_file(path)
        except PermissionError as error:
            raise storage_error(f"Object {ref.sha256[:12]} cannot be read.", error) from error
        except OSError as error:
            # EIO of a failing disk; a file that went meanwhile.
            raise DamagedObjectError(f"Object {ref.sha256[:12]}: {error}.", sha256=ref.sha256) from error
        if found != ref.sha256:
            self.set_aside(ref.sha256)
            raise DamagedObjectError(
                f"Object {ref.sha256[:12]} was damaged and has been set aside.", sha256=ref.sha256
            )
        self._verified.add(ref.sha256)
        return path

    def read_bytes(self, ref: Ref) -> bytes:
        """An object's bytes, verified."""
        return self.open_object(ref).read_bytes()

    def set_aside(self, sha256: str) -> None:
        """Move a damaged object to `damaged/`, so that it is a miss and can still be looked at."""
        self._verified.discard(sha256)
        aside = self.root / "damaged"
        try:
            aside.mkdir(exist_ok=True)
            self.object_path(sha256).replace(aside / sha256)
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error(f"Could not set the damaged object {sha256[:12]} aside.", error) from error

    def forget_makers(self, sha256: str) -> int:
        """Forget every action that made an object, or made an artifact that names it; they are misses now.

        An object of an artifact (a block of a sound, say) stands in no record of its own, so the artifacts'
        JSON is searched too. Returns how many were forgotten. Only for repairs: it reads every record.
        """
        forgotten = 0
        for record in list(self.actions()):
            outputs = {ref.sha256 for ref in record.outputs.values()}
            if sha256 in outputs or any(sha256 in self.named_in(output) for output in outputs):
                self.forget_action(record.key)
                forgotten += 1
        return forgotten

    def forget_action(self, key: str) -> None:
        """Remove a record; its objects stay until they are collected."""
        try:
            self.action_path(key).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(f"Could not forget action {key[:12]}.", error) from error

    def artifact(self, sha256: str) -> bytes:
        """An artifact's JSON, not verified; nothing where the object is missing or holds something else."""
        with contextlib.suppress(OSError), self.object_path(sha256).open("rb") as stream:
            first = stream.read(1)
            if first in (b"{", b"["):
                return first + stream.read()
        return b""

    def named_in(self, sha256: str) -> frozenset[str]:
        """Every digest that stands in an artifact's JSON."""
        return frozenset(name.decode() for name in _NAME.findall(self.artifact(sha256)))

    def objects(self) -> Iterator[tuple[str, Path]]:
        """Every object as (digest, path). One may be collected before it is looked at."""
        for folder in sorted((self.root / "objects").iterdir()):
            for path in sorted(folder.iterdir()):
                yield folder.name + path.name, path

    def sizes(self) -> dict[str, int]:
        """Digest -> bytes of every object."""
        found: dict[str, int] = {}
        for sha256, path in self.objects():
            with contextlib.suppress(FileNotFoundError):
                found[sha256] = path.stat().st_size
        return found

    def bytes_kept(self) -> int:
        """Size of all objects."""
        return sum(self.sizes().values())

    # Actions

    def action_path(self, key: str) -> Path:
        """Where an action's record lies or would lie; nothing is checked."""
        return self.root / "actions" / key[:2] / f"{key[2:]}.json"

    def find_action(self, key: str) -> ActionRecord | None:
        """The record under a key, claimed with all it names; or None, also where it cannot be read."""
        self.claim(key)
        return self.read_action(key)

    def read_action(self, key: str) -> ActionRecord | None:
        """The record under a key as it stands, not claimed; None where there is none that can be read."""
        try:
            raw = unseal(self.action_path(key).read_bytes())
            if raw["key"] != key:
                return None
            return ActionRecord(
                key=raw["key"],
                name=raw["name"],
                fields=raw["fields"],
                outputs={name: Ref(**ref) for name, ref in raw["outputs"].items()},
                seconds=raw["seconds"],
                run=raw["run"],
                detail=raw["detail"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def record_action(self, record: ActionRecord) -> None:
        """Write a success. Its objects must be stored already."""
        self.claim(record.key)
        self.write(
            self.action_path(record.key),
            seal(
                {
                    "key": record.key,
                    "name": record.name,
                    "fields": record.fields,
                    "outputs": {name: ref.model_dump() for name, ref in record.outputs.items()},
                    "seconds": record.seconds,
                    "run": record.run,
                    "detail": record.detail,
                }
            ),
        )

    def action_keys(self) -> Iterator[str]:
        """The key of every record, readable or not."""
        for folder in sorted((self.root / "actions").iterdir()):
            for path in sorted(folder.glob("*.json")):
                yield folder.name + path.stem

    def actions(self) -> Iterator[ActionRecord]:
        """Every readable action record."""
        for key in self.action_keys():
            record = self.read_action(key)
            if record is not None:
                yield record

    @contextlib.contextmanager
    def lock(
        self, name: str, meanwhile: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    ) -> Iterator[Lock]:
        """Hold a lock across processes and threads. Its file is removed at the end, or there would be one for
        everything that was ever locked.

        Args:
            name: of the lock.
            meanwhile: its block is entered while somebody else holds the lock.

        Raises:
            StorageError: no space or not writable.
        """
        path = self.root / "locks" / name
        try:
            lock = locks.try_acquire(path)
            if lock is None:
                with meanwhile():
                    lock = locks.acquire(path)
        except OSError as error:
            raise storage_error("Could not take a lock in the work directory.", error) from error
        try:
            yield lock
        finally:
            with contextlib.suppress(OSError):
                lock.release(remove=True)

    def making(
        self, key: str, meanwhile: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    ) -> AbstractContextManager[Lock]:
        """Hold the right to make one action. `meanwhile` as of `lock`."""
        return self.lock(f"action-{key}", meanwhile)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private folder under `tmp/`, removed on leaving."""
        try:
            folder = self._presence.folder() / secrets.token_hex(8)
            folder.mkdir()
        except OSError as error:
            raise storage_error("Could not make a temporary folder.", error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # Inputs and outputs

    def input_digest(self, path: Path) -> tuple[str, int]:
        """(SHA-256, size) of an input, as `open_input`."""
        found = self.open_input(path)
        return found.sha256, found.size

    def open_input(self, path: Path) -> InputFile:
        """An input with its digest, which is remembered by (device, inode, size, mtime).

        Raises:
            InputError: missing, unreadable, empty, or it changed while it was being hashed.
        """
        try:
            before = path.stat()
            if not path.is_file():
                raise InputError(f"{path} is not a file.", fix="Name a video file.")
            if before.st_size == 0:
                raise InputError(f"{path} is empty.", why="It has 0 bytes.")
            identity = identity_of(before)
            note = self.root / "inputs" / f"{digest_bytes(':'.join(map(str, identity)).encode())}.json"
            with contextlib.suppress(OSError, ValueError, KeyError):
                return InputFile(path, unseal(note.read_bytes())["sha256"], identity)
            sha256 = digest_file(path)
            after = path.stat()
        except FileNotFoundError as error:
            raise InputError(f"{path} does not exist.", fix="Check the name.") from error
        except OSError as error:
            # No right, no folder where one is named, a name too long, a failing disk, a share that is gone.
            raise InputError(f"{path} cannot be read.", why=error.strerror or str(error)) from error
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise InputError(
                f"{path} is still growing.",
                why="Its size or time changed while it was read.",
                fix="Wait until it is complete, then run again.",
            )
        self.write(note, seal({"sha256": sha256, "size": before.st_size}))
        return InputFile(path, sha256, identity)

    def record_output(self, sha256: str) -> None:
        """Remember that a file with this digest was written for the user: it may be replaced, and is
        never an input. Call before the rename."""
        self.write(self.root / "outputs" / f"{sha256}.json", canonical_json({"sha256": sha256}))

    def forget_output(self, sha256: str) -> None:
        """A file that was written has been replaced, so its digest need not be remembered."""
        with contextlib.suppress(OSError):
            (self.root / "outputs" / f"{sha256}.json").unlink(missing_ok=True)

    def is_output(self, sha256: str) -> bool:
        """Whether this store wrote a file with this digest."""
        return (self.root / "outputs" / f"{sha256}.json").exists()

    # Supplied text

    def _supplied_path(self, source: str, kind: str, language: str | None) -> Path:
        """A source has one transcript, and one translation for each language."""
        name = kind if kind == "transcript" else f"{kind}.{language}"
        return self.root / "supplied" / source / f"{name}.json"

    def supply(self, source: str, record: SuppliedRecord) -> None:
        """Register text for the source with this digest; its object must be stored already."""
        self.write(
            self._supplied_path(source, record.kind, record.language),
            seal(
                {
                    "kind": record.kind,
                    "language": record.language,
                    "name": record.name,
                    "ref": record.ref.model_dump(),
                    "ids": list(record.ids),
                    **(
                        {"marks": [mark and mark.model_dump() for mark in record.marks]}
                        if record.marks
                        else {}
                    ),
                }
            ),
        )

    def supplied(self, source: str) -> list[SuppliedRecord]:
        """All text registered for a source.

        Raises:
            StorageError: a record cannot be read; leaving out what the user edited would go unnoticed.
        """
        records = []
        for path in sorted((self.root / "supplied" / source).glob("*.json")):
            try:
                raw = unseal(path.read_bytes())
                marks = tuple(mark and SpeakerMark(**mark) for mark in raw.get("marks", ()))
                record = SuppliedRecord(
                    raw["kind"], raw["language"], raw["name"], Ref(**raw["ref"]), tuple(raw["ids"]), marks
                )
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise StorageError(
                    f"The imported subtitles in {path} are damaged.", fix="Delete it, or import them again."
                ) from error
            self.claim(record.ref.sha256)
            records.append(record)
        return records

    def withdraw(self, source: str, kind: str, language: str | None) -> bool:
        """Forget registered text; False if there was none. Its object stays until it is collected."""
        path = self._supplied_path(source, kind, language)
        existed = path.exists()
        path.unlink(missing_ok=True)
        return existed
