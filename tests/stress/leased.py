"""`python -m tests.stress.leased` is `loc`, which notes who has a device and lets it go when another process
waits for it.

What it notes lies in the data folder: `turns`, a line for each turn, and `inside`, there during one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.main import main
from loc import device as devices

LOOK_S = 0.05
LOOKS = 2400
"""Two minutes: by then the others have died, and the test says so."""

_take = devices.lease


@contextmanager
def lease(data_dir: Path, device: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """As `loc.device.lease`; ends the run with an error where two have the device at once."""

    def tell() -> None:
        (data_dir / "waited").touch()
        if waiting is not None:
            waiting()

    with _take(data_dir, device, tell):
        inside = data_dir / "inside"
        try:
            inside.touch(exist_ok=False)
        except FileExistsError:
            (data_dir / "waited").touch()
            raise
        with (data_dir / "turns").open("a") as turns:
            turns.write(f"{os.getpid()}\n")
        for _ in range(LOOKS):
            if (data_dir / "waited").exists():
                break
            time.sleep(LOOK_S)
        try:
            yield
        finally:
            inside.unlink()


devices.lease = lease

if __name__ == "__main__":
    main()
