"""Asking an endpoint over HTTP: JSON goes there, an answer comes back, tried again where that can help.

The endpoint's key is read from the environment when a request is made; it stands in no message of ours and
no record, and no redirect carries it to another host. What goes wrong on the way is tried again after pauses
that grow, or that the endpoint asks for, with limits. Where the endpoint cannot be reached, turns the key
down, or gives up on one request after the other, what is left is not asked for at all. An answer that comes
too late or breaks off is the failure of its request, which may have been too large.

httpx tries again what could not be connected, and nothing else; a status, a broken answer and `Retry-After`
are weighed here.
"""

from __future__ import annotations

import email.utils
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from loc.errors import ChildError, InputError, LocError, MissingError, UsageError

if TYPE_CHECKING:
    import httpx

Answer = TypeVar("Answer")

CONNECT_S = 10.0
"""Seconds to reach an endpoint."""

MOST_GIVEN_UP = 3
"""Requests one after the other that an endpoint may fail, each tried to the end, before it counts as gone:
one may be at fault itself, three are an endpoint that is down. Those under way together count as one.
Requests that take too long are counted on their own, by `Patience.most_slow`."""

SLOW_ATTEMPTS = 2
"""Times a request is sent whose answer does not come to its end in time: it will hardly be faster."""

MOST_REASON = 200
"""Signs of what an endpoint says of a request it turns down, that are shown."""

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which the same request may be answered: waits, limits and overloads, and 529, which some
services use for the latter."""

PROXIES = ("http_proxy", "https_proxy", "all_proxy")
"""Variables by which proxies are named, in small letters or capitals."""
CERTIFICATES = ("SSL_CERT_FILE", "SSLKEYLOGFILE")
"""Variables by which files are named that must be there: with certificates in PEM form, and for keys."""

OF_THE_REQUEST = frozenset({400, 413, 422})
"""Statuses that turn one request down and say nothing of the next."""


@dataclass(frozen=True)
class Patience:
    """How long an endpoint is waited for.

    Args:
        attempts: times one request is sent.
        first_pause_s: pauses double from this.
        longest_pause_s: no pause is longer; an endpoint that asks for more is not waited for.
        answer_s: seconds until a request is answered to the end.
        most_bytes: of an answer; one that goes on is cut off.
        most_slow: requests one after the other that may take too long, before the endpoint counts as gone:
            who asks for less after each wants more of them than who does not.
    """

    attempts: int
    first_pause_s: float
    longest_pause_s: float
    answer_s: float
    most_bytes: int
    most_slow: int = MOST_GIVEN_UP


QUOTED = 40
"""Signs at the beginning of a text that tell a quote of it, which endpoints may cut."""


class TurnedDown(InputError):  # noqa: N818 - as its siblings read: what happened
    """The endpoint turned this one request down.

    Args:
        status: of HTTP.
        said: its own reason, whole, of which messages show the beginning; empty where it gave none.
    """

    def __init__(self, what: str, status: int, said: str = "") -> None:
        reason = f": {said[:MOST_REASON].rstrip('.')}" if said else ""
        super().__init__(what, why=f"It answered {status}{reason}.")
        self.status = status
        self.said = said

    def discreet(self, texts: Iterable[str]) -> TurnedDown:
        """The same, without a reason that quotes one of the texts it was asked about, or how one begins: what
        a film says stands in no record."""
        said = " ".join(self.said.casefold().split())
        asked = (" ".join(text.casefold().split()) for text in texts)
        quotes = any(words and words[:QUOTED] in said for words in asked)
        return TurnedDown(self.what, self.status) if quotes else self


_NONE_GIVEN_UP: Mapping[bool, int] = MappingProxyType({False: 0, True: 0})
"""Whether requests took too long -> those given up one after the other."""


class _TooSlow(ChildError):  # noqa: N818 - as its siblings read: what happened
    """There was no end of an answer in time."""


@dataclass(frozen=True)
class _Came:
    """What came of one attempt.

    Args:
        status: of HTTP, 0 where there was no whole answer.
        why: of a failure.
        gone: the endpoint could not be reached.
        slow: there was no end of the answer in time.
    """

    status: int
    body: bytes
    retry_after: str
    why: str
    gone: bool = False
    slow: bool = False


class Remote:
    """One endpoint of OpenAI's form. Its methods may run on several threads.

    Args:
        name: in messages, e.g. `speech endpoint`.
        url: up to `/v1`.
        model: that is asked for, for messages.
        key_variable: the environment variable that holds its key.
        flags: how url and model are set, for messages, e.g. `--llm-url and --llm-model`.
        patience: how long it is waited for.
    """

    def __init__(
        self, name: str, url: str, model: str, key_variable: str, flags: str, patience: Patience
    ) -> None:
        self._name = name
        self._url = url
        self._model = model
        self._key_variable = key_variable
        self._flags = flags
        self._patience = patience
        self._down: LocError | None = None
        self._given_up = _NONE_GIVEN_UP
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def ask(self, path: str, body: Mapping[str, Any], read: Callable[[bytes], Answer | None]) -> Answer:
        """Send a request until it is answered.

        Args:
            path: below the url.
            body: sent as JSON.
            read: makes an answer of what came with status 200; None where it is something else, and the
                request is sent again.

        Raises:
            MissingError: the endpoint is gone, or turns the key, the model or more requests down.
            UsageError: the environment's key, proxies or certificates cannot be used.
            TurnedDown: it turns this request down.
            ChildError: it does not answer this request.
        """
        if self._down is not None:
            raise self._down
        before = self._given_up
        try:
            answer = self._asked(path, body, read)
        except (MissingError, UsageError) as error:
            self._down = error
            raise
        except ChildError as error:
            slow = isinstance(error, _TooSlow)
            with self._lock:
                # Of those under way together the first alone counts.
                number = self._given_up[slow] + (self._given_up[slow] == before[slow])
                self._given_up = {**self._given_up, slow: number}
                if number >= (self._patience.most_slow if slow else MOST_GIVEN_UP):
                    self._down = MissingError(error.what, why=error.why, fix=self._later())
            raise
        with self._lock:
            self._given_up = _NONE_GIVEN_UP
        return answer

    def close(self) -> None:
        """Close connections. May be called twice."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _asked(self, path: str, body: Mapping[str, Any], read: Callable[[bytes], Answer | None]) -> Answer:
        came, slow = _Came(0, b"", "", ""), 0
        for attempt in range(self._patience.attempts):
            came = self._send(path, body)
            slow += came.slow
            if came.status == 200:
                answer = read(came.body)
                if answer is not None:
                    return answer
                came = _Came(200, b"", "", "It answered with something else than was asked for.")
            elif came.status and came.status not in PASSING:
                raise self._refusal(came.status, came.body)
            if slow >= SLOW_ATTEMPTS:
                break
            if attempt + 1 < self._patience.attempts:
                time.sleep(self._pause(attempt, came.retry_after))
        if came.gone:
            raise MissingError(
                f"The {self._name} {self._url} cannot be reached.",
                why=came.why,
                fix=f"See whether it runs, and look at {self._flags}. What was made is kept.",
            )
        failure = _TooSlow if slow >= SLOW_ATTEMPTS else ChildError
        raise failure(
            f"The {self._name} gave no answer in {attempt + 1} attempts.",
            why=came.why,
            fix=self._later(),
        )

    def _later(self) -> str:
        return f"Look at {self._flags}, or run again later; what was made is kept."

    def _refusal(self, status: int, body: bytes) -> LocError:
        if status in OF_THE_REQUEST:
            said = reason(body)
            if key := os.environ.get(self._key_variable):
                said = said.replace(key, "...")
            return TurnedDown(f"The {self._name} turned a request down.", status, said)
        why, variable = f"It answered {status}.", self._key_variable
        if status in (401, 403):
            known = (
                "does not accept the key in" if os.environ.get(variable) else "wants a key; there is none in"
            )
            fix = f"Set {variable} to a key that may use {self._model}."
            return MissingError(f"The {self._name} {known} {variable}.", why=why, fix=fix)
        if status == 404:
            return MissingError(
                f"The {self._name} does not know {self._model}, or is somewhere else.",
                why=why,
                fix=f"Look at {self._flags}; the address in general ends in /v1.",
            )
        fix = f"Look at {self._flags}, and at what its operator says of this status."
        return MissingError(f"The {self._name} turns requests down.", why=why, fix=fix)

    def _send(self, path: str, body: Mapping[str, Any]) -> _Came:
        import httpx

        headers = authorization(os.environ.get(self._key_variable), self._key_variable)
        try:
            with self._opened().stream("POST", self._url + path, json=dict(body), headers=headers) as answer:
                data = bytearray()
                until = time.monotonic() + self._patience.answer_s
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > self._patience.most_bytes or time.monotonic() > until:
                        return _Came(0, b"", "", "Its answer does not end.", slow=True)
                asked = str(answer.headers.get("retry-after", ""))
                return _Came(answer.status_code, bytes(data), asked, f"It answered {answer.status_code}.")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            gone = isinstance(error, _unreached())
            slow = isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout)
            return _Came(0, b"", "", f"{type(error).__name__}.", gone, slow)

    def _opened(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                # A redirect would carry the key to another host.
                timeout = httpx.Timeout(self._patience.answer_s, connect=CONNECT_S)
                self._client = client(timeout=timeout, follow_redirects=False)
            return self._client

    def _pause(self, attempt: int, asked: str) -> float:
        """Seconds before the next attempt.

        Raises:
            MissingError: the endpoint asks for longer than anybody wants to wait.
        """
        longest, wanted = self._patience.longest_pause_s, retry_after(asked)
        if wanted is not None and wanted > longest:
            raise MissingError(
                f"The {self._name} takes no more requests now.",
                why=f"It asks to wait for {wanted:.0f} s.",
                fix="Run again later; what was made is kept.",
            )
        return max(wanted or 0.0, doubled(attempt, self._patience.first_pause_s, longest))


def _unreached() -> tuple[type[Exception], ...]:
    """Errors of httpx that say that there was no connection, or that the address can have none."""
    import httpx

    never = (httpx.UnsupportedProtocol, httpx.InvalidURL)
    return (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, *never)


def reason(body: bytes) -> str:
    """What an endpoint says of why it turns something down; empty where it is not to be found."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(said, dict):
            said = said.get(name, said)
    return " ".join(said.split()) if isinstance(said, str) else ""


def client(**options: Any) -> httpx.Client:
    """A client that goes by what the environment says of proxies and certificates.

    Args:
        options: of `httpx.Client`.

    Raises:
        UsageError: what it says cannot be used.
        MissingError: a package lacks for it.
    """
    import httpx

    try:
        return httpx.Client(**options)
    except ImportError as error:
        raise MissingError(
            f"A package lacks for the proxy in {_named(PROXIES, _is_socks)}.",
            why="Its address begins with socks5.",
            fix="pip install 'httpx[socks]', or name a proxy whose address begins with http://",
        ) from error
    except (ValueError, httpx.InvalidURL) as error:
        names = _named(PROXIES, lambda said: not _is_proxy(said))
        raise UsageError(
            f"The proxy in {names} has no address that can be used.",
            why="Known are http://, https:// and socks5://, with a host, and a number for the port.",
            fix=f"Set {names} to an address like http://proxy.example:8080, or unset it.",
        ) from error
    except OSError as error:
        names = _named(CERTIFICATES, bool)
        raise UsageError(
            f"The file in {names} cannot be used.",
            why=f"{error.strerror or error}.",
            fix=f"Set {names} to a file that is there and in the right form, or unset it.",
        ) from error


def _named(variables: Sequence[str], at_fault: Callable[[str], bool]) -> str:
    """The variables of the environment, of some, whose content is at fault: it may hold passwords, and stands
    in no message."""
    known = {name.casefold() for name in variables}
    found = [name for name, said in sorted(os.environ.items()) if name.casefold() in known and at_fault(said)]
    return " and ".join(found) or "the settings of the system"


def _is_socks(address: str) -> bool:
    return address.lower().startswith("socks")


def _is_proxy(address: str) -> bool:
    import httpx

    try:
        httpx.Proxy(address if "://" in address else f"http://{address}")
    except (ValueError, httpx.InvalidURL):
        return False
    return True


def authorization(key: str | None, variable: str) -> dict[str, str]:
    """The header that carries a key, if there is one.

    Args:
        variable: of the environment, which holds the key.

    Raises:
        UsageError: no header can carry it.
    """
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            f"The key in {variable} cannot be sent.",
            why="It holds a line break, or signs that are not ASCII.",
            fix=f"Set {variable} to the key and nothing else.",
        )
    return {"Authorization": f"Bearer {key}"}


def doubled(attempt: int, first_s: float, longest_s: float) -> float:
    """Seconds before attempt 1, 2, ... again: twice as long each time, up to the longest."""
    return min(first_s * (1 << attempt), longest_s)


def retry_after(value: str) -> float | None:
    """Seconds from now that a `Retry-After` asks for, a number or a date (RFC 9110, 10.2.3).

    0 for what is past; None for what is neither.
    """
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
