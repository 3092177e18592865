"""Weights on the shelf of a data folder, as `loc models` puts a fine-tune of the user's there."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from loc.weights.shelf import MANIFEST, Held, Manifest
from loc.weights.table import Place, Row, WeightFile


def registered(weights_id: str, architecture: str | None, *files: str, **changes: Any) -> Row:
    """The row of a set that the user brought.

    Args:
        files: their names; what a place does not hold counts as not there.
        changes: other fields of the row.
    """
    given: dict[str, Any] = {"title": weights_id, "licence": "mit", **changes}
    return Row(
        id=weights_id,
        architecture=architecture,
        source=Place(kind="registered"),
        files=tuple(WeightFile(path=name) for name in files),
        **given,
    )


def place(folder: Path, row: Row, *files: tuple[str, bytes], elsewhere: Path | None = None) -> None:
    """Put a set on the shelf of a data folder.

    Args:
        elsewhere: where its files lie, if not on the shelf itself.
    """
    home = folder / "weights" / row.id
    home.mkdir(parents=True)
    held = {}
    for name, content in files:
        path = (elsewhere or home) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        stat = path.stat()
        held[name] = Held(
            sha256=hashlib.sha256(content).hexdigest(),
            size=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
            path=str(path) if elsewhere else None,
        )
    (home / MANIFEST).write_text(Manifest(files=held, row=row).model_dump_json())
