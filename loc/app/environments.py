"""Makes environments of workers: a virtual environment, packages by pip, a lock, a proof.

The first time, pip resolves the requirements and what it installed is written down with hashes; ever after
that is installed and nothing else, so that an environment made again, or on another machine with the lock
copied there, gives the same keys. The only network there is goes through pip, because the user asked for it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from loc.environments import LOCK, LOCKED_FOR, STATE, Environment, State
from loc.errors import ChildError, StorageError
from loc.process import inherited, run

PIP = ("-P", "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")

Say = Callable[[str], None]


def make(environment: Environment, say: Say = lambda _: None) -> State:
    """Make an environment, or find it made.

    Args:
        say: told what is being done, for people.

    Raises:
        ChildError: pip failed, or what it installed cannot be imported; nothing usable is left then.
        StorageError: the data folder cannot be written.
    """
    if environment.lacks() is None:
        return environment.require()
    try:
        return _made(environment, say)
    except OSError as error:
        raise StorageError(
            f"The environment {environment.row.id} could not be written.", why=f"{error.strerror}."
        ) from error


def remove(environment: Environment) -> bool:
    """Delete an environment, its lock included; whether there was anything."""
    there = environment.folder.exists()
    shutil.rmtree(environment.folder, ignore_errors=True)
    return there


def _made(environment: Environment, say: Say) -> State:
    row, folder = environment.row, environment.folder
    locked_for = environment.locked_for
    locked = locked_for == row.digest
    folder.mkdir(parents=True, exist_ok=True)
    if locked_for is not None and not locked:
        say("Its lock is of other requirements, and not used")
        environment.lock.unlink()
    (folder / STATE).unlink(missing_ok=True)
    shutil.rmtree(folder / "venv", ignore_errors=True)
    say(f"Making a virtual environment for {row.title}")
    run([sys.executable, "-P", "-m", "venv", str(folder / "venv")], env=_clean())
    python = str(environment.python)
    if locked:
        say("Installing what its lock names")
        run(
            [python, *PIP, "install", "--require-hashes", "--no-deps", "-r", str(environment.lock)],
            env=_clean(),
        )
    else:
        say("Installing its packages, which may take minutes and gigabytes")
        lock = _installed(python, folder, *row.requirements)
        if row.alone:
            lock += _installed(python, folder, "--no-deps", *row.alone)
        _write(folder / LOCK, f"{LOCKED_FOR}{row.digest}\n{lock}".encode())
    say("Trying it")
    run([python, "-P", "-c", "; ".join(f"import {module}" for module in row.proof)], env=_clean())
    state = State(
        requirements=row.digest,
        lock=environment.lock_digest(),
        python=platform.python_version(),
    )
    _write(folder / STATE, state.model_dump_json(indent=1).encode() + b"\n")
    return state


def _installed(python: str, folder: Path, *arguments: str) -> str:
    """Install packages, and what was installed as the lines of a lock."""
    report = folder / "report.json"
    run([python, *PIP, "install", "--report", str(report), *arguments], env=_clean())
    found = json.loads(report.read_text("utf-8"))
    report.unlink()
    return locked_by(found)


def locked_by(report: Mapping[str, Any]) -> str:
    """pip's report of what it installed, as requirements with hashes.

    Raises:
        ChildError: something was installed whose hash pip does not tell.
    """
    lines = []
    for item in report["install"]:
        name, version = item["metadata"]["name"], item["metadata"]["version"]
        hashes = item.get("download_info", {}).get("archive_info", {}).get("hashes", {})
        if "sha256" not in hashes:
            raise ChildError(
                f"The environment cannot be locked: pip tells no hash of {name}.",
                fix="Install from an index that names hashes.",
            )
        lines.append(f"{name}=={version} --hash=sha256:{hashes['sha256']}")
    return "\n".join(sorted(lines, key=str.lower)) + "\n"


def _clean() -> dict[str, str]:
    """What children inherit, without those that would let our packages into the other environment."""
    return {
        name: value
        for name, value in inherited().items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
    }


def _write(path: Path, data: bytes) -> None:
    """All of a file or nothing."""
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
