"""`loc` with a fault planted: `python -m tests.app.regress.faulty FAULT run ...`.

Each fault changes what the code really does and nothing of what it says about it: versions and keys stay.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np

from cli.main import main
from loc.artifacts import SAMPLE_RATE
from loc.errors import LocError
from loc.media import compose, encode
from loc.media.patches import read_patches
from loc.media.sound import Samples
from stages.dub import fit
from stages.lipsync.warp import Warp

SHIFT = SAMPLE_RATE // 5
"""200 ms."""

BURNT_S = 12.0
"""Processor seconds: more than the short film costs."""

HOARDED = 800_000_000
"""Bytes, more than a run of the short film needs at any moment."""

_hoard: list[bytes] = []


def late() -> None:
    """Every line 200 ms behind its place, and the mouth with it."""
    place_lines = fit.place_lines

    def placed(*args: Any) -> list[fit.Placed]:
        return [fit.Placed(one.place + SHIFT, one.samples, one.fit) for one in place_lines(*args)]

    patch("stages.dub.stage.place_lines", placed).start()


def late_sound() -> None:
    """The sound of the file 200 ms late; the report knows nothing of it."""

    def delayed(blocks: Iterable[Samples]) -> Iterator[Samples]:
        held: Samples | None = None
        for block in blocks:
            held = np.zeros((SHIFT, block.shape[1]), np.float32) if held is None else held
            joined = np.concatenate([held, block])
            held = joined[len(block) :]
            yield joined[: len(block)]

    _sounding(delayed)


def louder() -> None:
    """The sound of the file 3 dB up."""
    _sounding(lambda blocks: (block * np.float32(10 ** (3 / 20)) for block in blocks))


def _sounding(change: Callable[[Iterable[Samples]], Iterable[Samples]]) -> None:
    encode_sound = encode.encode_sound

    def changed(blocks: Iterable[Samples], *args: Any, **more: Any) -> int:
        return encode_sound(change(blocks), *args, **more)

    encode.encode_sound = changed


def overlong() -> None:
    """No line is ever hurried."""
    fit.MAX_RATE = fit.MAX_STRETCH = 1.0


def undrawn() -> None:
    """Patches are made, counted and not put on the picture."""
    compose.apply_patch = lambda planes, *_: planes


def blurred() -> None:
    """Patches are put on out of focus."""

    def soft(*args: Any) -> Iterator[Any]:
        return (cv2.GaussianBlur(pixels, (0, 0), 4) for pixels in read_patches(*args))

    patch("stages.deliver.picture.read_patches", soft).start()


def undrawable() -> None:
    """Drawing fails."""

    def fail(*_args: Any, **_more: Any) -> Any:
        raise LocError("The face was lost.")

    Warp.draw = fail  # type: ignore[method-assign]


def slow_and_fat() -> None:
    """Time and memory are spent on nothing."""
    _hoard.append(os.urandom(1024) * (HOARDED // 1024))
    until = time.process_time() + BURNT_S
    while time.process_time() < until:
        sum(range(10_000))


def dead() -> None:
    """It dies without a word."""
    os.abort()


FAULTS: Mapping[str, Callable[[], None]] = {
    function.__name__: function
    for function in (late, late_sound, louder, overlong, undrawn, blurred, undrawable, slow_and_fat, dead)
}


if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    main()
