"""Installed packages: their versions, as they stand in keys, and those that say more than they should."""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import threading
from collections.abc import Iterator
from importlib import metadata
from types import ModuleType
from typing import IO, Any

_IMPORTING = threading.Lock()


@functools.cache
def version(package: str) -> str:
    """Version of a distribution, read once per process: its metadata takes a millisecond to parse, and a long
    programme has thousands of keys.

    Raises:
        importlib.metadata.PackageNotFoundError: it is not installed.
    """
    return metadata.version(package)


@functools.cache
def import_quietly(module: str) -> ModuleType:
    """A module that prints to stdout, where our data goes, when it is first imported."""
    # Two threads that stood in for stdout at once would leave one's stand-in behind.
    with _IMPORTING, _stdout_muted():
        return importlib.import_module(module)


class _Muted:
    """A text stream that swallows what one thread prints and passes on the rest."""

    def __init__(self, stream: IO[str], thread: int) -> None:
        self._stream = stream
        self._thread = thread

    def write(self, text: str) -> int:
        return len(text) if threading.get_ident() == self._thread else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _stdout_muted() -> Iterator[None]:
    before = sys.stdout
    sys.stdout = _Muted(before, threading.get_ident())
    try:
        yield
    finally:
        sys.stdout = before
