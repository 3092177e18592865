"""What fits into a device's memory, and that the estimate is what the nets hold."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.latentsync_memory import counts
from stages.lipsync.latentsync.room import LAYOUTS, Takes, fitting, in_words, least_mb
from stages.lipsync.latentsync.unet import UNetConfig
from tests.lipsync.latentsync import tiny

BYTES = st.integers(1 << 20, 1 << 34)
TAKES = st.builds(
    lambda part, rest, **others: Takes(unet=part + rest, part=part, **others),
    part=BYTES, rest=BYTES, vae=BYTES, step=BYTES, encode=BYTES, decode=BYTES,
)  # fmt: skip


@given(TAKES, st.integers(0, 200_000), st.booleans())
def test_what_is_chosen_fits_and_nothing_faster_does(taken: Takes, free: int, shared: bool) -> None:
    chosen = fitting(taken, free, shared=shared)
    if chosen is None:
        assert least_mb(taken, shared=shared) > free
        return
    assert taken.memory_mb(chosen) <= free
    faster = LAYOUTS[: LAYOUTS.index(chosen)]
    assert all(taken.memory_mb(one) > free for one in (faster[1:] if shared else faster))
    assert not (shared and chosen.offload)


@given(TAKES, st.integers(0, 100_000), st.integers(0, 100_000), st.booleans())
def test_more_memory_is_never_slower(taken: Takes, free: int, more: int, shared: bool) -> None:
    less, much = (fitting(taken, size, shared=shared) for size in (free, free + more))
    if less is not None:
        assert much is not None
        assert LAYOUTS.index(much) <= LAYOUTS.index(less)


@given(TAKES)
def test_a_more_sparing_layout_takes_no_more(taken: Takes) -> None:
    on_the_device = [one for one in LAYOUTS if not one.offload]
    for faster, slower in pairwise(on_the_device):
        assert taken.memory_mb(slower) <= taken.memory_mb(faster)
    assert taken.memory_mb(LAYOUTS[-1]) <= taken.memory_mb(on_the_device[-1])


@given(TAKES)
def test_where_a_device_does_not_tell_one_window_goes_through(taken: Takes) -> None:
    assert fitting(taken, None, shared=False) is LAYOUTS[1]


def test_every_layout_is_told_in_words_of_its_own() -> None:
    assert len({in_words(one) for one in LAYOUTS}) == len(LAYOUTS)


WIDE = UNetConfig(widths=(64, 128, 256, 256), groups=32)


@pytest.mark.parametrize(
    ("resolution", "config", "vae"),
    [
        (256, WIDE, {**tiny.VAE, "block_out_channels": [32, 64, 128, 128], "layers_per_block": 2}),
        (512, WIDE, {**tiny.VAE, "block_out_channels": [32, 64, 128, 128], "layers_per_block": 2}),
    ],
)
def test_the_estimate_is_what_the_nets_hold(
    resolution: int, config: UNetConfig, vae: dict[str, object]
) -> None:
    """Of nets shaped as the published ones, but narrower: a twentieth more or less."""
    found = counts(resolution, config, vae)["of_estimate"]
    assert all(0.9 <= share <= 1.05 for share in found.values()), found
