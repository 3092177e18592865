"""From the store to the user's folder: where the outputs go, and how they get there whole.

Beside `video.mp4` or where `-o` says: `video.ja.mp4`, `video.ja.dub.srt`, `video.ja.report.json` and
`video.ja.report.html`. A file is written under a temporary name in its own folder, flushed, recorded as an
output of this store, and renamed.
The temporary name is the same each time, so what a killed run left is gone with the next; and two runs that
write the same file do so one after the other.
An existing file is replaced only if its digest is that of a recorded output, or with `--overwrite`.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import secrets
import shutil
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from loc.app.pictures import is_folder
from loc.artifacts import Ref
from loc.errors import InputError, StorageError, UsageError
from loc.settings import Settings
from loc.store.keys import digest_bytes
from loc.store.locks import Lock
from loc.store.workdir import WorkDir, storage_error

DEFAULT_TEMPLATE = "{stem}.{lang}{ext}"
TEMPLATE_FIELDS = frozenset({"stem", "lang", "ext"})
COPY_BUFFER = 1 << 20
LONGEST_NAME = 255
"""Bytes of a file's or folder's name that Linux and its file systems take."""
_NO_COPY_RANGE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""What `copy_file_range` answers where the kernel or the file systems cannot do it."""


@dataclass(frozen=True)
class Targets:
    """Where one language's files go."""

    video: Path
    with_page: bool = True
    """Whether the report is written as a page too."""

    @property
    def subtitles(self) -> Path:
        """`video.ja.dub.srt`: never taken for a sidecar."""
        return self.video.with_name(f"{self.video.stem}.dub.srt")

    @property
    def report(self) -> Path:
        return self.video.with_name(f"{self.video.stem}.report.json")

    @property
    def page(self) -> Path:
        return self.video.with_name(f"{self.video.stem}.report.html")

    @property
    def all(self) -> tuple[Path, ...]:
        return self.video, self.subtitles, self.report, *([self.page] if self.with_page else ())


def targets_for(source: Path, language: str, settings: Settings) -> Targets:
    """Where the outputs of one input and language go.

    Raises:
        UsageError: a template with an unknown field, or a file suffix that is not the container's.
    """
    return Targets(_video_path(source, language, settings), with_page=settings.page != "none")


def _video_path(source: Path, language: str, settings: Settings) -> Path:
    wanted, suffix = settings.output, f".{settings.file_type}"
    if wanted is None:
        return source.parent / _fill(DEFAULT_TEMPLATE, source, language, suffix)
    if wanted.endswith("/"):
        return Path(_fill(wanted, source, language, suffix)) / _fill(
            DEFAULT_TEMPLATE, source, language, suffix
        )
    if "{" not in wanted and is_folder(Path(wanted)):
        return Path(wanted) / _fill(DEFAULT_TEMPLATE, source, language, suffix)
    path = Path(_fill(wanted, source, language, suffix))
    if path.suffix.lower() != suffix:
        raise UsageError(
            f"-o names {path.name}, but the output of {source.name} is {settings.file_type}.",
            why="Outputs are .mp4, .mkv or .webm files.",
            fix=f"End the name in {suffix} or {{ext}}, or name a folder with a slash at its end.",
        )
    return path


def _fill(template: str, source: Path, language: str, suffix: str) -> str:
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise UsageError(f"-o {template!r} is not a template.", why=str(error)) from error
    if unknown := fields - TEMPLATE_FIELDS:
        raise UsageError(
            f"-o has an unknown field {{{sorted(unknown)[0]}}}.", fix="Known: {stem}, {lang}, {ext}."
        )
    try:
        return template.format(stem=source.stem, lang=language, ext=suffix)
    except (ValueError, LookupError, OverflowError, MemoryError) as error:
        raise UsageError(
            f"-o {template!r} is not a template.",
            why=f"What stands behind a field's name, after ! or :, has no meaning for text ({error}).",
            fix="Write the fields as {stem}, {lang}, {ext}.",
        ) from error


