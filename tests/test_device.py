"""Devices: which one, whose turn it is, one model at a time, and where memory ends."""

from __future__ import annotations

import multiprocessing
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from loc.device import (
    Device,
    DeviceFault,
    Devices,
    Resident,
    choose,
    free_host_mb,
    halving,
    lease,
    prove,
)
from loc.errors import MissingError, StorageError, UsageError
from loc.events import EventBus
from loc.runner import Action, Out, Runner, Site
from loc.settings import load_settings
from loc.store.workdir import WorkDir


def _hold(folder: Path, held: Any, go: Any, device: str = "cuda:0") -> None:
    with lease(folder, device):
        held.set()
        go.wait()


def test_second_process_waits_for_the_first(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    held, go = fork.Event(), fork.Event()
    child = fork.Process(target=_hold, args=(tmp_path, held, go))
    child.start()
    held.wait()
    waited: list[bool] = []

    def waiting() -> None:
        waited.append(True)
        go.set()

    with lease(tmp_path, "cuda:0", waiting), lease(tmp_path, "cpu", lambda: waited.append(False)):
        assert waited == [True]
    child.join()


def test_a_holder_that_dies_lets_go(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    held, go = fork.Event(), fork.Event()
    child = fork.Process(target=_hold, args=(tmp_path, held, go))
    child.start()
    held.wait()
    child.kill()
    child.join()
    with lease(tmp_path, "cuda:0"):
        pass


def test_bad_names_and_places(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="device"), lease(tmp_path, "../x"):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(StorageError), lease(tmp_path / "file", "cpu"):
        pass


def test_a_ticket_that_cannot_be_waited_for_is_told_and_leaves_no_other(tmp_path: Path) -> None:
    (tmp_path / "leases" / "cpu.00000000").mkdir(parents=True)
    with pytest.raises(StorageError, match="Could not take the lease of cpu"), lease(tmp_path, "cpu"):
        pass
    assert {path.name for path in (tmp_path / "leases").iterdir()} == {"cpu.00000000", "cpu.line"}


def _use_often(folder: Path, inside: Path, times: int) -> None:
    for _ in range(times):
        with lease(folder, "cuda:0"):
            # Fails if somebody else is inside.
            inside.touch(exist_ok=False)
            inside.unlink()


def test_four_processes_use_a_device_by_turns(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=_use_often, args=(tmp_path, tmp_path / "inside", 50)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4


def waiting_in_line(folder: Path) -> int:
    """How many wait for a lock in a folder, by the kernel's own list (proc_locks(5))."""
    inodes = [f":{path.stat().st_ino} " for path in folder.glob("*.[0-9]*")]
    lines = [line for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return sum(inode in line for inode in inodes for line in lines)


def test_who_comes_back_at_once_comes_after_those_who_wait(tmp_path: Path) -> None:
    served: list[int] = []
    all_wait = threading.Event()

    def use(number: int, times: int) -> None:
        for _ in range(times):
            with lease(tmp_path, "cuda:0"):
                served.append(number)
                all_wait.wait()

    threads = [
        threading.Thread(target=use, args=(number, 1 if number else 9), daemon=True) for number in range(4)
    ]
    for number, thread in enumerate(threads):
        thread.start()
        while not served or waiting_in_line(tmp_path / "leases") < number:
            pass
    all_wait.set()
    for thread in threads:
        thread.join()
    last = max(index for index, number in enumerate(served) if number)
    assert sorted(served) == [0] * 9 + [1, 2, 3]
    assert all(one != next_one for one, next_one in pairwise(served[: last + 1])), served


SAID = list[tuple[str, str]]


@pytest.fixture
def said() -> SAID:
    return []


@pytest.fixture
def devices(tmp_path: Path, said: SAID) -> Devices:
    return Devices(tmp_path, "cpu", lambda code, message: said.append((code, message)))


def a_model(devices: Devices, name: str, log: list[str], memory_mb: int = 0) -> Resident[str]:
    def load(device: str) -> str:
        log.append(f"load {name} on {device}")
        return name

    return devices.resident(name, memory_mb, load, lambda model: log.append(f"unload {model}"))


def is_free(folder: Path, device: str = "cpu") -> bool:
    return not list((folder / "leases").glob(f"{device}.[0-9]*"))


def test_the_processor_computes_and_what_is_not_there_does_not() -> None:
    assert prove("cpu").name == "cpu"
    with pytest.raises(DeviceFault):
        prove("cuda:99")


def test_a_device_that_computes_wrong_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda one, _other: one * 2)
    with pytest.raises(DeviceFault, match="it computed 512 and 128, not 512 and 324"):
        prove("cpu")


def test_auto_takes_what_computes_and_says_why_it_ends_at_the_processor(
    monkeypatch: pytest.MonkeyPatch, said: SAID
) -> None:
    there = {"cpu"}

    def prove(name: str) -> Device:
        if name in there:
            return Device(name, name.upper(), name)
        raise DeviceFault("no driver")

    def say(code: str, message: str) -> None:
        said.append((code, message))

    monkeypatch.setattr("loc.device.prove", prove)
    monkeypatch.setattr("loc.device.ACCELERATORS", ("cuda", "mps"))
    assert choose("auto", say).name == "cpu"
    assert [code for code, _ in said] == ["device-cpu"]
    assert "cuda: no driver; mps: no driver" in said[0][1]
    said.clear()
    there.add("mps")
    assert choose("auto", say).name == "mps"
    there.add("cuda")
    assert choose("auto", say).name == "cuda"
    assert choose("cpu", say).name == "cpu"
    assert not said


def test_a_device_that_was_named_is_not_replaced() -> None:
    with pytest.raises(MissingError) as caught:
        choose("cuda:99", lambda _code, _message: None)
    assert "cuda:99 cannot be used" in caught.value.what
    assert "compute something small" in caught.value.why
    assert "--device cpu" in caught.value.fix


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU", "cuda:1;", ""])
def test_names_that_no_device_has_are_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="--device"):
        load_settings({"device": name})


def test_nothing_is_loaded_before_it_is_used_and_one_model_at_a_time(
    devices: Devices, tmp_path: Path
) -> None:
    log: list[str] = []
    one, two = a_model(devices, "one", log), a_model(devices, "two", log)
    assert not log
    with one as model:
        assert model == "one"
        assert not is_free(tmp_path)
    with one:
        pass
    assert log == ["load one on cpu"]
    with two:
        assert log[1:] == ["unload one", "load two on cpu"]
    assert (one.loaded, two.loaded) == (False, True)
    two.close()
    assert log[3:] == ["unload two"]
    assert is_free(tmp_path)
    with two:
        pass
    devices.close()
    assert (log[4:], is_free(tmp_path)) == (["load two on cpu", "unload two"], True)


def test_threads_share_a_model_and_another_waits_until_all_have_left(devices: Devices) -> None:
    log: list[str] = []
    one, two = a_model(devices, "one", log), a_model(devices, "two", log)
    inside, leave = threading.Barrier(3), threading.Event()

    def share() -> None:
        with one:
            inside.wait()
            leave.wait()
            log.append("left")

    def other() -> None:
        inside.wait()
        leave.set()
        with two:
            log.append("in two")

    threads = [threading.Thread(target=target) for target in (share, share, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log == ["load one on cpu", "left", "left", "unload one", "load two on cpu", "in two"]


def test_one_model_inside_another_is_a_fault_and_no_standstill(devices: Devices) -> None:
    one, two = a_model(devices, "one", []), a_model(devices, "two", [])
    with pytest.raises(RuntimeError, match="two inside the block of another"), one, two:
        pass
    with two:
        pass


def test_closing_waits_for_nobody_who_waits_for_the_device(devices: Devices, tmp_path: Path) -> None:
    """A thread of an interrupted run waits for the device that another process has for the night."""
    log: list[str] = []
    one = a_model(devices, "one", log)
    waits, inside = threading.Event(), threading.Event()
    devices.say = lambda _code, _message: waits.set()

    def use() -> None:
        with one:
            inside.set()

    thread = threading.Thread(target=use)
    with lease(tmp_path, "cpu"):
        thread.start()
        waits.wait()
        free = devices._changed.acquire(blocking=False)
        assert free, "closing would wait until the other process lets go"
        devices._changed.release()
        devices.close()
        with devices.away():
            pass
        assert not inside.is_set()
    thread.join()
    assert log == ["load one on cpu", "unload one"]
    assert is_free(tmp_path)


def test_who_wants_a_model_that_is_being_loaded_waits_for_it(devices: Devices) -> None:
    """Where it cannot be loaded, the next one tries."""
    tried: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def load(device: str) -> str:
        tried.append(device)
        begun.set()
        go.wait()
        if len(tried) == 1:
            raise ValueError("not today")
        return "model"

    one = devices.resident("one", 0, load)
    ends: list[str] = []

    def use() -> None:
        try:
            with one as model:
                ends.append(model)
        except ValueError as error:
            ends.append(str(error))

    threads = [threading.Thread(target=use) for _ in range(3)]
    threads[0].start()
    begun.wait()
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["model", "model", "not today"]
    assert len(tried) == 2


def test_a_model_entered_while_another_is_loaded_by_the_same_thread_is_a_fault(devices: Devices) -> None:
    one = a_model(devices, "one", [])

    def load(_device: str) -> str:
        with one as model:
            return model

    with pytest.raises(RuntimeError, match="one inside the block"), devices.resident("two", 0, load):
        pass
    with one:
        pass


def test_what_is_free_is_asked_when_no_idle_model_holds_it(
    devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    monkeypatch.setattr(Device, "free_mb", lambda _device: len(log))
    one = a_model(devices, "one", log)
    with one:
        assert devices.free_mb() == 1
    assert devices.free_mb() == 2
    assert log == ["load one on cpu", "unload one"]


def test_what_is_free_is_asked_when_others_are_done_with_the_device(
    devices: Devices, tmp_path: Path, said: SAID
) -> None:
    """Where that is wanted; a look does not wait."""
    fork = multiprocessing.get_context("fork")
    held, go = fork.Event(), fork.Event()
    child = fork.Process(target=_hold, args=(tmp_path, held, go, "cpu"))
    child.start()
    held.wait()
    devices.free_mb()
    assert not said
    waiting = threading.Thread(target=devices.free_mb, kwargs={"wait": True})
    waiting.start()
    while not said:
        waiting.join(0.01)
    assert waiting.is_alive()
    go.set()
    waiting.join()
    child.join()
    assert [code for code, _ in said] == ["device-waiting"]
    assert is_free(tmp_path)


def test_a_model_closed_while_it_is_used_goes_when_it_is_left(devices: Devices) -> None:
    log: list[str] = []
    one = a_model(devices, "one", log)
    with one:
        one.close()
        assert one.loaded
    assert log[-1] == "unload one"


def test_what_does_not_fit_is_refused_before_it_is_loaded(devices: Devices, tmp_path: Path) -> None:
    log: list[str] = []
    small, huge = a_model(devices, "small", log), a_model(devices, "Huge", log, memory_mb=1 << 40)
    with small:
        pass
    with pytest.raises(MissingError) as caught, huge:
        pass
    assert caught.value.what.startswith("There is no room for Huge on CPU")
    assert "are free there" in caught.value.why
    assert "smaller model" in caught.value.fix
    assert log == ["load small on cpu", "unload small"]
    assert is_free(tmp_path)


def test_memory_that_ends_while_loading_is_told_and_lets_go(devices: Devices, tmp_path: Path) -> None:
    def load(_device: str) -> torch.Tensor:
        return torch.ones(1 << 55)

    with (
        pytest.raises(MissingError, match="Memory ended while it was loaded"),
        devices.resident("A", 1, load),
    ):
        pass
    assert is_free(tmp_path)

    def broken(_device: str) -> str:
        raise ValueError("a fault of the loader")

    with pytest.raises(ValueError, match="a fault"), devices.resident("B", 1, broken):
        pass
    assert is_free(tmp_path)


MIB = 1 << 20


@pytest.fixture
def cgroups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty tree of cgroups in place of the system's."""
    monkeypatch.setattr("loc.device._CGROUPS", tmp_path)
    (tmp_path / "memory").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("most", "taken"),
    [
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ],
)
def test_free_memory_is_that_of_the_container(cgroups: Path, most: str, taken: str) -> None:
    free = free_host_mb()
    assert free is not None
    assert free > 0
    (cgroups / most).write_text(str(300 * MIB))
    (cgroups / taken).write_text(str(299 * MIB))
    assert free_host_mb() == 1
    (cgroups / most).write_text("max\n")
    assert free_host_mb() != 1


@pytest.mark.parametrize(
    ("most", "taken", "stat"),
    [
        (
            "memory.max",
            "memory.current",
            {"anon": 20, "file": 279, "inactive_file": 200, "active_file": 30, "slab_reclaimable": 6},
        ),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            {"cache": 279, "inactive_file": 1, "total_inactive_file": 200, "total_active_file": 36},
        ),
    ],
)
def test_what_the_kernel_keeps_of_files_is_free(
    cgroups: Path, most: str, taken: str, stat: dict[str, int]
) -> None:
    """Who has read a video of gigabytes has a full container, and may have it all the same."""
    (cgroups / most).write_text(str(300 * MIB))
    (cgroups / taken).write_text(str(299 * MIB))
    kinds = "".join(f"{name} {size * MIB}\n" for name, size in stat.items())
    (cgroups / taken).with_name("memory.stat").write_text(kinds)
    assert free_host_mb() == 1 + 236


def test_a_process_that_waits_for_anothers_work_lets_it_have_the_device(
    devices: Devices, tmp_path: Path, said: SAID
) -> None:
    """The other holds the right to an action and waits for the device; this one holds the device."""
    store = WorkDir(tmp_path / "work")
    mine = a_model(devices, "mine", [])
    other = a_model(Devices(tmp_path, "cpu", lambda *words: said.append(words)), "theirs", [])
    action = Action("test.make", 1, Site("test"), {})
    begun = threading.Event()

    def make(out: Out) -> None:
        begun.set()
        with other:
            out.bytes("a", b"made")

    with mine:
        pass
    thread = threading.Thread(target=Runner(store, EventBus()).do, args=(action, make))
    thread.start()
    begun.wait()
    made = Runner(store, EventBus(), away=devices.away).do(action, lambda _out: pytest.fail("made twice"))
    thread.join()
    assert made.hit
    assert not mine.loaded
    assert [code for code, _ in said] in (["device-waiting"], [])


def test_a_model_at_work_goes_when_it_is_left_while_another_thread_waits(devices: Devices) -> None:
    one = a_model(devices, "one", [])
    with devices.away():
        with one:
            assert one.loaded
        assert not one.loaded
    with one:
        pass
    assert one.loaded


def test_without_torch_engines_of_other_environments_run_on_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loc.device.find_spec", lambda _name: None)
    said: SAID = []
    devices = Devices(tmp_path, "auto", lambda code, message: said.append((code, message)))
    assert devices.device.name == "cpu"
    assert [code for code, _ in said] == ["device-cpu"]
    assert "torch is not installed" in said[0][1]
    with pytest.raises(MissingError):
        _ = Devices(tmp_path, "cuda").device


@given(size=st.integers(1, 300), room=st.integers(1, 300))
def test_halving_ends_at_the_first_half_there_is_room_for(size: int, room: int) -> None:
    tried: list[int] = []
    said: SAID = []

    def attempt(at: int) -> int:
        tried.append(at)
        if at > room:
            raise MemoryError
        return at

    found = halving(size, attempt, lambda code, message: said.append((code, message)), "lines")
    assert found <= room
    assert tried == [size >> step for step in range(len(tried))]
    assert all(at > room for at in tried[:-1])
    assert [code for code, _ in said] == ["memory-halved"] * (len(tried) - 1)


@pytest.mark.parametrize(
    "ended",
    [lambda: torch.ones(1 << 55), lambda: bytearray(1 << 60), torch.OutOfMemoryError("CUDA out of memory")],
)
def test_every_way_memory_ends_is_known(ended: Any) -> None:
    def attempt(_at: int) -> None:
        if isinstance(ended, Exception):
            raise ended
        ended()

    with pytest.raises(MissingError, match="Memory ended with lines, one at a time"):
        halving(4, attempt, lambda _code, _message: None, "lines")


def test_other_errors_are_not_taken_for_it() -> None:
    def attempt(_at: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        halving(4, attempt, lambda _code, _message: None, "lines")


def test_a_size_that_was_halved_is_remembered_for_the_run(devices: Devices, said: SAID) -> None:
    def attempt(at: int) -> int:
        if at > 3:
            raise MemoryError
        return at

    assert [devices.halving("lines", 16, attempt) for _ in range(3)] == [2, 2, 2]
    assert len(said) == 3
    assert devices.halving("faces", 16, lambda at: at) == 16
