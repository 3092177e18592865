"""Any OpenAI-compatible endpoint as a translator: a cloud's, or a server on this machine or in this house.

Nothing is sent unless this backend was named. The endpoint's key is read from the environment variable
`LOC_LLM_KEY` when a request is made, and stands in no record, log or message, nor in a key of ours.

What goes wrong on the way is tried again after pauses that grow, or that the endpoint asks for, with limits.
Where the endpoint is gone or turns the key down, what is left is not asked for at all.
"""

from __future__ import annotations

import email.utils
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from loc.backend import Card, Host, LicensedPart, Need
from loc.errors import InputError, LocError, MissingError
from stages.translate.dialogue import (
    Answer,
    Messages,
    Reply,
    converse,
    lacking_terms,
    schema,
    shorten_messages,
    translate_messages,
)
from stages.translate.scene import Long, Scene

if TYPE_CHECKING:
    import httpx

KEY_VARIABLE = "LOC_LLM_KEY"

ATTEMPTS = 5
"""Times one request is sent: with the pauses between them about half a minute."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"""Pauses double from the first; one that the endpoint asks for is kept up to the longest."""

CONNECT_S, ANSWER_S = 10.0, 180.0
"""Seconds to reach the endpoint, and until it has answered; large models on small machines take minutes."""

MOST_BYTES = 4 << 20
"""No answer to a request of a dozen lines is longer."""

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_FORMATS = ("json_schema", "json_object", "none")
"""Ways to ask for JSON, from the strictest; an endpoint that knows one not is asked by the next."""


class Llm:
    """Asks an endpoint for the lines of a scene."""

    card: ClassVar[Card] = Card(
        stage="translate",
        name="llm",
        version="1",
        summary="Any OpenAI-compatible endpoint, by --llm-url and --llm-model.",
        family="remote",
        quality="best",
        runs="remote",
        needs=(Need("package", "httpx", "pip install httpx"),),
        licences=(LicensedPart("code", "httpx", "bsd-3-clause"),),
        cost="what the endpoint charges",
    )

    def __init__(self, host: Host) -> None:
        settings = host.settings
        if not (settings.llm_url and settings.llm_model):
            raise MissingError("No endpoint was named.", fix="Name it with --llm-url and --llm-model.")
        self._url: str = settings.llm_url
        self._model: str = settings.llm_model
        self._format = 0
        self._down: LocError | None = None
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def fingerprint(self) -> Mapping[str, str]:
        """Endpoint and model: another of either answers otherwise."""
        return {"endpoint": self._url, "model": self._model}

    def translate_scene(self, scene: Scene, wanted: Sequence[int]) -> Mapping[int, Answer | LocError]:
        """Ask for some lines of a scene."""
        return converse(
            wanted,
            lambda places, complaints: translate_messages(scene, places, complaints),
            self.complete,
            lambda place, text: lacking_terms(scene, place, text),
        )

    def shorten(self, longs: Sequence[Long]) -> Mapping[int, Answer | LocError]:
        """Ask for lines in fewer words."""
        return converse(range(len(longs)), lambda places, _: shorten_messages(longs, places), self.complete)

    def complete(self, messages: Messages, wanted: Sequence[str]) -> Reply:
        """Send a request until it is answered.

        Raises:
            MissingError: the endpoint cannot be reached or turns the key or the model down.
            InputError: it does not answer in a form that can be read.
        """
        if self._down is not None:
            raise self._down
        try:
            return self._complete(messages, wanted)
        except MissingError as error:
            self._down = error
            raise

    def close(self) -> None:
        """Close connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _complete(self, messages: Messages, wanted: Sequence[str]) -> Reply:
        why = ""
        for attempt in range(ATTEMPTS):
            status, headers, body, why = self._send(messages, wanted)
            if status == 200:
                reply = _reply(body, _FORMATS[self._format])
                if reply is not None:
                    return reply
                why = "It answered with something else than a chat completion."
            elif status in (400, 422) and self._format + 1 < len(_FORMATS):
                self._format += 1
                continue
            elif status and status not in _AGAIN:
                raise self._turned_down(status)
            if attempt + 1 < ATTEMPTS:
                time.sleep(_pause(attempt, headers.get("retry-after", "")))
        raise MissingError(
            f"The endpoint gave no answer in {ATTEMPTS} attempts.",
            why=why,
            fix="Look at --llm-url, or run again later; what was translated is kept.",
        )

    def _turned_down(self, status: int) -> LocError:
        why = f"It answered {status}."
        if status in (401, 403):
            known = (
                "does not accept the key in"
                if os.environ.get(KEY_VARIABLE)
                else "wants a key, and there is none in"
            )
            return MissingError(
                f"The endpoint {known} {KEY_VARIABLE}.",
                why=why,
                fix=f"Set {KEY_VARIABLE} to a key that may use {self._model}.",
            )
        if status == 404:
            return MissingError(
                f"The endpoint does not know {self._model}, or has no chat completions.",
                why=why,
                fix="Look at --llm-url, which in general ends in /v1, and at --llm-model.",
            )
        return InputError("The endpoint turned the request down.", why=why)

    def _send(self, messages: Messages, wanted: Sequence[str]) -> tuple[int, Mapping[str, str], bytes, str]:
        """(status, headers, body, what went wrong); status 0 where there was no answer."""
        import httpx

        body: dict[str, Any] = {"model": self._model, "messages": list(messages), "temperature": 0}
        kind = _FORMATS[self._format]
        if kind == "json_schema":
            form = {"name": "lines", "strict": True, "schema": schema(wanted)}
            body["response_format"] = {"type": kind, kind: form}
        elif kind == "json_object":
            body["response_format"] = {"type": kind}
        key = os.environ.get(KEY_VARIABLE)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            with self._opened().stream(
                "POST", f"{self._url}/chat/completions", json=body, headers=headers
            ) as answer:
                data = bytearray()
                until = time.monotonic() + ANSWER_S
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > MOST_BYTES or time.monotonic() > until:
                        return 0, {}, b"", "Its answer does not end."
                return answer.status_code, answer.headers, bytes(data), f"It answered {answer.status_code}."
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return 0, {}, b"", f"{type(error).__name__}."

    def _opened(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                # A redirect would carry the key to another host.
                self._client = httpx.Client(
                    timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S), follow_redirects=False
                )
            return self._client


