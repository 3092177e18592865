"""Devices: one user of a device at a time, across processes.

A backend that fills a device's memory takes its lease while it is loaded, so that four `loc run` side by
side do not load four models at once. The lease is a lock file in the data folder, which all work directories
share; the kernel releases it when its holder dies.

The kernel wakes those who wait for a lock but lets a newcomer snatch it. So there is a gate before the
device: who is next holds it and waits for the device alone, and who has had the device comes after.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from loc.store import locks
from loc.store.workdir import storage_error

_NAME = re.compile(r"[a-z0-9]+(:[0-9]+)?")
"""`cpu`, `cuda:0`: as torch names devices."""


@contextlib.contextmanager
def lease(data_dir: Path, device: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a device. Nobody gets it twice in a row while another waits.

    Args:
        data_dir: the data folder.
        device: its name, `cuda:0`.
        waiting: called once if another process holds it now.

    Raises:
        StorageError: the data folder cannot be written.
    """
    if not _NAME.fullmatch(device):
        raise ValueError(f"not a device name: {device!r}")
    told: list[bool] = []

    def tell() -> None:
        if waiting is not None and not told:
            told.append(True)
            waiting()

    folder = data_dir / "leases"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        name = device.replace(":", "-")
        with locks.acquire(folder / f"{name}.gate", waiting=tell):
            held = locks.acquire(folder / f"{name}.lock", waiting=tell)
    except OSError as error:
        raise storage_error(f"Could not take the lease of {device} in {folder}.", error) from error
    with held:
        yield
