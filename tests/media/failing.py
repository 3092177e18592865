"""A disk that fails while a file is read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import av
import av.error
import pytest


class _Container:
    """What PyAV opened, until so many packets were read."""

    def __init__(self, container: Any, packets: int, number: int) -> None:
        self._container = container
        self._packets = packets
        self._errno = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def __enter__(self) -> _Container:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._container.close()

    def demux(self, *streams: Any) -> Iterator[Any]:
        for number, packet in enumerate(self._container.demux(*streams)):
            if number == self._packets:
                raise av.error.OSError(self._errno, os.strerror(self._errno))
            yield packet


def fail_after(monkeypatch: pytest.MonkeyPatch, packets: int, number: int = errno.EIO) -> None:
    """Let reading any file fail behind so many packets, as PyAV says it of a failing disk."""
    opened = av.open
    monkeypatch.setattr(
        av, "open", lambda *args, **options: _Container(opened(*args, **options), packets, number)
    )
