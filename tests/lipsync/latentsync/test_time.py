"""What a picture hears: the ten rows about its own middle, at every rate, in windows laid anywhere."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest

from loc.artifacts import SAMPLE_RATE, Clip, FrameRange
from loc.media.sound import encode_flac
from loc.stage import Context
from loc.store.workdir import WorkDir
from stages.lipsync import redraw
from stages.lipsync.contract import HEARD_RATE, Heard
from stages.lipsync.latentsync.drawing import hearing
from stages.lipsync.latentsync.heard import tokens
from stages.lipsync.latentsync.windows import SIZE
from stages.lipsync.nets.whisper_features import ROW
from tests.lipsync.clicks import RATES, Loudness, edges, film_of, variable
from tests.upstream.latentsync import chunk_rows


def there_at(rate: str, seconds: int) -> npt.NDArray[np.int64]:
    return (
        variable(np.random.default_rng(7), seconds) if rate == "variable" else edges(Fraction(rate), seconds)
    )


def heard_windows(heard: Heard) -> list[tuple[list[int], npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """(numbers, rows, sound) of every window of pictures."""
    every = list(range(len(heard.middles)))
    return [
        (part, *hearing(heard, [int(heard.middles[index]) for index in part]))
        for part in (every[at : at + SIZE] for at in range(0, len(every), SIZE))
    ]


@pytest.mark.parametrize("rate", [*RATES, "variable"])
def test_every_picture_hears_the_rows_about_its_own_middle(rate: str) -> None:
    there = there_at(rate, 60)
    middles = (there[:-1] + there[1:]) // 2 * HEARD_RATE // SAMPLE_RATE
    # Each sample says its own place.
    heard = Heard(np.arange(middles[-1] + 2 * HEARD_RATE, dtype=np.float32), middles)
    off: list[npt.NDArray[np.float64]] = []
    for part, rows, sound in heard_windows(heard):
        inside = part[0] > 0
        assert rows.shape == (len(part), 10)
        # The middle of ten rows is where the sixth begins.
        off.append(rows[:, 5] * ROW + sound[0] - middles[part])
        assert (np.diff(rows, axis=1) == 1).all() or not inside
        assert sound[0] <= max(0, middles[part[0]] - HEARD_RATE)
    apart = np.concatenate(off)
    assert np.abs(apart).max() <= ROW / 2
    # A sixth of the frames at 60 a second lie in the middle between two rows, and all take the later.
    assert abs(apart.mean()) < ROW / 8


def test_at_25_frames_the_rows_are_upstreams() -> None:
    middles = (2 * np.arange(16) + 1) * ROW
    rows, sound = hearing(Heard(np.zeros(32 * ROW, np.float32), middles), middles.tolist())
    assert len(sound) == 32 * ROW
    np.testing.assert_array_equal(rows, chunk_rows(32, 25)[:16])


@pytest.mark.parametrize("rate", [*RATES, "variable"])
def test_click_and_flash_fall_together(rate: str, store: WorkDir) -> None:
    rng = np.random.default_rng(7)
    there = there_at(rate, 100)
    film, nets = film_of(there), Loudness()
    context = cast(Context, SimpleNamespace(store=store))
    start = int(np.searchsorted(there, 90 * SAMPLE_RATE))
    frames = FrameRange(start=start, stop=start + 100)
    length = int(there[frames.stop] - there[start])
    apart: list[float] = []
    for at in rng.integers(SAMPLE_RATE // 5, length - SAMPLE_RATE // 5, 24):
        sound = np.zeros(int(at) + 480, dtype=np.float32)
        sound[int(at) : int(at) + 240] = 0.5
        clip = Clip.model_construct(
            place=int(there[start]), samples=len(sound), audio=store.put_bytes(encode_flac(sound))
        )
        heard = redraw.heard(context, film, frames, [clip])
        bright = np.concatenate(
            [nets.flash(tokens(nets.hear(said), rows)) for _, rows, said in heard_windows(heard)]
        )
        flashes = np.flatnonzero(bright > 0.999 * bright.max())
        shown = (there[start + flashes] + there[start + flashes + 1]) / 2
        clicked = int(there[start]) + int(at) + 120
        # Half a frame, half a row, and half of the click.
        around = np.diff(there[start + flashes[0] - 1 : start + flashes[-1] + 3]).max()
        assert abs(shown.mean() - clicked) <= around / 2 + SAMPLE_RATE / 100 + 240
        apart.append(float(shown.mean() - clicked))
    assert abs(np.mean(apart)) < max(np.diff(there).mean() / 3, SAMPLE_RATE / 100)
