"""The `config.json` beside a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loc.errors import MissingError


def read_config(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        MissingError: it holds none, or cannot be read.
    """
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(read, dict):
        raise _unusable(path, "It holds no object.")
    return read


def _unusable(path: Path, why: str) -> MissingError:
    return MissingError(
        f"{path.name} cannot be used.",
        why=f"{path}: {why}",
        fix="`loc models verify` reads every file again; pull or register the one that belongs there.",
    )
