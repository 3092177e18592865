"""The work directory under damage, kills, full disks and files that grow."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loc.artifacts import Ref
from loc.errors import DamagedObjectError, InputError, StorageError
from loc.media.sound import store_sound
from loc.store import locks
from loc.store.workdir import ActionRecord, WorkDir

NO_SPACE = OSError(28, "No space left on device")


def record(key: str, **outputs: Ref) -> ActionRecord:
    return ActionRecord(key * 64, "toy.make", {"action": "toy.make"}, outputs, 0.5, "run", {"lines": 1})


def test_bytes_come_back_and_equal_bytes_are_kept_once(store: WorkDir) -> None:
    one, two = store.put_bytes(b"same"), store.put_bytes(b"same")
    assert one == two
    assert store.read_bytes(one) == b"same"
    assert [digest for digest, _ in store.objects()] == [one.sha256]
    assert store.bytes_kept() == 4


def test_adopted_file_moves_into_the_store(store: WorkDir) -> None:
    with store.scratch() as folder:
        path = folder / "big"
        path.write_bytes(b"media")
        ref = store.adopt(path)
        assert not path.exists()
    assert store.open_object(ref).read_bytes() == b"media"
    assert not folder.exists()


def test_changed_object_is_set_aside_and_reported(store: WorkDir) -> None:
    ref = store.put_bytes(b"good")
    store.object_path(ref.sha256).write_bytes(b"evil")
    fresh = WorkDir(store.root)
    with pytest.raises(DamagedObjectError) as damage:
        fresh.open_object(ref)
    assert damage.value.sha256 == ref.sha256
    assert not fresh.has(ref)
    assert (store.root / "damaged" / ref.sha256).read_bytes() == b"evil"
    fresh.put_bytes(b"good")
    assert fresh.read_bytes(ref) == b"good"


def test_makers_of_an_object_are_forgotten_also_through_an_artifact(store: WorkDir) -> None:
    sound = store_sound(store, [np.zeros((100, 1), np.float32)], 1)
    index = store.put_bytes(sound.model_dump_json().encode())
    other = store.put_bytes(b"{}")
    for action in (record("a", index=index), record("b", block=sound.blocks[0]), record("c", other=other)):
        store.record_action(action)
    assert store.forget_makers(sound.blocks[0].sha256) == 2
    assert [found.key[0] for found in store.actions()] == ["c"]


def test_records_come_back_and_unreadable_ones_are_misses(store: WorkDir) -> None:
    ref = store.put_bytes(b"x")
    store.record_action(record("a", out=ref))
    assert store.find_action("a" * 64) == record("a", out=ref)
    assert store.find_action("b" * 64) is None
    path = store.root / "actions" / "aa" / f"{'a' * 62}.json"
    for spoilt in (b"", b"{}", b"[]", path.read_bytes()[:-5]):
        path.write_bytes(spoilt)
        assert store.find_action("a" * 64) is None


def test_failed_write_leaves_what_was_there(store: WorkDir, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.root / "runs" / "f"
    store.write(path, b"old")

    def full(_fd: int) -> None:
        raise NO_SPACE

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="no space"):
        store.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert not list((store.root / "tmp").glob("*/*"))


def test_disk_that_fills_up_in_the_middle_of_a_file(store: WorkDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a full disk does: what fits is written, then nothing more. Needs no right, unlike a real one."""
    opened = Path.open

    def filling(path: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
        stream: Any = opened(path, mode, *more, **named)
        written = stream.write

        def write(data: bytes) -> int:
            written(data[: len(data) // 2])
            stream.flush()
            raise NO_SPACE

        if mode == "wb":
            stream.write = write
        return stream

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", filling)
        with pytest.raises(StorageError, match="no space"):
            store.put_bytes(bytes(2 << 20))
    assert list(store.objects()) == []
    assert not list((store.root / "tmp").glob("*/*"))
    assert store.read_bytes(store.put_bytes(bytes(2 << 20))) == bytes(2 << 20)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("may not mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_is_a_storage_error_that_says_so(small_disk: Path) -> None:
    store = WorkDir(small_disk)
    with pytest.raises(StorageError, match="no space"):
        store.put_bytes(bytes(2 << 20))
    assert list(store.objects()) == []


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        WorkDir(tmp_path / "file" / "work")


@pytest.mark.parametrize("marker", ['{"version":99}', "{", "[]"])
def test_layout_of_another_version_is_refused(store: WorkDir, marker: str) -> None:
    (store.root / "layout.json").write_text(marker)
    with pytest.raises(StorageError):
        WorkDir(store.root)


def test_lock_files_do_not_pile_up(store: WorkDir) -> None:
    for key in "abc":
        with store.making(key * 64):
            pass
    assert list((store.root / "locks").glob("action-*")) == []


def test_tmp_of_a_dead_process_is_swept_and_of_a_living_one_kept(store: WorkDir) -> None:
    dead = store.root / "tmp" / "dead"
    dead.mkdir()
    (dead / "left").write_text("x")
    (store.root / "tmp" / "dead.lock").touch()
    living = store.root / "tmp" / "living"
    living.mkdir()
    with locks.acquire(living.with_suffix(".lock")), WorkDir(store.root).scratch():
        assert not dead.exists()
        assert living.exists()


def test_digest_of_an_input_is_remembered_until_it_changes(store: WorkDir, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"one")
    first = store.input_digest(path)
    assert store.input_digest(path) == first
    assert len(list((store.root / "inputs").iterdir())) == 1
    path.write_bytes(b"other")
    assert store.input_digest(path) != first


def test_growing_input_is_refused(store: WorkDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"begun")

    def grow(given: Path) -> str:
        with given.open("ab") as stream:
            stream.write(b"more")
        return "0" * 64

    monkeypatch.setattr("loc.store.workdir.digest_file", grow)
    with pytest.raises(InputError, match="growing"):
        store.input_digest(path)
    assert list((store.root / "inputs").iterdir()) == []


@pytest.mark.parametrize("kind", ["missing", "empty", "folder"])
def test_inputs_that_are_no_files(store: WorkDir, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "in"
    if kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(InputError):
        store.input_digest(path)


def test_outputs_are_known_by_content(store: WorkDir) -> None:
    store.record_output("a" * 64)
    assert store.is_output("a" * 64)
    assert not store.is_output("b" * 64)
    assert WorkDir(store.root).is_output("a" * 64)


def test_objects_and_records_hold_no_path(store: WorkDir) -> None:
    ref = store.put_bytes(b"x")
    store.record_action(record("a", out=ref))
    text = json.dumps([path.read_text() for path in (store.root / "actions").rglob("*.json")])
    assert str(store.root) not in text
