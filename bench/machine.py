"""What a figure was measured on, of which code, and where it is written."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

Result = dict[str, Any]

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"


def machine() -> Result:
    """Processor, cores, memory and versions, and the commit: enough to know what seconds are worth, and of
    what code they are.

    `commit` is None where there is no repository. `uncommitted`: files that differ from it or are not in it,
    other than results.
    """
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))
    changes = _git("status", "--porcelain", "--", ".", f":!{RESULTS.relative_to(ROOT)}")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted": None if changes is None else [line[3:] for line in changes.splitlines()],
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20) if memory else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "ffmpeg": _ffmpeg(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _git(*command: str) -> str | None:
    """What git says of this tree, its end cut off; None where it is none of its own or git is missing."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *command], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.rstrip() if done.returncode == 0 else None


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found[1] if found else platform.machine()


def _ffmpeg() -> str:
    said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]


def goal(what: str, measured: float, limit: float, *, at_least: bool = False) -> Result:
    """One line of a result: what was to be reached, and whether it was."""
    return {
        "goal": what,
        "limit": limit,
        "measured": round(measured, 4),
        "met": measured >= limit if at_least else measured < limit,
    }


def show(result: Result, path: Path | None) -> None:
    """Print a result as JSON, and write it where a path was given."""
    text = json.dumps(result, indent=1, ensure_ascii=False)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    print(text)
