"""Environments of workers: what each holds, whether it is there, and how a worker is started in it.

An environment is a folder of the data folder, `envs/NAME`: a virtual environment `venv`, made by the Python
that runs `loc`; `lock.txt`, every package with version and hash as it was first installed, and for which
requirements; and `environment.json`, which is written last. Nothing of `loc`'s own environment is seen in it
but the code of `loc` itself. `loc.app.environments` makes them.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources, util
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from loc import process
from loc.errors import MissingError
from loc.store.keys import digest_bytes, digest_value

STATE = "environment.json"
LOCK = "lock.txt"
LOCKED_FOR = "# for requirements "
"""How the first line of a lock begins that says what it is of, by `Row.digest`; a comment to pip."""

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONNOUSERSITE": "1"}
"""A worker's packages must not look for files on a hub: they are given paths."""
_NOT_HANDED_ON = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Row(_Frozen):
    """What an environment is made of."""

    id: str
    title: str
    requirements: tuple[str, ...]
    """As pip takes them; nothing else decides what is installed at first."""
    alone: tuple[str, ...] = ()
    """The same, of packages that are installed without what they ask for."""
    proof: tuple[str, ...]
    """Modules that must be importable in the end."""
    size: str
    """What it takes on disk, in words: it depends on which torch the platform brings."""

    @property
    def digest(self) -> str:
        """Of what it is to hold; an environment made for other requirements is made anew."""
        return digest_value([*self.requirements, *(f"alone {item}" for item in self.alone)])


class State(_Frozen):
    """What is known of an environment that was made."""

    requirements: str
    """`Row.digest` it was made for."""
    lock: str
    """`Environment.lock_digest`."""
    python: str


@cache
def known() -> Mapping[str, Row]:
    """Environments by name."""
    raw = tomllib.loads(resources.files("loc").joinpath("environments.toml").read_text("utf-8"))
    return {name: Row(id=name, **row) for name, row in raw.items()}


@dataclass(frozen=True)
class Environment:
    """An environment of one data folder, there or not.

    Args:
        row: what it is to hold.
        folder: its own.
    """

    row: Row
    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "venv" / "bin" / "python"

    @property
    def lock(self) -> Path:
        """What was installed: pip's requirements with hashes."""
        return self.folder / LOCK

    @property
    def locked_for(self) -> str | None:
        """`Row.digest` of what its lock is of; None without a lock."""
        try:
            first = self.lock.read_text("utf-8").partition("\n")[0]
        except (OSError, ValueError):
            return None
        if first.startswith(LOCKED_FOR):
            return first.removeprefix(LOCKED_FOR).strip()
        # Older locks do not say; where nothing stands beside them either they were copied here, to be used.
        state = self.state()
        return self.row.digest if state is None else state.requirements

    def lock_digest(self) -> str:
        """SHA-256 of the packages in its lock, whatever requirements led to them.

        Raises:
            OSError: there is none.
        """
        lines = self.lock.read_bytes().splitlines(keepends=True)
        return digest_bytes(b"".join(line for line in lines if not line.startswith(b"#")))

    def state(self) -> State | None:
        """What is known of it; None where it was not made to the end."""
        try:
            return State.model_validate(json.loads((self.folder / STATE).read_text("utf-8")))
        except (OSError, ValueError, ValidationError):
            return None

    def lacks(self) -> str | None:
        """Why it cannot be used, in words; None where it can."""
        state = self.state()
        if state is None or not self.python.exists():
            return "not made yet"
        if state.requirements != self.row.digest:
            return "made for other requirements"
        try:
            if self.lock_digest() != state.lock:
                return "its lock was changed"
        except OSError:
            return "its lock is missing"
        return None

    def require(self) -> State:
        """What is known of it.

        Raises:
            MissingError: it cannot be used.
        """
        why, state = self.lacks(), self.state()
        if why is not None or state is None:
            raise MissingError(
                f"The environment {self.row.id} cannot be used.",
                why=f"{self.row.title}: {why}.",
                fix=f"loc models env {self.row.id}",
            )
        return state

    def fingerprint(self) -> dict[str, str]:
        """What stands for all its packages in keys.

        Raises:
            MissingError: it cannot be used.
        """
        return {f"environment {self.row.id}": self.require().lock}

    def command(self, module: str, scratch: Path) -> tuple[list[str], dict[str, str]]:
        """Arguments and variables that run a module of ours as a worker in it.

        Args:
            module: e.g. `stages.dub.kokoro_worker`. It may import `loc.worker` and what that stands on.
            scratch: a folder for the links by which our code is found, without our packages.

        Raises:
            MissingError: it cannot be used.
        """
        self.require()
        variables = {name: value for name, value in process.inherited().items() if name not in _NOT_HANDED_ON}
        code = _linked(scratch / f"code-{self.row.id}", ("loc", module.split(".")[0]))
        # -P would keep a module of the current folder from standing in for one of the environment.
        return [str(self.python), "-P", "-m", module], {**variables, **OFFLINE, "PYTHONPATH": str(code)}


def find(data_dir: Path, name: str) -> Environment:
    """An environment by its name.

    Raises:
        MissingError: there is none of that name.
    """
    row = known().get(name)
    if row is None:
        raise MissingError(f"There is no environment {name!r}.", fix=f"Known: {', '.join(sorted(known()))}.")
    return Environment(row, data_dir / "envs" / name)


def _linked(folder: Path, packages: tuple[str, ...]) -> Path:
    """A folder with links to packages of ours and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in dict.fromkeys(packages):
        spec = util.find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations
        link = folder / package
        if not link.is_symlink():
            link.symlink_to(Path(next(iter(spec.submodule_search_locations))).resolve())
    return folder
