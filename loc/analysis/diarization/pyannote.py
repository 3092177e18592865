"""Speaker turns by pyannote.audio's community pipeline: who speaks when, and where several do at once.

Its weights are CC-BY-4.0 and behind a form on the hub that asks for contact details. Library and pipeline
live in an environment of their own (`loc models env pyannote`); this module talks to a worker there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from loc import environments
from loc.analysis.diarization.contract import Turn
from loc.artifacts import SAMPLE_RATE
from loc.backend import Card, Host, LicensedPart, Need
from loc.device import Resident
from loc.errors import ChildError
from loc.weights.shelf import Weights
from loc.worker import Worker

ENVIRONMENT = "pyannote"
CALL_LIMIT_S = 6 * 3600.0
"""Seconds a programme may take: hours of sound on a slow processor, at about real time."""


@dataclass(frozen=True)
class _Seat:
    """A worker, and the device that its pipeline is on, as torch names it."""

    worker: Worker
    device: str


class Pyannote:
    """The backend `speakers/pyannote`."""

    card: ClassVar[Card] = Card(
        stage="speakers",
        name="pyannote",
        version="1",
        summary="Tells speakers apart, and hears where several speak at once, by pyannote.audio.",
        family="neural",
        quality="best",
        runs="subprocess",
        architecture="pyannote-diarization",
        needs=(Need("environment", ENVIRONMENT, f"loc models env {ENVIRONMENT}"),),
        licences=(LicensedPart("code", "pyannote.audio", "mit"),),
    )

    def __init__(self, host: Host) -> None:
        assert host.model is not None
        self._host = host
        self._model = host.model
        self._environment = environments.find(host.settings.data_dir, ENVIRONMENT)

    def fingerprint(self) -> Mapping[str, str]:
        """Every package of its environment, and the weights. Starts nothing.

        Raises:
            MissingError: either cannot be used.
        """
        return {**self._environment.fingerprint(), **self._weights.fingerprint()}

    def close(self) -> None:
        """End the worker. May be called twice."""
        if "_resident" in self.__dict__:
            self._resident.close()

    def turns(self, file: Path, least: int, most: int) -> tuple[Turn, ...]:
        """The turns of a programme; see `TurnFinder.turns`.

        Raises:
            InputError: the weights are no pipeline.
            ChildError: the worker died or hung, or answered with no turns.
        """
        with self._resident as seat:
            folder = self._weights.gathered(self._host.scratch)
            reply = seat.worker.call(
                "turns", file=str(file), least=least, most=most, folder=str(folder), device=seat.device
            )
        return _turns(reply)

    @cached_property
    def _weights(self) -> Weights:
        return self._host.weights(self._model)

    @cached_property
    def _resident(self) -> Resident[_Seat]:
        row = self._weights.row
        return self._host.resident(row.title, row.memory_mb, self._start, lambda seat: seat.worker.close())

    def _start(self, device: str) -> _Seat:
        module = "loc.analysis.diarization.pyannote_worker"
        args, variables = self._environment.command(module, self._host.scratch)
        return _Seat(Worker(args, name=self._model, env=variables, limit_s=CALL_LIMIT_S), device)


def _turns(reply: Mapping[str, Any]) -> tuple[Turn, ...]:
    try:
        found = [
            Turn(start=round(start * SAMPLE_RATE), stop=round(stop * SAMPLE_RATE), speaker=str(label))
            for start, stop, label in reply["turns"]
        ]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ChildError(f"The worker {ENVIRONMENT} answered with no turns.") from error
    if any(not 0 <= turn.start <= turn.stop for turn in found):
        raise ChildError(f"The worker {ENVIRONMENT} answered with turns that are outside of time.")
    return tuple(sorted(found, key=lambda turn: (turn.start, turn.stop, turn.speaker)))
