"""The process's own heap; how children end is tested with what starts them (ffmpeg, workers)."""

from __future__ import annotations

import platform

import psutil
import pytest

from loc.process import return_freed_memory


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
