"""The process's own heap, and its place among others; how children end is tested with what starts them."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from loc.process import return_freed_memory

ROOT = Path(__file__).resolve().parents[1]


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
