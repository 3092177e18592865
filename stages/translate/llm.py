"""Any OpenAI-compatible endpoint as a translator: a cloud's, or a server on this machine or in this house.

Nothing is sent unless this backend was named. The endpoint's key is read from the environment variable
`LOC_LLM_KEY` when a request is made; `loc.remote` says what becomes of it, and of what goes wrong on the way.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from loc.backend import Card, Host, LicensedPart, Need
from loc.errors import LocError, MissingError
from loc.remote import Patience, Remote, TurnedDown
from stages.translate.dialogue import Conversation, Messages, Reply, schema

KEY_VARIABLE = "LOC_LLM_KEY"

PATIENCE = Patience(
    attempts=5, first_pause_s=2.0, longest_pause_s=60.0, answer_s=180.0, most_bytes=4 << 20, most_slow=6
)
"""With the pauses about half a minute for a request; large models on small machines take minutes to answer;
no answer to a request of a dozen lines is longer than 4 MiB. Where a dozen take too long, the fifth request
asks for a single line without its scene; if that takes too long, and the one after it, any will."""

FORMATS = ("json_schema", "json_object", "none")
"""Ways to ask for JSON, from the strictest; an endpoint that knows one not is asked by the next."""

THOUGHTS, TOKENS_A_SIGN = 4096, 4
"""Tokens an answer may take: these for a model that reasons first, and so many for each sign of the lines it
is shown. A sign of any script has at most four bytes, and a byte is the least a token stands for;
translations are hardly longer than what they are shown with. What goes on is caught in a loop."""

MOST_TURNED_DOWN = 8
"""Requests one after the other that an endpoint may turn down: to find one line of a dozen takes six."""

TOO_LARGE = 413
"""Status of a request that no other form makes smaller."""

_FILTERED = re.compile(r"content.{0,3}(?:filter|management|policy)|safety", re.IGNORECASE)
"""In a reason: it is what is said that is turned down, not how."""

_TOO_LONG = re.compile(r"context.{0,3}(?:length|size|window)|in the completion", re.IGNORECASE)
"""In a reason: what is said, and what may be answered, are more than the model has room for."""


@dataclass(frozen=True)
class Manner:
    """How the endpoint is asked.

    Args:
        form: of the answer, in `FORMATS`.
        temperature: 0 is asked for, without chance; some that reason take none but their own.
        bound: the field that bounds the answer's tokens; newer services know the second name alone, and where
            neither is known, none is sent.
    """

    form: int = 0
    temperature: bool = True
    bound: str = "max_tokens"

    def without(self, said: str) -> Manner | None:
        """Without the field that a reason, in small letters, names; None where it names none of them.

        Where it names a lack of room, that is the bound, which takes some.
        """
        if "temperature" in said and self.temperature:
            return replace(self, temperature=False)
        is_long = bool(_TOO_LONG.search(said))
        if "max_completion_tokens" in said and self.bound == "max_tokens" and not is_long:
            return replace(self, bound="max_completion_tokens")
        if "max_tokens" in said or "max_completion_tokens" in said or is_long:
            return replace(self, bound="") if self.bound else None
        return None

    def simpler(self) -> Manner | None:
        """What to try next where nothing is known of why; None where there is nothing left."""
        if self.form + 1 < len(FORMATS):
            return replace(self, form=self.form + 1)
        return replace(self, form=0, temperature=False) if self.temperature else None


class Llm(Conversation):
    """Asks an endpoint for the lines of a scene."""

    card: ClassVar[Card] = Card(
        stage="translate",
        name="llm",
        version="5",
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
        self._manner = Manner()
        self._is_proved = False
        self._is_told = False
        self._turned_down = 0
        self._given_up: MissingError | None = None
        self._lock = threading.Lock()
        self._endpoint = Remote(
            "endpoint", self._url, self._model, KEY_VARIABLE, "--llm-url and --llm-model", PATIENCE
        )

    def fingerprint(self) -> Mapping[str, str]:
        """Endpoint and model: another of either answers otherwise."""
        return {"endpoint": self._url, "model": self._model}

    def complete(self, messages: Messages, wanted: Sequence[str]) -> Reply:
        """Send a request until it is answered; see `loc.remote.Remote.ask`.

        Where the way of asking is turned down and another is not, it is asked so from then on, and the run is
        told. Once something was answered, only a field that the endpoint itself names is changed. Where
        nothing was, and one request after the other was turned down, none is sent any more.

        Raises:
            MissingError: the endpoint is gone, or turns one request after the other down.
        """
        if self._given_up is not None and not self._is_proved:
            raise self._given_up
        before, first = self._turned_down, self._manner
        manner: Manner | None = first
        turned_down = TurnedDown("", 0)
        while manner is not None:
            try:
                reply = self._endpoint.ask("/chat/completions", self._body(messages, wanted, manner), _reply)
            except TurnedDown as error:
                turned_down = error.discreet(_texts(messages[-1]["content"]))
                manner = self._next(manner, error)
                continue
            self._settle_for(first, manner, turned_down)
            return reply
        raise self._lost(turned_down, before)

    def _next(self, manner: Manner, error: TurnedDown) -> Manner | None:
        said = error.said.lower()
        named = manner.without(said)
        # No other form makes a request smaller, or says something else.
        in_vain = error.status == TOO_LARGE or _TOO_LONG.search(said) or _FILTERED.search(said)
        if named or self._is_proved or in_vain:
            return named
        return manner.simpler()

    def _lost(self, error: TurnedDown, before: int) -> LocError:
        """The failure of a request that was turned down in every way."""
        with self._lock:
            # Of those under way together the first alone counts.
            self._turned_down += self._turned_down == before
            told, self._is_told = self._is_told, True
            if not told:
                self._host.notice("request-turned-down", f"{error.what} {error.why}")
            if self._turned_down < MOST_TURNED_DOWN:
                return error
            fix = "Look at --llm-url and --llm-model. What was made is kept."
            self._given_up = MissingError("The endpoint turns requests down.", why=error.why, fix=fix)
            return self._given_up

    def close(self) -> None:
        """Close connections."""
        self._endpoint.close()

    def _body(self, messages: Messages, wanted: Sequence[str], manner: Manner) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self._model, "messages": list(messages)}
        if manner.temperature:
            body["temperature"] = 0
        if manner.bound:
            body[manner.bound] = THOUGHTS + TOKENS_A_SIGN * len(messages[-1]["content"])
        if wanted and FORMATS[manner.form] == "json_schema":
            form = {"name": "lines", "strict": True, "schema": schema(wanted)}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        elif wanted and FORMATS[manner.form] == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body

    def _settle_for(self, first: Manner, manner: Manner, turned_down: TurnedDown) -> None:
        """Ask in the manner that was answered from now on, and say how it differs."""
        with self._lock:
            self._turned_down = 0
            self._is_proved = True
            if manner == first or self._manner != first:
                return
            self._manner = manner
        why = turned_down.why.rstrip(".")
        if manner.form != first.form:
            self._host.notice(
                "endpoint-form",
                f"The endpoint turned a request for {_IN_WORDS[first.form]} down. {why}. It is asked for "
                f"{_IN_WORDS[manner.form]}, which it may heed less.",
            )
        if manner.temperature != first.temperature:
            self._host.notice(
                "endpoint-chance",
                f"The endpoint turned temperature 0 down. {why}. It is asked without: another run may be "
                "answered otherwise.",
            )
        if manner.bound != first.bound:
            instead = f"{manner.bound} is sent instead" if manner.bound else "answers are not bounded"
            self._host.notice(
                "endpoint-bound", f"The endpoint turned {first.bound} down. {why}. So {instead}."
            )


_IN_WORDS = ("JSON by a schema", "any JSON object", "JSON by the words of the request alone")
"""The forms, for people."""


def _texts(content: str) -> Iterator[str]:
    """The lines of dialogue in a request, and their sources where they stand behind them."""
    for line in content.splitlines():
        yield from (line.partition(": ")[2] or line).removesuffix(")").split(" (source: ")


def _reply(body: bytes) -> Reply | None:
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
            tokens_in=_count(usage.get("prompt_tokens")),
            tokens_out=_count(usage.get("completion_tokens")),
            refused=refused,
            cut=choice.get("finish_reason") == "length",
        )
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        return None


def _count(said: object) -> int:
    """A number of tokens; 0 where it is none."""
    return said if isinstance(said, int) and said > 0 else 0
