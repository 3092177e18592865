"""`dub/endpoint` against a server on this machine, well behaved and talking nonsense. What goes wrong on the
way is with `loc.remote`."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from loc.backend import Host, Request, resolve
from loc.errors import ChildError, InputError, LocError, MissingError, UsageError
from loc.policy.licences import Purpose
from loc.settings import Settings, load_settings
from stages.dub.contract import VoiceRequest
from stages.dub.endpoint import KEY_VARIABLE, PATIENCE, Endpoint
from tests.endpoint import Answered, serving
from tests.endpoint import Endpoint as Server
from tests.voices import SENTENCES, speak

LOW, HIGH = VoiceRequest("low", 0), VoiceRequest("high", 1)
KEY = "sk-of-nobody"


def sound(kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, speak(SENTENCES[0]), 48_000, format=kind)
    return file.getvalue()


HALF = sound()[: len(sound()) // 2]
"""A WAV whose connection ended half way through."""
LISTED = HALF[:36] + b"LIST" + struct.pack("<I", 5) + b"INFO.\0" + HALF[36:]
"""The same behind a chunk of odd length, with its filling byte."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setattr("loc.remote.time.sleep", lambda _: None)
    with serving() as found:
        found.always = lambda _: Answered(sound())
        yield found


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
    [asked] = server.asked
    assert (asked.path, asked.headers["Authorization"]) == ("/v1/audio/speech", f"Bearer {KEY}")
    assert asked.body == {
        "model": "voice-1", "input": "Good morning.", "voice": "onyx", "response_format": "wav", "speed": 1.2,
    }  # fmt: skip
    assert KEY not in str(speech.fingerprint())


def test_voices_by_class_variant_and_name(server: Server, tmp_path: Path) -> None:
    settings = Settings(
        backend={"dub": "endpoint"}, dub_url=server.url, dub_model="m", dub_voices={"low": "bert"}
    )
    own = Endpoint(Host(settings=settings, scratch=tmp_path))
    for voice in (LOW, HIGH, VoiceRequest("low", 0, name="anna")):
        own.speak("Yes.", "en", voice, 1.0)
    own.close()
    assert [item.body["voice"] for item in server.asked] == ["bert", "shimmer", "anna"]


@pytest.mark.parametrize("kind", ["FLAC", "OGG"])
def test_other_formats_than_the_one_asked_for_are_read(server: Server, speech: Endpoint, kind: str) -> None:
    server.says(Answered(sound(kind)))
    assert len(speech.speak("Yes.", "en", LOW, 1.0).audio) > 48_000


@pytest.mark.parametrize("stated", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_stream_that_could_not_say_its_length_is_read_to_its_end(
    server: Server, speech: Endpoint, stated: int
) -> None:
    """A server that answers while it speaks writes its header before it knows how much follows."""
    whole = bytearray(sound())
    at = whole.index(b"data") + 4
    whole[at : at + 4] = whole[4:8] = struct.pack("<I", stated)
    server.says(Answered(bytes(whole)))
    assert np.allclose(speech.speak("Yes.", "en", LOW, 1.0).audio, speak(SENTENCES[0]), atol=1e-4)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"RIFF\0\0\0\0WAVE", b"<html>busy</html>", HALF, HALF[:44], LISTED],
    ids=["nothing", "json", "head", "page", "half", "no samples", "half after a list"],
)
def test_what_is_no_sound_is_asked_for_again_and_then_the_lines_failure(
    server: Server, speech: Endpoint, body: bytes
) -> None:
    server.says(Answered(body))
    assert len(speech.speak("Yes.", "en", LOW, 1.0).audio)
    server.says(*[Answered(body)] * PATIENCE.attempts)
    with pytest.raises(ChildError, match="no answer"):
        speech.speak("Yes.", "en", LOW, 1.0)
    assert len(speech.speak("Yes.", "en", LOW, 1.0).audio)


def test_a_line_it_does_not_take_is_refused_for_good(server: Server, speech: Endpoint) -> None:
    server.says(Answered(b"{}", 400))
    with pytest.raises(InputError):
        speech.speak("Yes.", "en", LOW, 1.0)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("voice 'onyx' is not known", "It answered 400: voice 'onyx' is not known."),
        ("cannot speak 'We meet at the old mill tonight,  and you bri...'", "It answered 400."),
    ],
)
def test_a_reason_that_quotes_the_line_is_not_passed_on(
    server: Server, speech: Endpoint, reason: str, told: str
) -> None:
    server.says(Answered(json.dumps({"error": {"message": reason}}).encode(), 400))
    with pytest.raises(InputError) as caught:
        speech.speak("We meet at the old mill tonight, and you bring the letters.", "en", LOW, 1.0)
    assert caught.value.why == told


def test_an_endpoint_that_turns_us_down_is_not_asked_again(server: Server, speech: Endpoint) -> None:
    server.says(Answered(b"", 401))
    for _ in range(2):
        with pytest.raises(MissingError) as caught:
            speech.speak("Yes.", "en", LOW, 1.0)
        assert KEY not in str(caught.value)
    assert len(server.asked) == 1


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
