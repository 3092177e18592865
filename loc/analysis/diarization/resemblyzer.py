"""Voices by Resemblyzer: a recurrent network that makes a vector of a voice, 256 numbers.

Wan et al., "Generalized End-to-End Loss for Speaker Verification", 2018. The weights lie inside the package.
It lives in an environment of its own (`loc models env resemblyzer`); this module
talks to a worker there, on the processor, where a second of sound takes milliseconds. It has its turn among
the models of a run all the same: none stands in memory beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from loc import environments
from loc.analysis.diarization.contract import Embedding, Floats, Scale
from loc.analysis.voice_activity import ANALYSIS_RATE
from loc.backend import Card, Host, LicensedPart, Need
from loc.device import Device, free_host_mb, needed, no_room
from loc.errors import ChildError
from loc.worker import Worker

ENVIRONMENT = "resemblyzer"
SIZE = 256
"""Numbers of a vector."""
TITLE = "Resemblyzer's voice encoder"
CALL_LIMIT_S = 900.0
"""Seconds a line may take: the first time librosa compiles parts of itself, a quarter of a minute of work."""

SCALE = Scale(joined=0.60, bank=0.75, lead=0.05, other=0.60, unsure=0.05, shortest=ANALYSIS_RATE)
"""Measured on four real people (`bench/voices.py`, `bench/results/voices.json`). Lines of 1 to 3.5 s: means
of one person's pairs 0.67 to 0.87, of two people's 0.44 to 0.57; with 0.58 to 0.62 each person alone, every
two and all four came out right. Four seconds and more: one person 0.82 and up, 0.76 and up through a
telephone's band, a codec or another equaliser, down to 0.61 in noise or a room; two people 0.68 at most, 0.65
in 95 of 100 pairs. In lines of 3.4 s nine in ten pairs of two people were under 0.60, and no line of one
person in 66 was doubted; a change of speaker within a line was seen in 8 of 12, two voices at once in 7 of
12."""


class Resemblyzer:
    """The backend `speakers/resemblyzer`."""

    card: ClassVar[Card] = Card(
        stage="speakers",
        name="resemblyzer",
        version="1",
        summary="Tells speakers apart by Resemblyzer's voice encoder, and knows voices of the bank again.",
        family="neural",
        quality="good",
        runs="subprocess",
        needs=(Need("environment", ENVIRONMENT, f"loc models env {ENVIRONMENT}"),),
        memory_mb=600,
        licences=(
            LicensedPart("code", "resemblyzer", "apache-2_0"),
            LicensedPart("weights", "voice encoder inside resemblyzer", "resemblyzer-weights"),
        ),
    )

    scale: ClassVar[Scale] = SCALE

    def __init__(self, host: Host) -> None:
        self._scratch = host.scratch
        self._environment = environments.find(host.settings.data_dir, ENVIRONMENT)
        self._numbers = itertools.count()
        # It asks nothing of the device that was chosen, and takes turns with the models there all the same.
        self._net = host.resident(TITLE, 0, self._start, lambda worker: worker.close())

    def fingerprint(self) -> Mapping[str, str]:
        """Every package of its environment. Starts nothing.

        Raises:
            MissingError: it cannot be used.
        """
        return self._environment.fingerprint()

    def close(self) -> None:
        """End the worker. May be called twice."""
        self._net.close()

    def embed(self, audio: Floats) -> Embedding:
        """The voice in a sound; see `Embedder.embed`.

        Raises:
            InputError: there is nothing to be heard in it.
            MissingError: there is no room for it.
            ChildError: the worker died or hung, or answered with no vectors.
        """
        import soundfile

        file = self._scratch / f"voice-{next(self._numbers)}.wav"
        try:
            soundfile.write(file, audio, ANALYSIS_RATE, subtype="FLOAT")
            with self._net as worker:
                return _embedding(worker.call("embed", file=str(file)))
        finally:
            file.unlink(missing_ok=True)

    def _start(self, device: str) -> Worker:
        """Its worker, which computes on the processor whatever the device."""
        del device
        free = free_host_mb()
        if free is not None and free < self.card.memory_mb:
            raise no_room(TITLE, Device("cpu", "CPU", "cpu"), needed(self.card.memory_mb, free))
        module = "loc.analysis.diarization.resemblyzer_worker"
        args, variables = self._environment.command(module, self._scratch)
        return Worker(args, name=ENVIRONMENT, env=variables, limit_s=CALL_LIMIT_S)


def _embedding(reply: Mapping[str, Any]) -> Embedding:
    try:
        whole = np.asarray(reply["vector"], dtype=np.float32)
        parts = np.asarray(reply["parts"], dtype=np.float32).reshape(-1, SIZE)
    except (KeyError, TypeError, ValueError) as error:
        raise ChildError(f"The worker {ENVIRONMENT} answered with no vectors.") from error
    length = float(np.linalg.norm(whole))
    if whole.shape != (SIZE,) or not np.isfinite(parts).all() or not 0.99 < length < 1.01:
        raise ChildError(f"The worker {ENVIRONMENT} answered with vectors that are none of its own.")
    return Embedding(whole, parts)
