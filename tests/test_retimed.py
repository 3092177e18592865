"""A programme whose picture is slowed: flash and click stay together, the rest stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE
from loc.events import EventBus
from loc.media.retiming import Clock, Piece
from loc.media.sound import read_sound, store_sound
from loc.retimed import JOINT, retimed
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Context, Job
from loc.store.workdir import WorkDir


@pytest.fixture
def context(store: WorkDir) -> Iterator[Context]:
    runner = Runner(store, EventBus(), run="test", mode="make")
    job = Job(Path("video.mp4"), "0" * 64, 1, ("de",), "en")
    yield Context(runner, Settings(work_dir=store.root), job, lambda *_: None)  # type: ignore[arg-type]
    runner.close()


def seconds(*bounds: float) -> Clock:
    """A clock of pieces that end at (source, programme) seconds, given one after the other."""
    pieces, at, shown = [], 0, 0
    for stop, until in zip(bounds[::2], bounds[1::2], strict=True):
        end, later = round(stop * SAMPLE_RATE), round(until * SAMPLE_RATE)
        pieces.append(Piece(at, end, shown, later))
        at, shown = end, later
    return Clock(tuple(pieces))


def noise(length: float, channels: int = 2) -> npt.NDArray[np.float32]:
    random = np.random.default_rng(5)
    return (0.1 * random.standard_normal((round(length * SAMPLE_RATE), channels))).astype(np.float32)


def test_what_is_not_slowed_is_copied_to_the_bit(context: Context) -> None:
    sound = store_sound(context.store, [noise(10)], 2)
    clock = seconds(3, 3, 5, 5.5, 10, 10.5)
    made = retimed(context, "dub", "bed", sound, clock)
    assert made.samples == clock.samples == round(10.5 * SAMPLE_RATE)
    before, after = read_sound(context.store, sound), read_sound(context.store, made)
    first, last = 3 * SAMPLE_RATE, round(5.5 * SAMPLE_RATE)
    assert np.array_equal(after[: first - JOINT], before[: first - JOINT])
    assert np.array_equal(after[last + JOINT :], before[5 * SAMPLE_RATE + JOINT :])
    level = np.sqrt(np.square(after[first:last]).mean()) / np.sqrt(np.square(before).mean())
    assert 0.8 < level < 1.25


def test_pitch_is_kept_and_the_joints_do_not_click(context: Context) -> None:
    time = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    tone = (0.3 * np.sin(2 * np.pi * 220 * time)).astype(np.float32)[:, None]
    sound = store_sound(context.store, [tone], 1)
    made = retimed(context, "dub", "bed", sound, seconds(3, 3, 5, 5.5, 10, 10.5))
    after = read_sound(context.store, made)[:, 0]
    part = after[round(3.5 * SAMPLE_RATE) : round(5.0 * SAMPLE_RATE)]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(part) == pytest.approx(220, abs=1)
    # A tone of 220 Hz moves by 0.0086 a sample at most; a click is a step far beyond.
    assert np.abs(np.diff(after)).max() < 0.02


def test_clicks_are_where_their_pictures_are(context: Context) -> None:
    sound = np.zeros((8 * SAMPLE_RATE, 1), dtype=np.float32)
    for at in (1.0, 2.5, 3.0, 3.5, 4.7, 6.0):
        sound[round(at * SAMPLE_RATE) : round(at * SAMPLE_RATE) + 48] = 0.8
    clock = seconds(2, 2, 5, 5.75, 8, 8.75)
    made = retimed(context, "dub", "bed", store_sound(context.store, [sound], 1), clock)
    after = read_sound(context.store, made)[:, 0]
    for at in (1.0, 2.5, 3.0, 3.5, 4.7, 6.0):
        due = clock.shown(round(at * SAMPLE_RATE))
        near = np.abs(after[due - 4800 : due + 4800])
        late = (int(np.argmax(near)) - 4800) / SAMPLE_RATE * 1000
        assert abs(late) < 2, (at, late)


def test_neighbouring_stretches_blocks_and_the_programmes_ends(context: Context) -> None:
    length = 2.5 * BLOCK_SAMPLES / SAMPLE_RATE
    sound = store_sound(context.store, [noise(length, 1)], 1)
    clock = seconds(40, 40, 41, 41.25, 41.005, 41.256, 75, 77, length, length + 2)
    made = retimed(context, "dub", "bed", sound, clock)
    assert made.samples == sum(
        read_sound(context.store, made.model_copy(update={"blocks": (block,), "samples": size})).shape[0]
        for block, size in zip(
            made.blocks, (BLOCK_SAMPLES, BLOCK_SAMPLES, made.samples - 2 * BLOCK_SAMPLES), strict=True
        )
    )
    assert made.blocks[0] == sound.blocks[0], "what comes before is the source's own object"
    assert made.blocks[1] != sound.blocks[1]
    after = read_sound(context.store, made)[:, 0]
    windows = after[: len(after) // 2400 * 2400].reshape(-1, 2400)
    levels = np.sqrt(np.square(windows).mean(axis=1))
    # Nowhere a hole or a doubling; two sounds that do not belong together lose 3 dB in the midst of a joint.
    assert 0.06 < levels.min() <= levels.max() < 0.15
    whole = retimed(context, "dub", "bed", sound, seconds(length, length * 1.25))
    assert whole.samples == round(length * 1.25 * SAMPLE_RATE)


def test_it_is_found_again(context: Context) -> None:
    sound = store_sound(context.store, [noise(4)], 2)
    clock = seconds(1, 1, 2, 2.1, 4, 4.1)
    first = retimed(context, "dub", "bed", sound, clock)
    misses = context.runner.misses
    assert retimed(context, "dub", "bed", sound, clock) == first
    assert context.runner.misses == misses
    assert retimed(context, "dub", "bed", sound, seconds(4, 4)) is sound
    assert Fraction(first.samples, SAMPLE_RATE) == Fraction(41, 10)
