"""Processes: children by argument lists only, killed with their parent, honest about how they ended; and the
process's own heap."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from queue import SimpleQueue
from socket import AF_INET, AF_INET6
from typing import IO, Any

from loc.errors import ChildError, MissingError, RefusedError

LARGE_BLOCK = 1 << 20
"""Bytes: under the brightness of a 1080p picture (2 MB), over its colours (0.5 MB)."""
FREE_ON_TOP = 16 << 20
"""Bytes that may stay free on top of the heap, not to ask the system at every turn."""

STDERR_LINES = 20
"""Last lines of a child's stderr that an error shows: enough for ffmpeg's cause, short enough to read."""

_DISK_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
"""What programs say, in the C library's words, where there is no room."""

_KEY = re.compile("LOC_[A-Z]+_KEY")

_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
"""Number of the system call by machine; glibc has no function for it."""

_IOPRIO_WHO_PROCESS = 1
_IOPRIO_IDLE = 3 << 13
"""The idle class: the disk serves others first (ioprio_set(2))."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""malloc.h."""

_Order = Callable[[], "subprocess.Popen[bytes]"]


def _die_with_parent(parent: int) -> None:
    """Runs in the child before exec: SIGKILL when the thread that started it is gone.

    A parent that died between fork and this call sends nothing any more, so its pid is checked after it.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def return_freed_memory() -> None:
    """Hand the heap's free pages back to the system, where the C library can (glibc's malloc_trim).

    Threads allocate from heaps of their own, and what is freed between two blocks still in use stays
    resident. The graphs of the face networks left 100 MB that way after 300 chunks (measured), all of it
    returned by this call, which takes a few milliseconds.
    """
    with contextlib.suppress(AttributeError):  # musl has no such call, and no such heaps
        _libc.malloc_trim(0)


def keep_heap_small() -> None:
    """Have the C library hold little memory that nothing uses (glibc's mallopt). To be called before anything
    starts a thread.

    By default each thread has a heap of its own, and each keeps what it needed at its worst: of two threads
    that take turns at the same work, twice. A minute of film at 320x180 took 444 to 454 MB with one heap and
    566 to 625 MB without, at the same processor time (measured). Heaps that are there stay, and are shared
    too: called once the first child had been started, 488 MB.

    A block of `LARGE_BLOCK` and more comes from the system and goes back to it at once. By default that bound
    moves up to 32 MiB with the first such block that is freed, and twice as much may stay free on top of the
    heap: that minute then took 435 MB, and 396 so. With a bound of 256 KiB, under which no plane of a picture
    fits, 1080p took a fifth more processor time; with this one no more than with 4 MiB, within what two runs
    of each differ by, and 20 MB less.
    """
    with contextlib.suppress(AttributeError):  # as above
        _libc.mallopt(_M_ARENA_MAX, 1)
        _libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK)
        _libc.mallopt(_M_TRIM_THRESHOLD, FREE_ON_TOP)


def inherited() -> dict[str, str]:
    """What a child gets of the environment: all but the keys to endpoints (`LOC_LLM_KEY`), which are ours to
    show, and to the endpoint alone."""
    return {name: value for name, value in os.environ.items() if not _KEY.fullmatch(name)}


class _Spawner:
    """Starts every child from one thread that lives exactly as long as the process.

    Linux ties the death signal to the *thread* that forked (prctl(2)). A child started straight from a pool
    thread would be killed when the pool shuts down, long before the process ends.
    """

    def __init__(self) -> None:
        self._orders: SimpleQueue[tuple[_Order, Future[subprocess.Popen[bytes]]]] = SimpleQueue()
        threading.Thread(target=self._work, name="spawner", daemon=True).start()

    def _work(self) -> None:
        while True:
            order, answer = self._orders.get()
            try:
                answer.set_result(order())
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
                answer.set_exception(error)

    def start(self, order: _Order) -> subprocess.Popen[bytes]:
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((order, answer))
        return answer.result()


@functools.cache
def _spawner(_pid: int) -> _Spawner:
    """The spawner of this process; a forked copy of the process has not inherited its thread."""
    return _Spawner()


_spawner_lock = threading.Lock()


def _spawn(order: _Order) -> subprocess.Popen[bytes]:
    with _spawner_lock:
        spawner = _spawner(os.getpid())
    return spawner.start(order)


def forbid_network() -> None:
    """Let every connection of this process that leaves the machine fail, whoever asks for it; for good."""
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        socket, address = arguments
        if socket.family not in (AF_INET, AF_INET6):
            return
        host = address[0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host not in (None, "", "localhost", b"localhost") and not _is_loopback(host):
        raise RefusedError("A connection was refused.", why="--offline forbids the network.")


def _is_loopback(host: object) -> bool:
    try:
        return ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False


def give_way(nice: int) -> None:
    """Let other programs have the processor and the disk first. Children, and threads to come, inherit it.

    The disk's idle class is asked for and no more: not every machine and scheduler knows it.

    Args:
        nice: as of nice(1), 0..19; 0 changes nothing. A process that gives way more already stays so.
    """
    if nice == 0:
        return
    call = _IOPRIO_SET.get(platform.machine())
    for thread in map(int, os.listdir("/proc/self/task")):  # noqa: PTH208 - names, not paths
        # Linux keeps both for each thread; one may have ended meanwhile.
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, thread, max(nice, os.getpriority(os.PRIO_PROCESS, thread)))
        if call is not None:
            _libc.syscall(call, _IOPRIO_WHO_PROCESS, thread, _IOPRIO_IDLE)


def describe_exit(returncode: int) -> str:
    """`exit status 1`, or `killed by SIGKILL`."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


class Child:
    """A running child with its stderr drained in the background.

    Use as a context manager: leaving it waits for the child, and raises `ChildError` if it failed;
    leaving it by an exception kills the child first.

    Args:
        args: program and arguments.
        stdin: whether to open a pipe; or the stdout of the child before it, which is handed over.
        stdout: whether to open a pipe.
        env: whole environment; `inherited` by default.
    """

    def __init__(
        self,
        args: Sequence[str],
        *,
        stdin: bool | IO[bytes] = False,
        stdout: bool = False,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self.args = list(args)
        if isinstance(stdin, bool):
            source: int | IO[bytes] = subprocess.PIPE if stdin else subprocess.DEVNULL
        else:
            source = stdin
        try:
            self._popen = _spawn(
                lambda: subprocess.Popen(
                    self.args,
                    stdin=source,
                    stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=inherited() if env is None else dict(env),
                    cwd=cwd,
                    preexec_fn=functools.partial(_die_with_parent, os.getpid()),  # noqa: PLW1509 - only prctl
                )
            )
        except FileNotFoundError as error:
            raise MissingError(
                f"The program {self.args[0]!r} was not found.",
                fix="Run `loc doctor` to see what is missing and how to install it.",
            ) from error
        except OSError as error:
            raise ChildError(f"Could not start {self.args[0]!r}.", why=str(error)) from error
        finally:
            if not isinstance(stdin, bool):
                stdin.close()
        self._tail: deque[str] = deque(maxlen=STDERR_LINES)
        self._drain = threading.Thread(target=self._read_stderr, daemon=True)
        self._drain.start()

    def _read_stderr(self) -> None:
        assert self._popen.stderr is not None
        for line in self._popen.stderr:
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                self._tail.append(text)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def stdin(self) -> IO[bytes]:
        if self._popen.stdin is None:
            raise RuntimeError("the child was started without a stdin pipe")
        return self._popen.stdin

    @property
    def stdout(self) -> IO[bytes]:
        if self._popen.stdout is None:
            raise RuntimeError("the child was started without a stdout pipe")
        return self._popen.stdout

    def poll(self) -> int | None:
        return self._popen.poll()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._popen.kill()

    def tail(self) -> str:
        """The last lines of stderr so far."""
        return "\n".join(self._tail)

    def end(self, grace: float) -> int:
        """Close stdin, give the child `grace` seconds to end by itself, then kill it; never raises.

        Returns:
            Its exit status, negative for the signal that ended it.
        """
        if self._popen.stdin is not None:
            with contextlib.suppress(OSError):
                self._popen.stdin.close()
        try:
            returncode = self._popen.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            self.kill()
            returncode = self._popen.wait()
        self._drain.join(timeout=5)
        if self._popen.stdout is not None:
            self._popen.stdout.close()
        return returncode

    def wait(self) -> None:
        """Close stdin, wait, and raise `ChildError` unless the child succeeded.

        One that speaks of a full disk has failed whatever its status: ffmpeg 5.1 ends with 0 where the last
        bytes of a file are lost as it is closed, and a file cut short would be kept as a success.
        """
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()
        returncode = self._popen.wait()
        self._drain.join(timeout=5)
        if self._popen.stdout is not None:
            self._popen.stdout.close()
        if returncode != 0 or any(words in self.tail() for words in _DISK_FULL):
            raise self.error()

    def error(self) -> ChildError:
        """The error that says how this child ended, with its last lines."""
        returncode = self._popen.wait()
        self._drain.join(timeout=5)
        return ChildError(
            f"{self.args[0]} failed ({describe_exit(returncode)}).",
            why=self.tail() or "It printed nothing.",
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _tb: object) -> None:
        if kind is None:
            self.wait()
            return
        # A broken pipe means the child died first: its own words are the better error.
        died_first = isinstance(value, BrokenPipeError)
        if not died_first:
            self.kill()
        if self._popen.stdin is not None:
            with contextlib.suppress(OSError):
                self._popen.stdin.close()
        if self._popen.stdout is not None:
            self._popen.stdout.close()
        self._popen.wait()
        self._drain.join(timeout=5)
        if died_first:
            raise self.error() from value


def run(args: Sequence[str], *, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
    """Run to the end and return stdout.

    Raises:
        MissingError: no such program.
        ChildError: it failed; carries its last lines and its signal.
    """
    with Child(args, stdin=stdin is not None, stdout=True, env=env) as child:
        writer: threading.Thread | None = None
        if stdin is not None:
            writer = threading.Thread(target=_feed, args=(child.stdin, stdin), daemon=True)
            writer.start()
        output = child.stdout.read()
        if writer is not None:
            writer.join()
    return output


def _feed(pipe: IO[bytes], data: bytes) -> None:
    # The child may end before reading everything; its exit status tells whether that was a fault.
    with contextlib.suppress(BrokenPipeError):
        pipe.write(data)
    with contextlib.suppress(BrokenPipeError):
        pipe.close()


@dataclass(frozen=True)
class Usage:
    """What this process and its children that have ended have cost so far."""

    processor_seconds: float
    """User and system time, all together."""
    peak_bytes: int
    """Resident memory of the largest single process at its largest."""


def usage() -> Usage:
    """What this process and its children that have ended have cost so far."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    # Until it becomes another program, a child is as large as whoever started it, and the kernel remembers
    # that: of this process itself only its present memory counts, and of children what is more than that.
    peak = max(_own_peak() or own.ru_maxrss * 1024, children.ru_maxrss * 1024)
    return Usage(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, peak)


def _own_peak() -> int | None:
    """The most that was resident of this program since it began; None where the kernel does not say."""
    with contextlib.suppress(OSError):
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        if found := re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE):
            return int(found[1]) * 1024
    return None


def read_exactly(pipe: IO[bytes], size: int) -> bytes | None:
    """`size` bytes, or None at a clean end of the stream.

    Raises:
        EOFError: the stream ends inside a record.
    """
    data = pipe.read(size)
    if not data:
        return None
    while len(data) < size:
        more = pipe.read(size - len(data))
        if not more:
            raise EOFError(f"stream ended after {len(data)} of {size} bytes")
        data += more
    return data
