"""The voice bank as a folder: who is in it, how they get in, and how they go.

The bank is the folder `voices` of the data folder. `anna.wav` (or `.flac`) there is the voice `anna`, and
`anna.toml` beside it, which need not be there, tells more of her:

    kokoro = "af_heart"

    [rights]
    person = "Anna Berg"
    note = "Release of 2026-11-02: dubbing of the lectures, every language"

    [recording]
    source = "interview.mov"
    language = "de"

At the top stands which of its own voices an engine that does not imitate takes for her; `rights` goes into
the report of every dub she speaks in; `recording`, which `loc voices` writes, says where the sound is from
and, where that is known, which language is spoken in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from loc.app.languages import is_language, primary, suggestion
from loc.cast import NO_VOICE
from loc.errors import InputError, MissingError, UsageError
from loc.store.workdir import storage_error

FOLDER = "voices"
SUFFIXES = (".wav", ".flac")
SIDECAR = ".toml"

NAME = re.compile(r"\w(?:[\w .-]{0,62}[\w-])?")
"""Letters and digits of any script; dots, blanks and dashes inside: what every file system takes, and what is
hidden on none."""

_FORM = 'Write a line for each engine that is to take one of its own voices: kokoro = "af_heart".'
_TABLES = {"rights": ("person", "note"), "recording": ("language",)}
"""Tables of the file, and their keys that are read back, all of them text."""

Value = str | float | date


@dataclass(frozen=True)
class Sidecar:
    """What is told of a voice beside its recording.

    Args:
        own: engine -> which of its own voices it takes.
        person: whose voice it is.
        rights: what the person has agreed to, in the user's words.
        recording: where the sound is from; but for the language read by people alone.
    """

    own: Mapping[str, str] = field(default_factory=dict)
    person: str | None = None
    rights: str | None = None
    recording: Mapping[str, Value] = field(default_factory=dict)

    @property
    def language(self) -> str | None:
        """BCP-47 primary tag of what is said in the recording; None where nobody says."""
        told = self.recording.get("language")
        return primary(told) if isinstance(told, str) else None

    def toml(self) -> str:
        """The file."""
        lines = [f"{engine} = {_text(voice)}" for engine, voice in sorted(self.own.items())]
        rights = {"person": self.person, "note": self.rights}
        for name, table in (("rights", rights), ("recording", self.recording)):
            told = [f"{key} = {_value(value)}" for key, value in table.items() if value is not None]
            if told:
                lines += ["", f"[{name}]", *told]
        return "\n".join(lines).strip() + "\n"


def home(data_dir: Path) -> Path:
    """Where voices lie."""
    return data_dir / FOLDER


def check_name(name: str) -> str:
    """The name of a voice as it is kept, in the composed form of Unicode.

    Raises:
        UsageError: it is none.
    """
    composed = unicodedata.normalize("NFC", name)
    if composed == NO_VOICE:
        raise UsageError(
            f"No voice can be called {NO_VOICE!r}.",
            why="In a cast file it says that a speaker gets no voice of the bank.",
            fix="Take another name.",
        )
    if not NAME.fullmatch(composed):
        raise UsageError(
            f"{name!r} is no name for a voice.",
            why="It becomes the name of a file.",
            fix="Use up to 64 letters and digits; dots, blanks and dashes may stand between them.",
        )
    return composed


def recordings(data_dir: Path) -> Mapping[str, Path]:
    """Every recording of the bank, by name."""
    folder = home(data_dir)
    names = sorted({file.stem for file in folder.glob("*") if file.suffix in SUFFIXES})
    found = {name: recording(data_dir, name) for name in names}
    return {name: file for name, file in found.items() if file is not None}


def recording(data_dir: Path, name: str) -> Path | None:
    """The recording of a voice of the bank; None where there is none of this name."""
    if "/" in name or name.startswith("."):
        return None
    files = (home(data_dir) / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def names(data_dir: Path) -> list[str]:
    """Every voice of which anything is there, in order."""
    files = home(data_dir).glob("*")
    known = {file.stem for file in files if file.suffix in (*SUFFIXES, SIDECAR) and file.is_file()}
    return sorted(name for name in known if not name.startswith("."))


def sidecar(data_dir: Path, name: str) -> Sidecar:
    """What is told of a voice; of one without a file, nothing.

    Raises:
        InputError: what stands beside the recording is not of the form above, or names no language.
    """
    file = home(data_dir) / f"{name}{SIDECAR}"
    if not file.is_file():
        return Sidecar()
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read.", why=str(error), fix=_FORM) from error
    own = {engine: voice for engine, voice in said.items() if engine not in _TABLES}
    if wrong := [engine for engine, voice in own.items() if not isinstance(voice, str)]:
        raise InputError(f"{file}: {wrong[0]} is no name of a voice.", fix=_FORM)
    tables = {table: _table(file, table, said.get(table, {})) for table in _TABLES}
    rights = tables["rights"]
    _check_language(file, tables["recording"].get("language"))
    return Sidecar(own, rights.get("person"), rights.get("note"), tables["recording"])


def check_free(data_dir: Path, name: str, *, replace: bool) -> None:
    """Refuse to put a voice in the place of another.

    Raises:
        UsageError: there is one of this name.
    """
    there = files_of(data_dir, name)
    if there and not replace:
        raise UsageError(
            f"There is a voice {name!r} in the bank.",
            why=f"{', '.join(file.name for file in there)} in {home(data_dir)}.",
            fix="Take another name, or say --replace.",
        )


def keep(data_dir: Path, name: str, wav: bytes, told: Sidecar, *, replace: bool) -> list[Path]:
    """Put a voice into the bank; gives the files that are written, the recording first.

    What is told of it comes first to its place: a voice is never there without the rights to it.

    Args:
        name: as of `check_name`.
        replace: whether one of this name may go.

    Raises:
        UsageError: there is one of this name.
        StorageError: the folder cannot be written.
    """
    check_free(data_dir, name, replace=replace)
    folder, there = home(data_dir), files_of(data_dir, name)
    sound, told_in = folder / f"{name}{SUFFIXES[0]}", folder / f"{name}{SIDECAR}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _put(told_in, told.toml().encode("utf-8"))
        _put(sound, wav)
        for file in there:
            if file not in (sound, told_in):
                file.unlink()
    except OSError as error:
        raise storage_error(f"Could not write the voice {name!r} into {folder}.", error) from error
    return [sound, told_in]


def remove(data_dir: Path, name: str) -> list[Path]:
    """Take a voice out of the bank; gives the files that are gone. What a link names elsewhere stays.

    Raises:
        MissingError: there is none of this name.
        StorageError: a file cannot be deleted.
    """
    there = files_of(data_dir, name)
    if not there:
        raise MissingError(
            f"There is no voice {name!r} in the bank.", fix="`loc voices list` names those there are."
        )
    try:
        # A recording without the rights to it must not be left behind.
        for file in there:
            file.unlink()
    except OSError as error:
        raise storage_error(f"Could not delete the voice {name!r}.", error) from error
    return there


def files_of(data_dir: Path, name: str) -> list[Path]:
    """The files of a voice in the bank, recordings first."""
    if "/" in name or name.startswith("."):
        return []
    files = [home(data_dir) / f"{name}{suffix}" for suffix in (*SUFFIXES, SIDECAR)]
    return [file for file in files if file.is_file() or file.is_symlink()]


def _put(path: Path, data: bytes) -> None:
    """Write beside the file, flush, and rename: it is there whole or not at all."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(part).chmod(0o644)
        Path(part).replace(path)
    finally:
        with contextlib.suppress(OSError):
            Path(part).unlink(missing_ok=True)


def _table(file: Path, name: str, value: Any) -> Mapping[str, Any]:
    """A table of the file, with text under the keys that are read."""
    wrong = list(_wrong(name, value))
    if wrong:
        raise InputError(f"{file}: {wrong[0]}.", fix=f'Write [{name}] and below it what you know as "text".')
    return dict(value)


def _check_language(file: Path, tag: str | None) -> None:
    """Refuse what names no language: the recording would be foreign to every line."""
    if tag is None or is_language(primary(tag)):
        return
    meant = suggestion(tag)
    fix = f'Write language = "{meant or "de"}", a tag such as ja, es or de.'
    raise InputError(f"{file}: {tag!r} in [recording] is not a language tag.", fix=fix)


def _wrong(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"`{name}` is not a table"
        return
    for key in _TABLES[name]:
        if key in value and not isinstance(value[key], str):
            yield f"`{key}` in [{name}] is not text"


def _text(value: str) -> str:
    """A string of TOML, whose escapes are those of JSON."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Value) -> str:
    return _text(value) if isinstance(value, str) else str(value)
