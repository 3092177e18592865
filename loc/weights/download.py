"""Fetching one file over HTTP: gone on with where it was cut, digested as it comes, in place only when whole.

What has come lies beside the file as `NAME.part`, and `NAME.part.tag` says of which version of the file it is
(the server's ETag), so that two versions are never joined.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loc import remote
from loc.errors import MissingError, StorageError
from loc.remote import PASSING, authorization, doubled, retry_after
from loc.store.keys import HASH_BUFFER
from loc.store.workdir import storage_error

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 6
"""Times a server is asked without a byte of progress; the pauses between them add up to a minute."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"""Pauses double from the first; one that the server asks for is kept up to the longest."""
CONNECT_S, READ_S = 15.0, 60.0
"""Seconds to reach a server, and between two pieces of an answer."""
TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105 - the name of the variable
"""Holds the key to repositories of a hub that ask for an agreement. Sent to the hub alone."""

Progress = Callable[[int, int | None], None]
"""(bytes that are here, bytes of the file or None)."""


@dataclass(frozen=True)
class Wanted:
    """A file to fetch.

    Args:
        url: where it is.
        sha256: what it must be; None: what the server says, or whatever comes.
        size: bytes, where known.
        token: key to the server of `url`.
    """

    url: str
    sha256: str | None = None
    size: int | None = None
    token: str | None = None


class _Cut(Exception):  # noqa: N818 - news between two attempts
    """The connection ended early or was not made; `pause_s` is what the server asked for."""

    def __init__(self, why: str, pause_s: float | None = None) -> None:
        super().__init__(why)
        self.pause_s = pause_s


def client() -> httpx.Client:
    """Follows redirects, to other hosts too; a key goes to the first host alone.

    Raises:
        UsageError, MissingError: as `remote.client`.
    """
    import httpx

    return remote.client(
        follow_redirects=True,
        timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
        headers={"Accept-Encoding": "identity", "User-Agent": "loc"},
    )


def fetch(
    http: httpx.Client,
    wanted: Wanted,
    path: Path,
    progress: Progress = lambda _done, _total: None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Bring a file to `path` and return its SHA-256.

    Raises:
        MissingError: it is not there, may not be had, cannot be reached, or is another file than wanted.
        UsageError: the token is none.
        StorageError: no space, or the folder cannot be written.
    """
    part = path.with_name(path.name + ".part")
    tag = part.with_name(part.name + ".tag")
    idle, again = 0, False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            before = _size(part)
            try:
                sha256, said = _attempt(http, wanted, part, tag, progress)
            except _Cut as cut:
                idle = 0 if _size(part) > before else idle + 1
                if idle >= ATTEMPTS:
                    raise MissingError(
                        f"{wanted.url} cannot be fetched.",
                        why=f"{cut}. What has come is kept.",
                        fix="Run the same command again later; it goes on from there.",
                    ) from cut
                if idle:
                    sleep(_pause(idle, cut))
                continue
            if sha256 == (wanted.sha256 or said or sha256):
                break
            _forget(part, tag)
            # A part that was left by another day may be at fault: once more, from the start.
            if again or before == 0:
                raise MissingError(
                    f"{path.name} is another file than the one wanted.",
                    why=f"{wanted.url} gave one with SHA-256 {sha256}, not {wanted.sha256 or said}.",
                    fix="Try again later; or pull from the publisher and not from a mirror.",
                )
            again = True
        part.replace(path)
        tag.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise storage_error(f"{path.name} could not be written to {path.parent}.", error) from error
    return sha256


def _pause(times: int, cut: _Cut) -> float:
    """Seconds before the next attempt, after `times` in vain."""
    own = doubled(times - 1, FIRST_PAUSE_S, LONGEST_PAUSE_S)
    return own if cut.pause_s is None else min(cut.pause_s, LONGEST_PAUSE_S)


def _attempt(
    http: httpx.Client, wanted: Wanted, part: Path, tag: Path, progress: Progress
) -> tuple[str, str | None]:
    """Ask once for what is missing: (SHA-256 of the whole, the one the server says it has).

    Raises:
        _Cut: it was not all; what came is in `part`.
    """
    import httpx

    have = _size(part)
    unknown = wanted.sha256 is None and not tag.exists()
    if have and (unknown or (wanted.size is not None and have > wanted.size)):
        _forget(part, tag)
        have = 0
    headers = authorization(wanted.token, TOKEN_VARIABLE)
    if have:
        headers["Range"] = f"bytes={have}-"
        with contextlib.suppress(OSError):
            headers["If-Range"] = tag.read_text("utf-8")
    try:
        with http.stream("GET", wanted.url, headers=headers) as answer:
            if answer.status_code == 416 and have:
                if _whole(answer) == have:
                    return _digest(part).hexdigest(), None
                _forget(part, tag)
                raise _Cut("The part that was here did not belong to the file")
            _check_status(answer, wanted.url)
            goes_on = answer.status_code == 206 and _first_byte(answer) == have
            if answer.status_code == 206 and not goes_on:
                _forget(part, tag)
                raise _Cut("The server gave another part than was asked for")
            total = _total(answer, have if goes_on else 0)
            if wanted.size is not None and total is not None and total != wanted.size:
                raise MissingError(
                    f"{part.name.removesuffix('.part')} is another file than the one wanted.",
                    why=f"{wanted.url} has {total} bytes, not {wanted.size}.",
                    fix="Try again later; or pull from the publisher and not from a mirror.",
                )
            if not goes_on:
                _forget(part, tag)
                have = 0
                if (etag := answer.headers.get("etag", "")).startswith('"'):
                    tag.write_text(etag, "utf-8")
            _check_room(part.parent, None if total is None else total - have)
            hashed = _digest(part) if have else hashlib.sha256()
            with part.open("ab") as file:
                for piece in answer.iter_raw():
                    file.write(piece)
                    hashed.update(piece)
                    have += len(piece)
                    progress(have, total)
                file.flush()
                os.fsync(file.fileno())
            if total is not None and have < total:
                raise _Cut(f"The connection ended at {have} of {total} bytes")
            return hashed.hexdigest(), _stated(answer)
    except (httpx.InvalidURL, httpx.HTTPError) as error:
        raise _unanswered(wanted.url, error) from error


