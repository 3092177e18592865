"""A process's own heap, its place among others, its cost; how children end is tested with who starts them."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from loc.process import return_freed_memory, run

ROOT = Path(__file__).resolve().parents[1]
HELD = 150_000_000
SPENT_S = 0.5

WORK = """
import dataclasses, json, subprocess, sys, time
from loc.process import usage
def cost(name): print(json.dumps({"name": name, **dataclasses.asdict(usage())}))
cost("start")
child = f"import time; held = bytes(range(256)) * ({held} // 256)\\nwhile time.process_time() < {spent}: pass"
if "child" in sys.argv: subprocess.run([sys.executable, "-c", child], check=True)
else: exec(child)
cost("end")
"""


@pytest.mark.parametrize("where", ["child", "own"])
def test_usage_is_that_of_this_process_and_its_children(where: str) -> None:
    words = WORK.replace("{held}", str(HELD)).replace("{spent}", str(SPENT_S)).replace('f"import', '"import')
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Started by a process that holds more than it ever will: of that, nothing may count.
    ballast = bytearray(os.urandom(1 << 20)) * 400
    done = subprocess.run(
        [sys.executable, "-c", words, where], env=environment, capture_output=True, text=True, check=True
    )
    assert ballast
    start, end = map(json.loads, done.stdout.splitlines())
    assert start["peak_bytes"] < HELD
    assert HELD < end["peak_bytes"] < 2 * HELD
    assert end["processor_seconds"] - start["processor_seconds"] >= SPENT_S * (where == "child")
    assert end["processor_seconds"] >= SPENT_S


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed pages")
def test_freed_memory_goes_back_though_a_block_above_it_is_in_use() -> None:
    process = psutil.Process()
    blocks = [b"\x01" * (65_536 + number) for number in range(2000)]
    last = blocks.pop()
    full = process.memory_info().rss
    del blocks
    return_freed_memory()
    assert full - process.memory_info().rss > 100_000_000
    assert len(last) == 65_536 + 1999


def test_threads_share_a_heap_once_they_are_told_to() -> None:
    # The heap of a thread is a mapping of 64 MiB, aligned to its size, of which glibc makes one each.
    code = """
import sys, threading
from cli.main import load_command
from loc.process import run, keep_heap_small
if sys.argv[1] == "shared": keep_heap_small()
if sys.argv[1] == "command": load_command("run")
run(["true"])
together, shown = threading.Barrier(9), threading.Event()
def hold():
    block = bytearray(100_000)
    together.wait()
    shown.wait()
threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads: thread.start()
together.wait()
starts = [int(line.split("-")[0], 16) for line in open("/proc/self/maps") if line.split()[1].startswith("rw")]
print(sum(start % (64 << 20) == 0 for start in starts))
shown.set()
"""
    heaps = {
        mode: int(
            subprocess.run(
                [sys.executable, "-c", code, mode], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
        )
        for mode in ("own", "shared", "command")
    }
    assert heaps["own"] >= 7
    assert heaps["shared"] <= 1
    assert heaps["command"] <= 1


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed blocks")
def test_large_blocks_go_back_at_once_though_one_above_them_is_in_use() -> None:
    code = """
import sys, psutil
from loc.process import LARGE_BLOCK, keep_heap_small
if sys.argv[1] == "small": keep_heap_small()
def block(): return bytearray(b"1") * (LARGE_BLOCK + 1)
block()
blocks = [block() for _ in range(12)]
last = blocks.pop()
full = psutil.Process().memory_info().rss
del blocks
print((full - psutil.Process().memory_info().rss) // LARGE_BLOCK)
"""
    returned = {
        mode: int(
            subprocess.run(
                [sys.executable, "-c", code, mode], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
        )
        for mode in ("own", "small")
    }
    assert returned["own"] <= 2
    assert returned["small"] >= 10


def child_of(code: str) -> list[str]:
    """What a program prints that has imported `give_way` and `run`."""
    start = "from loc.process import give_way, run\n"
    done = subprocess.run(
        [sys.executable, "-c", start + code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_children_give_way_too_also_those_of_threads_that_were_there_before() -> None:
    # The first child starts the thread that starts all others.
    code = "print(run(['nice']).decode()); give_way(7); print(run(['nice']).decode())"
    before, after = map(int, child_of(code))
    assert after == max(before, 7)


def test_nobody_takes_back_what_was_given() -> None:
    assert child_of("give_way(12); give_way(3); print(run(['nice']).decode())") == ["12"]
    assert child_of("give_way(0); print(run(['nice']).decode())") == child_of("print(run(['nice']).decode())")


@pytest.mark.skipif(shutil.which("ionice") is None, reason="no ionice to ask with")
def test_the_disk_serves_others_first() -> None:
    assert child_of("give_way(1); print(run(['ionice']).decode())") == ["idle"]


def test_no_child_is_given_the_keys_to_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOC_LLM_KEY", "secret")
    monkeypatch.setenv("LOC_SPEECH_KEY", "secret")
    monkeypatch.setenv("LOC_PRESET", "slow")
    seen = run(["env"]).decode().splitlines()
    assert "LOC_PRESET=slow" in seen
    assert not [line for line in seen if "_KEY=" in line or "secret" in line]
