"""Which weights are on this machine: the folder `DATA_DIR/weights`, read cheaply and trusted by digest.

Each set has a folder, named by its id, with a `manifest.json`: for each file its SHA-256, size and time of
change, and where it lies if that is elsewhere (a tree that was adopted). Digests are computed when a file
comes in; a file whose size or time has changed since is not used until `loc models verify` has read it again,
nor one of another digest than `lock.json` pins it to.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loc.errors import MissingError
from loc.weights.table import SHA256, Row, WeightFile, published

MANIFEST = "manifest.json"
LOCK_FILE = "lock.json"


class Held(BaseModel):
    """A file that came in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=SHA256)
    size: int
    mtime_ns: int
    path: str | None = None
    """Absolute, where the file lies outside the folder."""
    known_as: str | None = None
    """Under which of `WeightFile.also` it came in; None: under its own name."""


class Manifest(BaseModel):
    """What is known of a set of weights that came in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, Held]
    revision: str | None = None
    """Commit of the hub repository they are from."""
    row: Row | None = None
    """Of a set that a user registered."""


class Pins(BaseModel):
    """What first pulls found of one set: an entry of `lock.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: str | None = None
    files: dict[str, str] = Field(default_factory=dict)
    """Path -> SHA-256."""

    def expected(self, file: WeightFile, known_as: str | None = None) -> str | None:
        """The SHA-256 that a file must have: as published or, where nobody publishes it, as pinned.

        Args:
            known_as: as in `Held`.
        """
        published = file.sha256 if known_as is None else None
        return published or self.files.get(known_as or file.path)


@dataclass(frozen=True)
class Weights:
    """A set of weights on this machine, whole."""

    row: Row
    files: Mapping[str, Path]
    """Path inside the source -> file."""
    digests: Mapping[str, str]
    """Path inside the source -> SHA-256."""

    def fingerprint(self) -> dict[str, str]:
        """What stands for these weights in keys: digests, whatever the names they came under."""
        return {f"weights {path}": digest for path, digest in sorted(self.digests.items())}

    def gathered(self, scratch: Path) -> Path:
        """A folder in which links to the files lie as they are published, wherever the files are, and nothing
        else.

        Args:
            scratch: where it is made, unless an earlier call did.
        """
        folder = scratch / "weights" / self.row.id
        for path, file in self.files.items():
            link = folder / path
            link.parent.mkdir(parents=True, exist_ok=True)
            # Several threads may ask at once.
            with contextlib.suppress(FileExistsError):
                link.symlink_to(file.resolve())
        return folder


class Shelf:
    """The weights of one data folder.

    Args:
        data_dir: the data folder; nothing needs to be there.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "weights"

    def rows(self) -> dict[str, Row]:
        """Weights id -> row: the published ones, and those registered here."""
        rows = dict(published())
        if self.folder.is_dir():
            for folder in sorted(self.folder.iterdir()):
                manifest = self.manifest(folder.name)
                if manifest is not None and manifest.row is not None and folder.name not in rows:
                    rows[folder.name] = manifest.row
        return rows

    def manifest(self, weights_id: str) -> Manifest | None:
        """What came in for an id; None if nothing did or the record cannot be read."""
        try:
            raw = (self.folder / weights_id / MANIFEST).read_text("utf-8")
            return Manifest.model_validate(json.loads(raw))
        except (OSError, ValueError, ValidationError):
            return None

    def lacks(self, row: Row) -> str | None:
        """Why a set cannot be used as it is, in words; None where it is whole and unchanged."""
        manifest = self.manifest(row.id)
        if manifest is None:
            return "not on this machine"
        try:
            pins = self.pins(row.id)
        except MissingError as error:
            return error.what.rstrip(".")
        for file in row.files:
            held = manifest.files.get(file.path)
            if held is None:
                return f"{file.path} is missing"
            if held.sha256 != (pins.expected(file, held.known_as) or held.sha256):
                return f"{file.path} is another file than the one published or pinned"
            try:
                found = self.path(row.id, file.path, held).stat()
            except OSError:
                return f"{file.path} is missing"
            if (found.st_size, found.st_mtime_ns) != (held.size, held.mtime_ns):
                return f"{file.path} was changed since it came in"
        return None

    def pins(self, weights_id: str) -> Pins:
        """What first pulls found of a set.

        Raises:
            MissingError: the lock file cannot be read.
        """
        return read_pins(self.folder / LOCK_FILE).get(weights_id, Pins())

    def has(self, weights_id: str) -> bool:
        """Whether a set is here, whole and unchanged."""
        row = self.rows().get(weights_id)
        return row is not None and self.lacks(row) is None

    def find(self, weights_id: str) -> Weights:
        """A set that is here.

        Raises:
            MissingError: it is unknown, not here, incomplete or changed.
        """
        row = self.rows().get(weights_id)
        if row is None:
            raise MissingError(
                f"There are no weights {weights_id!r}.", fix="`loc models list` names those there are."
            )
        if why := self.lacks(row):
            raise MissingError(
                f"The weights {weights_id} cannot be used.",
                why=f"{row.title}: {why}.",
                # Only its date may be another.
                fix=f"loc models verify {weights_id}" if "changed" in why else row.mended_by,
            )
        manifest = self.manifest(weights_id)
        assert manifest is not None
        held = {file.path: manifest.files[file.path] for file in row.files}
        return Weights(
            row,
            {path: self.path(weights_id, path, item) for path, item in held.items()},
            {path: item.sha256 for path, item in held.items()},
        )

    def path(self, weights_id: str, path: str, held: Held) -> Path:
        """Where a file that came in lies."""
        return Path(held.path) if held.path is not None else self.folder / weights_id / path


def read_pins(path: Path) -> dict[str, Pins]:
    """What a lock file holds: weights id -> pins. Nothing where it is not there.

    Raises:
        MissingError: it cannot be read, or is none.
    """
    try:
        raw = json.loads(path.read_text("utf-8"))
        pins = {name: Pins.model_validate(pin) for name, pin in raw.items()}
        if any(not re.fullmatch(SHA256, digest) for pin in pins.values() for digest in pin.files.values()):
            raise ValueError("a digest is none")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise MissingError(
            f"{path} cannot be read.",
            why=str(error).splitlines()[0],
            fix="Put an earlier copy back, or delete it: digests are recorded again then.",
        ) from error
    return pins
