"""`loc` with a fault planted: `python -m tests.app.regress.faulty FAULT run ...`.

Each fault changes what the code really does and nothing of what it says about it: versions and keys stay.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from pydantic import BaseModel

from cli.main import main
from loc.artifacts import SAMPLE_RATE, Ref
from loc.errors import ChildError, LocError
from loc.media import compose, encode, mux
from loc.media.frames import Planes
from loc.media.patches import read_patches
from loc.media.sound import Samples
from loc.runner import Out
from stages.deliver import picture
from stages.dub import fit, mix
from stages.dub.espeak import Espeak
from stages.lipsync.contract import Patch, RedrawWindow
from stages.lipsync.warp import Warp

SHIFT = SAMPLE_RATE // 5
"""200 ms."""

BURNT_S = 12.0
"""Processor seconds: more than the short film costs."""

HOARDED = 800_000_000
"""Bytes, more than a run of the short film needs at any moment."""

UNSPEAKABLE = "oso"
"""A word of one line alone."""

TINT = (-30, 20, -30)
"""8-bit red, green and blue."""

SHAKEN = 3
"""Pixels of the patch, every second frame."""

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


def faint() -> None:
    """The dub is laid 3 dB under the speech whose place it takes."""
    store = Out.model

    def fainter(self: Out, name: str, model: BaseModel) -> Ref:
        if isinstance(model, mix.Level):
            model = model.model_copy(update={"gain_db": model.gain_db - 3})
        return store(self, name, model)

    Out.model = fainter  # type: ignore[method-assign]


def _sounding(change: Callable[[Iterable[Samples]], Iterable[Samples]]) -> None:
    encode_sound = encode.encode_sound

    def changed(blocks: Iterable[Samples], *args: Any, **more: Any) -> int:
        return encode_sound(change(blocks), *args, **more)

    encode.encode_sound = changed


def overlong() -> None:
    """No line is ever hurried."""
    fit.MAX_RATE = fit.MAX_STRETCH = 1.0


def hasty() -> None:
    """Every line is spoken as fast as can be, and compressed as far as can be."""
    fit.rate_for = lambda *_: fit.MAX_RATE
    fit.stretch_for = lambda *_: fit.MAX_STRETCH


def mute() -> None:
    """One line cannot be said."""
    speak = Espeak.speak

    def choked(self: Espeak, text: str, *args: Any, **more: Any) -> Any:
        if UNSPEAKABLE in text:
            raise ChildError("The voice broke.")
        return speak(self, text, *args, **more)

    Espeak.speak = choked  # type: ignore[method-assign]


def cut_short() -> None:
    """The last picture is not in the file."""
    packets = mux._picture_packets

    def fewer(*args: Any) -> Iterator[Any]:
        held = None
        for packet in packets(*args):
            if held is not None:
                yield held
            held = packet

    patch("loc.media.mux._picture_packets", fewer).start()


def stamped() -> None:
    """A corner of every picture is covered."""
    composite = picture.composite

    def covered(*args: Any) -> Iterator[Planes]:
        for planes in composite(*args):
            luma = planes.y.copy()
            luma[: len(luma) // 4, : luma.shape[1] // 4] = 16
            yield replace(planes, y=luma)

    patch("stages.deliver.picture.composite", covered).start()


def late_lips() -> None:
    """Drawn is what was to be drawn three frames earlier."""
    _planned(lambda curve: np.concatenate([np.repeat(curve[:1], 3), curve[:-3]]))


def babbling() -> None:
    """The right movement is drawn backwards: as lively, and wrong."""
    _planned(lambda curve: curve[::-1])


def _planned(change: Callable[[Any], Any]) -> None:
    draw = Warp.draw

    def drawn(self: Warp, window: RedrawWindow) -> Iterator[Patch]:
        plan = window.plan
        changed = replace(plan, aperture=change(plan.aperture), width=change(plan.width))
        yield from draw(self, replace(window, plan=changed))

    Warp.draw = drawn  # type: ignore[method-assign]


def tinted() -> None:
    """What is drawn has another colour."""
    _drawn(lambda pixels, _: np.clip(pixels.astype(int) + TINT, 0, 255).astype(np.uint8))


def soft() -> None:
    """What is drawn is out of focus."""
    _drawn(lambda pixels, _: np.asarray(cv2.GaussianBlur(pixels, (0, 0), 3), np.uint8))


def shaken() -> None:
    """What is drawn trembles."""
    _drawn(lambda pixels, number: np.roll(pixels, SHAKEN * (number % 2), axis=0))


def _drawn(change: Callable[[Any, int], Any]) -> None:
    draw = Warp.draw

    def changed(self: Warp, window: RedrawWindow) -> Iterator[Patch]:
        for number, made in enumerate(draw(self, window)):
            yield replace(made, pixels=change(made.pixels, number))

    Warp.draw = changed  # type: ignore[method-assign]


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
    for function in (
        late, late_sound, louder, faint, overlong, hasty, mute, cut_short, stamped, undrawn, blurred,
        undrawable, late_lips, babbling, tinted, soft, shaken, slow_and_fat, dead,
    )
}  # fmt: skip


if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    main()
