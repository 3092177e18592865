"""Speech in 21 languages by Chatterbox Multilingual: imitates the speaker from a recording.

It lives in an environment of its own (`loc models env chatterbox`); this module talks to a worker there. Its
sound carries PerTh, the makers' inaudible mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from loc.backend import Card, Host, Languages, LicensedPart, Need
from stages.dub.contract import Spoken, Traits, VoiceRequest
from stages.dub.model_worker import ModelWorker

ENVIRONMENT = "chatterbox"

_TAGS = "ar da de el en es fi fr hi it ja ko ms nl no pl pt ru sv sw tr"
LANGUAGES = frozenset(_TAGS.split())
"""Of its 23, all but Chinese and Hebrew, for whose writing it fetches further data while it runs."""


class Chatterbox:
    """The backend `dub/chatterbox`."""

    card: ClassVar[Card] = Card(
        stage="dub",
        name="chatterbox",
        version="1",
        summary="21 languages by Chatterbox Multilingual: imitates the speaker.",
        family="neural",
        quality="best",
        runs="subprocess",
        architecture="chatterbox",
        needs=(Need("environment", ENVIRONMENT, f"loc models env {ENVIRONMENT}"),),
        languages=Languages(target=LANGUAGES),
        licences=(LicensedPart("code", "chatterbox-tts", "mit"),),
    )

    traits: ClassVar[Traits] = Traits(has_takes=True, keeps_rate=False, clones=True, has_classes=False)

    def __init__(self, host: Host) -> None:
        self._worker = ModelWorker(host, ENVIRONMENT, "stages.dub.chatterbox_worker")

    def fingerprint(self) -> Mapping[str, str]:
        """Every package of its environment, and the weights. Starts nothing."""
        return self._worker.fingerprint()

    def close(self) -> None:
        self._worker.close()

    def speak(self, text: str, language: str, voice: VoiceRequest, rate: float, take: int = 0) -> Spoken:
        """Speak one line; see `Synthesiser.speak`. Safe to call from several threads.

        Raises:
            InputError: a checkpoint does not fit.
            ChildError: the worker died or hung.
        """
        folder = str(self._checkpoints)
        return self._worker.speak(text, language, voice, rate, take, folder=folder)

    @cached_property
    def _checkpoints(self) -> Path:
        """A folder in which its files lie side by side under their published names."""
        folder = self._worker.host.scratch / f"chatterbox-{self._worker.model}"
        folder.mkdir(exist_ok=True)
        for path, file in self._worker.weights.files.items():
            link = folder / path
            if not link.is_symlink():
                link.symlink_to(file.resolve())
        return folder