def _reply(body: bytes, form: str) -> Reply | None:
    """A chat completion as it came; None if it is something else."""
    try:
        said = json.loads(body)
        choice = said["choices"][0]
        message = choice["message"]
        usage = said.get("usage") or {}
        content = message.get("content") or ""
        refused = bool(message.get("refusal")) or choice.get("finish_reason") == "content_filter"
        if not isinstance(content, str):
            return None
        return Reply(
            content=content,
            raw=body,
            tokens_in=int(usage.get("prompt_tokens") or 0),
            tokens_out=int(usage.get("completion_tokens") or 0),
            refused=refused,
            cut=choice.get("finish_reason") == "length",
            form=form,
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def _pause(attempt: int, asked: str) -> float:
    """Seconds before the next attempt: twice as long each time, or as long as a `Retry-After` asks for.

    Raises:
        MissingError: it asks for longer than anybody wants to wait.
    """
    seconds = _retry_after(asked) or 0.0
    if seconds > LONGEST_PAUSE_S:
        raise MissingError(
            "The endpoint takes no more requests now.",
            why=f"It asks to wait for {seconds:.0f} s.",
            fix="Run again later; what was translated is kept.",
        )
    return max(seconds, min(FIRST_PAUSE_S * (1 << attempt), LONGEST_PAUSE_S))


def _retry_after(value: str) -> float | None:
    """Seconds that a `Retry-After` asks for: a number, or a date."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, float(when.timestamp()) - time.time())
