"""An OpenAI-compatible endpoint on the loopback that answers as the test says, well or badly."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Say = Callable[["Asked"], "Answered"]


@dataclass(frozen=True)
class Asked:
    """A request: its body, its headers, its path; of one for a translation, the numbers of its lines."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    path: str = ""

    @property
    def prompt(self) -> str:
        return "\n".join(message["content"] for message in self.body["messages"])

    @property
    def lines(self) -> dict[str, str]:
        """Number -> text of every line that is shown with a number."""
        return dict(re.findall(r"^(\d+)\. \w+: (.*)$", self.prompt, re.MULTILINE))

    @property
    def wanted(self) -> list[str]:
        form = self.body.get("response_format", {})
        if "json_schema" in form:
            return list(form["json_schema"]["schema"]["required"])
        named = re.search(r"Translate lines? ([\d, ]+)\.", self.prompt)
        return named[1].split(", ") if named else list(self.lines)


@dataclass(frozen=True)
class Answered:
    """What is sent back. `cut`: the connection ends after half of it."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


def chat(content: str, **choice: Any) -> Answered:
    """A chat completion with this content, of 10 tokens in and 5 out."""
    message = {"role": "assistant", "content": content, **choice.pop("message", {})}
    return Answered(
        json.dumps(
            {
                "choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5},
            }
        ).encode()
    )


def shouted(asked: Asked) -> Answered:
    """Every line wanted, shouted in Spanish fashion."""
    return chat(json.dumps({name: f"¡{asked.lines[name].upper()}!" for name in asked.wanted}))


def _always(answer: Answered) -> Say:
    return lambda _: answer


@dataclass
class Endpoint:
    """The endpoint: what it was asked, and what it says to the next requests before it shouts."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    next: list[Say] = field(default_factory=list)
    always: Say = shouted

    def says(self, *answers: Say | Answered) -> None:
        """Answer the next requests so."""
        self.next += [answer if callable(answer) else _always(answer) for answer in answers]

    @property
    def wanted(self) -> list[list[str]]:
        """What each request wanted."""
        return [one.wanted for one in self.asked]


@contextlib.contextmanager
def serving() -> Iterator[Endpoint]:
    """An endpoint that listens on a free port of the loopback."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            asked = Asked(json.loads(data), dict(self.headers), self.path)
            with lock:
                endpoint.asked.append(asked)
                say = endpoint.next.pop(0) if endpoint.next else endpoint.always
            answered = say(asked)
            self.send_response(answered.status)
            for name, value in answered.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answered.body)))
            self.end_headers()
            self.wfile.write(answered.body[: len(answered.body) // 2] if answered.cut else answered.body)
            if answered.cut:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
