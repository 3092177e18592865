"""A model that speaks in an environment of its own: its weights, its worker, its place on the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from loc import environments
from loc.backend import Host
from loc.device import Resident
from loc.weights.shelf import Weights
from loc.worker import Worker
from stages.dub.contract import Spoken, VoiceRequest
from stages.dub.worker_speech import CALL_LIMIT_S, WorkerSpeech


@dataclass(frozen=True)
class _Seat:
    """A worker, and the device that its model is on, as torch names it."""

    speech: WorkerSpeech
    device: str


class ModelWorker:
    """The worker of one model: started when a line is to be spoken, ended when another model needs its place.

    Args:
        host: of the backend; `host.model` says which weights.
        environment: its name.
        module: of the worker.
    """

    def __init__(self, host: Host, environment: str, module: str) -> None:
        assert host.model is not None
        self.host = host
        self.model = host.model
        self._environment = environments.find(host.settings.data_dir, environment)
        self._module = module

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

    def speak(
        self, text: str, language: str, voice: VoiceRequest, rate: float, take: int, **more: Any
    ) -> Spoken:
        """Have a line spoken; see `WorkerSpeech.speak`.

        Args:
            more: further parameters of this worker's `speak`, beside the device.
        """
        with self._resident as seat:
            return seat.speech.speak(text, language, voice, rate, take, device=seat.device, **more)

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
        args, variables = self._environment.command(self._module, self.host.scratch)
        worker = Worker(args, name=self.model, env=variables, limit_s=CALL_LIMIT_S)
        return _Seat(WorkerSpeech(worker, self.host.scratch), device)
