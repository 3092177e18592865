"""`dub/endpoint` against a server on this machine: well behaved, slow, refusing, limiting, and talking
nonsense."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from loc.backend import Host, Request, resolve
from loc.errors import ChildError, InputError, LocError, MissingError, UsageError
from loc.policy.licences import Purpose
from loc.settings import Settings, load_settings
from stages.dub import endpoint
from stages.dub.contract import VoiceRequest
from stages.dub.endpoint import ATTEMPTS, KEY_VARIABLE, Endpoint
from tests.voices import SENTENCES, speak

LOW, HIGH = VoiceRequest("low", 0), VoiceRequest("high", 1)
KEY = "sk-of-nobody"


def sound(kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, speak(SENTENCES[0]), 48_000, format=kind)
    return file.getvalue()


class Server(ThreadingHTTPServer):
    """Answers as it is told, one answer after the other; the last for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(200, {}, sound())]
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        own = self.server
        own.asked.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
        status, headers, data = own.answers.pop(0) if len(own.answers) > 1 else own.answers[0]
        if status == 0:
            self.connection.close()
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setattr(endpoint, "FIRST_PAUSE_S", 0.001)
    own = Server()
    thread = threading.Thread(target=own.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield own
    own.shutdown()
    own.server_close()


@pytest.fixture
def speech(server: Server, tmp_path: Path) -> Iterator[Endpoint]:
    settings = Settings(backend={"dub": "endpoint"}, dub_url=server.url, dub_model="voice-1")
    own = Endpoint(Host(settings=settings, scratch=tmp_path))
    yield own
    own.close()


def test_a_line_is_asked_for_and_heard(server: Server, speech: Endpoint) -> None:
    spoken = speech.speak("Good  morning.", "en", LOW, 1.2)
    assert np.allclose(spoken.audio, speak(SENTENCES[0]), atol=1e-4)
    assert spoken.voice == "voice-1 onyx"
    assert server.asked == [
        {
            "path": "/v1/audio/speech", "key": f"Bearer {KEY}", "model": "voice-1", "input": "Good morning.",
            "voice": "onyx", "response_format": "wav", "speed": 1.2,
        }
    ]  # fmt: skip
    assert KEY not in str(speech.fingerprint())


def test_voices_by_class_variant_and_name(server: Server, tmp_path: Path) -> None:
    settings = Settings(
        backend={"dub": "endpoint"}, dub_url=server.url, dub_model="m", dub_voices={"low": "bert"}
    )
    own = Endpoint(Host(settings=settings, scratch=tmp_path))
    for voice in (LOW, HIGH, VoiceRequest("low", 0, name="anna")):
        own.speak("Yes.", "en", voice, 1.0)
    own.close()
    assert [item["voice"] for item in server.asked] == ["bert", "shimmer", "anna"]


@pytest.mark.parametrize("kind", ["FLAC", "OGG"])
def test_other_formats_than_the_one_asked_for_are_read(server: Server, speech: Endpoint, kind: str) -> None:
    server.answers = [(200, {}, sound(kind))]
    assert len(speech.speak("Yes.", "en", LOW, 1.0).audio) > 48_000


@pytest.mark.parametrize("status", [429, 500, 503, 0])
def test_what_passes_is_tried_again(server: Server, speech: Endpoint, status: int) -> None:
    server.answers = [(status, {"Retry-After": "0"}, b""), (200, {}, sound())]
    assert len(speech.speak("Yes.", "en", LOW, 1.0).audio)
    assert len(server.asked) == 2


def test_a_limit_that_does_not_pass_is_the_lines_failure(server: Server, speech: Endpoint) -> None:
    server.answers = [(429, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, b"")]
    with pytest.raises(ChildError, match="gives up"):
        speech.speak("Yes.", "en", LOW, 1.0)
    assert len(server.asked) == ATTEMPTS
    server.answers = [(200, {}, sound())]
    assert len(speech.speak("Yes.", "en", LOW, 1.0).audio)


@pytest.mark.parametrize("body", [b"", b"{}", b"RIFF\0\0\0\0WAVE", b"<html>busy</html>"])
def test_what_is_no_sound_is_the_lines_failure(server: Server, speech: Endpoint, body: bytes) -> None:
    server.answers = [(200, {}, body)]
    with pytest.raises(ChildError, match="no sound"):
        speech.speak("Yes.", "en", LOW, 1.0)


def test_a_line_it_does_not_take_is_refused_for_good(server: Server, speech: Endpoint) -> None:
    server.answers = [(400, {}, b"{}")]
    with pytest.raises(InputError):
        speech.speak("Yes.", "en", LOW, 1.0)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 307])
def test_an_endpoint_that_turns_us_down_is_not_asked_again(
    server: Server, speech: Endpoint, status: int
) -> None:
    server.answers = [(status, {"Location": "http://127.0.0.1:9/"}, b"")]
    for _ in range(2):
        with pytest.raises(MissingError) as caught:
            speech.speak("Yes.", "en", LOW, 1.0)
        assert KEY not in str(caught.value) + caught.value.why + caught.value.fix
    assert len(server.asked) == 1


def test_an_endpoint_that_is_gone_is_said_to_be(server: Server, speech: Endpoint) -> None:
    server.answers = [(0, {}, b"")]
    with pytest.raises(MissingError, match="cannot be reached"):
        speech.speak("Yes.", "en", LOW, 1.0)


def test_it_is_off_unless_named_and_must_be_told_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request("dub", target="de")
    found = resolve(request, [Endpoint.card], lambda _: True, Purpose.INTERNAL)
    assert found.choice is None
    monkeypatch.chdir(tmp_path)
    for flags in ({}, {"dub_url": "ftp://x"}, {"dub_url": "http://u:p@x"}):
        with pytest.raises(UsageError):
            load_settings({"backend": ["dub=endpoint"], **flags})
    with pytest.raises(LocError):
        Endpoint(Host(settings=Settings(), scratch=tmp_path))
