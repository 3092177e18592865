"""Collecting beside processes that are at work."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from loc.artifacts import Ref
from loc.store import collect
from loc.store.collect import Collected, Collection, alone
from loc.store.keys import canonical_json, digest_value
from loc.store.workdir import ActionRecord, WorkDir


def made(store: WorkDir, name: str, *named: Ref) -> ActionRecord:
    """Make an action as the runner does: an artifact that names other objects, then the record."""
    key = digest_value(name)
    index = store.put_bytes(canonical_json({"name": name, "named": [ref.sha256 for ref in named]}))
    record = ActionRecord(key, "toy.make", {}, {"index": index}, 0.1, "run", {})
    store.record_action(record)
    return record


def gone(store: WorkDir, roots: Iterable[str] = (), *, dry_run: bool = False) -> Collected:
    with alone(store):
        collection = Collection(store)
        collection.keep(roots)
        return collection.remove(dry_run=dry_run)


@pytest.fixture
def filled(tmp_path: Path) -> WorkDir:
    """Two actions, each with an artifact that names a block; the process that made them has ended."""
    store = WorkDir(tmp_path / "work")
    for name in ("one", "two"):
        made(store, name, store.put_bytes(f"block of {name}".encode()))
    return WorkDir(tmp_path / "work")


def test_roots_keep_what_they_reach_and_nothing_else_stays(filled: WorkDir) -> None:
    found = gone(filled, [digest_value("one")], dry_run=True)
    assert (found.actions, found.objects, found.kept_actions, found.kept_objects) == (1, 2, 1, 2)
    assert len(filled.sizes()) == 4
    assert gone(filled, [digest_value("one")]) == found
    record = filled.find_action(digest_value("one"))
    assert record is not None
    assert filled.read_bytes(Ref(sha256=next(iter(filled.named_in(record.outputs["index"].sha256))), size=12))
    assert filled.find_action(digest_value("two")) is None
    assert sum(filled.sizes().values()) == found.kept_bytes


def test_what_a_living_process_found_or_stored_stays(filled: WorkDir) -> None:
    assert filled.find_action(digest_value("one")) is not None
    again = filled.put_bytes(b"block of two")
    found = gone(WorkDir(filled.root))
    assert (found.actions, found.objects) == (1, 1)
    assert filled.read_bytes(again) == b"block of two"
    assert filled.read_action(digest_value("one")) is not None


def test_claims_of_a_process_that_ends_meanwhile_still_count(filled: WorkDir) -> None:
    """It began after the collector did and ended before it removes: its claims lie there to be read."""
    with alone(filled):
        collection = Collection(filled)
        short = WorkDir(filled.root)
        assert short.find_action(digest_value("two")) is not None
        del short
        WorkDir(filled.root).put_bytes(b"another process begins, and does not sweep")
        found = collection.remove()
    assert (found.actions, found.kept_actions) == (1, 1)
    assert filled.read_action(digest_value("two")) is not None


def test_what_is_made_meanwhile_stays(filled: WorkDir) -> None:
    with alone(filled):
        collection = Collection(filled)
        late = made(WorkDir(filled.root), "late")
        assert collection.remove().kept_actions == 0
    assert filled.read_action(late.key) == late
    assert filled.read_bytes(late.outputs["index"])


def test_leftovers_of_dead_processes_go(filled: WorkDir) -> None:
    (filled.root / "locks" / "action-killed").touch()
    (filled.root / "tmp" / "dead").mkdir()
    (filled.root / "tmp" / "dead.lock").touch()
    (filled.root / "tmp" / "half-removed").mkdir()
    filled.put_bytes(b"damaged")
    filled.set_aside(next(iter(filled.sizes())))
    found = gone(filled)
    assert found.damaged == 1
    assert not (filled.root / "damaged").exists()
    assert {path.name for path in (filled.root / "locks").iterdir()} == {"claims", "collect"}
    assert not [
        path.name for path in (filled.root / "tmp").iterdir() if path.stem in ("dead", "half-removed")
    ]


def _work(root: Path, seed: int, rounds: int) -> None:
    """What a run does, again and again: find, else make; then read everything that was found."""
    choice = random.Random(seed)
    for _ in range(rounds):
        store = WorkDir(root)
        for _ in range(5):
            name = str(choice.randrange(8))
            record = store.find_action(digest_value(name))
            if record is None or not all(store.has(ref) for ref in record.outputs.values()):
                block = store.put_bytes(f"block of {name}".encode())
                record = made(store, name, block)
            index = store.read_bytes(record.outputs["index"]).decode()
            for sha256 in store.named_in(record.outputs["index"].sha256):
                assert store.read_bytes(Ref(sha256=sha256, size=len(f"block of {name}")))
            assert name in index


def _collect(root: Path, done: Event) -> None:
    while not done.is_set():
        gone(WorkDir(root))


def test_a_collector_that_keeps_nothing_takes_nothing_from_those_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "BATCH", 1)
    fork = multiprocessing.get_context("fork")
    done = fork.Event()
    collectors = [fork.Process(target=_collect, args=(tmp_path, done)) for _ in range(2)]
    workers = [fork.Process(target=_work, args=(tmp_path, seed, 60)) for seed in range(3)]
    for process in (*collectors, *workers):
        process.start()
    for worker in workers:
        worker.join()
    done.set()
    for collector in collectors:
        collector.join()
    assert [process.exitcode for process in (*workers, *collectors)] == [0] * 5


def test_a_collector_that_is_killed_leaves_no_record_without_its_objects(
    filled: WorkDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time it comes to remove one name and is killed at the next."""
    real = Path.unlink
    removed: list[Path] = []

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.parent.parent.name in ("actions", "objects"):
            if removed:
                raise KeyboardInterrupt
            removed.append(path)
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    for left in (5, 4, 3, 2, 1):
        removed.clear()
        with pytest.raises(KeyboardInterrupt):
            gone(filled)
        records = list(filled.actions())
        assert len(records) + len(filled.sizes()) == left
        for record in records:
            index = record.outputs["index"].sha256
            assert {index, *filled.named_in(index)} <= filled.sizes().keys()
