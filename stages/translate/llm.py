"""Any OpenAI-compatible endpoint as a translator: a cloud's, or a server on this machine or in this house.

Nothing is sent unless this backend was named. The endpoint's key is read from the environment variable
`LOC_LLM_KEY` when a request is made; `loc.remote` says what becomes of it, and of what goes wrong on the way.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from loc.backend import Card, Host, LicensedPart, Need
from loc.errors import MissingError
from loc.remote import Patience, Remote, TurnedDown
from stages.translate.dialogue import Conversation, Messages, Reply, schema

KEY_VARIABLE = "LOC_LLM_KEY"

PATIENCE = Patience(attempts=5, first_pause_s=2.0, longest_pause_s=60.0, answer_s=180.0, most_bytes=4 << 20)
"""With the pauses about half a minute for a request; large models on small machines take minutes to answer;
no answer to a request of a dozen lines is longer than 4 MiB."""

FORMATS = ("json_schema", "json_object", "none")
"""Ways to ask for JSON, from the strictest; an endpoint that knows one not is asked by the next."""


class Llm(Conversation):
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
        self._host = host
        self._url: str = settings.llm_url
        self._model: str = settings.llm_model
        self._format = 0
        self._lock = threading.Lock()
        self._endpoint = Remote(
            "endpoint", self._url, self._model, KEY_VARIABLE, "--llm-url and --llm-model", PATIENCE
        )

    def fingerprint(self) -> Mapping[str, str]:
        """Endpoint and model: another of either answers otherwise."""
        return {"endpoint": self._url, "model": self._model}

    def complete(self, messages: Messages, wanted: Sequence[str]) -> Reply:
        """Send a request until it is answered; see `loc.remote.Remote.ask`.

        Where the form of the answer is turned down and a simpler one is not, that is asked for from then on,
        and the run is told.
        """
        first, turned_down = self._format, TurnedDown("", 0)
        for kind in range(first, len(FORMATS)):
            read = partial(_reply, form=FORMATS[kind])
            try:
                reply = self._endpoint.ask("/chat/completions", self._body(messages, wanted, kind), read)
            except TurnedDown as error:
                turned_down = error
                continue
            if kind > first:
                self._settle_for(kind, turned_down.status)
            return reply
        raise turned_down

    def close(self) -> None:
        """Close connections."""
        self._endpoint.close()

    def _body(self, messages: Messages, wanted: Sequence[str], kind: int) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self._model, "messages": list(messages), "temperature": 0}
        if FORMATS[kind] == "json_schema":
            form = {"name": "lines", "strict": True, "schema": schema(wanted)}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        elif FORMATS[kind] == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body

    def _settle_for(self, kind: int, status: int) -> None:
        with self._lock:
            known, self._format = self._format >= kind, max(kind, self._format)
        if not known:
            self._host.notice(
                "endpoint-form",
                f"The endpoint answered {status} when it was asked for {_IN_WORDS[0]}; it is asked for "
                f"{_IN_WORDS[kind]}, which it may heed less.",
            )


_IN_WORDS = ("JSON by a schema", "any JSON object", "JSON by the words of the request alone")
"""The forms, for people."""


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
