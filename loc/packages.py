"""Versions of installed packages, as they stand in keys."""

from __future__ import annotations

import functools
from importlib import metadata


@functools.cache
def version(package: str) -> str:
    """Version of a distribution, read once per process: its metadata takes a millisecond to parse, and a long
    programme has thousands of keys.

    Raises:
        importlib.metadata.PackageNotFoundError: it is not installed.
    """
    return metadata.version(package)
