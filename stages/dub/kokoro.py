"""Speech in eight languages by Kokoro-82M: natural, quick enough for a processor, its own phone times.

The model and what reads its languages live in an environment of their own (`loc models env kokoro`), whose
readings rest on GPL programs; this module talks to a worker there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import ClassVar

from loc.backend import Card, Languages, LicensedPart, Need
from loc.errors import InputError
from stages.dub.contract import Traits, VoiceRequest
from stages.dub.model_engine import ModelEngine

ENVIRONMENT = "kokoro"

CODES = {"en": "a", "es": "e", "fr": "f", "hi": "h", "it": "i", "ja": "j", "pt": "p", "zh": "z"}
"""First letter of the voices of a language; English is the American one."""

SEXES = {"high": "f", "low": "m"}
"""Second letter of a voice's name, by the class of voice that is wanted."""

FIRST = ("af_heart", "af_bella", "am_fenrir", "am_michael", "am_puck", "jf_alpha", "jm_kumo")
"""Voices that its makers grade highest come before the rest of their language, which goes by name."""


class Kokoro(ModelEngine):
    """The backend `dub/kokoro`."""

    card: ClassVar[Card] = Card(
        stage="dub",
        name="kokoro",
        version="1",
        summary="Eight languages by Kokoro-82M: natural, on a processor too.",
        family="neural",
        quality="good",
        runs="subprocess",
        architecture="kokoro",
        checkpoint=(".pth",),
        beside=("config.json",),
        needs=(Need("environment", ENVIRONMENT, f"loc models env {ENVIRONMENT}"),),
        languages=Languages(target=frozenset(CODES)),
        licences=(
            LicensedPart("code", "kokoro and misaki", "apache-2_0"),
            LicensedPart("code", "phonemizer and espeak-ng", "gpl-3_0-or-later"),
            LicensedPart("data", "UniDic", "bsd-3-clause"),
        ),
    )

    traits: ClassVar[Traits] = Traits(times_phones=True, has_names=True)

    environment = ENVIRONMENT
    module = "stages.dub.kokoro_worker"

    def paths(self, language: str, voice: VoiceRequest) -> Mapping[str, Path]:
        """`config`, `model` and `voice`."""
        files = self.weights.files
        voices = [PurePosixPath(path).stem for path in files if path.startswith("voices/")]
        chosen = voice_of(voice, language, voices)
        model = self.weights.row.checkpoint(self.card.checkpoint, self.card.beside)
        return {"config": files["config.json"], "model": files[model], "voice": files[f"voices/{chosen}.pt"]}


def voice_of(wanted: VoiceRequest, language: str, voices: list[str]) -> str:
    """The voice that speaks for a request.

    A language without a voice of the wanted class is spoken by one of the other.

    Args:
        voices: names, `jf_alpha`.

    Raises:
        InputError: there is none by this name, or none of the language.
    """
    if wanted.name is not None:
        if wanted.name not in voices:
            raise InputError(f"Kokoro has no voice {wanted.name!r}.")
        return wanted.name
    own = sorted((name for name in voices if name.startswith(CODES[language])), key=_order)
    fitting = [name for name in own if name[1] == SEXES[wanted.voice_class]] or own
    if not fitting:
        raise InputError(f"The voices of Kokoro for {language!r} are not among its weights.")
    return fitting[wanted.variant % len(fitting)]


def _order(name: str) -> tuple[int, str]:
    return (FIRST.index(name) if name in FIRST else len(FIRST), name)
