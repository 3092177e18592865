"""Patch files: lossless, reproducible, and honest about damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from loc.errors import StorageError
from loc.media.arrays import load_arrays, save_arrays
from loc.media.patches import Placement, load_placement, read_patches, save_placement, write_patches

WIDTH, HEIGHT, COUNT = 61, 47, 5


@pytest.fixture
def frames() -> list[npt.NDArray[np.uint8]]:
    """Noise: nothing a lossy codec could keep."""
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(COUNT)]


def test_patches_come_back_bit_for_bit(tmp_path: Path, frames: list[npt.NDArray[np.uint8]]) -> None:
    path = tmp_path / "pixels"
    assert write_patches(path, iter(frames)) == COUNT
    for written, read in zip(frames, read_patches(path, WIDTH, HEIGHT, COUNT), strict=True):
        np.testing.assert_array_equal(written, read)


def test_the_same_patches_give_the_same_bytes(tmp_path: Path, frames: list[npt.NDArray[np.uint8]]) -> None:
    first, second = tmp_path / "a", tmp_path / "b.mkv"
    write_patches(first, frames)
    write_patches(second, frames)
    assert first.read_bytes() == second.read_bytes()


def test_no_frame_and_changing_sizes_are_refused(tmp_path: Path, frames: list[npt.NDArray[np.uint8]]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        write_patches(tmp_path / "none", [])
    with pytest.raises(ValueError, match="one size"):
        write_patches(tmp_path / "mixed", [frames[0], frames[1][:-1]])


def test_damage_and_wrong_counts_are_errors(tmp_path: Path, frames: list[npt.NDArray[np.uint8]]) -> None:
    path = tmp_path / "pixels"
    write_patches(path, frames)
    with pytest.raises(StorageError, match="5 frames"):
        list(read_patches(path, WIDTH, HEIGHT, COUNT + 1))
    with pytest.raises(StorageError, match="61x47"):
        list(read_patches(path, WIDTH + 1, HEIGHT, COUNT))
    broken = tmp_path / "broken"
    broken.write_bytes(b"no container at all")
    with pytest.raises(StorageError):
        list(read_patches(broken, WIDTH, HEIGHT, COUNT))


def test_a_placement_round_trips_and_is_reproducible(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    placement = Placement(
        matrix=rng.normal(size=(COUNT, 2, 3)),
        polygon=rng.normal(size=(COUNT, 8, 2)).astype(np.float32),
        feather=np.full(COUNT, 3.0, np.float32),
        opacity=np.linspace(0, 1, COUNT, dtype=np.float32),
    )
    path = tmp_path / "placement"
    path.write_bytes(save_placement(placement))
    assert path.read_bytes() == save_placement(placement)
    back = load_placement(path)
    assert len(back) == COUNT
    np.testing.assert_array_equal(back.matrix, placement.matrix)
    np.testing.assert_array_equal(back.polygon, placement.polygon)


def test_a_file_without_its_arrays_is_no_placement(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(save_arrays({"matrix": np.zeros((1, 2, 3))}))
    assert list(load_arrays(path)) == ["matrix"]
    with pytest.raises(StorageError, match="no placement"):
        load_placement(path)
