"""Folders of weights as other programs leave them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Files by path inside a folder, which is returned."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def hub_cache(folder: Path, place: str, revision: str, files: Mapping[str, bytes]) -> Path:
    """A hub's cache: blobs under their digests, and links to them under each commit.

    Args:
        place: the repository, `owner/name`.
        files: by path inside it.
    """
    home = folder / f"models--{place.replace('/', '--')}"
    for path, data in files.items():
        blob = home / "blobs" / hashlib.sha256(data).hexdigest()
        link = home / "snapshots" / revision / path
        for one in (blob, link):
            one.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return folder