def _unanswered(url: str, error: httpx.InvalidURL | httpx.HTTPError) -> MissingError | _Cut:
    """What it means that a request failed."""
    import httpx

    if isinstance(error, httpx.InvalidURL):
        return MissingError(f"{url} is no address.", why=str(error))
    return _Cut(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def get_json(
    http: httpx.Client,
    url: str,
    token: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> object:
    """What a server answers in JSON, which is asked for as often as a file.

    Raises:
        MissingError: it does not answer, or not so.
        UsageError: the token is none.
    """
    failed = 0
    while True:
        try:
            return _asked(http, url, token)
        except _Cut as cut:
            failed += 1
            if failed >= ATTEMPTS:
                raise MissingError(f"{url} gives no answer.", why=f"{cut}.", fix="Try again later.") from cut
            sleep(_pause(failed, cut))
        except ValueError as error:
            raise MissingError(f"{url} gives no JSON.", why=f"{error}.", fix="Try again later.") from error


def _asked(http: httpx.Client, url: str, token: str | None) -> object:
    """Ask once for what a server answers in JSON.

    Raises:
        _Cut: it gave none.
        ValueError: it is no JSON.
    """
    import httpx

    try:
        answer = http.get(url, headers=authorization(token, TOKEN_VARIABLE))
    except (httpx.InvalidURL, httpx.HTTPError) as error:
        raise _unanswered(url, error) from error
    _check_status(answer, url)
    found: object = answer.json()
    return found


def _check_status(answer: httpx.Response, url: str) -> None:
    code = answer.status_code
    if code in (200, 206):
        return
    if code in PASSING:
        raise _Cut(f"The server answered {code}", retry_after(answer.headers.get("retry-after", "")))
    if code in (401, 403):
        raise MissingError(
            f"{url} may not be fetched.",
            why=f"The server answered {code}: the repository asks for an agreement, or does not exist.",
            fix=f"Agree to its terms on its page, and set {TOKEN_VARIABLE} to a key of your account there.",
        )
    raise MissingError(
        f"{url} cannot be fetched.",
        why=f"The server answered {code}.",
        fix="`loc models adopt` takes files that are on this machine; --hub and --mirror name other servers.",
    )


def _total(answer: httpx.Response, have: int) -> int | None:
    """Bytes of the whole file."""
    if (whole := _whole(answer)) is not None:
        return whole
    length = answer.headers.get("content-length", "")
    return have + int(length) if length.isdigit() else None


def _whole(answer: httpx.Response) -> int | None:
    """The length in `Content-Range: bytes 5-9/10` or `bytes */10`."""
    stated = answer.headers.get("content-range", "").rpartition("/")[2]
    return int(stated) if stated.isdigit() else None


def _first_byte(answer: httpx.Response) -> int | None:
    start = answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdigit() else None


def _stated(answer: httpx.Response) -> str | None:
    """The SHA-256 a hub says a file has, in the answer that led to it: only large files have one."""
    for one in (*answer.history, answer):
        etag = one.headers.get("x-linked-etag", "").strip('"')
        if len(etag) == 64 and set(etag) <= set("0123456789abcdef"):
            return str(etag)
    return None


def _check_room(folder: Path, missing: int | None) -> None:
    free = shutil.disk_usage(folder).free
    if missing is not None and missing > free:
        raise StorageError(
            f"There is no room for {missing >> 20} MiB more in {folder}.",
            why=f"{free >> 20} MiB are free.",
            fix="Free some space, or name another data folder with --data-dir.",
        )


def _digest(path: Path) -> hashlib._Hash:
    hashed = hashlib.sha256()
    for piece in pieces(path):
        hashed.update(piece)
    return hashed


def pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a file."""
    with path.open("rb") as file:
        while piece := file.read(HASH_BUFFER):
            yield piece


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return 0


def _forget(part: Path, tag: Path) -> None:
    part.unlink(missing_ok=True)
    tag.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
