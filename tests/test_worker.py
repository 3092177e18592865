"""The worker protocol, with real processes, and the promise that no child outlives its parent."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from loc.errors import ChildError, ExitCode, MissingError
from loc.process import Child
from loc.worker import Worker

WORKER = """
import ctypes, os, sys, time
from loc.errors import MissingError
from loc.worker import serve

def refuse():
    raise MissingError("No pair.", why="Not installed.", fix="apt-get install it")

def noise():
    libc = ctypes.CDLL(None)
    libc.puts(b"noise from C")
    libc.fflush(None)
    os.write(1, b"noise from a descriptor\\n")
    print("noise from Python", flush=True)
    os.system("echo noise from a child")
    return {"stdin": os.read(0, 10).decode()}

serve("test", "7", {"engine": "1.2"}, {
    "echo": lambda **params: params,
    "pid": lambda: {"pid": os.getpid()},
    "refuse": refuse,
    "crash": lambda: 1 / 0,
    "unserialisable": lambda: {"x": float("nan")},
    "noise": noise,
    "die": lambda: (print("last words", file=sys.stderr, flush=True), os.kill(os.getpid(), 9)),
    "hang": lambda: time.sleep(600),
})
"""


@pytest.fixture
def script(tmp_path: Path) -> list[str]:
    path = tmp_path / "worker.py"
    path.write_text(WORKER)
    return [sys.executable, str(path)]


@pytest.fixture
def worker(script: list[str]) -> Iterator[Worker]:
    with Worker(script, name="test") as worker:
        yield worker


def fake(tmp_path: Path, body: str) -> Worker:
    """A worker that does not use `serve`."""
    path = tmp_path / "fake.py"
    path.write_text(body)
    return Worker([sys.executable, str(path)], name="fake")


def test_says_who_it_is(worker: Worker) -> None:
    hello = worker.hello()
    assert (hello.name, hello.version, hello.fingerprint) == ("test", "7", {"engine": "1.2"})


@pytest.mark.parametrize("text", ["", "plain", "ñ 日本語 😀", "line\nbreak\r\u2028\x00end", "x" * 200_000])
def test_text_comes_back_as_it_was(worker: Worker, text: str) -> None:
    assert worker.call("echo", text=text, number=3, nested={"a": [1.5, None]}) == {
        "text": text,
        "number": 3,
        "nested": {"a": [1.5, None]},
    }


def test_calls_from_many_threads_do_not_mix(worker: Worker) -> None:
    answers: dict[int, object] = {}

    def ask(number: int) -> None:
        answers[number] = worker.call("echo", number=number)["number"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number for number in range(20)}


def test_an_error_keeps_its_kind_and_the_worker_lives(worker: Worker) -> None:
    pid = worker.call("pid")
    with pytest.raises(MissingError) as caught:
        worker.call("refuse")
    error = caught.value
    assert (error.what, error.why, error.fix) == ("No pair.", "Not installed.", "apt-get install it")
    assert error.code == ExitCode.MISSING
    assert worker.call("pid") == pid


@pytest.mark.parametrize(
    ("method", "why"), [("crash", "ZeroDivisionError"), ("unserialisable", "ValueError"), ("absent", "")]
)
def test_a_fault_is_told_and_the_worker_lives(worker: Worker, method: str, why: str) -> None:
    pid = worker.call("pid")
    with pytest.raises(ChildError) as caught:
        worker.call(method)
    assert why in caught.value.why
    assert worker.call("pid") == pid


def test_death_in_a_call_names_signal_and_last_words_and_the_next_call_starts_anew(worker: Worker) -> None:
    first = worker.call("pid")
    with pytest.raises(ChildError) as caught:
        worker.call("die")
    assert "SIGKILL" in caught.value.what
    assert "last words" in caught.value.why
    assert worker.call("pid") != first


def test_noise_on_stdout_does_not_break_the_protocol(worker: Worker) -> None:
    assert worker.call("noise") == {"stdin": ""}
    assert worker.call("echo", text="still in step") == {"text": "still in step"}


def test_a_worker_that_hangs_is_killed_at_its_limit(script: list[str]) -> None:
    worker = Worker(script, name="test", limit_s=0.2)
    with pytest.raises(ChildError, match=r"did not answer within 0.2 s"):
        worker.call("hang")
    worker.close()


def test_close_ends_a_call_under_way(script: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loc.worker.GRACE_S", 0.2)
    worker = Worker(script, name="test")
    worker.hello()
    failures: list[ChildError] = []

    def hang() -> None:
        try:
            worker.call("hang")
        except ChildError as error:
            failures.append(error)

    thread = threading.Thread(target=hang)
    thread.start()
    while not worker._lock.locked():
        pass
    worker.close()
    thread.join()
    assert "SIGKILL" in failures[0].what


def test_garbage_is_told(tmp_path: Path) -> None:
    worker = fake(tmp_path, "print('I am no worker')")
    with pytest.raises(ChildError, match="broke the protocol"):
        worker.call("echo")


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    hello = '{"protocol": 99, "name": "x", "version": "1", "fingerprint": {}}'
    worker = fake(tmp_path, f"print('{hello}', flush=True); input()")
    with pytest.raises(ChildError, match="broke the protocol") as caught:
        worker.hello()
    assert "protocol 99" in caught.value.why


def test_a_worker_that_cannot_start_tells_why(tmp_path: Path) -> None:
    with pytest.raises(ChildError) as caught:
        fake(tmp_path, "import no_such_module_anywhere").hello()
    assert "no_such_module_anywhere" in caught.value.why
    with pytest.raises(MissingError):
        Worker(["/no/such/program"], name="absent").hello()


def test_a_worker_that_comes_back_different_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    worker = fake(
        tmp_path,
        f"""
