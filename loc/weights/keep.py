"""Bringing weights onto the shelf and off it: pull, adopt, register, verify, remove.

Every file that comes in is read whole and its digest recorded in its set's manifest. What the table does not
state (a revision, a digest) is what the first pull finds; it is written into `weights/lock.json` and held
against every later pull, also after the set was removed. A copy of that file pins another machine.

Files that lie elsewhere are used where they lie and never touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from loc.errors import MissingError, RefusedError, UsageError
from loc.settings import Settings
from loc.store import locks
from loc.store.workdir import storage_error
from loc.weights import download
from loc.weights.shelf import LOCK_FILE, MANIFEST, Held, Manifest, Pins, Shelf, read_pins
from loc.weights.table import Place, Row, Spoken, WeightFile, published

MAX_FILES = 200
"""Files a folder may have to be registered: more is no model but somebody's home."""
MAX_SEEN = 200_000
"""Files of a tree that are looked at."""
SPARE = 2.0
"""A model takes this many times its files: they may hold halves of what it computes in."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_CACHED = re.compile(r"/models--[^/]+/snapshots/[^/]+/")
"""A place in a hub's cache, whatever the repository."""

Say = Callable[[str], None]
"""One line for people."""

Progress = Callable[[str, int, int | None], None]
"""(file, bytes done, bytes in all or None)."""


@dataclass(frozen=True)
class Verdict:
    """What `verify` found of one file: None in `fault` where it is what came in."""

    path: str
    fault: str | None


def _silent(_text: str) -> None:
    return


def _still(_name: str, _done: int, _total: int | None) -> None:
    return


