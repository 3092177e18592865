"""Python processes that are watched for what they ask of the network, and given none."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]

_WATCH = """
import os, sys
LOG = {log!r}
def note(line):
    with open(LOG, "a") as file:
        file.write(f"{{os.getpid()}} {{line}}\\n")
def watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(args[1], str | bytes):
        return
    if event.startswith("socket.") and event.partition(".")[2] in (
        "connect", "sendto", "sendmsg", "getaddrinfo", "gethostbyname", "gethostbyaddr"
    ):
        note(f"reached out: {{event}}")
        raise OSError("This test has no network.")
sys.addaudithook(watch)
note("watched: " + " ".join(sys.orig_argv))
"""
"""Sockets are blocked but for those of files: their paths are strings, addresses are not."""

_LEAVE = """
import atexit, socket
def leave():
    fault = "none"
    try:
        socket.create_connection(("192.0.2.1", 9), timeout=0.2)
    except Exception as error:
        fault = type(error).__name__
    with open({log!r}, "a") as file:
        file.write(fault + "\\n")
atexit.register(leave)
"""
"""192.0.2.1 is nobody (RFC 5737)."""


def watched(folder: Path) -> tuple[dict[str, str], Path]:
    """Variables by which every Python that is started with them is watched, and has no network; and the log.

    Lines of the log say `watched: ` and the command, or `reached out: ` and how.
    """
    return _customised(folder, _WATCH)


def leaving(folder: Path) -> tuple[dict[str, str], Path]:
    """Variables by which every Python tries at its end to leave the machine; and the log, which names the
    error that it meets."""
    return _customised(folder, _LEAVE)


def _customised(folder: Path, code: str) -> tuple[dict[str, str], Path]:
    log = folder / "log"
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(code.format(log=str(log)))
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}, log
