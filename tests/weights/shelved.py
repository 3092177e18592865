"""Weights for tests that need files under their published names, whatever is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from loc.weights.shelf import MANIFEST, Held, Manifest
from loc.weights.table import published


def shelve(data: Path, weights_id: str) -> None:
    """Files under the published names, registered as a user's own."""
    row = published()[weights_id]
    files = tuple(file.model_copy(update={"sha256": None, "size": None}) for file in row.files)
    own = row.model_copy(update={"id": f"tiny-{weights_id}", "files": files, "memory_mb": 1})
    held = {}
    folder = data / "weights" / own.id
    for file in own.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.path.encode())
        found = path.stat()
        digest = hashlib.sha256(file.path.encode()).hexdigest()
        held[file.path] = Held(sha256=digest, size=found.st_size, mtime_ns=found.st_mtime_ns)
    (folder / MANIFEST).write_text(Manifest(files=held, row=own).model_dump_json())
