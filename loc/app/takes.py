"""Takes that the user asked for: which take of a line is wanted first, kept in the work directory.

`takes/<source>/<language>.json`: line -> the take, and the digest of the text it was asked for. A line whose
text has changed since is another line, and begins with its first take again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from loc.stage import WantedTake
from loc.store.workdir import WorkDir


def read(store: WorkDir, source: str, language: str) -> Mapping[str, WantedTake]:
    """Line -> what was asked for; nothing where the file is missing or cannot be read.

    Args:
        source: digest of the input.
    """
    try:
        raw = json.loads(_path(store, source, language).read_text("utf-8"))
        return {str(line): WantedTake(str(item["text"]), int(item["take"])) for line, item in raw.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def write(store: WorkDir, source: str, language: str, takes: Mapping[str, WantedTake]) -> None:
    """Keep what was asked for.

    Raises:
        StorageError: the work directory cannot be written.
    """
    entries = {line: {"text": item.text, "take": item.take} for line, item in sorted(takes.items())}
    store.write(_path(store, source, language), json.dumps(entries, indent=1).encode())


def _path(store: WorkDir, source: str, language: str) -> Path:
    return store.root / "takes" / source / f"{language}.json"
