"""The runner: keys, hits, locks, failures, look mode."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loc.artifacts import Ref
from loc.errors import ChildError, InputChangedError, LocError, StorageError
from loc.events import ActionDone, Event, EventBus, Notice, WorkPlanned
from loc.runner import Action, NotMade, Out, Runner, Site
from loc.store.keys import digest_value
from loc.store.workdir import WorkDir

BASE = Action(
    name="dub.speak",
    version=1,
    site=Site("dub", "line 1", "ja"),
    inputs={"text": "a" * 64, "window": {"clip": Ref(sha256="b" * 64, size=3), "start": 0}},
    params={"rate": 1.0, "voice": "mei"},
    backend=("dub/toy", "1"),
    programs={"engine": "5.1"},
    weights={"w": "c" * 64},
)

PERTURBED = {
    "name": replace(BASE, name="dub.say"),
    "version": replace(BASE, version=2),
    "input": replace(BASE, inputs={**BASE.inputs, "text": "d" * 64}),
    "nested input": replace(
        BASE, inputs={**BASE.inputs, "window": {"clip": Ref(sha256="e" * 64, size=3), "start": 0}}
    ),
    "slice": replace(
        BASE, inputs={**BASE.inputs, "window": {"clip": Ref(sha256="b" * 64, size=3), "start": 1}}
    ),
    "more input": replace(BASE, inputs={**BASE.inputs, "extra": "f" * 64}),
    "parameter": replace(BASE, params={"rate": 1.1, "voice": "mei"}),
    "backend": replace(BASE, backend=("dub/other", "1")),
    "backend version": replace(BASE, backend=("dub/toy", "2")),
    "no backend": replace(BASE, backend=None),
    "program": replace(BASE, programs={"engine": "5.2"}),
    "weights": replace(BASE, weights={"w": "0" * 64}),
}


def write(data: bytes) -> Callable[[Out], None]:
    def make(out: Out) -> None:
        out.bytes("out", data)

    return make


def key(action: Action) -> str:
    return digest_value(action.fields())


def action(name: str = "toy.make", **inputs: Any) -> Action:
    return Action(name, 1, Site(name.split(".")[0]), inputs)


@pytest.mark.parametrize("field", PERTURBED)
def test_every_field_of_a_key_counts(runner: Runner, field: str) -> None:
    runner.do(BASE, write(b"one"))
    assert runner.do(BASE, write(b"never")).hit
    assert not runner.do(PERTURBED[field], write(b"two")).hit
    assert len({key(item) for item in PERTURBED.values()}) == len(PERTURBED)


def test_site_and_sizes_of_objects_are_in_no_key() -> None:
    assert key(replace(BASE, site=Site("dub", "line 9", "es"))) == key(BASE)
    window = {"clip": Ref(sha256="b" * 64, size=99), "start": 0}
    assert key(replace(BASE, inputs={**BASE.inputs, "window": window})) == key(BASE)


def test_outputs_come_back_by_name(runner: Runner) -> None:
    def make(out: Out) -> None:
        out.bytes("small", b"small")
        out.file("large", ".bin").write_bytes(b"large")
        (out.folder / "left").write_bytes(b"over")
        out.detail["lines"] = 2

    for hit in (False, True):
        made = runner.do(action(), make)
        assert (made.hit, made.path("small").read_bytes(), made.path("large").read_bytes()) == (
            hit,
            b"small",
            b"large",
        )
        assert made.detail == {"lines": 2}
    assert not list((runner.store.root / "tmp").glob("*/*"))


def test_failure_leaves_no_record_and_is_tried_again(runner: Runner) -> None:
    def fail(out: Out) -> None:
        out.bytes("out", b"half")
        raise LocError("no")

    with pytest.raises(LocError):
        runner.do(action(), fail)
    assert not runner.do(action(), write(b"whole")).hit


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: os.truncate(path, 2)])
def test_missing_and_truncated_objects_are_made_again_and_said(
    store: WorkDir, spoil: Callable[[Path], None]
) -> None:
    seen: list[Event] = []
    runner = Runner(store, EventBus(seen.append))
    ref = runner.do(action(), write(b"data")).ref("out")
    spoil(store.object_path(ref.sha256))
    assert not runner.do(action(), write(b"data")).hit
    assert store.read_bytes(ref) == b"data"
    assert [event.code for event in seen if isinstance(event, Notice)] == ["object-missing"]
    runner.close()


def test_a_notice_is_given_once_for_the_film_and_for_each_language(store: WorkDir) -> None:
    seen: list[Event] = []
    runner = Runner(store, EventBus(seen.append))
    for message in ("one", "one", "two"):
        runner.notice("code", message)
    for language in ("ja", "ja", "es"):
        runner.notice("code", "one", language)
        runner.notice("code", "three", language)
    said = [(event.message, event.language) for event in seen if isinstance(event, Notice)]
    assert said == [("one", None), ("two", None), ("three", "ja"), ("three", "es")]
    runner.close()


def test_forced_stage_is_made_once_in_a_run(store: WorkDir) -> None:
    Runner(store, EventBus()).do(action(), write(b"data"))
    runner = Runner(store, EventBus(), forced=frozenset({"toy"}))
    assert [runner.do(action(), write(b"data")).hit for _ in range(3)] == [False, True, True]
    work = [(action(n=1), write(b"x"))] * 8
    assert sum(not made.hit for made in runner.map(work, parallel=True)) == 1
    runner.close()


def test_look_mode_makes_nothing_and_sees_every_action_of_a_batch(store: WorkDir) -> None:
    maker = Runner(store, EventBus())
    maker.do(action(n=1), write(b"1"))
    maker.close()
    looker = Runner(store, EventBus(), mode="look")
    with pytest.raises(NotMade) as missing:
        looker.map([(action(n=n), write(b"no")) for n in range(3)])
    assert missing.value.stage == "toy"
    assert [look.hit for look in looker.looks] == [False, True, False]
    assert store.find_action(key(action(n=0))) is None
    looker.close()


def test_parallel_batches_keep_order_and_count_right(store: WorkDir) -> None:
    seen: list[Event] = []
    runner = Runner(store, EventBus(seen.append), workers=4)
    work = [(action(n=n), write(bytes([n]))) for n in range(50)]
    made = runner.map(work, parallel=True)
    assert [store.read_bytes(item.ref("out")) for item in made] == [bytes([n]) for n in range(50)]
    assert (runner.misses, runner.hits) == (50, 0)
    assert len([event for event in seen if isinstance(event, ActionDone)]) == 50
    assert [event.total for event in seen if isinstance(event, WorkPlanned)] == [50]
    runner.map(work, parallel=True)
    assert (runner.misses, runner.hits) == (50, 50)
    runner.close()


def test_a_batch_of_several_actions_is_planned_by_name(store: WorkDir) -> None:
    seen: list[Event] = []
    runner = Runner(store, EventBus(seen.append))
    other = [(action("toy.other", n=n), write(b"")) for n in range(3)]
    runner.map([(action(n=0), write(b"")), *other], parallel=True)
    planned = {event.action: event.total for event in seen if isinstance(event, WorkPlanned)}
    assert planned == {action(n=0).name: 1, "toy.other": 3}
    runner.close()


def test_first_failure_of_a_batch_is_raised(runner: Runner) -> None:
    def fail(out: Out) -> None:
        raise LocError("number 3")

    work = [(action(n=n), fail if n == 3 else write(b"x")) for n in range(6)]
    for parallel in (False, True):
        with pytest.raises(LocError, match="number 3"):
            runner.map(work, parallel=parallel)


def test_attempt_hands_back_what_failed(runner: Runner) -> None:
    def fail(out: Out) -> None:
        raise LocError("this one")

    work = [(action(n=0), write(b"x")), (action(n=1), fail), (action(n=2), write(b"y"))]
    results = runner.attempt(work, parallel=True)
    assert [isinstance(item, LocError) for item in results] == [False, True, False]


def test_an_input_that_changed_is_no_failure_of_one_unit(store: WorkDir) -> None:
    def changed() -> None:
        raise InputChangedError("talk.mp4 changed")

    runner = Runner(store, EventBus(), unchanged=changed)
    with pytest.raises(InputChangedError):
        runner.attempt([(action(n=0), write(b"x"))])
    assert not list(store.actions())


def test_threads_that_want_the_same_action_make_it_once(runner: Runner) -> None:
    made: list[int] = []
    go = threading.Barrier(4)

    def make(out: Out) -> None:
        made.append(1)
        out.bytes("out", b"x")

    def ask() -> None:
        go.wait()
        runner.do(action(), make)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def _ask(root: Path, marks: Path, barrier: Any) -> None:
    runner = Runner(WorkDir(root), EventBus())

    def make(out: Out) -> None:
        (marks / str(os.getpid())).touch()
        out.bytes("out", b"x")

    barrier.wait()
    runner.do(action(), make)
    runner.close()


def test_processes_that_want_the_same_action_make_it_once(store: WorkDir, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    spawn = multiprocessing.get_context("fork")
    barrier = spawn.Barrier(3)
    children = [spawn.Process(target=_ask, args=(store.root, marks, barrier)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert len(list(marks.iterdir())) == 1


def _die(root: Path) -> None:
    def make(out: Out) -> None:
        out.bytes("out", b"half of it")
        out.file("more").write_bytes(b"x")
        os.kill(os.getpid(), signal.SIGKILL)

    Runner(WorkDir(root), EventBus()).do(action(), make)


def test_kill_in_an_action_records_nothing_and_the_next_process_sweeps(store: WorkDir) -> None:
    child = multiprocessing.get_context("fork").Process(target=_die, args=(store.root,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert store.find_action(key(action())) is None
    left = set((store.root / "tmp").glob("*/*"))
    assert left
    runner = Runner(WorkDir(store.root), EventBus())
    assert not runner.do(action(), write(b"all of it")).hit
    assert not left & set((store.root / "tmp").glob("*/*"))
    runner.close()


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        ChildError("ffmpeg failed.", why="av_interleaved_write_frame(): No space left on device"),
    ],
)
def test_full_disk_inside_an_action_is_a_storage_error(runner: Runner, error: Exception) -> None:
    def fill(out: Out) -> None:
        raise error

    with pytest.raises(StorageError, match="no space"):
        runner.do(action(), fill)


def test_a_defect_is_counted_once(runner: Runner) -> None:
    for _ in range(2):
        runner.defect("dub", "line 1", "overrun", "0.3 s too long", "ja")
    assert len(runner.defects) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), JSON)
def test_equal_keys_mean_equal_parameters(params: dict[str, Any], value: Any) -> None:
    """Order of insertion never counts; another value always does."""
    shuffled = dict(reversed(list(params.items())))
    assert key(replace(BASE, params=params)) == key(replace(BASE, params=shuffled))
    changed = {**params, "added-field": value}
    assert key(replace(BASE, params=changed)) != key(replace(BASE, params=params))


def test_freed_memory_is_handed_back_while_an_action_runs(
    store: WorkDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(threading.enumerate())
    handed = threading.Event()
    monkeypatch.setattr("loc.runner.TRIM_EVERY_S", 0.01)
    monkeypatch.setattr("loc.runner.return_freed_memory", handed.set)
    runner = Runner(store, EventBus())

    def make(out: Out) -> None:
        handed.clear()
        assert handed.wait(5)
        out.bytes("out", b"1")

    runner.do(BASE, make)
    (trimmer,) = (one for one in set(threading.enumerate()) - before if one.name == "trim")
    runner.close()
    trimmer.join(5)
    assert not trimmer.is_alive()
