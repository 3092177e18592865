"""Workers: engines in a process of their own, one protocol for all.

An engine runs as a worker where its packages clash with ours, or where its licence (GPL) wants it at arm's
length. JSON lines go over stdin and stdout, one object per line, UTF-8; large data goes by file path. The
protocol is written down in `docs/reference/worker-protocol.md`.

This module is both ends of it. A worker imports nothing else of `loc`, and importing it is cheap.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, NoReturn

from loc import errors
from loc.errors import ChildError, Interrupted, LocError
from loc.process import Child, describe_exit

PROTOCOL = 1
"""Version of the protocol. A worker that speaks another is refused when it says hello."""

MAX_LINE = 16 << 20
"""Longest line either side accepts, bytes: more than any text, and sound and pictures go by path."""

START_LIMIT_S = 120.0
"""Seconds a worker may take to say hello: imports and model files on a cold, slow disk."""

GRACE_S = 5.0
"""Seconds a worker has to end by itself after its stdin was closed."""

Handler = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True)
class Hello:
    """What a worker says first."""

    name: str
    version: str
    fingerprint: Mapping[str, str]
    """Name -> version or digest of every program, library and data set that shapes its results."""


def python_module(module: str) -> list[str]:
    """Arguments that run a module of this very Python environment as a worker.

    `-P` keeps the current folder, which is the user's, off the import path.
    """
    return [sys.executable, "-P", "-m", module]


class Worker:
    """A worker as its user sees it: started on first use, called from any thread, one call at a time.

    A worker that died, fell silent or spoke garbage is gone after the error; the next call starts a new one.

    Args:
        args: program and arguments.
        name: what errors call it.
        env: whole environment; the parent's by default.
        limit_s: seconds one call may take before the worker is killed; None waits for ever.
    """

    def __init__(
        self,
        args: Sequence[str],
        *,
        name: str,
        env: Mapping[str, str] | None = None,
        limit_s: float | None = None,
    ) -> None:
        self.args = list(args)
        self.name = name
        self._env = None if env is None else dict(env)
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._hello: Hello | None = None
        self._calls = 0

    def hello(self) -> Hello:
        """Who the worker says it is; starts it the first time.

        Raises:
            MissingError: its program does not exist.
            ChildError: it died, or speaks another protocol.
        """
        with self._lock:
            if self._hello is None:
                self._start()
            assert self._hello is not None
            return self._hello

    def call(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Have the worker do something and return its result.

        Args:
            method: one of the worker's methods.
            params: JSON values.

        Raises:
            LocError: of the kind the worker named; it is alive and can be called again.
            MissingError: its program does not exist.
            ChildError: it died, fell silent or broke the protocol; its last lines and signal are in `why`.
        """
        with self._lock:
            child = self._child or self._start()
            self._calls += 1
            reply = self._exchange(child, _dump({"id": self._calls, "method": method, "params": params}))
            if reply.get("id") != self._calls:
                self._fail_garbled(child, "It answered another call.")
            return self._unpack(child, reply)

    def close(self) -> None:
        """End the worker: politely, then by force, in the middle of a call too. May be called twice."""
        if not self._lock.acquire(timeout=GRACE_S):
            if (busy := self._child) is not None:
                busy.kill()
            self._lock.acquire()
        try:
            self._drop()
        finally:
            self._lock.release()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(self, child: Child, request: bytes) -> dict[str, Any]:
        try:
            with self._limited(child, self._limit_s, "answer"):
                try:
                    child.stdin.write(request)
                    child.stdin.flush()
                except OSError:
                    self._fail_dead(child)
                return self._read(child)
        except (KeyboardInterrupt, Interrupted):
            # Its answer would be taken for that of the next call.
            child.kill()
            self._drop()
            raise

    def _start(self) -> Child:
        child = self._child = Child(self.args, stdin=True, stdout=True, env=self._env)
        with self._limited(child, START_LIMIT_S, "start"):
            raw = self._read(child)
        if raw.get("protocol") != PROTOCOL:
            self._fail_garbled(child, f"It speaks protocol {raw.get('protocol')!r}, not {PROTOCOL}.")
        try:
            hello = Hello(str(raw["name"]), str(raw["version"]), {**raw["fingerprint"]})
        except (KeyError, TypeError):
            self._fail_garbled(child, "Its hello is incomplete.")
        if self._hello is not None and hello != self._hello:
            self._drop()
            raise ChildError(
                f"The worker {self.name} changed while it was in use.",
                why="It was started again and is not the version it was before.",
                fix="Run again.",
            )
        self._hello = hello
        return child

    def _read(self, child: Child) -> dict[str, Any]:
        line = child.stdout.readline(MAX_LINE)
        if not line:
            self._fail_dead(child)
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            self._fail_garbled(child, f"It wrote {len(line)} bytes to stdout that are no message.")
        return value

    def _unpack(self, child: Child, reply: Mapping[str, Any]) -> dict[str, Any]:
        result, error = reply.get("result"), reply.get("error")
        if isinstance(error, dict):
            raise _error_from(error)
        if not isinstance(result, dict):
            self._fail_garbled(child, "Its answer holds neither a result nor an error.")
        return result

    @contextlib.contextmanager
    def _limited(self, child: Child, limit_s: float | None, doing: str) -> Iterator[None]:
        """Kill the child when the time is up, which ends the read inside, and say so."""
        if limit_s is None:
            yield
            return
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            child.kill()

        timer = threading.Timer(limit_s, expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        except ChildError as error:
            if not expired.is_set():
                raise
            raise ChildError(
                f"The worker {self.name} did not {doing} within {limit_s:g} s and was killed.",
                why=child.tail() or "It printed nothing.",
            ) from error
        finally:
            timer.cancel()

    def _drop(self) -> int | None:
        child, self._child = self._child, None
        return None if child is None else child.end(GRACE_S)

    def _fail_dead(self, child: Child) -> NoReturn:
        returncode = self._drop()
        how = "it is gone" if returncode is None else describe_exit(returncode)
        raise ChildError(f"The worker {self.name} died ({how}).", why=child.tail() or "It printed nothing.")

    def _fail_garbled(self, child: Child, why: str) -> NoReturn:
        child.kill()
        self._drop()
        raise ChildError(
            f"The worker {self.name} broke the protocol.",
            why="\n".join(part for part in (why, child.tail()) if part),
        )


def serve(name: str, version: str, fingerprint: Mapping[str, str], handlers: Mapping[str, Handler]) -> None:
    """Be a worker: say hello, answer calls until stdin ends. Call it from the main thread.

    File descriptors 0 and 1 are taken away first, so that a native library that prints to stdout, or a child
    that reads stdin, cannot disturb the protocol: what they print goes to stderr.

    Args:
        name: the engine.
        version: of the worker's own code; raise it when its results change.
        fingerprint: name -> version or digest of what shapes the results.
        handlers: method -> function of the call's params that returns a JSON object. A `LocError` it raises
            reaches the caller as what it is; anything else as a `ChildError`.
    """
    # Ctrl-C reaches every process of the terminal; the one that has the user decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, replies = _take_stdio()
    hello = {"protocol": PROTOCOL, "name": name, "version": version, "fingerprint": dict(fingerprint)}
    replies.write(_dump(hello))
    replies.flush()
    while line := requests.readline(MAX_LINE):
        # A parent that died while we worked is no reason for a traceback.
        with contextlib.suppress(BrokenPipeError):
            replies.write(_answer(line, handlers))
            replies.flush()


def forbid_network() -> None:
    """Take the network from this process for good: whatever tries to reach a host or to look up a name fails.

    For workers whose packages would fetch what they miss. It holds for Python's own sockets, which is what
    such packages use.
    """

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        del args
        if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
            raise OSError(errno.ENETUNREACH, "This process has no network.")

    sys.addaudithook(refuse)


def _take_stdio() -> tuple[IO[bytes], IO[bytes]]:
    """(stdin, stdout) as private descriptors; 0 then reads nothing and 1 writes to stderr."""
    sys.stdout.flush()
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _answer(line: bytes, handlers: Mapping[str, Handler]) -> bytes:
    ident: Any = None
    try:
        request = json.loads(line)
        ident = request["id"]
        handler = handlers.get(request["method"])
        if handler is None:
            raise ChildError(f"The worker has no method {request['method']!r}.")
        return _dump({"id": ident, "result": dict(handler(**request["params"]))})
    except LocError as error:
        return _dump({"id": ident, "error": _error_to(error)})
    except Exception as error:  # noqa: BLE001 - the boundary: the caller must hear of every fault
        traceback.print_exc()
        fault = ChildError("The worker failed.", why=f"{type(error).__name__}: {error}")
        return _dump({"id": ident, "error": _error_to(fault)})


def _dump(message: Mapping[str, Any]) -> bytes:
    """One line. Escaped to ASCII, so that no character of a text can end it."""
    return json.dumps(message, allow_nan=False).encode("ascii") + b"\n"


def _error_to(error: LocError) -> dict[str, str]:
    return {"kind": type(error).__name__, "what": error.what, "why": error.why, "fix": error.fix}


def _error_from(raw: Mapping[str, Any]) -> LocError:
    """The error a reply names. A kind we do not know is a `ChildError`."""
    kind = getattr(errors, str(raw.get("kind")), None)
    if not (isinstance(kind, type) and issubclass(kind, LocError)):
        kind = ChildError
    return kind(str(raw.get("what", "")), why=str(raw.get("why", "")), fix=str(raw.get("fix", "")))
