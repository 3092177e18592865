"""What MuseTalk takes of a device's memory: by precision, and as its nets hold it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.latentsync_memory import VAE
from bench.musetalk_room import UNET, counts
from loc.backend import Host
from loc.device import Device
from loc.errors import MissingError
from loc.settings import Settings
from stages.lipsync.musetalk import MuseTalk
from stages.lipsync.musetalk.model import taken
from stages.lipsync.musetalk.room import Takes, fitting
from tests.lipsync.musetalk import tiny


def test_half_precision_takes_little_more_than_half() -> None:
    """Of the published sizes. What is heard is heard in full precision."""
    half, full = (taken(UNET, VAE, half=half).memory_mb(1) for half in (True, False))
    assert 2300 < half < 2600
    assert 4600 < full < 5000


@example(8_900_067, 1_210_917, 91, 7)
@given(st.integers(1, 1 << 34), st.integers(1, 1 << 28), st.integers(0, 100_000), st.integers(1, 64))
def test_what_is_chosen_fits_and_twice_as_many_do_not(weights: int, face: int, free: int, most: int) -> None:
    taken = Takes(weights, face)
    batch = fitting(taken, free, most)
    if batch is None:
        assert taken.memory_mb(1) > free
        return
    assert taken.memory_mb(batch) <= free
    # An odd number is halved downwards: this many or one fewer were tried before.
    assert batch == most or taken.memory_mb(2 * batch + 1) > free
    assert fitting(taken, None, most) == most


def test_the_estimate_is_what_the_nets_hold() -> None:
    """Of nets shaped as the published ones, but narrower."""
    narrow = {**UNET, "block_out_channels": [64, 128, 256, 256]}
    found = counts(narrow, {**VAE, "block_out_channels": [32, 64, 128, 128]})
    assert all(0.95 <= share <= 1.05 for share in found["of_estimate"].values()), found
    assert 23 < found["values"]["step"] < 28


def test_fewer_faces_go_at_once_where_less_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.register(tmp_path)
    backend = MuseTalk(Host(Settings(data_dir=tmp_path, device="cpu"), tmp_path, model="tiny"))
    rooms = []
    for free, batch in ((100_000, 8), (90, 1)):
        monkeypatch.setattr(Device, "free_mb", lambda _device, free=free: free)
        rooms.append(backend.room())
        with backend.nets():
            assert backend.batch == batch
        backend.close()
    assert [room.how for room in rooms] == ["8 faces at once", "a face at once"]
    assert rooms[1].needs_mb < rooms[0].needs_mb
    monkeypatch.setattr(Device, "free_mb", lambda _device: 10)
    with pytest.raises(MissingError, match="There is no room for Tiny on CPU"):
        backend.room()