import json, os, pathlib
state = pathlib.Path({str(state)!r})
state.write_text(state.read_text() + "x" if state.exists() else "x")
hello = {{"protocol": 1, "name": "x", "version": state.read_text(), "fingerprint": {{}}}}
print(json.dumps(hello), flush=True)
input()
os._exit(1)
""",
    )
    worker.hello()
    with pytest.raises(ChildError, match="died"):
        worker.call("anything")
    with pytest.raises(ChildError, match="changed while it was in use"):
        worker.call("anything")


def test_close_twice_and_call_again(worker: Worker) -> None:
    worker.call("pid")
    worker.close()
    worker.close()
    assert worker.call("echo", a=1) == {"a": 1}


# Life and death of children


def test_a_child_survives_the_thread_that_started_it() -> None:
    children: list[Child] = []
    thread = threading.Thread(target=lambda: children.append(Child(["cat"], stdin=True, stdout=True)))
    thread.start()
    thread.join()
    with children[0] as cat:
        cat.stdin.write(b"alive\n")
        cat.stdin.flush()
        assert cat.stdout.readline() == b"alive\n"


PARENT = """
import sys, threading
from loc.process import Child
from loc.worker import Worker

worker = Worker(sys.argv[1:], name="test")
children = []

def start():
    children.append(Child(["sleep", "600"]))
    children.append(worker.call("pid")["pid"])

thread = threading.Thread(target=start)
thread.start()
thread.join()
print(children[0].pid, children[1], flush=True)
worker.call("hang")
"""


def test_kill_9_of_the_parent_leaves_no_child(script: list[str], tmp_path: Path) -> None:
    parent_script = tmp_path / "parent.py"
    parent_script.write_text(PARENT)
    with subprocess.Popen([sys.executable, str(parent_script), *script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        handles = [os.pidfd_open(pid) for pid in pids]
        assert len(handles) == 2
        os.kill(parent.pid, signal.SIGKILL)
    for handle in handles:
        # A pidfd becomes readable when its process has ended.
        ended, _, _ = select.select([handle], [], [], 30)
        os.close(handle)
        assert ended
