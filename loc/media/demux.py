"""Packets as PyAV demuxes them, up to where a file ends, breaks off, or cannot be read."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import av.error

from loc.errors import InputError

_OF_DATA = frozenset({errno.EPERM, errno.EAGAIN})
"""Numbers of system errors that libavformat also returns for data it can make nothing of: -1, and its "try
again"."""


def packets(path: Path, demuxed: Iterator[Any], broken: Callable[[], None]) -> Iterator[Any]:
    """What is demuxed, to its end.

    Args:
        path: the file, to name it.
        broken: told where the data break off or are damaged, behind which nothing comes.

    Raises:
        InputError: the disk or the network failed.
    """
    while True:
        try:
            packet = next(demuxed)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            # PyAV's errors with a number of the system are builtin ones as well.
            if isinstance(error, OSError) and error.errno not in _OF_DATA:
                raise InputError(
                    f"{path} could not be read to its end.",
                    why=f"{error.strerror}.",
                    fix="Check the disk or the network share it is on, then run again.",
                ) from error
            broken()
            return
        yield packet
