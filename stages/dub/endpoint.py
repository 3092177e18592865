"""Speech by any OpenAI-compatible endpoint, `/audio/speech`: a cloud's, or a server in this house.

Nothing is sent unless this backend was named. The endpoint's key is read from the environment variable
`LOC_SPEECH_KEY` when a request is made, and stands in no record, log or message, nor in a key of ours.

What goes wrong on the way is tried again after pauses that grow, or that the endpoint asks for, with limits.
Where the endpoint is gone or turns the key down, no further line is sent.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from loc.backend import Card, Host, LicensedPart, Need
from loc.errors import ChildError, InputError, LocError, MissingError
from stages.dub.contract import Spoken, Traits, VoiceRequest

if TYPE_CHECKING:
    import httpx

KEY_VARIABLE = "LOC_SPEECH_KEY"

ATTEMPTS = 4
"""Times one request is sent."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""Pauses double from the first; one that the endpoint asks for is kept up to the longest."""

CONNECT_S, ANSWER_S = 10.0, 120.0
"""Seconds to reach the endpoint, and until it has answered."""

MOST_BYTES = 64 << 20
"""Of an answer: ten minutes of sound, which no line is."""

VOICES = {"low": ("onyx", "echo", "ash"), "high": ("nova", "shimmer", "coral")}
"""The voices of OpenAI's own service by class; another server's are named with --dub-voices."""

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


class Endpoint:
    """The backend `dub/endpoint`."""

    card: ClassVar[Card] = Card(
        stage="dub",
        name="endpoint",
        version="1",
        summary="Any OpenAI-compatible speech endpoint, by --dub-url and --dub-model.",
        family="remote",
        quality="good",
        runs="remote",
        needs=(Need("package", "httpx", "pip install httpx"),),
        licences=(LicensedPart("code", "httpx", "bsd-3-clause"),),
        cost="what the endpoint charges",
    )

    traits: ClassVar[Traits] = Traits(has_takes=True, has_names=True)

    def __init__(self, host: Host) -> None:
        settings = host.settings
        if not (settings.dub_url and settings.dub_model):
            raise MissingError("No speech endpoint was named.", fix="Name it with --dub-url and --dub-model.")
        self._url: str = settings.dub_url
        self._model: str = settings.dub_model
        self._named: Mapping[str, str] = settings.dub_voices
        self._down: LocError | None = None
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def fingerprint(self) -> Mapping[str, str]:
        """Endpoint, model and voices: another of either answers otherwise."""
        return {
            "endpoint": self._url,
            "model": self._model,
            **{f"{k} voice": v for k, v in self._named.items()},
        }

    def close(self) -> None:
        """Close connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def speak(self, text: str, language: str, voice: VoiceRequest, rate: float, take: int = 0) -> Spoken:
        """Speak one line; see `Synthesiser.speak`. Safe to call from several threads.

        Raises:
            MissingError: the endpoint cannot be reached or turns the key, the model or the voice down.
            InputError: it does not take this line.
            ChildError: it does not answer with sound.
        """
        del language, take
        if self._down is not None:
            raise self._down
        name = self._voice(voice)
        body = {
            "model": self._model,
            "input": " ".join(text.split()),
            "voice": name,
            "response_format": "wav",
            "speed": rate,
        }
        try:
            return _spoken(self._asked(body), f"{self._model} {name}")
        except MissingError as error:
            self._down = error
            raise

    def _voice(self, voice: VoiceRequest) -> str:
        if voice.name is not None:
            return voice.name
        if voice.voice_class in self._named:
            return self._named[voice.voice_class]
        own = VOICES[voice.voice_class]
        return own[voice.variant % len(own)]

    def _asked(self, body: Mapping[str, object]) -> bytes:
        """Send a request until it is answered with something."""
        pause, why = FIRST_PAUSE_S, ""
        for attempt in range(ATTEMPTS):
            status, asked_pause, data, why = self._send(body)
            if status == 200:
                return data
            if status and status not in _AGAIN:
                raise self._turned_down(status)
            if attempt + 1 < ATTEMPTS:
                time.sleep(min(pause if asked_pause is None else asked_pause, LONGEST_PAUSE_S))
                pause *= 2
        if status == 0:
            raise MissingError(
                f"The speech endpoint {self._url} cannot be reached.",
                why=why,
                fix="See whether it runs, and whether --dub-url is right.",
            )
        raise ChildError(f"The speech endpoint {self._url} gives up.", why=f"{why} {ATTEMPTS} times.")

    def _turned_down(self, status: int) -> LocError:
        if status in (400, 413, 422):
            return InputError("The speech endpoint does not take a line.", why=f"It answered {status}.")
        fixes = {
            401: f"Put the right key into {KEY_VARIABLE}.",
            403: f"Put a key into {KEY_VARIABLE} that may use this model.",
            404: "See whether --dub-url and --dub-model are right.",
        }
        return MissingError(
            f"The speech endpoint {self._url} turns requests down.",
            why=f"It answered {status}.",
            fix=fixes.get(status, "See what its operator says of this status."),
        )

    def _send(self, body: Mapping[str, object]) -> tuple[int, float | None, bytes, str]:
        """(status, pause that is asked for, body, what went wrong); status 0 where there was no answer."""
        import httpx

        key = os.environ.get(KEY_VARIABLE)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            with self._opened().stream(
                "POST", f"{self._url}/audio/speech", json=dict(body), headers=headers
            ) as answer:
                data = bytearray()
                until = time.monotonic() + ANSWER_S
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > MOST_BYTES or time.monotonic() > until:
                        return 0, None, b"", "Its answer does not end."
                asked = _seconds(answer.headers.get("retry-after"))
                return answer.status_code, asked, bytes(data), f"It answered {answer.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return 0, None, b"", f"{type(error).__name__}."

    def _opened(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                # A redirect would carry the key to another host.
                self._client = httpx.Client(
                    timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S), follow_redirects=False
                )
            return self._client


def _seconds(text: str | None) -> float | None:
    """A Retry-After in seconds; a date, which clocks disagree on, counts as none."""
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None


def _spoken(data: bytes, voice: str) -> Spoken:
    """The sound of an answer, whatever format it has.

    Raises:
        ChildError: it is none.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            rate = int(sound.samplerate)
            audio = sound.read(dtype="float32", always_2d=True).mean(axis=1)
    except (OSError, RuntimeError) as error:
        raise ChildError(
            "The speech endpoint answered with no sound.", why=f"{len(data)} bytes that are no WAV."
        ) from error
    if not len(audio) or not np.isfinite(audio).all():
        raise ChildError(
            "The speech endpoint answered with no sound.", why="Its sound is empty or no numbers."
        )
    return Spoken(np.ascontiguousarray(audio, dtype=np.float32), rate, (), "ipa", voice)
