"""An engine whose model speaks in an environment of its own: its weights, its worker, its place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import soxr

from loc import environments
from loc.analysis.recognition import RECOGNISER_RATE, which_english
from loc.backend import Card, Host, Speech, Tried
from loc.device import Resident
from loc.weights.shelf import Weights
from loc.worker import Worker
from stages.dub.contract import Spoken, Traits, VoiceRequest
from stages.dub.worker_speech import CALL_LIMIT_S, WorkerSpeech

SENTENCES = (
    "she told me yesterday that the shop will close soon",
    "what will you do if it rains all day tomorrow",
    "please open the window before you leave the room",
    "my brother bought a small house near the station",
    "the children were playing in the garden all morning",
    "nobody knows where the old man keeps his money",
    "we should have taken the other road to the village",
    "in the evening we walked down to the river again",
)
"""What may be said for the check of a model, as `which_english` takes it."""
SAID = SENTENCES[:3]
LEAST_TOLD = 2
"""Of these, that a plain recogniser must tell from all eight: it does so with espeak-ng's voice, which it
hardly understands, and with noise or speech played backwards never. Not tried on the published weights."""
SECONDS = (1.5, 6.0)
"""How long one may take: about ten words, which people say in 2.5 s."""


@dataclass(frozen=True)
class _Seat:
    """A worker, and the device that its model is on, as torch names it."""

    speech: WorkerSpeech
    device: str


class ModelEngine(ABC):
    """An engine whose worker is started when a line is to be spoken, and ended when another model needs its
    place on the device.

    Args:
        host: of the backend; `host.model` says which weights.
    """

    card: ClassVar[Card]
    traits: ClassVar[Traits]
    environment: ClassVar[str]
    """Its name, of `loc models env`."""
    module: ClassVar[str]
    """Of the worker, which serves by `stages.dub.model_serving`."""

    def __init__(self, host: Host) -> None:
        assert host.model is not None
        self.host = host
        self.model = host.model
        self._environment = environments.find(host.settings.data_dir, self.environment)

    @abstractmethod
    def paths(self, language: str, voice: VoiceRequest) -> Mapping[str, Path]:
        """The files or folders that the worker needs for a line, by the names it knows them by.

        Raises:
            InputError: there is no such voice.
        """

    @cached_property
    def weights(self) -> Weights:
        """Its weights.

        Raises:
            MissingError: they cannot be used.
        """
        return self.host.weights(self.model)

    def fingerprint(self) -> Mapping[str, str]:
        """Every package of its environment, and the weights. Starts nothing.

        Raises:
            MissingError: either cannot be used.
        """
        return {**self._environment.fingerprint(), **self.weights.fingerprint()}

    def speak(self, text: str, language: str, voice: VoiceRequest, rate: float, take: int = 0) -> Spoken:
        """Speak one line; see `Synthesiser.speak`. Safe to call from several threads.

        Raises:
            InputError: the text holds nothing that can be read aloud, there is no such voice, or a checkpoint
                does not fit.
            ChildError: the worker died or hung.
        """
        paths = {name: str(path) for name, path in self.paths(language, voice).items()}
        with self._resident as seat:
            return seat.speech.speak(text, language, voice, rate, take, device=seat.device, paths=paths)

    def self_check(self, speech: Speech) -> Iterator[Tried]:  # noqa: ARG002 - it speaks itself
        """Say sentences of English and have each told from others."""
        told, lengths = [], []
        for sentence in SAID:
            spoken = self.speak(sentence.capitalize() + ".", "en", VoiceRequest("high", 0), 1.0)
            lengths.append(len(spoken.audio) / spoken.sample_rate)
            audio = soxr.resample(spoken.audio, spoken.sample_rate, RECOGNISER_RATE, quality="VHQ")
            which = which_english(np.asarray(audio, dtype=np.float32), SENTENCES)
            told.append(which is not None and SENTENCES[which] == sentence)
        yield Tried(
            f"{len(SAID)} sentences of English",
            f"at least {LEAST_TOLD} told from {len(SENTENCES)} by pocketsphinx",
            str(sum(told)),
            sum(told) >= LEAST_TOLD,
        )
        least, most = SECONDS
        yield Tried(
            "how long they are",
            f"{least:g} to {most:g} s each",
            ", ".join(f"{length:.1f}" for length in lengths) + " s",
            all(least <= length <= most for length in lengths),
        )

    def close(self) -> None:
        """End the worker. May be called twice."""
        if "_resident" in self.__dict__:
            self._resident.close()

    @cached_property
    def _resident(self) -> Resident[_Seat]:
        row = self.weights.row
        return self.host.resident(
            row.title, row.memory_mb, self._start, lambda seat: seat.speech.worker.close()
        )

    def _start(self, device: str) -> _Seat:
        args, variables = self._environment.command(self.module, self.host.scratch)
        worker = Worker(args, name=self.model, env=variables, limit_s=CALL_LIMIT_S)
        return _Seat(WorkerSpeech(worker, self.host.scratch), device)
