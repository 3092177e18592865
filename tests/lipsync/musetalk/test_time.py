"""Sound and picture stay together: at every rate, constant or not, from the first frame to the last."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from loc.artifacts import SAMPLE_RATE, Clip, FrameRange
from loc.media.sound import encode_flac
from loc.stage import Context
from loc.store.workdir import WorkDir
from stages.lipsync import plan, redraw
from stages.lipsync.contract import HEARD_RATE
from stages.lipsync.musetalk import model
from stages.lipsync.nets.rows import rows_at
from tests.lipsync.clicks import MINUTES, RATES, Loudness, edges, film_of, variable
from tests.upstream.musetalk import upstream_rows


@pytest.mark.parametrize("rate", RATES)
def test_every_frame_hears_the_rows_about_its_own_middle(rate: str) -> None:
    there = edges(Fraction(rate), 60 * MINUTES)
    middles = (there[:-1] + there[1:]) // 2 * HEARD_RATE // SAMPLE_RATE
    table = rows_at(middles, HEARD_RATE, 2, 2)
    assert table.shape == (len(middles), 10)
    # The middle of ten rows is where the sixth begins.
    off = table[:, 5] / 50 - middles / HEARD_RATE
    assert np.abs(off).max() <= 0.0101
    assert abs(off[-100:].mean() - off[:100].mean()) < 0.006


def test_at_25_frames_the_rows_are_upstreams_to_the_end() -> None:
    middles = (2 * np.arange(25 * 600) + 1) * HEARD_RATE // 50
    rows = upstream_rows(600 * HEARD_RATE, 25, 2, 2)
    ours = rows_at(middles, HEARD_RATE, 2, 2)
    np.testing.assert_array_equal(np.where((ours < 0) | (ours >= 30_000), -1, ours), rows)


def test_upstreams_rows_drift_where_ours_do_not() -> None:
    """What is mended: at 29.97 upstream hears a second too early after half a minute."""
    rows = upstream_rows(31 * HEARD_RATE, 29.97, 2, 2)
    there = edges(Fraction(30000, 1001), 31)
    middle = (there[len(rows) - 1] + there[len(rows)]) / 2 / SAMPLE_RATE
    assert len(rows) == 899 < len(there) - 1
    assert rows[-1, 0] / 50 - middle > 0.8


@pytest.mark.parametrize("rate", [*RATES, "variable"])
def test_click_and_flash_fall_together_for_ten_minutes(rate: str, store: WorkDir) -> None:
    rng = np.random.default_rng(7)
    there = variable(rng, 60 * MINUTES) if rate == "variable" else edges(Fraction(rate), 60 * MINUTES)
    film = film_of(there)
    context = cast(Context, SimpleNamespace(store=store))
    nets = Loudness()
    apart = defaultdict[int, list[float]](list)
    for minute in (0, 1, 4, 9):
        start = int(np.searchsorted(there, minute * 60 * SAMPLE_RATE + 30 * SAMPLE_RATE))
        frames = FrameRange(start=start, stop=start + 100)
        length = int(there[frames.stop] - there[start])
        for at in rng.integers(SAMPLE_RATE // 5, length - SAMPLE_RATE // 5, 12):
            sound = np.zeros(int(at) + 480, dtype=np.float32)
            sound[int(at) : int(at) + 240] = 0.5
            ref = store.put_bytes(encode_flac(sound))
            clip = Clip.model_construct(place=int(there[start]), samples=len(sound), audio=ref)
            heard = redraw.heard(context, film, frames, [clip])
            rows = rows_at(heard.middles, HEARD_RATE, 2, 2)
            bright = nets.flash(model.tokens_of(nets.hear(heard.sound), rows))
            flashes = np.flatnonzero(bright > 0.999 * bright.max())
            shown = (there[start + flashes] + there[start + flashes + 1]) / 2
            clicked = int(there[start]) + int(at) + 120
            # Half a frame, half a row, and half of the click.
            around = np.diff(there[start + flashes[0] - 1 : start + flashes[-1] + 3]).max()
            assert abs(shown.mean() - clicked) <= around / 2 + SAMPLE_RATE / 100 + 240, (rate, minute)
            apart[minute].append(float(shown.mean() - clicked))
    halves = np.diff(there).mean() / 2
    assert abs(np.mean(apart[9])) < max(halves, SAMPLE_RATE / 100)
    assert abs(np.mean(apart[9]) - np.mean(apart[0])) < halves


def test_hearing_ends_a_second_outside(store: WorkDir) -> None:
    there = edges(Fraction(25), 20)
    film = film_of(there)
    context = cast(Context, SimpleNamespace(store=store))
    loud = store.put_bytes(encode_flac(np.full(20 * SAMPLE_RATE, 0.25, dtype=np.float32)))
    clip = Clip.model_construct(place=0, samples=20 * SAMPLE_RATE, audio=loud)
    frames = FrameRange(start=100, stop=125)
    heard = redraw.heard(context, film, frames, [clip])
    assert len(heard.sound) == 3 * HEARD_RATE
    np.testing.assert_array_equal(heard.middles, HEARD_RATE + (2 * np.arange(25) + 1) * HEARD_RATE // 50)
    assert heard.sound[HEARD_RATE // 2 : -HEARD_RATE // 2] == pytest.approx(0.25, abs=0.01)
    assert plan.HEARING == SAMPLE_RATE
