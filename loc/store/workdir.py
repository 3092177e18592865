"""The content-addressed work directory.

Layout:
    objects/ab/cdef...     immutable bytes, named by SHA-256
    actions/ab/cdef....json  which objects an action made, under its key
    inputs/<id>.json       digest of a large input by (device, inode, size, mtime)
    outputs/<sha>.json     digests of files this store wrote for the user
    supplied/<digest>/     text a user handed in for a source, as references to objects
    runs/<id>/             one record, event log and lease per run
    locks/, tmp/           working space
Objects hold no clock, host, path or duration; those stand in action and run records.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import filelock

from loc.artifacts import Ref
from loc.errors import DamagedObjectError, InputError, StorageError
from loc.store.keys import canonical_json, digest_bytes, digest_file

LAYOUT_VERSION = 1
_FREE_SPACE_HINT = "Free some space, or move the store with --work-dir."


def storage_error(what: str, error: OSError) -> StorageError:
    """A `StorageError` that names the cause: no space, not writable, or the system's own words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(what, why="There is no space left on the device.", fix=_FREE_SPACE_HINT)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(
            what, why="The folder cannot be written.", fix="Choose another with --work-dir or -o."
        )
    return StorageError(what, why=str(error))


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside `path`, fsync, rename over it.

    Raises:
        StorageError: no space or not writable; `path` is as it was before.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise storage_error(f"Could not write {path}.", error) from error


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


