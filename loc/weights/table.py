"""What weights there are: rows of `table.toml`, and those a user registered."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from loc.errors import InputError

SHA256 = r"^[0-9a-f]{64}$"

MOST_LISTED = 8
"""Files that a message names: enough to see what a folder is."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(_Row):
    """Where weights are published."""

    kind: Literal["hub", "url", "registered"]
    """`registered`: a user's own, which nobody publishes."""
    place: str = ""
    """`owner/name` on the hub; the address of the folder, with a slash at its end."""
    revision: str | None = None
    """Commit of a hub repository; None: the one that the first pull finds, recorded then."""


class WeightFile(_Row):
    """One file, by its path inside the source."""

    path: str
    sha256: str | None = Field(default=None, pattern=SHA256)
    """None: recorded at the first pull."""
    size: int | None = None
    """Bytes."""
    also: tuple[str, ...] = ()
    """Other paths under which other programs keep a file of the same tensors, in another form. One is adopted
    in this one's place by where it lies, as no digest of it is published."""


class Spoken(_Row):
    """Languages a model knows, as in `loc.backend.Languages`; BCP-47 primary tags."""

    source: tuple[str, ...] = ("*",)
    target: tuple[str, ...] = ("*",)
    pairs: tuple[tuple[str, str], ...] | None = None


class Row(_Row):
    """One set of weights: files that are loaded together."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    title: str
    architecture: str | None = None
    rank: int = 50
    quality: Literal["basic", "good", "best"] | None = None
    """None: that of the backend's card."""
    licence: str
    """Id of `loc/policy/licences.toml`."""
    memory_mb: int = 0
    about_mb: int | None = None
    """What the files take together, MiB, for people; where the sizes of all are stated it is not needed."""
    access: str | None = None
    """What is asked of whoever wants the files, in words; None: they are there for everybody."""
    languages: Spoken | None = None
    """None: those of the backend's card."""
    marks: Mapping[str, tuple[int, ...]] = Field(default_factory=dict)
    """Tensors by which its state is told from others': name -> shape."""
    homes: tuple[str, ...] = ()
    """Folders, `sd-vae` or `checkpoints/vae`, in which other programs keep these files."""
    source: Place
    files: tuple[WeightFile, ...]

    @property
    def size(self) -> int | None:
        """Bytes of all files, or about; None where nobody knows."""
        sizes = [file.size for file in self.files]
        if None not in sizes:
            return sum(size or 0 for size in sizes)
        return None if self.about_mb is None else self.about_mb << 20

    @property
    def mended_by(self) -> str:
        """What brings a file that is missing, or another one: a command, or what the user can do."""
        if self.source.kind == "registered":
            return f"Put the file back, or `loc models remove {self.id}` and add it again."
        return f"loc models pull {self.id}"

    def checkpoint(self, suffixes: Sequence[str], beside: Sequence[str] = ()) -> str:
        """The path of the one file that is loaded: the only one of these suffixes, or the only one at all.

        Args:
            beside: paths of others that must be there.

        Raises:
            InputError: there are several such files, or none; or another lacks.
        """
        paths = [file.path for file in self.files]
        ending = paths if len(paths) == 1 else [path for path in paths if path.endswith(tuple(suffixes))]
        lacking = [path for path in beside if path not in paths]
        if len(ending) == 1 and not lacking:
            return ending[0]
        wanted = " and ".join([f"one file that ends in {' or '.join(suffixes)}", *beside])
        some = ", ".join(paths[:MOST_LISTED])
        more = f" and {len(paths) - MOST_LISTED} more" if len(paths) > MOST_LISTED else ""
        raise InputError(
            f"{self.title} cannot be loaded.",
            why=f"Its backend reads {wanted}; its files are {some}{more}.",
            fix="Register a folder with the files of one model, in the form that its backend reads.",
        )

    @model_validator(mode="after")
    def _safe_paths(self) -> Row:
        for file in self.files:
            parts = file.path.split("/")
            if (
                file.path.startswith("/")
                or "\\" in file.path
                or any(part in ("", ".", "..") for part in parts)
            ):
                raise ValueError(f"{self.id}: {file.path!r} leaves the folder")
        return self


@cache
def published() -> Mapping[str, Row]:
    """Weights id -> row of `table.toml`."""
    raw = tomllib.loads(resources.files("loc.weights").joinpath("table.toml").read_text("utf-8"))
    return {name: Row(id=name, **row) for name, row in raw.items()}
