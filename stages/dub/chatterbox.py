"""Speech in 21 languages by Chatterbox Multilingual: imitates the speaker from a recording.

It lives in an environment of its own (`loc models env chatterbox`); this module talks to a worker there. Its
sound carries PerTh, the makers' inaudible mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from loc.backend import Card, Languages, LicensedPart, Need
from stages.dub.contract import Traits, VoiceRequest
from stages.dub.model_engine import ModelEngine

ENVIRONMENT = "chatterbox"

_TAGS = "ar da de el en es fi fr hi it ja ko ms nl no pl pt ru sv sw tr"
LANGUAGES = frozenset(_TAGS.split())
"""Of its 23, all but Chinese and Hebrew, for whose writing it fetches further data while it runs."""


class Chatterbox(ModelEngine):
    """The backend `dub/chatterbox`."""

    card: ClassVar[Card] = Card(
        stage="dub",
        name="chatterbox",
        version="2",
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

    environment = ENVIRONMENT
    module = "stages.dub.chatterbox_worker"

    def paths(self, language: str, voice: VoiceRequest) -> Mapping[str, Path]:
        """`folder`, in which its files lie side by side under their published names."""
        del language, voice
        return {"folder": self.weights.gathered(self.host.scratch)}
