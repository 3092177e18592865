"""Speech by any engine: a program that the user names and that speaks the worker protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from loc.backend import Card, Host
from loc.errors import UsageError
from loc.settings import words_of
from loc.worker import Worker
from stages.dub.contract import Spoken, Traits, VoiceRequest
from stages.dub.worker_speech import CALL_LIMIT_S, WorkerSpeech


class Command:
    """The backend `dub/command`."""

    card: ClassVar[Card] = Card(
        stage="dub",
        name="command",
        version="1",
        summary="Any engine of yours: the program of --dub-command, by the worker protocol.",
        family="neural",
        quality="good",
        runs="subprocess",
        only_named=True,
    )

    traits: ClassVar[Traits] = Traits(has_takes=True, has_names=True, clones=True)

    def __init__(self, host: Host) -> None:
        program = host.settings.dub_command
        args = words_of(program) if program else []
        if not args:
            raise UsageError(
                "The backend dub/command has no program to run.",
                fix="Name it: --dub-command 'PROGRAM ARGUMENTS'.",
            )
        self._speech = WorkerSpeech(Worker(args, name="dub-command", limit_s=CALL_LIMIT_S), host.scratch)

    def fingerprint(self) -> Mapping[str, str]:
        """What the program says of itself; starts it.

        Raises:
            MissingError, ChildError: there is no such program, or it is no worker.
        """
        hello = self._speech.worker.hello()
        return {"engine": f"{hello.name} {hello.version}", **hello.fingerprint}

    def close(self) -> None:
        self._speech.worker.close()

    def speak(self, text: str, language: str, voice: VoiceRequest, rate: float, take: int = 0) -> Spoken:
        """Speak one line; see `Synthesiser.speak`. Safe to call from several threads.

        Raises:
            LocError: as the program says; of kind InputError it is not asked again for this line.
            ChildError: it died, hung, or answered with no speech.
        """
        return self._speech.speak(text, language, voice, rate, take)