class Keeper:
    """The shelf of a data folder, with the right to change it.

    Args:
        settings: data folder, servers, and whether the network may be used.
        say: told what is worth knowing.
        progress: told how far a file is.
        sleep: makes the pauses between attempts.
    """

    def __init__(
        self,
        settings: Settings,
        say: Say = _silent,
        progress: Progress = _still,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.shelf = Shelf(settings.data_dir)
        self._settings = settings
        self._say = say
        self._progress = progress
        self._sleep = sleep

    def row(self, weights_id: str) -> Row:
        """A known set.

        Raises:
            UsageError: there is none of this id.
        """
        row = self.shelf.rows().get(weights_id)
        if row is None:
            raise UsageError(
                f"There are no weights {weights_id!r}.", fix="`loc models list` names those there are."
            )
        return row

    def pull(self, weights_id: str) -> None:
        """Fetch what is missing or was changed of a published set, once even where two ask for it.

        Raises:
            UsageError: there is no such set, or nobody publishes it.
            RefusedError: --offline.
            MissingError, StorageError: as `download.fetch`.
        """
        row = self.row(weights_id)
        with self._changing(weights_id):
            wanted = [file for file in row.files if not self._is_here(row, file)]
            if not wanted:
                self._say(f"{weights_id}: all files are here.")
                return
            if row.source.kind == "registered":
                raise UsageError(
                    f"{weights_id} cannot be pulled: it is yours, and nobody publishes it.",
                    why=f"{wanted[0].path} is missing or was changed.",
                    fix=row.mended_by,
                )
            if self._settings.offline:
                raise RefusedError(
                    f"{weights_id} was not pulled.",
                    why="--offline forbids the network.",
                    fix="Pull without it, or `loc models adopt FOLDER` what is on this machine.",
                )
            if row.access is not None:
                self._say(f"{weights_id}: {row.access}")
            with download.client() as http:
                revision = self._revision(row, http)
                for file in wanted:
                    self._fetch(row, file, revision, http)

    def _fetch(self, row: Row, file: WeightFile, revision: str | None, http: Any) -> None:
        expected = self.shelf.pins(row.id).expected(file)
        path, url = self.shelf.folder / row.id / file.path, self.url(row, file, revision)
        sha256 = download.fetch(
            http,
            download.Wanted(url, expected, file.size, self._token(row, url)),
            path,
            lambda done, total: self._progress(f"{row.id}/{file.path}", done, total),
            self._sleep,
        )
        if expected is None:
            self._say(f"{row.id}: no digest of {file.path} is published; {sha256[:12]}... is recorded.")
        self._record(row, file, path, sha256, revision, own=True)

    def url(self, row: Row, file: WeightFile, revision: str | None) -> str:
        """Where a file is fetched from: the hub or server of the settings, or a mirror of it."""
        if row.source.kind == "hub":
            return self._at_hub(f"{row.source.place}/resolve/{revision}/{file.path}")
        return self._mirrored(f"{row.source.place}{file.path}")

    def _at_hub(self, path: str) -> str:
        return self._mirrored(f"{self._settings.hub.rstrip('/')}/{path}")

    def _mirrored(self, url: str) -> str:
        for prefix, other in self._settings.mirrors.items():
            if url.startswith(prefix):
                return other + url.removeprefix(prefix)
        return url

    def _token(self, row: Row, url: str) -> str | None:
        """The key to the hub, for what is asked of the hub itself: a mirror is somebody else."""
        asked, hub = urlsplit(url), urlsplit(self._settings.hub)
        own = (asked.scheme, asked.netloc) == (hub.scheme, hub.netloc)
        return os.environ.get(download.TOKEN_VARIABLE) if row.source.kind == "hub" and own else None

    def _revision(self, row: Row, http: Any) -> str | None:
        """The commit to fetch: the table's, the one of the first pull, or the newest, which is recorded."""
        if row.source.kind != "hub":
            return None
        known = pinned(self.shelf, row)
        if known is not None:
            return known
        url = self._at_hub(f"api/models/{row.source.place}/revision/main")
        found = download.get_json(http, url, self._token(row, url), self._sleep)
        revision = found.get("sha") if isinstance(found, dict) else None
        if not isinstance(revision, str) or not _COMMIT.fullmatch(revision):
            raise MissingError(
                f"The revision of {row.source.place} is not known.",
                why=f"{url} names no commit.",
                fix="Look at --hub, which must be a Hugging Face hub or a mirror of one.",
            )
        self._say(f"{row.id}: pinned to revision {revision}, the newest of {row.source.place}.")
        self._pin(row.id, revision=revision)
        return revision

    def adopt(self, tree: Path, wanted: Sequence[str] = ()) -> dict[str, list[str]]:
        """Use files where they lie: a tree of another program, a cache of a hub, a folder.

        A file is known by its digest where the table or a first pull states one, else by its place: as in its
        repository, under a name of `Row.homes`, or in a hub's cache at the revision wanted.

        Args:
            tree: read, and never changed.
            wanted: ids; none: whatever is found.

        Returns:
            Weights id -> paths that were adopted.

        Raises:
            UsageError: the folder or an id does not exist.
            MissingError: nothing was found.
        """
        if not tree.is_dir():
            raise UsageError(f"{tree} is no folder.")
        rows = [self.row(name) for name in wanted] or [
            row for row in published().values() if self.shelf.lacks(row) is not None
        ]
        found: dict[str, list[str]] = {}
        by_name: dict[str, list[Path]] = {}
        for path in _files(tree):
            by_name.setdefault(path.name, []).append(path)
        digests: dict[Path, str] = {}
        for row in rows:
            with self._changing(row.id):
                revision = pinned(self.shelf, row) or _fullest(row, by_name)
                for file in row.files:
                    if self._is_here(row, file):
                        continue
                    for one in _forms(file):
                        candidates = by_name.get(PurePosixPath(one.path).name, [])
                        match = self._match(row, one, candidates, revision, digests)
                        if match is not None:
                            path, at = match
                            known_as = None if one is file else one.path
                            self._record(
                                row,
                                file,
                                path.absolute(),
                                digests[path],
                                at,
                                own=False,
                                known_as=known_as,
                            )
                            found.setdefault(row.id, []).append(one.path)
                            break
        if not found:
            raise MissingError(
                f"No weights of the table were found in {tree}, or all of them are here.",
                fix="`loc models list` tells what is here; `loc models add` registers a model of your own.",
            )
        return found

    def _match(
        self,
        row: Row,
        file: WeightFile,
        candidates: Sequence[Path],
        wanted: str | None,
        digests: dict[Path, str],
    ) -> tuple[Path, str | None] | None:
        """A file of a tree, and the commit that it shows; `wanted`: the one whose files are taken."""
        expected = self.shelf.pins(row.id).expected(file)
        for path in candidates:
            if file.size is not None and path.stat().st_size != file.size:
                continue
            revision = _cached_revision(path, row, file)
            in_place = revision is not None and revision == wanted
            # The place of a file in a hub's cache says its commit, too: those of others are other files.
            is_known = in_place if revision is not None else _is_home(path, row, file)
            if expected is None and not is_known:
                continue
            if path not in digests:
                try:
                    digests[path] = self._digest(path, f"{row.id}/{file.path}")
                except OSError as error:
                    self._say(f"{row.id}: {path} is left out: {error.strerror or 'it cannot be read'}.")
                    continue
            if expected is None or digests[path] == expected:
                if expected is None:
                    self._say(
                        f"{row.id}: no digest of {file.path} is published; it is known by its place, and "
                        f"{digests[path][:12]}... is recorded."
                    )
                return path, revision if in_place else None
        return None

    def register(self, row: Row, folder: Path) -> None:
        """Put a set of the user's own on the shelf, where it lies.

        Args:
            row: `source.kind` "registered"; its files are paths inside `folder`.

        Raises:
            UsageError: the id is taken, or a file cannot be read.
        """
        if row.id in self.shelf.rows():
            raise UsageError(
                f"The id {row.id!r} is taken.", fix="Choose another, or `loc models remove` that one first."
            )
        with self._changing(row.id):
            held = {}
            for file in row.files:
                path = (folder / file.path).absolute()
                try:
                    held[file.path] = _held(path, self._digest(path, f"{row.id}/{file.path}"), own=False)
                except OSError as error:
                    raise UsageError(
                        f"{row.id} was not registered: {path} cannot be read.",
                        why=error.strerror or "",
                        fix="Make it readable, or name a folder with the model's files and nothing else.",
                    ) from error
            self._write(row.id, Manifest(files=held, row=row))

    def verify(self, weights_id: str) -> list[Verdict]:
        """Read every file of a set that came in. One whose date has changed and whose bytes have not is
        trusted again."""
        row, verdicts = self.row(weights_id), []
        with self._changing(weights_id):
            pins = self.shelf.pins(weights_id)
            manifest = self.shelf.manifest(weights_id) or Manifest(files={}, row=None)
            held = dict(manifest.files)
            for file in row.files:
                item = held.get(file.path)
                if item is None:
                    verdicts.append(Verdict(file.path, "not here"))
                    continue
                path = self.shelf.path(weights_id, file.path, item)
                try:
                    sha256 = self._digest(path, f"{weights_id}/{file.path}")
                    fresh = _held(path, sha256, own=item.path is None)
                except OSError as error:
                    verdicts.append(Verdict(file.path, error.strerror or "cannot be read"))
                    continue
                if sha256 == (pins.expected(file, item.known_as) or item.sha256):
                    held[file.path] = fresh.model_copy(update={"known_as": item.known_as})
                    verdicts.append(Verdict(file.path, None))
                else:
                    verdicts.append(Verdict(file.path, f"changed: SHA-256 is {sha256}"))
            if held != manifest.files:
                self._write(weights_id, manifest.model_copy(update={"files": held}))
        return verdicts

    def remove(self, weights_id: str) -> int:
        """Delete a set's own files and forget the adopted ones: bytes that became free.

        Raises:
            UsageError: it is not here.
        """
        manifest, home = self.shelf.manifest(weights_id), self.shelf.folder / weights_id
        if manifest is None and not home.is_dir():
            raise UsageError(f"{weights_id} is not on this machine.")
        freed = 0
        with self._changing(weights_id):
            names = {file.path for file in self.row(weights_id).files} if weights_id in published() else set()
            own = names | {
                name for name, item in (manifest.files if manifest else {}).items() if not item.path
            }
            try:
                for name in own:
                    path = home / name
                    for one in (path, *(path.with_name(path.name + end) for end in (".part", ".part.tag"))):
                        with contextlib.suppress(FileNotFoundError):
                            freed += one.stat().st_size
                            one.unlink()
                (home / MANIFEST).unlink(missing_ok=True)
                folders = sorted((path for path in home.rglob("*") if path.is_dir()), reverse=True)
                for folder in (*folders, home):
                    with contextlib.suppress(OSError):
                        folder.rmdir()
            except OSError as error:
                raise storage_error(f"{weights_id} could not be removed.", error) from error
        return freed

    def _is_here(self, row: Row, file: WeightFile) -> bool:
        """Whether a file is the one wanted; one that was touched is read again."""
        manifest = self.shelf.manifest(row.id)
        item = manifest.files.get(file.path) if manifest else None
        if item is None:
            return False
        if item.sha256 != (self.shelf.pins(row.id).expected(file, item.known_as) or item.sha256):
            return False
        path = self.shelf.path(row.id, file.path, item)
        try:
            found = path.stat()
            if (found.st_size, found.st_mtime_ns) == (item.size, item.mtime_ns):
                return True
            same = self._digest(path, f"{row.id}/{file.path}") == item.sha256
        except OSError:
            return False
        if same:
            own = item.path is None
            self._record(row, file, path, item.sha256, None, own=own, known_as=item.known_as)
        return same

    def _record(
        self,
        row: Row,
        file: WeightFile,
        path: Path,
        sha256: str,
        revision: str | None,
        *,
        own: bool,
        known_as: str | None = None,
    ) -> None:
        """Write a file that came in into the manifest, and what the table does not state into the lock.

        Args:
            known_as: as in `Held`.
        """
        manifest = self.shelf.manifest(row.id) or Manifest(files={})
        held = _held(path, sha256, own=own).model_copy(update={"known_as": known_as})
        files = {**manifest.files, file.path: held}
        update = {"files": files, "revision": revision or manifest.revision}
        self._write(row.id, manifest.model_copy(update=update))
        if row.source.kind != "registered":
            self._pin(
                row.id,
                revision=None if row.source.revision else revision,
                files={} if file.sha256 and known_as is None else {known_as or file.path: sha256},
            )

    def _write(self, weights_id: str, manifest: Manifest) -> None:
        _write(self.shelf.folder / weights_id / MANIFEST, manifest.model_dump_json(exclude_none=True))

    def _pin(
        self, weights_id: str, *, revision: str | None = None, files: Mapping[str, str] | None = None
    ) -> None:
        if revision is None and not files:
            return
        with self._lock("lock"):
            pins = read_pins(self.shelf.folder / LOCK_FILE)
            old = pins.get(weights_id, Pins())
            pins[weights_id] = Pins(revision=revision or old.revision, files={**old.files, **(files or {})})
            content = {name: pin.model_dump(exclude_none=True) for name, pin in sorted(pins.items())}
            _write(self.shelf.folder / LOCK_FILE, json.dumps(content, indent=1, sort_keys=True) + "\n")

    def _digest(self, path: Path, name: str) -> str:
        total, done = path.stat().st_size, 0
        hashed = hashlib.sha256()
        for piece in download.pieces(path):
            hashed.update(piece)
            done += len(piece)
            self._progress(name, done, total)
        return hashed.hexdigest()

    def _changing(self, weights_id: str) -> contextlib.AbstractContextManager[object]:
        """The right to change one set; who waits for it is told so."""
        return self._lock(
            f"set-{weights_id}", lambda: self._say(f"{weights_id}: another loc is at it; waiting.")
        )

    @contextlib.contextmanager
    def _lock(self, name: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        folder = self.shelf.folder / ".locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = locks.acquire(folder / name, waiting=waiting)
        except OSError as error:
            raise storage_error(f"The weights in {self.shelf.folder} cannot be changed.", error) from error
        with lock:
            yield


def own_row(
    weights_id: str,
    folder: Path,
    *,
    title: str,
    architecture: str,
    licence: str,
    **facts: Any,
) -> Row:
    """The row of a model of the user's own, of the files of a folder.

    Args:
        facts: other fields of `Row`: quality, rank, memory_mb, languages.

    Raises:
        UsageError: the folder holds no files or too many, or the id is no id.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder.", fix="Name the folder that holds the model's files.")
    files = sorted(path for path in _files(folder, most=MAX_FILES + 1))
    if not files or len(files) > MAX_FILES:
        raise UsageError(
            f"{folder} holds {'no files' if not files else f'more than {MAX_FILES} files'}.",
            fix="Name a folder with the model's files and nothing else.",
        )
    size = sum(path.stat().st_size for path in files)
    facts["memory_mb"] = facts.get("memory_mb") or round(SPARE * size / (1 << 20)) + 1
    try:
        return Row(
            id=weights_id,
            title=title,
            architecture=architecture,
            licence=licence,
            source=Place(kind="registered"),
            files=tuple(
                WeightFile(path=path.relative_to(folder).as_posix(), sha256=None, size=path.stat().st_size)
                for path in files
            ),
            **facts,
        )
    except ValueError as error:
        raise UsageError(
            f"{weights_id!r} cannot be registered.",
            why=str(error).splitlines()[-1],
            fix="An id has small letters, digits, dots, dashes and underscores.",
        ) from error


def spoken(sources: Sequence[str], targets: Sequence[str], pairs: Sequence[str]) -> Spoken | None:
    """Languages as they are given on a command line; pairs as `en-ja`. None where nothing was said.

    Raises:
        UsageError: a pair that is none.
    """
    if not (sources or targets or pairs):
        return None
    split = []
    for pair in pairs:
        source, dash, target = pair.partition("-")
        if not (source and dash and target):
            raise UsageError(f"--pair {pair!r} is not of the form SOURCE-TARGET, e.g. en-ja.")
        split.append((source, target))
    return Spoken(
        source=tuple(sources) or ("*",), target=tuple(targets) or ("*",), pairs=tuple(split) or None
    )


def _files(tree: Path, most: int = MAX_SEEN) -> Iterator[Path]:
    """Regular files, links to such included, of a folder and those in it; hidden ones left out."""
    seen = 0
    for folder, names, files in os.walk(tree):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder) / name
            if not name.startswith(".") and path.is_file():
                seen += 1
                if seen > most:
                    return
                yield path


def _is_home(path: Path, row: Row, file: WeightFile) -> bool:
    """Whether a place says which file it is: folders as in the repository, or the name of a known home. In a
    hub's cache of another repository, a fork's say, the same folders hold other files."""
    if _CACHED.search(path.absolute().as_posix()):
        return False
    homes: Iterable[str] = (row.id, row.source.place.rstrip("/").rpartition("/")[2], *row.homes)
    ends = [f"{home}/{file.path}" for home in homes if home]
    ends += [file.path] if "/" in file.path else []
    return any(f"/{path.absolute().as_posix()}".endswith(f"/{end}") for end in ends)


def _cached_revision(path: Path, row: Row, file: WeightFile) -> str | None:
    """The commit of a file in a hub's cache: `models--OWNER--NAME/snapshots/COMMIT/PATH`."""
    end = f"/{file.path}"
    place = path.absolute().as_posix()
    if row.source.kind != "hub" or not place.endswith(end):
        return None
    cache, _, revision = place.removesuffix(end).rpartition("/snapshots/")
    named = f"/models--{row.source.place.replace('/', '--')}"
    return revision if f"/{cache}".endswith(named) and _COMMIT.fullmatch(revision) else None


def _fullest(row: Row, by_name: Mapping[str, Sequence[Path]]) -> str | None:
    """The commit of which a hub's cache has most files of a set, of several the one that came last: what was
    left of another may lack any of them. None where there is no such cache."""
    counts = Counter[str]()
    latest: dict[str, float] = {}
    for file in row.files:
        there: set[str] = set()
        for one in _forms(file):
            for path in by_name.get(PurePosixPath(one.path).name, ()):
                revision, facts = _cached_revision(path, row, one), path.stat()
                if revision is not None and one.size in (None, facts.st_size):
                    there.add(revision)
                    latest[revision] = max(latest.get(revision, 0.0), facts.st_mtime)
        counts.update(there)
    return max(counts, key=lambda one: (counts[one], latest[one], one), default=None)


def _forms(file: WeightFile) -> Iterator[WeightFile]:
    """A file as it is published, then the forms that may come in its place, nothing else known of them."""
    yield file
    yield from (WeightFile(path=name) for name in file.also)


def pinned(shelf: Shelf, row: Row) -> str | None:
    """The commit at which a set is fetched from a hub, by the table or by what a first pull found; None where
    the next pull will pin the newest.

    Raises:
        MissingError: the lock file cannot be read.
    """
    return row.source.revision or shelf.pins(row.id).revision


def _held(path: Path, sha256: str, *, own: bool) -> Held:
    stat = path.stat()
    return Held(sha256=sha256, size=stat.st_size, mtime_ns=stat.st_mtime_ns, path=None if own else str(path))


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise storage_error(f"{path} could not be written.", error) from error
