"""Environments of workers for tests: made of this very Python, which runs a double in place of the worker."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from loc import environments
from loc.environments import LOCK, STATE, State


def furnish(data: Path, name: str, double: Path, *flags: str) -> None:
    """An environment whose Python is the double, whatever module it is told to run."""
    row = environments.known()[name]
    folder = data / "envs" / name
    python = folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f"#!{sys.executable}\nimport runpy, sys\nassert sys.argv[1:3] == ['-P', '-m'], sys.argv\n"
        f"sys.argv = {[str(double), *flags]!r}\nrunpy.run_path({str(double)!r}, run_name='__main__')\n"
    )
    python.chmod(0o755)
    lock = f"{name}==1.0 --hash=sha256:{'0' * 64}\n".encode()
    (folder / LOCK).write_bytes(lock)
    state = State(requirements=row.digest, lock=hashlib.sha256(lock).hexdigest(), python="3.11")
    (folder / STATE).write_text(state.model_dump_json())
