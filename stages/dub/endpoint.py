"""Speech by any OpenAI-compatible endpoint, `/audio/speech`: a cloud's, or a server in this house.

Nothing is sent unless this backend was named. The endpoint's key is read from the environment variable
`LOC_SPEECH_KEY` when a request is made; `loc.remote` says what becomes of it, and of what goes wrong on the
way.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from loc.backend import Card, Host, LicensedPart, Need
from loc.errors import MissingError
from loc.remote import Patience, Remote, TurnedDown
from stages.dub.contract import Spoken, Traits, VoiceRequest

KEY_VARIABLE = "LOC_SPEECH_KEY"

PATIENCE = Patience(attempts=4, first_pause_s=1.0, longest_pause_s=30.0, answer_s=120.0, most_bytes=64 << 20)
"""64 MiB are ten minutes of sound, which no line is."""

VOICES = {"low": ("onyx", "echo", "ash"), "high": ("nova", "shimmer", "coral")}
"""The voices of OpenAI's own service by class; another server's are named with --dub-voices."""


class Endpoint:
    """The backend `dub/endpoint`."""

    card: ClassVar[Card] = Card(
        stage="dub",
        name="endpoint",
        version="2",
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
        self._endpoint = Remote(
            "speech endpoint", self._url, self._model, KEY_VARIABLE, "--dub-url and --dub-model", PATIENCE
        )

    def fingerprint(self) -> Mapping[str, str]:
        """Endpoint, model and voices: another of either answers otherwise."""
        return {
            "endpoint": self._url,
            "model": self._model,
            **{f"{k} voice": v for k, v in self._named.items()},
        }

    def close(self) -> None:
        """Close connections."""
        self._endpoint.close()

    def speak(self, text: str, language: str, voice: VoiceRequest, rate: float, take: int = 0) -> Spoken:
        """Speak one line; see `Synthesiser.speak`. Safe to call from several threads.

        Raises:
            MissingError: the endpoint is gone, or turns the key, the model or more requests down.
            InputError: it does not take this line.
            ChildError: it does not answer with sound.
        """
        del language, take
        name = self._voice(voice)
        body = {
            "model": self._model,
            "input": " ".join(text.split()),
            "voice": name,
            "response_format": "wav",
            "speed": rate,
        }
        try:
            audio, sample_rate = self._endpoint.ask("/audio/speech", body, _sound)
        except TurnedDown as error:
            raise error.discreet([text]) from None
        return Spoken(audio, sample_rate, (), "ipa", f"{self._model} {name}")

    def _voice(self, voice: VoiceRequest) -> str:
        if voice.name is not None:
            return voice.name
        if voice.voice_class in self._named:
            return self._named[voice.voice_class]
        own = VOICES[voice.voice_class]
        return own[voice.variant % len(own)]


def _sound(data: bytes) -> tuple[npt.NDArray[np.float32], int] | None:
    """(samples, mono, full scale 1.0; their rate) of an answer in whatever format; None if it is no sound, or
    not all of it."""
    import soundfile

    if _is_cut(data):
        return None
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            rate = int(sound.samplerate)
            audio = sound.read(dtype="float32", always_2d=True).mean(axis=1)
    except (OSError, RuntimeError):
        return None
    if not len(audio) or not np.isfinite(audio).all():
        return None
    return np.ascontiguousarray(audio, dtype=np.float32), rate


def _is_cut(data: bytes) -> bool:
    """Whether a WAV states more sound than came, which soundfile reads as if it were whole.

    A server that answers while it speaks writes its header before it knows a size: 0, or more than any answer
    may have.
    """
    if data[:4] != b"RIFF":
        return False
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"data":
            return len(data) - at < size <= PATIENCE.most_bytes
        at += size + size % 2
    return False