class WorkDir:
    """A work directory, opened.

    Raises:
        StorageError: it cannot be made, was written by a newer layout, or its file system has no locks.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        try:
            for name in ("objects", "actions", "inputs", "outputs", "supplied", "runs", "locks", "tmp"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(f"Could not open the work directory {self.root}.", error) from error
        self._check_layout()
        self._check_locks()
        self._verified: set[str] = set()
        self._tmp: Path | None = None
        self._tmp_owner = 0
        self._tmp_lease: filelock.FileLock | None = None
        self._tmp_guard = threading.Lock()

    def _check_layout(self) -> None:
        marker = self.root / "layout.json"
        if not marker.exists():
            write_atomically(marker, canonical_json({"version": LAYOUT_VERSION}))
            return
        try:
            version = json.loads(marker.read_text())["version"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{marker} is damaged.", fix="Choose another --work-dir, or restore the file."
            ) from error
        if version != LAYOUT_VERSION:
            raise StorageError(
                f"The work directory {self.root} has layout {version}; this loc reads {LAYOUT_VERSION}.",
                fix="Use the loc that made it, or another --work-dir.",
            )

    def _check_locks(self) -> None:
        probe = self.root / "locks" / f"probe-{os.getpid()}"
        first, second = filelock.FileLock(probe), filelock.FileLock(probe)
        try:
            with first, contextlib.suppress(filelock.Timeout):
                second.acquire(timeout=0)
                second.release()
                raise StorageError(
                    f"The file system of {self.root} has no working locks.",
                    why="Two holders got the same lock.",
                    fix="Put the work directory on a local disk with --work-dir.",
                )
        except (OSError, NotImplementedError) as error:
            raise StorageError(
                f"The file system of {self.root} has no working locks.",
                why=str(error),
                fix="Put the work directory on a local disk with --work-dir.",
            ) from error
        finally:
            probe.unlink(missing_ok=True)

    # Objects

    def object_path(self, sha256: str) -> Path:
        """Where an object lies or would lie; nothing is checked."""
        return self.root / "objects" / sha256[:2] / sha256[2:]

    def has(self, ref: Ref) -> bool:
        """Whether an object is there at full size; its bytes are verified when it is opened."""
        return self._intact(self.object_path(ref.sha256), ref.size)

    def put_bytes(self, data: bytes) -> Ref:
        """Store bytes; storing what is there already costs a look."""
        sha256 = digest_bytes(data)
        path = self.object_path(sha256)
        if not self._intact(path, len(data)):
            write_atomically(path, data)
        return Ref(sha256=sha256, size=len(data))

    def adopt(self, path: Path) -> Ref:
        """Move a finished file from `tmp/` into the store."""
        try:
            sha256 = digest_file(path)
            size = path.stat().st_size
            target = self.object_path(sha256)
            if self._intact(target, size):
                path.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                with path.open("rb+") as stream:
                    os.fsync(stream.fileno())
                path.replace(target)
        except OSError as error:
            raise storage_error("Could not store an object.", error) from error
        return Ref(sha256=sha256, size=size)

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
            raise DamagedObjectError(
                f"Object {ref.sha256[:12]} is missing or truncated.", sha256=ref.sha256
            )
        if digest_file(path) != ref.sha256:
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
            if any(self._names(ref, sha256) for ref in record.outputs.values()):
                self._action_path(record.key).unlink(missing_ok=True)
                forgotten += 1
        return forgotten

    def _names(self, ref: Ref, sha256: str) -> bool:
        """Whether an object is `sha256`, or is JSON that mentions it."""
        if ref.sha256 == sha256:
            return True
        try:
            with self.object_path(ref.sha256).open("rb") as stream:
                return stream.read(1) == b"{" and sha256.encode() in stream.read()
        except OSError:
            return False

    def objects(self) -> Iterator[tuple[str, Path]]:
        """Every object as (digest, path)."""
        for folder in sorted((self.root / "objects").iterdir()):
            for path in sorted(folder.iterdir()):
                if not path.name.startswith("."):
                    yield folder.name + path.name, path

    def bytes_kept(self) -> int:
        """Size of all objects."""
        return sum(path.stat().st_size for _, path in self.objects())

    # Actions

    def _action_path(self, key: str) -> Path:
        return self.root / "actions" / key[:2] / f"{key[2:]}.json"

    def find_action(self, key: str) -> ActionRecord | None:
        """The record under a key, or None. A record that cannot be read counts as none."""
        try:
            raw = json.loads(self._action_path(key).read_bytes())
            return ActionRecord(
                key=raw["key"],
                name=raw["name"],
                fields=raw["fields"],
                outputs={name: Ref(**ref) for name, ref in raw["outputs"].items()},
                seconds=raw["seconds"],
                run=raw["run"],
                detail=raw["detail"],
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def record_action(self, record: ActionRecord) -> None:
        """Write a success. Its objects must be stored already."""
        write_atomically(
            self._action_path(record.key),
            canonical_json(
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

    def actions(self) -> Iterator[ActionRecord]:
        """Every readable action record."""
        for folder in sorted((self.root / "actions").iterdir()):
            for path in sorted(folder.glob("*.json")):
                record = self.find_action(folder.name + path.stem)
                if record is not None:
                    yield record

    def lock(self, name: str) -> filelock.FileLock:
        """A lock across processes that the kernel releases when its holder dies."""
        return filelock.FileLock(self.root / "locks" / name)

    @contextlib.contextmanager
    def making(self, key: str) -> Iterator[None]:
        """Hold the right to make one action, across processes and threads.

        The lock file is removed on leaving, or there would be one for every action ever made. Whoever waited
        on the removed file finds the record that was written before it went; if there is none, the action
        failed, and at worst two try again at once, which is waste but never wrong.
        """
        lock = self.lock(f"action-{key}")
        try:
            with lock:
                try:
                    yield
                finally:
                    Path(lock.lock_file).unlink(missing_ok=True)
        except PermissionError as error:
            raise storage_error("Could not lock an action.", error) from error

    def _own_tmp(self) -> Path:
        """This process's folder under `tmp/`, locked while it lives; those of dead processes are swept."""
        with self._tmp_guard:
            if self._tmp is None or self._tmp_owner != os.getpid():
                folder = Path(tempfile.mkdtemp(dir=self.root / "tmp"))
                self._tmp_lease = filelock.FileLock(f"{folder}.lock", thread_local=False)
                self._tmp_lease.acquire()
                # Another process may have swept the folder between its making and its lock.
                folder.mkdir(exist_ok=True)
                self._tmp, self._tmp_owner = folder, os.getpid()
                self._sweep()
            return self._tmp

    def _sweep(self) -> None:
        """Remove what processes that were killed left under `tmp/`."""
        for lock_path in (self.root / "tmp").glob("*.lock"):
            lease = filelock.FileLock(lock_path)
            with contextlib.suppress(filelock.Timeout, OSError), lease.acquire(timeout=0):
                shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
                lock_path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private folder under `tmp/`, removed on leaving."""
        try:
            folder = Path(tempfile.mkdtemp(dir=self._own_tmp()))
        except OSError as error:
            raise storage_error("Could not make a temporary folder.", error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # Inputs and outputs

    def input_digest(self, path: Path) -> tuple[str, int]:
        """(SHA-256, size) of an input, remembered by (device, inode, size, mtime).

        Raises:
            InputError: missing, unreadable, empty, or it changed while it was being hashed.
        """
        try:
            before = path.stat()
            if not path.is_file():
                raise InputError(f"{path} is not a file.", fix="Name a video file.")
            if before.st_size == 0:
                raise InputError(f"{path} is empty.", why="It has 0 bytes.")
            identity = f"{before.st_dev}:{before.st_ino}:{before.st_size}:{before.st_mtime_ns}"
            note = self.root / "inputs" / f"{digest_bytes(identity.encode())}.json"
            with contextlib.suppress(OSError, ValueError, KeyError):
                return json.loads(note.read_bytes())["sha256"], before.st_size
            sha256 = digest_file(path)
            after = path.stat()
        except FileNotFoundError as error:
            raise InputError(f"{path} does not exist.", fix="Check the name.") from error
        except PermissionError as error:
            raise InputError(f"{path} cannot be read.", why=str(error)) from error
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise InputError(
                f"{path} is still growing.",
                why="Its size or time changed while it was read.",
                fix="Wait until it is complete, then run again.",
            )
        write_atomically(note, canonical_json({"sha256": sha256, "size": before.st_size}))
        return sha256, before.st_size

    def record_output(self, sha256: str) -> None:
        """Remember that a file with this digest was written for the user: it may be replaced, and is
        never an input. Call before the rename."""
        write_atomically(self.root / "outputs" / f"{sha256}.json", canonical_json({"sha256": sha256}))

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
        write_atomically(
            self._supplied_path(source, record.kind, record.language),
            canonical_json(
                {
                    "kind": record.kind,
                    "language": record.language,
                    "name": record.name,
                    "ref": record.ref,
                    "ids": record.ids,
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
                raw = json.loads(path.read_bytes())
                record = SuppliedRecord(
                    raw["kind"], raw["language"], raw["name"], Ref(**raw["ref"]), tuple(raw["ids"])
                )
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise StorageError(
                    f"The imported subtitles in {path} are damaged.", fix="Delete it, or import them again."
                ) from error
            records.append(record)
        return records

    def withdraw(self, source: str, kind: str, language: str | None) -> bool:
        """Forget registered text; False if there was none. Its object stays until it is collected."""
        path = self._supplied_path(source, kind, language)
        existed = path.exists()
        path.unlink(missing_ok=True)
        return existed