def replaced_inputs(planned: Sequence[tuple[Path, str, Targets]]) -> list[tuple[Path, Path]]:
    """(input, other or same input that an output of it would replace): to be refused in their turn.

    Args:
        planned: (input, language, where its outputs go).
    """
    inputs = {os.path.realpath(source): source for source, _, _ in planned}
    return [
        (source, inputs[resolved])
        for source, _, targets in planned
        for path in targets.all
        if (resolved := os.path.realpath(path)) in inputs
    ]


def check_distinct(
    planned: Sequence[tuple[Path, str, Targets]],
    summaries: Sequence[Path] = (),
    is_own: Callable[[Path], bool] = lambda _path: False,
) -> dict[Path, UsageError]:
    """Find outputs that would overwrite one another.

    None of their inputs keeps the name: whose output it is would hang on what else a folder holds, and a
    video that is put before the others would replace what is finished, as outputs of ours may be.

    Args:
        planned: (input, language, where its outputs go).
        summaries: files of --summary.
        is_own: whether an input is an output of ours, and so will be skipped. Asked where it matters.

    Returns:
        Inputs to be refused in their turn, each with what to say.

    Raises:
        UsageError: it is the command that is wrong: no input is left, the languages of one have one name, or
            a summary would replace an input or an output.
    """
    inputs = {os.path.realpath(source) for source, _, _ in planned}
    taken = {os.path.realpath(path) for path in summaries}
    if clash := inputs & taken:
        raise UsageError(f"The summary {clash.pop()} would replace an input.", fix="Choose another name.")
    wanted: dict[str, dict[Path, str]] = {}
    for source, language, targets in planned:
        for path in targets.all:
            resolved = os.path.realpath(path)
            if resolved in taken:
                raise _both(f"The summary and {source.name} in {language}", path)
            languages = wanted.setdefault(resolved, {})
            if source in languages:
                raise _both(f"{source} in {languages[source]} and in {language}", path)
            languages[source] = language
    asked = functools.cache(is_own)
    refused: dict[Path, UsageError] = {}
    for source, _, targets in planned:
        for path in targets.all:
            rivals = wanted[os.path.realpath(path)]
            if source in refused or len(rivals) == 1 or asked(source):
                continue
            if other := next((one for one in rivals if one != source and not asked(one)), None):
                refused[source] = _both(f"{source} and {other}", path)
    if refused and refused.keys() == {source for source, _, _ in planned}:
        raise next(iter(refused.values()))
    return refused


def _both(who: str, path: Path) -> UsageError:
    return UsageError(
        f"{who} would both be written to {path}.",
        fix="Name outputs by {stem} and {lang}, e.g. -o 'out/{stem}.{lang}{ext}'; of videos that are called "
        "the same, rename one, or give it a command and an -o of its own.",
    )


def check_writable(store: WorkDir, paths: Sequence[Path], settings: Settings) -> None:
    """Find out before any work whether files of one folder could be written.

    Raises:
        UsageError: a file is in the way that this store did not write, or a name is too long.
        StorageError: the folder cannot be written.
    """
    for path in paths:
        check_replaceable(store, path, settings)
    folder = paths[0].parent
    try:
        existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        probe = existing / f".loc-{secrets.token_hex(4)}.part"
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise storage_error(f"The output folder {folder} cannot be written.", error) from error


def check_replaceable(store: WorkDir, path: Path, settings: Settings) -> None:
    """Refuse to replace a file that is not a recorded output of this store, and a name that no file can have.

    Raises:
        UsageError.
        StorageError: its folder cannot be looked into, its path is too long, or what is there cannot be read.
    """
    for name in path.parts:
        if (length := len(os.fsencode(name))) > LONGEST_NAME:
            raise UsageError(
                f"The output {path} cannot be written.",
                why=f"{name} is {length} bytes long; names take {LONGEST_NAME}.",
                fix="Choose a shorter name with -o, e.g. -o 'out/{lang}{ext}'.",
            )
    try:
        free = settings.overwrite or not path.exists()
        ours = not free and path.is_file() and store.is_output(_digest(store, path))
    except OSError as error:
        raise storage_error(f"The output {path} cannot be written.", error) from error
    if free or ours:
        return
    raise UsageError(
        f"{path} exists and is not replaced.",
        why="This work directory has not written it, or it was changed since.",
        fix="Move it, choose another name with -o, or say --overwrite.",
    )


def put_object(store: WorkDir, ref: Ref, path: Path, settings: Settings) -> bool:
    """Copy an object to `path`. Returns False where the very file is there already.

    Raises:
        UsageError: another file is in the way.
        StorageError: no space or not writable; nothing is left half-written.
    """
    with writing(store, path):
        if _holds(store, path, ref):
            return False
        source = store.open_object(ref)
        _put(store, path, ref, settings, lambda part: _copy(source, part))
    return True


def put_bytes(store: WorkDir, data: bytes, path: Path, settings: Settings) -> bool:
    """Write bytes to `path` under the same rules as `put_object`."""
    ref = Ref(sha256=digest_bytes(data), size=len(data))
    with writing(store, path):
        if _holds(store, path, ref):
            return False
        _put(store, path, ref, settings, lambda part: part.write_bytes(data))
    return True


def _put(store: WorkDir, path: Path, ref: Ref, settings: Settings, write: Callable[[Path], object]) -> None:
    check_replaceable(store, path, settings)
    place(store, path, ref, write)


def place(store: WorkDir, path: Path, ref: Ref, write: Callable[[Path], object]) -> None:
    """Put a file there whole, and remember that it is ours. Who may be replaced is asked before.

    Args:
        ref: digest and size of the file.
        write: writes it to the path it is given.

    Raises:
        StorageError: no space, not writable, or not all of it was written; what was there is still there.
    """
    # Of one length, so that whatever name the file may have, this one may be had too.
    whose = digest_bytes(os.fsencode(store.root) + b"/" + os.fsencode(path.name))
    part = path.with_name(f".loc-{whose[:16]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        write(part)
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
            written = os.fstat(stream.fileno()).st_size
        if written != ref.size:
            raise OSError(f"{written} of its {ref.size} bytes were written, and no error was told.")
        store.record_output(ref.sha256)
        part.replace(path)
    except OSError as error:
        raise storage_error(f"Could not write {path}.", error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def writing(store: WorkDir, path: Path) -> contextlib.AbstractContextManager[Lock]:
    """The right to write one output."""
    return store.lock(f"output-{digest_bytes(os.fsencode(os.path.realpath(path)))}")


def _holds(store: WorkDir, path: Path, ref: Ref) -> bool:
    """Whether a file is these very bytes, written by this store earlier."""
    try:
        if path.stat().st_size != ref.size or not store.is_output(ref.sha256):
            return False
        return _digest(store, path) == ref.sha256
    except (OSError, StorageError):
        return False


def _digest(store: WorkDir, path: Path) -> str:
    """Of an output: unlike an input it may be empty, as the subtitles of a film in which nobody speaks.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        return store.input_digest(path)[0] if path.stat().st_size else digest_bytes(b"")
    except InputError as error:
        raise StorageError(
            f"The output {path} exists and cannot be read, so it is not replaced.",
            why=error.why or error.what,
            fix="Move it, choose another name with -o, or say --overwrite.",
        ) from error


def _copy(source: Path, target: Path) -> None:
    """Copy by reference where the file system can (`copy_file_range` shares blocks on btrfs and xfs)."""
    with source.open("rb") as reader, target.open("xb") as writer:
        if not _copied_by_reference(reader, writer):
            reader.seek(0)
            writer.seek(0)
            writer.truncate()
            shutil.copyfileobj(reader, writer, COPY_BUFFER)


def _copied_by_reference(reader: BinaryIO, writer: BinaryIO) -> bool:
    """Whether the kernel copied all. Some file systems answer 0 with bytes left."""
    remaining = os.fstat(reader.fileno()).st_size
    try:
        while remaining > 0:
            copied = os.copy_file_range(reader.fileno(), writer.fileno(), remaining)
            if copied == 0:
                return False
            remaining -= copied
    except OSError as error:
        if error.errno not in _NO_COPY_RANGE:
            raise
        return False
    return True
